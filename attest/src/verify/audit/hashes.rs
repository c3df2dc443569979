//! A log that publishes its hashes and keeps its entries: the tree is verified
//! all the same, and the report says that nothing else was.

use std::io;

use crate::hash::Hash;
use crate::tile::{TILE_WIDTH, Tile, split_hashes, tile_root};
use crate::verify::report::FaultKind;
use crate::verify::{LogSource, Withheld};

use super::{Audit, Phase, higher};

impl Audit<'_> {
    /// Goes on with hashes alone where entries are withheld.
    pub(super) fn withheld(&mut self, fault: io::Error) -> io::Result<()> {
        if !Withheld::is_cause_of(&fault) {
            return Err(fault);
        }
        let first = self.tree.size();
        let what = "the log does not publish its entries: from here on only hashes and the \
                    checkpoint are verified";
        self.fault(Some(first), FaultKind::Insufficient, what);
        self.phase = Phase::Hashes;
        Ok(())
    }

    /// The hashes of up to 256 entries, as their tile has them.
    pub(super) fn hashes(&mut self, log: &dyn LogSource) -> io::Result<()> {
        let (size, end) = (self.tree.size(), self.bundles_end());
        if size >= end {
            self.phase = Phase::Edge;
            return Ok(());
        }
        let width = u16::try_from((end - size).min(TILE_WIDTH)).unwrap_or(256);
        let tile = Tile::hashes(0, size / TILE_WIDTH).cut(width);
        let mut stored = log.read(&tile.to_string(), 8192)?;
        if stored.is_none() && !tile.is_full() {
            stored = log.read(&tile.cut(256).to_string(), 8192)?;
            stored = stored.map(|mut full| {
                full.truncate(32 * usize::from(width));
                full
            });
        }
        let Some(bytes) = stored else {
            self.fault(Some(size), FaultKind::Incomplete, format!("`{tile}` is missing"));
            return Ok(());
        };
        let Some(hashes) = split_hashes(&bytes, width) else {
            let what = format!("`{tile}` does not hold the hashes that it should");
            self.fault(Some(size), FaultKind::Tampered, what);
            return Ok(());
        };
        self.withheld += u64::from(width);
        self.grow(hashes);
        self.compare_head();
        self.phase = Phase::Hashes;
        Ok(())
    }

    fn grow(&mut self, hashes: Vec<Hash>) {
        let checks = &mut self.checks;
        match tile_root(&hashes).filter(|_| u64::try_from(hashes.len()) == Ok(TILE_WIDTH)) {
            Some(root) => self.tree.push_tile(hashes, root, |made| higher(made, true, checks)),
            None => {
                for hash in hashes {
                    self.tree.push(hash, |made| higher(made, true, checks));
                }
            }
        }
    }
}
