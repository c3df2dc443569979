//! Reading single entries and proofs out of a log's files, for `show`,
//! `prove`, `consistency` and `export`. Believes nothing and vouches for
//! nothing: what it hands out is checked by whoever gets it.

use std::collections::BTreeMap;
use std::io;

use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::commit::Opening;
use crate::hash::Hash;
use crate::note::MAX_NOTE_BYTES;
use crate::proof::{prove_consistency, prove_inclusion};
use crate::receipt::{Extra, Receipt};
use crate::tile::{
    Entries, MAX_BUNDLE_BYTES, MAX_LEVEL, TILE_WIDTH, Tile, split_hashes, tile_root,
};
use crate::verify::{LogSource, Tree, Withheld};
use crate::wal::{self, Bytes, Reader, ScanFault, SegmentName};

/// Why a log's files do not give what was asked for.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no public checkpoint.
    #[error("no log here: there is no `checkpoint`")]
    NoLog,
    /// The checkpoint cannot be read.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The index or size lies beyond the public checkpoint.
    #[error("the log's public size is {0}")]
    Beyond(u64),
    /// Entries or tiles are missing.
    #[error("entry {0} cannot be read: its file is missing")]
    Missing(u64),
    /// A bundle or tile is there, and has not the form that it must have.
    #[error("entry {0} cannot be read: its file is damaged")]
    Garbled(u64),
    /// The log publishes its hashes and keeps its entries.
    #[error("the log does not publish its entries: they are read in its own directory")]
    Withheld,
    /// The write-ahead log is damaged.
    #[error("the write-ahead log is damaged")]
    Damaged,
    /// A file cannot be read.
    #[error("cannot read the log")]
    Io(#[from] io::Error),
}

/// The entries that are still in segments, with where each is.
#[derive(Debug, Default)]
struct Recent {
    /// Whether there are segments at all: an export has none.
    any: bool,
    first: u64,
    entries: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
}

/// A log's files, as far as its public checkpoint reaches.
#[derive(Debug)]
pub struct LogView<'a> {
    source: &'a dyn LogSource,
    note: Vec<u8>,
    checkpoint: Checkpoint,
    recent: Recent,
}

impl<'a> LogView<'a> {
    /// Opens a log: reads its checkpoint, and the entries that are in no tile
    /// yet.
    ///
    /// # Errors
    /// There is no checkpoint, it is malformed, or files cannot be read.
    pub fn open(source: &'a dyn LogSource) -> Result<Self, ReadError> {
        let limit = u64::try_from(MAX_NOTE_BYTES).unwrap_or(u64::MAX);
        let note = source.read("checkpoint", limit)?.ok_or(ReadError::NoLog)?;
        Self::of(source, note)
    }

    /// Opens a log as far as this checkpoint of it reaches.
    pub(crate) fn of(source: &'a dyn LogSource, note: Vec<u8>) -> Result<Self, ReadError> {
        let checkpoint = Checkpoint::claimed(&note)?;
        let recent = Recent::read(source, checkpoint.size)?;
        Ok(Self { source, note, checkpoint, recent })
    }

