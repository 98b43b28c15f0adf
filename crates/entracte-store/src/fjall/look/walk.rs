//! What the numbers of the commits tell, from the oldest journal file to the newest.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::super::layout::JOURNAL_DIRECTORY;
use super::super::numbers::Tail;
use super::Cut;
use super::batch::{Commit, Fault};
use super::journals::{Piece, Pieces};
use crate::error::StoreError;

/// How many places of damage are told, at most.
const PLACES_MAX: usize = 100;

/// What a look has found.
#[derive(Debug)]
pub(in super::super) struct Findings {
    /// What the tail's file says.
    pub(in super::super) tail: Tail,
    /// Every commit up to this number is in the tables.
    pub(in super::super) in_tables: u64,
    /// How long the journal files are, without the free parts at their ends, in bytes.
    pub(in super::super) journal_bytes: u64,
    /// How much of that is commits that are not in the tables of all spaces, in bytes.
    pub(in super::super) beyond_tables_bytes: u64,
    /// The numbers of the commits in the journal files, up to the first one that is missing.
    pub(in super::super) in_journals: Option<RangeInclusive<u64>>,
    /// The last commit before which nothing is missing.
    pub(in super::super) last: u64,
    /// The highest number that is known to be synced, whoever says so.
    pub(in super::super) synced: u64,
    /// The places where something else stands than the next commit.
    pub(in super::super) places: Vec<Place>,
    /// Where files are to be cut off before they are opened: nothing behind was known to be
    /// synced, unless the opening is refused.
    pub(in super::super) cuts: Vec<Cut>,
    /// Why the store must not be opened, if it must not: something is missing that was known
    /// to be synced.
    pub(in super::super) refusal: Option<StoreError>,
}

/// A place in a journal file where something else stands than the next commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Place {
    pub(in super::super) path: PathBuf,
    pub(in super::super) offset: u64,
    pub(in super::super) reason: String,
}

/// Counts commits.
#[derive(Debug)]
pub(super) struct Walk {
    tail: Tail,
    in_tables: u64,
    partly_in_tables: u64,
    journal_bytes: u64,
    beyond_tables_bytes: u64,
    first: Option<u64>,
    /// The number and the sequence number of the last commit before anything was missing.
    last: Option<(u64, u64)>,
    synced: u64,
    /// The highest number of a complete commit.
    highest: u64,
    /// The last file that was read.
    file: Option<PathBuf>,
    /// Something at the end of a file, which does not matter if the next file goes on.
    torn: Option<(Place, Fault)>,
    /// The first place that breaks the row of commits.
    broken: Option<Broken>,
    /// Where files would have to be cut off: in each, where it stops being in order.
    cuts: Vec<Cut>,
    places: Vec<Place>,
}

/// Where the row of commits breaks off.
#[derive(Debug)]
struct Broken {
    place: Place,
    /// The next complete commit.
    next: Option<u64>,
}

