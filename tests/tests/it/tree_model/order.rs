//! The orders in which the reference lets messages come.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// In which order messages come.
pub(super) struct Order {
    random: ChaCha8Rng,
    kind: OrderKind,
}

#[derive(Clone, Copy)]
enum OrderKind {
    First,
    Last,
    Random,
    /// Messages to some runs, or from some, wait as long as there are others.
    Delayed {
        salt: u64,
    },
}

impl Order {
    pub(super) fn new(order: u64) -> Self {
        let kind = match order {
            0 => OrderKind::First,
            1 => OrderKind::Last,
            _ if order.is_multiple_of(3) => OrderKind::Random,
            _ => OrderKind::Delayed { salt: order },
        };
        Self { random: ChaCha8Rng::seed_from_u64(order), kind }
    }

    /// Decides something that no rule decides.
    pub(super) fn tosses(&mut self) -> bool {
        self.random.random()
    }

    pub(super) fn choose(
        &mut self,
        choices: &[usize],
        ends_of: impl Fn(usize) -> (Option<usize>, usize),
    ) -> usize {
        let random = choices[self.random.random_range(0..choices.len())];
        match self.kind {
            OrderKind::First => choices[0],
            OrderKind::Last => choices[choices.len() - 1],
            OrderKind::Random => random,
            OrderKind::Delayed { salt } => {
                let priority = |it: &usize| {
                    let (from, to) = ends_of(*it);
                    let of = |run: usize| scramble(run as u64 ^ (salt << 20));
                    match salt % 3 {
                        0 => of(to),
                        1 => of(from.map_or(u64::MAX, |from| from as u64) as usize),
                        _ => of(to).min(of(from.unwrap_or(to))),
                    }
                };
                choices.iter().copied().min_by_key(priority).unwrap_or(random)
            }
        }
    }
}

fn scramble(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}
