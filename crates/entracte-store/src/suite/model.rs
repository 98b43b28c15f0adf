//! Stores beside a model that cannot be wrong.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{commit, read};
use crate::batch::Batch;
use crate::store::{Persist, Space, Store};
use crate::tables::Tables;

const BATCHES: usize = 150;
/// Few enough that keys meet again.
const KEYS: u32 = 24;

/// Many batches of random operations leave what they leave in three ordered maps.
///
/// # Panics
/// If the property does not hold.
pub async fn stores_behave_like_maps(store: &dyn Store) {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut model = Tables::default();
    // What the implementation keeps for itself is not looked at.
    let start: &[u8] = b"\xe0";
    for _ in 0..BATCHES {
        let batch = random_batch(&mut random);
        model.apply(&batch);
        let persist =
            if random.next_u32().is_multiple_of(8) { Persist::Sync } else { Persist::Buffer };
        commit(store, batch, persist).await;
        let space = Space::ALL[random.next_u32() as usize % 3];
        assert_eq!(read(store.scan(space, start, None, 99)), model.scan(space, start, None, 99));
        let (start, end) = (random_key(&mut random), random_key(&mut random));
        let limit = random.next_u32() as usize % 6;
        assert_eq!(
            read(store.scan(space, &start, Some(&end), limit)),
            model.scan(space, &start, Some(&end), limit)
        );
        assert_eq!(read(store.get(space, &start)), model.get(space, &start));
    }
}

fn random_batch(random: &mut ChaCha8Rng) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..random.next_u32() % 12 {
        let space = Space::ALL[random.next_u32() as usize % 3];
        let key = random_key(random);
        if random.next_u32().is_multiple_of(3) {
            batch.delete(space, key);
        } else {
            let mut value = vec![0; random.next_u32() as usize % 40];
            random.fill_bytes(&mut value);
            batch.put(space, key, value);
        }
    }
    batch
}

/// A key of one to three bytes, so that some are prefixes of others.
fn random_key(random: &mut ChaCha8Rng) -> Vec<u8> {
    let number = (random.next_u32() % KEYS).to_be_bytes()[3];
    let key = [0xe0 | (number & 3), number >> 2, 0];
    key[..=(number as usize % 3)].to_vec()
}