impl Walk {
    /// Begins, knowing what the tail's file and the tables say: all commits up to `in_tables`
    /// are there, and parts of commits up to `partly_in_tables`. A table is only written once
    /// the journal is synced up to what it holds.
    pub(super) fn new(tail: Tail, in_tables: u64, partly_in_tables: u64) -> Self {
        Self {
            tail,
            in_tables,
            partly_in_tables,
            journal_bytes: 0,
            beyond_tables_bytes: 0,
            first: None,
            last: None,
            synced: tail.synced.max(partly_in_tables),
            highest: 0,
            file: None,
            torn: None,
            broken: None,
            cuts: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Reads through a file that is newer than those before it.
    pub(super) fn file(&mut self, path: &Path, bytes: &[u8]) {
        let is_later_file = self.file.replace(path.to_path_buf()).is_some();
        self.journal_bytes += bytes.len() as u64;
        if is_later_file {
            // A journal is synced before the next one is begun.
            self.synced = self.synced.max(self.highest);
        }
        for (offset, piece) in Pieces::new(bytes, self.tail.store_id, self.highest) {
            let place = |reason| Place { path: path.to_path_buf(), offset: offset as u64, reason };
            match piece {
                Piece::Commit(commit) => {
                    if is_later_file && offset == 0 {
                        self.synced = self.synced.max(commit.row.number - 1);
                    }
                    if commit.row.number > self.in_tables {
                        self.beyond_tables_bytes += (commit.end - offset) as u64;
                    }
                    self.commit(commit, place);
                }
                Piece::Garbage(fault) => self.garbage(place(fault.to_string()), fault),
            }
        }
    }

    fn commit(&mut self, commit: Commit, place: impl FnOnce(String) -> Place) {
        let number = commit.row.number;
        self.highest = self.highest.max(number);
        self.synced = self.synced.max(commit.row.synced);
        if let Some(broken) = &mut self.broken {
            broken.next.get_or_insert(number);
            self.cuts_at(place(String::new()));
            return;
        }
        let is_behind_torn = self.torn.as_ref().is_some_and(|(place, _)| self.is_in_file(place));
        match self.out_of_order(&commit) {
            None if !is_behind_torn => {
                // What stood at the end of the file before was no commit.
                self.torn = None;
                self.first.get_or_insert(number);
                self.last = Some((number, commit.seqno));
            }
            reason => {
                let here = reason.map(place);
                let torn = self.torn.take().map(|(place, _)| place);
                if torn.is_none() {
                    here.iter().for_each(|here| self.note(here));
                }
                let Some(place) = torn.or_else(|| here.clone()) else { return };
                here.into_iter().for_each(|here| self.cuts_at(here));
                self.broken = Some(Broken { place, next: Some(number) });
            }
        }
    }

    /// Why a commit is not the next one, if it is not.
    fn out_of_order(&self, commit: &Commit) -> Option<String> {
        let number = commit.row.number;
        let Some((last, seqno)) = self.last else {
            let next = self.in_tables + 1;
            return (number > next)
                .then(|| format!("commit {number} stands where commit {next} belongs"));
        };
        // A journal that was put away may come back after a power cut, and one behind it may
        // not: what the tables hold needs no journal.
        let is_next = number == last + 1 || (number > last && number <= self.in_tables + 1);
        if !is_next {
            return Some(format!("commit {number} stands where commit {} belongs", last + 1));
        }
        (commit.seqno <= seqno).then(|| {
            format!("the sequence number of commit {number} is not above the one before it")
        })
    }

    fn garbage(&mut self, place: Place, fault: Fault) {
        self.note(&place);
        self.cuts_at(place.clone());
        if self.broken.is_some() {
            return;
        }
        match self.torn.take() {
            None => self.torn = Some((place, fault)),
            Some((place, _)) => self.broken = Some(Broken { place, next: None }),
        }
    }

    fn note(&mut self, place: &Place) {
        if self.places.len() < PLACES_MAX {
            self.places.push(place.clone());
        }
    }

    fn is_in_file(&self, place: &Place) -> bool {
        self.file.as_ref() == Some(&place.path)
    }

    /// Remembers where a file stops being in order, unless it did so before.
    fn cuts_at(&mut self, place: Place) {
        if self.cuts.last().is_none_or(|cut| cut.path != place.path) {
            self.cuts.push(Cut { path: place.path, offset: place.offset });
        }
    }

    /// Decides.
    pub(super) fn finish(self, directory: &Path) -> Findings {
        let last = self.last.map_or(0, |(number, _)| number).max(self.in_tables);
        let refusal = self.refusal(directory, last);
        Findings {
            tail: self.tail,
            in_tables: self.in_tables,
            journal_bytes: self.journal_bytes,
            beyond_tables_bytes: self.beyond_tables_bytes,
            in_journals: self.first.zip(self.last).map(|(first, (last, _))| first..=last),
            last,
            synced: self.synced,
            places: self.places,
            cuts: self.cuts,
            refusal,
        }
    }

    /// Why the store must not be opened, if it must not.
    fn refusal(&self, directory: &Path, last: u64) -> Option<StoreError> {
        if last >= self.synced {
            return None;
        }
        let corrupt = |place: &Place, until: u64| StoreError::Corrupt {
            path: place.path.clone(),
            offset: Some(place.offset),
            missing: (until > last).then_some(last + 1..=until),
            reason: place.reason.clone(),
        };
        if let Some(Broken { place, next }) = &self.broken {
            return Some(corrupt(place, next.map_or(self.synced, |next| next.saturating_sub(1))));
        }
        match &self.torn {
            Some((place, fault)) if *fault != Fault::Incomplete => {
                Some(corrupt(place, self.synced))
            }
            _ if last < self.partly_in_tables => Some(StoreError::Corrupt {
                path: directory.join(JOURNAL_DIRECTORY),
                offset: None,
                missing: Some(last + 1..=self.partly_in_tables),
                reason: "the tables of one space reach further than the journals".to_owned(),
            }),
            _ => Some(StoreError::Truncated {
                path: directory.to_path_buf(),
                last,
                synced: self.synced,
            }),
        }
    }
}
