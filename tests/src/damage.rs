//! Damage to the files of a store, and what the store makes of it.
//!
//! A [`Sample`] is a store as it lay on the disk at some moment, together with what it holds. A
//! [`Case`] is one of them with a damage; a [`Prober`] opens it in a process of its own, which
//! may die of it, and [`judge`] says whether the answer is one that a store may give: everything,
//! or a named error, but never silently less.

mod case;
mod commits;
mod content;
mod damaging;
mod image;
mod judge;
mod probe;
mod prober;
mod program;
mod random;
mod runner;
mod sample;
mod sweep;
mod tally;
mod torn;

use std::error::Error;

pub use self::case::Case;
pub use self::content::Content;
pub use self::damaging::{DAMAGES, Damage};
pub use self::image::{FileImage, Image};
pub use self::judge::{Judgement, Verdict, judge};
pub use self::probe::{EXTRA_ROW, Found, Probed, SelfTest, serve};
pub use self::prober::{Prober, Probing};
pub use self::program::{Arguments, Helper, scratch_in_memory, some_of};
pub use self::random::random_damage;
pub use self::runner::{Plan, Setting, check_undamaged, run};
pub use self::sample::{Commits, Ending, Kind, Sample};
pub use self::sweep::{Sweep, flips, lengths, with_less_room};
pub use self::tally::Tally;
pub use self::torn::torn_tails;

/// Why the harness itself could not go on; what a damaged store answers is never one of these.
pub type Trouble = Box<dyn Error + Send + Sync>;
