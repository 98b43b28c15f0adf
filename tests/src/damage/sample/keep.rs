//! Keeps stores in a directory, so that a case can be made again byte for byte.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Sample;
use crate::damage::Trouble;
use crate::damage::content::Content;
use crate::damage::image::Image;

/// What is known of a store beside its files.
#[derive(Serialize, Deserialize)]
struct Facts {
    name: String,
    earlier: usize,
    contents: Vec<Content>,
    acknowledged: usize,
    durable: usize,
}

const FACTS: &str = "facts.json";
const IMAGE: &str = "image";

/// Writes a store into a directory.
pub(super) fn keep(sample: &Sample, directory: &Path) -> Result<(), Trouble> {
    sample.image.write(&directory.join(IMAGE))?;
    for (index, image) in sample.earlier.iter().enumerate() {
        image.write(&directory.join(format!("earlier-{index}")))?;
    }
    let facts = Facts {
        name: sample.name.clone(),
        earlier: sample.earlier.len(),
        contents: sample.contents.clone(),
        acknowledged: sample.acknowledged,
        durable: sample.durable,
    };
    // Written last: where it is, everything is.
    Ok(fs::write(directory.join(FACTS), serde_json::to_vec(&facts)?)?)
}

/// Reads a store from a directory, if there is one.
pub(super) fn load(directory: &Path) -> Result<Option<Sample>, Trouble> {
    let path = directory.join(FACTS);
    if !path.exists() {
        return Ok(None);
    }
    let facts: Facts = serde_json::from_slice(&fs::read(path)?)?;
    let earlier = (0..facts.earlier).map(|n| Image::read(&directory.join(format!("earlier-{n}"))));
    Ok(Some(Sample {
        name: facts.name,
        image: Image::read(&directory.join(IMAGE))?,
        earlier: earlier.collect::<Result<_, _>>()?,
        contents: facts.contents,
        acknowledged: facts.acknowledged,
        durable: facts.durable,
    }))
}
