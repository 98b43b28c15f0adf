//! Which answers a damaged store may give.

use std::fmt;

use super::case::Case;
use super::content::Content;
use super::probe::{EXTRA_ROW, Found, Probed};
use super::prober::Probing;

/// How much memory an opening may take, in bytes.
const MEMORY_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The errors that promise that nothing was changed on the disk.
const CHANGE_NOTHING: [&str; 2] = ["Corrupt", "Truncated"];

/// What a damaged store made of its damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Everything is there, and nothing else.
    Right,
    /// Less is there, but only what may be lost.
    TornTail,
    /// It could not be opened, and said why.
    Refused,
    /// It could not be opened, said why, and has changed files.
    RefusedChanged,
    /// It was opened, and said why a row could not be read.
    Unreadable,
    /// It was opened, and has less or something else without saying so.
    SilentLoss,
    /// A panic came out of it, or of a thread of its own.
    Panic,
    /// It did not come to an end.
    Hang,
    /// The process died.
    Abort,
    /// It took far too much memory.
    Memory,
    /// What nobody was promised keeps it from being opened.
    Locked,
    /// The second opening says something else than the first one, or an error that changes
    /// nothing has changed something.
    Unstable,
    /// The inspection, which changes nothing, finds a damage and the store opens, or the other
    /// way round.
    Contradicted,
}

impl Verdict {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 13] = [
        Self::Right,
        Self::TornTail,
        Self::Refused,
        Self::RefusedChanged,
        Self::Unreadable,
        Self::SilentLoss,
        Self::Panic,
        Self::Hang,
        Self::Abort,
        Self::Memory,
        Self::Locked,
        Self::Unstable,
        Self::Contradicted,
    ];

    /// Whether no store may do that.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self >= Self::SilentLoss
    }

    /// A short name; those of failures are in capitals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::TornTail => "torn tail",
            Self::Refused => "refused",
            Self::RefusedChanged => "refused*",
            Self::Unreadable => "unreadable",
            Self::SilentLoss => "LOSS",
            Self::Panic => "PANIC",
            Self::Hang => "HANG",
            Self::Abort => "ABORT",
            Self::Memory => "MEMORY",
            Self::Locked => "LOCKED",
            Self::Unstable => "UNSTABLE",
            Self::Contradicted => "CONTRADICT",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A verdict and its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The name of the error, if there was one.
    pub error: Option<String>,
    /// What happened.
    pub detail: String,
}

/// Judges what a damaged store has answered. The difference is how its files differ from what
/// they were before it was opened.
#[must_use]
pub fn judge(case: &Case, probing: &Probing, difference: Option<&str>) -> Judgement {
    let (verdict, detail) = match probing {
        Probing::Hung => (Verdict::Hang, "no answer before the deadline".to_owned()),
        Probing::Died { status, last_words } => {
            let is_memory = last_words.contains("memory allocation of");
            let verdict = if is_memory { Verdict::Memory } else { Verdict::Abort };
            (verdict, format!("{status}: {last_words}"))
        }
        Probing::Answered(probed) => judge_answer(case, probed, difference),
    };
    let error = match probing {
        Probing::Answered(Probed { first, second, .. }) => {
            error_of(first).or_else(|| error_of(second))
        }
        _ => None,
    };
    Judgement { verdict, error, detail }
}

fn error_of(found: &Found) -> Option<String> {
    match found {
        Found::Refused { name, text } => Some(format!("{name}: {}", without_numbers(text))),
        Found::Unreadable { name, text } => {
            Some(format!("{name} at reading: {}", without_numbers(text)))
        }
        _ => None,
    }
}

/// What an error says, without paths and numbers, so that errors of the same kind are equal.
fn without_numbers(text: &str) -> String {
    let words = text.split(' ').map(|word| if word.contains('/') { "…" } else { word });
    let text = words.collect::<Vec<_>>().join(" ");
    let mut short = String::new();
    for letter in text.chars() {
        let letter = if letter.is_ascii_digit() { '#' } else { letter };
        if !(letter == '#' && short.ends_with('#')) {
            short.push(letter);
        }
    }
    short.chars().take(110).collect()
}

