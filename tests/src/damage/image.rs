//! The files of a store, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much is compared at a time, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;
static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

/// The file that keeps a directory to one process.
const LOCK_FILE: &str = "LOCK";

/// A file, without the zeros at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileImage {
    /// What it holds, up to the last byte that is not zero.
    pub data: Arc<Vec<u8>>,
    /// How long it is.
    pub len: u64,
}

impl FileImage {
    /// Makes a file of bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self::with_len(bytes, len)
    }

    /// Makes a file of bytes that is longer than they are; the rest is zeros.
    #[must_use]
    pub fn with_len(mut data: Vec<u8>, len: u64) -> Self {
        data.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        let used = data.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        data.truncate(used);
        Self { data: Arc::new(data), len }
    }

    /// The part that is not zeros up to the end.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.data.len() as u64
    }
}

/// A directory with everything in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// The files, by their paths below the directory.
    pub files: BTreeMap<PathBuf, FileImage>,
    /// The directories below the directory.
    pub directories: BTreeSet<PathBuf>,
}

impl Image {
    /// Reads a directory. What vanishes meanwhile is not part of the image.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut image = Self::default();
        walk(directory, Path::new(""), &mut |path, metadata| {
            if metadata.is_dir() {
                image.directories.insert(path.to_path_buf());
                return Ok(());
            }
            match fs::read(directory.join(path)) {
                Ok(bytes) => drop(image.files.insert(path.to_path_buf(), FileImage::new(bytes))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        Ok(image)
    }

    /// Writes everything into a directory, which is made. Zeros at the ends of files are holes.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        for path in &self.directories {
            fs::create_dir_all(directory.join(path))?;
        }
        for (path, file) in &self.files {
            let mut written = File::create(directory.join(path))?;
            written.write_all(&file.data)?;
            if file.len > file.used() {
                written.set_len(file.len)?;
            }
        }
        Ok(())
    }

    /// Tells how a directory differs from what was written into it.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn difference(&self, directory: &Path) -> io::Result<Option<String>> {
        let mut left: BTreeSet<&Path> = self.files.keys().map(PathBuf::as_path).collect();
        left.extend(self.directories.iter().map(PathBuf::as_path));
        let mut difference = None;
        walk(directory, Path::new(""), &mut |path, metadata| {
            let found = if !left.remove(path) {
                // The lock is taken before anything is looked at.
                (path != Path::new(LOCK_FILE)).then_some("is new")
            } else if let Some(file) = self.files.get(path) {
                differs(&directory.join(path), metadata, file)?.then_some("was changed")
            } else {
                None
            };
            if let Some(found) = found {
                difference.get_or_insert_with(|| format!("{} {found}", path.display()));
            }
            Ok(())
        })?;
        let gone = || left.first().map(|path| format!("{} is gone", path.display()));
        Ok(difference.or_else(gone))
    }

    /// The path of the journal that is written to.
    #[must_use]
    pub fn active_journal(&self) -> Option<&Path> {
        let number = |path: &Path| -> Option<u64> {
            path.file_name()?.to_str()?.strip_suffix(".jnl")?.parse().ok()
        };
        let journals = self.files.keys().filter_map(|path| Some((number(path)?, path.as_path())));
        journals.max().map(|(_, path)| path)
    }

    /// A word for what a file is for; files of the same kind differ in their numbers alone.
    #[must_use]
    pub fn kind_of(&self, path: &Path) -> String {
        let text = path.to_string_lossy();
        if text.ends_with(".jnl") {
            let is_active = self.active_journal() == Some(path);
            return if is_active { "journal, active" } else { "journal, sealed" }.to_owned();
        }
        let Some((_, below)) = text.split_once("keyspaces/") else { return text.into_owned() };
        let (number, name) = below.split_once('/').unwrap_or(("", below));
        let kind = match name {
            "current" => "current",
            _ if name.starts_with("tables/") => "table",
            _ if name.starts_with('v') => "version",
            other => other,
        };
        // The first tree of the storage engine holds the names and options of the others.
        if number == "0" { format!("names: {kind}") } else { kind.to_owned() }
    }
}

/// Whether a file holds something else than was written into it.
fn differs(path: &Path, metadata: &fs::Metadata, written: &FileImage) -> io::Result<bool> {
    if metadata.len() != written.len {
        return Ok(true);
    }
    let mut file = File::open(path)?;
    let mut rest = written.data.as_slice();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(!rest.is_empty());
        }
        let (data, zeros) = chunk[..read].split_at(rest.len().min(read));
        let (expected, later) = rest.split_at(data.len());
        if data != expected || zeros != &ZEROS[..zeros.len()] {
            return Ok(true);
        }
        rest = later;
    }
}

type Visit<'a> = dyn FnMut(&Path, &fs::Metadata) -> io::Result<()> + 'a;

fn walk(directory: &Path, below: &Path, visit: &mut Visit<'_>) -> io::Result<()> {
    for entry in fs::read_dir(directory.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        visit(&path, &metadata)?;
        if metadata.is_dir() {
            walk(directory, &path, visit)?;
        }
    }
    Ok(())
}
