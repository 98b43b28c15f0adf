//! Switch: the link that says which release is live.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use entracte::prelude::*;

use super::{Host, blocking, shown};
use crate::files;
use crate::release::{DataDir, ReleaseId};

impl Host {
    pub(super) async fn switch(
        self: Arc<Self>,
        ctx: ActivityContext,
        release: ReleaseId,
    ) -> ActivityResult<()> {
        self.attempt(&ctx, async {
            let data = self.data.clone();
            blocking(move || switch(&data, release)).await?;
            let done = format!(
                "{} -> {}",
                shown(&self.data.current(), &self.data),
                DataDir::link_target(release).display(),
            );
            Ok(((), done))
        })
        .await
    }

    pub(super) async fn undo_switch(
        self: Arc<Self>,
        ctx: ActivityContext,
        release: ReleaseId,
    ) -> ActivityResult<()> {
        self.attempt(&ctx, async {
            let data = self.data.clone();
            let now = blocking(move || switch_back(&data, release)).await?;
            let done = now.map_or_else(
                || "no release is live".to_owned(),
                |target| format!("{} is live", target.display()),
            );
            Ok(((), done))
        })
        .await
    }
}

/// Turns the link round, and keeps what it held before.
fn switch(data: &DataDir, release: ReleaseId) -> ActivityResult<()> {
    let link = data.current();
    let target = DataDir::link_target(release);
    let before = link_target(&link)?;
    // A link that leads here already was turned round by a lost attempt, which kept what it
    // had held.
    if before.as_deref() == Some(&target) {
        return Ok(());
    }
    let kept = data.release(release).previous();
    let before = before.unwrap_or_default();
    files::write_atomically(&kept, before.as_os_str().as_bytes())
        .with_context(|| format!("write `{}`", kept.display()))?;
    files::link_atomically(&link, &target).with_context(|| format!("link `{}`", link.display()))
}

/// Turns the link back if it leads to the release; tells where it leads then.
fn switch_back(data: &DataDir, release: ReleaseId) -> ActivityResult<Option<PathBuf>> {
    let link = data.current();
    let target = link_target(&link)?;
    if target != Some(DataDir::link_target(release)) {
        return Ok(target);
    }
    let before = fs::read(data.release(release).previous()).context("read what was live before")?;
    if before.is_empty() {
        files::remove(fs::remove_file(&link))?;
        return Ok(None);
    }
    let before = PathBuf::from(OsStr::from_bytes(&before));
    files::link_atomically(&link, &before).with_context(|| format!("link `{}`", link.display()))?;
    Ok(Some(before))
}

fn link_target(link: &Path) -> ActivityResult<Option<PathBuf>> {
    match fs::read_link(link) {
        Ok(target) => Ok(Some(target)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read link `{}`", link.display())),
    }
}

#[cfg(test)]
mod tests {
    use entracte::{RunId, Timestamp};

    use super::*;

    fn release(data: &DataDir, number: u8) -> ReleaseId {
        let release = ReleaseId::of(RunId::from_time_and_random(Timestamp::EPOCH, [number; 10]));
        fs::create_dir_all(data.release(release).root()).unwrap();
        release
    }

    #[test]
    fn switching_is_undone_to_what_was_live_before() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let (first, second) = (release(&data, 1), release(&data, 2));
        assert_eq!(switch_back(&data, first).unwrap(), None);
        switch(&data, first).unwrap();
        assert_eq!(fs::canonicalize(data.current()).unwrap(), data.release(first).root());
        switch(&data, second).unwrap();
        switch(&data, second).unwrap();
        assert_eq!(fs::read_link(data.current()).unwrap(), DataDir::link_target(second));
        assert_eq!(switch_back(&data, second).unwrap(), Some(DataDir::link_target(first)));
        assert_eq!(switch_back(&data, second).unwrap(), Some(DataDir::link_target(first)));
        assert_eq!(switch_back(&data, first).unwrap(), None);
        assert!(!data.current().exists());
    }
}
