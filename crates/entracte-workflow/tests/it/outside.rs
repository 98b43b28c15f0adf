//! A context outside its turn is inert.

use std::sync::{Arc, Mutex};

use entracte_workflow::WorkflowContext;

use crate::rig::*;

#[test]
fn what_is_called_between_turns_is_not_recorded() {
    let kept = Arc::new(Mutex::new(None));
    let mut rig = Rig::new({
        let kept = Arc::clone(&kept);
        move |ctx: WorkflowContext, (): ()| {
            // As if the workflow had handed its context to a task of its own.
            *kept.lock().unwrap() = Some(ctx.clone());
            async move {
                ctx.sleep(SECOND).await;
                ctx.sleep(2 * SECOND).await;
                Ok(())
            }
        }
    });
    rig.start(());
    let outside = kept.lock().unwrap().take().unwrap();
    let sleep = outside.sleep(3 * SECOND);
    assert_eq!(rig.fire(1), ["start timer 2 2s"]);
    drop(sleep);
}
