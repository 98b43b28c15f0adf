//! The names by which a scenario knows runs whose ids only the engine knows.

use std::collections::BTreeMap;

use entracte::model::Payload;
use entracte::prelude::*;
use entracte::{EventAttributes as A, FailureKind};
use entracte_testing::StoredRun;

use super::scenario::{Fate, Scenario};

/// The names of the nodes that have other workflow ids, by these ids. Without any, names are ids.
#[derive(Debug, Default)]
pub(super) struct Labels(BTreeMap<String, String>);

impl Labels {
    pub(super) fn new(runs: &[StoredRun], scenario: &Scenario) -> Self {
        let events = runs.iter().flat_map(|run| &run.history);
        let asked = events.filter_map(|event| match &event.attributes {
            A::StartChildWorkflowExecutionInitiated(asked) => {
                let node = scenario.nodes.get(node_of(&asked.input)?)?;
                Some((asked.workflow_id.to_string(), node.workflow_id.clone()))
            }
            _ => None,
        });
        Self(asked.collect())
    }

    pub(super) fn of(&self, workflow_id: &str) -> String {
        self.0.get(workflow_id).cloned().unwrap_or_else(|| workflow_id.to_owned())
    }

    pub(super) fn fate(&self, event: &A) -> Fate {
        match event {
            A::WorkflowExecutionCompleted(it) => {
                Fate::Completed(it.result.decode().unwrap_or(u64::MAX))
            }
            A::WorkflowExecutionFailed(it) => Fate::Failed(self.chain(&it.failure)),
            A::WorkflowExecutionCanceled(it) => Fate::Canceled(self.chain(&it.failure)),
            A::WorkflowExecutionTerminated(it) => Fate::Terminated(it.reason.clone()),
            A::WorkflowExecutionTimedOut(_) => Fate::TimedOut,
            A::WorkflowExecutionContinuedAsNew(_) => Fate::ContinuedAsNew,
            _ => Fate::Open,
        }
    }

    pub(super) fn chain(&self, failure: &Failure) -> Vec<String> {
        let level = |failure: &Failure| match failure.kind() {
            FailureKind::Application(it) => it.r#type.clone(),
            FailureKind::Timeout { timeout_type, .. } => format!("timeout: {timeout_type}"),
            FailureKind::Canceled { .. } => "canceled".to_owned(),
            FailureKind::Terminated => format!("terminated: {}", failure.message()),
            FailureKind::Activity(_) => "activity".to_owned(),
            FailureKind::ChildWorkflow(it) => format!("child {}", self.of(&it.workflow_id)),
            other => format!("{other:?}"),
        };
        failure.chain().map(level).collect()
    }
}

/// Which node an argument is about.
pub(super) fn node_of(input: &[Payload]) -> Option<usize> {
    let (node, _): (usize, u32) = input.first()?.decode().ok()?;
    Some(node)
}
