//! A back-off of nothing is none that was set.

use std::time::Duration;

use entracte::model::RetryPolicy;

/// The server takes an interval of zero for one that is not set.
#[test]
fn ret_1_an_initial_interval_of_zero_is_the_default_or_refused() {
    let policy = RetryPolicy { initial_interval: Duration::ZERO, ..RetryPolicy::default() };
    // Otherwise failed attempts follow each other as fast as the disk allows, without end.
    assert!(policy.validate().is_err() || policy.delay_after(1) == Duration::from_secs(1));
}
