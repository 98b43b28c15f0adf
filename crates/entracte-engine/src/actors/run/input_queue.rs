//! What waits for a turn of a run. However much waits, finding out whether something does, and
//! taking the next, costs the same: a parked run may have thousands of closed children.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use entracte_model::Seq;
use entracte_store::keys::DeliveryKey;

use super::input::{Input, QueuedInput, signal_of};

#[derive(Debug, Default)]
pub(super) struct InputQueue {
    /// Signals go before everything else, and together.
    signals: VecDeque<QueuedInput>,
    /// Everything else, oldest first.
    others: VecDeque<QueuedInput>,
    /// The requests of the signals.
    requests: BTreeSet<Arc<str>>,
    deliveries: BTreeSet<DeliveryKey>,
    timers: BTreeSet<Seq>,
    /// How many are in memory alone, and must not be when somebody is answered.
    unkept: usize,
}

impl InputQueue {
    pub(super) fn len(&self) -> usize {
        self.signals.len() + self.others.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.signals.is_empty() && self.others.is_empty()
    }

    /// How many signals wait.
    pub(super) fn signals(&self) -> usize {
        self.signals.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &QueuedInput> {
        self.signals.iter().chain(&self.others)
    }

    pub(super) fn has_delivery(&self, key: &DeliveryKey) -> bool {
        self.deliveries.contains(key)
    }

    pub(super) fn has_timer(&self, seq: Seq) -> bool {
        self.timers.contains(&seq)
    }

    /// Whether a signal of this request waits.
    pub(super) fn has_signal(&self, request_id: &str) -> bool {
        self.requests.contains(request_id)
    }

    /// All that wait and are no signals, oldest first.
    pub(super) fn others(&self) -> impl Iterator<Item = &QueuedInput> {
        self.others.iter()
    }

    /// Whether something waits that is in memory alone, and can be kept in the inbox.
    pub(super) fn has_unkept(&self) -> bool {
        self.unkept > 0
    }

    pub(super) fn push_back(&mut self, queued: QueuedInput) {
        self.enter(&queued);
        self.queue_of(&queued).push_back(queued);
    }

    pub(super) fn push_front(&mut self, queued: QueuedInput) {
        self.enter(&queued);
        self.queue_of(&queued).push_front(queued);
    }

    /// Takes all that wait: the signals, then the others, oldest first.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = QueuedInput> + use<> {
        let Self { signals, others, .. } = std::mem::take(self);
        signals.into_iter().chain(others)
    }

    /// Takes what gets the next turn: all signals, together with the run's start if it has not
    /// begun, and else the oldest input.
    pub(super) fn next(&mut self, is_begun: bool) -> Vec<QueuedInput> {
        let mut next = Vec::with_capacity(self.signals.len().max(1));
        if !is_begun {
            let is_start = |queued: &QueuedInput| matches!(queued.input, Input::Start(_));
            let start = self.others.iter().position(is_start);
            // The start is what the signals are taken up together with.
            next.extend(start.and_then(|index| self.others.remove(index)));
        }
        next.extend(self.signals.drain(..));
        if next.is_empty() {
            next.extend(self.others.pop_front());
        }
        next.iter().for_each(|queued| self.leave(queued));
        next
    }

    fn queue_of(&mut self, queued: &QueuedInput) -> &mut VecDeque<QueuedInput> {
        match signal_of(&queued.input) {
            Some(_) => &mut self.signals,
            None => &mut self.others,
        }
    }

    fn enter(&mut self, queued: &QueuedInput) {
        self.unkept += usize::from(queued.is_unkept());
        if let Some(signaled) = signal_of(&queued.input) {
            self.requests.insert(Arc::clone(&signaled.request_id));
        }
        match &queued.input {
            Input::Delivered { key, .. } => drop(self.deliveries.insert(*key)),
            Input::TimerFired { seq } => drop(self.timers.insert(*seq)),
            _ => {}
        }
    }

