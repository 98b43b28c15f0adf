//! What the calls do.

use std::cell::Cell;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;

use super::descriptors::{Description, Target};
use super::line::{self, AT_FDCWD, Finished};
use super::{Event, Inode, SyncId, Trace, Unfinished};

/// What is known of a call when it begins: descriptors mean then what they mean to it.
#[derive(Debug)]
pub(super) enum Begun {
    /// Nothing that matters.
    Elsewhere,
    /// It is about an open file or directory of ours.
    On(Rc<Description>),
    /// It is about the file with what is told; that is told as soon as the call begins.
    Told,
    /// It syncs something of ours.
    Sync(SyncId),
    /// It is about paths: the first, and the second if there are two.
    Paths(Option<PathBuf>, Option<PathBuf>),
    /// It makes a copy of a descriptor.
    Copy(Option<Target>),
}

impl Trace {
    /// A call begins.
    pub(super) fn begin(&mut self, name: &str, arguments: &[&str]) -> Result<Begun, String> {
        let argument = |index: usize| arguments.get(index).copied().unwrap_or_default();
        match name {
            "open" | "creat" | "unlink" | "mkdir" | "rmdir" | "truncate" | "link" | "symlink"
            | "mknod" | "setxattr" => {
                let second = if name == "link" { self.inside(None, argument(1))? } else { None };
                Ok(Begun::Paths(self.inside(None, argument(0))?, second))
            }
            "openat" | "unlinkat" | "mkdirat" | "openat2" | "mknodat" => {
                Ok(Begun::Paths(self.inside(Some(argument(0)), argument(1))?, None))
            }
            "symlinkat" => Ok(Begun::Paths(self.inside(Some(argument(1)), argument(2))?, None)),
            "rename" => {
                Ok(Begun::Paths(self.inside(None, argument(0))?, self.inside(None, argument(1))?))
            }
            "renameat" | "renameat2" | "linkat" => Ok(Begun::Paths(
                self.inside(Some(argument(0)), argument(1))?,
                self.inside(Some(argument(2)), argument(3))?,
            )),
            "close" => {
                // The number can be given away before the call has ended.
                self.descriptors.set(number(argument(0))?, None);
                Ok(Begun::Elsewhere)
            }
            "dup" | "dup2" | "dup3" => Ok(Begun::Copy(self.target(argument(0)))),
            "fcntl" if argument(1).starts_with("F_DUPFD") => {
                Ok(Begun::Copy(self.target(argument(0))))
            }
            "copy_file_range" | "splice" => Ok(self.on(argument(2))),
            // The descriptor is the fifth of six.
            "mmap" => Ok(self.on(argument(4))),
            "fsync" | "fdatasync" => match self.target(argument(0)) {
                Some(Target::Inside(description)) => {
                    let sync = self.new_sync();
                    self.events.push(Event::SyncBegin { sync, inode: description.inode });
                    Ok(Begun::Sync(sync))
                }
                _ => Ok(Begun::Elsewhere),
            },
            "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" => {
                let begun = self.on(argument(0));
                if matches!(begun, Begun::Told) {
                    let text = String::from_utf8(written(name, arguments)?);
                    let text = text.map_err(|_| "what is told is no text")?;
                    self.told_count += 1;
                    self.events.push(Event::Told { text });
                }
                Ok(begun)
            }
            _ => Ok(self.on(argument(0))),
        }
    }

    /// A call has ended.
    pub(super) fn end(
        &mut self,
        name: &str,
        begun: Begun,
        call: &Finished<'_>,
    ) -> Result<(), String> {
        check_allowed(name, &begun, call)?;
        if call.is_unknown {
            let (name, arguments) = (name.to_owned(), call.arguments.join(", "));
            self.interrupted.push(Unfinished { name, arguments, begun });
            return Ok(());
        }
        let Some(result) = call.result else { return self.failed(name, &begun) };
        match begun {
            Begun::Told | Begun::Elsewhere => {
                if name == "execve" {
                    self.descriptors.clear();
                }
                Ok(())
            }
            Begun::Copy(target) => {
                self.descriptors.set(signed(result)?, target);
                Ok(())
            }
            Begun::Sync(sync) => {
                self.events.push(Event::SyncEnd { sync });
                Ok(())
            }
            Begun::On(description) => self.on_description(name, &description, call, result),
            Begun::Paths(first, second) => self.on_paths(name, first, second, call, result),
        }
    }

    /// A failed sync may have lost what it was to write: nothing behind it could be trusted.
    fn failed(&self, name: &str, begun: &Begun) -> Result<(), String> {
        match begun {
            Begun::Sync(_) => Err(format!("{name} failed")),
            _ => Ok(()),
        }
    }

