//! Interceptors at work: a trace id goes from the client through a workflow into its activities
//! and their log lines, attempts are counted by type and outcome, and no attempt runs for
//! whoever has no token.

pub mod attempts;
pub mod guard;
pub mod orders;
pub mod trace;

use entracte::{EngineBuilder, PropagateHeaders};

pub use self::attempts::Attempts;
pub use self::guard::Guard;
pub use self::trace::Trace;

/// Registers the orders, and what is around them: from the outside in.
pub fn install(builder: EngineBuilder, attempts: &Attempts, guard: Guard) -> EngineBuilder {
    let headers = [trace::TRACE_ID, guard::TOKEN];
    builder
        .interceptor(Trace)
        .interceptor(attempts.clone())
        .interceptor(guard)
        .interceptor(PropagateHeaders::named(headers))
        .workflow(orders::ORDER, orders::order)
        .activity(orders::CHARGE, orders::charge)
        .blocking_activity(orders::PRINT_LABEL, orders::print_label)
}
