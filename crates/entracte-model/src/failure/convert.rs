//! From Rust errors to failures, and context on results.

use std::error::Error;
use std::fmt;

use super::Failure;

/// Any error becomes an application failure, its sources become causes (rule FAIL-2).
impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = match into_failure(error) {
            Ok(failure) => return failure,
            Err(error) => error,
        };
        let cause = error.source().map(|source| from_source(source, Self::LEVELS_MAX - 1));
        let message = own_message(&error.to_string(), cause.as_ref());
        let failure = Self::application(short_type_name::<E>(), message);
        match cause {
            Some(cause) => failure.with_cause(cause),
            None => failure,
        }
    }
}

/// A failure that went out as an error comes back as the failure it was (rule FAIL-11).
fn into_failure<E: Error + Send + Sync + 'static>(error: E) -> Result<Failure, E> {
    let mut slot = Some(error);
    let any: &mut dyn std::any::Any = &mut slot;
    if let Some(held) = any.downcast_mut::<Option<FailureError>>()
        && let Some(FailureError(failure)) = held.take()
    {
        return Ok(failure);
    }
    match slot {
        Some(error) => Err(error),
        None => Ok(Failure::application("", "")),
    }
}

/// Makes a failure of a source and its own sources, as many as a failure can have.
fn from_source(error: &(dyn Error + 'static), levels: usize) -> Failure {
    if let Some(FailureError(failure)) = error.downcast_ref::<FailureError>() {
        return failure.clone();
    }
    let source = error.source().filter(|_| levels > 1);
    let cause = source.map(|source| from_source(source, levels - 1));
    let message = own_message(&error.to_string(), cause.as_ref());
    // The type behind a `dyn Error` has no name any more.
    let failure = Failure::application("", message);
    match cause {
        Some(cause) => failure.with_cause(cause),
        None => failure,
    }
}

/// Many errors repeat their source at the end of their text; the chain must not say it twice.
fn own_message(text: &str, cause: Option<&Failure>) -> String {
    let Some(cause) = cause else { return text.to_owned() };
    let tail = cause.to_string();
    match text.strip_suffix(tail.as_str()) {
        Some("") | None => text.to_owned(),
        Some(own) => own.trim_end_matches([':', ' ']).to_owned(),
    }
}

/// The name of a type as it is told: without its module path and its parameters, and through
/// the pointers around it. Retry policies and callers match on it, and it stands in histories,
/// so what is inside of a generic type must not be able to change it.
///
/// `my::GatewayError<reqwest::Error>` is `GatewayError`, and so is a `Box` or `Arc` of it.
fn short_type_name<T: ?Sized>() -> String {
    let mut name = std::any::type_name::<T>();
    loop {
        name = name.trim_start_matches(['&', ' ']);
        name = name.strip_prefix("mut ").or(name.strip_prefix("dyn ")).unwrap_or(name);
        // Of `dyn Error + Send` the first one counts.
        name = name
            .split_once(" + ")
            .filter(|(first, _)| !first.contains('<'))
            .map_or(name, |it| it.0);
        let (path, parameters) = match name.split_once('<') {
            Some((path, rest)) => (path, rest.strip_suffix('>')),
            None => (name, None),
        };
        let last = path.rsplit("::").next().unwrap_or(path);
        match parameters {
            Some(inner) if POINTERS.contains(&last) => name = inner,
            _ => return last.to_owned(),
        }
    }
}

/// The types that are errors because what they point to is one.
const POINTERS: [&str; 2] = ["Arc", "Box"];

/// A [`Failure`] as a standard error, for callers that want one.
///
/// `Failure` itself cannot implement `std::error::Error`, because any such error converts
/// into it.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureError(pub Failure);

impl fmt::Display for FailureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for FailureError {}

impl Failure {
    /// Makes the failure a standard error, which becomes this same failure again with `?`.
    #[must_use]
    pub fn into_error(self) -> FailureError {
        FailureError(self)
    }
}

/// Context on results, as `anyhow` has it, for any error that becomes a [`Failure`].
pub trait ResultExt<T> {
    /// Says what was being done, if the result is an error.
    ///
    /// # Errors
    /// The error as a failure, with the context before it.
    fn context(self, context: impl fmt::Display) -> Result<T, Failure>;

    /// Says what was being done, if the result is an error; the text is made only then.
    ///
    /// # Errors
    /// The error as a failure, with the context before it.
    fn with_context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> ResultExt<T> for Result<T, E> {
    fn context(self, context: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().context(context))
    }

    fn with_context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T, Failure> {
        self.map_err(|error| error.into().context(context()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[derive(Debug, thiserror::Error)]
    #[error("open the ledger")]
    struct LedgerError(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("open the ledger: {0}")]
    struct RepeatingError(#[source] std::io::Error);

    fn refused() -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused")
    }

    #[test]
    fn fail_2_an_error_becomes_a_retryable_failure_with_its_type_name() {
        let failure = Failure::from(LedgerError(refused()));
        let FailureKind::Application(application) = failure.kind() else { panic!("{failure:?}") };
        assert_eq!(application.r#type, "LedgerError");
        assert!(failure.is_retryable(&[]));
        assert_eq!(failure.message(), "open the ledger");
        assert_eq!(failure.to_string(), "open the ledger: connection refused");
    }

    #[test]
    fn fail_10_a_text_that_repeats_its_source_is_not_said_twice() {
        let failure = Failure::from(RepeatingError(refused()));
        assert_eq!(failure.message(), "open the ledger");
        assert_eq!(failure.to_string(), "open the ledger: connection refused");
    }

    #[test]
    fn fail_11_a_failure_that_was_an_error_is_the_same_failure_again() {
        let original = Failure::non_retryable("Declined", "no").context("charge");
        let again = Failure::from(original.clone().into_error());
        assert_eq!(again, original);
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the gateway is closed")]
    struct GatewayError<E>(std::marker::PhantomData<E>);

    #[test]
    fn fail_2_a_type_s_name_has_neither_path_nor_parameters_nor_pointers() {
        use std::sync::Arc;
        fn type_of<E: Error + Send + Sync + 'static>(error: E) -> String {
            Failure::from(error).application_type().unwrap().to_owned()
        }
        let gateway = || GatewayError::<Vec<std::fmt::Error>>(std::marker::PhantomData);
        assert_eq!(type_of("x".parse::<u8>().unwrap_err()), "ParseIntError");
        assert_eq!(type_of(gateway()), "GatewayError");
        assert_eq!(type_of(Box::new(gateway())), "GatewayError");
        assert_eq!(type_of(Arc::new(gateway())), "GatewayError");
        assert_eq!(type_of(Arc::new(Box::new(refused()))), "Error");
        type Shared = Arc<dyn Error + Send + Sync>;
        assert_eq!(short_type_name::<Shared>(), "Error");
        assert_eq!(short_type_name::<&'static mut str>(), "str");
        assert_eq!(short_type_name::<Box<dyn Iterator<Item = Vec<u8>> + Send>>(), "Iterator");
    }

    #[test]
    fn fail_2_sources_are_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("book the transfer")]
        struct BookError(#[source] LedgerError);
        let failure = Failure::from(BookError(LedgerError(refused())));
        let messages: Vec<_> = failure.chain().map(Failure::message).collect();
        assert_eq!(messages, ["book the transfer", "open the ledger", "connection refused"]);
        let types: Vec<_> = failure.chain().filter_map(Failure::application_type).collect();
        // What stands behind a `dyn Error` has no name any more.
        assert_eq!(types, ["BookError", "", ""]);
        let failure = failure.context("pay the bill");
        assert_eq!(
            failure.to_string(),
            "pay the bill: book the transfer: open the ledger: connection refused"
        );
        assert_eq!(failure.application_type(), Some("BookError"));
    }

    #[test]
    fn fail_11_a_failure_within_an_error_is_a_cause_with_all_that_it_tells() {
        #[derive(Debug, thiserror::Error)]
        #[error("settle")]
        struct SettleError(#[source] FailureError);
        let declined = Failure::non_retryable("Declined", "no").with_details(&51).unwrap();
        let failure = Failure::from(SettleError(declined.clone().into_error()));
        assert_eq!(failure.cause(), Some(&declined));
        assert_eq!(failure.details::<u32>(), Some(Ok(51)));
        assert_eq!(failure.to_string(), "settle: no");
    }
}
