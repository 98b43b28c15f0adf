//! What is in a directory: directories, and files with their bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Content, PAGE_BYTES};

/// What is in a directory. All paths lead from there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// The directories, without the one itself.
    pub directories: BTreeSet<PathBuf>,
    /// The files.
    pub files: BTreeMap<PathBuf, Content>,
}

impl Image {
    /// Writes everything into a new directory. Zeros become holes.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn write_to(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        for path in &self.directories {
            fs::create_dir(directory.join(path))?;
        }
        for (path, content) in &self.files {
            let file = File::create(directory.join(path))?;
            for (number, page) in &content.pages {
                let offset = number * PAGE_BYTES as u64;
                let rest = content.length.saturating_sub(offset).min(PAGE_BYTES as u64);
                file.write_all_at(&page[..rest as usize], offset)?;
            }
            file.set_len(content.length)?;
        }
        Ok(())
    }

    /// Reads everything that is in a directory.
    ///
    /// # Errors
    /// Those of the operating system; and if there is anything but files and directories.
    pub fn read_from(directory: &Path) -> io::Result<Self> {
        let mut image = Self::default();
        let mut waiting = vec![PathBuf::new()];
        while let Some(parent) = waiting.pop() {
            for entry in fs::read_dir(directory.join(&parent))? {
                let entry = entry?;
                let path = parent.join(entry.file_name());
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    waiting.push(path.clone());
                    image.directories.insert(path);
                } else if kind.is_file() {
                    image.files.insert(path, read_file(&entry.path())?);
                } else {
                    let problem = format!("{} is no file", entry.path().display());
                    return Err(io::Error::other(problem));
                }
            }
        }
        Ok(image)
    }

    /// Tells in words where two images differ first.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let directory = self.directories.symmetric_difference(&other.directories).next();
        if let Some(path) = directory {
            return Some(format!("the directory {} is in one of them only", path.display()));
        }
        let paths: BTreeSet<&PathBuf> = self.files.keys().chain(other.files.keys()).collect();
        paths.into_iter().find_map(|path| {
            let (one, two) = match (self.files.get(path), other.files.get(path)) {
                (Some(one), Some(two)) if one == two => return None,
                (Some(one), Some(two)) => (one, two),
                _ => return Some(format!("the file {} is in one of them only", path.display())),
            };
            let (first, second) = (one.to_bytes(), two.to_bytes());
            let same = first.iter().zip(&second).take_while(|(one, two)| one == two).count();
            let lengths = (one.length, two.length);
            Some(format!("the file {} differs at {same}, lengths {lengths:?}", path.display()))
        })
    }
}

fn read_file(path: &Path) -> io::Result<Content> {
    let mut file = File::open(path)?;
    let mut content = Content { length: file.metadata()?.len(), pages: BTreeMap::new() };
    // Journals are mostly holes: large pieces that are all zeros are passed over at once.
    let mut piece = vec![0; 256 * PAGE_BYTES];
    let zeros = piece.clone();
    let mut number = 0;
    loop {
        let bytes = fill(&mut file, &mut piece)?;
        if bytes == 0 {
            return Ok(content);
        }
        if piece[..bytes] != zeros[..bytes] {
            for (index, part) in piece[..bytes].chunks(PAGE_BYTES).enumerate() {
                if part != &zeros[..part.len()] {
                    let mut page = [0; PAGE_BYTES];
                    page[..part.len()].copy_from_slice(part);
                    content.pages.insert(number + index as u64, Arc::new(page));
                }
            }
        }
        number += 256;
    }
}

/// Reads until the buffer is full or the file is at its end.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            bytes => filled += bytes,
        }
    }
    Ok(filled)
}
