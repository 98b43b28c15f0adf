//! Damage of any kind anywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::case::Case;
use super::damaging::{DAMAGES, Damage};
use super::image::Image;
use super::sample::Sample;

/// How often a damage is drawn anew that has changed nothing.
const DRAWS_MAX: u32 = 1_000;

/// A damage that follows from a seed and a number: a file of any kind, and any kind of damage.
///
/// None if no damage could be found that changes anything.
#[must_use]
pub fn random_damage(sample: &Arc<Sample>, seed: u64, number: u64) -> Option<Case> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    // The kinds in turn, so that each has its share, however often it has to be drawn anew.
    let damage = DAMAGES[usize::try_from(number).ok()? % DAMAGES.len()];
    for _ in 0..DRAWS_MAX {
        let path = any_file(&sample.image, damage, sample, &mut random)?;
        let Some((image, label)) = apply(damage, &path, sample, &mut random) else { continue };
        if image == sample.image {
            continue;
        }
        let must_open = only_behind_the_journal(&sample.image, &image);
        let kind_from = if damage == Damage::BackAgain { &image } else { &sample.image };
        return Some(Case {
            sample: Arc::clone(sample),
            file: kind_from.kind_of(&path),
            damage: damage.name().to_owned(),
            label: format!("{}: {}: {label}", path.display(), damage.name()),
            image,
            must_open,
        });
    }
    None
}

/// A file of any kind: each kind is as likely as any other.
fn any_file(
    image: &Image,
    damage: Damage,
    sample: &Sample,
    random: &mut ChaCha8Rng,
) -> Option<PathBuf> {
    if damage == Damage::BackAgain {
        let gone = sample.earlier.iter().flat_map(|earlier| earlier.files.keys());
        let gone: Vec<_> = gone.filter(|path| !image.files.contains_key(*path)).collect();
        return gone.choose(random).map(|path| (*path).clone());
    }
    let mut kinds: Vec<String> = image.files.keys().map(|path| image.kind_of(path)).collect();
    kinds.sort();
    kinds.dedup();
    let kind = kinds.choose(random)?;
    let files: Vec<_> = image.files.keys().filter(|path| image.kind_of(path) == *kind).collect();
    files.choose(random).map(|path| (*path).clone())
}

fn apply(
    damage: Damage,
    path: &Path,
    sample: &Sample,
    random: &mut ChaCha8Rng,
) -> Option<(Image, String)> {
    let mut image = sample.image.clone();
    let label = match damage {
        Damage::Delete => {
            image.files.remove(path)?;
            String::new()
        }
        Damage::OtherFile => {
            let kind = |path: &Path| image.kind_of(path).replace("sealed", "active");
            let wanted = kind(path);
            let others = sample.image.files.iter().filter(|(other, _)| kind(other) == wanted);
            let (other, file) = *others.collect::<Vec<_>>().choose(random)?;
            image.files.insert(path.to_path_buf(), file.clone());
            other.display().to_string()
        }
        Damage::OlderCopy | Damage::BackAgain => {
            let which = random.random_range(0..sample.earlier.len().max(1));
            let older = sample.earlier.get(which)?.files.get(path)?.clone();
            image.files.insert(path.to_path_buf(), older);
            image.directories.extend(path.ancestors().skip(1).map(Path::to_path_buf));
            image.directories.remove(Path::new(""));
            format!("as it was at moment {which}")
        }
        _ => {
            let (file, label) = damage.apply(image.files.get(path)?, random)?;
            image.files.insert(path.to_path_buf(), file);
            label
        }
    };
    Some((image, label))
}

/// Whether only what lies behind the last batch of the journal was changed: what is there can
/// only be a batch that nobody was told of.
fn only_behind_the_journal(before: &Image, after: &Image) -> bool {
    let Some(path) = before.active_journal() else { return false };
    let (Some(old), Some(new)) = (before.files.get(path), after.files.get(path)) else {
        return false;
    };
    let mut same = before.clone();
    same.files.insert(path.to_path_buf(), new.clone());
    same == *after && new.data.starts_with(&old.data)
}
