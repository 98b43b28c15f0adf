//! The lines that `strace -f -y -xx` writes.

/// A line of a trace is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} in the line of the trace `{line}`")]
pub struct TraceError {
    problem: String,
    line: String,
}

impl TraceError {
    /// Says what is not understood of a line.
    pub(super) fn new(problem: impl Into<String>, line: &str) -> Self {
        // Lines can hold megabytes of data; what matters is at both ends.
        const SHOWN: usize = 300;
        let mut short: String = line.chars().take(SHOWN).collect();
        if short.len() < line.len() {
            let end: String = line.chars().skip(line.chars().count().saturating_sub(80)).collect();
            short = format!("{short} … {end}");
        }
        Self { problem: problem.into(), line: short }
    }
}

/// What a line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A call from its beginning to its end.
    Call { name: &'a str, rest: &'a str },
    /// A call that goes on while others write their lines.
    Unfinished { name: &'a str, arguments: &'a str },
    /// The rest of such a call.
    Resumed { name: &'a str, rest: &'a str },
    /// The process or thread is gone.
    Gone { is_killed: bool },
    /// A signal, or something else that changes no file.
    Other,
}

/// Takes a line apart, and tells whose it is.
pub(super) fn parse(line: &str) -> Result<(u32, Line<'_>), TraceError> {
    let (pid, text) = line
        .split_once(' ')
        .and_then(|(pid, text)| Some((pid.parse().ok()?, text.trim_start())))
        .ok_or_else(|| TraceError::new("no process id", line))?;
    Ok((pid, parse_text(text).ok_or_else(|| TraceError::new("no call", line))?))
}

fn parse_text(text: &str) -> Option<Line<'_>> {
    if let Some(end) = text.strip_prefix("+++ ") {
        return Some(Line::Gone { is_killed: end.starts_with("killed") });
    }
    if text.starts_with("--- ") {
        return Some(Line::Other);
    }
    if let Some(resumed) = text.strip_prefix("<... ") {
        let (name, rest) = resumed.split_once(" resumed>")?;
        return Some(Line::Resumed { name, rest });
    }
    let (name, rest) = text.split_once('(')?;
    if let Some(arguments) = rest.strip_suffix(" <unfinished ...>") {
        return Some(Line::Unfinished { name, arguments });
    }
    Some(Line::Call { name, rest })
}

/// The arguments of a call, and what it gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finished<'a> {
    pub(super) arguments: Vec<&'a str>,
    /// None if the call failed, or nobody knows how it ended.
    pub(super) result: Option<u64>,
    /// Whether nobody knows how it ended: the process was killed.
    pub(super) is_unknown: bool,
}

/// Takes the part behind the name and its bracket apart: arguments, `)`, `=`, result.
pub(super) fn finished(rest: &str) -> Option<Finished<'_>> {
    let (arguments, end) = split_arguments(rest);
    let end_text = end?.trim_start().strip_prefix('=')?.trim_start();
    let number: &str = end_text.split([' ', '<']).next()?;
    let result = match number.trim_end().strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    };
    // A failure without a name is none: the process was killed before it could be asked.
    let is_unknown = number == "?" || end_text.starts_with("-1 (errno ");
    Some(Finished { arguments, result, is_unknown })
}

