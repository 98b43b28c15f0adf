//! The source, and whether it is still what it was.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use entracte::prelude::*;
use serde::{Deserialize, Serialize};

/// The type of the failure when the source is not what it was.
pub(crate) const SOURCE_CHANGED: &str = "SourceChanged";

/// A file as it was when its copy began: another size, time or file under its name is another
/// original.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Original {
    pub(crate) bytes: u64,
    modified: SystemTime,
    inode: u64,
}

impl Original {
    pub(crate) fn of(metadata: &Metadata) -> io::Result<Self> {
        Ok(Self { bytes: metadata.len(), modified: metadata.modified()?, inode: metadata.ino() })
    }
}

/// The source, open.
#[derive(Debug)]
pub(crate) struct Source {
    file: File,
    path: PathBuf,
    original: Original,
}

impl Source {
    /// Opens the source, which must be what it was.
    pub(crate) fn open(path: &Path, original: &Original) -> ActivityResult<Self> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(changed(path, "it is gone"));
            }
            file => file.with_context(|| format!("open `{}`", path.display()))?,
        };
        let source = Self { file, path: path.to_path_buf(), original: original.clone() };
        source.check()?;
        Ok(source)
    }

    /// Checks that the file under the source's name is still what it was.
    pub(crate) fn check(&self) -> ActivityResult<()> {
        let now = match self.path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(changed(&self.path, "it is gone"));
            }
            metadata => metadata
                .and_then(|metadata| Original::of(&metadata))
                .with_context(|| format!("look at `{}`", self.path.display()))?,
        };
        if now == self.original {
            return Ok(());
        }
        let (was, is) = (self.original.bytes, now.bytes);
        Err(changed(
            &self.path,
            &match was == is {
                true => "it was written again".to_owned(),
                false => format!("it had {was} bytes and has {is}"),
            },
        ))
    }

    /// Fills the buffer with what stands from `at` on; less than that is a change.
    pub(crate) fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> ActivityResult<()> {
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(buffer));
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(changed(&self.path, "it has become shorter"))
            }
            read => Ok(read.with_context(|| format!("read `{}`", self.path.display()))?),
        }
    }
}

fn changed(path: &Path, how: &str) -> Failure {
    let text = format!("`{}` has changed since the copy began: {how}", path.display());
    Failure::non_retryable(SOURCE_CHANGED, text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refused(result: ActivityResult<impl std::fmt::Debug>) -> String {
        let failure = result.unwrap_err();
        assert_eq!(failure.application_type(), Some(SOURCE_CHANGED), "{failure}");
        assert!(!failure.is_retryable(&[]));
        failure.to_string()
    }

    #[test]
    fn a_source_that_changed_is_not_read_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("source");
        fs::write(&path, "0123456789").unwrap();
        let original = Original::of(&path.metadata().unwrap()).unwrap();
        let mut source = Source::open(&path, &original).unwrap();
        let mut buffer = [0; 4];
        source.read_at(3, &mut buffer).unwrap();
        assert_eq!(&buffer, b"3456");
        assert!(refused(source.read_at(8, &mut buffer)).ends_with("it has become shorter"));

        fs::write(&path, "0123456789abc").unwrap();
        assert!(refused(source.check()).ends_with("it had 10 bytes and has 13"));
        // The same bytes in another file under the name.
        fs::write(dir.path().join("other"), "0123456789").unwrap();
        fs::rename(dir.path().join("other"), &path).unwrap();
        assert!(refused(source.check()).ends_with("it was written again"));
        fs::remove_file(&path).unwrap();
        assert!(refused(Source::open(&path, &original)).ends_with("it is gone"));
        assert!(refused(source.check()).ends_with("it is gone"));
    }
}
