//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::bank::Trouble;

/// Carries an order out: waits for its approval until a deadline, charges the card through a
/// payment service, ships, and pays back if that fails. Killed anywhere and started again with
/// the same directory and order, it goes on where it stopped, and the card is charged once.
///
/// The payment service is a real HTTP server in the same process, with a ledger on the disk.
/// Choose what goes wrong.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Where the engine's store and the payment service's ledger live.
    #[arg(long, value_name = "DIR", default_value = "data/order")]
    pub(crate) data: PathBuf,
    /// The id of the order.
    #[arg(long, default_value = "order-1")]
    pub(crate) id: String,
    /// What it costs, in cents.
    #[arg(long, default_value_t = 4_200)]
    pub(crate) cents: u64,
    /// How long the order waits for its approval.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Duration,
    /// When the approver answers.
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = humantime::parse_duration)]
    pub(crate) approve_after: Duration,
    /// Nobody answers: the deadline passes.
    #[arg(long)]
    pub(crate) no_approval: bool,
    /// The approver says no.
    #[arg(long, conflicts_with = "no_approval")]
    pub(crate) reject: bool,
    /// The card is declined.
    #[arg(long)]
    decline: bool,
    /// The first N charges are made and not answered, so that they time out.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1", default_value_t = 0)]
    timeout: u32,
    /// The first N requests find the payment service busy.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "2", default_value_t = 0)]
    busy: u32,
    /// Every request reaches the payment service twice.
    #[arg(long)]
    pub(crate) twice: bool,
    /// The process aborts when the card has been charged and before anybody is told.
    #[arg(long)]
    crash_after_charge: bool,
    /// Nobody ships the order.
    #[arg(long)]
    pub(crate) ship_fails: bool,
}

impl Args {
    /// What goes wrong at the payment service.
    pub(crate) fn trouble(&self) -> Trouble {
        Trouble {
            decline: self.decline,
            silent: self.timeout.into(),
            busy: self.busy.into(),
            crash_after_charge: self.crash_after_charge,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn a_bare_command_line_orders_something_and_nothing_goes_wrong() {
        let args = parse("order").unwrap();
        assert_eq!((args.id.as_str(), args.cents), ("order-1", 4_200));
        assert_eq!(args.deadline, Duration::from_secs(5));
        let trouble = args.trouble();
        assert!(!trouble.decline && !trouble.crash_after_charge);
        assert_eq!(trouble.silent.load(Ordering::SeqCst), 0);
        assert_eq!(trouble.busy.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn troubles_have_numbers_if_they_are_wanted() {
        let trouble = parse("order --timeout --busy").unwrap().trouble();
        assert_eq!(trouble.silent.load(Ordering::SeqCst), 1);
        assert_eq!(trouble.busy.load(Ordering::SeqCst), 2);
        let trouble = parse("order --timeout 9 --busy 0 --decline").unwrap().trouble();
        assert_eq!(trouble.silent.load(Ordering::SeqCst), 9);
        assert_eq!(trouble.busy.load(Ordering::SeqCst), 0);
        assert!(trouble.decline);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in ["--reject --no-approval", "--cents -1", "--deadline soon", "--timeout x"] {
            assert!(parse(&format!("order {line}")).is_err(), "{line}");
        }
    }
}
