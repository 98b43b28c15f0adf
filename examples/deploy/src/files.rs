//! Files that are whole or not there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use entracte::prelude::*;
use sha2::{Digest, Sha256};

use crate::contract::{FileEntry, Manifest};

/// Writes a file that nobody ever sees half-written, and that survives a power cut.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = partial_path(path);
    let mut file = File::create(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    rename(&partial, path)
}

/// Makes a symbolic link, or turns one round, without a moment in which there is none.
pub(crate) fn link_atomically(link: &Path, target: &Path) -> io::Result<()> {
    let partial = partial_path(link);
    remove(fs::remove_file(&partial))?;
    std::os::unix::fs::symlink(target, &partial)?;
    rename(&partial, link)
}

/// Gives a file or directory its final name, and syncs the name.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Makes the removal of what is not there a success.
pub(crate) fn remove(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Where a file is written before it gets its name.
fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or(OsStr::new("file")).to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// Copies a directory with everything in it and syncs each file.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> ActivityResult<()> {
    fs::create_dir_all(to).with_context(|| format!("make directory `{}`", to.display()))?;
    for name in file_names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if kind(&from)? == Kind::Directory {
            copy_directory(&from, &to)?;
        } else {
            copy_file(&from, &to).with_context(|| format!("copy `{}`", from.display()))?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = File::create(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()
}

/// Reads every file of a directory.
pub(crate) fn manifest(root: &Path) -> ActivityResult<Manifest> {
    let mut manifest = Manifest::default();
    collect(root, "", &mut manifest)?;
    Ok(manifest)
}

fn collect(directory: &Path, prefix: &str, manifest: &mut Manifest) -> ActivityResult<()> {
    for name in file_names(directory)? {
        let path = directory.join(&name);
        let key = format!("{prefix}{name}");
        if kind(&path)? == Kind::Directory {
            collect(&path, &format!("{key}/"), manifest)?;
        } else {
            let entry = entry(&path).with_context(|| format!("read `{}`", path.display()))?;
            manifest.files.insert(key, entry);
        }
    }
    Ok(())
}

fn entry(path: &Path) -> io::Result<FileEntry> {
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    let mut file = File::open(path)?;
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(FileEntry { bytes, sha256: hex(&hasher.finalize()) });
        }
        hasher.update(&buffer[..read]);
        bytes += u64::try_from(read).unwrap_or(u64::MAX);
    }
}

/// The SHA-256 of some bytes in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names in a directory, sorted; they become parts of addresses and must be text.
fn file_names(directory: &Path) -> ActivityResult<Vec<String>> {
    let read = || format!("read directory `{}`", directory.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(read)? {
        let name = entry.with_context(read)?.file_name().into_string().map_err(|name| {
            let message = format!("the name {name:?} is not UTF-8");
            Failure::non_retryable("UnsuitableFile", message).context(read())
        })?;
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

/// Only files and directories are deployed: a link could lead out of the site.
fn kind(path: &Path) -> ActivityResult<Kind> {
    let file_type = fs::symlink_metadata(path)
        .with_context(|| format!("read `{}`", path.display()))?
        .file_type();
    if file_type.is_dir() {
        Ok(Kind::Directory)
    } else if file_type.is_file() {
        Ok(Kind::File)
    } else {
        let message = format!("`{}` is neither a file nor a directory", path.display());
        Err(Failure::non_retryable("UnsuitableFile", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_manifest_of_the_original() {
        let dir = tempfile::tempdir().unwrap();
        let (site, copy) = (dir.path().join("site"), dir.path().join("copy"));
        fs::create_dir_all(site.join("deep/er")).unwrap();
        fs::write(site.join("index.html"), "abc").unwrap();
        fs::write(site.join("deep/er/x y.css"), vec![7; 40_000]).unwrap();
        copy_directory(&site, &copy).unwrap();
        let manifest = manifest(&site).unwrap();
        assert_eq!(super::manifest(&copy).unwrap(), manifest);
        assert_eq!(manifest.files.keys().collect::<Vec<_>>(), ["deep/er/x y.css", "index.html"]);
        assert_eq!(manifest.bytes(), 40_003);
        // The example of FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(manifest.files["index.html"].sha256, abc);
        assert_eq!(sha256(b"abc"), abc);
    }

    #[test]
    fn links_are_not_deployed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("leak")).unwrap();
        let failure = manifest(dir.path()).unwrap_err();
        assert!(!failure.is_retryable(&[]));
        assert!(failure.to_string().ends_with("leak` is neither a file nor a directory"));
    }

    #[test]
    fn links_turn_round_and_files_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("current"), dir.path().join("file"));
        for text in ["one", "two"] {
            link_atomically(&link, Path::new(text)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(text));
            write_atomically(&file, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
