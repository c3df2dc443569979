//! Records: what a leaf of the tree says.
//!
//! Each kind is a plain struct whose fields are declared in sorted order;
//! `kind`, `time` and `v` are woven in when it is written, `time` by the
//! sequencer, so that order and time agree.

mod approval;
mod envelope;
mod exchange;
mod facts;
mod kinds;
mod statement;

use std::borrow::Cow;

use thiserror::Error;

use crate::commit::Commitment;
use crate::hash::Digest;
use crate::json::{self, Json, JsonFault};

pub use approval::{Approval, ApprovalDecision, ApprovalFault};
pub(crate) use envelope::{EncodeError, Encoded, ExchangeKey, Subject, uuid7_millis};
pub(crate) use exchange::{CRASH, SHUTDOWN};
pub use exchange::{
    ConfigInForce, CoverageRow, Decoded, DetectorResult, Enforcement, Intent, Opaque, Outcome,
    RecordVerdict, ToolCall, Usage,
};
pub(crate) use facts::{Fact, Facts, PrincipalKey, Used};
pub use kinds::{
    Anchor, Boot, Close, CommitmentDocument, Config, ConfigOf, Erasure, Heartbeat, KeyChange,
    RouteCounters, TestCount, TestRun,
};
pub use statement::{Statement, StatementFault, StatementKind};

/// The version of the records that this program writes.
pub const RECORD_VERSION: u64 = 1;

/// No record is longer, in bytes.
pub const MAX_RECORD_BYTES: usize = 8 * 1024;

/// One record, before the sequencer stamps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// At start, before anything is served.
    Boot(Boot),
    /// Before a bundle, model or configuration takes effect.
    Config(Config),
    /// When a signed commitment document takes effect.
    Commitment(CommitmentDocument),
    /// When an exchange is admitted, before anything is forwarded.
    Intent(Intent),
    /// When an exchange ends; exactly one for each intent.
    Outcome(Box<Outcome>),
    /// For each tool call that passes or is stopped.
    ToolCall(ToolCall),
    /// When an approver decides about a tool call that was held.
    Approval(Box<Approval>),
    /// For each run of the self-test.
    Test(TestRun),
    /// Every few seconds.
    Heartbeat(Heartbeat),
    /// An operator's signed report of an incident.
    Incident(Statement),
    /// An operator's signed review.
    Review(Statement),
    /// An operator's signed stop.
    Stop(Statement),
    /// When witnesses cosigned.
    Anchor(Anchor),
    /// At a rotation of the log's key.
    Key(KeyChange),
    /// When openings were destroyed.
    Erasure(Erasure),
    /// At a clean stop. The log writes it itself, from [`Log::close`](crate::Log::close).
    Close(Close),
}

impl Record {
    /// The record's `kind`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Boot(_) => "boot",
            Self::Config(_) => "config",
            Self::Commitment(_) => "commitment",
            Self::Intent(_) => "intent",
            Self::Outcome(_) => "outcome",
            Self::ToolCall(_) => "toolcall",
            Self::Approval(_) => "approval",
            Self::Test(_) => "test",
            Self::Heartbeat(_) => "heartbeat",
            Self::Incident(_) => "incident",
            Self::Review(_) => "review",
            Self::Stop(_) => "stop",
            Self::Anchor(_) => "anchor",
            Self::Key(_) => "key",
            Self::Erasure(_) => "erasure",
            Self::Close(_) => "close",
        }
    }

    /// The keyed commitments of the record, with the names of their fields.
    #[must_use]
    pub fn commitments(&self) -> Vec<(Cow<'static, str>, Commitment)> {
        let fields: Vec<(Cow<'static, str>, _)> = match self {
            Self::Intent(intent) => vec![("request".into(), intent.request)],
            Self::Outcome(outcome) => vec![
                ("request".into(), outcome.request),
                ("response.upstream".into(), outcome.response_upstream),
                ("response.released".into(), outcome.response_released),
            ],
            Self::ToolCall(call) => {
                vec![(format!("arguments/{}", call.number).into(), call.arguments)]
            }
            Self::Approval(approval) => vec![(Approval::FIELD.into(), Some(approval.call))],
            _ => Vec::new(),
        };
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The operator's statement that the record is, if it is one.
    #[must_use]
    pub fn statement(&self) -> Option<(StatementKind, &Statement)> {
        match self {
            Self::Incident(statement) => Some((StatementKind::Incident, statement)),
            Self::Review(statement) => Some((StatementKind::Review, statement)),
            Self::Stop(statement) => Some((StatementKind::Stop, statement)),
            _ => None,
        }
    }

    /// The blobs that the record points at.
    #[must_use]
    pub fn blobs(&self) -> Vec<Digest> {
        match self {
            Self::Config(config) => config.manifest.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// A record as a log holds it: stamped, and read back from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The version of the record's grammar.
    pub v: u64,
    /// Its kind, also when this program does not know it.
    pub kind: String,
    /// Unix microseconds; never less than the record's before it.
    pub time: u64,
    /// The record, or nothing when its version or kind is newer than this
    /// program.
    pub record: Option<Record>,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordFault {
    /// Longer than [`MAX_RECORD_BYTES`].
    #[error("longer than {MAX_RECORD_BYTES} bytes")]
    TooLong,
    /// No `kind`, `time` or `v`.
    #[error("no `kind`, `time` and `v`")]
    Envelope,
    /// Not the canonical JSON of its kind.
    #[error(transparent)]
    Json(#[from] JsonFault),
}

impl Stored {
    /// Reads the exact bytes of a leaf.
    ///
    /// # Errors
    /// The bytes are not the one canonical spelling of a record.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordFault> {
        envelope::parse(bytes)
    }

    /// The record as any canonical JSON value, whatever its kind.
    ///
    /// # Errors
    /// The bytes are not canonical JSON.
    pub fn json(bytes: &[u8]) -> Result<Json, RecordFault> {
        Ok(json::read(bytes)?)
    }
}

#[cfg(test)]
mod tests;
