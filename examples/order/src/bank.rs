//! The payment service: its ledger, and what goes wrong at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::contract::Payment;
use crate::ledger::{Ledger, LedgerError};

/// What goes wrong at the payment service.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Whether cards are declined.
    pub(crate) decline: bool,
    /// How many more charges are made and not answered.
    pub(crate) silent: AtomicU32,
    /// How many more requests are turned away.
    pub(crate) busy: AtomicU32,
    /// Whether the process aborts when a card has been charged.
    pub(crate) crash_after_charge: bool,
}

/// What the payment service answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Charged {
        receipt: String,
    },
    Refunded {
        cents: u64,
    },
    Declined {
        reason: String,
    },
    /// The request cannot be carried out, now or later.
    Refused {
        reason: String,
    },
    /// The request can be made again.
    Busy {
        reason: String,
    },
    /// None at all.
    Silence,
}

/// The payment service.
#[derive(Clone)]
pub(crate) struct Bank {
    ledger: Arc<Ledger>,
    trouble: Arc<Trouble>,
    tell: Arc<dyn Fn(String) + Send + Sync>,
}

impl Bank {
    /// Opens the service; it tells what it does.
    pub(crate) fn new(
        ledger: Arc<Ledger>,
        trouble: Trouble,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> Self {
        Self { ledger, trouble: Arc::new(trouble), tell: Arc::new(tell) }
    }

    /// Charges a card.
    pub(crate) fn charge(&self, payment: &Payment) -> Answer {
        if take_one(&self.trouble.busy) {
            return self.busy();
        }
        if self.trouble.decline {
            (self.tell)(format!("declined {} cents", payment.cents));
            return Answer::Declined { reason: "the card has no funds".to_owned() };
        }
        let receipt = match self.ledger.charge(payment) {
            Ok((receipt, true)) => {
                (self.tell)(format!("charged {} cents, {receipt}", payment.cents));
                receipt
            }
            Ok((receipt, false)) => {
                (self.tell)(format!("knows this payment already: {receipt}"));
                receipt
            }
            Err(error) => return refused(error),
        };
        if self.trouble.crash_after_charge {
            (self.tell)("the process aborts here".to_owned());
            std::process::abort();
        }
        if take_one(&self.trouble.silent) {
            (self.tell)("does not answer".to_owned());
            return Answer::Silence;
        }
        Answer::Charged { receipt }
    }

    /// Pays back what was charged.
    pub(crate) fn refund(&self, payment: &Payment) -> Answer {
        if take_one(&self.trouble.busy) {
            return self.busy();
        }
        match self.ledger.refund(&payment.key) {
            Ok(0) => {
                (self.tell)("has nothing to pay back".to_owned());
                Answer::Refunded { cents: 0 }
            }
            Ok(cents) => {
                (self.tell)(format!("paid {cents} cents back"));
                Answer::Refunded { cents }
            }
            Err(error) => refused(error),
        }
    }

    fn busy(&self) -> Answer {
        (self.tell)("is busy".to_owned());
        Answer::Busy { reason: "the payment service is busy".to_owned() }
    }
}

fn refused(error: LedgerError) -> Answer {
    let reason = error.to_string();
    match error {
        LedgerError::Io(_) => Answer::Busy { reason },
        LedgerError::Voided { .. } | LedgerError::OtherPayment { .. } => Answer::Refused { reason },
    }
}

/// Whether there was one left.
fn take_one(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
