//! What the last run left: read, checked against its own signatures, and told.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::disk::{self, Disk};
use crate::frontier::Frontier;
use crate::hash::Hash;
use crate::note::NoteError;
use crate::proof::root_at;
use crate::record::{ExchangeKey, Record, Stored, Subject};
use crate::tile::{TILE_WIDTH, tile_root};
use crate::wal::{self, Frame, Reader, SegmentHeader, SegmentName};

use super::OpenError;
use super::builder::CHECKPOINT;
use super::exchanges::Exchanges;
use super::sequencer::State;
use super::shared::{node_with, read_tile, stored_entry, stored_hashes};
use super::signers::Signers;
use super::tail::{Head, Tail};

/// The state of a log as its files tell it.
#[derive(Debug)]
pub(super) struct Recovered {
    /// What stands before the first frame that is still in a segment.
    pub(super) header: SegmentHeader,
    /// The frames of those segments.
    pub(super) frames: Vec<Arc<Frame>>,
    pub(super) tail: Tail,
    pub(super) state: State,
    pub(super) exchanges: Exchanges,
    pub(super) published: Option<Head>,
    /// The newest generation of segments that was found.
    pub(super) generation: u64,
    /// Whether the current key has signed the newest head; nothing where there
    /// is none.
    pub(super) signed: Option<bool>,
}

/// Reads the log below `disk`.
pub(super) fn recover(disk: &dyn Disk, signers: &Signers) -> Result<Recovered, OpenError> {
    let names = SegmentName::newest(&disk.list(wal::DIRECTORY)?);
    let generation = names.first().map_or(0, |name| name.generation);
    let (header, frames) = read_segments(disk, &names)?;
    let header = match header {
        Some(header) => header,
        // A segment is never deleted before the next one is durable.
        None if disk.read(CHECKPOINT, MAX_NOTE)?.is_some() => {
            return Err(OpenError::Fork("there is no write-ahead log".to_owned()));
        }
        None => SegmentHeader {
            name: SegmentName { generation: 0, first: 0 },
            time: 0,
            intents: 0,
            outcomes: 0,
            previous: wal::first_link(signers.name()),
            open: Vec::new(),
        },
    };
    let mut recovered = before_frames(disk, signers, header, generation)?;
    for frame in frames {
        recovered.replay(frame, signers.name())?;
    }
    recovered.check_signature(signers)?;
    recovered.check_public(disk, signers)?;
    recovered.check_end(disk)?;
    Ok(recovered)
}

/// The state at the first segment's start, from stored tiles.
fn before_frames(
    disk: &dyn Disk,
    signers: &Signers,
    header: SegmentHeader,
    generation: u64,
) -> Result<Recovered, OpenError> {
    let size = header.name.first;
    let gone = |_: io::Error| OpenError::Tiles("a stored tile is missing".to_owned());
    let tail = Tail::new(size, Arc::from([]), |level, count| {
        let from = count - count % TILE_WIDTH;
        if level == 0 {
            return stored_hashes(disk, 0, from, count);
        }
        let root = |index| read_tile(disk, level - 1, index).map(|tile| tile_root(&tile));
        (from..count).map(|index| root(index)?.ok_or_else(super::shared::missing)).collect()
    })
    .map_err(gone)?;
    let mut frontier = Frontier::new();
    for level in (0..62).rev().filter(|level| size >> level & 1 == 1) {
        let index = frontier.size() >> level;
        let node = node_with(level, index, |tile_level, from, to| {
            match tail.hashes(tile_level, from, to) {
                Some(hashes) => Ok(hashes),
                None => stored_hashes(disk, tile_level, from, to),
            }
        });
        frontier.push_subtree(level, node.map_err(gone)?);
    }
    let mut exchanges = Exchanges::load(disk, size)?;
    let mut open = BTreeMap::new();
    for intent in &header.open {
        open.insert(intent.index, intent.key);
        exchanges.intent(intent.key, intent.index);
    }
    let checkpoint = Checkpoint { origin: signers.name().to_owned(), size, root: frontier.root() };
    let tail = tail.with_note(signers.sign(&checkpoint).into_bytes().into());
    let state = State {
        frontier,
        link: header.previous,
        time: header.time,
        intents: header.intents,
        outcomes: header.outcomes,
        open_keys: open.values().copied().collect(),
        open,
    };
    let frames = Vec::new();
    Ok(Recovered {
        header,
        frames,
        tail,
        state,
        exchanges,
        published: None,
        generation,
        signed: None,
    })
}

impl Recovered {
    /// Follows one frame and holds it to the head that it was signed with.
    fn replay(&mut self, frame: Frame, origin: &str) -> Result<(), OpenError> {
        let damaged = |what: &str| OpenError::Damaged {
            segment: format!("the frame at entry {}", frame.first()),
            what: what.to_owned(),
        };
        if frame.first() != self.state.frontier.size() {
            return Err(damaged("its first index does not follow"));
        }
        if frame.previous() != Some(&self.state.link) {
            return Err(damaged("it does not follow the frame before it"));
        }
        let mut leaves = Vec::new();
        for (index, entry) in (frame.first()..).zip(frame.entries()) {
            let leaf = Hash::leaf(entry);
            leaves.push(leaf);
            self.state.frontier.push(leaf);
            let stored = Stored::parse(entry).map_err(|fault| damaged(&fault.to_string()))?;
            self.state.time = stored.time;
            let subject = subject(&stored);
            self.state.follow(&subject, index);
            match subject {
                Subject::Intent(key) => self.exchanges.intent(key, index),
                Subject::Outcome(key, intent) => self.exchanges.outcome(key, intent, index),
                Subject::Call(..) | Subject::Other => {}
            }
        }
        let size = self.state.frontier.size();
        let root = self.state.frontier.root();
        // The signature of the last frame covers every one before it, by the
        // links and by the tree; here the text is enough.
        let text = Checkpoint { origin: origin.to_owned(), size, root }.to_string();
        if !frame.note().starts_with(text.as_bytes()) {
            return Err(OpenError::Tiles("the root differs from the signed one".to_owned()));
        }
        self.state.link = frame.link();
        let frame = Arc::new(frame);
        self.tail.push(Arc::clone(&frame), &leaves);
        self.frames.push(frame);
        Ok(())
    }

