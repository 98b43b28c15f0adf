//! A store on a simulated machine.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::SimulatedDisk;
use super::machine::{Condition, Machine};
use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::{Persist, Row, Space, Store, StoreFuture};

/// A store on a simulated machine, opened by [`SimulatedDisk::reopen`].
///
/// Once its machine has died, its calls are never answered; reads say that it is closed.
#[derive(Debug)]
pub struct SimulatedStore {
    disk: SimulatedDisk,
    generation: u64,
}

impl SimulatedStore {
    pub(super) fn new(disk: SimulatedDisk, generation: u64) -> Self {
        Self { disk, generation }
    }

    /// Puts work in line, at once: a task of its own carries it out when its turn has come.
    fn enqueue<W>(&self, work: W) -> StoreFuture<'static>
    where
        W: FnOnce(&mut Machine) -> Option<Result<(), StoreError>> + Send + 'static,
    {
        if self.disk.lock().is_dead(self.generation) {
            return Box::pin(std::future::pending());
        }
        let ticket = self.disk.change(Machine::take_ticket);
        let (sender, answer) = oneshot::channel();
        let (disk, generation) = (self.disk.clone(), self.generation);
        tokio::spawn(async move {
            if let Some(result) = serve(&disk, generation, ticket, work).await {
                // Nobody listens any more if the future was dropped.
                let _ = sender.send(result);
            }
        });
        Box::pin(async move {
            match answer.await {
                Ok(result) => result,
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Machine) -> T) -> Result<T, StoreError> {
        let machine = self.disk.lock();
        if machine.is_dead(self.generation) || machine.condition == Condition::Closed {
            return Err(StoreError::Closed);
        }
        Ok(read(&machine))
    }
}

/// Waits for a turn, then for the disk, and carries the work out; none if the machine died.
async fn serve<W>(
    disk: &SimulatedDisk,
    generation: u64,
    ticket: u64,
    work: W,
) -> Option<Result<(), StoreError>>
where
    W: FnOnce(&mut Machine) -> Option<Result<(), StoreError>>,
{
    let is_dead = |machine: &Machine| machine.is_dead(generation);
    disk.until(|machine| is_dead(machine) || machine.serving == ticket).await;
    let delay = {
        let mut machine = disk.lock();
        if is_dead(&machine) {
            return None;
        }
        machine.delay()
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    disk.until(|machine| is_dead(machine) || !machine.held).await;
    disk.change(|machine| {
        if is_dead(machine) {
            return None;
        }
        machine.serving += 1;
        work(machine)
    })
}

impl Store for SimulatedStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.read(|machine| machine.visible.get(space, key))
    }

    fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.read(|machine| machine.visible.scan(space, start, end, limit))
    }

    fn commit(&self, batch: Batch, persist: Persist) -> StoreFuture<'_> {
        self.enqueue(move |machine| machine.commit(batch, persist))
    }

    fn sync(&self) -> StoreFuture<'_> {
        self.enqueue(|machine| Some(machine.sync()))
    }

    fn close(&self) -> StoreFuture<'_> {
        self.enqueue(|machine| Some(machine.close()))
    }
}
