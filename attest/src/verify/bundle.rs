//! One full bundle, read and judged as far as it can be by itself: this part
//! of an audit needs no order, and is shared out over threads.

use std::io;

use crate::hash::Hash;
use crate::record::{Facts, RecordFault};
use crate::tile::{Entries, MAX_BUNDLE_BYTES, TILE_WIDTH, Tile, split_hashes, tile_root};

use super::LogSource;

/// What a bundle holds.
#[derive(Debug)]
pub(super) struct Bundle {
    /// The facts of each entry, 256 at most.
    pub(super) facts: Vec<Result<Facts<usize>, RecordFault>>,
    /// The names of the routes that intents point at.
    pub(super) routes: Vec<String>,
    /// The hash of each entry, 256 at most.
    pub(super) hashes: Vec<Hash>,
    /// The root over exactly 256 of them, which fill the file; else nothing.
    pub(super) root: Option<Hash>,
    /// The stored tile over the entries.
    pub(super) tile: io::Result<Compared>,
}

/// How a stored tile or bundle stands to the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    Same,
    Differs,
    Missing,
}

impl Bundle {
    /// Reads the full bundle at this place; nothing when there is none.
    pub(super) fn read(log: &dyn LogSource, index: u64) -> io::Result<Option<Self>> {
        let limit = u64::try_from(MAX_BUNDLE_BYTES).unwrap_or(u64::MAX);
        let Some(bytes) = log.read(&Tile::bundle(index).to_string(), limit)? else {
            return Ok(None);
        };
        let mut bundle = Self {
            facts: Vec::with_capacity(256),
            routes: Vec::new(),
            hashes: Vec::with_capacity(256),
            root: None,
            tile: Ok(Compared::Missing),
        };
        let mut exact = true;
        let mut entries = Entries(&bytes);
        for entry in entries.by_ref().take(256) {
            let Some(entry) = entry else {
                exact = false;
                break;
            };
            bundle.hashes.push(Hash::leaf(entry));
            bundle.facts.push(facts(entry, &mut bundle.routes));
        }
        let full = u64::try_from(bundle.hashes.len()) == Ok(TILE_WIDTH);
        if exact && full && entries.next().is_none() {
            bundle.root = tile_root(&bundle.hashes);
            bundle.tile = compare_tile(log, Tile::hashes(0, index), &bundle.hashes);
        }
        Ok(Some(bundle))
    }
}

/// Holds a stored tile against the hashes that it should have. C2SP: where a
/// partial is gone, the full one takes its place.
pub(crate) fn compare_tile(
    log: &dyn LogSource,
    tile: Tile,
    hashes: &[Hash],
) -> io::Result<Compared> {
    let mut stored = log.read(&tile.to_string(), 8192)?;
    if stored.is_none() && !tile.is_full() {
        let full = log.read(&tile.cut(256).to_string(), 8192)?;
        stored = full.map(|mut full| {
            full.truncate(32 * usize::from(tile.width));
            full
        });
    }
    Ok(match stored {
        None => Compared::Missing,
        Some(bytes) if split_hashes(&bytes, tile.width).as_deref() == Some(hashes) => {
            Compared::Same
        }
        Some(_) => Compared::Differs,
    })
}

/// An entry's facts, its route by its place in `routes`.
fn facts(entry: &[u8], routes: &mut Vec<String>) -> Result<Facts<usize>, RecordFault> {
    let facts = parse(entry)?;
    Ok(facts.map_route(|route| {
        let known = routes.iter().position(|known| *known == route);
        known.unwrap_or_else(|| {
            routes.push(route.into_owned());
            routes.len() - 1
        })
    }))
}

#[cfg(not(test))]
pub(super) fn parse(entry: &[u8]) -> Result<Facts<std::borrow::Cow<'_, str>>, RecordFault> {
    Facts::of(entry)
}

/// Parsing is a function of the bytes alone, and unoptimised it is slow: the
/// tests, which change one byte many thousand times, remember the rest.
#[cfg(test)]
pub(super) fn parse(entry: &[u8]) -> Result<Facts<std::borrow::Cow<'static, str>>, RecordFault> {
    use std::borrow::Cow;
    use std::cell::RefCell;
    use std::collections::HashMap;
    type Known = HashMap<Vec<u8>, Facts<Cow<'static, str>>>;
    thread_local! {
        static PARSED: RefCell<Known> = RefCell::default();
    }
    if let Some(facts) = PARSED.with_borrow(|parsed| parsed.get(entry).cloned()) {
        return Ok(facts);
    }
    let facts = Facts::of(entry)?.map_route(|route| Cow::Owned(route.into_owned()));
    PARSED.with_borrow_mut(|parsed| {
        if parsed.len() < 10_000 {
            parsed.insert(entry.to_vec(), facts.clone());
        }
    });
    Ok(facts)
}
