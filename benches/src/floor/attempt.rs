//! An attempt: makes the payload, tells its run, stops.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::run;

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) run: ActorRef<run::Msg>,
    pub(crate) payload: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Attempt;

impl Actor for Attempt {
    type Msg = ();
    type State = Arguments;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<()>,
        arguments: Arguments,
    ) -> Result<Arguments, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn post_start(
        &self,
        myself: ActorRef<()>,
        state: &mut Arguments,
    ) -> Result<(), ActorProcessingErr> {
        // An activity returns a value of its own, not a share of its argument.
        let payload = Arc::from(&*state.payload);
        state.run.cast(run::Msg::Done(payload))?;
        myself.stop(None);
        Ok(())
    }
}
