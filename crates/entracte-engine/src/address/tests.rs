use ractor::{Actor, ActorProcessingErr};
use tokio::sync::{Semaphore, mpsc};

use super::*;

/// Takes one message up for each permit, and tells which.
struct Reader {
    gate: Arc<Semaphore>,
    taken_up: mpsc::UnboundedSender<u32>,
}

impl Actor for Reader {
    type Msg = Envelope<u32>;
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Envelope<u32>>,
        (): (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<Envelope<u32>>,
        envelope: Envelope<u32>,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        self.taken_up.send(envelope.open())?;
        self.gate.acquire().await?.forget();
        Ok(())
    }
}

async fn reader() -> (Address<u32>, Arc<Semaphore>, mpsc::UnboundedReceiver<u32>) {
    let gate = Arc::new(Semaphore::new(0));
    let (taken_up, taken) = mpsc::unbounded_channel();
    let reader = Reader { gate: Arc::clone(&gate), taken_up };
    let (actor, _) = Actor::spawn(None, reader, ()).await.unwrap();
    (Address::new(actor, Mailbox::default()), gate, taken)
}

#[tokio::test(start_paused = true)]
async fn messages_are_counted_until_they_are_taken_up() {
    let (address, gate, mut taken) = reader().await;
    let unread = || address.mailbox().unread();
    assert_eq!(unread(), 0);
    for message in 0..4 {
        address.clone().cast(message).unwrap();
    }
    // Nobody had time to take any up; then one is at work on, and does not stand there any more.
    assert_eq!(unread(), 4);
    for message in 0..4 {
        assert_eq!(taken.recv().await, Some(message));
        assert_eq!(unread(), 3 - message as usize);
        gate.add_permits(1);
    }
    assert_eq!(unread(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_later_is_counted_when_it_is_sent() {
    let (address, _gate, mut taken) = reader().await;
    address.cast(1).unwrap();
    assert_eq!(taken.recv().await, Some(1));
    let minute = Duration::from_secs(60);
    let later = address.send_after(minute, || 2);
    let never = address.send_after(minute, || 3);
    tokio::time::sleep(minute / 2).await;
    never.abort();
    assert_eq!(address.mailbox().unread(), 0);
    tokio::time::sleep(minute).await;
    assert!(later.is_finished());
    assert_eq!(address.mailbox().unread(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_actor_has_not_taken_up_vanishes_with_it_and_a_failed_send_is_not_counted() {
    let (address, _gate, mut taken) = reader().await;
    for message in 0..4 {
        address.cast(message).unwrap();
    }
    assert_eq!(taken.recv().await, Some(0));
    assert_eq!(address.mailbox().unread(), 3);
    address.get_cell().kill_and_wait(None).await.unwrap();
    // The actor is told to have ended before its task lets go of the mailbox.
    assert_eq!(taken.recv().await, None);
    tokio::task::yield_now().await;
    assert_eq!(address.mailbox().unread(), 0);
    assert_eq!(address.cast(5), Err(ActorEnded));
    assert_eq!(address.mailbox().unread(), 0);
}

#[test]
fn an_envelope_that_is_dropped_is_not_counted_any_more() {
    let mailbox = Mailbox::default();
    let of_address = mailbox.clone();
    let (first, second) = (mailbox.envelope("first"), of_address.envelope("second"));
    assert_eq!((mailbox.unread(), of_address.unread()), (2, 2));
    drop(first);
    assert_eq!(mailbox.unread(), 1);
    assert_eq!(second.open(), "second");
    assert_eq!(mailbox.unread(), 0);
    // Threads that come and go leave nothing behind.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|number| drop(mailbox.envelope(number))));
        }
    });
    assert_eq!(mailbox.unread(), 0);
}