    fn leave(&mut self, queued: &QueuedInput) {
        self.unkept -= usize::from(queued.is_unkept());
        // Signals leave together, so that no other one of the same request is left.
        if let Some(signaled) = signal_of(&queued.input) {
            self.requests.remove(&signaled.request_id);
        }
        match &queued.input {
            Input::Delivered { key, .. } => drop(self.deliveries.remove(key)),
            Input::TimerFired { seq } => drop(self.timers.remove(seq)),
            _ => {}
        }
    }
}

impl Extend<QueuedInput> for InputQueue {
    fn extend<T: IntoIterator<Item = QueuedInput>>(&mut self, inputs: T) {
        inputs.into_iter().for_each(|queued| self.push_back(queued));
    }
}

#[cfg(test)]
mod tests {
    use entracte_model::event::WorkflowExecutionSignaled;
    use entracte_model::{EventId, Headers, ParentClosePolicy, RunId};
    use entracte_store::keys::DeliveryKind;
    use entracte_store::rows::InboxMessage;

    use super::*;

    fn queued(input: Input) -> QueuedInput {
        QueuedInput { input, inbox_sequence: None }
    }

    fn signal(request_id: &str) -> QueuedInput {
        queued(Input::Signaled(WorkflowExecutionSignaled {
            signal_name: "signal".into(),
            input: Vec::new(),
            headers: Headers::new(),
            request_id: request_id.into(),
            with_previous: false,
        }))
    }

    fn key(event_id: u64) -> DeliveryKey {
        let (run_id, sender) = (RunId::from_bytes([1; 16]), RunId::from_bytes([2; 16]));
        DeliveryKey { run_id, sender, event_id: EventId::new(event_id), kind: DeliveryKind::Answer }
    }

    fn delivery(event_id: u64) -> QueuedInput {
        let policy = ParentClosePolicy::RequestCancel;
        QueuedInput::delivered(key(event_id), InboxMessage::ParentClosed { policy })
    }

    fn timer(seq: u32) -> QueuedInput {
        queued(Input::TimerFired { seq: Seq::new(seq) })
    }

    /// What is taken for each turn, as text.
    fn turns(queue: &mut InputQueue) -> Vec<Vec<String>> {
        let name = |queued: &QueuedInput| match &queued.input {
            Input::Signaled(signaled) => signaled.request_id.to_string(),
            Input::TimerFired { seq } => format!("timer {seq}"),
            Input::Delivered { key, .. } => format!("delivery {}", key.event_id),
            other => format!("{other:?}"),
        };
        let next = || {
            let inputs = queue.next(true);
            (!inputs.is_empty()).then(|| inputs.iter().map(name).collect())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn signals_go_first_and_together_and_the_others_in_their_order() {
        let mut queue = InputQueue::default();
        queue.extend([delivery(1), signal("a"), timer(2), signal("b"), delivery(3)]);
        queue.push_front(timer(9));
        assert_eq!((queue.len(), queue.signals(), queue.iter().count()), (6, 2, 6));
        let expected =
            [&["a", "b"][..], &["timer 9"], &["delivery 1"], &["timer 2"], &["delivery 3"]];
        assert_eq!(turns(&mut queue), expected);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_waits_is_known_until_it_is_taken() {
        let mut queue = InputQueue::default();
        queue.extend([delivery(1), timer(2), signal("a")]);
        assert!(queue.has_delivery(&key(1)) && !queue.has_delivery(&key(2)));
        assert!(queue.has_timer(Seq::new(2)) && queue.has_signal("a") && queue.has_unkept());
        // The signal was all that is in memory alone.
        queue.next(true);
        assert!(!queue.has_signal("a") && !queue.has_unkept());
        queue.push_back(QueuedInput { inbox_sequence: Some(1), ..signal("a") });
        assert!(queue.has_signal("a") && !queue.has_unkept());
        assert_eq!(queue.take_all().count(), 3);
        assert!(!queue.has_delivery(&key(1)) && !queue.has_timer(Seq::new(2)) && queue.is_empty());
    }
}
