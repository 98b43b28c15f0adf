//! Several interceptors, one in the other.

use std::fmt;
use std::sync::Arc;

use entracte_model::{Failure, Payload};
use futures_util::future::BoxFuture;

use super::{ClientCall, Interceptor, WorkflowCall, WorkflowInfo};
use crate::ActivityResult;
use crate::activity::ActivityContext;

/// The interceptors of an engine, the outermost first. Cheap to clone.
#[derive(Clone, Default)]
pub struct InterceptorChain(Option<Arc<Vec<Arc<dyn Interceptor>>>>);

impl InterceptorChain {
    /// Adds an interceptor within the others.
    pub fn push(&mut self, interceptor: Arc<dyn Interceptor>) {
        Arc::make_mut(self.0.get_or_insert_default()).push(interceptor);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Lets each see a client's call.
    ///
    /// # Errors
    /// The failure of the first that refuses it; those within do not see it then.
    pub fn client_call(&self, call: &mut ClientCall) -> Result<(), Failure> {
        self.all().iter().try_for_each(|interceptor| interceptor.client_call(call))
    }

    /// Lets each see a workflow's call.
    pub fn workflow_call(&self, workflow: &WorkflowInfo<'_>, call: &mut WorkflowCall) {
        self.all().iter().for_each(|interceptor| interceptor.workflow_call(workflow, call));
    }

    /// Runs an attempt's code with the interceptors around it.
    ///
    /// # Errors
    /// The future's failure is what the outermost one makes of it.
    pub fn execute_activity<F>(
        &self,
        ctx: ActivityContext,
        input: Vec<Payload>,
        code: F,
    ) -> BoxFuture<'static, ActivityResult<Payload>>
    where
        F: FnOnce(ActivityContext, Vec<Payload>) -> BoxFuture<'static, ActivityResult<Payload>>,
        F: Send + 'static,
    {
        let Some(all) = self.0.clone() else { return code(ctx, input) };
        Box::pin(async move {
            let first = NextActivity { rest: &all, code: Box::new(code) };
            first.run(ctx, input).await
        })
    }

    fn all(&self) -> &[Arc<dyn Interceptor>] {
        self.0.as_ref().map_or(&[], |all| all.as_slice())
    }
}

impl fmt::Debug for InterceptorChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InterceptorChain({})", self.all().len())
    }
}

/// An attempt's code, to be run once.
pub type ActivityCode = Box<
    dyn FnOnce(ActivityContext, Vec<Payload>) -> BoxFuture<'static, ActivityResult<Payload>> + Send,
>;

/// What is within an interceptor: the others, and then the activity's code.
#[must_use = "the activity's code runs only by `run`"]
pub struct NextActivity<'a> {
    rest: &'a [Arc<dyn Interceptor>],
    code: ActivityCode,
}

impl<'a> NextActivity<'a> {
    /// Runs it.
    ///
    /// # Errors
    /// The future's failure is the one of whatever is within.
    pub fn run(
        self,
        ctx: ActivityContext,
        input: Vec<Payload>,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        let Self { rest, code } = self;
        match rest.split_first() {
            Some((first, rest)) => first.execute_activity(ctx, input, NextActivity { rest, code }),
            None => code(ctx, input),
        }
    }
}

impl fmt::Debug for NextActivity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NextActivity({} interceptors)", self.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use entracte_model::Headers;
    use futures_util::FutureExt;

    use super::super::{ClientCallKind, WorkflowCallKind};
    use super::*;

    type Log = Arc<Mutex<Vec<String>>>;

    struct Named(&'static str, Log);

    impl Named {
        fn log(&self, text: &str) {
            self.1.lock().unwrap().push(format!("{} {text}", self.0));
        }
    }

    impl Interceptor for Named {
        fn client_call(&self, call: &mut ClientCall) -> Result<(), Failure> {
            self.log("client");
            let refused = call.headers.get_payload("refuse").is_some();
            if refused { Err(Failure::application("Refused", self.0)) } else { Ok(()) }
        }

        fn workflow_call(&self, _: &WorkflowInfo<'_>, call: &mut WorkflowCall) {
            self.log("workflow");
            call.input.push(Payload::null());
        }

        fn execute_activity<'a>(
            &'a self,
            ctx: ActivityContext,
            input: Vec<Payload>,
            next: NextActivity<'a>,
        ) -> BoxFuture<'a, ActivityResult<Payload>> {
            Box::pin(async move {
                self.log("before");
                let result = next.run(ctx, input).await;
                self.log("after");
                result
            })
        }
    }

    /// Has nothing of its own.
    struct Plain;
    impl Interceptor for Plain {}

    fn chain() -> (InterceptorChain, Log) {
        let log = Log::default();
        let mut chain = InterceptorChain::default();
        assert!(chain.is_empty());
        chain.push(Arc::new(Named("outer", Arc::clone(&log))));
        chain.push(Arc::new(Plain));
        chain.push(Arc::new(Named("inner", Arc::clone(&log))));
        (chain, log)
    }

    #[test]
    fn wrk_3_interceptors_nest_in_the_order_of_registration() {
        let (chain, log) = chain();
        let code = |_, _| async { Ok(Payload::null()) }.boxed();
        let result = chain.execute_activity(ActivityContext::test(), Vec::new(), code);
        assert_eq!(result.now_or_never(), Some(Ok(Payload::null())));
        let expected = ["outer before", "inner before", "inner after", "outer after"];
        assert_eq!(*log.lock().unwrap(), expected);
    }

    #[test]
    fn wrk_3_who_refuses_a_call_is_the_last_that_sees_it() {
        let (chain, log) = chain();
        let run_id = ActivityContext::test().info().run_id;
        let workflow_id = ActivityContext::test().info().workflow_id.clone();
        let kind = ClientCallKind::QueryWorkflow { workflow_id, run_id, query: "status".into() };
        let mut call = ClientCall::new(kind, Vec::new(), Headers::new());
        assert_eq!(chain.client_call(&mut call), Ok(()));
        assert_eq!(*log.lock().unwrap(), ["outer client", "inner client"]);
        call.headers.insert_payload("refuse", Payload::null());
        assert_eq!(chain.client_call(&mut call).unwrap_err().message(), "outer");
        assert_eq!(log.lock().unwrap().len(), 3);
    }

    #[test]
    fn wrk_3_each_sees_what_the_one_around_it_has_changed() {
        let (chain, log) = chain();
        let ctx = ActivityContext::test();
        let info = ctx.info();
        let workflow = WorkflowInfo {
            workflow_id: &info.workflow_id,
            workflow_type: &info.workflow_type,
            run_id: info.run_id,
            task_queue: &info.task_queue,
            attempt: 1,
            headers: &Headers::new(),
            now: info.started_time,
            is_replaying: false,
        };
        let kind = WorkflowCallKind::ScheduleActivity { activity_type: "charge".into() };
        let mut call = WorkflowCall::new(kind, Vec::new(), Headers::new());
        chain.workflow_call(&workflow, &mut call);
        assert_eq!(call.input.len(), 2);
        assert_eq!(*log.lock().unwrap(), ["outer workflow", "inner workflow"]);
    }
}
