//! Reads the trace of a process, and tells what it did in one directory.
//!
//! Only what changes files or file descriptors is traced. What is known to change files, and
//! is not understood here, is refused if it concerns the directory: a trace is understood in
//! full or not at all.

mod calls;
mod descriptors;
mod interrupted;
mod line;
mod names;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use self::calls::Begun;
use self::descriptors::Descriptors;
use self::line::Line;
pub use self::line::TraceError;
use self::names::Names;
use super::disk::PAGE_BYTES;
use super::event::{Event, Inode, SyncId};
use super::image::Image;

/// The calls that are traced: those understood, and those that must not happen.
///
/// A call with a question mark may be unknown to `strace` on this machine.
pub const TRACED: &[&str] = &[
    // Understood.
    "open",
    "openat",
    "creat",
    "close",
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "lseek",
    "ftruncate",
    "truncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "fsync",
    "fdatasync",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "execve",
    // Refused, if they could change the directory or hide who changes it.
    "openat2",
    "close_range",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mknod",
    "mknodat",
    "sync",
    "syncfs",
    "sync_file_range",
    "msync",
    "copy_file_range",
    "sendfile",
    "splice",
    "tee",
    "vmsplice",
    "mmap",
    "ioctl",
    "io_uring_setup",
    "io_setup",
    "chdir",
    "fchdir",
    "chroot",
    "clone",
    "clone3",
    "fork",
    "vfork",
    "execveat",
    "setxattr",
    "fsetxattr",
    "open_by_handle_at",
];

/// What a process did in a directory, as far as it is known.
#[derive(Debug)]
pub struct Trace {
    /// The directory, with all symbolic links resolved.
    root: PathBuf,
    /// The file to which lines are written that tell something to the outside.
    told: PathBuf,
    names: Names,
    lengths: HashMap<Inode, u64>,
    descriptors: Descriptors,
    /// Calls that have begun and not ended, by thread.
    unfinished: HashMap<u32, Unfinished>,
    /// Calls that a kill has interrupted.
    interrupted: Vec<Unfinished>,
    next_sync: u64,
    told_count: usize,
    events: Vec<Event>,
}

/// A call that has begun.
#[derive(Debug)]
struct Unfinished {
    name: String,
    /// Its text so far.
    arguments: String,
    begun: Begun,
}

impl Trace {
    /// Begins with an empty directory.
    #[must_use]
    pub fn new(root: &Path, told: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            told: told.to_path_buf(),
            names: Names::default(),
            lengths: HashMap::new(),
            descriptors: Descriptors::default(),
            unfinished: HashMap::new(),
            interrupted: Vec::new(),
            next_sync: 0,
            told_count: 0,
            events: Vec::new(),
        }
    }

    /// Begins with what is there and was told already, and makes it durable.
    ///
    /// # Errors
    /// [`TraceError`] if something is not in a directory that is known.
    pub fn begin_with(&mut self, image: &Image, told: &str) -> Result<(), TraceError> {
        let failed = |problem| TraceError::new(problem, "what was there before");
        for path in &image.directories {
            self.created(path, true).map_err(failed)?;
        }
        for (path, content) in &image.files {
            let inode = self.created(path, false).map_err(failed)?;
            for (number, page) in &content.pages {
                let offset = number * PAGE_BYTES as u64;
                let data = Bytes::copy_from_slice(page.as_slice());
                self.events.push(Event::Write { inode, offset, data });
            }
            self.set_length(inode, content.length);
        }
        self.events.push(Event::Told { text: told.to_owned() });
        self.events.push(Event::AllSynced);
        Ok(())
    }

    /// Begins with what a process did until it was killed: what it had not synced is still
    /// pending.
    pub fn begin_with_killed(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Create { directory, name, inode, is_directory } => {
                    self.names.created(*directory, name, *inode, *is_directory);
                }
                Event::Rename { inode, from, to } => {
                    self.names.remove(from.0, &from.1);
                    self.names.put(to.0, &to.1, *inode);
                }
                Event::Remove { directory, name } => {
                    self.names.remove(*directory, name);
                }
                Event::Write { inode, offset, data } => {
                    let end = self.length(*inode).max(offset + data.len() as u64);
                    self.lengths.insert(*inode, end);
                }
                Event::SetLength { inode, length } => {
                    self.lengths.insert(*inode, *length);
                }
                Event::SyncBegin { sync, .. } => self.next_sync = self.next_sync.max(sync.0),
                Event::Told { .. } => self.told_count += 1,
                Event::SyncEnd { .. } | Event::AllSynced | Event::Ended { .. } => {}
            }
        }
        self.events.extend_from_slice(events);
        self.events.push(Event::Ended { is_killed: true });
    }

    /// Reads one line.
    ///
    /// # Errors
    /// [`TraceError`] if the line is not understood.
    pub fn line(&mut self, text: &str) -> Result<(), TraceError> {
        let text = text.trim_end_matches('\n');
        let (pid, line) = line::parse(text)?;
        let done = match line {
            Line::Call { name, rest } => {
                let call = line::finished(rest).ok_or_else(|| TraceError::new("no end", text))?;
                self.begin(name, &call.arguments).and_then(|begun| self.end(name, begun, &call))
            }
            Line::Unfinished { name, arguments } => {
                let begun = self.begin(name, &line::split_arguments(arguments).0);
                begun.map(|begun| {
                    let (name, arguments) = (name.to_owned(), arguments.to_owned());
                    self.unfinished.insert(pid, Unfinished { name, arguments, begun });
                })
            }
            Line::Resumed { name, rest } => self.resume(pid, name, rest),
            Line::Gone { .. } | Line::Other => Ok(()),
        };
        done.map_err(|problem| TraceError::new(problem, text))
    }

    fn resume(&mut self, pid: u32, name: &str, rest: &str) -> Result<(), String> {
        let unfinished = self.unfinished.remove(&pid).ok_or("a call ends that had not begun")?;
        if unfinished.name != name {
            return Err(format!("`{}` ends as another call", unfinished.name));
        }
        let text = unfinished.arguments + rest;
        let call = line::finished(&text).ok_or("no end")?;
        self.end(name, unfinished.begun, &call)
    }

    /// Ends a process: its descriptors are gone, and its calls under way have done what is
    /// found in the directory.
    ///
    /// # Errors
    /// [`TraceError`] if it cannot be told what a call has done.
    pub fn process_ended(&mut self, is_killed: bool) -> Result<(), TraceError> {
        let unfinished = std::mem::take(&mut self.unfinished).into_values();
        let unfinished: Vec<_> = unfinished.chain(self.interrupted.drain(..)).collect();
        for unfinished in unfinished {
            let text = format!("{}({}", unfinished.name, unfinished.arguments);
            let arguments = line::split_arguments(&unfinished.arguments).0;
            self.settle(&unfinished.name, unfinished.begun, &arguments)
                .map_err(|problem| TraceError::new(problem, &text))?;
        }
        self.descriptors.clear();
        self.events.push(Event::Ended { is_killed });
        Ok(())
    }

    /// What has happened so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How often something was told so far.
    #[must_use]
    pub fn told_count(&self) -> usize {
        self.told_count
    }

    /// Ends the trace.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    fn new_sync(&mut self) -> SyncId {
        self.next_sync += 1;
        SyncId(self.next_sync)
    }
}

#[cfg(test)]
mod tests;
