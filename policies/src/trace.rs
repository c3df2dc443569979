//! What a conversation has been through.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    flow::{Flow, tools::Tools},
    limits,
};

/// The state of a conversation: the labels that it has picked up, where its
/// texts came from, and the tools that it was offered. Opaque: `observe` and
/// `offer` write it, `judge` reads it, anybody may store its bytes.
///
/// It holds names of labels and hashes, no text of the conversation, and is
/// bounded whatever is observed: what no longer fits counts as coming from
/// everywhere, never as coming from nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(State);

/// What is stored; only `from_bytes` reads it, which looks at the bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    labels: BTreeSet<String>,
    flow: Flow,
    tools: Tools,
}

impl Trace {
    /// A trace that carries these labels, of which nothing else is known.
    ///
    /// # Errors
    /// More labels, or longer ones, than any bundle declares: none is dropped.
    pub fn labelled<'l>(
        labels: impl IntoIterator<Item = &'l str>,
    ) -> Result<Trace, UnreadableTrace> {
        let mut trace = Trace::default();
        for label in labels {
            trace.add(label);
            if label.len() > limits::NAME_BYTES || !trace.carries(label) {
                return Err(UnreadableTrace::Labels);
            }
        }
        Ok(trace)
    }

    /// The labels, in order.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.labels.iter().map(String::as_str)
    }

    /// Whether it carries this label.
    #[must_use]
    pub fn carries(&self, label: &str) -> bool {
        self.0.labels.contains(label)
    }

    /// Its bytes: a version, a checksum, and what it knows. At most 4 MiB.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory does not fail; were it to, the bytes would be
        // damaged, and reading them says so.
        let body = postcard::to_allocvec(&self.0).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(Sha256::digest(&body));
        bytes.extend(body);
        bytes
    }

    /// The trace of these bytes.
    ///
    /// # Errors
    /// Bytes of another version, that were damaged, or that no trace of any
    /// conversation comes to. A trace that cannot be read is not an empty one:
    /// whoever holds it has to refuse. The checksum finds accidents, not
    /// forgery: keep the bytes where only the proxy writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Trace, UnreadableTrace> {
        if bytes.len() > limits::TRACE_BYTES {
            return Err(UnreadableTrace::TooLarge);
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(UnreadableTrace::Version)?;
        let (sum, body) = rest.split_at_checked(SUM_BYTES).ok_or(UnreadableTrace::Damaged)?;
        if Sha256::digest(body).as_slice() != sum {
            return Err(UnreadableTrace::Damaged);
        }
        let (state, rest) =
            postcard::take_from_bytes::<State>(body).map_err(|_| UnreadableTrace::Damaged)?;
        let trace = Trace(state);
        let bounded = trace.0.labels.len() <= limits::LABELS
            && trace.0.labels.iter().all(|label| label.len() <= limits::NAME_BYTES)
            && trace.0.flow.is_bounded()
            && trace.0.tools.is_bounded();
        if !rest.is_empty() || !bounded {
            return Err(UnreadableTrace::Damaged);
        }
        Ok(trace)
    }

    pub(crate) fn add(&mut self, label: &str) {
        if self.0.labels.len() < limits::LABELS || self.0.labels.contains(label) {
            self.0.labels.insert(label.to_owned());
        }
    }

    pub(crate) fn without(&self, label: &str) -> Trace {
        let mut trace = self.clone();
        trace.0.labels.remove(label);
        trace.0.flow.forget(label);
        trace
    }

    pub(crate) fn flow(&self) -> &Flow {
        &self.0.flow
    }

    pub(crate) fn flow_mut(&mut self) -> &mut Flow {
        &mut self.0.flow
    }

    pub(crate) fn tools_mut(&mut self) -> &mut Tools {
        &mut self.0.tools
    }
}

/// Why bytes are no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreadableTrace {
    /// More bytes than a trace has.
    TooLarge,
    /// Not of this version.
    Version,
    /// More labels, or longer ones, than a bundle can declare.
    Labels,
    /// Cut, changed, or not written by `to_bytes`.
    Damaged,
}

impl fmt::Display for UnreadableTrace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            UnreadableTrace::TooLarge => "more bytes than a trace has",
            UnreadableTrace::Labels => "more labels, or longer ones, than a bundle can declare",
            UnreadableTrace::Version => "not a trace of this version",
            UnreadableTrace::Damaged => "the trace is damaged",
        })
    }
}

impl std::error::Error for UnreadableTrace {}

/// What the bytes of a trace begin with; the last byte is the version.
const MAGIC: &[u8] = b"troth-trace\x01";
const SUM_BYTES: usize = 32;
