//! What is made to go wrong, to see the copy survive it.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many attempts find the disk full.
const TIMES: u32 = 2;

/// A disk that is full for a while. Part of the activities and not of the workflow's input: a
/// run that is taken up again without the flag goes on without the fault.
#[derive(Debug)]
pub(crate) struct Faults {
    full_at: Option<u64>,
    left: AtomicU32,
}

impl Faults {
    pub(crate) fn new(full_at: Option<u64>) -> Self {
        Self { full_at, left: AtomicU32::new(TIMES) }
    }

    /// Says that the disk is full, if a copy of this many bytes is to find it so.
    pub(crate) fn write(&self, bytes: u64) -> io::Result<()> {
        let strikes = self.full_at.is_some_and(|full_at| bytes > full_at);
        let take = |left: u32| left.checked_sub(1);
        if strikes && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_for_a_while() {
        let faults = Faults::new(Some(10));
        assert!(faults.write(10).is_ok());
        for _ in 0..TIMES {
            assert_eq!(faults.write(11).unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        assert!(faults.write(11).is_ok());
        assert!(Faults::new(None).write(u64::MAX).is_ok());
    }
}
