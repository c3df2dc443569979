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

use super::{ConfigInForce, ExchangeKey, MAX_RECORD_BYTES, Record, RecordFault, RecordVerdict};
use super::{Stored, exchange};

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
    },
    /// Any other kind that this program knows.
    Other(Box<Record>),
    /// A version or kind that it does not know.
    Unknown,
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
            Fact::Intent { key, route, config } => Fact::Intent { key, route: map(route), config },
            Fact::Outcome { key, intent, verdict, complete, covers } => {
                Fact::Outcome { key, intent, verdict, complete, covers }
            }
            Fact::Call { key, intent } => Fact::Call { key, intent },
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
            Some(Record::ToolCall(call)) => {
                Fact::Call { key: ExchangeKey::of(&call.exchange), intent: call.intent }
            }
            Some(other) => Fact::Other(Box::new(other)),
            None => Fact::Unknown,
        };
        Self { time: stored.time, fact }
    }
}