    fn check_signature(&mut self, signers: &Signers) -> Result<(), OpenError> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        self.signed = Some(signers.signed(frame.note()).map_err(foreign)?);
        Ok(())
    }

    /// Nothing follows a last `close`.
    fn check_end(&self, disk: &dyn Disk) -> Result<(), OpenError> {
        let Some(last) = self.state.frontier.size().checked_sub(1) else { return Ok(()) };
        let entry = match self.tail.entry(last) {
            Some(entry) => entry,
            // Every record is in full tiles.
            None => stored_entry(disk, last)?,
        };
        match Stored::parse(&entry).map(|stored| stored.record) {
            Ok(Some(Record::Close(close))) if close.end => Err(OpenError::Ended),
            _ => Ok(()),
        }
    }

    /// The public head must be a prefix of what will be signed on from here.
    fn check_public(&mut self, disk: &dyn Disk, signers: &Signers) -> Result<(), OpenError> {
        let Some(note) = disk.read(CHECKPOINT, MAX_NOTE)? else {
            // A log has one before it has records.
            if self.state.frontier.size() > 0 {
                return Err(OpenError::Fork("there is no public checkpoint".to_owned()));
            }
            return Ok(());
        };
        // A run that was killed may have put it there without its name being durable;
        // from here on it counts as public.
        disk::sync_directory(disk, "")?;
        let signed = signers.signed(&note).map_err(foreign)?;
        self.signed.get_or_insert(signed);
        let public = Checkpoint::claimed(&note).map_err(foreign)?;
        if public.size > self.state.frontier.size() {
            return Err(OpenError::Fork("it is ahead of the write-ahead log".to_owned()));
        }
        let root = root_at(public.size, &mut |level, index| {
            node_with(level, index, |tile_level, from, to| {
                match self.tail.hashes(tile_level, from, to) {
                    Some(hashes) => Ok(hashes),
                    None => stored_hashes(disk, tile_level, from, to),
                }
            })
        })
        .map_err(|_| OpenError::Tiles("a stored tile is missing".to_owned()))?;
        if root != public.root {
            return Err(OpenError::Fork("its root is another at the same size".to_owned()));
        }
        self.published = Some(Head { size: public.size, note: note.into() });
        Ok(())
    }
}

/// Why a head is not one to sign on from.
fn foreign(fault: CheckpointError) -> OpenError {
    match fault {
        CheckpointError::Note(NoteError::NoKnownKey) => OpenError::Key,
        fault => OpenError::Fork(format!("the signed head: {fault}")),
    }
}

/// What the sequencer would have seen in a record.
fn subject(stored: &Stored) -> Subject {
    match &stored.record {
        Some(Record::Intent(intent)) => Subject::Intent(ExchangeKey::of(&intent.exchange)),
        Some(Record::Outcome(outcome)) => {
            Subject::Outcome(ExchangeKey::of(&outcome.exchange), outcome.intent)
        }
        _ => Subject::Other,
    }
}

/// Reads every frame of the newest generation. Only the end of the last
/// segment may be torn.
fn read_segments(
    disk: &dyn Disk,
    names: &[SegmentName],
) -> Result<(Option<SegmentHeader>, Vec<Frame>), OpenError> {
    let mut first_header = None;
    let mut frames = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let last = place + 1 == names.len();
        let damaged = |what: String| OpenError::Damaged { segment: name.to_string(), what };
        let bytes = disk.read(&name.path(), MAX_SEGMENT)?.unwrap_or_default();
        let mut bytes = bytes.as_slice();
        let reader = Reader::open(&mut bytes).map_err(|fault| damaged(fault.to_string()))?;
        let Some((header, mut reader)) = reader else {
            // Not even the header arrived, so no frame did either.
            if last && first_header.is_some() {
                continue;
            }
            return Err(damaged("its header is torn".to_owned()));
        };
        if header.name != *name {
            return Err(damaged("it has another segment's name".to_owned()));
        }
        if first_header.is_none() {
            first_header = Some(header);
        }
        while let Some(frame) =
            reader.next(&mut bytes).map_err(|fault| damaged(fault.to_string()))?
        {
            frames.push(frame);
        }
        if reader.torn().is_some() && !last {
            return Err(damaged("a torn frame stands before a good one".to_owned()));
        }
    }
    Ok((first_header, frames))
}

const MAX_NOTE: u64 = 512 * 1024;
/// No segment is read that is larger: what is held in memory is bounded by
/// less.
const MAX_SEGMENT: u64 = 2 * 1024 * 1024 * 1024;
