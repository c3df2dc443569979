//! Hash tiles that were read, for what reads them again: proofs share their
//! upper tiles, and a server is asked once for each.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, PoisonError};

use crate::tile::Tile;

use super::LogSource;

/// A source whose hash tiles are kept for as long as this is: for one audit,
/// one proof, one round, so that no later look at the log is answered from an
/// earlier one. 2 MiB at most.
#[derive(Debug)]
pub struct CachedSource<'a> {
    log: &'a dyn LogSource,
    low: Mutex<Kept>,
    /// Apart, so that a walk over the many lowest tiles does not drive out the
    /// few above them.
    high: Mutex<Kept>,
}

/// Files in the order in which they came.
#[derive(Debug, Default)]
struct Kept {
    files: HashMap<String, Vec<u8>>,
    order: VecDeque<String>,
}

impl<'a> CachedSource<'a> {
    /// The same files.
    #[must_use]
    pub fn new(log: &'a dyn LogSource) -> Self {
        Self { log, low: Mutex::default(), high: Mutex::default() }
    }

    fn kept(&self, path: &str) -> Option<(&Mutex<Kept>, usize)> {
        match Tile::parse(path)?.level? {
            0 => Some((&self.low, 32)),
            _ => Some((&self.high, 224)),
        }
    }
}

impl LogSource for CachedSource<'_> {
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some((kept, most)) = self.kept(path) else { return self.log.read(path, limit) };
        let known = kept.lock().unwrap_or_else(PoisonError::into_inner).files.get(path).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let read = self.log.read(path, limit)?;
        if let Some(bytes) = read.as_ref().filter(|bytes| bytes.len() <= MAX_TILE_BYTES) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.files.insert(path.to_owned(), bytes.clone()).is_none() {
                kept.order.push_back(path.to_owned());
            }
            if kept.order.len() > most
                && let Some(oldest) = kept.order.pop_front()
            {
                kept.files.remove(&oldest);
            }
        }
        Ok(read)
    }

    fn read_range(&self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.log.read_range(path, offset, length)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.log.list(directory)
    }

    fn pin(&self, path: &str) -> io::Result<Option<u64>> {
        self.log.pin(path)
    }

    fn wait(&self) -> bool {
        self.log.wait()
    }
}

const MAX_TILE_BYTES: usize = 8192;
