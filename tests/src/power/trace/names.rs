//! Which file has which name, as the process sees it.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::Inode;

/// The names below the directory that is watched.
#[derive(Debug)]
pub(super) struct Names {
    /// What is in each directory.
    directories: HashMap<Inode, HashMap<String, Inode>>,
    next: u64,
}

impl Default for Names {
    fn default() -> Self {
        Self { directories: HashMap::from([(Inode::ROOT, HashMap::new())]), next: 1 }
    }
}

impl Names {
    /// What has a path below the root.
    pub(super) fn find(&self, path: &Path) -> Option<Inode> {
        path.components().try_fold(Inode::ROOT, |inode, part| match part {
            Component::CurDir => Some(inode),
            Component::Normal(name) => self.directories.get(&inode)?.get(name.to_str()?).copied(),
            _ => None,
        })
    }

    /// The directory of a path below the root, and the name there.
    pub(super) fn split(&self, path: &Path) -> Option<(Inode, String)> {
        let name = path.file_name()?.to_str()?.to_owned();
        Some((self.find(path.parent()?)?, name))
    }

    /// The path of something below the root; none if it has no name any more.
    pub(super) fn path(&self, inode: Inode) -> Option<PathBuf> {
        if inode == Inode::ROOT {
            return Some(PathBuf::new());
        }
        self.directories.iter().find_map(|(directory, names)| {
            let (name, _) = names.iter().find(|(_, found)| **found == inode)?;
            Some(self.path(*directory)?.join(name))
        })
    }

    pub(super) fn create(&mut self, directory: Inode, name: &str, is_directory: bool) -> Inode {
        let inode = Inode(self.next);
        self.created(directory, name, inode, is_directory);
        inode
    }

    /// Takes over something that was created before.
    pub(super) fn created(
        &mut self,
        directory: Inode,
        name: &str,
        inode: Inode,
        is_directory: bool,
    ) {
        self.next = self.next.max(inode.0 + 1);
        if is_directory {
            self.directories.insert(inode, HashMap::new());
        }
        self.put(directory, name, inode);
    }

    pub(super) fn put(&mut self, directory: Inode, name: &str, inode: Inode) {
        self.directories.entry(directory).or_default().insert(name.to_owned(), inode);
    }

    pub(super) fn remove(&mut self, directory: Inode, name: &str) -> Option<Inode> {
        self.directories.get_mut(&directory)?.remove(name)
    }
}
