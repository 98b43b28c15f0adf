//! The workflow: plain decisions, every effect in an activity.

use entracte::prelude::*;

use crate::contract::{
    CONFIGURE, Configure, DEPLOY, DeployRequest, Deployment, HEALTH_CHECK, HealthCheck, PROVISION,
    Provision, SWITCH, UNDO_CONFIGURE, UNDO_DEPLOY, UNDO_PROVISION, UNDO_SWITCH,
};
use crate::release::ReleaseId;

/// Brings a site live, or leaves nothing of it behind.
pub(crate) async fn deploy_site(
    ctx: WorkflowContext,
    request: DeployRequest,
) -> WorkflowResult<Deployment> {
    let release = ReleaseId::of(ctx.run_id());
    // Each undo is registered before its step: a step of which nobody knows how far it came is
    // undone too.
    ctx.saga(async |saga| {
        saga.undo(ctx.activity(UNDO_PROVISION, release));
        let manifest = ctx
            .activity(PROVISION, Provision { release, site: request.site.clone() })
            .await
            .with_context(|| format!("provision release {release}"))?;
        let files = manifest.files.len();

        saga.undo(ctx.activity(UNDO_CONFIGURE, release));
        let address = ctx
            .activity(CONFIGURE, Configure { release, host: request.host })
            .await
            .with_context(|| format!("configure the server of release {release}"))?;

        saga.undo(ctx.activity(UNDO_DEPLOY, release));
        let server_pid = ctx
            .activity(DEPLOY, release)
            .await
            .with_context(|| format!("start the server of release {release} on {address}"))?;

        ctx.activity(HEALTH_CHECK, HealthCheck { address, manifest })
            .await
            .with_context(|| format!("check the server of release {release} on {address}"))?;

        saga.undo(ctx.activity(UNDO_SWITCH, release));
        ctx.activity(SWITCH, release)
            .await
            .with_context(|| format!("switch traffic to release {release}"))?;
        Ok(Deployment { release, address, server_pid, files })
    })
    .await
    .with_context(|| format!("deploy site `{}` to {}", request.name, request.host))
}
