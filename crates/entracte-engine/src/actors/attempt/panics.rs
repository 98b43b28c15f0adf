//! Panics of activities: caught, with the place where they happened.
//!
//! What `catch_unwind` gives does not tell the place; only a panic hook is told. Ours records it
//! while an attempt's code runs on the thread, and hands every panic on to the hook that was
//! there before. A hook that is set later replaces it: then the place is missing, and nothing
//! else is.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use entracte_model::Failure;

/// The type of the failure that a panic of an activity becomes (rule FAIL-3).
const PANIC_ERROR: &str = "PanicError";

thread_local! {
    /// Whether an attempt's code runs on this thread.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    /// The last panic of watched code on this thread.
    static LAST: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// What a panic said, and where.
struct Place {
    message: String,
    location: String,
}

/// Sets the hook, once in the life of the process.
pub(crate) fn install_hook() {
    static INSTALLED: Once = Once::new();
    // Whoever starts an engine while unwinding must not set a hook, and goes without places.
    if !std::thread::panicking() {
        INSTALLED.call_once(|| {
            let earlier = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                record(info);
                earlier(info);
            }));
        });
    }
}

fn record(info: &PanicHookInfo<'_>) {
    // A thread that ends has no thread-local values any more.
    if WATCHED.try_with(Cell::get).unwrap_or(false)
        && let Some(location) = info.location()
    {
        let message = text(info.payload());
        let place = Place { message, location: location.to_string() };
        let _ = LAST.try_with(|last| last.replace(Some(place)));
    }
}

/// Runs code of an attempt. A panic is a retryable failure with the panic's message, and its
/// place as the stack trace (rule FAIL-3).
pub(super) fn watch<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    let _watch = Watch::begin();
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = text(&*panic);
        let place = LAST.take().filter(|place| place.message == message);
        let failure = Failure::application(PANIC_ERROR, message);
        match place {
            Some(place) => failure.with_stack_trace(format!("at {}", place.location)),
            None => failure,
        }
    })
}

/// Watches the thread until it is dropped.
struct Watch {
    outer: bool,
}

impl Watch {
    fn begin() -> Self {
        LAST.take();
        Self { outer: WATCHED.replace(true) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.set(self.outer);
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fail_3_a_panic_is_a_retryable_failure_with_its_message_and_place() {
        install_hook();
        let place = format!("at {}:{}:", file!(), line!() + 1);
        let failure = watch(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!(failure.application_type(), Some(PANIC_ERROR));
        assert_eq!(failure.message(), "number 7");
        assert!(failure.stack_trace().starts_with(&place), "{}", failure.stack_trace());
        assert!(failure.is_retryable(&[]));
    }

    #[test]
    fn a_place_is_not_told_of_another_panic() {
        install_hook();
        let failure = watch(|| {
            let _ = std::panic::catch_unwind(|| panic!("first"));
            std::panic::resume_unwind(Box::new("second"));
        });
        let failure = failure.unwrap_err();
        assert_eq!((failure.message(), failure.stack_trace()), ("second", ""));
        assert_eq!(watch(|| 5), Ok(5));
    }
}
