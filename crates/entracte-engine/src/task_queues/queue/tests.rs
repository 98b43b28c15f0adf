use std::time::Duration;

use entracte_model::Timestamp;
use proptest::prelude::*;

use super::super::level::TypeId;
use super::super::rate::BURST;
use super::*;

fn place(number: u64) -> Place {
    Place { since: Timestamp::EPOCH, number }
}

fn arrival(fairness_key: &str) -> Arrival<'_> {
    Arrival { priority: Priority::Normal, fairness_key, fairness_weight: 1.0, class: None }
}

fn no_limits() -> TypeLimits {
    TypeLimits::new(&BTreeMap::new())
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A queue in which so many wait for each key, each of a second.
fn filled(options: TaskQueueOptions, keys: &[(&str, u64)], now: Instant) -> Queue<String> {
    let mut queue = Queue::new(options, true);
    let mut number = 0;
    for (key, count) in keys {
        for _ in 0..*count {
            number += 1;
            queue.wait(arrival(key), place(number), (*key).to_owned(), now);
        }
    }
    queue
}

/// Who is granted a slot in this time, each as soon as it may be and giving it back at once; and
/// how many wake-ups that took.
fn grants(
    queue: &mut Queue<String>,
    begin: Instant,
    time: Duration,
) -> (BTreeMap<String, usize>, usize) {
    let (mut grants, mut wakes, mut now) = (BTreeMap::new(), 0, begin);
    let mut limits = no_limits();
    while now < begin + time {
        match queue.next(&mut limits, now) {
            Next::Granted(key) => {
                *grants.entry(key).or_default() += 1;
                queue.give_back(None, &mut limits);
            }
            Next::At(at) => {
                assert!(at > now);
                (now, wakes) = (at, wakes + 1);
            }
            Next::Nothing => break,
        }
    }
    (grants, wakes)
}

#[test]
fn pri_3_a_key_that_waits_for_its_rate_holds_up_nobody_and_takes_no_slot() {
    let now = Instant::now();
    let options = TaskQueueOptions::new().slots(1).rate_of_fairness_key("slow", 0.5);
    let mut queue = filled(options, &[("slow", 10), ("quick", 10)], now);
    let mut limits = no_limits();
    let mut order = Vec::new();
    while let Next::Granted(key) = queue.next(&mut limits, now) {
        order.push(key);
        queue.give_back(None, &mut limits);
    }
    assert_eq!(order.iter().filter(|key| *key == "slow").count(), 1);
    assert_eq!(order.len(), 11);
    assert_eq!((queue.in_use(), queue.held_keys()), (0, 1));
    assert_eq!(queue.next(&mut limits, now), Next::At(now + millis(2_000)));
    assert_eq!(queue.next(&mut limits, now + millis(1_999)), Next::At(now + millis(2_000)));
    let next = queue.next(&mut limits, now + millis(2_000));
    assert_eq!(next, Next::Granted("slow".to_owned()));
}

#[test]
fn pri_3_somebody_who_comes_is_admitted_at_once_only_if_its_key_may_start() {
    let now = Instant::now();
    let options = TaskQueueOptions::new().fairness_key_rate_per_second(1.0);
    let mut queue: Queue<&str> = Queue::new(options, true);
    let mut limits = no_limits();
    assert!(queue.admit(arrival("a"), &mut limits, now));
    assert!(!queue.admit(arrival("a"), &mut limits, now));
    queue.wait(arrival("a"), place(1), "first", now);
    assert!(queue.admit(arrival("b"), &mut limits, now));
    // Who waits for its rate goes before one of the same key that comes when it may start.
    let later = now + millis(1_000);
    assert!(!queue.admit(arrival("a"), &mut limits, later));
    queue.wait(arrival("a"), place(2), "second", later);
    assert_eq!(queue.next(&mut limits, later), Next::Granted("first"));
    assert_eq!(queue.next(&mut limits, later), Next::At(later + millis(1_000)));
    // A key whose waiters have all left wakes nobody.
    assert!(queue.withdraw(Priority::Normal, &"a".into(), None, place(2)));
    assert_eq!((queue.next(&mut limits, later), queue.held_keys()), (Next::Nothing, 0));
    assert!(!queue.admit(arrival("a"), &mut limits, later));
}

#[test]
fn pri_3_all_priorities_of_a_key_share_its_rate_and_the_most_urgent_goes_first() {
    let now = Instant::now();
    let options = TaskQueueOptions::new().fairness_key_rate_per_second(1.0);
    let mut queue: Queue<Priority> = Queue::new(options, true);
    let mut limits = no_limits();
    for (number, priority) in (0..).zip(Priority::ALL.into_iter().rev()) {
        queue.wait(Arrival { priority, ..arrival("a") }, place(number), priority, now);
    }
    // One of another key goes before, if it is less urgent than those that have to wait.
    queue.wait(
        Arrival { priority: Priority::Lowest, ..arrival("b") },
        place(9),
        Priority::Lowest,
        now,
    );
    let mut order = Vec::new();
    for second in 0..5 {
        let now = now + millis(1_000 * second);
        while let Next::Granted(priority) = queue.next(&mut limits, now) {
            order.push((second, priority.get()));
        }
    }
    assert_eq!(order, [(0, 1), (0, 5), (1, 2), (2, 3), (3, 4), (4, 5)]);
}

#[test]
fn pri_3_rates_are_in_proportion_to_weights_and_the_override_wins() {
    let begin = Instant::now();
    let options = TaskQueueOptions::new()
        .fairness_key_rate_per_second(2.0)
        .fairness_weight_override("b", 3.0)
        .rate_of_fairness_key("c", 1.0);
    let keys = [("a", 1_000), ("b", 1_000), ("c", 1_000)];
    let mut queue = filled(options, &keys, begin);
    let (grants, wakes) = grants(&mut queue, begin, millis(100_000));
    let expected = [("a", 200), ("b", 600), ("c", 100)];
    for (key, expected) in expected {
        assert!(grants[key].abs_diff(expected) <= 1, "{grants:?}");
    }
    // Each time that it was woken, there was one.
    assert!(wakes <= grants.values().sum(), "{wakes} for {grants:?}");
}

#[test]
fn pri_3_what_a_key_s_rate_leaves_of_the_queue_s_is_shared_by_the_others() {
    let begin = Instant::now();
    let options = TaskQueueOptions::new().rate_per_second(10.0).rate_of_fairness_key("slow", 1.0);
    let keys = [("slow", 1_000), ("a", 1_000), ("b", 1_000)];
    let mut queue = filled(options, &keys, begin);
    let (grants, _) = grants(&mut queue, begin, millis(100_000));
    for (key, expected) in [("slow", 100), ("a", 450), ("b", 450)] {
        assert!(grants[key].abs_diff(expected) <= 2, "{grants:?}");
    }
}

#[test]
fn pri_2_a_key_that_waited_for_its_rate_makes_nothing_up() {
    let begin = Instant::now();
    let options = TaskQueueOptions::new().slots(1).rate_of_fairness_key("held", 0.001);
    let mut queue = filled(options, &[("held", 1_000), ("other", 2_000)], begin);
    let mut limits = no_limits();
    let mut turn = |queue: &mut Queue<String>, now| {
        let Next::Granted(key) = queue.next(&mut limits, now) else { panic!("{queue:?}") };
        queue.give_back(None, &mut limits);
        key
    };
    for _ in 0..500 {
        turn(&mut queue, begin);
    }
    // It may start as fast as it likes from now on.
    queue.options = TaskQueueOptions::new().slots(1);
    let later = begin + millis(1_000_000);
    let turns: Vec<_> = (0..100).map(|_| turn(&mut queue, later)).collect();
    let held = turns.iter().filter(|key| *key == "held").count();
    assert!(held.abs_diff(50) <= 1, "{held}");
}

#[test]
fn pri_3_a_key_that_is_waited_for_keeps_its_rate_however_many_others_are_remembered() {
    let begin = Instant::now();
    let options = TaskQueueOptions::new()
        .slots(usize::MAX)
        .fairness_key_rate_per_second(0.001)
        .rate_of_fairness_key("slow", 1.0)
        .rate_of_fairness_key("quick", 50.0);
    let mut queue = filled(options, &[("slow", 1_000), ("quick", 10_000)], begin);
    let mut limits = no_limits();
    let (mut slow, mut quick, mut others) = (0, 0, 0);
    for step in 0..=100 {
        let now = begin + millis(20) * step;
        while let Next::Granted(key) = queue.next(&mut limits, now) {
            *(if key == "slow" { &mut slow } else { &mut quick }) += 1;
        }
        assert_eq!((slow, quick), (1 + step / 50, 5 + step), "after {step} steps");
        // First as many as are remembered, then more. All have longer to wait than those two.
        for _ in 0..if step == 0 { 100_000 } else { 1 } {
            others += 1;
            assert!(queue.admit(arrival(&format!("other-{others}")), &mut limits, now));
        }
    }
}

/// How long one start of these keys keeps the next one waiting.
const INTERVALS: [u64; 4] = [0, 30, 130, 1_000];

fn options() -> TaskQueueOptions {
    let mut options = TaskQueueOptions::new().slots(5);
    for (key, interval) in INTERVALS.iter().enumerate().skip(1) {
        options = options.rate_of_fairness_key(key.to_string(), 1_000.0 / *interval as f64);
    }
    options
}

#[derive(Debug, Clone)]
enum Step {
    Come { key: usize, priority: usize, class: Option<usize> },
    Leave { which: prop::sample::Index },
    Dispatch,
    GiveBack,
    Pass { millis: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..INTERVALS.len(), 0_usize..5, prop::option::of(0_usize..2))
            .prop_map(|(key, priority, class)| Step::Come { key, priority, class }),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::Leave { which }),
        2 => Just(Step::Dispatch),
        3 => Just(Step::GiveBack),
        2 => (0_u64..300).prop_map(|millis| Step::Pass { millis }),
    ];
    prop::collection::vec(step, 0..300)
}

