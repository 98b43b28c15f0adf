//! Implementations by their durable names.

mod erased;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use entracte_model::id::{self, IdError};
use entracte_model::options::ActivityOptionsError;
use entracte_model::{ActivityOptions, Failure, Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::erased::{
    AsyncActivity, BlockingActivity, ErasedActivity, ErasedWorkflow, WorkflowFuture,
};
use crate::activity::ActivityContext;
use crate::context::WorkflowContext;
use crate::define::{Activity, Workflow};
use crate::interceptor::{Interceptor, InterceptorChain};

/// Says why a registry cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two workflows have one name.
    #[error("workflow `{name}` is registered twice")]
    DuplicateWorkflow {
        /// The name.
        name: String,
    },
    /// Two activities have one name.
    #[error("activity `{name}` is registered twice")]
    DuplicateActivity {
        /// The name.
        name: String,
    },
    /// There are two workflows for names that are not registered otherwise.
    #[error("a dynamic workflow is registered twice")]
    DuplicateDynamicWorkflow,
    /// There are two activities for names that are not registered otherwise.
    #[error("a dynamic activity is registered twice")]
    DuplicateDynamicActivity,
    /// A workflow's name cannot be one.
    #[error("workflow name `{name}` is invalid: {source}")]
    InvalidWorkflowName {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: IdError,
    },
    /// An activity's name cannot be one.
    #[error("activity name `{name}` is invalid: {source}")]
    InvalidActivityName {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: IdError,
    },
    /// The default options of an activity are wrong.
    #[error("the options of activity `{name}` are invalid: {source}")]
    InvalidActivityOptions {
        /// The name.
        name: String,
        /// What is wrong with them.
        source: ActivityOptionsError,
    },
}

/// A struct whose methods are activities.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use entracte_workflow::{Activities, Activity, ActivityContext, ActivityRegistry, ActivityResult, Registry};
///
/// const GREET: Activity<String, String> =
///     Activity::new("greet").start_to_close_timeout(Duration::from_secs(5));
///
/// struct Greeter {
///     greeting: &'static str,
/// }
///
/// impl Greeter {
///     async fn greet(self: Arc<Self>, _: ActivityContext, name: String) -> ActivityResult<String> {
///         Ok(format!("{} {name}", self.greeting))
///     }
/// }
///
/// impl Activities for Greeter {
///     fn register(registry: &mut ActivityRegistry<Self>) {
///         registry.add(GREET, Self::greet);
///     }
/// }
///
/// let mut registry = Registry::new();
/// registry.activities(Arc::new(Greeter { greeting: "hello" }));
/// assert_eq!(registry.activity_names().collect::<Vec<_>>(), ["greet"]);
/// ```
pub trait Activities: Sized {
    /// Names each method.
    fn register(registry: &mut ActivityRegistry<Self>);
}

/// Collects the methods of an [`Activities`] struct.
pub struct ActivityRegistry<S> {
    service: Arc<S>,
    entries: Vec<(&'static str, ActivityOptions, ErasedActivity)>,
}

impl<S: Send + Sync + 'static> ActivityRegistry<S> {
    /// Registers a method of the form `async fn(self: Arc<Self>, ActivityContext, I)`.
    pub fn add<I, O, F, Fut>(&mut self, activity: Activity<I, O>, method: F) -> &mut Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + 'static,
        F: Fn(Arc<S>, ActivityContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        let service = Arc::clone(&self.service);
        let run = erased::activity(activity.name(), move |ctx, input| {
            method(Arc::clone(&service), ctx, input)
        });
        self.entries.push((activity.name(), activity.options(), run));
        self
    }

    /// Registers a method that blocks its thread: `fn(self: Arc<Self>, ActivityContext, I)`.
    /// See [`Registry::blocking_activity`].
    pub fn add_blocking<I, O, F>(&mut self, activity: Activity<I, O>, method: F) -> &mut Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + 'static,
        F: Fn(Arc<S>, ActivityContext, I) -> Result<O, Failure> + Send + Sync + 'static,
    {
        let service = Arc::clone(&self.service);
        let run = erased::blocking_activity(activity.name(), move |ctx, input| {
            method(Arc::clone(&service), ctx, input)
        });
        self.entries.push((activity.name(), activity.options(), run));
        self
    }
}

impl<S> fmt::Debug for ActivityRegistry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| entry.0)).finish()
    }
}

