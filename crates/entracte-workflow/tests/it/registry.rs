//! Registration: what is found, and what is refused.

use std::sync::Arc;

use entracte_model::{Failure, Payload};
use entracte_workflow::{
    Activities, Activity, ActivityContext, ActivityRegistry, ActivityResult, ErasedActivity,
    Registry, Workflow, WorkflowContext, WorkflowResult,
};
use futures_util::FutureExt;

use crate::rig::*;

trait Gateway: Send + Sync + 'static {
    fn charge(&self, cents: u64) -> impl Future<Output = std::io::Result<u64>> + Send;
}

struct Payments<G> {
    gateway: G,
}

impl<G: Gateway> Payments<G> {
    async fn charge(self: Arc<Self>, _: ActivityContext, cents: u64) -> ActivityResult<u64> {
        Ok(self.gateway.charge(cents).await?)
    }

    fn refund(self: Arc<Self>, ctx: ActivityContext, _: u64) -> ActivityResult<String> {
        Ok(ctx.idempotency_key())
    }
}

impl<G: Gateway> Activities for Payments<G> {
    fn register(registry: &mut ActivityRegistry<Self>) {
        registry.add(CHARGE, Self::charge).add_blocking(REFUND, Self::refund);
    }
}

struct Doubles;

impl Gateway for Doubles {
    async fn charge(&self, cents: u64) -> std::io::Result<u64> {
        if cents == 0 {
            return Err(std::io::Error::other("nothing to charge"));
        }
        Ok(cents * 2)
    }
}

async fn ship(_: ActivityContext, items: u64) -> ActivityResult<u64> {
    Ok(items)
}

fn call(registry: &Registry, name: &str, input: Vec<Payload>) -> Result<Payload, Failure> {
    let activity = registry.find_activity(name).unwrap();
    match activity {
        ErasedActivity::Async(activity) => {
            activity(ActivityContext::test(), input).now_or_never().unwrap()
        }
        ErasedActivity::Blocking(activity) => activity(ActivityContext::test(), input),
    }
}

#[test]
fn methods_and_functions_are_found_by_their_names() {
    let mut registry = Registry::new();
    registry.activities(Arc::new(Payments { gateway: Doubles })).activity(SHIP, ship);
    assert_eq!(registry.validate(), Ok(()));
    assert_eq!(registry.activity_names().collect::<Vec<_>>(), ["charge", "refund", "ship"]);
    let number = |number: u64| vec![Payload::encode(&number).unwrap()];
    assert_eq!(call(&registry, "charge", number(4)).unwrap().decode(), Ok(8_u64));
    assert_eq!(call(&registry, "ship", number(4)).unwrap().decode(), Ok(4_u64));
    let key = ActivityContext::test().idempotency_key();
    assert_eq!(call(&registry, "refund", number(4)).unwrap().decode(), Ok(key));
    let failure = call(&registry, "charge", number(0)).unwrap_err();
    assert_eq!(failure.to_string(), "nothing to charge");
    assert!(registry.find_activity("unknown").is_none());
}

#[test]
fn undecodable_input_and_an_unencodable_result_are_non_retryable_failures() {
    struct Unwritable;
    impl serde::Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no ink"))
        }
    }
    const WRITE: Activity<u64, Unwritable> = Activity::new("write").start_to_close_timeout(SECOND);
    let mut registry = Registry::new();
    registry.activity(SHIP, ship).activity(WRITE, async |_, _| Ok(Unwritable));
    let failure = call(&registry, "ship", vec![Payload::encode("text").unwrap()]).unwrap_err();
    assert_eq!(failure.application_type(), Some("DecodeError"));
    assert!(!failure.is_retryable(&[]));
    assert!(failure.message().starts_with("input of activity `ship`: "), "{failure}");
    let failure = call(&registry, "write", vec![Payload::encode(&1).unwrap()]).unwrap_err();
    assert_eq!(failure.application_type(), Some("EncodeError"));
    assert!(failure.message().starts_with("result of activity `write`: "), "{failure}");
}

async fn nothing(_: WorkflowContext, (): ()) -> WorkflowResult<()> {
    Ok(())
}

#[test]
fn everything_wrong_is_collected() {
    const ORDER: Workflow<(), ()> = Workflow::new("order");
    const NAMELESS: Workflow<(), ()> = Workflow::new("");
    const BARE: Activity<u64, u64> = Activity::new("bare");
    let mut registry = Registry::new();
    registry
        .workflow(ORDER, nothing)
        .workflow(ORDER, nothing)
        .workflow(NAMELESS, nothing)
        .activity(SHIP, ship)
        .activity(SHIP, ship)
        .activity(BARE, ship)
        .activity(Activity::new("").start_to_close_timeout(SECOND), ship);
    let problems: Vec<_> = registry.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "workflow `order` is registered twice",
            "workflow name `` is invalid: an id cannot be empty",
            "activity `ship` is registered twice",
            "the options of activity `bare` are invalid: a valid StartToCloseTimeout or \
             ScheduleToCloseTimeout must be set on the activity",
            "activity name `` is invalid: an id cannot be empty",
        ]
    );
    assert_eq!(registry.validate().unwrap_err(), registry.problems()[0]);
}

#[test]
fn a_later_registration_wins_where_that_is_allowed() {
    let mut registry = Registry::new();
    registry
        .set_allow_override(true)
        .activity(SHIP, ship)
        .activity(SHIP, |_, _| async { Err(Failure::non_retryable("NoStock", "empty shelf")) });
    assert_eq!(registry.validate(), Ok(()));
    let failure = call(&registry, "ship", vec![Payload::encode(&1).unwrap()]).unwrap_err();
    assert_eq!(failure.message(), "empty shelf");
}

#[test]
fn an_activity_is_an_ordinary_function() {
    let payments = Arc::new(Payments { gateway: Doubles });
    let charged = payments.charge(ActivityContext::test(), 21).now_or_never().unwrap();
    assert_eq!(charged, Ok(42));
}
