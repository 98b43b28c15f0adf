//! What calls have done that a kill has interrupted: it is looked up in the directory.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::calls::{Begun, written};
use super::descriptors::Description;
use super::{Inode, Trace};

impl Trace {
    /// Settles what a call has done that never ended.
    pub(super) fn settle(
        &mut self,
        name: &str,
        begun: Begun,
        arguments: &[&str],
    ) -> Result<(), String> {
        match (name, begun) {
            (_, Begun::Elsewhere | Begun::Told | Begun::Sync(_) | Begun::Copy(_))
            | (_, Begun::Paths(None, None))
            | ("lseek" | "fcntl" | "mmap", _) => Ok(()),
            ("write", Begun::On(description)) => self.settle_write(&description, arguments),
            ("ftruncate", Begun::On(description)) => {
                let length = arguments.get(1).and_then(|text| text.parse().ok());
                let found = self.open(description.inode)?.map(|file| file.metadata());
                let found = found.transpose().map_err(|error| error.to_string())?;
                if found.is_some_and(|found| Some(found.len()) == length) {
                    self.set_length(description.inode, length.unwrap_or_default());
                }
                Ok(())
            }
            ("open" | "openat" | "creat", Begun::Paths(Some(path), _)) => {
                let is_new = self.names.find(&path).is_none() && self.exists(&path)?;
                if is_new { self.created(&path, false).map(drop) } else { Ok(()) }
            }
            ("mkdir" | "mkdirat", Begun::Paths(Some(path), _)) => {
                let is_new = self.names.find(&path).is_none() && self.exists(&path)?;
                if is_new { self.created(&path, true).map(drop) } else { Ok(()) }
            }
            ("unlink" | "unlinkat" | "rmdir", Begun::Paths(Some(path), _)) => {
                let is_gone = self.names.find(&path).is_some() && !self.exists(&path)?;
                if is_gone { self.removed(&path) } else { Ok(()) }
            }
            ("rename" | "renameat" | "renameat2", Begun::Paths(Some(from), Some(to))) => {
                let is_moved = self.names.find(&from).is_some() && !self.exists(&from)?;
                if is_moved { self.renamed(&from, &to) } else { Ok(()) }
            }
            _ => Err("nobody knows what it has done".to_owned()),
        }
    }

    /// A write that was interrupted has written a part from its beginning, or nothing.
    fn settle_write(
        &mut self,
        description: &Description,
        arguments: &[&str],
    ) -> Result<(), String> {
        let data = written("write", arguments)?;
        let length = self.length(description.inode);
        let offset = if description.is_append { length } else { description.position.get() };
        // A file without a name is gone, whatever was written to it.
        let Some(mut file) = self.open(description.inode)? else { return Ok(()) };
        let mut found = Vec::new();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(data.len() as u64).read_to_end(&mut found))
            .map_err(|error| error.to_string())?;
        let same = data.iter().zip(&found).take_while(|(wanted, found)| wanted == found).count();
        if same == 0 {
            return Ok(());
        }
        self.write_at_position(description, data, same as u64)
    }

    fn exists(&self, path: &Path) -> Result<bool, String> {
        self.root.join(path).try_exists().map_err(|error| error.to_string())
    }

    fn open(&self, inode: Inode) -> Result<Option<File>, String> {
        let Some(path) = self.names.path(inode) else { return Ok(None) };
        match File::open(self.root.join::<PathBuf>(path)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}
