//! What goes wrong in a play.

use std::time::Duration;

use entracte::{ActorKind, Engine, actor};
use entracte_tests::rounds as rounds_pass;

use super::play::{Life, Play};
use super::scenario::{FaultKind, Moment, STEP, TICK_MINUTES};

/// When a tick comes.
fn time_of(step: usize, part: usize, tick: u64) -> Duration {
    let hours = STEP * step as u64 + part as u64;
    Duration::from_secs(60 * (60 * hours + TICK_MINUTES * tick))
}

impl FaultKind {
    /// When somebody is killed, if somebody is.
    fn moment(&self) -> Option<Moment> {
        match self {
            Self::Kill { at, .. } | Self::KillTarget { at } | Self::KillJournal { at, .. } => {
                Some(*at)
            }
            Self::Crash { .. } | Self::Failure { .. } => None,
        }
    }
}

impl Play {
    /// Notes the crashes and failures of a step.
    pub(super) fn plan_strikes(&self, step: usize) {
        let faults = self.scenario.faults.iter().filter(|fault| fault.step == step);
        let strikes = faults.map(|fault| fault.kind.clone());
        let strikes = strikes.filter(|kind| kind.moment().is_none());
        *self.strikes.borrow_mut() = strikes.collect();
    }

    /// Arms the next strike of the step.
    pub(super) fn plan_next(&self) {
        self.disk.clear_faults();
        self.fails_at.set(None);
        let commits = self.disk.commits();
        match self.strikes.borrow_mut().pop_front() {
            Some(FaultKind::Crash { commits: after, before_durable }) => {
                let point = FaultKind::crash_point(before_durable);
                self.disk.crash_at_commit(commits + after, point);
            }
            Some(FaultKind::Failure { commits: after }) => {
                self.disk.fail_at_commit(commits + after);
                self.fails_at.set(Some(commits + after));
            }
            _ => {}
        }
    }

    /// Whether a commit has failed.
    pub(super) fn is_struck(&self) -> bool {
        self.fails_at.get().is_some_and(|commit| self.disk.commits() >= commit)
    }

    /// Kills the actors that are to be killed in this part of the step.
    pub(super) async fn kill(&self, life: &Life, step: usize, part: usize) {
        let faults = self.scenario.faults.iter().filter(|fault| fault.step == step);
        let kills = faults.filter_map(|fault| Some((fault.kind.moment()?, fault.kind.clone())));
        let mut kills: Vec<_> = kills.filter(|(at, _)| at.part == part).collect();
        kills.sort_by_key(|(at, _)| at.tick);
        for (Moment { tick, ms, rounds, .. }, kind) in kills {
            life.sleep_until(time_of(step, part, tick)).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            let engine = life.engine.clone();
            let target = self.targets.borrow().get(&step).copied().flatten();
            // In a task of its own, whose turn comes between those of the actors.
            let killing = tokio::spawn(async move {
                rounds_pass(rounds).await;
                match (kind, target) {
                    (FaultKind::Kill { victim, below, .. }, _) => {
                        kill_one(&engine, victim, below).await
                    }
                    (FaultKind::KillTarget { .. }, Some(target)) => {
                        let runs = engine.run_actors().await.unwrap_or_default();
                        let run = runs.iter().find(|(run_id, _)| *run_id == target);
                        run.map(|(_, actor)| actor.kill()).is_some()
                    }
                    (FaultKind::KillJournal { times, .. }, _) => kill_journal(&engine, times).await,
                    _ => false,
                }
            });
            if killing.await.is_ok_and(|killed| killed) {
                let (crashes, failures, kills) = self.counts.get();
                self.counts.set((crashes, failures, kills + 1));
            }
        }
    }
}

/// Kills the journal's actor, and those that follow it; tells whether there was one.
async fn kill_journal(engine: &Engine, times: u64) -> bool {
    for _ in 0..times {
        let Ok(tree) = engine.tree().await else { return false };
        let journal = tree.nodes.iter().find(|node| node.kind == ActorKind::Journal);
        let Some(node) = journal else { return false };
        actor::cell(node).kill();
        rounds_pass(7).await;
    }
    true
}

/// Kills the actor of a run, or one under it; tells whether there was one.
async fn kill_one(engine: &Engine, victim: u64, below: bool) -> bool {
    let Ok(runs) = engine.run_actors().await else { return false };
    let Some((_, run)) = runs.get(victim as usize % runs.len().max(1)) else { return false };
    let mut under = run.get_children();
    under.sort_unstable_by_key(|child| child.get_id().pid());
    match under.get((victim >> 32) as usize % under.len().max(1)) {
        Some(child) if below => child.kill(),
        _ => run.kill(),
    }
    true
}
