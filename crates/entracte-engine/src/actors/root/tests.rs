use tokio::time::sleep;

use super::*;
use crate::Engine;

/// Stands for an organ; a message lets it panic.
struct Organ;

impl Actor for Organ {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<()>,
        (): (),
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        // A panic of which the hook is not told, to keep the output short.
        std::panic::resume_unwind(Box::new("the organ fails on purpose"))
    }
}

/// How an organ ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    Failed,
    /// Not at all.
    Never,
}

/// A root that hears who its organs are when these have come to their ends.
struct Rig {
    shared: Arc<Shared>,
    root: ActorRef<Envelope<RootMessage>>,
    ended: tokio::task::JoinHandle<()>,
    journal: ActorId,
}

impl Rig {
    async fn new(journal: End, directory: End) -> Self {
        let (shared, _) = Engine::in_memory().open().await.unwrap();
        let handle = JournalHandle::new(Arc::clone(&shared));
        let arguments = RootArguments { shared: Arc::clone(&shared), journal: handle };
        let (root, ended) = Actor::spawn(None, Root, arguments).await.unwrap();
        let mut organs = Vec::new();
        for end in [journal, directory] {
            let (organ, _) = Actor::spawn_linked(None, Organ, (), root.get_cell()).await.unwrap();
            match end {
                End::Killed => organ.kill(),
                End::Failed => organ.cast(()).unwrap(),
                End::Never => {}
            }
            if end != End::Never {
                // The root is told of it before.
                organ.wait(None).await.unwrap();
            }
            organs.push(organ.get_id());
        }
        // The root has taken up what it was told.
        sleep(std::time::Duration::from_secs(1)).await;
        let message = RootMessage::Organs { journal: organs[0], directory: organs[1] };
        Address::new(root.clone(), Mailbox::default()).cast(message).unwrap();
        sleep(std::time::Duration::from_secs(1)).await;
        Self { shared, root, ended, journal: organs[0] }
    }

    /// Checks that the engine has stopped, because an organ has ended.
    async fn assert_stopped(self, organ: &str) {
        let reason = self.shared.health.poisoned().map(str::to_owned);
        assert_eq!(reason, Some(format!("its {organ} actor has ended")));
        self.ended.await.unwrap();
    }

    /// The journal's actor, if another one was made.
    fn next_journal(&self) -> Option<ActorId> {
        let line = self.shared.live.lines().journal?;
        assert_ne!(line.cell.get_id(), self.journal);
        Some(line.cell.get_id())
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_has_ended_before_the_root_knows_it_stops_the_engine() {
    for end in [End::Killed, End::Failed] {
        let rig = Rig::new(End::Never, end).await;
        rig.assert_stopped("directory").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_was_killed_before_the_root_knew_it_is_made_again() {
    let rig = Rig::new(End::Killed, End::Never).await;
    let next = rig.next_journal().unwrap();
    assert_eq!(rig.shared.health.poisoned(), None);
    assert!(rig.root.get_children().iter().any(|child| child.get_id() == next));
    rig.root.stop(None);
    rig.ended.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_has_failed_before_the_root_knew_it_stops_the_engine() {
    let rig = Rig::new(End::Failed, End::Never).await;
    assert_eq!(rig.next_journal(), None);
    rig.assert_stopped("journal").await;
}

#[tokio::test(start_paused = true)]
async fn both_may_have_ended_early() {
    let rig = Rig::new(End::Killed, End::Killed).await;
    rig.assert_stopped("directory").await;
}

#[tokio::test(start_paused = true)]
async fn organs_that_live_are_only_noted() {
    let rig = Rig::new(End::Never, End::Never).await;
    assert_eq!((rig.next_journal(), rig.shared.health.poisoned()), (None, None));
    assert_eq!(rig.root.get_children().len(), 2);
    rig.root.stop(None);
    rig.ended.await.unwrap();
}
