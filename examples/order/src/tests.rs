//! The order in one process: the real engine in virtual time, with a payment service that is
//! called instead of being sent requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{EngineBuilder, FailureKind, RetryState, TimeoutType};
use entracte_testing::crash::{CrashTest, ScriptResult};
use entracte_testing::{Outcome, TestEngine};

use crate::activities::{Payments, Warehouse};
use crate::bank::{Bank, Trouble};
use crate::contract::{
    APPROVE, Approval, CHARGE, ORDER, Order, Payment, Receipt, Refund, STATUS, Status, Tracking,
};
use crate::gateway::{Gateway, GatewayError, receipt_of, refund_of};
use crate::ledger::{Entry, Ledger};
use crate::timeline;
use crate::workflow;

/// A gateway that calls the payment service, once or twice.
struct Direct {
    bank: Bank,
    twice: bool,
}

impl Gateway for Direct {
    async fn charge(&self, payment: &Payment) -> Result<Receipt, GatewayError> {
        if self.twice {
            receipt_of(self.bank.charge(payment)).await?;
        }
        receipt_of(self.bank.charge(payment)).await
    }

    async fn refund(&self, payment: &Payment) -> Result<Refund, GatewayError> {
        refund_of(self.bank.refund(payment)).await
    }
}

/// What goes wrong.
#[derive(Default)]
struct Scene {
    trouble: Trouble,
    twice: bool,
    no_carrier: bool,
}

fn set_up(engine: EngineBuilder, ledger: &Arc<Ledger>, scene: Scene) -> EngineBuilder {
    let bank = Bank::new(Arc::clone(ledger), scene.trouble, |_| {});
    engine
        .workflow(ORDER, workflow::order)
        .activities(Payments { gateway: Direct { bank, twice: scene.twice } })
        .activities(Warehouse { has_carrier: !scene.no_carrier })
}

const DAY: Duration = Duration::from_secs(86_400);

fn an_order() -> Order {
    Order { id: "order-42".to_owned(), cents: 4_200, deadline: DAY }
}

fn answer(approved: bool) -> Approval {
    Approval { approved, by: "Ada".to_owned() }
}

/// What came of an order.
struct Played {
    result: Result<Tracking, WorkflowError>,
    status: Status,
    timeline: Vec<String>,
    seconds: u64,
    charged: Vec<u64>,
    refunded: Vec<u64>,
}

impl Played {
    fn error(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }

    fn failure(&self) -> &Failure {
        self.result.as_ref().unwrap_err().failure().unwrap()
    }
}

fn charged_and_refunded(ledger: &Ledger) -> (Vec<u64>, Vec<u64>) {
    let (mut charged, mut refunded) = (Vec::new(), Vec::new());
    for entry in ledger.entries() {
        match entry {
            Entry::Charged { cents, .. } => charged.push(cents),
            Entry::Refunded { cents, .. } => refunded.push(cents),
            Entry::Voided { .. } => {}
        }
    }
    (charged, refunded)
}

/// Plays an order to its end, with the approver's answer, if any, after an hour.
async fn play(scene: Scene, approval: Option<Approval>) -> Played {
    let ledger = Arc::new(Ledger::default());
    let engine = set_up(TestEngine::builder(), &ledger, scene).start().await.unwrap();
    let run = engine.start_workflow(ORDER, an_order()).workflow_id("order-42").await.unwrap();
    assert_eq!(run.query(STATUS).await.unwrap(), Status::AwaitingApproval);
    if let Some(approval) = approval {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        run.signal(APPROVE, approval).await.unwrap();
    }
    let result = run.result().await;
    let status = run.query(STATUS).await.unwrap();
    let history = run.history().await.unwrap();
    let seconds = history.last().unwrap().time.saturating_since(history[0].time).as_secs();
    let (charged, refunded) = charged_and_refunded(&ledger);
    let timeline = timeline::lines(&history);
    Played { result, status, timeline, seconds, charged, refunded }
}