    /// What the checkpoint claims.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint's note.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// The exact bytes of an entry.
    ///
    /// # Errors
    /// It lies beyond the checkpoint, or its file is missing or damaged.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        if index >= self.checkpoint.size {
            return Err(ReadError::Beyond(self.checkpoint.size));
        }
        if let Some(entry) = self.recent.entry(index) {
            return Ok(entry.to_vec());
        }
        let bytes = self.stored_bundle(index / TILE_WIDTH)?;
        let place = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        let entry = Entries(&bytes).nth(place).flatten();
        entry.map(<[u8]>::to_vec).ok_or(ReadError::Garbled(index))
    }

    /// The entries of one bundle, as far as the checkpoint reaches.
    pub(crate) fn bundle(&self, index: u64) -> Result<Vec<Vec<u8>>, ReadError> {
        let first = index * TILE_WIDTH;
        let end = (first + TILE_WIDTH).min(self.checkpoint.size);
        let in_memory: Option<Vec<Vec<u8>>> =
            (first..end).map(|index| self.recent.entry(index).map(<[u8]>::to_vec)).collect();
        if let Some(entries) = in_memory {
            return Ok(entries);
        }
        let bytes = self.stored_bundle(index)?;
        let count = usize::try_from(end - first).unwrap_or(0);
        let entries: Option<Vec<Vec<u8>>> =
            Entries(&bytes).take(count).map(|entry| entry.map(<[u8]>::to_vec)).collect();
        entries.filter(|entries| entries.len() == count).ok_or(ReadError::Garbled(first))
    }

    fn stored_bundle(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        let limit = u64::try_from(MAX_BUNDLE_BYTES).unwrap_or(u64::MAX);
        let path = self.stored_path(Tile::bundle(index));
        let read = |path: Tile| {
            self.source.read(&path.to_string(), limit).map_err(|fault| {
                if Withheld::is_cause_of(&fault) { ReadError::Withheld } else { fault.into() }
            })
        };
        match read(path)? {
            Some(bytes) => Ok(bytes),
            None => read(Tile::bundle(index))?.ok_or(ReadError::Missing(index * TILE_WIDTH)),
        }
    }

    /// The tile as a static log of this size stores it.
    fn stored_path(&self, tile: Tile) -> Tile {
        let shift = 8 * u32::from(tile.level.unwrap_or(0));
        let hashes = self.checkpoint.size >> shift;
        let width = hashes.saturating_sub(tile.index * TILE_WIDTH).clamp(1, TILE_WIDTH);
        tile.cut(u16::try_from(width).unwrap_or(256))
    }

    /// A proof file for one entry under the checkpoint, with the entry.
    ///
    /// # Errors
    /// It lies beyond the checkpoint, or files are missing or damaged.
    pub fn prove(&self, index: u64) -> Result<Receipt, ReadError> {
        self.prove_opened(index, BTreeMap::new())
    }

    /// The same with what opens commitments of the entry.
    pub(crate) fn prove_opened(
        &self,
        index: u64,
        openings: BTreeMap<String, Opening>,
    ) -> Result<Receipt, ReadError> {
        let (record, proof) = self.proven(index)?;
        let extra = Extra { record, openings };
        Ok(Receipt::new(index, &proof, &self.note, Some(&extra)))
    }

    /// One entry, and the hashes that lead from it to the checkpoint's root.
    pub(crate) fn proven(&self, index: u64) -> Result<(Vec<u8>, Vec<Hash>), ReadError> {
        let entry = self.entry(index)?;
        let size = self.checkpoint.size;
        let proof = prove_inclusion(index, size, &mut |level, index| self.node(level, index))?;
        Ok((entry, proof))
    }

    /// How many entries the log's files hold, also past the checkpoint.
    pub(crate) fn written(&self) -> Result<u64, ReadError> {
        Ok(Recent::read(self.source, u64::MAX)?.end().max(self.checkpoint.size))
    }

    /// A consistency proof between two sizes under the checkpoint.
    ///
    /// # Errors
    /// A size lies beyond the checkpoint, or files are missing or damaged.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, ReadError> {
        if old > self.checkpoint.size || new > self.checkpoint.size {
            return Err(ReadError::Beyond(self.checkpoint.size));
        }
        prove_consistency(old, new, &mut |level, index| self.node(level, index))
    }

    /// The root over the first `size` entries.
    ///
    /// # Errors
    /// The size lies beyond the checkpoint, or files are missing or damaged.
    pub fn root_at(&self, size: u64) -> Result<Hash, ReadError> {
        if size > self.checkpoint.size {
            return Err(ReadError::Beyond(self.checkpoint.size));
        }
        crate::proof::root_at(size, &mut |level, index| self.node(level, index))
    }

    /// The hashes from one place of a level to another, within one tile.
    pub(crate) fn hashes(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, ReadError> {
        let in_memory = (from..to).map(|index| self.recent.hash(index)).collect();
        if let (0, Some(hashes)) = (level, in_memory) {
            return Ok(hashes);
        }
        if let Some(hashes) = self.stored_hashes(level, from, to)? {
            return Ok(hashes);
        }
        let level = 8 * u32::from(level);
        // Whoever has no segments has the tile, or lacks it.
        if !self.recent.any {
            return Err(ReadError::Missing(from << level));
        }
        (from..to).map(|index| self.node(level, index)).collect()
    }

    /// The tree over the first `size` entries, ready to grow: its right edge,
    /// out of the stored tiles. The root tells whether they are what they
    /// should be.
    pub(crate) fn tree_at(&self, size: u64) -> Result<Tree, ReadError> {
        let mut levels = Vec::new();
        for level in 0..=MAX_LEVEL {
            let count = size >> (8 * u32::from(level));
            let first = count - count % TILE_WIDTH;
            levels.push(if first == count {
                Vec::new()
            } else {
                self.hashes(level, first, count)?
            });
        }
        Ok(Tree::resume(levels))
    }

    /// Whether every tile of the checkpoint's size must be stored: a log that
    /// still has segments has the newest entries in them alone.
    pub(crate) fn is_static(&self) -> bool {
        !self.recent.any
    }

    /// The root of a perfect subtree: from memory, from its tile, or from the
    /// two below it. At most 62 levels deep.
    fn node(&self, level: u32, index: u64) -> Result<Hash, ReadError> {
        if level == 0
            && let Some(hash) = self.recent.hash(index)
        {
            return Ok(hash);
        }
        let tile_level = u8::try_from(level / 8).unwrap_or(u8::MAX);
        let (from, to) = (index << (level % 8), (index + 1) << (level % 8));
        if let Some(hashes) = self.stored_hashes(tile_level, from, to)? {
            return tile_root(&hashes).ok_or(ReadError::Missing(index << level));
        }
        if level == 0 {
            return Err(ReadError::Missing(index));
        }
        let left = self.node(level - 1, index * 2)?;
        Ok(Hash::node(&left, &self.node(level - 1, index * 2 + 1)?))
    }

    fn stored_hashes(&self, level: u8, from: u64, to: u64) -> Result<Option<Vec<Hash>>, ReadError> {
        let full = Tile::hashes(level, from / TILE_WIDTH);
        for tile in [self.stored_path(full), full] {
            if let Some(bytes) = self.source.read(&tile.to_string(), 8192)? {
                let hashes = split_hashes(&bytes, tile.width).unwrap_or_default();
                let start = usize::try_from(from % TILE_WIDTH).unwrap_or(usize::MAX);
                let length = usize::try_from(to - from).unwrap_or(usize::MAX);
                let part = hashes.get(start..).and_then(|rest| rest.get(..length));
                let garbled = ReadError::Garbled(from << (8 * u32::from(level)));
                return part.map(|part| Some(part.to_vec())).ok_or(garbled);
            }
        }
        Ok(None)
    }
}

