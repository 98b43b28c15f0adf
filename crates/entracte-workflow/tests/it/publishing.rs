//! Published state: what a turn leaves to be written, and what it does not.

use std::collections::BTreeMap;

use entracte_model::Payload;
use entracte_workflow::{Query, TurnFailure, WorkflowContext, replay};

use crate::rig::*;

const STATUS: Query<String> = Query::new("status");
const COUNT: Query<u64> = Query::new("count");

fn texts(rig: &Rig) -> Vec<(&str, String)> {
    let text = |value: &Payload| {
        value.decode::<String>().or_else(|_| value.decode::<u64>().map(|number| number.to_string()))
    };
    rig.published.iter().map(|(name, value)| (name.as_str(), text(value).unwrap())).collect()
}

async fn work(ctx: WorkflowContext, (): ()) -> Result<u64, entracte_model::Failure> {
    ctx.publish(STATUS, "begun".to_owned());
    ctx.publish(COUNT, 1);
    ctx.publish(STATUS, "waiting".to_owned());
    ctx.sleep(SECOND).await;
    ctx.sleep(SECOND).await;
    ctx.publish(STATUS, "done".to_owned());
    Ok(1)
}

#[test]
fn a_turn_publishes_the_last_value_of_each_name_and_no_event() {
    let mut rig = Rig::new(work);
    assert_eq!(rig.start(()), ["start timer 1 1s"]);
    assert_eq!(texts(&rig), [("count", "1".to_owned()), ("status", "waiting".to_owned())]);
    assert_eq!(rig.fire(1), ["start timer 2 1s"]);
    assert_eq!(texts(&rig), []);
    // Also in the turn that ends the run.
    assert_eq!(rig.fire(2), ["complete 1"]);
    assert_eq!(texts(&rig), [("status", "done".to_owned())]);
    assert_eq!(rig.events.len(), 6);
}

#[test]
fn a_replay_publishes_nothing_again() {
    let mut rig = Rig::new(work);
    rig.start(());
    rig.fire(1);
    let mut replayed = replay(rig.workflow, run_id(), &rig.events).unwrap();
    assert_eq!(replayed.machine.take_published(), []);
}

#[test]
fn what_cannot_be_encoded_fails_the_turn() {
    const ODD: Query<BTreeMap<String, Unwritable>> = Query::new("odd");
    struct Unwritable;
    impl serde::Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.publish(ODD, BTreeMap::from([("one".to_owned(), Unwritable)]));
        ctx.sleep(SECOND).await;
        Ok(())
    });
    let failure = rig.try_turn(vec![started(&())]).unwrap_err();
    let TurnFailure::PublishedUnencodable { query, .. } = &failure else { panic!("{failure:?}") };
    assert_eq!(query, "odd");
    assert!(failure.to_string().starts_with("the value published as `odd` cannot be written: "));
}

#[test]
fn names_that_cannot_be_fail_the_turn() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.publish(Query::new(""), 1);
        Ok(())
    });
    let failure = rig.try_turn(vec![started(&())]).unwrap_err();
    assert!(matches!(failure, TurnFailure::InvalidName { what: "query", .. }), "{failure:?}");
}
