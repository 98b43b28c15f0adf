//! What every store must do, as tests that any implementation can run.
//!
//! ```
//! # use std::sync::Arc;
//! # use entracte_store::{MemoryStore, Store, suite};
//! struct Memory;
//!
//! impl suite::Fixture for Memory {
//!     async fn empty(&mut self) -> Arc<dyn Store> {
//!         Arc::new(MemoryStore::new())
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! suite::run(&mut Memory).await;
//! # });
//! ```
//!
//! Each property is a function of its own, so that a failure says which one does not hold.

mod batches;
mod endings;
mod model;
mod reads;

use std::future::Future;
use std::sync::Arc;

pub use self::batches::{
    batches_are_atomic, dropped_commits_are_carried_out, impossible_batches_are_refused,
    later_operations_win, unusual_rows_are_kept,
};
pub use self::endings::{
    closed_stores_refuse_everything, committed_rows_outlive_the_store,
    failed_commits_poison_the_store,
};
pub use self::model::stores_behave_like_maps;
pub use self::reads::{commits_are_visible_once_answered, scans_are_ordered_and_bounded};
use crate::batch::Batch;
use crate::store::{Persist, Space, Store};

/// Makes the stores that the suite examines.
pub trait Fixture {
    /// Makes an empty store, apart from what the implementation itself keeps in
    /// [`Space::Meta`].
    fn empty(&mut self) -> impl Future<Output = Arc<dyn Store>>;

    /// Opens again what the last store left when it was closed; none if nothing outlives it.
    fn reopen(&mut self) -> impl Future<Output = Option<Arc<dyn Store>>> {
        std::future::ready(None)
    }

    /// Makes the next commit of the last store fail; false if that cannot be done.
    fn fail_next_commit(&mut self) -> bool {
        false
    }
}

/// Examines everything.
///
/// # Panics
/// If the store does not do what it must.
pub async fn run(fixture: &mut impl Fixture) {
    commits_are_visible_once_answered(&*fixture.empty().await).await;
    scans_are_ordered_and_bounded(&*fixture.empty().await).await;
    later_operations_win(&*fixture.empty().await).await;
    unusual_rows_are_kept(&*fixture.empty().await).await;
    impossible_batches_are_refused(&*fixture.empty().await).await;
    batches_are_atomic(&*fixture.empty().await).await;
    dropped_commits_are_carried_out(&*fixture.empty().await).await;
    stores_behave_like_maps(&*fixture.empty().await).await;
    closed_stores_refuse_everything(&*fixture.empty().await).await;
    committed_rows_outlive_the_store(fixture).await;
    failed_commits_poison_the_store(fixture).await;
}

/// Commits a batch that must succeed.
async fn commit(store: &dyn Store, batch: Batch, persist: Persist) {
    let result = store.commit(batch, persist).await;
    assert!(result.is_ok(), "a commit failed: {result:?}");
}

/// A batch of puts into the state.
fn puts(rows: &[(&str, &str)]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in rows {
        batch.put(Space::State, key, value);
    }
    batch
}

/// Reads a row of the state as text.
fn get(store: &dyn Store, key: &str) -> Option<String> {
    let value = read(store.get(Space::State, key.as_bytes()))?;
    Some(String::from_utf8_lossy(&value).into_owned())
}

/// Takes the answer of a read that must succeed.
#[track_caller]
fn read<T>(result: Result<T, crate::StoreError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("a read failed: {error}"),
    }
}
