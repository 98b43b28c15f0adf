//! A run's history for people.

use std::collections::BTreeMap;

use entracte::{Event, EventAttributes, EventId};

/// One line for each event: its number, when it happened after the start, and what it was.
pub(crate) fn lines(history: &[Event]) -> Vec<String> {
    let Some(start) = history.first().map(|event| event.time) else { return Vec::new() };
    let mut activities = BTreeMap::new();
    history
        .iter()
        .map(|event| {
            if let EventAttributes::ActivityTaskScheduled(scheduled) = &event.attributes {
                activities.insert(event.id, &*scheduled.activity_type);
            }
            let name = format!("{:?}", event.attributes.event_type());
            let seconds = event.time.saturating_since(start).as_secs_f64();
            let detail = detail(&event.attributes, &activities);
            format!("{:>4}  {seconds:>+9.3}s  {name:<28}{detail}", event.id).trim_end().to_owned()
        })
        .collect()
}

/// What an event tells beyond its type.
fn detail(attributes: &EventAttributes, activities: &BTreeMap<EventId, &str>) -> String {
    let name = |id: &EventId| activities.get(id).copied().unwrap_or_default().to_owned();
    match attributes {
        EventAttributes::WorkflowExecutionStarted(started) => {
            format!("{} as {}", started.workflow_type, started.workflow_id)
        }
        EventAttributes::ActivityTaskScheduled(scheduled) => scheduled.activity_type.to_string(),
        EventAttributes::ActivityTaskStarted(started) => {
            let name = name(&started.scheduled_event_id);
            match &started.last_failure {
                None => format!("{name}, attempt {}", started.attempt),
                Some(failure) => {
                    format!("{name}, attempt {} after: {failure}", started.attempt)
                }
            }
        }
        EventAttributes::ActivityTaskCompleted(completed) => name(&completed.scheduled_event_id),
        EventAttributes::ActivityTaskFailed(failed) => {
            format!("{}: {}", name(&failed.scheduled_event_id), failed.failure)
        }
        EventAttributes::ActivityTaskTimedOut(timed_out) => {
            format!("{}: {}", name(&timed_out.scheduled_event_id), timed_out.failure)
        }
        EventAttributes::WorkflowExecutionFailed(failed) => failed.failure.to_string(),
        EventAttributes::WorkflowExecutionCanceled(canceled) => canceled.failure.to_string(),
        EventAttributes::WorkflowExecutionTerminated(terminated) => terminated.reason.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
