//! Logs one after another: one ends, and the next begins where it ended.

use thiserror::Error;

use crate::hash::Hash;
use crate::proof::verify_inclusion;
use crate::record::{Record, Stored};
use crate::verify::LogSource;
use crate::{LogView, ReadError};

/// Why a log cannot be followed by another.
#[derive(Debug, Error)]
pub enum ShardError {
    /// Its files.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its last record is not under its checkpoint.
    #[error("its files do not lead to its checkpoint")]
    Inconsistent,
    /// Its public checkpoint does not cover an end.
    #[error("the log has not ended, or its end is not under its public checkpoint")]
    NotEnded,
}

/// The last checkpoint of a log that has ended, a signed note: what the log
/// after it is opened with ([`LogConfig::follows`](crate::LogConfig)). Its last
/// record is held to the checkpoint's root; whose signature that bears is for
/// those to check who read it in the log that follows.
///
/// # Errors
/// The log cannot be read, does not hold together, or has not ended.
pub fn last_head(source: &dyn LogSource) -> Result<String, ShardError> {
    let view = LogView::open(source)?;
    let head = view.checkpoint();
    let last = head.size.checked_sub(1).ok_or(ShardError::NotEnded)?;
    let (entry, proof) = view.proven(last)?;
    verify_inclusion(&Hash::leaf(&entry), last, head.size, &proof, &head.root)
        .map_err(|_| ShardError::Inconsistent)?;
    match Stored::parse(&entry).map(|stored| stored.record) {
        Ok(Some(Record::Close(close))) if close.end => {
            Ok(brief(&String::from_utf8_lossy(view.note())))
        }
        _ => Err(ShardError::NotEnded),
    }
}

/// The note with as many of its signatures as a record has room for; the log's
/// own come first.
fn brief(note: &str) -> String {
    let mut brief = String::new();
    for line in note.split_inclusive('\n') {
        if brief.len() + line.len() > MAX_BYTES {
            break;
        }
        brief.push_str(line);
    }
    brief
}

/// Of the note in a `boot`: half of what a record may have.
const MAX_BYTES: usize = 4096;
