//! What the program prints.

use std::error::Error;
use std::fmt;
use std::io::Write;

use crate::stage::Stage;

/// Prints a line. A reader that went away is no reason to stop a deployment.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints what a stage has to say.
pub(crate) fn stage(stage: Stage, text: impl fmt::Display) {
    line(format_args!("{:<16} {text}", stage.name()));
}

/// Prints an error with its sources, as one line on the error output.
pub(crate) fn error(error: &dyn Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    let _ = writeln!(std::io::stderr().lock(), "error: {text}");
}
