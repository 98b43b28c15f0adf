//! What becomes of signals that nobody has read when their run closes (rule SIG-8).

use entracte::prelude::*;
use entracte::{EventAttributes, EventType};
use entracte_testing::TestEngine;
use entracte_tests::look::event_types;

const NOTE: Signal<u32> = Signal::new("note");
const END: Signal<()> = Signal::new("end");
/// Ends when it is told to, and tells which notes were there when it began.
const FORGETFUL: Workflow<(), Vec<u32>> = Workflow::new("forgetful");

async fn forgetful(ctx: WorkflowContext, (): ()) -> WorkflowResult<Vec<u32>> {
    let mut found = Vec::new();
    {
        let mut notes = ctx.signals(NOTE);
        while let Some(note) = notes.try_recv() {
            found.push(note);
        }
    }
    ctx.signals(END).recv().await;
    Ok(found)
}

#[tokio::test(start_paused = true)]
async fn sig_8_what_is_unread_when_its_run_closes_stays_in_its_history_and_goes_nowhere_else() {
    let engine = TestEngine::builder().workflow(FORGETFUL, forgetful).start().await.unwrap();
    let start = async || engine.start_workflow(FORGETFUL, ()).workflow_id("one").await.unwrap();
    let first = start().await;
    first.signal(NOTE, 7).await.unwrap();
    first.signal(END, ()).await.unwrap();
    assert_eq!(first.result().await.unwrap(), Vec::<u32>::new());
    let history = first.history().await.unwrap();
    let names: Vec<_> = history
        .iter()
        .filter_map(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionSignaled(signaled) => Some(&*signaled.signal_name),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["note", "end"]);

    // The next run of the id begins without it.
    let second = start().await;
    second.signal(END, ()).await.unwrap();
    assert_eq!(second.result().await.unwrap(), Vec::<u32>::new());
    assert_eq!(
        event_types(&second.history().await.unwrap()),
        [
            EventType::WorkflowExecutionStarted,
            EventType::WorkflowExecutionSignaled,
            EventType::WorkflowExecutionCompleted,
        ]
    );
}
