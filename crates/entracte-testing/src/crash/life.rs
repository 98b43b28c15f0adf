//! The life of one engine.

use std::io;
use std::sync::Arc;

use entracte_store::{SimulatedDisk, SimulatedStore};
use tokio::runtime;

/// Opens a store on a disk and does some work with it, most likely with an engine, until the
/// work is done or the machine dies; gives nothing if the machine dies first.
///
/// The work has a runtime of its own, of one thread and with paused time. Everything that it
/// has spawned ends with the runtime, as it does with a process: nothing outlives the crash but
/// the disk. So this cannot be called from within a runtime.
///
/// # Errors
/// If the runtime cannot be made.
pub fn one_life<T>(
    disk: &SimulatedDisk,
    work: impl AsyncFnOnce(Arc<SimulatedStore>) -> T,
) -> io::Result<Option<T>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    Ok(runtime.block_on(async {
        let store = disk.reopen();
        tokio::select! {
            biased;
            () = disk.crashed() => None,
            done = work(store) => Some(done),
        }
    }))
}
