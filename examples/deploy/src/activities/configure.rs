//! Configure: a free port and the server's configuration.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use entracte::prelude::*;

use super::{Host, blocking};
use crate::contract::Configure;
use crate::files;
use crate::release::{ReleaseDir, ReleaseId};
use crate::server::ServerConfig;

impl Host {
    pub(super) async fn configure(
        self: Arc<Self>,
        ctx: ActivityContext,
        Configure { release, host }: Configure,
    ) -> ActivityResult<SocketAddr> {
        self.attempt(&ctx, async {
            let target = self.data.release(release);
            let address = blocking(move || write_config(&target, host)).await?;
            Ok((address, format!("the server will listen on {address}")))
        })
        .await
    }

    pub(super) async fn undo_configure(
        self: Arc<Self>,
        ctx: ActivityContext,
        release: ReleaseId,
    ) -> ActivityResult<()> {
        self.attempt(&ctx, async {
            let config = self.data.release(release).config();
            blocking(move || Ok(files::remove(fs::remove_file(&config))?)).await?;
            Ok(((), "the configuration is gone".to_owned()))
        })
        .await
    }
}

/// Writes the configuration, or keeps the one that a lost attempt wrote, with its port.
fn write_config(target: &ReleaseDir, host: IpAddr) -> ActivityResult<SocketAddr> {
    let path = target.config();
    if path.exists() {
        return Ok(ServerConfig::load(&path)?.address);
    }
    let address = free_address(host).with_context(|| format!("find a free port of {host}"))?;
    let root = target.site().file_name().map_or_else(PathBuf::new, PathBuf::from);
    let config = toml::to_string(&ServerConfig { address, root })?;
    write(&path, &config)?;
    Ok(address)
}

fn write(path: &Path, config: &str) -> ActivityResult<()> {
    files::write_atomically(path, config.as_bytes())
        .with_context(|| format!("write `{}`", path.display()))
}

/// An address whose port is free right now; the system gives no port again soon.
fn free_address(host: IpAddr) -> std::io::Result<SocketAddr> {
    TcpListener::bind((host, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::release::DataDir;

    #[test]
    fn a_second_attempt_keeps_the_port_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let target = data.release(ReleaseId::of(ActivityContext::test().info().run_id));
        fs::create_dir_all(target.root()).unwrap();
        let host = IpAddr::from(Ipv4Addr::LOCALHOST);
        let address = write_config(&target, host).unwrap();
        assert_eq!(write_config(&target, host).unwrap(), address);
        assert_eq!(ServerConfig::load(&target.config()).unwrap().root, target.site());
    }
}
