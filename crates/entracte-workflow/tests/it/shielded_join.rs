//! What is awaited inside a shield is shielded, in company as well as alone.

use entracte_workflow::{WorkflowContext, join_all, select};

use crate::rig::*;

#[test]
fn can_3_an_activity_that_is_awaited_in_a_shield_is_shielded() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let mut charge = ctx.activity(CHARGE, cents).start();
        select! {
            charged = &mut charge => charged,
            () = ctx.sleep(SECOND) => ctx.shield(charge).await,
        }
    });
    rig.start(1);
    assert!(rig.fire(2).is_empty());
    assert!(rig.cancel().is_empty());
    assert_eq!(rig.complete(1, 7), ["complete 7"]);
}

#[test]
fn can_3_activities_that_are_awaited_together_in_a_shield_are_shielded() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let mut charges = join_all([ctx.activity(CHARGE, cents)]);
        let mut charged = select! {
            charged = &mut charges => charged,
            () = ctx.sleep(SECOND) => ctx.shield(charges).await,
        };
        charged.remove(0)
    });
    rig.start(1);
    assert!(rig.fire(2).is_empty());
    assert!(rig.cancel().is_empty());
    assert_eq!(rig.complete(1, 7), ["complete 7"]);
}
