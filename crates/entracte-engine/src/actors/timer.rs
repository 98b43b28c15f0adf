//! A timer: one durable timer of a run's workflow, while its run is in memory.
//!
//! The timer's row in the store is the truth; the actor only tells its run when the time has
//! come, and the run judges.

use std::sync::Arc;

use entracte_model::{Seq, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::presence::Presence;
use crate::address::Address;
use crate::messages::RunMessage;
use crate::shared::Shared;

pub(crate) struct Timer;

pub(crate) struct TimerArguments {
    pub(crate) seq: Seq,
    pub(crate) due: Timestamp,
    pub(crate) run: Address<RunMessage>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) presence: Presence,
}

impl Actor for Timer {
    /// Timers are told nothing; they are stopped.
    type Msg = ();
    type State = TimerArguments;
    type Arguments = TimerArguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<()>,
        arguments: TimerArguments,
    ) -> Result<TimerArguments, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn post_start(
        &self,
        myself: ActorRef<()>,
        timer: &mut TimerArguments,
    ) -> Result<(), ActorProcessingErr> {
        loop {
            let left = timer.due.saturating_since(timer.shared.clock.now());
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left.min(timer.shared.clock.sleep_max())).await;
        }
        let _ = timer.run.cast(RunMessage::TimerDue { seq: timer.seq });
        myself.stop(None);
        Ok(())
    }
}

impl std::fmt::Debug for TimerArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seq, due, presence, .. } = self;
        write!(f, "Timer {{ seq: {seq}, due: {due}, presence: {presence:?} }}")
    }
}
