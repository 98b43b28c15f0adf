//! A store with a damage.

use std::sync::Arc;

use super::image::Image;
use super::sample::Sample;

/// A store with a damage.
#[derive(Debug, Clone)]
pub struct Case {
    /// The store before.
    pub sample: Arc<Sample>,
    /// Its files afterwards.
    pub image: Image,
    /// What kind of damage it is.
    pub damage: String,
    /// What kind of file is damaged.
    pub file: String,
    /// What exactly was done to which file.
    pub label: String,
    /// Whether the damage is confined to what nobody was promised, so that the store must open.
    pub must_open: bool,
}
