//! The storage of the Entracte journal.
//!
//! A [`Store`] is three ordered maps with atomic batches: small enough to be implemented on
//! anything in an afternoon, with [`suite`] to prove that it was done right. This crate has
//! three of them: [`FjallStore`] on disk, [`MemoryStore`] for tests, and [`SimulatedStore`],
//! which crashes and fails on request. [`CodedStore`] puts a codec around any of them, and
//! [`HookedStore`] whatever a test wants to happen at their calls. What is kept in the maps, and
//! under which keys, is told by [`keys`] and [`rows`]; [`StoreExt`] and the typed methods of
//! [`Batch`] speak in them.

mod batch;
mod coded;
mod error;
mod ext;
pub mod fjall;
mod hooked;
pub mod keys;
mod memory;
pub mod rows;
pub mod simulated;
mod store;
pub mod suite;
mod tables;

pub use self::batch::{Batch, Op};
pub use self::coded::CodedStore;
pub use self::error::StoreError;
pub use self::ext::{RecoveryIndex, StoreExt};
pub use self::fjall::{FjallOptions, FjallStore};
pub use self::hooked::{HookedStore, StoreHook};
pub use self::keys::InvalidKey;
pub use self::memory::MemoryStore;
pub use self::rows::InvalidRow;
pub use self::simulated::{CrashPoint, SimulatedDisk, SimulatedOptions, SimulatedStore};
pub use self::store::{KEY_BYTES_MAX, Persist, Row, Space, Store, StoreFuture};
