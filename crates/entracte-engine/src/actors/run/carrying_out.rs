//! Carrying out the effects of a run, in their order, when what led to them is durable.

use std::sync::Arc;

use entracte_model::{Payload, Seq, TaskToken, Timestamp};
use entracte_store::rows::ActivityOutcome;
use entracte_workflow::{
    ActivityCanceller, ActivityContext, ActivityInfo, CancelCause, ErasedActivity,
};
use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr};
use tokio::time::Instant;

use super::alarm::Wake;
use super::effect::Effect;
use super::pending_activity::{RunningAttempt, Standing};
use super::seen::attempt_line;
use super::state::{Child, Mode, RunState};
use crate::actors::attempt::{Attempt, AttemptArguments, lost_attempt};
use crate::actors::heartbeats::Heartbeats;
use crate::actors::timer::{Timer, TimerArguments};
use crate::live::LiveChildKind;
use crate::messages::{AppendOutcome, RunMessage};
use crate::task_queues::Permit;

/// What a cancelled activity says that no attempt was running of (rule ACX-3).
const NOT_STARTED: &str = "ACTIVITY_ID_NOT_STARTED";

impl RunState {
    /// The journal has settled an append, the oldest one that waits.
    pub(super) fn appended(
        &mut self,
        token: u64,
        outcome: AppendOutcome,
    ) -> Result<(), ActorProcessingErr> {
        match outcome {
            AppendOutcome::Committed => {}
            AppendOutcome::Refused(refusal) => {
                // This actor is out of date. It ends; the directory opens the run again.
                tracing::debug!(workflow.run_id = %self.run_id, %refusal, "an append was refused");
                return Err(refusal.into());
            }
            AppendOutcome::Failed(error) => {
                tracing::debug!(workflow.run_id = %self.run_id, %error, "an append failed");
                self.engine_stopped();
                return Ok(());
            }
        }
        let Some(append) = self.appends.pop_front() else { return Ok(()) };
        debug_assert_eq!(append.token, token, "the journal answers in order");
        self.ready.extend(append.effects);
        if !self.appends.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.turn_retry_waits) {
            return self.retry_turn(self.parkings);
        }
        self.pump()
    }

    /// Does everything that may be done now.
    pub(super) async fn carry_out(&mut self) {
        self.release_queries();
        while let Some(effect) = self.ready.pop_front() {
            match effect {
                Effect::Started(new_run) => self.answer_start(*new_run),
                // What spawns is boxed: each message would make room for it otherwise.
                Effect::StartAttempt { seq, attempt } => {
                    Box::pin(self.start_attempt(seq, attempt)).await;
                }
                Effect::TellAttempt { seq, attempt, cause } => {
                    self.tell_attempt(seq, attempt, cause);
                }
                Effect::StartLocalActivity { seq } => Box::pin(self.start_local(seq)).await,
                Effect::CancelLocalActivity { seq } => self.cancel_local(seq),
                Effect::CancelAttempt { seq } => self.cancel_attempt(seq),
                Effect::StopCode { seq, code } => self.stop_code(seq, &code),
                Effect::StartTimer { seq, due } => Box::pin(self.start_timer(seq, due)).await,
                Effect::StopTimer { seq } => self.stop_timer(seq),
                Effect::Arm { seq } => self.arm(seq),
                Effect::ArmTurnRetry { parking, at } => {
                    let delay = self.until(at);
                    let wake =
                        self.myself.send_after(delay, move || RunMessage::RetryTurn { parking });
                    self.turn_retry = Some(Wake(wake));
                }
                Effect::SignalExternal { seq } => self.signal_external(seq),
                Effect::Answer(answer) => answer.give(),
                Effect::AnswerQuery(query) => self.answer_query(query),
                Effect::TellChildren => self.tell_children(),
                Effect::ArmRunTimeout => self.arm_run_timeout(),
                Effect::ArmFirstTask => self.arm_first_task(),
                Effect::Closed => self.closed(),
            }
        }
        self.leave_if_done();
    }

    async fn start_attempt(&mut self, seq: Seq, attempt: u32) {
        let is_closed = self.is_closed();
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        if activity.row.attempt != attempt || activity.running.is_some() || is_closed {
            return;
        }
        let (standing, is_paused) =
            (std::mem::take(&mut activity.standing), activity.row.pause.is_some());
        let (Mode::Running, false, Standing::Admitted(permit)) = (self.mode, is_paused, standing)
        else {
            self.put_back(seq);
            return;
        };
        let Some(activity) = self.activities.get(&seq) else { return };
        let expiration = activity.timeouts.expiration(activity.scheduled_time);
        let left = expiration.map(|at| at.saturating_since(self.now()));
        let heartbeats = Arc::new(Heartbeats::new(
            seq,
            attempt,
            self.myself.clone(),
            self.shared.options.payload_bytes_max,
        ));
        let sink = Arc::clone(&heartbeats);
        let Some((arguments, canceller)) = self.attempt_arguments(seq, attempt, sink, permit)
        else {
            return;
        };
        let supervisor = self.myself.get_cell();
        let line = attempt_line(arguments.context.info());
        match Actor::spawn_linked(None, Attempt, arguments, supervisor).await {
            Ok((actor, _)) => {
                self.child_started(actor.get_cell(), Child::Attempt { seq, attempt }, line);
                if let Some(activity) = self.activities.get_mut(&seq) {
                    let started = Instant::now();
                    activity.running = Some(RunningAttempt {
                        actor,
                        canceller,
                        started,
                        heartbeats,
                        store_next: started,
                        store_at: None,
                        left,
                        stopping: None,
                    });
                }
                self.arm(seq);
            }
            Err(error) => {
                tracing::warn!(%error, "an attempt could not be started");
                let failure = lost_attempt("its actor could not be started");
                // An error here means that this actor is out of date, and the journal says so.
                let _ = self.attempt_failed(seq, attempt, failure);
            }
        }
    }

    fn attempt_arguments(
        &self,
        seq: Seq,
        attempt: u32,
        heartbeats: Arc<Heartbeats>,
        permit: Permit,
    ) -> Option<(AttemptArguments, ActivityCanceller)> {
        let activity = self.activities.get(&seq)?;
        let scheduled = self.history.activities.get(&seq)?;
        let rows = self.rows.as_ref()?;
        let started_time = activity.row.admitted_at.unwrap_or_else(|| self.now());
        let deadline = activity.timeouts.deadline(activity.scheduled_time, started_time);
        let (context, canceller) = ActivityContext::new(ActivityInfo {
            workflow_id: rows.run.workflow_id.clone(),
            workflow_type: rows.run.workflow_type.clone(),
            run_id: self.run_id,
            activity_id: scheduled.activity_id.clone(),
            task_token: Some(TaskToken { run_id: self.run_id, seq, attempt }),
            activity_type: scheduled.activity_type.clone(),
            attempt: activity.row.attempt_number(),
            task_queue: activity.options(scheduled).task_queue.as_str().into(),
            scheduled_time: scheduled.scheduled_time,
            started_time,
            deadline,
            heartbeat_details: activity.row.heartbeat_details.clone(),
            is_local: false,
            headers: activity.headers.clone(),
        });
        let arguments = AttemptArguments {
            seq,
            attempt,
            activity: self.find_activity(&scheduled.activity_type),
            interceptors: self.shared.registry.interceptors().clone(),
            context: context.with_heartbeats(heartbeats),
            canceller: canceller.clone(),
            input: activity.input.clone(),
            result_bytes_max: self.shared.options.payload_bytes_max,
            codes: Arc::clone(&self.shared.codes),
            run: self.myself.clone(),
            presence: self.presence.clone(),
            permit: Some(permit),
        };
        Some((arguments, canceller))
    }

    /// Runs the next attempt of a local activity.
    async fn start_local(&mut self, seq: Seq) {
        if !self.may_start_local(seq) {
            return;
        }
        let Some((arguments, canceller)) = self.local_attempt_arguments(seq) else { return };
        let attempt = arguments.attempt;
        let line = attempt_line(arguments.context.info());
        match Actor::spawn_linked(None, Attempt, arguments, self.myself.get_cell()).await {
            Ok((actor, _)) => {
                let child = Child::LocalAttempt { seq, attempt };
                self.child_started(actor.get_cell(), child, line);
                self.local_started(seq, actor, canceller);
                self.arm(seq);
            }
            Err(error) => {
                tracing::warn!(%error, "an attempt could not be started");
                let failure = lost_attempt("its actor could not be started");
                // An error here means that this actor is out of date, and the journal says so.
                let _ = self.local_attempt_failed(seq, failure);
            }
        }
    }

    fn local_attempt_arguments(&self, seq: Seq) -> Option<(AttemptArguments, ActivityCanceller)> {
        let (info, input) = self.local_attempt_info(seq)?;
        let attempt = info.attempt;
        let activity = self.find_activity(&info.activity_type);
        // Its heartbeats are only remembered, as long as it runs (rule LAC-7).
        let (context, canceller) = ActivityContext::new(info);
        let arguments = AttemptArguments {
            seq,
            attempt,
            activity,
            interceptors: self.shared.registry.interceptors().clone(),
            context,
            canceller: canceller.clone(),
            input,
            result_bytes_max: self.shared.options.payload_bytes_max,
            codes: Arc::clone(&self.shared.codes),
            run: self.myself.clone(),
            presence: self.presence.clone(),
            permit: None,
        };
        Some((arguments, canceller))
    }

    /// An activity without code fails its attempts, so that a later engine can run it
    /// (rule FAIL-7).
    fn find_activity(&self, activity_type: &str) -> ErasedActivity {
        let registry = &self.shared.registry;
        if let Some(activity) = registry.find_activity(activity_type) {
            return activity;
        }
        let names: Vec<_> = registry.activity_names().collect();
        let failure = entracte_model::Failure::application(
            "ActivityNotRegisteredError",
            format!(
                "unable to find activityType={activity_type}. Supported types: [{}]",
                names.join(", ")
            ),
        );
        ErasedActivity::Async(Arc::new(move |_, _| {
            std::future::ready(Err(failure.clone())).boxed()
        }))
    }

    fn cancel_attempt(&mut self, seq: Seq) {
        let Some(activity) = self.activities.get(&seq) else { return };
        match &activity.running {
            Some(running) => {
                running.canceller.cancel(CancelCause::Cancelled);
            }
            // Whoever will end it learns of it by the answer to a heartbeat (rule HB-1).
            None if activity.row.result_pending => {}
            // Not started: it is cancelled at once (rule ACX-3).
            None => {
                let details = Payload::encode(NOT_STARTED).ok();
                let _ = self.close_activity(seq, ActivityOutcome::Canceled { details });
            }
        }
    }

    async fn start_timer(&mut self, seq: Seq, due: Timestamp) {
        let wanted = self.history.timers.contains_key(&seq) && !self.timers.contains_key(&seq);
        if !wanted || !matches!(self.mode, Mode::Running | Mode::Draining) {
            return;
        }
        let timer = TimerArguments {
            seq,
            due,
            run: self.myself.clone(),
            shared: Arc::clone(&self.shared),
            presence: self.presence.clone(),
        };
        match Actor::spawn_linked(None, Timer, timer, self.myself.get_cell()).await {
            Ok((actor, _)) => {
                let line = LiveChildKind::Timer { seq, due };
                self.child_started(actor.get_cell(), Child::Timer { seq }, line);
                self.timers.insert(seq, actor);
            }
            // Only an actor that is ending cannot be linked under; its successor tries again.
            Err(error) => tracing::warn!(%error, "a timer could not be started"),
        }
    }

    fn stop_timer(&mut self, seq: Seq) {
        if let Some(timer) = self.timers.remove(&seq) {
            timer.kill();
        }
    }
}