/// The root over the first `size` entries of the log whose files these are, also
/// of those that are not public yet; nothing when it has fewer. Whoever is about
/// to open a log can ask this before anything is written or signed.
///
/// # Errors
/// Files are missing or damaged, or cannot be read.
pub fn stored_root(source: &dyn LogSource, size: u64) -> Result<Option<Hash>, ReadError> {
    let recent = Recent::read(source, u64::MAX)?;
    if size > recent.end() {
        return Ok(None);
    }
    let checkpoint =
        Checkpoint { origin: String::new(), size: recent.end(), root: Hash::empty_root() };
    LogView { source, note: Vec::new(), checkpoint, recent }.root_at(size).map(Some)
}

impl Recent {
    fn read(source: &dyn LogSource, size: u64) -> Result<Self, ReadError> {
        // A running log may delete a segment between listing and opening it.
        for _ in 0..8 {
            let names = SegmentName::newest(&source.list(wal::DIRECTORY)?);
            let mut pinned = 0;
            for name in &names {
                pinned += usize::from(source.pin(&name.path())?.is_some());
            }
            if pinned == names.len() {
                return Self::of(source, names, size);
            }
        }
        Err(ReadError::Damaged)
    }

    fn of(source: &dyn LogSource, names: Vec<SegmentName>, size: u64) -> Result<Self, ReadError> {
        let first = names.first().map_or(0, |name| name.first);
        let mut recent = Self { any: !names.is_empty(), first, ..Self::default() };
        for name in names {
            let mut bytes = Ranges { source, path: name.path() };
            let Some((_, mut reader)) = Reader::open(&mut bytes).map_err(damaged)? else { break };
            while let Some(frame) = reader.next(&mut bytes).map_err(damaged)? {
                if frame.first() != recent.end() {
                    return Err(ReadError::Damaged);
                }
                for entry in frame.entries() {
                    recent.hashes.push(Hash::leaf(entry));
                    recent.entries.push(entry.to_vec());
                }
                if recent.end() >= size {
                    return Ok(recent);
                }
            }
        }
        Ok(recent)
    }

    fn end(&self) -> u64 {
        self.first + u64::try_from(self.entries.len()).unwrap_or(0)
    }

    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.first)?).ok()
    }

    fn entry(&self, index: u64) -> Option<&[u8]> {
        self.entries.get(self.place(index)?).map(Vec::as_slice)
    }

    fn hash(&self, index: u64) -> Option<Hash> {
        self.hashes.get(self.place(index)?).copied()
    }
}

fn damaged(fault: ScanFault) -> ReadError {
    match fault {
        ScanFault::Io(fault) => ReadError::Io(fault),
        _ => ReadError::Damaged,
    }
}

/// A segment's bytes, range by range.
struct Ranges<'a> {
    source: &'a dyn LogSource,
    path: String,
}

impl Bytes for Ranges<'_> {
    fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.source.read_range(&self.path, offset, length)
    }
}
