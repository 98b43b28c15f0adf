//! A request to cancel is taken up by one run of a chain at most, whoever was killed before the
//! client had its answer.

#[path = "repeated_cancel/stage.rs"]
mod stage;

use std::time::Duration;

use entracte::RunError;
use entracte::prelude::*;
use entracte::store::keys::{self, InboxKey, KeyRange};
use entracte::store::rows::{InboxMessage, InboxRow};
use entracte::store::{Batch, Persist};
use entracte_testing::TEST_EPOCH;
use tokio::time::sleep;

use self::stage::{ASKING, BROKEN, CLEANING, HOUR, RESTLESS, SLEEPY, Stage, UPSET};

/// How many rounds a request, its turn and its answer take, and some more.
const MOMENTS: u32 = 90;

#[tokio::test(start_paused = true)]
async fn can_1_a_request_whose_answer_is_lost_does_not_cancel_the_next_attempt() {
    let stage = Stage::new(|engine| engine).await;
    let run = stage.engine.start_workflow(UPSET, ()).await.unwrap();
    // The request is on its way to the disk when the run is killed, and the answer with it.
    stage.disk.hold();
    let happen = async {
        sleep(Duration::from_millis(50)).await;
        stage.kill_all(0).await;
        sleep(Duration::from_millis(50)).await;
        stage.disk.release();
    };
    let (cancelled, ()) = tokio::join!(run.cancel("enough"), happen);
    cancelled.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(run.run_id()), [1, 0]);
    // A request of its own is another one.
    run.cancel("enough").await.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(run.run_id()), [1, 1, 0]);
    // Of a run that is closed, it is a success that changes nothing.
    run.of_run(run.run_id()).cancel("enough").await.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(run.run_id()), [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn can_1_a_run_that_is_killed_at_any_moment_of_a_request_takes_it_up_once() {
    for moment in 0..MOMENTS {
        let stage = Stage::new(|engine| engine.replay_every_event(moment % 2 == 0)).await;
        let upset = stage.engine.start_workflow(UPSET, ()).await.unwrap();
        let restless = stage.engine.start_workflow(RESTLESS, 1).await.unwrap();
        tokio::join!(
            stage.cancel_and_kill(&upset, moment),
            stage.cancel_and_kill(&restless, moment)
        );
        sleep(HOUR).await;
        assert_eq!(stage.requests(upset.run_id()), [1, 0], "moment {moment}");
        assert_eq!(stage.requests(restless.run_id()), [1, 0], "moment {moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn can_1_a_run_in_its_back_off_is_woken_once_by_a_request() {
    for moment in 0..MOMENTS {
        let stage = Stage::new(|engine| engine).await;
        let run = stage.engine.start_workflow(SLEEPY, ()).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        stage.cancel_and_kill(&run, moment).await;
        sleep(Duration::from_secs(60)).await;
        // The second run was woken and asked, and the third one sleeps.
        assert_eq!(stage.requests(run.run_id()), [0, 1, 0], "moment {moment}");
        assert!(run.describe().await.unwrap().first_task_time.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn can_1_a_parked_run_keeps_one_request_and_takes_it_up_once() {
    for moment in 0..MOMENTS {
        let stage = Stage::new(|engine| engine).await;
        stage.code.set_broken(true);
        let run = stage.engine.start_workflow(BROKEN, ()).await.unwrap();
        stage.cancel_and_kill(&run, moment).await;
        assert_eq!(stage.requests(run.run_id()), [0], "moment {moment}");
        stage.code.set_broken(false);
        sleep(HOUR).await;
        assert_eq!(stage.requests(run.run_id()), [1, 0], "moment {moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn can_1_a_request_that_a_run_takes_up_before_it_is_parked_is_not_the_next_ones() {
    let stage = Stage::new(|engine| engine).await;
    let run = stage.engine.start_workflow(CLEANING, ()).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    stage.disk.hold();
    let happen = async {
        sleep(Duration::from_millis(50)).await;
        // Its event is on its way to the disk, and the run does not come back from there.
        stage.code.set_broken(true);
        stage.kill_all(0).await;
        sleep(Duration::from_millis(50)).await;
        stage.disk.release();
    };
    let (cancelled, ()) = tokio::join!(run.cancel("enough"), happen);
    cancelled.unwrap();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(stage.requests(run.run_id()), [1]);
    stage.time_out(&run).await;
    assert_eq!(stage.requests(run.run_id()), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn can_1_a_second_request_to_a_parked_run_is_not_the_next_ones() {
    for is_mended in [true, false] {
        let stage = Stage::new(|engine| engine).await;
        let run = stage.park_cleaning().await;
        run.cancel("again").await.unwrap();
        // Another workflow has its answer at once.
        let asking = stage.engine.start_workflow(ASKING, "cleaning".to_owned()).await.unwrap();
        asking.result().await.unwrap();
        let KeyRange { space, start, end } = keys::inbox_of(run.run_id());
        let kept = stage.store.scan(space, &start, end.as_deref(), usize::MAX).unwrap();
        assert_eq!(kept.len(), 0, "there is nothing to keep");
        if is_mended {
            stage.code.set_broken(false);
            sleep(Duration::from_secs(30)).await;
        } else {
            stage.time_out(&run).await;
        }
        assert_eq!(stage.requests(run.run_id()), [1, 0], "mended: {is_mended}");
    }
}

#[tokio::test(start_paused = true)]
async fn can_1_a_parents_close_does_not_ask_the_run_behind_one_that_was_asked() {
    const PARENT: Workflow<(), ()> = Workflow::new("parent");
    let parent = async |ctx: WorkflowContext, ()| {
        let child = ctx.child(CLEANING, ()).workflow_id("cleaning");
        child.parent_close_policy(ParentClosePolicy::RequestCancel).start().await?;
        ctx.sleep(Duration::from_secs(21)).await;
        Ok(())
    };
    let stage = Stage::new(|engine| engine.workflow(PARENT, parent)).await;
    let parent = stage.engine.start_workflow(PARENT, ()).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    let child = stage.engine.workflow_handle(CLEANING, "cleaning").await.unwrap();
    child.cancel("enough").await.unwrap();
    stage.park_asked(&child).await;
    parent.result().await.unwrap();
    stage.time_out(&child).await;
    assert_eq!(stage.requests(child.run_id()), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn can_1_a_second_request_that_an_earlier_engine_has_kept_is_not_the_next_ones() {
    let stage = Stage::new(|engine| engine).await;
    let run = stage.park_cleaning().await;
    let key = InboxKey { run_id: run.run_id(), sequence: 7 };
    let message = InboxMessage::CancelRequested { reason: "again".to_owned(), request_id: None };
    let row = InboxRow { sender: None, received_at: TEST_EPOCH, message };
    let mut batch = Batch::new();
    batch.put_inbox(key, &row);
    stage.store.commit(batch, Persist::Sync).await.unwrap();
    stage.kill_all(0).await;
    stage.time_out(&run).await;
    assert_eq!(stage.requests(run.run_id()), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn can_1_a_request_that_moves_on_with_the_chain_is_taken_up_once() {
    for moment in 0..MOMENTS {
        let stage = Stage::new(|engine| engine).await;
        stage.code.set_broken(true);
        let start = stage.engine.start_workflow(BROKEN, ());
        let run = start.run_timeout(Duration::from_secs(60)).await.unwrap();
        // It waits in the inbox of a run that ends without having taken it up, about now.
        sleep(Duration::from_millis(59_990 + u64::from(moment % 30))).await;
        stage.code.set_broken(false);
        stage.cancel_and_kill(&run, moment).await;
        sleep(Duration::from_secs(30)).await;
        let requests = stage.requests(run.run_id());
        assert_eq!(requests.iter().sum::<usize>(), 1, "moment {moment}: {requests:?}");
        assert_eq!(requests.last(), Some(&0), "moment {moment}: {requests:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn can_8_another_workflows_request_is_taken_up_once_whoever_is_killed() {
    for moment in 0..2 * MOMENTS {
        let stage = Stage::new(|engine| engine.replay_every_event(moment % 2 == 0)).await;
        let start = stage.engine.start_workflow(UPSET, ());
        let run = start.workflow_id("upset").await.unwrap();
        let asking = stage.engine.start_workflow(ASKING, "upset".to_owned()).await.unwrap();
        stage.kill_all(moment).await;
        asking.result().await.unwrap();
        sleep(HOUR).await;
        assert_eq!(stage.requests(run.run_id()), [1, 0], "moment {moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn can_1_a_request_that_is_made_again_after_a_restart_asks_no_later_run() {
    let stage = Stage::new(|engine| engine).await;
    let run = stage.engine.start_workflow(UPSET, ()).workflow_id("upset").await.unwrap();
    run.cancel("enough").request_id("first").await.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(run.run_id()), [1, 0]);
    let first = run.run_id();
    let stage = stage.restart().await;
    // The handle is to the second run.
    let run = stage.engine.workflow_handle(UPSET, "upset").await.unwrap();
    assert_ne!(run.run_id(), first);
    run.cancel("enough").request_id("first").await.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(first), [1, 0]);
    // Another one is taken up, and neither is made again, from whichever run on.
    run.cancel("enough").request_id("second").await.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(first), [1, 1, 0]);
    for id in ["first", "second"] {
        run.cancel("enough").request_id(id).await.unwrap();
        let last = stage.engine.workflow_handle(UPSET, "upset").await.unwrap();
        last.cancel("enough").request_id(id).await.unwrap();
        sleep(HOUR).await;
        assert_eq!(stage.requests(first), [1, 1, 0], "{id}");
    }
    let refused = run.cancel("enough").request_id("").await.unwrap_err();
    assert!(matches!(refused, RunError::InvalidId { .. }), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn can_1_a_request_that_is_made_again_finds_the_run_between_that_has_it() {
    let stage = Stage::new(|engine| engine).await;
    let run = stage.engine.start_workflow(UPSET, ()).await.unwrap();
    for id in ["first", "second"] {
        run.cancel("enough").request_id(id).await.unwrap();
        sleep(HOUR).await;
    }
    assert_eq!(stage.requests(run.run_id()), [1, 1, 0]);
    // The handle is to the first run, and the second one has it.
    run.cancel("enough").request_id("second").await.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(run.run_id()), [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn can_1_a_request_of_which_the_outcome_is_unknown_is_made_again_safely() {
    for commit in 1..=2 {
        let stage = Stage::new(|engine| engine).await;
        let run = stage.engine.start_workflow(UPSET, ()).workflow_id("upset").await.unwrap();
        let first = run.run_id();
        sleep(Duration::from_secs(60)).await;
        stage.disk.fail_at_commit(stage.disk.commits() + commit);
        let answer = run.cancel("enough").request_id("it").await;
        // The second commit is that of the next run's first turn.
        match answer {
            Ok(()) if commit > 1 => sleep(HOUR).await,
            Err(RunError::OutcomeUnknown { .. }) => {}
            other => panic!("{other:?}"),
        }
        let stage = stage.restart().await;
        for _ in 0..2 {
            let run = stage.engine.workflow_handle(UPSET, "upset").await.unwrap();
            run.cancel("enough").request_id("it").await.unwrap();
            sleep(HOUR).await;
            assert_eq!(stage.requests(first), [1, 0], "commit {commit}");
        }
    }
}
