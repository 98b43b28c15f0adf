//! Examine: what can be known to be wrong before anything is done.

use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytesize::ByteSize;
use entracte::prelude::*;

use super::Copier;
use crate::contract::CopyRequest;
use crate::original::Original;
use crate::partial::{Partial, is_same_file};

impl Copier {
    pub(super) fn examine(
        self: Arc<Self>,
        _ctx: ActivityContext,
        request: CopyRequest,
    ) -> ActivityResult<Original> {
        let CopyRequest { source, target, replace, .. } = &request;
        let found = look_at(source)?;
        if !found.is_file() {
            return Err(refused(format!("`{}` is not a file", source.display())));
        }
        let original = Original::of(&found).map_err(|error| unreadable(source, &error))?;
        check_target(source, target, *replace, original.bytes)?;
        check_room(target, original.bytes)?;
        Ok(original)
    }
}

fn look_at(path: &Path) -> ActivityResult<Metadata> {
    path.metadata().map_err(|error| unreadable(path, &error))
}

fn check_target(source: &Path, target: &Path, replace: bool, bytes: u64) -> ActivityResult<()> {
    let found = match target.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| unreadable(target, &error))?,
    };
    let target_text = target.display();
    if is_same_file(source, target) {
        return Err(refused(format!("`{target_text}` is the source itself")));
    }
    if !found.is_file() {
        return Err(refused(format!("`{target_text}` is not a file")));
    }
    if !replace {
        return Err(refused(format!(
            "`{target_text}` exists already, with {} (the source has {}); --replace puts the \
             copy in its place",
            ByteSize(found.len()),
            ByteSize(bytes),
        )));
    }
    Ok(())
}

/// Checks that the disk has room for what is still to be written.
fn check_room(target: &Path, bytes: u64) -> ActivityResult<()> {
    let directory = target.parent().unwrap_or(Path::new("/"));
    if !look_at(directory)?.is_dir() {
        return Err(refused(format!("`{}` is not a directory", directory.display())));
    }
    let disk = rustix::fs::statvfs(directory)
        .map_err(|error| unreadable(directory, &io::Error::from(error)))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let part = Partial::path_of(target).metadata().map_or(0, |found| found.len());
    if bytes > free.saturating_add(part) {
        return Err(Failure::non_retryable(
            "NoRoom",
            format!(
                "the disk of `{}` has no room for the copy: {} are free, {} are needed",
                directory.display(),
                ByteSize(free),
                ByteSize(bytes),
            ),
        ));
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    refused(format!("`{}` cannot be looked at: {error}", path.display()))
}

fn refused(text: String) -> Failure {
    Failure::non_retryable("Refused", text)
}
