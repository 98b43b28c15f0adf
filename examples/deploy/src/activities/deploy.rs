//! Deploy: the server's process.

use std::sync::Arc;

use entracte::prelude::*;

use super::Host;
use crate::console;
use crate::process;
use crate::release::{ReleaseDir, ReleaseId};

impl Host {
    pub(super) async fn deploy(
        self: Arc<Self>,
        ctx: ActivityContext,
        release: ReleaseId,
    ) -> ActivityResult<u32> {
        self.attempt(&ctx, async {
            let target = self.data.release(release);
            let name = &ctx.info().activity_type;
            for pid in stop_servers(&target).await? {
                let text = format_args!("replacing the server that a lost attempt left, pid {pid}");
                console::stage(name, text);
            }
            let pid = process::start(&target).await?;
            Ok((pid, format!("the server runs, pid {pid}")))
        })
        .await
    }

    pub(super) async fn undo_deploy(
        self: Arc<Self>,
        ctx: ActivityContext,
        release: ReleaseId,
    ) -> ActivityResult<()> {
        self.attempt(&ctx, async {
            let stopped = stop_servers(&self.data.release(release)).await?;
            let done = match stopped.first() {
                Some(pid) => format!("the server is stopped, pid {pid}"),
                None => "no server ran".to_owned(),
            };
            Ok(((), done))
        })
        .await
    }
}

/// Stops what serves a release, and tells which processes that were.
async fn stop_servers(release: &ReleaseDir) -> ActivityResult<Vec<u32>> {
    let servers = process::servers_under(release.root())?;
    for server in &servers {
        process::stop(server).await?;
    }
    Ok(servers.into_iter().map(|server| server.pid).collect())
}
