//! What the program prints.

use std::error::Error;
use std::fmt;
use std::io::Write;

/// Prints a line. A reader that went away is no reason to stop a deployment.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints what a stage has to say.
pub(crate) fn stage(name: &str, text: impl fmt::Display) {
    line(format_args!("{name:<16}{text}"));
}

/// Prints an error with its sources, as one line on the error output.
pub(crate) fn error(error: &dyn Error) {
    let _ = writeln!(std::io::stderr().lock(), "error: {}", chain(error));
}

/// The text of an error with those of its sources, none of them twice.
fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |source| (*source).source());
    sources.map(ToString::to_string).fold(error.to_string(), |text, source| {
        if text.ends_with(&source) { text } else { format!("{text}: {source}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read the request")]
    struct Silent(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("read the request: {0}")]
    struct Repeating(#[source] std::io::Error);

    #[test]
    fn a_source_is_told_once() {
        let missing = || std::io::Error::other("no such file");
        assert_eq!(chain(&Silent(missing())), "read the request: no such file");
        assert_eq!(chain(&Repeating(missing())), "read the request: no such file");
    }
}
