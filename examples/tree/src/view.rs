//! The terminal view: draws the tree again and again, and does what the keys say.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use entracte::prelude::*;
use entracte::{ActorKind, RunError, actor};
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use tokio::time::MissedTickBehavior;

use crate::args::Args;
use crate::keys::{Action, action};
use crate::rows::{Row, rows};
use crate::screen::Screen;
use crate::season::SEASON;
use crate::stage::{Stage, StageError};
use crate::waits;

/// How often the tree is looked at.
const REFRESH: Duration = Duration::from_millis(100);

/// Says why the view ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError {
    #[error("the terminal cannot be used")]
    Terminal(#[from] io::Error),
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// The terminal in its raw mode; it is restored when this is dropped, also by a panic.
struct Raw(DefaultTerminal);

impl Raw {
    fn new() -> io::Result<Self> {
        // Its panic hook restores the terminal before the message is printed.
        Ok(Self(ratatui::try_init()?))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

struct View {
    stage: Stage,
    screen: Screen,
    is_over: bool,
    panics: bool,
}

/// Shows the tree until somebody quits.
pub(crate) async fn show(args: &Args) -> Result<(), ViewError> {
    let stage = Stage::open(args).await?;
    let mut view = View { stage, screen: Screen::default(), is_over: false, panics: args.panics };
    let mut terminal = Raw::new()?;
    let mut keys = EventStream::new();
    let mut ticks = tokio::time::interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            biased;
            event = keys.next() => Some(event),
            _ = ticks.tick() => None,
        };
        match event {
            Some(Some(Ok(Event::Key(key)))) => match action(key) {
                Some(Action::Quit) => break,
                Some(action) => view.act(action).await?,
                None => {}
            },
            // Another size, for one: everything is drawn again.
            Some(Some(Ok(_))) | None => {}
            Some(Some(Err(error))) => return Err(error.into()),
            // The keyboard is gone.
            Some(None) => break,
        }
        view.refresh().await;
        terminal.0.draw(|frame| view.screen.draw(frame))?;
    }
    drop(terminal);
    view.stage.engine.shutdown().await.map_err(StageError::from)?;
    Ok(())
}

impl View {
    /// Looks at the engine again.
    async fn refresh(&mut self) {
        let Ok(tree) = self.stage.engine.tree().await else { return };
        self.screen.show(rows(&tree));
        let run = self.screen.selected().and_then(|row| row.run.clone());
        let waits = match run {
            None => vec!["select a run".to_owned()],
            Some(id) => match self.describe(&id).await {
                Ok(description) => waits::lines(&description, tree.time),
                Err(error) => vec![error.to_string()],
            },
        };
        self.screen.set_waits(waits);
        self.tell_the_end().await;
    }

    async fn describe(&self, id: &WorkflowId) -> Result<entracte::WorkflowDescription, RunError> {
        self.stage.engine.workflow_handle(SEASON, id.as_str()).await?.describe().await
    }

    async fn tell_the_end(&mut self) {
        let season = &self.stage.season;
        let is_closed = matches!(season.describe().await, Ok(run) if !run.status.is_open());
        if self.is_over || !is_closed {
            return;
        }
        self.is_over = true;
        self.screen.say(match season.result().await {
            Ok(acts) => format!("the season is over: {acts} acts were performed"),
            Err(error) => format!("the season is over: {error}"),
        });
    }

    async fn act(&mut self, action: Action) -> Result<(), StageError> {
        match action {
            Action::Go(by) => self.screen.go(by),
            Action::Cancel => self.cancel().await,
            Action::Kill => self.kill(),
            Action::Restart => {
                self.stage.restart().await?;
                self.screen.say("the engine was shut down and started again");
            }
            Action::Crash => {
                self.stage.crash().await?;
                self.screen.say("the engine was killed, and a new one goes on");
            }
            Action::Panic if self.panics => panic!("somebody pressed the key for it"),
            Action::Panic | Action::Quit => {}
        }
        Ok(())
    }

    async fn cancel(&mut self) {
        let Some(Row { run: Some(id), .. }) = self.screen.selected() else {
            return self.screen.say("only a run can be cancelled");
        };
        let id = id.clone();
        let cancelled = async {
            let run = self.stage.engine.workflow_handle(SEASON, id.as_str()).await?;
            run.cancel("somebody pressed the key for it").await
        };
        let message = match cancelled.await {
            Ok(()) => format!("{id} was asked to cancel"),
            Err(error) => error.to_string(),
        };
        self.screen.say(message);
    }

    fn kill(&mut self) {
        let Some(Row { node: Some(node), text, .. }) = self.screen.selected() else { return };
        let message = match node.kind {
            ActorKind::Engine { .. } | ActorKind::Directory => {
                "that ends the engine: press k".to_owned()
            }
            ActorKind::Attempt { .. } => format!("killed {text}: the attempt counts as lost"),
            _ => format!("killed {text}: another actor takes its place"),
        };
        if message.starts_with("killed") {
            actor::cell(node).kill();
        }
        self.screen.say(message);
    }
}