/// What is known of a queue by its rules alone.
struct Model {
    begin: Instant,
    now: Instant,
    /// The starts of each key.
    starts: [Vec<Instant>; INTERVALS.len()],
    /// Key, priority and class of those who wait, by their numbers.
    waiting: BTreeMap<u64, (usize, usize, Class)>,
    running: Vec<Class>,
}

impl Model {
    /// From when on a key may start, by all that it has started so far.
    fn ready(&self, key: usize) -> Instant {
        let interval = millis(INTERVALS[key]);
        let of_start = |(index, start): (usize, &Instant)| {
            let since = u32::try_from(self.starts[key].len() - index).unwrap();
            *start + interval * since - BURST.saturating_sub(interval)
        };
        let starts = self.starts[key].iter().enumerate().filter(|_| INTERVALS[key] > 0);
        starts.map(of_start).max().unwrap_or(self.begin)
    }

    fn is_held_up(&self, class: Class) -> bool {
        class.is_some() && self.running.iter().filter(|it| **it == class).count() >= 2
    }

    /// Whether this one could start now.
    fn may_start(&self, key: usize, class: Class) -> bool {
        self.running.len() < 5 && self.ready(key) <= self.now && !self.is_held_up(class)
    }

    /// The highest priority of those who could.
    fn first(&self) -> Option<usize> {
        let could = self.waiting.values().filter(|(key, _, class)| self.may_start(*key, *class));
        could.map(|(_, priority, _)| *priority).min()
    }

