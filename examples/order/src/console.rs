//! What the program tells.

use std::error::Error;
use std::fmt;
use std::io::Write;

/// Prints a line. A reader that went away is no reason to stop an order.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints what one of the parties has to say.
pub(crate) fn said(who: &str, text: impl fmt::Display) {
    line(format_args!("{who:<10}{text}"));
}

/// Prints an error with its sources, as one line on the error output.
pub(crate) fn error(error: &dyn Error) {
    let sources = std::iter::successors(error.source(), |source| (*source).source());
    let text = sources.map(ToString::to_string).fold(error.to_string(), |text, source| {
        if text.ends_with(&source) { text } else { format!("{text}: {source}") }
    });
    let _ = writeln!(std::io::stderr().lock(), "error: {text}");
}
