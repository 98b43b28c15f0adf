//! What happens beside a copy: the engine is asked what it has stored, and the user may stop it.

use std::sync::Arc;
use std::time::Duration;

use entracte::{RunError, WorkflowHandle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::contract::{COPY, Copied};
use crate::screen::Screen;

/// How often the engine is asked.
const INTERVAL: Duration = Duration::from_millis(100);

/// Tells the screen what of the progress is stored, for as long as the run is open.
pub(crate) async fn stored_heartbeats(
    run: &WorkflowHandle<Copied>,
    screen: &Arc<Screen>,
) -> Result<(), RunError> {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let description = run.describe().await?;
        if !description.status.is_open() {
            return Ok(());
        }
        let pending = description.pending_activities.iter();
        let details = pending
            .filter(|activity| activity.activity_type == COPY.name())
            .find_map(|activity| activity.heartbeat_details.as_ref());
        if let Some(Ok(bytes)) = details.map(entracte::Payload::decode) {
            screen.stored(bytes);
        }
    }
}

/// Waits until the user, or the system, asks the program to stop.
pub(crate) async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        asked = tokio::signal::ctrl_c() => asked,
        _ = terminate.recv() => Ok(()),
    }
}
