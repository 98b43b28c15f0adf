//! The payment service's ledger: what was charged and paid back, under which keys.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::contract::Payment;

/// An entry of the ledger, a line of JSON in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "lowercase")]
pub(crate) enum Entry {
    /// The card was charged.
    Charged { key: String, order: String, cents: u64, receipt: String },
    /// What was charged was paid back.
    Refunded { key: String, cents: u64 },
    /// A refund came when nothing had been charged: nothing will be under this key.
    Voided { key: String },
}

/// Says why nothing was charged or paid back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("the ledger cannot be written")]
    Io(#[from] io::Error),
    #[error("payment {key} was called off")]
    Voided { key: String },
    #[error("payment {key} is another one: {cents} cents for `{order}`")]
    OtherPayment { key: String, order: String, cents: u64 },
}

/// The ledger, in memory and, if it has one, in its file.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    file: Option<File>,
    entries: Vec<Entry>,
    payments: BTreeMap<String, Standing>,
}

/// What is known of a payment.
#[derive(Debug, Clone)]
enum Standing {
    Charged { order: String, cents: u64, receipt: String, refunded: bool },
    Voided,
}

impl Ledger {
    /// Opens the ledger in a file, or begins one.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // What a power cut has left half-written was answered to nobody.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole.try_into().unwrap_or(u64::MAX))?;
        file.seek(SeekFrom::End(0))?;
        let mut book = Book::default();
        for line in text[..whole].lines() {
            book.note(serde_json::from_str(line)?);
        }
        book.file = Some(file);
        Ok(Self { book: Mutex::new(book) })
    }

    /// Charges the card, once for each key: a repetition gets the same receipt. Tells whether
    /// this was the first time.
    pub(crate) fn charge(&self, payment: &Payment) -> Result<(String, bool), LedgerError> {
        let mut book = self.lock();
        let Payment { key, order, cents } = payment.clone();
        match book.payments.get(&key) {
            Some(Standing::Voided | Standing::Charged { refunded: true, .. }) => {
                Err(LedgerError::Voided { key })
            }
            Some(Standing::Charged { order: charged, cents: amount, receipt, .. }) => {
                if (charged, *amount) == (&order, cents) {
                    return Ok((receipt.clone(), false));
                }
                let (order, cents) = (charged.clone(), *amount);
                Err(LedgerError::OtherPayment { key, order, cents })
            }
            None => {
                let number = book.payments.len() + 1;
                let receipt = format!("receipt-{number}");
                book.write(Entry::Charged { key, order, cents, receipt: receipt.clone() })?;
                Ok((receipt, true))
            }
        }
    }

    /// Pays back what was charged under a key, once. If nothing was, nothing will be: a charge
    /// that is still on its way comes too late.
    pub(crate) fn refund(&self, key: &str) -> Result<u64, LedgerError> {
        let mut book = self.lock();
        let key = key.to_owned();
        match book.payments.get(&key).cloned() {
            Some(Standing::Charged { cents, refunded, .. }) => {
                if !refunded {
                    book.write(Entry::Refunded { key, cents })?;
                }
                Ok(cents)
            }
            Some(Standing::Voided) => Ok(0),
            None => {
                book.write(Entry::Voided { key })?;
                Ok(0)
            }
        }
    }

    /// All entries, in their order.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Writes an entry to the disk, and only then takes note of it.
    fn write(&mut self, entry: Entry) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&entry)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_data()?;
        }
        self.note(entry);
        Ok(())
    }

    fn note(&mut self, entry: Entry) {
        match entry.clone() {
            Entry::Charged { key, order, cents, receipt } => {
                let charged = Standing::Charged { order, cents, receipt, refunded: false };
                self.payments.insert(key, charged);
            }
            Entry::Refunded { key, .. } => {
                if let Some(Standing::Charged { refunded, .. }) = self.payments.get_mut(&key) {
                    *refunded = true;
                }
            }
            Entry::Voided { key } => {
                self.payments.insert(key, Standing::Voided);
            }
        }
        self.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(key: &str, cents: u64) -> Payment {
        Payment { key: key.to_owned(), order: "order-1".to_owned(), cents }
    }

    #[test]
    fn a_key_is_charged_once_and_paid_back_once_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.charge(&payment("a", 5)).unwrap(), ("receipt-1".to_owned(), true));
        drop(ledger);
        // Half a line, as a power cut leaves it.
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"entry\":\"char").unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.charge(&payment("a", 5)).unwrap(), ("receipt-1".to_owned(), false));
        assert_eq!(ledger.charge(&payment("b", 6)).unwrap(), ("receipt-2".to_owned(), true));
        for _ in 0..2 {
            assert_eq!(ledger.refund("a").unwrap(), 5);
        }
        let error = ledger.charge(&payment("a", 5)).unwrap_err();
        assert_eq!(error.to_string(), "payment a was called off");
        let error = ledger.charge(&payment("b", 7)).unwrap_err();
        assert_eq!(error.to_string(), "payment b is another one: 6 cents for `order-1`");
        let entries = ledger.entries();
        assert_eq!(entries.len(), 3, "{entries:?}");
        assert_eq!(Ledger::open(&path).unwrap().entries(), entries);
    }

    #[test]
    fn a_charge_that_comes_behind_its_refund_is_not_made() {
        let ledger = Ledger::default();
        for _ in 0..2 {
            assert_eq!(ledger.refund("a").unwrap(), 0);
        }
        assert!(matches!(ledger.charge(&payment("a", 5)), Err(LedgerError::Voided { .. })));
        assert_eq!(ledger.entries(), [Entry::Voided { key: "a".to_owned() }]);
    }
}
