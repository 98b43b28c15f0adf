//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Shows the live tree of an engine while a season of plays is performed: a workflow whose
/// children are plays, whose children are acts, each with a rehearsal that may fail and a
/// performance that takes its time.
///
/// Select with the arrow keys. `c` cancels the run that is selected, or that of the selected
/// attempt or timer; `x` kills the selected actor, whatever it is; `r` restarts the engine in
/// order; `k` kills the whole engine as a crash would, and opens it again; `q` quits. Started
/// again with the same data directory, a season that was cut off goes on.
///
/// Without a terminal, or with --plain, the tree is printed now and then until the season is over.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Where the engine's store lives.
    #[arg(long, value_name = "DIR", default_value = "data/tree")]
    pub(crate) data: PathBuf,
    /// How many plays the season has.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) plays: u32,
    /// How many acts a play has.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) acts: u32,
    /// How long a performance takes; rehearsals and the intervals between acts follow it.
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = humantime::parse_duration)]
    pub(crate) pace: Duration,
    /// Prints the tree instead of showing it, as often as this.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) plain: Option<Duration>,
    /// Panics at the key `!`, to show that the terminal is restored.
    #[arg(long, hide = true)]
    pub(crate) panics: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn times_are_written_for_people_and_a_bare_command_line_has_defaults() {
        let args = parse("tree").unwrap();
        assert_eq!((args.plays, args.acts, args.plain), (3, 3, None));
        assert_eq!(args.pace, Duration::from_secs(4));
        let plain = parse("tree --plain --plays 2").unwrap();
        assert_eq!((plain.plain, plain.plays), (Some(Duration::from_secs(1)), 2));
        let often = parse("tree --plain 50ms --pace 1m").unwrap();
        assert_eq!(often.plain, Some(Duration::from_millis(50)));
        assert!(parse("tree --pace soon").is_err());
    }
}
