//! Provision: the site's files, copied and checksummed.

use std::fs;
use std::sync::Arc;

use entracte::prelude::*;

use super::{Host, blocking, shown};
use crate::contract::{Manifest, Provision};
use crate::files;
use crate::release::{ReleaseDir, ReleaseId};

impl Host {
    pub(super) async fn provision(
        self: Arc<Self>,
        ctx: ActivityContext,
        Provision { release, site }: Provision,
    ) -> ActivityResult<Manifest> {
        let target = self.data.release(release);
        self.attempt(&ctx, async {
            let place = target.clone();
            let manifest = blocking(move || {
                if !place.site().is_dir() {
                    copy(&site, &place)?;
                }
                files::manifest(&place.site())
            })
            .await?;
            let done = format!(
                "{} files, {}, in {}",
                manifest.files.len(),
                size(manifest.bytes()),
                shown(target.root(), &self.data),
            );
            Ok((manifest, done))
        })
        .await
    }

    pub(super) async fn undo_provision(
        self: Arc<Self>,
        ctx: ActivityContext,
        release: ReleaseId,
    ) -> ActivityResult<()> {
        self.attempt(&ctx, async {
            let target = self.data.release(release);
            blocking(move || Ok(files::remove(fs::remove_dir_all(target.root()))?)).await?;
            Ok(((), format!("release {release} is gone")))
        })
        .await
    }
}

/// Copies the site beside its place and moves it there in one step; what a lost attempt left
/// half-done is thrown away first.
fn copy(site: &std::path::Path, target: &ReleaseDir) -> ActivityResult<()> {
    let partial = target.partial_site();
    files::remove(fs::remove_dir_all(&partial))
        .with_context(|| format!("remove `{}`", partial.display()))?;
    files::copy_directory(site, &partial)?;
    files::rename(&partial, &target.site())
        .with_context(|| format!("rename `{}`", partial.display()))
}

/// A number of bytes for people.
#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(12_345), "12.3 kB");
        assert_eq!(size(2_000_000), "2.0 MB");
    }

    #[test]
    fn what_a_lost_attempt_left_is_copied_again() {
        let dir = tempfile::tempdir().unwrap();
        let data = crate::release::DataDir::open(&dir.path().join("data")).unwrap();
        let target = data.release(ReleaseId::of(ActivityContext::test().info().run_id));
        fs::create_dir_all(target.partial_site()).unwrap();
        fs::write(target.partial_site().join("index.html"), "ha").unwrap();
        fs::write(target.partial_site().join("stale"), "stale").unwrap();
        let site = dir.path().join("site");
        fs::create_dir(&site).unwrap();
        fs::write(site.join("index.html"), "half").unwrap();
        copy(&site, &target).unwrap();
        assert_eq!(files::manifest(&target.site()).unwrap(), files::manifest(&site).unwrap());
        assert!(!target.partial_site().exists());
    }
}