/// The workflows and activities that an engine can run, by their durable names.
#[derive(Default)]
pub struct Registry {
    workflows: BTreeMap<String, Arc<dyn ErasedWorkflow>>,
    activities: BTreeMap<String, ErasedActivity>,
    dynamic_workflow: Option<Arc<dyn ErasedWorkflow>>,
    dynamic_activity: Option<ErasedActivity>,
    interceptors: InterceptorChain,
    allow_override: bool,
    problems: Vec<RegistryError>,
}

impl Registry {
    /// Makes an empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a later registration of a name replace the earlier one, as tests want it.
    /// Default: two registrations of a name are an error.
    pub fn set_allow_override(&mut self, allow: bool) -> &mut Self {
        self.allow_override = allow;
        self
    }

    /// Registers a workflow: a function of the form `async fn(WorkflowContext, I)`.
    ///
    /// What it keeps over an `.await` must be `Send`, for its run moves between threads:
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use entracte_workflow::{Registry, Workflow, WorkflowContext, WorkflowResult};
    ///
    /// const NAP: Workflow<(), u64> = Workflow::new("nap");
    /// async fn nap(ctx: WorkflowContext, (): ()) -> WorkflowResult<u64> {
    ///     let kept = Arc::new(5);
    ///     ctx.sleep(Duration::from_secs(1)).await;
    ///     Ok(*kept)
    /// }
    /// Registry::new().workflow(NAP, nap);
    /// ```
    ///
    /// With an `Rc` instead of the `Arc` it does not compile:
    ///
    /// ```compile_fail
    /// use std::{rc::Rc, time::Duration};
    /// use entracte_workflow::{Registry, Workflow, WorkflowContext, WorkflowResult};
    ///
    /// const NAP: Workflow<(), u64> = Workflow::new("nap");
    /// async fn nap(ctx: WorkflowContext, (): ()) -> WorkflowResult<u64> {
    ///     let kept = Rc::new(5);
    ///     ctx.sleep(Duration::from_secs(1)).await;
    ///     Ok(*kept)
    /// }
    /// Registry::new().workflow(NAP, nap); // `Rc<u64>` cannot be sent between threads safely
    /// ```
    pub fn workflow<I, O, F, Fut>(&mut self, workflow: Workflow<I, O>, function: F) -> &mut Self
    where
        I: DeserializeOwned + 'static,
        O: Serialize + 'static,
        F: Fn(WorkflowContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        let name = workflow.name().to_owned();
        if let Err(source) = id::check(&name) {
            self.problems.push(RegistryError::InvalidWorkflowName { name: name.clone(), source });
        }
        let earlier = self.workflows.insert(name.clone(), erased::workflow(function));
        if earlier.is_some() && !self.allow_override {
            self.problems.push(RegistryError::DuplicateWorkflow { name });
        }
        self
    }

