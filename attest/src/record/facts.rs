//! What the rules between records need of one record, taken from its bytes in
//! one pass.
//!
//! Almost all records of a log are intents, outcomes and tool calls in plain
//! text. For these a scanner walks once over the bytes in the order that the
//! canonical form dictates, and copies nothing. Whatever it does not expect,
//! faults included, goes to [`Stored::parse`], which alone decides what a
//! record is: the scanner may only give up, never accept more or say else.

mod scan;

use std::borrow::Cow;

use crate::commit::Commitment;
use crate::hash::Digest;

use super::{ConfigInForce, ExchangeKey, MAX_RECORD_BYTES, Record, RecordFault, RecordVerdict};
use super::{Stored, ToolCall, exchange};

/// One record, as far as rules speak of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts<Route> {
    /// Unix microseconds.
    pub(crate) time: u64,
    pub(crate) fact: Fact<Route>,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact<Route> {
    Intent {
        key: ExchangeKey,
        principal: PrincipalKey,
        route: Route,
        config: ConfigInForce,
    },
    Outcome {
        key: ExchangeKey,
        intent: u64,
        verdict: RecordVerdict,
        /// What the record says of its coverage map.
        complete: bool,
        /// What the rows of the map sum to.
        covers: bool,
    },
    Call {
        key: ExchangeKey,
        intent: u64,
        /// What it says of a person's approval, where it passed with one.
        used: Option<Box<Used>>,
    },
    /// Any other kind that this program knows.
    Other(Box<Record>),
    /// A version or kind that it does not know.
    Unknown,
}

/// What stands for a principal between the records of one log: the head of its
/// pseudonym, 96 bits of a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PrincipalKey([u8; 16]);

impl PrincipalKey {
    pub(crate) fn of(pseudonym: &str) -> Self {
        let mut head = [0; 16];
        for (to, from) in head.iter_mut().zip(pseudonym.bytes()) {
            *to = from;
        }
        Self(head)
    }
}

/// An approval as the tool call says that it was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) id: ExchangeKey,
    pub(crate) tool: String,
    pub(crate) definition: Option<Digest>,
    pub(crate) approved: Option<Commitment>,
}

impl Used {
    /// What a call that passed says; one that did not pass used nothing.
    fn of(call: ToolCall) -> Option<Box<Self>> {
        use RecordVerdict::{Allow, Flag, Redact};
        let passed = matches!(call.verdict, Allow | Flag | Redact);
        let (tool, definition, approved) = (call.tool, call.definition, call.approved);
        let id = call.approval.as_deref().filter(|_| passed).map(ExchangeKey::of);
        // A commitment without an id is a use of no approval.
        let id = id.or(approved.filter(|_| passed).map(|_| ExchangeKey::of("")))?;
        Some(Box::new(Self { id, tool, definition, approved }))
    }
}

impl<'a> Facts<Cow<'a, str>> {
    /// Reads the exact bytes of a leaf.
    ///
    /// # Errors
    /// As [`Stored::parse`].
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, RecordFault> {
        match Self::scanned(bytes) {
            Some(facts) => Ok(facts),
            None => Stored::parse(bytes).map(Self::from),
        }
    }

    /// The facts of a record that the scanner expects.
    pub(crate) fn scanned(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > MAX_RECORD_BYTES {
            return None;
        }
        scan::record(std::str::from_utf8(bytes).ok()?)
    }
}

impl<Route> Facts<Route> {
    /// The same with the route told in another way.
    pub(crate) fn map_route<Other>(self, map: impl FnOnce(Route) -> Other) -> Facts<Other> {
        let fact = match self.fact {
            Fact::Intent { key, principal, route, config } => {
                Fact::Intent { key, principal, route: map(route), config }
            }
            Fact::Outcome { key, intent, verdict, complete, covers } => {
                Fact::Outcome { key, intent, verdict, complete, covers }
            }
            Fact::Call { key, intent, used } => Fact::Call { key, intent, used },
            Fact::Other(record) => Fact::Other(record),
            Fact::Unknown => Fact::Unknown,
        };
        Facts { time: self.time, fact }
    }
}

impl From<Stored> for Facts<Cow<'_, str>> {
    fn from(stored: Stored) -> Self {
        let fact = match stored.record {
            Some(Record::Intent(intent)) => Fact::Intent {
                key: ExchangeKey::of(&intent.exchange),
                principal: PrincipalKey::of(&intent.principal),
                config: intent.config,
                route: Cow::Owned(intent.route),
            },
            Some(Record::Outcome(outcome)) => Fact::Outcome {
                key: ExchangeKey::of(&outcome.exchange),
                intent: outcome.intent,
                verdict: outcome.verdict,
                complete: outcome.coverage_complete,
                covers: outcome.covers(),
            },
            Some(Record::ToolCall(call)) => Fact::Call {
                key: ExchangeKey::of(&call.exchange),
                intent: call.intent,
                used: Used::of(call),
            },
            Some(other) => Fact::Other(Box::new(other)),
            None => Fact::Unknown,
        };
        Self { time: stored.time, fact }
    }
}
