//! Tokens.

use std::collections::BTreeSet;

use entracte::{
    ActivityContext, ActivityResult, BoxFuture, Failure, Headers, Interceptor, NextActivity,
    Payload,
};

/// The header that carries the token.
///
/// Headers are journaled. A token that may not stand on the disk needs a payload codec that
/// encrypts, or is exchanged for a name before the workflow is started.
pub const TOKEN: &str = "token";

/// Runs no attempt for whoever has none of its tokens.
#[derive(Debug, Clone)]
pub struct Guard {
    tokens: BTreeSet<String>,
}

impl Guard {
    /// Knows these tokens.
    #[must_use]
    pub fn new<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Self {
        Self { tokens: tokens.into_iter().map(Into::into).collect() }
    }

    fn check(&self, headers: &Headers) -> Result<(), Failure> {
        match headers.get::<String>(TOKEN) {
            Some(Ok(token)) if self.tokens.contains(&token) => Ok(()),
            Some(_) => Err(Failure::non_retryable("Unauthorised", "the token is not known")),
            None => Err(Failure::non_retryable("Unauthorised", "there is no token")),
        }
    }
}

impl Interceptor for Guard {
    fn execute_activity<'a>(
        &'a self,
        ctx: ActivityContext,
        input: Vec<Payload>,
        next: NextActivity<'a>,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        Box::pin(async move {
            self.check(ctx.headers())?;
            next.run(ctx, input).await
        })
    }
}
