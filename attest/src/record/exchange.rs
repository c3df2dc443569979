//! The records of one exchange: `intent`, `outcome`, `toolcall`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::commit::Commitment;
use crate::hash::Digest;
use crate::json::Extra;

/// Which `config` records were in force, by log index: "the policy in force"
/// is so ordered by the tree, and cannot be dated back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigInForce {
    /// The models, where the route uses any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<u64>,
    /// The policy bundle.
    pub policy: u64,
    /// The program's settings.
    pub settings: u64,
}

/// An exchange was admitted. Durable before anything is forwarded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// What is asked for: `prompt`, `call_tool`, ...
    pub action: String,
    /// What was in force.
    pub config: ConfigInForce,
    /// Fields that were cut, with the number of bytes left out. Written by the
    /// log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cut: BTreeMap<String, u64>,
    /// The wire protocol of this exchange.
    pub dialect: String,
    /// Pseudonym of the end user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// The exchange's id (UUIDv7).
    pub exchange: String,
    /// The model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether the upstream call ran beside this record's fsync.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overlap: bool,
    /// Pseudonym of the exchange that caused this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Pseudonym of the principal.
    pub principal: String,
    /// Commitment to the request's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Commitment>,
    /// The route's name.
    pub route: String,
    /// Pseudonym of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// SHA-256 of the upstream's public key, where the route pins one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spki: Option<Digest>,
    /// Pseudonym of the tenant.
    pub tenant: String,
    /// The upstream's host.
    pub upstream: String,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

/// What became of an exchange.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordVerdict {
    /// Nothing was found that a policy minds.
    Allow,
    /// Passed, and marked.
    Flag,
    /// Passed with spans replaced.
    Redact,
    /// Stopped.
    Block,
    /// Held for a person.
    Approve,
    /// It failed: the upstream's fault or ours.
    Error,
    /// It ended before a verdict: the client left, or the process did.
    #[default]
    Abort,
}

impl RecordVerdict {
    /// The verdict as the record writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Flag => "flag",
            Self::Redact => "redact",
            Self::Block => "block",
            Self::Approve => "approve",
            Self::Error => "error",
            Self::Abort => "abort",
        }
    }
}

/// How the verdict took effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// As the policy says.
    #[default]
    Enforced,
    /// Only written down.
    Shadow,
    /// A part failed, and the exchange passed.
    FailOpen,
    /// A part failed, and the exchange was refused.
    FailClosed,
}

/// Tokens, as the upstream counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Of the request.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

/// One detector's result on one channel. None is overwritten by another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorResult {
    /// The category it speaks of.
    pub category: String,
    /// The channel it looked at.
    pub channel: String,
    /// How many findings.
    pub count: u64,
    /// The detector's id.
    pub detector: String,
    /// The highest score, in parts per million.
    pub score_ppm: u32,
}

/// What was decoded on one channel: the totals that coverage must reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoded {
    /// Bytes of text.
    pub bytes: u64,
    /// The channel.
    pub channel: String,
    /// Segments of text.
    pub segments: u64,
}

/// What one detector saw of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageRow {
    /// Bytes of the segments seen whole.
    pub bytes: u64,
    /// Of the segments seen whole, those answered from a cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// The channel.
    pub channel: String,
    /// The detector's id.
    pub detector: String,
    /// Segments on which the detector failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Segments seen whole, those from the cache included.
    pub segments: u64,
    /// Segments that were not given to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// Segments that ran out of time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timed_out: u64,
    /// Tokens seen, for a classifier.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// Segments seen in part.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated: u64,
}

impl CoverageRow {
    /// Segments that the row accounts for, seen or not.
    fn accounted(&self) -> u64 {
        [self.segments, self.skipped, self.truncated, self.failed, self.timed_out]
            .iter()
            .fold(0, |sum, part| sum.saturating_add(*part))
    }
}

/// Content that no detector reads, by media type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opaque {
    /// How many bytes.
    pub bytes: u64,
    /// Of which kind.
    pub media_type: String,
}

/// An exchange ended. Exactly one for each intent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Categories of the findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Commitments (`framework/id`) that the determining policies serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commitments: Vec<String>,
    /// Who saw what, and what was skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<CoverageRow>,
    /// Whether the rows account for everything decoded. Computed by the log:
    /// what a caller writes here is overwritten.
    pub coverage_complete: bool,
    /// Lists and strings that were cut to fit, with the number of items or
    /// bytes left out. Written by the log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cut: BTreeMap<String, u64>,
    /// The totals, channel by channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decoded: Vec<Decoded>,
    /// Every detector's result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<DetectorResult>,
    /// How the verdict took effect.
    pub enforcement: Enforcement,
    /// The exchange's id.
    pub exchange: String,
    /// The index of its intent.
    pub intent: u64,
    /// The model that answered, as it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What no detector read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opaque: Vec<Opaque>,
    /// The policies that determined the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// One word on why, for `error` and `abort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Bytes that were out after the verdict.
    pub released_after: u64,
    /// Bytes that were out before the verdict (`race` and `shadow` only).
    pub released_before: u64,
    /// Commitment to the request's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Commitment>,
    /// Commitment to what the client got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_released: Option<Commitment>,
    /// Commitment to what the upstream sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_upstream: Option<Commitment>,
    /// Microseconds, stage by stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timings_us: BTreeMap<String, u64>,
    /// The upstream's status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What became of it.
    pub verdict: RecordVerdict,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