    fn on_description(
        &mut self,
        name: &str,
        description: &Description,
        call: &Finished<'_>,
        result: u64,
    ) -> Result<(), String> {
        let argument = |index: usize| call.arguments.get(index).copied().unwrap_or_default();
        match name {
            "write" | "writev" => {
                let data = written(name, &call.arguments)?;
                self.write_at_position(description, data, result)
            }
            "pwrite64" | "pwritev" | "pwritev2" => {
                let data = written(name, &call.arguments)?;
                let offset = argument(3).parse().map_err(|_| "no offset")?;
                self.write(description.inode, offset, data, result)
            }
            "lseek" => {
                // Reading moves the position too, and is not traced: whether a write behind it
                // was understood shows in the end, when the directory is compared.
                let is_told = argument(2) == "SEEK_CUR" && argument(1) == "0";
                let is_known = is_told && !description.is_append && !description.is_readable;
                if is_known && description.position.get() != result {
                    let known = description.position.get();
                    return Err(format!("the position was thought to be {known}"));
                }
                description.position.set(result);
                Ok(())
            }
            "ftruncate" => {
                let length = argument(1).parse().map_err(|_| "no length")?;
                self.set_length(description.inode, length);
                Ok(())
            }
            "fallocate" => self.allocate(description.inode, &call.arguments),
            _ => Ok(()),
        }
    }

    pub(super) fn write_at_position(
        &mut self,
        description: &Description,
        data: Vec<u8>,
        count: u64,
    ) -> Result<(), String> {
        let offset = if description.is_append {
            self.length(description.inode)
        } else {
            description.position.get()
        };
        self.write(description.inode, offset, data, count)?;
        description.position.set(offset + count);
        Ok(())
    }

    fn write(
        &mut self,
        inode: Inode,
        offset: u64,
        mut data: Vec<u8>,
        count: u64,
    ) -> Result<(), String> {
        data.truncate(usize::try_from(count).map_err(|_| "too much is written")?);
        if data.len() as u64 != count {
            return Err("more was written than there is".to_owned());
        }
        let end = offset + count;
        let length = self.length(inode).max(end);
        self.lengths.insert(inode, length);
        self.events.push(Event::Write { inode, offset, data: Bytes::from(data) });
        Ok(())
    }

    fn allocate(&mut self, inode: Inode, arguments: &[&str]) -> Result<(), String> {
        let [_, mode, offset, length] = arguments else { return Err("no range".to_owned()) };
        let parse = |text: &str| text.parse::<u64>().map_err(|_| "no range".to_owned());
        let end = parse(offset)? + parse(length)?;
        match *mode {
            "0" if end > self.length(inode) => self.set_length(inode, end),
            "0" | "FALLOC_FL_KEEP_SIZE" => {}
            _ => return Err("this kind of allocation is not understood".to_owned()),
        }
        Ok(())
    }

    fn on_paths(
        &mut self,
        name: &str,
        first: Option<PathBuf>,
        second: Option<PathBuf>,
        call: &Finished<'_>,
        result: u64,
    ) -> Result<(), String> {
        let argument = |index: usize| call.arguments.get(index).copied().unwrap_or_default();
        match (name, first, second) {
            ("open" | "openat" | "creat", path, _) => {
                let flags = match name {
                    "open" => argument(1),
                    "openat" => argument(2),
                    _ => "O_WRONLY|O_CREAT|O_TRUNC",
                };
                self.opened(path.as_deref(), flags, signed(result)?, &call.arguments)
            }
            ("rename" | "renameat" | "renameat2", Some(from), Some(to)) => {
                if name == "renameat2" && !["0", "RENAME_NOREPLACE"].contains(&argument(4)) {
                    return Err("this kind of renaming is not understood".to_owned());
                }
                self.renamed(&from, &to)
            }
            (_, None, None) => Ok(()),
            ("unlink" | "unlinkat" | "rmdir", Some(path), _) => self.removed(&path),
            ("mkdir" | "mkdirat", Some(path), _) => self.created(&path, true).map(drop),
            ("truncate", Some(path), _) => {
                let inode = self.names.find(&path).ok_or("an unknown file is cut")?;
                let length = argument(1).parse().map_err(|_| "no length")?;
                self.set_length(inode, length);
                Ok(())
            }
            _ => Err(format!("`{name}` is not understood")),
        }
    }

    fn opened(
        &mut self,
        path: Option<&Path>,
        flags: &str,
        descriptor: i64,
        arguments: &[&str],
    ) -> Result<(), String> {
        let has = |flag: &str| flags.split('|').any(|one| one == flag);
        let Some(path) = path else {
            let told = arguments.iter().any(|argument| {
                line::string(argument)
                    .is_some_and(|path| path == self.told.as_os_str().as_encoded_bytes())
            });
            self.descriptors.set(descriptor, told.then_some(Target::Told));
            return Ok(());
        };
        if has("O_TMPFILE") || has("__O_TMPFILE") {
            return Err("a file without a name".to_owned());
        }
        let inode = match self.names.find(path) {
            Some(inode) => inode,
            None if has("O_CREAT") => self.created(path, false)?,
            None => return Err("a file is opened that was not there".to_owned()),
        };
        if has("O_TRUNC") && self.length(inode) > 0 {
            self.set_length(inode, 0);
        }
        let (is_append, is_readable) = (has("O_APPEND"), !has("O_WRONLY"));
        let description = Description { inode, is_append, is_readable, position: Cell::new(0) };
        self.descriptors.set(descriptor, Some(Target::Inside(Rc::new(description))));
        Ok(())
    }

