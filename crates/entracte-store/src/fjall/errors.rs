//! Names for what fjall says.

use std::path::Path;

use crate::error::StoreError;

/// Names an error of fjall, met while doing something.
pub(super) fn name(doing: &'static str, path: Option<&Path>, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
            StoreError::from_io(doing, path, source)
        }
        fjall::Error::Poisoned => StoreError::Poisoned {
            reason: "the storage engine stopped itself after a failed write in the background"
                .into(),
        },
        other => StoreError::Backend { reason: format!("cannot {doing}: {other}") },
    }
}

/// The text of a panic.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_named_wherever_fjall_meets_it() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let plain = name("commit", None, fjall::Error::Io(full()));
        assert!(matches!(plain, StoreError::Full { doing: "commit", .. }), "{plain}");
        let inner = fjall::Error::Storage(fjall::LsmError::Io(full()));
        assert!(matches!(name("commit", None, inner), StoreError::Full { .. }));
        let other = name("open", None, fjall::Error::Unrecoverable);
        assert!(matches!(other, StoreError::Backend { .. }), "{other}");
    }
}