/// Splits arguments at the commas between them; gives what follows their closing bracket too.
pub(super) fn split_arguments(text: &str) -> (Vec<&str>, Option<&str>) {
    let (mut arguments, mut depth, mut start, mut index) = (Vec::new(), 0_u32, 0, 0);
    while let Some(byte) = text.as_bytes().get(index) {
        match byte {
            // All characters of strings are written in hexadecimal: none of them is a quote.
            b'"' => index += text[index + 1..].find('"').map_or(text.len(), |length| length + 1),
            b'(' | b'[' | b'{' => depth += 1,
            b')' if depth == 0 => {
                push_argument(&mut arguments, &text[start..index]);
                return (arguments, Some(&text[index + 1..]));
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                push_argument(&mut arguments, &text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
        index += 1;
    }
    push_argument(&mut arguments, &text[start..]);
    (arguments, None)
}

fn push_argument<'a>(arguments: &mut Vec<&'a str>, text: &'a str) {
    let text = text.trim();
    if !text.is_empty() {
        arguments.push(text);
    }
}

/// The bytes of a string in hexadecimal, `"\x41\x42"`; none if it was cut short.
pub(super) fn string(text: &str) -> Option<Vec<u8>> {
    let hex = text.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    hex.chunks(4)
        .map(|chunk| match chunk {
            [b'\\', b'x', high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn digit(character: u8) -> Option<u8> {
    (character as char).to_digit(16).and_then(|digit| digit.try_into().ok())
}

/// A file descriptor and its path, `3<\x2f>`; the path is missing for some kinds.
pub(super) fn descriptor(text: &str) -> Option<(i64, Option<String>)> {
    let (number, path) = match text.split_once('<') {
        Some((number, path)) => (number, path.strip_suffix('>')),
        None => (text, None),
    };
    let number = if number == "AT_FDCWD" { AT_FDCWD } else { number.parse().ok()? };
    let path = path.and_then(|hex| string(&format!("\"{hex}\"")));
    Some((number, path.and_then(|path| String::from_utf8(path).ok())))
}

/// Stands for the working directory in place of a descriptor.
pub(super) const AT_FDCWD: i64 = -100;

/// The bytes of all parts of a gathered write, `[{iov_base="\x41", iov_len=1}, …]`.
pub(super) fn gathered(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let mut bytes = Vec::new();
    for part in split_arguments(inner).0 {
        let base = part.strip_prefix("{iov_base=")?.split(',').next()?;
        bytes.extend(string(base)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_taken_apart() {
        let line = r#"8342  write(12<\x2f\x61>, "\x31\x0a", 2) = 2"#;
        let (pid, Line::Call { name, rest }) = parse(line).unwrap() else { panic!() };
        assert_eq!((pid, name), (8342, "write"));
        let call = finished(rest).unwrap();
        assert_eq!(call.result, Some(2));
        assert_eq!(descriptor(call.arguments[0]), Some((12, Some("/a".to_owned()))));
        assert_eq!(string(call.arguments[1]), Some(b"1\n".to_vec()));
    }

    #[test]
    fn calls_that_fail_or_never_end_have_no_result() {
        let failed = finished(r#""\x2f", 0777) = -1 EEXIST (File exists)"#).unwrap();
        assert_eq!(failed.result, None);
        assert_eq!(failed.arguments.len(), 2);
        let unknown = finished("3)       = ?").unwrap();
        assert!(unknown.is_unknown && unknown.result.is_none());
        let nameless = finished("3)  = -1 (errno 18446744073709551615)").unwrap();
        assert!(nameless.is_unknown && nameless.result.is_none());
        assert!(!failed.is_unknown);
    }

    #[test]
    fn calls_between_which_others_write_are_recognised() {
        let (_, line) =
            parse(r#"7  openat(AT_FDCWD<\x2f>, "\x61", O_RDWR <unfinished ...>"#).unwrap();
        let Line::Unfinished { name: "openat", arguments } = line else { panic!("{line:?}") };
        assert_eq!(split_arguments(arguments).0.len(), 3);
        let (_, line) = parse("7  <... openat resumed>) = 3<\\x2f\\x61>").unwrap();
        assert_eq!(line, Line::Resumed { name: "openat", rest: ") = 3<\\x2f\\x61>" });
        assert_eq!(
            parse("7  +++ killed by SIGKILL +++").unwrap().1,
            Line::Gone { is_killed: true }
        );
    }

    #[test]
    fn gathered_writes_are_joined() {
        let text = r#"[{iov_base="\x61\x62", iov_len=2}, {iov_base="\x63", iov_len=1}]"#;
        assert_eq!(gathered(text), Some(b"abc".to_vec()));
    }

    #[test]
    fn a_string_that_was_cut_short_is_refused() {
        assert_eq!(string(r#""\x61"..."#), None);
    }
}
