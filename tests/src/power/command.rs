//! The long runs: subcommands of `soak`.

mod first_opening;
mod power_cut;

pub use self::first_opening::FirstOpeningArguments;
pub use self::power_cut::PowerCutArguments;
