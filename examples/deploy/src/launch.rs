//! One deployment from its request to its end.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use entracte::prelude::*;
use entracte::{
    Event, RunError, ShutdownError, StartEngineError, StartWorkflowError, WorkflowError,
    WorkflowHandle, WorkflowIdConflictPolicy,
};

use crate::activities::Host;
use crate::args::DeployArgs;
use crate::console;
use crate::contract::{DEPLOY_SITE, DeployRequest, Deployment};
use crate::effects::EffectsLog;
use crate::live::{self, NotLive};
use crate::process::{self, ProcessError};
use crate::release::DataDir;
use crate::request::{self, RequestError};
use crate::server::ServerError;
use crate::timeline;
use crate::workflow::deploy_site;

/// Says why the program did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the directory `{}` cannot be used", path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error("the engine cannot be started")]
    StartEngine(#[from] StartEngineError),
    #[error("the deployment cannot be started")]
    StartWorkflow(#[from] StartWorkflowError),
    #[error(transparent)]
    Deployment(#[from] WorkflowError),
    #[error("the run cannot be looked at")]
    Run(#[from] RunError),
    #[error("the engine cannot be shut down")]
    Shutdown(#[from] ShutdownError),
    #[error("the site is not live")]
    NotLive(#[from] NotLive),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl LaunchError {
    /// 2 for what the user has to correct before anything is done, else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Self::Request(_)) { 2 } else { 1 })
    }
}

/// Carries a request out, or goes on with the deployment that was cut off.
pub(crate) async fn deploy(args: DeployArgs) -> Result<(), LaunchError> {
    let request = request::load(&args.request())?;
    let data = open_data(&args.data)?;
    let engine = Engine::builder(data.engine())
        .workflow(DEPLOY_SITE, deploy_site)
        .activities(Host::new(data.clone(), args.faults()))
        .start()
        .await?;
    let run = open_run(&engine, &data, request).await?;
    let result = run.result().await;
    let history = run.history().await;
    let shutdown = engine.shutdown().await;
    if let Ok(history) = &history {
        print_timeline(&run, history);
    }
    let deployment = result?;
    history?;
    shutdown?;
    announce(&data, &deployment, &args).await
}

fn open_data(path: &Path) -> Result<DataDir, LaunchError> {
    DataDir::open(path).map_err(|source| LaunchError::Data { path: path.to_path_buf(), source })
}

/// Finds the open run of the site, or starts one.
async fn open_run(
    engine: &Engine,
    data: &DataDir,
    request: DeployRequest,
) -> Result<WorkflowHandle<Deployment>, LaunchError> {
    let workflow_id = format!("deploy-{}", request.name);
    match engine.workflow_handle(DEPLOY_SITE, &workflow_id).await {
        Ok(earlier) => {
            let description = earlier.describe().await?;
            if description.status.is_open() {
                let at = description.pending_activities.first();
                let at = at.map(|activity| format!(" at {}", activity.activity_type));
                let run = earlier.run_id();
                console::line(format_args!("resuming run {run}{}", at.unwrap_or_default()));
                return Ok(earlier);
            }
            let path = data.root();
            EffectsLog::new(path)
                .archive(&earlier.run_id().to_string())
                .map_err(|source| LaunchError::Data { path: path.to_path_buf(), source })?;
        }
        Err(RunError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    console::line(format_args!(
        "deploying site `{}` from {}",
        request.name,
        request.site.display()
    ));
    let run = engine
        .start_workflow(DEPLOY_SITE, request)
        .workflow_id(workflow_id)
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .await?;
    Ok(run)
}

fn print_timeline(run: &WorkflowHandle<Deployment>, history: &[Event]) {
    console::line(format_args!("\nhistory of run {}", run.run_id()));
    for line in timeline::lines(history) {
        console::line(line);
    }
    console::line("");
}

/// Shows that the site is live, and takes it down again unless it is to be kept.
async fn announce(
    data: &DataDir,
    deployment: &Deployment,
    args: &DeployArgs,
) -> Result<(), LaunchError> {
    let address = live::verify(data).await?;
    console::line(format_args!(
        "site is live at http://{address}/ ({} files, release {}, server pid {})",
        deployment.files, deployment.release, deployment.server_pid
    ));
    let dir = args.data.display();
    if args.keep {
        // What served an earlier release is out of use now.
        let live = data.release(deployment.release);
        for server in process::servers_under(&data.releases())? {
            if !server.serves(&live) {
                process::stop(&server).await?;
            }
        }
        console::line(format_args!("stop it with: deploy stop --data {dir}"));
    } else {
        stop_servers(data).await?;
        console::line("the server is stopped again; --keep leaves the site up");
    }
    Ok(())
}

/// Stops the servers that deployments left up.
pub(crate) async fn stop(path: &Path) -> Result<(), LaunchError> {
    let data = open_data(path)?;
    match stop_servers(&data).await? {
        0 => console::line("no server is running"),
        count => console::line(format_args!("stopped servers: {count}")),
    }
    Ok(())
}

async fn stop_servers(data: &DataDir) -> Result<usize, LaunchError> {
    let servers = process::servers_under(&data.releases())?;
    for server in &servers {
        process::stop(server).await?;
    }
    Ok(servers.len())
}
