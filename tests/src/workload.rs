//! The workload that is killed: many concurrent runs of a few kinds, whose results follow from
//! their numbers alone.

mod check;
mod kinds;
mod run;

pub(crate) use self::check::check_one;
pub use self::check::{Checked, check, left_behind};
pub(crate) use self::kinds::{MIXED, register, request_id, workflow_id};
pub use self::run::{Load, run};
