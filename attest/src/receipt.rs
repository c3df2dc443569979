//! Receipts: C2SP tlog-proof files that verify offline, with nothing but a
//! policy file.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError, VerifiedCheckpoint, parse_decimal};
use crate::commit::{Commitment, Opening};
use crate::hash::Hash;
use crate::json;
use crate::proof::{ProofError, verify_inclusion};
use crate::record::{RecordFault, Stored};
use crate::trust::TrustPolicy;

/// A receipt as its file has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    text: String,
    index: u64,
}

/// What makes a receipt self-contained. Nobody signs it: the record is hashed
/// and proven, an opening is tried against a commitment of that record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) record: Vec<u8>,
    pub(crate) openings: BTreeMap<String, Opening>,
}

/// The JSON of an `extra` line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtraText {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    openings: BTreeMap<String, String>,
    record: String,
}

impl Receipt {
    pub(crate) fn new(index: u64, proof: &[Hash], note: &[u8], extra: Option<&Extra>) -> Self {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = extra {
            let _ = writeln!(text, "extra {}", STANDARD.encode(extra.to_bytes()));
        }
        let _ = writeln!(text, "index {index}");
        for hash in proof {
            let _ = writeln!(text, "{hash}");
        }
        text.push('\n');
        // Our own notes are ASCII but for the dash of the signature line.
        text.push_str(&String::from_utf8_lossy(note));
        Self { text, index }
    }

    /// The file's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The file's bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// The index of the record that it proves.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Receipt {
    /// Openings are secrets of the principal: only the index is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt(index {})", self.index)
    }
}

impl Extra {
    fn to_bytes(&self) -> Vec<u8> {
        let openings = self.openings.iter();
        let text = ExtraText {
            openings: openings
                .map(|(name, key)| (name.clone(), key.to_text().to_string()))
                .collect(),
            record: URL_SAFE_NO_PAD.encode(&self.record),
        };
        let mut bytes = Vec::new();
        // Strings only: there is no value that canonical JSON could refuse.
        let _ = json::write(&text, &mut bytes);
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text: ExtraText = json::read(bytes).ok()?;
        let openings = text.openings.into_iter();
        Some(Self {
            record: URL_SAFE_NO_PAD.decode(text.record).ok()?,
            openings: openings
                .map(|(name, key)| Some((name, Opening::parse(&key)?)))
                .collect::<Option<_>>()?,
        })
    }
}

/// Why a receipt does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReceiptFault {
    /// Not a tlog-proof file.
    #[error("not a receipt: {0}")]
    Form(&'static str),
    /// The checkpoint is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The record is not where the receipt says.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Neither the receipt nor the caller has the record.
    #[error("the receipt holds no record: it must be given")]
    NoRecord,
    /// The record is proven, but it is not a record.
    #[error("the record is proven, but malformed: {0}")]
    Record(#[from] RecordFault),
    /// An opening for a field that the record does not commit to.
    #[error("an opening belongs to no commitment of the record")]
    Opening,
}

impl ReceiptFault {
    /// The exit code of `troth-audit` for this fault (attestation, section 5).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Checkpoint(CheckpointError::Quorum) => 3,
            Self::NoRecord => 64,
            _ => 1,
        }
    }
}

impl VerifiedReceipt {
    /// The exit code of `troth-audit receipt`: 0, or 5 where the record is of a
    /// version or kind that this program does not know, so that nobody can say
    /// what was proven.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.record.record.is_some() { 0 } else { 5 }
    }
}

/// A receipt that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// Where the record is.
    pub index: u64,
    /// The head that holds it, with its witnesses.
    pub head: VerifiedCheckpoint,
    /// The record's exact bytes.
    pub entry: Vec<u8>,
    /// The record, as far as this program knows its kind.
    pub record: Stored,
    /// What opens the record's commitments.
    pub openings: BTreeMap<String, (Commitment, Opening)>,
}

impl VerifiedReceipt {
    /// Whether `content` is what the record's `field` commits to; nothing when
    /// the receipt does not open that field.
    #[must_use]
    pub fn confirms(&self, field: &str, content: &[u8]) -> Option<bool> {
        let (commitment, opening) = self.openings.get(field)?;
        Some(opening.confirms(commitment, content))
    }
}

/// The parts of a receipt's file, nothing of it believed yet.
struct Parts<'a> {
    extra: Option<Extra>,
    index: u64,
    proof: Vec<Hash>,
    note: &'a str,
}

impl<'a> Parts<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ReceiptFault> {
        let fault = ReceiptFault::Form;
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(fault("it is too large"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| fault("it is not text"))?;
        let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n'));
        let mut rest = rest.ok_or(fault("its first line is another"))?;
        let mut extra = None;
        if let Some(after) = rest.strip_prefix("extra ") {
            let (line, after) = after.split_once('\n').ok_or(fault("it ends too soon"))?;
            let bytes = STANDARD.decode(line).ok();
            let parsed = bytes.as_deref().and_then(Extra::parse);
            extra = Some(parsed.ok_or(fault("its extra line is malformed"))?);
            rest = after;
        }
        let after = rest.strip_prefix("index ").ok_or(fault("it has no index line"))?;
        let (index, after) = after.split_once('\n').ok_or(fault("it ends too soon"))?;
        let index = parse_decimal(index).ok_or(fault("its index is malformed"))?;
        rest = after;
        let mut proof = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(fault("it ends too soon"))?;
            rest = after;
            if line.is_empty() {
                break;
            }
            proof.push(Hash::parse(line).ok_or(fault("a hash is malformed"))?);
            if proof.len() > 63 {
                return Err(fault("its proof is too long"));
            }
        }
        Ok(Self { extra, index, proof, note: rest })
    }
}

/// Checks a receipt, offline: the checkpoint against the policy, the record
/// against the checkpoint, the record's grammar, and that every opening belongs
/// to a commitment of it.
///
/// `entry` is the record's exact bytes, for receipts that do not hold them.
///
/// # Errors
/// What does not hold, the signature first.
pub fn verify_receipt(
    text: &[u8],
    policy: &TrustPolicy,
    entry: Option<&[u8]>,
) -> Result<VerifiedReceipt, ReceiptFault> {
    let parts = Parts::parse(text)?;
    let head = Checkpoint::verify(parts.note.as_bytes(), policy)?;
    let (held, openings) = parts.extra.map(|e| (e.record, e.openings)).unzip();
    let entry = match (entry, held) {
        (Some(given), _) => given.to_vec(),
        (None, Some(held)) => held,
        (None, None) => return Err(ReceiptFault::NoRecord),
    };
    let Checkpoint { size, root, .. } = &head.checkpoint;
    verify_inclusion(&Hash::leaf(&entry), parts.index, *size, &parts.proof, root)?;
    if !head.quorum {
        return Err(CheckpointError::Quorum.into());
    }
    let record = Stored::parse(&entry)?;
    let commitments: BTreeMap<_, Commitment> =
        record.record.iter().flat_map(crate::record::Record::commitments).collect();
    let openings = openings.unwrap_or_default().into_iter().map(|(name, opening)| {
        let commitment = commitments.get(name.as_str()).ok_or(ReceiptFault::Opening)?;
        Ok((name, (*commitment, opening)))
    });
    let openings = openings.collect::<Result<_, ReceiptFault>>()?;
    Ok(VerifiedReceipt { index: parts.index, head, entry, record, openings })
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A known parser stops at lines of 64 KiB; ours are under 48.
const MAX_RECEIPT_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
