//! The site as its users reach it: through the link to the current release.

use std::io;
use std::net::SocketAddr;

use crate::client::{self, GetError};
use crate::release::DataDir;
use crate::server::{ServerConfig, ServerError};

/// Says why the site is not live.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLive {
    #[error("the current release cannot be found")]
    Config(#[from] ServerError),
    #[error("the current release has no home page")]
    HomePage(#[from] io::Error),
    #[error("the site cannot be reached")]
    Get(#[from] GetError),
    #[error("the home page at {address} is not the one of the current release")]
    WrongPage { address: SocketAddr },
}

/// Follows the link, asks the server it leads to for the home page, and compares.
pub(crate) async fn verify(data: &DataDir) -> Result<SocketAddr, NotLive> {
    let release = data.current_release();
    let ServerConfig { address, root } = ServerConfig::load(&release.config())?;
    let wanted = tokio::fs::read(root.join("index.html")).await?;
    let page = client::get(address, "").await?;
    if page.status.is_success() && page.body == wanted {
        Ok(address)
    } else {
        Err(NotLive::WrongPage { address })
    }
}