    /// Registers an activity: a function of the form `async fn(ActivityContext, I)`.
    ///
    /// The types must be those of the constant:
    ///
    /// ```compile_fail,E0631
    /// use entracte_workflow::{Activity, ActivityContext, ActivityResult, Registry};
    ///
    /// const GREET: Activity<String, String> = Activity::new("greet");
    /// async fn greet(_: ActivityContext, name: u64) -> ActivityResult<String> {
    ///     Ok(name.to_string())
    /// }
    /// Registry::new().activity(GREET, greet); // expected a function that takes a `String`
    /// ```
    pub fn activity<I, O, F, Fut>(&mut self, activity: Activity<I, O>, function: F) -> &mut Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + 'static,
        F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        let run = erased::activity(activity.name(), function);
        self.insert(activity.name(), &activity.options(), run);
        self
    }

    /// Registers an activity that blocks its thread: a plain `fn(ActivityContext, I)`, for
    /// computations and for libraries that are not async. It runs on a thread for such work.
    ///
    /// Nobody can stop such code. When its attempt times out or its workflow closes, it is told
    /// ([`is_cancelled`](ActivityContext::is_cancelled),
    /// [`wait_cancelled`](ActivityContext::wait_cancelled)), what it returns later is refused,
    /// and it may still run while the next attempt does (rule TMO-12). So it should look, and
    /// return early.
    ///
    /// ```
    /// use std::time::Duration;
    /// use entracte_workflow::{Activity, ActivityContext, ActivityResult, Registry};
    ///
    /// const COUNT: Activity<u64, u64> =
    ///     Activity::new("count").start_to_close_timeout(Duration::from_secs(60));
    ///
    /// fn count(ctx: ActivityContext, to: u64) -> ActivityResult<u64> {
    ///     Ok((0..to).take_while(|_| !ctx.is_cancelled()).sum())
    /// }
    ///
    /// Registry::new().blocking_activity(COUNT, count);
    /// ```
    pub fn blocking_activity<I, O, F>(&mut self, activity: Activity<I, O>, function: F) -> &mut Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + 'static,
        F: Fn(ActivityContext, I) -> Result<O, Failure> + Send + Sync + 'static,
    {
        let run = erased::blocking_activity(activity.name(), function);
        self.insert(activity.name(), &activity.options(), run);
        self
    }

    /// Registers the methods of a struct.
    pub fn activities<S: Activities>(&mut self, service: Arc<S>) -> &mut Self {
        let mut methods = ActivityRegistry { service, entries: Vec::new() };
        S::register(&mut methods);
        for (name, options, run) in methods.entries {
            self.insert(name, &options, run);
        }
        self
    }

    /// Registers the workflow that runs when one of a name is started that is not registered:
    /// payloads in, a payload out (rule WRK-4).
    ///
    /// Its name is [`WorkflowContext::workflow_type`]. Registering a workflow of such a name
    /// later takes over the open runs that the dynamic one has begun, and they are parked
    /// unless it does the same.
    pub fn dynamic_workflow<F, Fut>(&mut self, function: F) -> &mut Self
    where
        F: Fn(WorkflowContext, Vec<Payload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
    {
        let earlier = self.dynamic_workflow.replace(erased::dynamic_workflow(function));
        if earlier.is_some() && !self.allow_override {
            self.problems.push(RegistryError::DuplicateDynamicWorkflow);
        }
        self
    }

    /// Registers the activity that runs when one of a name is called that is not registered:
    /// payloads in, a payload out (rule WRK-4). Its name is the `activity_type` of
    /// [`ActivityContext::info`].
    pub fn dynamic_activity<F, Fut>(&mut self, function: F) -> &mut Self
    where
        F: Fn(ActivityContext, Vec<Payload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
    {
        let earlier = self.dynamic_activity.replace(erased::dynamic_activity(function));
        if earlier.is_some() && !self.allow_override {
            self.problems.push(RegistryError::DuplicateDynamicActivity);
        }
        self
    }

    /// Registers an interceptor, within those that were registered before.
    pub fn interceptor(&mut self, interceptor: impl Interceptor) -> &mut Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    fn insert(&mut self, name: &str, options: &ActivityOptions, run: ErasedActivity) {
        let name = name.to_owned();
        if let Err(source) = id::check(&name) {
            self.problems.push(RegistryError::InvalidActivityName { name: name.clone(), source });
        }
        if let Err(source) = options.validate() {
            let name = name.clone();
            self.problems.push(RegistryError::InvalidActivityOptions { name, source });
        }
        let earlier = self.activities.insert(name.clone(), run);
        if earlier.is_some() && !self.allow_override {
            self.problems.push(RegistryError::DuplicateActivity { name });
        }
    }

    /// Tells the first thing that was wrong with a registration.
    ///
    /// # Errors
    /// [`RegistryError`]; [`problems`](Self::problems) tells all of them.
    pub fn validate(&self) -> Result<(), RegistryError> {
        self.problems.first().cloned().map_or(Ok(()), Err)
    }

    /// Everything that was wrong with a registration, in the order of registration.
    #[must_use]
    pub fn problems(&self) -> &[RegistryError] {
        &self.problems
    }

    /// Looks up a workflow; the interceptors are around what it calls.
    #[must_use]
    pub fn find_workflow(&self, name: &str) -> Option<Arc<dyn ErasedWorkflow>> {
        let workflow = self.workflows.get(name).or(self.dynamic_workflow.as_ref())?;
        let workflow = Arc::clone(workflow);
        Some(erased::intercepted(workflow, &self.interceptors))
    }

    /// Looks up an activity; the [interceptors](Self::interceptors) are not around it yet.
    #[must_use]
    pub fn find_activity(&self, name: &str) -> Option<ErasedActivity> {
        self.activities.get(name).or(self.dynamic_activity.as_ref()).cloned()
    }

    /// The interceptors, for whoever runs activities.
    #[must_use]
    pub fn interceptors(&self) -> &InterceptorChain {
        &self.interceptors
    }

    /// The names of the workflows, sorted.
    pub fn workflow_names(&self) -> impl Iterator<Item = &str> {
        self.workflows.keys().map(String::as_str)
    }

    /// The names of the activities, sorted.
    pub fn activity_names(&self) -> impl Iterator<Item = &str> {
        self.activities.keys().map(String::as_str)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("workflows", &self.workflows.keys())
            .field("activities", &self.activities.keys())
            .field("has_dynamic_workflow", &self.dynamic_workflow.is_some())
            .field("has_dynamic_activity", &self.dynamic_activity.is_some())
            .field("interceptors", &self.interceptors)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}