fn judge_answer(case: &Case, probed: &Probed, difference: Option<&str>) -> (Verdict, String) {
    let Probed { first, second, third, panics, memory_bytes, .. } = probed;
    for found in [first, second] {
        if let Found::Panicked(text) = found {
            return (Verdict::Panic, text.clone());
        }
        if let Some(loss) = loss(case, found) {
            return (Verdict::SilentLoss, format!("{loss}; first {first:?}, second {second:?}"));
        }
    }
    if let (Found::Read { content, .. }, Some(third)) = (first, third)
        && let Some(trouble) = trouble_after_a_commit(*content, third)
    {
        return trouble;
    }
    if let Some(panic) = panics.first() {
        return (Verdict::Panic, format!("in a thread of its own: {panic}; first {first:?}"));
    }
    if *memory_bytes > MEMORY_BYTES_MAX {
        return (Verdict::Memory, format!("{memory_bytes} bytes; first {first:?}"));
    }
    if !are_alike(first, second) {
        return (Verdict::Unstable, format!("first {first:?}, second {second:?}"));
    }
    if let Some(trouble) = disagreement(probed) {
        return (Verdict::Contradicted, trouble);
    }
    match first {
        Found::Read { content, .. } => {
            let is_all = case.sample.commit_of(content) >= Some(case.sample.acknowledged);
            (if is_all { Verdict::Right } else { Verdict::TornTail }, String::new())
        }
        Found::Refused { text, .. } | Found::Unreadable { text, .. } if case.must_open => {
            (Verdict::Locked, text.clone())
        }
        Found::Refused { name, text } => {
            let Some(difference) = difference else { return (Verdict::Refused, text.clone()) };
            let promised = CHANGE_NOTHING.contains(&name.as_str());
            let verdict = if promised { Verdict::Unstable } else { Verdict::RefusedChanged };
            (verdict, format!("{text}; and {difference}"))
        }
        Found::Unreadable { text, .. } => (Verdict::Unreadable, text.clone()),
        // Both were dealt with above.
        Found::Panicked(text) | Found::Differs(text) => (Verdict::Panic, text.clone()),
    }
}

/// How the look that changes nothing disagrees with the opening, if it does.
fn disagreement(probed: &Probed) -> Option<String> {
    match (&probed.inspected, &probed.first) {
        (Some(damage), Found::Read { .. }) if !damage.is_empty() => {
            Some(format!("it was opened, and the inspection says: {damage:?}"))
        }
        (Some(damage), Found::Refused { text, .. }) if damage.is_empty() => {
            Some(format!("the inspection finds nothing, and the opening says: {text}"))
        }
        (None, Found::Read { .. }) => Some("it was opened, and could not be inspected".to_owned()),
        _ => None,
    }
}

/// What is wrong with an opening after one commit more, if anything is.
fn trouble_after_a_commit(mut before: Content, after: &Found) -> Option<(Verdict, String)> {
    let (space, key, value) = EXTRA_ROW;
    before.add(space, key, value);
    let verdict = match after {
        Found::Read { content, .. } if *content == before => return None,
        Found::Read { .. } | Found::Differs(_) => Verdict::SilentLoss,
        Found::Panicked(_) => Verdict::Panic,
        Found::Refused { .. } | Found::Unreadable { .. } => Verdict::Unstable,
    };
    Some((verdict, format!("after one commit more: {after:?}")))
}

/// What is lost, if something is that may not be.
fn loss(case: &Case, found: &Found) -> Option<String> {
    match found {
        Found::Differs(text) => Some(text.clone()),
        Found::Read { content, .. } => match case.sample.commit_of(content) {
            None => Some(format!(
                "what is there is what no commit left behind: {:?} rows, not {:?}",
                content.rows,
                case.sample.contents.last().map(|content| content.rows)
            )),
            Some(number) if number < case.durable() => {
                Some(format!("there are {number} commits, not {}", case.sample.acknowledged))
            }
            Some(_) => None,
        },
        _ => None,
    }
}

fn are_alike(first: &Found, second: &Found) -> bool {
    match (first, second) {
        (Found::Read { content, .. }, Found::Read { content: again, .. }) => content == again,
        (Found::Refused { name, .. }, Found::Refused { name: again, .. })
        | (Found::Unreadable { name, .. }, Found::Unreadable { name: again, .. }) => name == again,
        _ => false,
    }
}
