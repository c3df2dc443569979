//! Spans replaced in place.

use std::{collections::BTreeSet, ops::Range};

use troth_policies::Finding;

use crate::{dialect::Piece, json::Splice};

/// One replacement in a text: overlapping findings are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redaction {
    /// Bytes of the text.
    pub(crate) span: Range<usize>,
    /// What stands there instead.
    pub(crate) marker: String,
}

/// What stands instead of a finding: its category, never its length. ASCII
/// without quotes or backslashes, so that it is the same inside any string.
pub(crate) fn marker(category: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_./".contains(*c);
    let category: String = category.chars().filter(plain).take(48).collect();
    format!("[REDACTED:{category}]")
}

/// `redactions` with `new` added; overlapping spans become one, which keeps the
/// marker of the one that begins first.
pub(crate) fn add(redactions: &mut Vec<Redaction>, new: Redaction) {
    redactions.push(new);
    redactions.sort_by_key(|redaction| (redaction.span.start, redaction.span.end));
    let mut merged: Vec<Redaction> = Vec::with_capacity(redactions.len());
    for redaction in redactions.drain(..) {
        match merged.last_mut() {
            Some(last) if redaction.span.start < last.span.end => {
                last.span.end = last.span.end.max(redaction.span.end);
            }
            _ => merged.push(redaction),
        }
    }
    *redactions = merged;
}

/// The redactions of one text.
pub(crate) fn of<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Redaction> {
    let mut redactions = Vec::new();
    for finding in findings.filter(|finding| !finding.span.is_empty()) {
        add(
            &mut redactions,
            Redaction { span: finding.span.clone(), marker: marker(&finding.category) },
        );
    }
    redactions
}

/// Splices for the findings of `chosen`; `None` when one of them stands where
/// nothing can be replaced.
pub(crate) fn splices(
    document: &[u8],
    pieces: &[Piece],
    findings: &[Finding],
    chosen: &BTreeSet<usize>,
) -> Option<Vec<Splice>> {
    let mut splices = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let own = chosen
            .iter()
            .filter_map(|chosen| findings.get(*chosen))
            .filter(|finding| finding.segment as usize == index);
        for redaction in of(own) {
            let span = piece.place.locate(document, &redaction.span)?;
            splices.push(Splice { span, with: redaction.marker });
        }
    }
    Some(splices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_spans_become_one() {
        let mut redactions = Vec::new();
        for (span, marker) in [(8..12, "b"), (0..3, "a"), (10..20, "c"), (20..21, "d")] {
            add(&mut redactions, Redaction { span, marker: marker.to_owned() });
        }
        let spans: Vec<_> =
            redactions.iter().map(|r| (r.span.clone(), r.marker.as_str())).collect();
        assert_eq!(spans, [(0..3, "a"), (8..20, "b"), (20..21, "d")]);
    }

    #[test]
    fn a_marker_needs_no_escape_anywhere() {
        assert_eq!(marker("secret/aws\"\\\n"), "[REDACTED:secret/aws]");
    }
}
