//! The workload that is killed: many concurrent runs of a few kinds, whose results follow from
//! their numbers alone.

mod check;
mod kinds;
mod run;

pub use self::check::{Checked, check, left_behind};
pub use self::run::{Load, run};
