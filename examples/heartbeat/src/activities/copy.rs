//! Copy: piece by piece, each of them on the disk before a heartbeat tells of it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entracte::prelude::*;

use super::Copier;
use crate::contract::Step;
use crate::original::Source;
use crate::partial::Partial;

/// How long a full disk is left alone.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

impl Copier {
    pub(super) fn copy(self: Arc<Self>, ctx: ActivityContext, step: Step) -> ActivityResult<()> {
        let Step { request, original } = step;
        // What an earlier attempt has told last, however it ended.
        let safe: u64 = ctx.heartbeat_details()?.unwrap_or(0);
        let mut source = Source::open(&request.source, &original)?;
        let mut partial = Partial::open(&request.target, safe.min(original.bytes), &ctx)?;
        self.screen.copying(partial.end(), original.bytes, ctx.attempt());
        let begin = (Instant::now(), partial.end());
        let mut buffer = Vec::new();
        while partial.end() < original.bytes {
            if ctx.is_cancelled() {
                return Err(Failure::canceled());
            }
            let left = original.bytes - partial.end();
            let piece = usize::try_from(left.min(self.chunk_bytes.get()))?;
            buffer.resize(piece, 0);
            source.check()?;
            source.read_at(partial.end(), &mut buffer)?;
            self.append(&mut partial, &buffer)?;
            ctx.heartbeat(&partial.end())?;
            self.screen.copied(partial.end());
            self.slow_down(&ctx, begin, partial.end());
        }
        source.check()
    }

    fn append(&self, partial: &mut Partial, bytes: &[u8]) -> ActivityResult<()> {
        let end = partial.end() + u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let written = self.faults.write(end).and_then(|()| partial.append(bytes));
        written.map_err(|error| {
            let failure = Failure::application("WriteFailed", format!("write the copy: {error}"));
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    self.screen.line(format_args!(
                        "the disk is full at {} bytes: the copy goes on when there is room",
                        partial.end()
                    ));
                    failure.with_next_retry_delay(ROOM_INTERVAL)
                }
                _ => failure,
            }
        })
    }

    /// Waits until the copy has taken as long as its speed allows.
    fn slow_down(&self, ctx: &ActivityContext, begin: (Instant, u64), end: u64) {
        let Some(speed) = self.speed else { return };
        let (begin, from) = begin;
        let nanos = u128::from(end - from) * 1_000_000_000 / u128::from(speed.get());
        let due = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let wait = due.saturating_sub(begin.elapsed());
        if !wait.is_zero() {
            // Looked at again before the next piece.
            let _ = ctx.wait_cancelled(wait);
        }
    }
}
