//! What the publish listener serves.

use std::io;

use crate::hash::Digest;
use crate::tile::{Entries, TILE_WIDTH, Tile, push_entry};

use super::builder::CHECKPOINT;
use super::shared::{Shared, lock, missing, read_bundle, stored_hashes};
use super::{MAX_BLOB_LIMIT, PublishError, blob_path};

/// A public file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub content_type: &'static str,
    /// Whether it never changes, so that anybody may keep it.
    pub immutable: bool,
}

impl Shared {
    pub(super) fn published(&self, path: &str) -> Result<Published, PublishError> {
        if path == CHECKPOINT {
            let bytes = lock(&self.published).note.to_vec();
            return Ok(Published { bytes, content_type: TEXT, immutable: false });
        }
        if let Some(digest) = path.strip_prefix("blobs/sha256/") {
            let digest = Digest::parse_hex(digest).ok_or(PublishError::NotFound)?;
            return self.published_blob(&digest);
        }
        let tile = Tile::parse(path).ok_or(PublishError::NotFound)?;
        if tile.level.is_none() && !self.publish_entries {
            return Err(PublishError::Forbidden);
        }
        // Nothing beyond the public head is public.
        if tile.needs_size() > lock(&self.published).size {
            return Err(PublishError::NotFound);
        }
        let bytes = self.tile(tile).map_err(PublishError::Io)?;
        Ok(Published { bytes, content_type: BYTES, immutable: true })
    }

    fn published_blob(&self, digest: &Digest) -> Result<Published, PublishError> {
        if !self.publish_entries {
            return Err(PublishError::Forbidden);
        }
        let bytes = self.disk.read(&blob_path(digest), MAX_BLOB_LIMIT).map_err(PublishError::Io)?;
        let bytes = bytes.ok_or(PublishError::NotFound)?;
        Ok(Published { bytes, content_type: BYTES, immutable: true })
    }

    /// A tile or bundle, cut to its width: a partial one is a prefix of every
    /// wider one, so none is stored.
    fn tile(&self, tile: Tile) -> io::Result<Vec<u8>> {
        let first = tile.index * TILE_WIDTH;
        let end = first + u64::from(tile.width);
        let Some(level) = tile.level else { return self.bundle(first, end) };
        let hashes = match self.read_tail(|tail| tail.hashes(level, first, end)) {
            Some(hashes) => hashes,
            None => stored_hashes(self.disk.as_ref(), level, first, end)?,
        };
        Ok(hashes.iter().flat_map(|hash| hash.0).collect())
    }

    fn bundle(&self, first: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut bundle = Vec::new();
        let held: Option<()> = self.read_tail(|tail| {
            for index in first..end {
                push_entry(&mut bundle, &tail.entry(index)?).then_some(())?;
            }
            Some(())
        });
        if held.is_some() {
            return Ok(bundle);
        }
        bundle.clear();
        let bytes = read_bundle(self.disk.as_ref(), first / TILE_WIDTH)?;
        let count = usize::try_from(end - first).map_err(|_| missing())?;
        for entry in Entries(&bytes).take(count) {
            push_entry(&mut bundle, entry.ok_or_else(missing)?);
        }
        Ok(bundle)
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
