//! The workflows that are looked at: a season, its plays, and their acts.

use std::time::Duration;

use entracte::EngineBuilder;
use entracte::prelude::*;
use serde::{Deserialize, Serialize};

/// A season: all its plays at once. Gives how many acts were performed.
pub(crate) const SEASON: Workflow<Season, u32> = Workflow::new("season");
/// A play: one act after the other, with an interval between them.
pub(crate) const PLAY: Workflow<Play, u32> = Workflow::new("play");
/// An act: it is rehearsed, then performed.
pub(crate) const ACT: Workflow<Act, ()> = Workflow::new("act");
/// Fails at first in every second act.
pub(crate) const REHEARSE: Activity<Act, ()> = Activity::new("rehearse")
    .start_to_close_timeout(Duration::from_secs(3_600))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(1)));
/// Takes its time.
pub(crate) const PERFORM: Activity<Act, ()> = Activity::new("perform")
    .start_to_close_timeout(Duration::from_secs(3_600))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(1)));

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Season {
    pub(crate) plays: u32,
    pub(crate) acts: u32,
    /// How long a performance takes.
    pub(crate) pace: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Play {
    number: u32,
    acts: u32,
    pace: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Act {
    number: u32,
    pace: Duration,
}

async fn season(ctx: WorkflowContext, season: Season) -> WorkflowResult<u32> {
    let Season { plays, acts, pace } = season;
    let plays = (1..=plays).map(|number| {
        let play = ctx.child(PLAY, Play { number, acts, pace });
        play.workflow_id(format!("play-{number}"))
            .parent_close_policy(ParentClosePolicy::RequestCancel)
    });
    Ok(try_join_all(plays).await?.into_iter().sum())
}

async fn play(ctx: WorkflowContext, play: Play) -> WorkflowResult<u32> {
    for number in 1..=play.acts {
        if number > 1 {
            ctx.sleep(play.pace / 2).await;
        }
        let act = ctx.child(ACT, Act { number, pace: play.pace });
        act.workflow_id(format!("act-{}.{number}", play.number))
            .parent_close_policy(ParentClosePolicy::RequestCancel)
            .await
            .with_context(|| format!("act {number}"))?;
    }
    Ok(play.acts)
}

async fn act(ctx: WorkflowContext, act: Act) -> WorkflowResult<()> {
    ctx.activity(REHEARSE, act.clone()).await.context("rehearse")?;
    ctx.activity(PERFORM, act).await.context("perform")
}

async fn rehearse(ctx: ActivityContext, act: Act) -> ActivityResult<()> {
    tokio::time::sleep(act.pace / 4).await;
    if act.number.is_multiple_of(2) && ctx.attempt() == 1 {
        return Err(Failure::application("Late", "the leading actor is late"));
    }
    Ok(())
}

async fn perform(_ctx: ActivityContext, act: Act) -> ActivityResult<()> {
    tokio::time::sleep(act.pace).await;
    Ok(())
}

/// Registers the workflows and their activities with an engine.
pub(crate) fn register(engine: EngineBuilder) -> EngineBuilder {
    engine
        .workflow(SEASON, season)
        .workflow(PLAY, play)
        .workflow(ACT, act)
        .activity(REHEARSE, rehearse)
        .activity(PERFORM, perform)
}
