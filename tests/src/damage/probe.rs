//! The process that opens damaged stores, and may die of it.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;

use entracte::store::fjall::inspect;
use entracte::store::{Batch, FjallOptions, FjallStore, Persist, Space, Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use super::Trouble;
use super::content::{Content, ReadError, read};

/// What an opening of a store came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// It was refused with an error.
    Refused {
        /// The name of the error.
        name: String,
        /// What it says.
        text: String,
    },
    /// It was opened, and a row could not be read.
    Unreadable {
        /// The name of the error.
        name: String,
        /// What it says.
        text: String,
    },
    /// It was opened and read, and gave two answers to the same question.
    Differs(String),
    /// It was opened, read and closed.
    Read {
        /// What was in it.
        content: Content,
        /// What closing it said, if it failed.
        close: Option<String>,
    },
    /// A panic came out of it.
    Panicked(String),
}

/// What two openings of a store came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// What stands in the way of an opening by a look that changes nothing; none if it could
    /// not look.
    pub inspected: Option<Vec<String>>,
    /// The first opening.
    pub first: Found,
    /// The second one.
    pub second: Found,
    /// The third one, after a commit with the [extra row](EXTRA_ROW) in the second one; none if
    /// the first two did not come so far.
    pub third: Option<Found>,
    /// Panics of threads of the store's own.
    pub panics: Vec<String>,
    /// The most memory that the process had at any moment, in bytes.
    pub memory_bytes: u64,
}

/// What is written into a store that could be read, to see whether that is there at the next
/// opening.
pub const EXTRA_ROW: (Space, &[u8], &[u8]) = (Space::State, b"zz-extra", b"one commit more");

/// A request that lets the process misbehave, to see whether that is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfTest {
    /// Never answers.
    Hang,
    /// Ends at once.
    Abort,
    /// Panics on a thread of its own, then answers.
    Panic,
    /// Takes more memory than there is for it.
    Memory,
}

impl SelfTest {
    /// All of them, with the lines that ask for them.
    pub(super) const LINES: [(Self, &'static str); 4] = [
        (Self::Hang, "!hang"),
        (Self::Abort, "!abort"),
        (Self::Panic, "!panic"),
        (Self::Memory, "!memory"),
    ];
}

type Panics = Arc<Mutex<Vec<(ThreadId, String)>>>;

/// Opens the stores whose directories it reads from its standard input, one a line, and
/// answers each with a line of JSON.
///
/// # Errors
/// If it cannot read its input or write its answers.
pub fn serve() -> Result<(), Trouble> {
    let panics = Panics::default();
    let seen = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |info| {
        let text = info.to_string().replace('\n', " ");
        eprintln!("{text}");
        let panic = (std::thread::current().id(), text);
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(panic);
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let inspected = inspect(Path::new(&line)).ok().map(|found| found.damage);
        let test = SelfTest::LINES.iter().find(|(_, request)| *request == line);
        let probed = probe(&panics, |is_written_to| match test {
            Some((test, _)) => misbehave(*test),
            None => open(Path::new(&line), &runtime, is_written_to),
        });
        let probed = Probed { inspected, ..probed };
        let mut output = std::io::stdout().lock();
        serde_json::to_writer(&mut output, &probed)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn misbehave(test: SelfTest) -> Found {
    match test {
        SelfTest::Hang => loop {
            std::thread::park();
        },
        SelfTest::Abort => std::process::abort(),
        SelfTest::Panic => drop(std::thread::spawn(|| panic!("as asked for")).join()),
        SelfTest::Memory => {
            let mut taken = Vec::new();
            while taken.len() < 1 << 16 {
                taken.push(vec![1_u8; 1 << 20]);
            }
        }
    }
    Found::Refused { name: "SelfTest".to_owned(), text: "as asked for".to_owned() }
}

fn probe(panics: &Panics, open: impl Fn(bool) -> Found) -> Probed {
    panics.lock().unwrap_or_else(PoisonError::into_inner).clear();
    // Lets the system forget the peak of earlier requests.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let open = |is_written_to| {
        let found = catch_unwind(AssertUnwindSafe(|| open(is_written_to)));
        found.unwrap_or_else(|_| Found::Panicked(last_panic(panics)))
    };
    let first = open(false);
    let can_be_read = matches!(first, Found::Read { .. });
    let second = open(can_be_read);
    let third = can_be_read.then(|| open(false));
    let here = std::thread::current().id();
    let panics = std::mem::take(&mut *panics.lock().unwrap_or_else(PoisonError::into_inner));
    // What panicked on this thread has come out of the store as an error, or as a panic.
    let elsewhere = panics.into_iter().filter(|(thread, _)| *thread != here);
    let panics = elsewhere.map(|(_, text)| text).collect();
    Probed { inspected: None, first, second, third, panics, memory_bytes: memory_peak_bytes() }
}

fn last_panic(panics: &Panics) -> String {
    let panics = panics.lock().unwrap_or_else(PoisonError::into_inner);
    panics.last().map_or_else(String::new, |(_, text)| text.clone())
}

fn open(directory: &Path, runtime: &Runtime, is_written_to: bool) -> Found {
    let store = match FjallStore::open_blocking(directory, &FjallOptions::default()) {
        Ok(store) => store,
        Err(error) => return Found::Refused { name: name(&error), text: error.to_string() },
    };
    let content = read(&store);
    let mut batch = Batch::new();
    let (space, key, value) = EXTRA_ROW;
    batch.put(space, key, value);
    let commit = || runtime.block_on(async { store.commit(batch, Persist::Sync).await });
    let commit = if is_written_to && content.is_ok() { commit() } else { Ok(()) };
    let close =
        runtime.block_on(async { store.close().await }).err().map(|error| error.to_string());
    match content {
        Ok(_) if commit.is_err() => {
            let text = commit.err().map(|error| error.to_string()).unwrap_or_default();
            Found::Unreadable { name: "Commit".to_owned(), text }
        }
        Ok(content) => Found::Read { content, close },
        Err(ReadError::Store(error)) => {
            Found::Unreadable { name: name(&error), text: error.to_string() }
        }
        Err(ReadError::Differs(text)) => Found::Differs(text),
    }
}

/// The name of an error: of its variant.
fn name(error: &StoreError) -> String {
    let text = format!("{error:?}");
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(text.len());
    let name = &text[..end];
    if error.to_string().contains("panicked") { format!("{name} (a panic)") } else { name.into() }
}

fn memory_peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