    /// When the next key may start for which somebody waits.
    fn next(&self) -> Option<Instant> {
        let keys = self.waiting.values().map(|(key, ..)| self.ready(*key));
        keys.filter(|ready| *ready > self.now).min()
    }

    fn start(&mut self, key: usize, class: Class) {
        assert!(self.may_start(key, class));
        self.starts[key].push(self.now);
        self.running.push(class);
    }
}

fn step(
    queue: &mut Queue<u64>,
    limits: &mut TypeLimits,
    model: &mut Model,
    number: u64,
    step: Step,
) -> Result<(), TestCaseError> {
    let now = model.now;
    match step {
        Step::Come { key, priority, class } => {
            let class = class.map(TypeId);
            let name = key.to_string();
            let arrival = Arrival { priority: Priority::ALL[priority], class, ..arrival(&name) };
            let goes_first = model.first().is_none_or(|first| first > priority);
            let expected = model.may_start(key, class) && goes_first;
            prop_assert_eq!(queue.admit(arrival, limits, now), expected);
            if expected {
                model.start(key, class);
            } else {
                queue.wait(arrival, place(number), number, now);
                model.waiting.insert(number, (key, priority, class));
            }
        }
        Step::Leave { which } if !model.waiting.is_empty() => {
            let number = *which.get(&model.waiting.keys().copied().collect::<Vec<_>>());
            let (key, priority, class) = model.waiting.remove(&number).unwrap();
            let key = key.to_string().as_str().into();
            let left = queue.withdraw(Priority::ALL[priority], &key, class, place(number));
            prop_assert!(left);
        }
        Step::Dispatch => match queue.next(limits, now) {
            Next::Granted(number) => {
                let first = model.first();
                let (key, priority, class) = model.waiting.remove(&number).unwrap();
                prop_assert_eq!(first, Some(priority));
                model.start(key, class);
                prop_assert!(queue.claim(place(number)));
            }
            other => {
                prop_assert_eq!(model.first(), None);
                let has_slot = model.running.len() < 5;
                let next = model.next().filter(|_| has_slot).map_or(Next::Nothing, Next::At);
                prop_assert_eq!(other, next);
            }
        },
        Step::GiveBack if !model.running.is_empty() => {
            queue.give_back(model.running.remove(0), limits);
        }
        Step::Pass { millis: passed } => model.now += millis(passed),
        Step::Leave { .. } | Step::GiveBack => {}
    }
    prop_assert_eq!(queue.waiting().iter().sum::<usize>(), model.waiting.len());
    prop_assert_eq!(queue.in_use(), model.running.len());
    Ok(())
}

proptest! {
    /// No key starts more than its rate allows, over any time; whoever may start does, the most
    /// urgent first; wake-ups are at the exact time; and nobody is lost.
    #[test]
    fn pri_3_keys_start_when_their_rate_allows_it_and_no_sooner(steps in steps()) {
        let mut queue = Queue::new(options(), true);
        let limits = BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 2)]);
        let mut limits = TypeLimits::new(&limits);
        let begin = Instant::now();
        let mut model = Model {
            begin,
            now: begin,
            starts: Default::default(),
            waiting: BTreeMap::new(),
            running: Vec::new(),
        };
        for (number, next) in (0..).zip(steps) {
            step(&mut queue, &mut limits, &mut model, number, next)?;
        }
        // With time and slots enough everybody gets out.
        while !model.waiting.is_empty() {
            let number = u64::MAX;
            step(&mut queue, &mut limits, &mut model, number, Step::Dispatch)?;
            step(&mut queue, &mut limits, &mut model, number, Step::GiveBack)?;
            step(&mut queue, &mut limits, &mut model, number, Step::Pass { millis: 10 })?;
        }
    }
}
