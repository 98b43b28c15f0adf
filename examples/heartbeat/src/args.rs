//! The command line.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;

/// Copies a large file. Killed in the middle and started again with the same arguments, it goes
/// on from its last heartbeat; Ctrl-C stops it in order.
///
/// The copy is written to TARGET.part and synced piece by piece. Each heartbeat says how much of
/// it is safely on the disk, and never more. When everything is there, the checksums of both
/// files are compared, and the copy gets its name.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The file to copy [default: one that the program makes itself in the data directory].
    #[arg(value_name = "SOURCE")]
    pub(crate) source: Option<PathBuf>,
    /// The copy [default: a file of the same name in the data directory].
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<PathBuf>,
    /// Where the engine's store lives, and the files that are not named.
    #[arg(long, value_name = "DIR", default_value = "data/heartbeat")]
    pub(crate) data: PathBuf,
    /// How large the file is that the program makes if none is named.
    #[arg(long, value_name = "BYTES", default_value = "64MiB", conflicts_with = "source")]
    pub(crate) size: ByteSize,
    /// How many bytes are copied in a second at most, so that there is time to kill it; 0 is
    /// without limit.
    #[arg(long, value_name = "BYTES", default_value = "8MiB")]
    pub(crate) speed: ByteSize,
    /// How many bytes are copied between two syncs.
    #[arg(long, value_name = "BYTES", default_value = "512KiB", value_parser = chunk)]
    pub(crate) chunk: NonZeroU64,
    /// How long the copy may be silent before it is taken for dead. What heartbeats say is
    /// stored at most once in 0.8 of this time.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = positive)]
    pub(crate) heartbeat_timeout: Duration,
    /// Lets the copy take the place of a target that exists.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Gives up the copy to this target that was begun, and removes what there is of it.
    #[arg(long)]
    pub(crate) cancel: bool,
    /// Makes the disk seem full after so many bytes, for two attempts.
    #[arg(long, value_name = "BYTES")]
    pub(crate) full_at: Option<ByteSize>,
}

fn chunk(text: &str) -> Result<NonZeroU64, String> {
    let size: ByteSize = text.parse()?;
    let fits = size.as_u64() <= CHUNK_BYTES_MAX;
    NonZeroU64::new(size.as_u64())
        .filter(|_| fits)
        .ok_or_else(|| format!("expected 1 byte to {}", ByteSize(CHUNK_BYTES_MAX)))
}

/// The largest piece that is held in memory.
const CHUNK_BYTES_MAX: u64 = 256 << 20;

fn positive(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err("expected more than no time".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn a_bare_command_line_has_defaults() {
        let args = parse("heartbeat").unwrap();
        assert_eq!((args.source, args.target), (None, None));
        assert_eq!((args.size, args.speed), (ByteSize::mib(64), ByteSize::mib(8)));
        assert_eq!(args.heartbeat_timeout, Duration::from_secs(2));
        assert!(!args.replace && !args.cancel);
    }

    #[test]
    fn sizes_and_times_are_written_for_people() {
        let line = "heartbeat a b --speed 0 --chunk 1KiB --heartbeat-timeout 1m30s --full-at 3MB";
        let args = parse(line).unwrap();
        assert_eq!(args.speed.as_u64(), 0);
        assert_eq!(args.chunk.get(), 1_024);
        assert_eq!(args.heartbeat_timeout, Duration::from_secs(90));
        assert_eq!(args.full_at, Some(ByteSize::mb(3)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in
            ["--chunk 0", "--chunk 1GiB", "--heartbeat-timeout 0s", "--size much", "a --size 1MiB"]
        {
            assert!(parse(&format!("heartbeat {line}")).is_err(), "{line}");
        }
    }
}
