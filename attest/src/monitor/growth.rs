//! From the head that is kept to the one that is served: every new hash tile is
//! read, every new entry where entries are public, and both trees are made from
//! them again.

use crate::hash::Hash;
use crate::proof::verify_consistency;
use crate::reader::{LogView, ReadError};
use crate::tile::{TILE_WIDTH, Tile, tile_root};
use crate::verify::{
    CachedSource, Compared, FaultKind, LogSource, Made, Progress, Tree, compare_tile,
};

use super::{Contradiction, Head, Kind, Memory, unreadable};

/// What was read on the way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Grown {
    /// Entries that are those that the tree holds.
    pub(super) entries: u64,
    /// Entries of which there are only hashes.
    pub(super) withheld: u64,
}

/// Why the served head is not believed.
#[derive(Debug)]
pub(super) enum Halt {
    Contradiction(Box<Contradiction>),
    Fault(FaultKind, Option<u64>, String),
}

impl Halt {
    fn lie() -> Self {
        let what = "the hash tiles do not lead to the checkpoint's root";
        Self::Fault(FaultKind::Tampered, None, what.to_owned())
    }
}

impl From<ReadError> for Halt {
    fn from(fault: ReadError) -> Self {
        match fault {
            ReadError::Missing(index) => {
                let what = "a tile or bundle of the signed tree is missing";
                Self::Fault(FaultKind::Incomplete, Some(index), what.to_owned())
            }
            ReadError::Garbled(index) => {
                let what = "a tile or bundle of the signed tree is damaged";
                Self::Fault(FaultKind::Tampered, Some(index), what.to_owned())
            }
            ReadError::Io(fault) => {
                let (kind, what) = unreadable(&fault);
                Self::Fault(kind, None, what)
            }
            ReadError::NoLog | ReadError::Beyond(_) | ReadError::Withheld => {
                Self::Fault(FaultKind::Unreadable, None, fault.to_string())
            }
            ReadError::Checkpoint(_) | ReadError::Damaged => {
                Self::Fault(FaultKind::Tampered, None, fault.to_string())
            }
        }
    }
}

/// Reads all that lies between the kept head and this one.
pub(super) fn grow(
    log: &dyn LogSource,
    memory: &Memory,
    head: &Head,
    progress: &mut dyn FnMut(Progress),
) -> Result<Grown, Halt> {
    let log = CachedSource::new(log);
    let view = LogView::of(&log, head.note.clone())?;
    let old =
        memory.head.as_ref().map_or((0, Hash::empty_root()), |kept| (kept.size(), kept.root()));
    let tree = view.tree_at(old.0)?;
    let mut growth = Growth { log: &log, view, tree, grown: Grown::default(), forked: None };
    if growth.tree.root() != old.1 {
        let kept = memory.head.as_ref();
        return Err(kept.map_or(Ok(Halt::lie()), |kept| growth.split(kept, head))?);
    }
    growth.advance(memory, head, progress)?;
    if growth.tree.root() != head.root() {
        return Err(Halt::lie());
    }
    growth.edge()?;
    match growth.forked.take() {
        Some(earlier) => Err(growth.split(&earlier, head)?),
        None => Ok(growth.grown),
    }
}

struct Growth<'a> {
    log: &'a dyn LogSource,
    view: LogView<'a>,
    tree: Tree,
    grown: Grown,
    /// A head that was signed before, and has another root than the tree had at
    /// its size.
    forked: Option<Head>,
}

