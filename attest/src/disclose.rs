//! Disclosure: a receipt of any record that opens the commitments that its
//! operator chooses, made from a log's directory while it runs or not.
//!
//! Reads and changes nothing. What it makes is believed by nobody: a verifier
//! checks the proof, and tries each opening against the content.

use std::collections::BTreeMap;
use std::path::Path;

use thiserror::Error;

use crate::clock::Day;
use crate::disk::{Disk, RealDisk};
use crate::reader::{LogView, ReadError};
use crate::receipt::Receipt;
use crate::record::{Record, Stored};
use crate::vault::{self, VaultError};
use crate::verify::{DirectorySource, LogSource};

/// A record that can be disclosed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosed {
    /// The record's proof under the public checkpoint, opening the fields that
    /// were asked for and no other.
    pub receipt: Receipt,
    /// The record's kind.
    pub kind: String,
    /// The fields that it commits to.
    pub fields: Vec<String>,
    /// The day whose key is needed, where that key was erased.
    pub erased: Option<Day>,
}

/// Why a record is not disclosed.
#[derive(Debug, Error)]
pub enum DiscloseError {
    /// There is no such record.
    #[error("the log has no record {index}: it holds {size}")]
    NoRecord {
        /// The index that was asked for.
        index: u64,
        /// How many records there are.
        size: u64,
    },
    /// The public checkpoint does not cover it yet.
    #[error(
        "record {index} is not under the public checkpoint yet, which covers {size}: a running \
         proxy publishes it soon"
    )]
    NotYet {
        /// The index that was asked for.
        index: u64,
        /// What the checkpoint covers.
        size: u64,
    },
    /// The record commits to no such field.
    #[error("the {kind} record {index} has no field `{field}`; {}", has(.fields))]
    NoField {
        /// The index that was asked for.
        index: u64,
        /// The record's kind.
        kind: String,
        /// What was asked for.
        field: String,
        /// What there is.
        fields: Vec<String>,
    },
    /// The key was erased.
    #[error("the key of {0} was erased: nothing of that day can be opened any more")]
    Erased(Day),
    /// The key is not there.
    #[error(
        "the vault has no key of {0} for this tenant: this is another log's vault, or a file of \
         it is gone"
    )]
    NoKey(Day),
    /// The record names an intent that is not its own.
    #[error("record {0} does not belong to the exchange that it names")]
    Foreign(u64),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The log's files.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn has(fields: &[String]) -> String {
    if fields.is_empty() {
        "it commits to no content".to_owned()
    } else {
        format!("it has `{}`", fields.join("`, `"))
    }
}

/// The receipt of the record at `index` of the log in `directory`, opening
/// these fields; with none, what there is to open.
///
/// # Errors
/// The record is not under the public checkpoint, commits to no such field, or
/// its key was erased; or files cannot be read.
pub fn disclose(
    directory: &Path,
    index: u64,
    fields: &[String],
) -> Result<Disclosed, DiscloseError> {
    let disk = RealDisk::new(directory.to_owned());
    let mut tries = 0;
    loop {
        match of_files(&DirectorySource::new(directory), &disk, index, fields) {
            // A log that runs may have moved entries out of a segment into
            // tiles between two reads.
            Err(DiscloseError::Read(ReadError::Damaged | ReadError::Missing(_)))
                if tries < TRIES =>
            {
                tries += 1;
            }
            done => return done,
        }
    }
}

fn of_files(
    source: &dyn LogSource,
    disk: &dyn Disk,
    index: u64,
    fields: &[String],
) -> Result<Disclosed, DiscloseError> {
    let view = LogView::open(source)?;
    let size = view.checkpoint().size;
    if index >= size {
        let written = view.written()?;
        return Err(if index < written {
            DiscloseError::NotYet { index, size }
        } else {
            DiscloseError::NoRecord { index, size: written }
        });
    }
    let stored = parse(&view, index)?;
    let kind = stored.kind;
    let Some(record) = stored.record else {
        let receipt = view.prove(index)?;
        return Ok(Disclosed { receipt, kind, fields: Vec::new(), erased: None });
    };
    let has: Vec<String> =
        record.commitments().into_iter().map(|(name, _)| name.into_owned()).collect();
    if let Some(field) = fields.iter().find(|field| !has.contains(field)) {
        let (field, fields) = (field.clone(), has);
        return Err(DiscloseError::NoField { index, kind, field, fields });
    }
    let opener = match exchange_of(&view, index, &record)? {
        Some((tenant, exchange)) => Some(vault::stored_opener(disk, &tenant, &exchange)?),
        None => None,
    };
    let (mut openings, mut erased) = (BTreeMap::new(), None);
    match opener {
        Some(vault::Kept::Opener(opener)) => {
            openings.extend(fields.iter().map(|name| (name.clone(), opener.opening(name))));
        }
        Some(vault::Kept::Erased(day)) if fields.is_empty() => erased = Some(day),
        Some(vault::Kept::Erased(day)) => return Err(DiscloseError::Erased(day)),
        Some(vault::Kept::Missing(day)) if !fields.is_empty() => {
            return Err(DiscloseError::NoKey(day));
        }
        Some(vault::Kept::Missing(_)) | None => {}
    }
    let receipt = view.prove_opened(index, openings)?;
    Ok(Disclosed { receipt, kind, fields: has, erased })
}

/// Whose content a record commits to: the tenant's pseudonym and the exchange.
fn exchange_of(
    view: &LogView<'_>,
    index: u64,
    record: &Record,
) -> Result<Option<(String, String)>, DiscloseError> {
    let (exchange, intent) = match record {
        Record::Intent(intent) => {
            return Ok(Some((intent.tenant.clone(), intent.exchange.clone())));
        }
        Record::Outcome(outcome) => (&outcome.exchange, outcome.intent),
        Record::ToolCall(call) => (&call.exchange, call.intent),
        // An approval names its tenant itself, and its key is that of its own id.
        Record::Approval(approval) => {
            return Ok(Some((approval.tenant.clone(), approval.id.clone())));
        }
        _ => return Ok(None),
    };
    match parse(view, intent)?.record {
        Some(Record::Intent(intent)) if intent.exchange == *exchange => {
            Ok(Some((intent.tenant, intent.exchange)))
        }
        _ => Err(DiscloseError::Foreign(index)),
    }
}

fn parse(view: &LogView<'_>, index: u64) -> Result<Stored, DiscloseError> {
    Stored::parse(&view.entry(index)?).map_err(|_| ReadError::Missing(index).into())
}

/// How often files that moved are looked for again.
const TRIES: u32 = 5;

#[cfg(test)]
mod tests;
