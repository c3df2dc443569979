//! Which text which detector saw, and which it did not.
//!
//! No verdict comes from a detector that did not run: a guard that silently
//! skips a route is the defect that users of such proxies meet first.

use std::collections::BTreeMap;

use troth_policies::Channel;

/// What a message decoded to and who looked at it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coverage {
    decoded: BTreeMap<Channel, Amount>,
    rows: BTreeMap<(Channel, String), Row>,
    opaque: BTreeMap<String, u64>,
}

/// Segments and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Texts.
    pub(crate) segments: u64,
    /// Their bytes, decoded.
    pub(crate) bytes: u64,
}

/// What one detector did on one channel. Counts are segments, but for `bytes`
/// and `tokens`; each segment is in exactly one of `segments` (seen whole),
/// `truncated` (seen in part), `skipped`, `failed` and `timed_out`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
    pub(crate) tokens: u64,
    pub(crate) cached: u64,
    pub(crate) skipped: u64,
    pub(crate) truncated: u64,
    pub(crate) failed: u64,
    pub(crate) timed_out: u64,
}

/// What a detector did with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Read it: tokens read, bytes past its bound.
    Read {
        /// Tokens.
        tokens: u64,
        /// Bytes that it did not see.
        truncated: u64,
    },
    /// Had read the same text before.
    Cached {
        /// Tokens, then.
        tokens: u64,
        /// Bytes that it had not seen.
        truncated: u64,
    },
    /// Had nothing to do with it.
    Skipped,
    /// Failed on it.
    Failed,
    /// Was late.
    TimedOut,
}

impl Coverage {
    /// A segment of `bytes` was decoded.
    pub(crate) fn decoded(&mut self, channel: Channel, bytes: usize) {
        self.decoded_more(channel, 1, bytes);
    }

    /// `bytes` more of `segments` new segments were decoded.
    pub(crate) fn decoded_more(&mut self, channel: Channel, segments: u64, bytes: usize) {
        let amount = self.decoded.entry(channel).or_default();
        amount.segments += segments;
        amount.bytes += bytes as u64;
    }

    /// `detector` looked at a segment of `bytes`.
    pub(crate) fn looked(&mut self, channel: Channel, detector: &str, bytes: usize, look: Look) {
        let row = self.row(channel, detector);
        match look {
            Look::Read { tokens, truncated } | Look::Cached { tokens, truncated } => {
                row.bytes += (bytes as u64).saturating_sub(truncated);
                row.tokens += tokens;
                if truncated == 0 {
                    row.segments += 1;
                    row.cached += u64::from(matches!(look, Look::Cached { .. }));
                } else {
                    row.truncated += 1;
                }
            }
            Look::Skipped => row.skipped += 1,
            Look::Failed => row.failed += 1,
            Look::TimedOut => row.timed_out += 1,
        }
    }

    /// The row of `detector` on `channel`.
    pub(crate) fn row(&mut self, channel: Channel, detector: &str) -> &mut Row {
        self.rows.entry((channel, detector.to_owned())).or_default()
    }

    /// `bytes` of `media_type` that no detector reads.
    pub(crate) fn opaque(&mut self, media_type: &str, bytes: u64) {
        *self.opaque.entry(media_type.to_owned()).or_default() += bytes;
    }

    /// Adds what `other` covered.
    pub(crate) fn add(&mut self, other: Self) {
        for (channel, amount) in other.decoded {
            let sum = self.decoded.entry(channel).or_default();
            sum.segments += amount.segments;
            sum.bytes += amount.bytes;
        }
        for (key, row) in other.rows {
            let sum = self.rows.entry(key).or_default();
            sum.segments += row.segments;
            sum.bytes += row.bytes;
            sum.tokens += row.tokens;
            sum.cached += row.cached;
            sum.skipped += row.skipped;
            sum.truncated += row.truncated;
            sum.failed += row.failed;
            sum.timed_out += row.timed_out;
        }
        for (media_type, bytes) in other.opaque {
            *self.opaque.entry(media_type).or_default() += bytes;
        }
    }

    /// Decoded totals by channel.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (Channel, Amount)> + '_ {
        self.decoded.iter().map(|(channel, amount)| (*channel, *amount))
    }

    /// Rows by channel and detector.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Channel, &str, Row)> + '_ {
        self.rows.iter().map(|((channel, detector), row)| (*channel, detector.as_str(), *row))
    }

    /// The map, for programs.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let decoded: Vec<_> = self
            .totals()
            .map(|(channel, amount)| {
                serde_json::json!({
                    "channel": channel.as_str(),
                    "segments": amount.segments,
                    "bytes": amount.bytes,
                })
            })
            .collect();
        let rows: Vec<_> = self
            .rows()
            .map(|(channel, detector, row)| {
                serde_json::json!({
                    "channel": channel.as_str(),
                    "detector": detector,
                    "segments": row.segments,
                    "bytes": row.bytes,
                    "tokens": row.tokens,
                    "cached": row.cached,
                    "skipped": row.skipped,
                    "truncated": row.truncated,
                    "failed": row.failed,
                    "timed_out": row.timed_out,
                })
            })
            .collect();
        serde_json::json!({ "decoded": decoded, "rows": rows })
    }

    /// Unread bytes by media type.
    pub(crate) fn opaques(&self) -> impl Iterator<Item = (&str, u64)> + '_ {
        self.opaque.iter().map(|(media_type, bytes)| (media_type.as_str(), *bytes))
    }
}
