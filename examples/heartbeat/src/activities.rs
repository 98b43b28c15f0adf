//! Every effect of a copy.

mod copy;
mod examine;
mod finish;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use entracte::prelude::*;

use crate::contract::{COPY, DISCARD, EXAMINE, FINISH};
use crate::faults::Faults;
use crate::partial::Partial;
use crate::screen::Screen;

/// What the activities work with. All of them are plain functions that block their threads,
/// as work on files does.
#[derive(Debug)]
pub(crate) struct Copier {
    pub(crate) screen: Arc<Screen>,
    pub(crate) chunk_bytes: NonZeroU64,
    /// Bytes in a second.
    pub(crate) speed: Option<NonZeroU64>,
    pub(crate) faults: Faults,
}

impl Activities for Copier {
    fn register(registry: &mut ActivityRegistry<Self>) {
        registry
            .add_blocking(EXAMINE, Self::examine)
            .add_blocking(COPY, Self::copy)
            .add_blocking(FINISH, Self::finish)
            .add_blocking(DISCARD, Self::discard);
    }
}

impl Copier {
    fn discard(self: Arc<Self>, ctx: ActivityContext, target: PathBuf) -> ActivityResult<()> {
        Partial::discard(&target, &ctx)
    }
}
