//! One copy from its request to its end.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use entracte::prelude::*;
use entracte::{RunError, ShutdownError, StartEngineError, StartWorkflowError};

use crate::activities::Copier;
use crate::args::Args;
use crate::console;
use crate::contract::{COPY_FILE, Copied, CopyRequest, REQUEST};
use crate::digest;
use crate::faults::Faults;
use crate::sample;
use crate::screen::Screen;
use crate::watch;
use crate::workflow::copy_file;

/// Says why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("the directory `{}` cannot be used", path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error("the path `{}` cannot be used", path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error("the path {path:?} is not UTF-8")]
    NotText { path: PathBuf },
    #[error("`{}` names no file", path.display())]
    NoName { path: PathBuf },
    #[error("the file to copy cannot be made")]
    Sample(#[source] io::Error),
    #[error("the engine cannot be started")]
    StartEngine(#[from] StartEngineError),
    #[error("the copy cannot be started")]
    StartWorkflow(#[from] StartWorkflowError),
    #[error(
        "a copy of `{}` to `{}` has been begun: finish it with that source, or give it up with \
         --cancel", source_path.display(), target.display()
    )]
    OtherSource { source_path: PathBuf, target: PathBuf },
    #[error("no copy to `{}` has been begun", target.display())]
    NothingToCancel { target: PathBuf },
    #[error(transparent)]
    Copy(#[from] WorkflowError),
    #[error("the run cannot be looked at")]
    Run(#[from] RunError),
    #[error("the run cannot be asked what it copies")]
    Query(#[from] QueryError),
    #[error("the signals of the system cannot be waited for")]
    Signals(#[source] io::Error),
    #[error("the engine cannot be shut down")]
    Shutdown(#[from] ShutdownError),
    #[error("stopped at {bytes} bytes; the same command goes on from there")]
    Interrupted { bytes: u64 },
}

impl LaunchError {
    /// 130 when it was interrupted, as shells have it, else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Self::Interrupted { .. }) { 130 } else { 1 })
    }
}

/// Copies, or goes on with the copy that was cut off.
pub(crate) async fn copy(args: Args) -> Result<(), LaunchError> {
    let data = absolute(&args.data)?;
    std::fs::create_dir_all(&data)
        .map_err(|source| LaunchError::Data { path: data.clone(), source })?;
    let request = request(&args, &data)?;
    let screen = Arc::new(Screen::new());
    let engine = Engine::builder(data.join("engine"))
        .workflow(COPY_FILE, copy_file)
        .activities(Copier {
            screen: Arc::clone(&screen),
            chunk_bytes: args.chunk,
            speed: args.speed.as_u64().try_into().ok(),
            faults: Faults::new(args.full_at.map(|full_at| full_at.as_u64())),
        })
        .start()
        .await?;
    let result = if args.cancel {
        cancel(&engine, &request.target).await
    } else {
        drive(&engine, request, &screen).await
    };
    screen.clear();
    if matches!(result, Err(LaunchError::Interrupted { .. })) {
        return result;
    }
    // An error of the copy is more telling than one of the shutdown that follows it.
    let shutdown = engine.shutdown().await;
    result?;
    Ok(shutdown?)
}

/// What is to be copied; makes the source if none is named.
fn request(args: &Args, data: &Path) -> Result<CopyRequest, LaunchError> {
    let source = match &args.source {
        Some(source) => absolute(source)?,
        None => data.join("original"),
    };
    let target = match (&args.target, &args.source) {
        (Some(target), _) => absolute(target)?,
        (None, Some(source)) => match source.file_name() {
            Some(name) => data.join(name),
            None => return Err(LaunchError::NoName { path: source.clone() }),
        },
        (None, None) => data.join("copy"),
    };
    if args.source.is_none() && !args.cancel {
        let bytes = args.size.as_u64();
        if sample::make(&source, bytes).map_err(LaunchError::Sample)? {
            console::line(format_args!("made a file of {bytes} bytes: {}", source.display()));
        }
    }
    Ok(CopyRequest {
        source,
        target,
        replace: args.replace,
        heartbeat_timeout: args.heartbeat_timeout,
    })
}

/// An absolute path that can be journaled: the run may go on from another working directory.
fn absolute(path: &Path) -> Result<PathBuf, LaunchError> {
    let absolute = std::path::absolute(path)
        .map_err(|source| LaunchError::Path { path: path.to_path_buf(), source })?;
    match absolute.to_str() {
        Some(_) => Ok(absolute),
        None => Err(LaunchError::NotText { path: absolute }),
    }
}

/// The id of the one copy that can be under way to a target.
fn workflow_id(target: &Path) -> String {
    // A path may be longer than an id.
    format!("copy-{:.32}", digest::sha256_of_text(&target.to_string_lossy()))
}

/// Finds the open run of the target.
async fn open_run(
    engine: &Engine,
    target: &Path,
) -> Result<Option<WorkflowHandle<Copied>>, LaunchError> {
    match engine.workflow_handle(COPY_FILE, workflow_id(target)).await {
        Ok(run) => Ok(run.describe().await?.status.is_open().then_some(run)),
        Err(RunError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn find_or_start(
    engine: &Engine,
    request: CopyRequest,
) -> Result<WorkflowHandle<Copied>, LaunchError> {
    let CopyRequest { source, target, .. } = &request;
    let (from, to) = (source.display(), target.display());
    if let Some(run) = open_run(engine, target).await? {
        let begun = run.query(REQUEST).await?;
        if begun.source != *source {
            return Err(LaunchError::OtherSource {
                source_path: begun.source,
                target: begun.target,
            });
        }
        console::line(format_args!("taking up the copy of {from} to {to}, run {}", run.run_id()));
        return Ok(run);
    }
    console::line(format_args!("copying {from} to {to}"));
    let id = workflow_id(target);
    Ok(engine.start_workflow(COPY_FILE, request).workflow_id(id).await?)
}

async fn drive(
    engine: &Engine,
    request: CopyRequest,
    screen: &Arc<Screen>,
) -> Result<(), LaunchError> {
    let run = find_or_start(engine, request).await?;
    let watched = async {
        let (copied, watched) = tokio::join!(run.result(), watch::stored_heartbeats(&run, screen));
        let copied = copied?;
        watched?;
        Ok::<_, LaunchError>(copied)
    };
    let copied = tokio::select! {
        biased;
        copied = watched => copied?,
        asked = watch::interrupted() => {
            asked.map_err(LaunchError::Signals)?;
            screen.line("stopping");
            // The attempt is told, notes how far it has come, and ends. Whoever asks again does
            // not want to wait for that, and need not: the copy goes on as after a kill.
            tokio::select! {
                biased;
                stopped = engine.shutdown() => stopped?,
                _ = watch::interrupted() => {}
            }
            return Err(LaunchError::Interrupted { bytes: screen.copied_so_far() });
        }
    };
    screen.clear();
    console::line(format_args!("copied {} bytes, SHA-256 {}", copied.bytes, copied.sha256));
    Ok(())
}

/// Gives up the copy to a target.
async fn cancel(engine: &Engine, target: &Path) -> Result<(), LaunchError> {
    let Some(run) = open_run(engine, target).await? else {
        return Err(LaunchError::NothingToCancel { target: target.to_path_buf() });
    };
    run.cancel("the user gave the copy up").await?;
    match run.result().await {
        Err(WorkflowError::Canceled { .. }) => {
            console::line(format_args!("gave up the copy to {}", target.display()));
            Ok(())
        }
        // It had come to its end before it was asked.
        Ok(copied) => {
            console::line(format_args!("copied {} bytes, SHA-256 {}", copied.bytes, copied.sha256));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
