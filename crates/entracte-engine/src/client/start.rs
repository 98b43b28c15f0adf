//! Starting a workflow.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use entracte_model::event::WorkflowExecutionStarted;
use entracte_model::options::validate_workflow_options;
use entracte_model::{
    EncodeError, Headers, Payload, Priority, PriorityOptions, RetryPolicy, RunId, WorkflowId,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, id,
};
use entracte_workflow::{ClientCall, ClientCallKind, Workflow};
use serde::Serialize;
use uuid::Uuid;

use super::{Client, Output, WorkflowHandle};
use crate::errors::{StartWorkflowError, shorten};
use crate::messages::{DirectoryMessage, StartRequest};

/// A start that has not been made yet: set options, then `.await` it for a handle.
///
/// The answer comes when the start is durable. Starting is idempotent by request id
/// (rule WID-5): whoever does not know whether a start succeeded repeats it with the same id.
#[must_use = "a workflow starts only when this is awaited"]
#[derive(Debug)]
pub struct StartWorkflow<I, O> {
    client: Client,
    workflow_type: Arc<str>,
    input: Result<Vec<Payload>, EncodeError>,
    headers: Headers,
    takes: PhantomData<fn(I)>,
    output: Output<O>,
    workflow_id: Option<String>,
    request_id: Option<String>,
    reuse_policy: WorkflowIdReusePolicy,
    conflict_policy: WorkflowIdConflictPolicy,
    task_queue: Option<String>,
    priority: PriorityOptions,
    retry_policy: Option<RetryPolicy>,
    execution_timeout: Option<Duration>,
    run_timeout: Option<Duration>,
}

impl<I: Serialize, O> StartWorkflow<I, O> {
    pub(crate) fn new(client: Client, workflow: Workflow<I, O>, input: I) -> Self {
        let input = Payload::encode(&input).map(|input| vec![input]);
        let defaults = workflow.defaults();
        let start = Self::of(client, workflow.name().into(), input, Output::Decoded);
        Self {
            task_queue: defaults.task_queue.map(str::to_owned),
            retry_policy: defaults.retry_policy.map(Into::into),
            execution_timeout: defaults.execution_timeout,
            run_timeout: defaults.run_timeout,
            ..start
        }
    }
}

impl StartWorkflow<Vec<Payload>, Payload> {
    pub(crate) fn by_name(client: Client, workflow_type: Arc<str>, input: Vec<Payload>) -> Self {
        Self::of(client, workflow_type, Ok(input), Output::Payload(std::convert::identity))
    }
}

impl<I, O> StartWorkflow<I, O> {
    fn of(
        client: Client,
        workflow_type: Arc<str>,
        input: Result<Vec<Payload>, EncodeError>,
        output: Output<O>,
    ) -> Self {
        Self {
            client,
            workflow_type,
            input,
            headers: Headers::new(),
            takes: PhantomData,
            output,
            workflow_id: None,
            request_id: None,
            reuse_policy: WorkflowIdReusePolicy::default(),
            conflict_policy: WorkflowIdConflictPolicy::default(),
            task_queue: None,
            priority: PriorityOptions::default(),
            retry_policy: None,
            execution_timeout: None,
            run_timeout: None,
        }
    }

    /// Sets the workflow id, unique among the open runs. Default: a random UUID.
    pub fn workflow_id(mut self, id: impl Into<String>) -> Self {
        self.workflow_id = Some(id.into());
        self
    }

    /// Sets the id of this request: a second start with the same workflow id and request id
    /// gives the same run. Default: a random UUID.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Says what happens if an earlier run of the workflow id is closed. Default
    /// [`AllowDuplicate`](WorkflowIdReusePolicy::AllowDuplicate): a new run starts.
    pub fn id_reuse_policy(mut self, policy: WorkflowIdReusePolicy) -> Self {
        self.reuse_policy = policy;
        self
    }

