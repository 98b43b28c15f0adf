//! The markers with which local activities end.

use entracte_model::event::{LocalActivityMarker, LocalActivityOutcome, Marker};
use entracte_model::{EventAttributes, EventId, Failure, FailureKind, RetryState};

use crate::machine::{
    ActivityResolution, Job, LocalActivity, Machine, Mismatch, Outstanding, OutstandingKind,
    TurnFailure, local_failure,
};

/// What a marker means for the machine.
pub(super) fn resolve(marker: &LocalActivityMarker) -> Job {
    let failed = |retry_state, cause| {
        local_failure(&marker.activity_id, &marker.activity_type, retry_state, cause)
    };
    let resolution = match &marker.outcome {
        LocalActivityOutcome::Completed { result } => ActivityResolution::Completed(result.clone()),
        LocalActivityOutcome::Failed { failure, retry_state } => {
            ActivityResolution::Failed(failed(*retry_state, failure.clone()))
        }
        LocalActivityOutcome::Canceled { details } => {
            let details = details.clone();
            let cause = Failure::new(FailureKind::Canceled { details }, "canceled");
            ActivityResolution::Cancelled(failed(RetryState::CancelRequested, cause))
        }
        LocalActivityOutcome::Backoff {
            attempt,
            backoff_duration,
            original_schedule_time,
            last_failure,
        } => ActivityResolution::Backoff {
            attempt: *attempt,
            backoff_duration: *backoff_duration,
            original_schedule_time: *original_schedule_time,
            last_failure: last_failure.clone(),
        },
    };
    Job::ResolveActivity { seq: marker.seq, resolution, is_local: true }
}

/// Checks that the local activity of a marker is one that the code has issued and waits for:
/// its number, id and name. Nothing else in a history tells that it was issued.
pub(super) fn check(
    machine: &Machine,
    event_id: EventId,
    attributes: &EventAttributes,
) -> Result<(), TurnFailure> {
    let EventAttributes::MarkerRecorded(recorded) = attributes else { return Ok(()) };
    let Marker::LocalActivity(marker) = &recorded.marker else { return Ok(()) };
    let issued = machine.local_activity(marker.seq).filter(|local| !local.backs_off);
    if issued.as_ref().is_some_and(|local| is_same(local, marker)) {
        return Ok(());
    }
    let LocalActivityMarker { activity_id, activity_type, source, .. } = marker;
    let recorded =
        format!("MarkerRecorded of local activity `{activity_type}` (id {activity_id}, {source})");
    let outstanding = machine.outstanding().into_iter().find(|other| other.seq == marker.seq);
    let produced = match (issued, outstanding) {
        (Some(LocalActivity { activity_type, activity_id, source, .. }), _) => {
            format!("schedules local activity `{activity_type}` (id {activity_id}, {source}) there")
        }
        (None, Some(other)) => format!("{} there", issues(&other)),
        (None, None) => "does not wait for it".to_owned(),
    };
    Err(Box::new(Mismatch { event_id, recorded, produced }).into())
}

fn is_same(local: &LocalActivity, marker: &LocalActivityMarker) -> bool {
    local.activity_id == marker.activity_id && local.activity_type == marker.activity_type
}

fn issues(Outstanding { seq, kind, name, source }: &Outstanding) -> String {
    match kind {
        OutstandingKind::Activity => format!("schedules activity `{name}` (id {seq}, {source})"),
        OutstandingKind::ExternalSignal => format!("sends signal `{name}` (id {seq}, {source})"),
        OutstandingKind::Timer { .. } | OutstandingKind::LocalActivity { .. } => {
            format!("starts a timer (id {seq}, {source})")
        }
    }
}
