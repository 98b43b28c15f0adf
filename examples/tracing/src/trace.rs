//! Trace ids.

use entracte::{
    ActivityContext, ActivityResult, BoxFuture, ClientCall, ClientCallKind, Failure, Interceptor,
    NextActivity, Payload,
};
use tracing::Instrument;
use uuid::Uuid;

/// The header that carries the trace id.
pub const TRACE_ID: &str = "trace-id";

/// Gives each workflow that is started a trace id, unless its client has one already, and puts
/// each attempt into a span that shows it.
#[derive(Debug, Clone, Copy)]
pub struct Trace;

impl Interceptor for Trace {
    fn client_call(&self, call: &mut ClientCall) -> Result<(), Failure> {
        let is_start = matches!(call.kind, ClientCallKind::StartWorkflow { .. });
        if is_start && call.headers.get_payload(TRACE_ID).is_none() {
            // This is the client, where it may be random; a workflow's call could not be.
            call.headers.insert(TRACE_ID, &Uuid::new_v4().to_string())?;
        }
        Ok(())
    }

    fn execute_activity<'a>(
        &'a self,
        ctx: ActivityContext,
        input: Vec<Payload>,
        next: NextActivity<'a>,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        let trace_id = ctx.headers().get::<String>(TRACE_ID).and_then(Result::ok);
        let info = ctx.info();
        let span = tracing::info_span!(
            "attempt",
            trace_id,
            workflow.id = %info.workflow_id,
            activity.name = %info.activity_type,
            activity.attempt = info.attempt,
        );
        Box::pin(next.run(ctx, input).instrument(span))
    }
}
