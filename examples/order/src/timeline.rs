//! A run's history for people.

use std::collections::BTreeMap;

use entracte::{Event, EventAttributes, EventId};

/// One line for each event that says something: when it happened after the start, and what.
pub(crate) fn lines(history: &[Event]) -> Vec<String> {
    let Some(start) = history.first().map(|event| event.time) else { return Vec::new() };
    let mut names = Names::default();
    let mut lines = Vec::new();
    for event in history {
        names.note(event);
        if let Some(text) = names.tell(&event.attributes) {
            let seconds = event.time.saturating_since(start).as_secs_f64();
            lines.push(format!("{seconds:>+8.3}s  {text}"));
        }
    }
    lines
}

/// What activities are called, and how their last attempts came about.
#[derive(Default)]
struct Names<'a> {
    activities: BTreeMap<EventId, &'a str>,
    attempts: BTreeMap<EventId, String>,
}

impl<'a> Names<'a> {
    fn note(&mut self, event: &'a Event) {
        match &event.attributes {
            EventAttributes::ActivityTaskScheduled(scheduled) => {
                self.activities.insert(event.id, &scheduled.activity_type);
            }
            EventAttributes::ActivityTaskStarted(started) => {
                if let Some(failure) = &started.last_failure {
                    let text = format!(" in attempt {}, after: {failure}", started.attempt);
                    self.attempts.insert(started.scheduled_event_id, text);
                }
            }
            _ => {}
        }
    }

    fn tell(&self, attributes: &EventAttributes) -> Option<String> {
        use EventAttributes as A;
        let name = |id: &EventId| self.activities.get(id).copied().unwrap_or_default();
        let attempt = |id: &EventId| self.attempts.get(id).map_or("", String::as_str);
        Some(match attributes {
            A::WorkflowExecutionStarted(started) => format!("{} is placed", started.workflow_id),
            A::WorkflowExecutionSignaled(signaled) => {
                format!("signal `{}` comes", signaled.signal_name)
            }
            A::TimerStarted(timer) => {
                format!("an answer is awaited for {:?}", timer.start_to_fire_timeout)
            }
            A::TimerFired(_) => "the deadline passes".to_owned(),
            A::ActivityTaskScheduled(scheduled) => format!("{} begins", scheduled.activity_type),
            A::ActivityTaskCompleted(completed) => {
                let id = &completed.scheduled_event_id;
                format!("{} is done{}", name(id), attempt(id))
            }
            A::ActivityTaskFailed(failed) => {
                let id = &failed.scheduled_event_id;
                format!("{} fails{}: {}", name(id), attempt(id), failed.failure)
            }
            A::ActivityTaskTimedOut(timed_out) => {
                let id = &timed_out.scheduled_event_id;
                format!("{} times out{}: {}", name(id), attempt(id), timed_out.failure)
            }
            A::WorkflowExecutionCompleted(_) => "the order is on its way".to_owned(),
            A::WorkflowExecutionFailed(failed) => format!("it fails: {}", failed.failure),
            _ => return None,
        })
    }
}
