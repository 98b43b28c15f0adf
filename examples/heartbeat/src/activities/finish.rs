//! Finish: both files are compared, and the copy gets its name.

use std::io;
use std::sync::Arc;

use entracte::prelude::*;

use super::Copier;
use crate::contract::{Copied, CopyRequest, Step};
use crate::digest::sha256;
use crate::original::Source;
use crate::partial::Partial;

impl Copier {
    pub(super) fn finish(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: Step,
    ) -> ActivityResult<Copied> {
        let Step { request, original } = step;
        let part = Partial::path_of(&request.target);
        let source = Source::open(&request.source, &original)?;
        self.screen.checking(original.bytes);
        let alive = |bytes| {
            self.screen.checked(bytes);
            ctx.heartbeat(&())?;
            if ctx.is_cancelled() { Err(Failure::canceled()) } else { Ok(()) }
        };
        // Without the unfinished file, a lost attempt has given it its name already.
        let unfinished = match part.try_exists()? {
            true => Some(Partial::open(&request.target, original.bytes, &ctx)?),
            false => None,
        };
        let copy = if unfinished.is_some() { &part } else { &request.target };
        let copied = sha256(copy, alive)?;
        let wanted = sha256(&request.source, alive)?;
        source.check()?;
        if copied != wanted {
            let text = format!("the copy has the checksum {copied} and the source {wanted}");
            return Err(Failure::non_retryable("WrongCopy", text));
        }
        if let Some(unfinished) = unfinished {
            name(unfinished, &request)?;
        }
        Ok(Copied { bytes: original.bytes, sha256: wanted })
    }
}

fn name(copy: Partial, request: &CopyRequest) -> ActivityResult<()> {
    let target = request.target.display();
    match copy.publish(&request.target, request.replace) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text = format!("`{target}` has been made by somebody else meanwhile");
            Err(Failure::non_retryable("Refused", text))
        }
        named => named.with_context(|| format!("name the copy `{target}`")),
    }
}