impl Growth<'_> {
    fn advance(
        &mut self,
        memory: &Memory,
        head: &Head,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Halt> {
        let (begin, end) = (self.tree.size(), head.size());
        while self.tree.size() < end {
            let size = self.tree.size();
            let first = size - size % TILE_WIDTH;
            let last = first.saturating_add(TILE_WIDTH).min(end);
            let mut hashes = self.view.hashes(0, first, last)?;
            // What lies before was held to the kept head.
            hashes.drain(..usize::try_from(size - first).unwrap_or(0).min(hashes.len()));
            self.entries(size, &hashes)?;
            self.push(hashes, last, memory)?;
            progress(Progress { done: self.tree.size() - begin, total: end - begin });
        }
        Ok(())
    }

    /// Holds the entries from `first` to their hashes.
    fn entries(&mut self, first: u64, hashes: &[Hash]) -> Result<(), Halt> {
        let count = u64::try_from(hashes.len()).unwrap_or(0);
        if self.grown.withheld > 0 {
            self.grown.withheld += count;
            return Ok(());
        }
        let entries = match self.view.bundle(first / TILE_WIDTH) {
            Ok(entries) => entries,
            Err(ReadError::Withheld) => {
                self.grown.withheld += count;
                return Ok(());
            }
            Err(fault) => return Err(fault.into()),
        };
        let skipped = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let stored = entries.iter().skip(skipped).map(|entry| Hash::leaf(entry));
        if !stored.eq(hashes.iter().copied()) {
            let tile = Tile::bundle(first / TILE_WIDTH);
            let what = format!("`{tile}` and the hash tile over it disagree");
            return Err(Halt::Fault(FaultKind::Tampered, Some(first), what));
        }
        self.grown.entries += count;
        Ok(())
    }

    /// Adds hashes up to `last`, and looks at the heads that were signed at the
    /// sizes on the way.
    fn push(&mut self, hashes: Vec<Hash>, last: u64, memory: &Memory) -> Result<(), Halt> {
        let before = self.tree.size();
        if u64::try_from(hashes.len()) != Ok(last - before) {
            return Err(ReadError::Missing(before).into());
        }
        let mut made = Vec::new();
        let within = memory.unproven.iter().any(|head| before < head.size() && head.size() < last);
        let whole =
            tile_root(&hashes).filter(|_| !within && u64::try_from(hashes.len()) == Ok(TILE_WIDTH));
        if let Some(root) = whole {
            self.tree.push_tile(hashes, root, |tile| made.push(tile));
            self.look_back(memory);
        } else {
            for hash in hashes {
                self.tree.push(hash, |tile| made.push(tile));
                self.look_back(memory);
            }
        }
        made.iter().try_for_each(|tile| self.compare(tile))
    }

    fn look_back(&mut self, memory: &Memory) {
        let size = self.tree.size();
        let same_size = memory.unproven.iter().find(|head| head.size() == size);
        if let Some(head) = same_size.filter(|head| head.root() != self.tree.root()) {
            self.forked.get_or_insert_with(|| head.clone());
        }
    }

    /// The tiles above the lowest must say what those below them say.
    fn compare(&self, made: &Made) -> Result<(), Halt> {
        if made.tile.level == Some(0) {
            return Ok(());
        }
        let tile = made.tile;
        match compare_tile(self.log, tile, &made.hashes).map_err(ReadError::Io)? {
            Compared::Missing if self.view.is_static() => {
                let what = format!("`{tile}` is missing");
                Err(Halt::Fault(FaultKind::Incomplete, None, what))
            }
            Compared::Missing | Compared::Same => Ok(()),
            Compared::Differs => {
                let what = format!("`{tile}` is not what the tiles below it hash to");
                Err(Halt::Fault(FaultKind::Tampered, None, what))
            }
        }
    }

    fn edge(&self) -> Result<(), Halt> {
        let partial: Vec<Made> = self.tree.partial().collect();
        partial.iter().try_for_each(|tile| self.compare(tile))
    }

    /// Whether the tree that is served has another past, or its tiles merely
    /// lie: a consistency proof out of them that leads to the signed root also
    /// proves which root the tree had before.
    fn split(&self, earlier: &Head, head: &Head) -> Result<Halt, Halt> {
        let (old, new) = (earlier.size(), head.size());
        if old == new {
            return Ok(Halt::lie());
        }
        let proof = self.view.prove_consistency(old, new)?;
        let root = self.view.root_at(old)?;
        let proven = verify_consistency(old, new, &proof, &root, &head.root()).is_ok();
        if !proven || root == earlier.root() {
            return Ok(Halt::lie());
        }
        Ok(Halt::Contradiction(Box::new(Contradiction {
            kind: Kind::Fork,
            earlier: earlier.clone(),
            served: head.clone(),
            prefix: Some((root, proof)),
        })))
    }
}
