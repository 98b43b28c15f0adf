//! The macros.

/// Waits for the first of several futures, drops the others, then runs the branch's body.
///
/// Branches are `pattern = future => body`, with a comma after a body that is not a block.
/// Futures are anything that can be awaited, [`ActivityCall`](crate::ActivityCall)s included;
/// all are started in the order in which they are written, and of several that are ready the
/// first one written wins, on replay as well as live. The patterns must match every value.
/// Bodies are ordinary code of the surrounding function: `?`, `return`, `break` and `.await`
/// work in them. Dropping a started operation requests its cancellation.
///
/// ```
/// # use std::time::Duration;
/// # use entracte_workflow::{Activity, WorkflowContext, WorkflowResult, select};
/// # const QUOTE: Activity<String, u64> =
/// #     Activity::new("quote").start_to_close_timeout(Duration::from_secs(5));
/// async fn quote(ctx: WorkflowContext, item: String) -> WorkflowResult<Option<u64>> {
///     select! {
///         cents = ctx.activity(QUOTE, item) => Ok(Some(cents?)),
///         () = ctx.sleep(Duration::from_secs(60)) => Ok(None),
///     }
/// }
/// ```
#[macro_export]
macro_rules! select {
    ($($branches:tt)+) => { $crate::__select!(@parse [] $($branches)+) };
}

/// The steps of `select!`: parse the branches one by one, then write the code.
///
/// Each parsed branch brings its own `future` identifier, which macro hygiene keeps apart
/// from those of the other branches.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    (@parse [$($done:tt)*] $pattern:pat = $future:expr => $body:block, $($rest:tt)*) => {
        $crate::__select!(@parse [$($done)* { future, $pattern, $future, $body }] $($rest)*)
    };
    (@parse [$($done:tt)*] $pattern:pat = $future:expr => $body:block $($rest:tt)*) => {
        $crate::__select!(@parse [$($done)* { future, $pattern, $future, $body }] $($rest)*)
    };
    (@parse [$($done:tt)*] $pattern:pat = $future:expr => $body:expr) => {
        $crate::__select!(@parse [$($done)* { future, $pattern, $future, $body }])
    };
    (@parse [$($done:tt)*] $pattern:pat = $future:expr => $body:expr, $($rest:tt)*) => {
        $crate::__select!(@parse [$($done)* { future, $pattern, $future, $body }] $($rest)*)
    };
    (@parse [$({ $name:ident, $pattern:pat, $future:expr, $body:expr })+]) => {{
        let output = {
            $(
                let $name = $crate::__private::pin!(
                    $crate::__private::IntoFuture::into_future($future)
                );
            )+
            let mut futures = $crate::__select!(@list $($name)+);
            let output = $crate::__private::poll_fn(|cx| {
                $crate::__private::SelectList::poll_select(&mut futures, cx)
            })
            .await;
            output
        };
        $crate::__select!(@match output, $({ $pattern, $body })+)
    }};
    (@list $name:ident $($rest:ident)*) => { ($name, $crate::__select!(@list $($rest)*)) };
    (@list) => { () };
    (@match $output:ident, { $pattern:pat, $body:expr } $($rest:tt)*) => {
        match $output {
            $crate::__private::Either::Left($pattern) => $body,
            $crate::__private::Either::Right(output) => {
                $crate::__select!(@match output, $($rest)*)
            }
        }
    };
    (@match $output:ident,) => { match $output {} };
}

/// Waits for all of several futures and gives their outputs as a tuple.
///
/// Futures are anything that can be awaited; all are started and polled in the order in which
/// they are written.
///
/// ```
/// # use std::time::Duration;
/// # use entracte_workflow::{Activity, WorkflowContext, WorkflowResult, join};
/// # const QUOTE: Activity<String, u64> =
/// #     Activity::new("quote").start_to_close_timeout(Duration::from_secs(5));
/// async fn cheapest(ctx: WorkflowContext, item: String) -> WorkflowResult<u64> {
///     let (first, second) = join!(ctx.activity(QUOTE, item.clone()), ctx.activity(QUOTE, item));
///     Ok(first?.min(second?))
/// }
/// ```
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => { $crate::__join!([] $($future,)+) };
}

/// The steps of `join!`: give each future an identifier of its own, then write the code.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    ([$($done:tt)*] $future:expr, $($rest:tt)*) => {
        $crate::__join!([$($done)* { future, $future }] $($rest)*)
    };
    ([$({ $name:ident, $future:expr })+]) => {{
        $(
            let mut $name = $crate::__private::pin!($crate::__private::maybe_done(
                $crate::__private::IntoFuture::into_future($future)
            ));
        )+
        $crate::__private::poll_fn(|cx| {
            let mut done = true;
            $( done &= $crate::__private::poll_joined($name.as_mut(), cx); )+
            if done { ::core::task::Poll::Ready(()) } else { ::core::task::Poll::Pending }
        })
        .await;
        ($( $crate::__private::take_output($name.as_mut()), )+)
    }};
}
