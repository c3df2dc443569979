//! What screening reports.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

/// How bad it is if a finding is right. Policies see it as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a note (1 in policies).
    Low,
    /// Worth a look (2).
    Medium,
    /// Worth stopping in most places (3).
    High,
    /// Worth stopping everywhere (4).
    Critical,
}

impl Severity {
    /// The name that files use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The number that policies compare with.
    #[must_use]
    pub fn level(self) -> i64 {
        match self {
            Severity::Low => 1,
            Severity::Medium => 2,
            Severity::High => 3,
            Severity::Critical => 4,
        }
    }
}

/// The form of the text in which a finding was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// As it came, or folded where folding changed nothing in the span.
    Raw,
    /// Compatibility forms made plain, invisible characters removed, confusables mapped.
    Folded,
    /// With percent, entity, quoted-printable and escape sequences and tag
    /// characters resolved.
    Unescaped,
    /// With what backspaces and deletes take away taken away.
    Deleted,
    /// As a shell reads a tool's argument: quotes, backslashes, expansions undone.
    Shell,
    /// As a URL parser reads a tool's argument: the host that is really asked.
    Url,
    /// With digits and signs read as the letters that they look like.
    Leet,
    /// With the letters of spelled-out words put together.
    Spelled,
    /// Backwards or upside down.
    Reversed,
    /// Each letter thirteen further.
    Rot13,
    /// Out of a run of base64 (standard or URL-safe).
    Base64,
    /// Out of a run of base32.
    Base32,
    /// Out of a run of hexadecimal digits.
    Hex,
    /// Out of a run of variation selectors, each of which carries a byte.
    Selectors,
    /// The whole segment, as a classifier saw it.
    Whole,
}

impl View {
    /// Whether it is made of escapes, deletions or encoded runs.
    pub(crate) fn is_decoded(self) -> bool {
        matches!(
            self,
            View::Unescaped
                | View::Deleted
                | View::Base64
                | View::Base32
                | View::Hex
                | View::Selectors
        )
    }

    /// The name that records use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            View::Raw => "raw",
            View::Folded => "folded",
            View::Unescaped => "unescaped",
            View::Deleted => "deleted",
            View::Shell => "shell",
            View::Url => "url",
            View::Leet => "leet",
            View::Spelled => "spelled",
            View::Reversed => "reversed",
            View::Rot13 => "rot13",
            View::Base64 => "base64",
            View::Base32 => "base32",
            View::Hex => "hex",
            View::Selectors => "selectors",
            View::Whole => "whole",
        }
    }
}

/// One thing that one detector saw in one segment.
///
/// Matches of one detector that overlap, in whatever views, are one finding:
/// their union. It never holds the text that was matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The detector's id.
    pub detector: Arc<str>,
    /// The detector's category.
    pub category: Arc<str>,
    /// The detector's severity.
    pub severity: Severity,
    /// How sure the detector is, in parts per million.
    pub score_ppm: u32,
    /// The segment's number; 0 in a stream.
    pub segment: u32,
    /// Where, in raw bytes of the text; on character boundaries.
    pub span: Range<usize>,
    /// The first view, in declaration order, in which it was seen.
    pub view: View,
}

/// Text that a detector should have seen and did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skip {
    /// The detector or view that did not see it.
    pub detector: Arc<str>,
    /// Why, as one word of a closed list.
    pub reason: &'static str,
    /// How many raw bytes.
    pub bytes: u64,
}

/// What the rules of a bundle saw in one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Screened {
    /// By place, then by detector.
    pub findings: Vec<Finding>,
    /// What was not seen; empty when the coverage is complete.
    pub skipped: Vec<Skip>,
}

/// What can be released of a stream, and what was found in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Everything before this byte of the channel's text is decided. It is on
    /// a character boundary, never falls, and never lies inside a finding.
    pub upto: usize,
    /// Spans are absolute in the channel's text. Each finding is given once,
    /// in the step in which `upto` passes its start.
    pub findings: Vec<Finding>,
    /// What a bound kept from being seen, given once.
    pub skipped: Vec<Skip>,
}
