//! The stages' work: every effect of a deployment.

mod configure;
mod deploy;
mod health_check;
mod provision;
mod switch;

use std::path::Path;
use std::sync::Arc;

use entracte::prelude::*;

use crate::console;
use crate::contract::{
    CONFIGURE, DEPLOY, HEALTH_CHECK, PROVISION, SWITCH, UNDO_CONFIGURE, UNDO_DEPLOY,
    UNDO_PROVISION, UNDO_SWITCH,
};
use crate::effects::EffectsLog;
use crate::faults::Faults;
use crate::release::DataDir;

/// The machine that sites are deployed to, as far as the activities need it.
#[derive(Debug)]
pub(crate) struct Host {
    data: DataDir,
    effects: Arc<EffectsLog>,
    faults: Faults,
}

impl Activities for Host {
    fn register(registry: &mut ActivityRegistry<Self>) {
        registry
            .add(PROVISION, Self::provision)
            .add(UNDO_PROVISION, Self::undo_provision)
            .add(CONFIGURE, Self::configure)
            .add(UNDO_CONFIGURE, Self::undo_configure)
            .add(DEPLOY, Self::deploy)
            .add(UNDO_DEPLOY, Self::undo_deploy)
            .add(HEALTH_CHECK, Self::health_check)
            .add(SWITCH, Self::switch)
            .add(UNDO_SWITCH, Self::undo_switch);
    }
}

impl Host {
    pub(crate) fn new(data: DataDir, faults: Faults) -> Self {
        let effects = Arc::new(EffectsLog::new(data.root()));
        Self { data, effects, faults }
    }

    /// Runs one attempt: tells about it, and notes its effect when the work is done.
    ///
    /// The work gives its output and a line on what it did.
    async fn attempt<T>(
        &self,
        ctx: &ActivityContext,
        work: impl Future<Output = ActivityResult<(T, String)>>,
    ) -> ActivityResult<T> {
        let name: &str = &ctx.info().activity_type;
        let attempt = ctx.attempt();
        match attempt {
            1 => console::stage(name, "started"),
            _ => console::stage(name, format_args!("started, attempt {attempt}")),
        }
        let result = async {
            let (output, done) = work.await?;
            self.faults.strike(name, attempt)?;
            if ctx.is_cancelled() {
                return Err(Failure::canceled());
            }
            let (effects, line) = (Arc::clone(&self.effects), name.to_owned());
            blocking(move || effects.append(&line, attempt).context("note the effect")).await?;
            Ok((output, done))
        }
        .await;
        match result {
            Ok((output, done)) => {
                console::stage(name, format_args!("done: {done}"));
                Ok(output)
            }
            Err(failure) => {
                console::stage(name, format_args!("attempt {attempt} failed: {failure}"));
                Err(failure)
            }
        }
    }
}

/// Runs work on files off the threads that drive the engine.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> ActivityResult<T> + Send + 'static,
) -> ActivityResult<T> {
    tokio::task::spawn_blocking(work).await?
}

/// A path for people, relative to the data directory where it can be.
fn shown<'a>(path: &'a Path, data: &DataDir) -> std::path::Display<'a> {
    path.strip_prefix(data.root()).unwrap_or(path).display()
}