    pub(super) fn created(&mut self, path: &Path, is_directory: bool) -> Result<Inode, String> {
        if path.as_os_str().is_empty() {
            return Ok(Inode::ROOT);
        }
        let (directory, name) = self.names.split(path).ok_or("its directory is unknown")?;
        let inode = self.names.create(directory, &name, is_directory);
        self.events.push(Event::Create { directory, name, inode, is_directory });
        Ok(inode)
    }

    pub(super) fn renamed(&mut self, from: &Path, to: &Path) -> Result<(), String> {
        let from = self.names.split(from).ok_or("its directory is unknown")?;
        let to = self.names.split(to).ok_or("its new directory is unknown")?;
        let inode = self.names.remove(from.0, &from.1).ok_or("what is renamed is unknown")?;
        self.names.put(to.0, &to.1, inode);
        self.events.push(Event::Rename { inode, from, to });
        Ok(())
    }

    pub(super) fn removed(&mut self, path: &Path) -> Result<(), String> {
        let (directory, name) = self.names.split(path).ok_or("its directory is unknown")?;
        self.names.remove(directory, &name).ok_or("what is removed is unknown")?;
        self.events.push(Event::Remove { directory, name });
        Ok(())
    }

    pub(super) fn set_length(&mut self, inode: Inode, length: u64) {
        self.lengths.insert(inode, length);
        self.events.push(Event::SetLength { inode, length });
    }

    pub(super) fn length(&self, inode: Inode) -> u64 {
        self.lengths.get(&inode).copied().unwrap_or_default()
    }

    fn target(&self, descriptor: &str) -> Option<Target> {
        self.descriptors.get(number(descriptor).ok()?)
    }

    fn on(&self, descriptor: &str) -> Begun {
        match self.target(descriptor) {
            Some(Target::Inside(description)) => Begun::On(description),
            Some(Target::Told) => Begun::Told,
            None => Begun::Elsewhere,
        }
    }

    /// The part of a path below the directory, if it leads there. `at` is the descriptor of
    /// the directory from which it leads.
    fn inside(&self, at: Option<&str>, path: &str) -> Result<Option<PathBuf>, String> {
        // A null pointer and the like name nothing.
        if !path.starts_with('"') {
            return Ok(None);
        }
        let path = line::string(path).and_then(|path| String::from_utf8(path).ok());
        let path = PathBuf::from(path.ok_or("a path that is no text")?);
        let path = match at.map(|at| line::descriptor(at).ok_or("no descriptor")).transpose()? {
            _ if path.is_absolute() => path,
            Some((_, Some(directory))) => Path::new(&directory).join(path),
            Some((AT_FDCWD, None)) | Some((_, None)) | None => {
                return Err("a path from an unknown directory".to_owned());
            }
        };
        Ok(normal(&path).strip_prefix(&self.root).ok().map(Path::to_path_buf))
    }
}

/// What a call of the family of `write` was to write.
pub(super) fn written(name: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let data = arguments.get(1).copied().unwrap_or_default();
    let bytes = if name.contains("writev") { line::gathered(data) } else { line::string(data) };
    bytes.ok_or_else(|| "the data is not there in full".to_owned())
}

/// Refuses what could change the directory in a way that is not understood.
fn check_allowed(name: &str, begun: &Begun, call: &Finished<'_>) -> Result<(), String> {
    let flags = |index: usize| call.arguments.get(index).copied().unwrap_or_default();
    let touches = !matches!(begun, Begun::Elsewhere | Begun::Told);
    let is_refused = match name {
        "openat2" | "link" | "linkat" | "symlink" | "symlinkat" | "mknod" | "mknodat" => {
            call.result.is_some() && !matches!(begun, Begun::Paths(None, None))
        }
        "copy_file_range" | "splice" | "sendfile" | "ioctl" | "msync" | "syncfs" => touches,
        "sync_file_range" | "tee" | "vmsplice" => touches,
        "mmap" => touches && flags(3).contains("MAP_SHARED") && flags(2).contains("PROT_WRITE"),
        "sync" | "io_uring_setup" | "io_setup" | "chdir" | "fchdir" | "chroot" | "fork"
        | "vfork" | "execveat" | "open_by_handle_at" | "close_range" => call.result.is_some(),
        "clone" | "clone3" => !call.arguments.iter().any(|flags| flags.contains("CLONE_THREAD")),
        _ => false,
    };
    if is_refused {
        return Err(format!("`{name}` is not understood"));
    }
    Ok(())
}

fn number(descriptor: &str) -> Result<i64, String> {
    line::descriptor(descriptor).map(|(number, _)| number).ok_or_else(|| "no descriptor".to_owned())
}

fn signed(number: u64) -> Result<i64, String> {
    i64::try_from(number).map_err(|_| "no descriptor".to_owned())
}

/// A path without `.` and `..`; nothing in the directory is a symbolic link.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