    /// Says what happens if a run of the workflow id is open. Default
    /// [`Fail`](WorkflowIdConflictPolicy::Fail): the start is refused.
    pub fn id_conflict_policy(mut self, policy: WorkflowIdConflictPolicy) -> Self {
        self.conflict_policy = policy;
        self
    }

    /// Sets the workflow's task queue: where its activities run, unless they name another one.
    /// Its children take it over, and so do the runs in which it goes on. Default: the
    /// constant's, and else `default`.
    ///
    /// Only attempts at activities wait in a queue. The workflow's own code waits in none: it
    /// runs in this engine, as soon as something has happened to it.
    ///
    /// A queue need not be known to the engine: [`EngineBuilder::task_queue`] says how many
    /// attempts of it run at a time, and else 1,000 do. A name that cannot be one (rule WID-8) is
    /// [`StartWorkflowError::Options`].
    ///
    /// [`EngineBuilder::task_queue`]: crate::EngineBuilder::task_queue
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.task_queue = Some(task_queue.into());
        self
    }

    /// Sets how the workflow is retried if a run of it fails or times out: each time as a new
    /// run of the same workflow id, with the same input, after a back-off (rules RET-3 and
    /// WTO-3). A run that closes as cancelled or is terminated is not retried. Default: the
    /// constant's, and else not at all.
    pub fn retry_policy(mut self, retry_policy: impl Into<RetryPolicy>) -> Self {
        self.retry_policy = Some(retry_policy.into());
        self
    }

    /// Sets how long the workflow may take, with all of its runs (rule WTO-1). Default: the
    /// constant's, and else without end.
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.execution_timeout = Some(timeout);
        self
    }

    /// Sets how long one run of the workflow may take, without the back-off before it (rules
    /// WTO-1 and WTO-2). It ends without that its code runs any more. Default: the constant's,
    /// and else without end.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.run_timeout = Some(timeout);
        self
    }

    /// Sets how urgent the run's activities are while they wait in their queues, unless they say
    /// so themselves (rule PRI-1). Default [`Priority::Normal`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority.priority = Some(priority);
        self
    }

    /// Sets with whom the run's activities share what their priority gets of a queue, such as a
    /// tenant, unless they say so themselves; at most 64 bytes (rule PRI-2). Default empty, a
    /// key like any other.
    pub fn fairness_key(mut self, key: impl Into<String>) -> Self {
        self.priority.fairness_key = Some(key.into().into_boxed_str());
        self
    }

    /// Sets how much the fairness key gets, in proportion to the others: a finite number above
    /// zero; what is below 0.001 or above 1,000 counts as that (rule PRI-2). Default 1.0.
    pub fn fairness_weight(mut self, weight: f32) -> Self {
        self.priority.fairness_weight = Some(weight);
        self
    }

    /// Sets what travels along; interceptors may add to it. Default none.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Temporal's deprecated reuse policy stands for a conflict policy (rule WID-2).
    fn conflict_policy(&self) -> WorkflowIdConflictPolicy {
        match self.reuse_policy {
            WorkflowIdReusePolicy::TerminateIfRunning => {
                WorkflowIdConflictPolicy::TerminateExisting
            }
            _ => self.conflict_policy,
        }
    }

    async fn start(self) -> Result<WorkflowHandle<O>, StartWorkflowError> {
        let started = self.first_event()?;
        let conflict_policy = self.conflict_policy();
        let workflow_id = started.workflow_id.clone();
        let mut asked_before = false;
        if let Some(stopped) = self.client.stopped() {
            return Err(stopped.into());
        }
        loop {
            let question = |reply| {
                DirectoryMessage::Start(Box::new(StartRequest {
                    started: started.clone(),
                    reuse_policy: self.reuse_policy,
                    conflict_policy,
                    reply,
                }))
            };
            let unknown = |reason: String| StartWorkflowError::OutcomeUnknown {
                workflow_id: workflow_id.clone(),
                reason,
            };
            match self.client.ask_once(question).await {
                Ok(Some(Ok(run))) => {
                    return Ok(WorkflowHandle::new(
                        self.client,
                        workflow_id,
                        run.run_id,
                        self.output,
                    ));
                }
                Err(stopped) | Ok(Some(Err(StartWorkflowError::EngineStopped(stopped))))
                    if asked_before =>
                {
                    return Err(unknown(stopped.reason));
                }
                Ok(Some(Err(error))) => return Err(error),
                Err(stopped) => return Err(stopped.into()),
                Ok(None) => {
                    // The run's actor ended with the question. Its start may have landed; the
                    // same request id finds it.
                    asked_before = true;
                    if let Some(stopped) = self.client.stopped() {
                        return Err(unknown(stopped.reason));
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// The first event of the run; its run id is filled in when the run is made.
    fn first_event(&self) -> Result<WorkflowExecutionStarted, StartWorkflowError> {
        if self.conflict_policy == WorkflowIdConflictPolicy::TerminateExisting
            && self.reuse_policy == WorkflowIdReusePolicy::RejectDuplicate
        {
            return Err(StartWorkflowError::ConflictingPolicies);
        }
        let shared = self.client.shared()?;
        let options = &shared.options;
        let registry = &shared.registry;
        let workflow_type = Arc::clone(&self.workflow_type);
        if registry.find_workflow(&workflow_type).is_none() {
            return Err(StartWorkflowError::NotRegistered {
                workflow_type: workflow_type.to_string(),
                registered: registry.workflow_names().map(str::to_owned).collect(),
            });
        }
        let input = self.input.clone()?;
        self.priority.validate()?;
        let (queue, policy) = (self.task_queue.as_deref(), self.retry_policy.as_ref());
        validate_workflow_options(queue, self.execution_timeout, self.run_timeout, policy)?;
        let random = || Uuid::new_v4().to_string();
        let workflow_id = self.workflow_id.clone().unwrap_or_else(random);
        let request_id = self.request_id.clone().unwrap_or_else(random);
        let invalid = |id: &str| {
            let id = shorten(id);
            move |source| StartWorkflowError::InvalidId { id, source }
        };
        id::check(&request_id).map_err(invalid(&request_id))?;
        let workflow_id = WorkflowId::new(&workflow_id).map_err(invalid(&workflow_id))?;
        id::check(&workflow_type).map_err(invalid(&workflow_type))?;
        let kind = ClientCallKind::StartWorkflow {
            workflow_id: workflow_id.clone(),
            workflow_type: Arc::clone(&workflow_type),
        };
        let mut call = ClientCall::new(kind, input, self.headers.clone());
        let refused = |failure| StartWorkflowError::Refused { failure };
        registry.interceptors().client_call(&mut call).map_err(refused)?;
        let limit = options.payload_bytes_max;
        if let Some(bytes) = super::larger_than(limit, &call.input) {
            return Err(StartWorkflowError::PayloadTooLarge { bytes, limit });
        }
        let bytes = call.headers.size();
        if bytes > limit {
            return Err(StartWorkflowError::HeadersTooLarge { bytes, limit });
        }
        // The directory fills in the run's id, when the run is made.
        let run_id = RunId::from_bytes([0; RunId::LEN]);
        let ClientCall { input, headers, .. } = call;
        let new =
            WorkflowExecutionStarted::new(run_id, workflow_id, workflow_type, input, request_id);
        let priority = self.priority.clone();
        let task_queue = self.task_queue.as_deref().map_or(new.task_queue, Into::into);
        Ok(WorkflowExecutionStarted {
            headers,
            task_queue,
            priority,
            retry_policy: self.retry_policy.clone(),
            execution_timeout: self.execution_timeout,
            run_timeout: self.run_timeout,
            ..new
        })
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> IntoFuture for StartWorkflow<I, O> {
    type Output = Result<WorkflowHandle<O>, StartWorkflowError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}