#[tokio::test(start_paused = true)]
async fn an_approved_order_is_charged_once_and_shipped() {
    let played = play(Scene::default(), Some(answer(true))).await;
    assert_eq!(played.result.as_ref().unwrap().tracking, "parcel-of-order-42");
    assert_eq!(played.status, Status::Shipped { tracking: "parcel-of-order-42".to_owned() });
    assert_eq!((played.charged, played.refunded), (vec![4_200], vec![]));
    assert_eq!(played.seconds, 3_600);
    let texts: Vec<_> = played.timeline.iter().map(|line| line.trim_start()).collect();
    assert_eq!(
        texts,
        [
            "+0.000s  order-42 is placed",
            "+0.000s  an answer is awaited for 86400s",
            "+3600.000s  signal `approve` comes",
            "+3600.000s  charge begins",
            "+3600.000s  charge is done",
            "+3600.000s  ship begins",
            "+3600.000s  ship is done",
            "+3600.000s  the order is on its way",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_deadline_decides_and_nothing_is_charged() {
    let played = play(Scene::default(), None).await;
    assert_eq!(played.error(), "order `order-42`: nobody answered in 86400s");
    assert_eq!(played.failure().application_type(), Some("Expired"));
    assert_eq!(played.seconds, 86_400);
    assert_eq!((played.charged, played.refunded), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_order_is_not_charged() {
    let played = play(Scene::default(), Some(answer(false))).await;
    assert_eq!(played.error(), "order `order-42`: Ada said no");
    let why = played.error();
    assert_eq!(played.status, Status::Failed { why });
    assert_eq!((played.charged, played.refunded), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_declined_card_is_asked_once_and_nothing_is_paid_back() {
    let scene =
        Scene { trouble: Trouble { decline: true, ..Trouble::default() }, ..Scene::default() };
    let played = play(scene, Some(answer(true))).await;
    assert_eq!(played.error(), "order `order-42`: charge the card: the card has no funds");
    let FailureKind::Activity(activity) = played.failure().kind() else {
        panic!("{:?}", played.failure())
    };
    assert_eq!(activity.retry_state, RetryState::NonRetryableFailure);
    assert_eq!(activity.activity_type, CHARGE.name());
    assert_eq!((played.charged, played.refunded), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_charge_whose_answer_is_lost_is_asked_for_again_and_made_once() {
    let scene =
        Scene { trouble: Trouble { silent: 2.into(), ..Trouble::default() }, ..Scene::default() };
    let played = play(scene, Some(answer(true))).await;
    assert!(played.result.is_ok());
    assert_eq!((played.charged, played.refunded), (vec![4_200], vec![]));
    let told = "charge is done in attempt 3, after: activity StartToClose timeout";
    assert!(played.timeline.iter().any(|line| line.ends_with(told)), "{:#?}", played.timeline);
}

#[tokio::test(start_paused = true)]
async fn a_charge_of_which_nobody_hears_is_paid_back() {
    let scene =
        Scene { trouble: Trouble { silent: 99.into(), ..Trouble::default() }, ..Scene::default() };
    let played = play(scene, Some(answer(true))).await;
    assert_eq!(played.failure().timeout_type(), Some(TimeoutType::StartToClose));
    assert_eq!((played.charged, played.refunded), (vec![4_200], vec![4_200]));
}

#[tokio::test(start_paused = true)]
async fn a_busy_service_is_asked_again() {
    for busy in [1, 4] {
        let scene = Scene {
            trouble: Trouble { busy: busy.into(), ..Trouble::default() },
            ..Scene::default()
        };
        let played = play(scene, Some(answer(true))).await;
        assert!(played.result.is_ok());
        assert_eq!((played.charged, played.refunded), (vec![4_200], vec![]));
    }
    // Too busy for the charge; what may have been made is still called off.
    let scene =
        Scene { trouble: Trouble { busy: 40.into(), ..Trouble::default() }, ..Scene::default() };
    let played = play(scene, Some(answer(true))).await;
    assert!(played.error().ends_with("charge the card: the payment service is busy"));
    assert_eq!((played.charged, played.refunded), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn requests_that_arrive_twice_are_one_charge() {
    let played = play(Scene { twice: true, ..Scene::default() }, Some(answer(true))).await;
    assert!(played.result.is_ok());
    assert_eq!((played.charged, played.refunded), (vec![4_200], vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_nobody_ships_is_paid_back() {
    let played = play(Scene { no_carrier: true, ..Scene::default() }, Some(answer(true))).await;
    assert_eq!(played.error(), "order `order-42`: ship it: no carrier takes it");
    assert!(played.failure().failed_compensations().is_empty());
    assert_eq!((played.charged, played.refunded), (vec![4_200], vec![4_200]));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_cancelled_while_it_is_charged_is_paid_back() {
    let ledger = Arc::new(Ledger::default());
    let scene =
        Scene { trouble: Trouble { silent: 99.into(), ..Trouble::default() }, ..Scene::default() };
    let engine = set_up(TestEngine::builder(), &ledger, scene).start().await.unwrap();
    let run = engine.start_workflow(ORDER, an_order()).await.unwrap();
    run.signal(APPROVE, answer(true)).await.unwrap();
    while ledger.entries().is_empty() {
        tokio::task::yield_now().await;
    }
    run.cancel("changed my mind").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Canceled { .. }), "{error:?}");
    assert_eq!(charged_and_refunded(&ledger), (vec![4_200], vec![4_200]));
}

#[tokio::test(start_paused = true)]
async fn the_first_of_approval_and_deadline_in_the_journal_decides() {
    let ledger = Arc::new(Ledger::default());
    let engine = set_up(TestEngine::builder(), &ledger, Scene::default()).start().await.unwrap();
    let run = engine.start_workflow(ORDER, an_order()).await.unwrap();
    tokio::time::sleep(DAY - Duration::from_millis(1)).await;
    run.signal(APPROVE, answer(true)).await.unwrap();
    assert!(run.result().await.is_ok());
    let run = engine.start_workflow(ORDER, an_order()).await.unwrap();
    tokio::time::sleep(DAY + Duration::from_millis(1)).await;
    let error = run.signal(APPROVE, answer(true)).await.unwrap_err();
    assert!(matches!(error, SignalError::AlreadyClosed { .. }), "{error:?}");
    assert_eq!(charged_and_refunded(&ledger).0, [4_200]);
}

/// Places and approves an order, as a client does that repeats itself after a crash.
async fn place_and_approve(engine: Engine) -> ScriptResult {
    let start = engine.start_workflow(ORDER, an_order()).workflow_id("order-42");
    let run = start.request_id("place").await?;
    match run.signal(APPROVE, answer(true)).request_id("answer").await {
        Err(SignalError::AlreadyClosed { .. }) => Ok(()),
        sent => Ok(sent?),
    }
}

/// Plays an order with every fault at every commit, and checks the books of every play.
fn crash_at_every_commit(no_carrier: bool, silent: u32) -> String {
    // A ledger for each run: what was charged under one key.
    let ledger = Arc::new(Ledger::default());
    let plays = Arc::new(Mutex::new(0_u64));
    let report = CrashTest::new(
        |engine| {
            *plays.lock().unwrap() += 1;
            let trouble = Trouble { silent: silent.into(), ..Trouble::default() };
            set_up(engine, &ledger, Scene { trouble, no_carrier, ..Scene::default() })
        },
        place_and_approve,
    )
    .run()
    .unwrap();
    assert!(report.faults > 10, "{report:?}");
    let mut charged = std::collections::BTreeMap::new();
    let mut refunded = std::collections::BTreeMap::new();
    for entry in ledger.entries() {
        match entry {
            Entry::Charged { key, .. } => *charged.entry(key).or_insert(0) += 1,
            Entry::Refunded { key, .. } => *refunded.entry(key).or_insert(0) += 1,
            Entry::Voided { key } => panic!("{key} was called off without a charge"),
        }
    }
    assert!(!charged.is_empty() && charged.values().all(|count| *count == 1), "{charged:?}");
    if no_carrier {
        assert_eq!(charged, refunded, "what was charged was paid back");
    } else {
        assert!(refunded.is_empty(), "{refunded:?}");
    }
    let mut outcomes = report.outcomes.into_values().flatten();
    match outcomes.next() {
        Some(Outcome::Completed(result)) => result.decode::<Tracking>().unwrap().tracking,
        Some(Outcome::Failed(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whichever_commit_crashes_the_card_is_charged_once() {
    assert_eq!(crash_at_every_commit(false, 0), "parcel-of-order-42");
}

#[test]
fn whichever_commit_crashes_an_order_that_nobody_ships_is_paid_back_once() {
    let text = crash_at_every_commit(true, 1);
    assert_eq!(text, "order `order-42`: ship it: no carrier takes it");
}
