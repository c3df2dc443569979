//! A static C2SP layout of a log's public size: for any web server, bucket or
//! foreign verifier.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use thiserror::Error;

use crate::hash::{Digest, Hash};
use crate::log::{MAX_BLOB_LIMIT, blob_path};
use crate::reader::{LogView, ReadError};
use crate::record::{Record, Stored};
use crate::tile::{TILE_WIDTH, Tile, push_entry};
use crate::verify::{LogSource, Made, Progress, Tree};

/// Why a log is not exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The log's files.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The entries do not lead to the root that the checkpoint claims.
    #[error("the entries do not lead to the checkpoint's root")]
    Root,
    /// The directory holds a log of its own, or another one's export.
    #[error("the directory is not empty and is no export of this log")]
    Occupied,
    /// An entry longer than 65,535 bytes.
    #[error("an entry is too long for a bundle")]
    TooLong,
    /// A file cannot be written.
    #[error("cannot write the export")]
    Write(#[source] io::Error),
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// The public size.
    pub size: u64,
    /// Its root, in base64.
    pub root: String,
    /// Files written, the checkpoint included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes the static layout of a log into `directory`, the checkpoint last, so
/// that it never promises what is not there. An older export of the same log is
/// brought up to date; partial tiles that full ones replace are deleted.
///
/// # Errors
/// The log cannot be read, its entries do not lead to its root, or the
/// directory cannot be written.
pub fn export(
    source: &dyn LogSource,
    directory: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Exported, ExportError> {
    let view = LogView::open(source)?;
    let checkpoint = view.checkpoint().clone();
    let mut writer = Writer::new(directory, &checkpoint.origin)?;
    let mut tree = Tree::new();
    for bundle in 0..checkpoint.size.div_ceil(TILE_WIDTH) {
        let entries = view.bundle(bundle)?;
        let mut bytes = Vec::new();
        let mut made = Vec::new();
        for entry in &entries {
            if !push_entry(&mut bytes, entry) {
                return Err(ExportError::TooLong);
            }
            tree.push(Hash::leaf(entry), |tile| made.push(tile));
            writer.note_blobs(entry);
        }
        let width = u16::try_from(entries.len()).unwrap_or(256);
        writer.tile(Tile::bundle(bundle).cut(width), &bytes)?;
        for made in made {
            writer.hashes(&made)?;
        }
        progress(Progress { done: tree.size(), total: checkpoint.size });
    }
    if tree.root() != checkpoint.root {
        return Err(ExportError::Root);
    }
    for made in tree.partial().collect::<Vec<_>>() {
        writer.hashes(&made)?;
    }
    writer.blobs(source)?;
    writer.put("checkpoint", view.note())?;
    let root = checkpoint.root.to_string();
    Ok(Exported { size: checkpoint.size, root, files: writer.files, bytes: writer.bytes })
}

struct Writer<'a> {
    directory: &'a Path,
    blobs: BTreeSet<Digest>,
    files: u64,
    bytes: u64,
}

impl<'a> Writer<'a> {
    fn new(directory: &'a Path, origin: &str) -> Result<Self, ExportError> {
        fs::create_dir_all(directory).map_err(ExportError::Write)?;
        let mut names = fs::read_dir(directory).map_err(ExportError::Write)?.peekable();
        if names.peek().is_some() {
            let note = fs::read(directory.join("checkpoint")).map_err(|_| ExportError::Occupied)?;
            let own = note.starts_with(format!("{origin}\n").as_bytes());
            if !own || directory.join("wal").exists() {
                return Err(ExportError::Occupied);
            }
        }
        Ok(Self { directory, blobs: BTreeSet::new(), files: 0, bytes: 0 })
    }

    fn hashes(&mut self, made: &Made) -> Result<(), ExportError> {
        let bytes: Vec<u8> = made.hashes.iter().flat_map(|hash| hash.0).collect();
        self.tile(made.tile, &bytes)
    }

    /// Writes a tile; a full one replaces its partial ones (C2SP: where a partial is
    /// gone, the full one takes its place).
    fn tile(&mut self, tile: Tile, bytes: &[u8]) -> Result<(), ExportError> {
        self.put(&tile.to_string(), bytes)?;
        if !tile.is_full() {
            // Those of smaller sizes stay: the checkpoint that stands needs them, and
            // so may a reader who has it.
            return Ok(());
        }
        let partial = self.directory.join(format!("{}.p", tile.cut(256)));
        match fs::remove_dir_all(&partial) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(ExportError::Write(fault)),
            _ => Ok(()),
        }
    }

    fn note_blobs(&mut self, entry: &[u8]) {
        if let Ok(Stored { record: Some(record), .. }) = Stored::parse(entry) {
            let record: Record = record;
            self.blobs.extend(record.blobs());
        }
    }

    fn blobs(&mut self, source: &dyn LogSource) -> Result<(), ExportError> {
        for digest in std::mem::take(&mut self.blobs) {
            let path = blob_path(&digest);
            // A blob that is gone is the verifier's to report.
            if let Some(bytes) = source.read(&path, MAX_BLOB_LIMIT).map_err(ReadError::Io)? {
                self.put(&path, &bytes)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.directory.join(path);
        let write = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let beside = path.with_extension("tmp");
            fs::write(&beside, bytes)?;
            fs::rename(&beside, &path)
        };
        write().map_err(ExportError::Write)?;
        self.files += 1;
        self.bytes += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }
}
