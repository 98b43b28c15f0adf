//! temporary
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What an answer of the engine survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Every answer waits until its events are synced to the disk: it survives a power cut.
    #[default]
    Sync,
    /// Synced once in this interval.
    Interval(Duration),
    /// As the operating system decides.
    OsBuffered,
}
impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sync => f.write_str("sync"),
            Self::Interval(interval) => {
                write!(f, "interval={}", humantime::format_duration(*interval))
            }
            Self::OsBuffered => f.write_str("os-buffered"),
        }
    }
}
/// Bad text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no durability: use `sync`, `interval=50ms` or `os-buffered`")]
pub struct ParseDurabilityError {
    /// The text.
    pub text: String,
}
impl FromStr for Durability {
    type Err = ParseDurabilityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseDurabilityError { text: text.to_owned() };
        match text {
            "sync" => Ok(Self::Sync),
            "os-buffered" => Ok(Self::OsBuffered),
            _ => {
                let interval = text.strip_prefix("interval=").ok_or_else(error)?;
                Ok(Self::Interval(humantime::parse_duration(interval).map_err(|_| error())?))
            }
        }
    }
}