impl Outcome {
    /// The outcome that the log itself writes for an exchange that nobody
    /// ended.
    pub(crate) fn aborted(exchange: String, intent: u64, reason: &str) -> Self {
        Self { exchange, intent, reason: Some(reason.to_owned()), ..Self::default() }
    }

    /// Whether the coverage rows account for everything decoded: every channel
    /// that holds text has a row, and every row's segments, seen and unseen,
    /// sum to the channel's, its bytes too where all were seen. An abort by
    /// crash or shutdown has lost its coverage, and a list that was cut proves nothing.
    #[must_use]
    pub fn covers(&self) -> bool {
        if self.cut.contains_key("coverage") || self.cut.contains_key("decoded") {
            return false;
        }
        let rows = self.coverage.iter().map(|row| Seen {
            bytes: row.bytes,
            cached: row.cached,
            channel: &row.channel,
            segments: row.segments,
            accounted: row.accounted(),
        });
        let totals = self.decoded.iter().map(|total| Total {
            bytes: total.bytes,
            channel: &total.channel,
            segments: total.segments,
        });
        let map = Coverage { rows: rows.collect(), totals: totals.collect() };
        map.adds_up(self.verdict, self.reason.as_deref())
    }
}

/// A coverage map as far as its sums go, lent by whoever read it.
#[derive(Debug, Default)]
pub(super) struct Coverage<'a> {
    pub(super) rows: Vec<Seen<'a>>,
    pub(super) totals: Vec<Total<'a>>,
}

/// A [`CoverageRow`].
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) bytes: u64,
    pub(super) cached: u64,
    pub(super) channel: &'a str,
    pub(super) segments: u64,
    /// Segments that the row accounts for, seen or not.
    pub(super) accounted: u64,
}

/// A [`Decoded`].
#[derive(Debug)]
pub(super) struct Total<'a> {
    pub(super) bytes: u64,
    pub(super) channel: &'a str,
    pub(super) segments: u64,
}

impl Coverage<'_> {
    /// See [`Outcome::covers`].
    pub(super) fn adds_up(&self, verdict: RecordVerdict, reason: Option<&str>) -> bool {
        let lost = verdict == RecordVerdict::Abort && matches!(reason, Some(CRASH | SHUTDOWN));
        let rows_sum = self.rows.iter().all(|row| {
            self.totals.iter().any(|total| {
                let whole = row.segments == total.segments;
                total.channel == row.channel
                    && row.accounted == total.segments
                    && row.cached <= row.segments
                    && if whole { row.bytes == total.bytes } else { row.bytes <= total.bytes }
            })
        });
        let channels_seen = self.totals.iter().all(|total| {
            total.segments == 0 || self.rows.iter().any(|row| row.channel == total.channel)
        });
        !lost && rows_sum && channels_seen
    }
}

/// A tool call passed or was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The id under which the call was held for a person, where it was; a call
    /// that passed with one names an `approval` that allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// The commitment that the approval is to, made again from this call's name
    /// and arguments when it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Commitment>,
    /// Keyed commitment to the arguments: a plain digest could be guessed, and
    /// would outlive an erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Commitment>,
    /// Fields that were cut, with the number of bytes left out. Written by the
    /// log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cut: BTreeMap<String, u64>,
    /// Digest of the tool's definition: SHA-256 over its server's authority, a
    /// newline, and the SHA-256 of the definition's JSON with sorted members
    /// and without white space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
    /// The exchange's id.
    pub exchange: String,
    /// The index of its intent.
    pub intent: u64,
    /// Which call of the exchange it is, from 0; its arguments are the field
    /// `arguments/<number>`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u64,
    /// The policies that determined the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// The tool's name; `unnamed` where it is no plain name.
    pub tool: String,
    /// What became of the call.
    pub verdict: RecordVerdict,
    /// Fields of later versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub x: Extra,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes by reference")]
pub(super) fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes by reference")]
pub(super) fn is_false(value: &bool) -> bool {
    !*value
}

/// The reason of an `abort` whose process died.
pub(crate) const CRASH: &str = "crash";
/// The reason of an `abort` that was open when the log closed.
pub(crate) const SHUTDOWN: &str = "shutdown";
