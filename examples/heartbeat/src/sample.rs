//! The file that the program makes itself if none is named.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

/// Makes a file of so many bytes that look random and are always the same. One that is there
/// already and has the size is left alone. Tells whether it made one.
pub(crate) fn make(path: &Path, bytes: u64) -> io::Result<bool> {
    if path.metadata().is_ok_and(|found| found.is_file() && found.len() == bytes) {
        return Ok(false);
    }
    let unfinished = path.with_extension("making");
    let mut file = File::create(&unfinished)?;
    let mut random = SmallRng::seed_from_u64(bytes);
    let mut buffer = vec![0; 256 * 1024];
    let mut left = bytes;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        random.fill_bytes(&mut buffer[..piece]);
        file.write_all(&buffer[..piece])?;
        left -= u64::try_from(piece).unwrap_or(left);
    }
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_right_size_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sample");
        assert!(make(&path, 300_000).unwrap());
        assert!(!make(&path, 300_000).unwrap());
        let first = fs::read(&path).unwrap();
        assert!(make(&path, 10).unwrap());
        assert_eq!(path.metadata().unwrap().len(), 10);
        assert!(make(&path, 300_000).unwrap());
        assert_eq!(fs::read(&path).unwrap(), first);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
