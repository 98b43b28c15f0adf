//! Health check: real requests to the server.

use std::sync::Arc;

use entracte::prelude::*;
use hyper::StatusCode;

use super::Host;
use crate::client;
use crate::contract::HealthCheck;
use crate::files;

impl Host {
    pub(super) async fn health_check(
        self: Arc<Self>,
        ctx: ActivityContext,
        HealthCheck { address, manifest }: HealthCheck,
    ) -> ActivityResult<()> {
        self.attempt(&ctx, async {
            for (path, file) in &manifest.files {
                let page = client::get(address, path).await?;
                if page.status != StatusCode::OK {
                    let message = format!("`/{path}` answers {}", page.status);
                    return Err(Failure::application("WrongStatus", message));
                }
                let sha256 = files::sha256(&page.body);
                if sha256 != file.sha256 {
                    let message = format!(
                        "`/{path}` has the checksum {sha256} and not {} as provisioned",
                        file.sha256
                    );
                    return Err(Failure::non_retryable("WrongContent", message));
                }
            }
            Ok(((), format!("{} files are served as provisioned", manifest.files.len())))
        })
        .await
    }
}
