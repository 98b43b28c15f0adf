//! Into a sound store each kind of problem is planted by hand: exactly that one is reported.

mod fixture;
mod fuzz;
mod indexes;
mod reading;
mod reports;
mod runs;

use entracte_store::{Batch, MemoryStore, Persist, Store};

pub(crate) use self::fixture::{
    ACTIVITY_ENDED, BACKING_OFF, CLOSED, CLOSED_BEFORE, IDLE, NOT_STARTED, WAITING, events,
    put_published, run_row, sound, started, time,
};
use super::{VerifyReport, verify};

/// A sound store with something planted in it.
pub(crate) async fn planted(plant: impl FnOnce(&mut Batch)) -> MemoryStore {
    let store = sound().await;
    let mut batch = Batch::new();
    plant(&mut batch);
    store.commit(batch, Persist::Sync).await.unwrap();
    store
}

/// What is wrong with a sound store in which something is planted.
async fn look(plant: impl FnOnce(&mut Batch)) -> VerifyReport {
    verify(&planted(plant).await).unwrap()
}

/// The texts of what is wrong with a sound store in which something is planted.
async fn problems(plant: impl FnOnce(&mut Batch)) -> Vec<String> {
    look(plant).await.problems.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_sound_store_has_no_problems() {
    let report = look(|_| {}).await;
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.counts.runs_total(), 7);
    assert_eq!(report.counts.runs_awaiting_clients, 1);
}
