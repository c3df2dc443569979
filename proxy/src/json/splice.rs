//! Replacing parts of string literals and leaving every other byte alone.

use std::ops::Range;

use super::parse::escape;

/// One replacement in a document's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    /// The bytes that go.
    pub(crate) span: Range<usize>,
    /// What stands there instead, already escaped where it must be.
    pub(crate) with: String,
}

/// Where the decoded bytes `part` of the string literal at `literal` stand in
/// the document. `part` begins and ends at characters.
///
/// `None` when `part` is not in the literal.
#[must_use]
pub(crate) fn literal_span(
    document: &[u8],
    literal: &Range<usize>,
    part: &Range<usize>,
) -> Option<Range<usize>> {
    let end_of_literal = literal.end.checked_sub(1)?;
    let mut at = literal.start + 1;
    let mut decoded = 0;
    let mut start = None;
    loop {
        if start.is_none() && decoded >= part.start {
            start = Some(at);
        }
        if decoded >= part.end {
            return Some(start?..at);
        }
        if at >= end_of_literal {
            return None;
        }
        match document.get(at)? {
            b'\\' => {
                let (c, length) = escape(document, at).ok()?;
                decoded += c.len_utf8();
                at += length;
            }
            _ => {
                decoded += 1;
                at += 1;
            }
        }
    }
}

/// `document` with all `splices` applied. Overlapping ones are merged: the
/// first one's text stands for both.
#[must_use]
pub(crate) fn apply(document: &[u8], mut splices: Vec<Splice>) -> Vec<u8> {
    splices.sort_by_key(|splice| (splice.span.start, splice.span.end));
    let mut out = Vec::with_capacity(document.len());
    let mut at = 0;
    for splice in splices {
        if splice.span.start >= at {
            out.extend_from_slice(document.get(at..splice.span.start).unwrap_or_default());
            out.extend_from_slice(splice.with.as_bytes());
        }
        at = at.max(splice.span.end);
    }
    out.extend_from_slice(document.get(at..).unwrap_or_default());
    out
}
