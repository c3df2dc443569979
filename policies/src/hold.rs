//! The exact hold-back of one channel of a stream.

use std::{ops::Range, sync::Arc};

use crate::{
    engine::{Context, Engine, Hit},
    finding::{Cleared, Finding, Screened, Skip},
    layer::Layer,
};

/// The text of one channel as it arrives, and how much of it is decided.
///
/// After each push, everything before `Cleared::upto` is decided, whatever
/// comes next; what is after it is the longest suffix that some continuation
/// could turn into a match that begins at the suffix's first byte, in any view
/// (in encoded runs from the fourth decoded byte of a match on, in the deleted
/// view from the first deletion on), or that belongs to a match which overlaps such a suffix. The
/// same text gives the same findings and ends in the same state however it was
/// cut.
#[derive(Debug)]
pub struct Hold {
    /// None where nothing looks at the channel: all is cleared at once.
    engine: Option<Arc<Engine>>,
    layer: Layer,
    /// Hits whose overlaps are not all known.
    pending: Vec<Hit>,
    /// Raw bytes so far.
    end: usize,
    upto: usize,
    finished: bool,
}

impl Hold {
    pub(crate) fn new(engine: Option<Arc<Engine>>) -> Hold {
        let layer = Layer::top(engine.as_deref());
        Hold { engine, layer, pending: Vec::new(), end: 0, upto: 0, finished: false }
    }

    /// Appends text. After `finish` nothing is cleared any more.
    pub fn push(&mut self, text: &str) -> Cleared {
        let mut cleared = Cleared { upto: self.upto, ..Cleared::default() };
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = split(rest, PIECE_BYTES);
            rest = after;
            self.piece(piece, false, &mut cleared);
        }
        cleared
    }

    /// Ends the text: look-aheads see its end, and all of it is decided.
    pub fn finish(&mut self) -> Cleared {
        let mut cleared = Cleared { upto: self.upto, ..Cleared::default() };
        if !self.finished {
            self.close("", &mut cleared);
        }
        cleared
    }

    /// Appends the last of the text and ends it.
    fn close(&mut self, text: &str, cleared: &mut Cleared) {
        self.finished = true;
        let start = self.end;
        self.end = self.end.saturating_add(text.len());
        let Some(engine) = self.engine.clone() else { return };
        let mut cx = Context::new(&engine);
        self.layer.feed(&mut cx, text, start);
        self.layer.finish(&mut cx);
        let (hits, skips) = (std::mem::take(&mut cx.hits), std::mem::take(&mut cx.skips));
        self.clear(self.end, hits, skips, cleared);
    }

    /// How many bytes of the text so far are not cleared.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.end.saturating_sub(self.upto)
    }

    fn piece(&mut self, text: &str, later: bool, cleared: &mut Cleared) {
        let start = self.end;
        self.end = self.end.saturating_add(text.len());
        if self.finished {
            // There is no verdict about text after the end: it stays held.
            return;
        }
        let Some(engine) = self.engine.clone() else {
            self.upto = self.end;
            cleared.upto = self.end;
            return;
        };
        let mut cx = Context::new(&engine);
        cx.later = later;
        self.layer.feed(&mut cx, text, start);
        self.layer.settle(&mut cx);
        let (hits, skips) = (std::mem::take(&mut cx.hits), std::mem::take(&mut cx.skips));
        let frontier = self.layer.hold().unwrap_or(self.end).min(self.end);
        self.clear(frontier, hits, skips, cleared);
    }

    /// Every start before `frontier` is decided: clears up to it, or up to the
    /// first finding that reaches over it.
    fn clear(&mut self, frontier: usize, hits: Vec<Hit>, skips: Vec<Skip>, cleared: &mut Cleared) {
        self.pending.extend(hits);
        cleared.skipped.extend(skips);
        let mut upto = frontier;
        if !self.pending.is_empty() {
            self.pending.sort_by_key(|hit| (hit.span.start, hit.span.end, hit.detector, hit.view));
            let mut done = 0usize;
            for (union, count) in unions(&self.pending) {
                if union.end > frontier {
                    upto = upto.min(union.start);
                    break;
                }
                done = done.saturating_add(count);
            }
            let rest = self.pending.split_off(done.min(self.pending.len()));
            let known = std::mem::replace(&mut self.pending, rest);
            if let Some(engine) = &self.engine {
                cleared.findings.extend(merge(engine, &known));
            }
        }
        self.upto = self.upto.max(upto);
        cleared.upto = self.upto;
    }
}

/// Screens a whole text: the same as a stream of one piece.
pub(crate) fn screen(engine: &Arc<Engine>, text: &str, segment: u32) -> Screened {
    let mut hold = Hold::new(Some(Arc::clone(engine)));
    let mut cleared = Cleared::default();
    let mut rest = text;
    while rest.len() > PIECE_BYTES {
        let (piece, after) = split(rest, PIECE_BYTES);
        rest = after;
        hold.piece(piece, true, &mut cleared);
    }
    // Its end is known, so nothing of it is looked at as if more could come.
    hold.close(rest, &mut cleared);
    for finding in &mut cleared.findings {
        finding.segment = segment;
    }
    Screened { findings: cleared.findings, skipped: cleared.skipped }
}

/// The unions of overlapping hits, with how many hits each has; hits are by start.
fn unions(hits: &[Hit]) -> Vec<(Range<usize>, usize)> {
    let mut all: Vec<(Range<usize>, usize)> = Vec::new();
    for hit in hits {
        match all.last_mut() {
            Some((union, count)) if hit.span.start < union.end => {
                union.end = union.end.max(hit.span.end);
                *count = count.saturating_add(1);
            }
            _ => all.push((hit.span.clone(), 1)),
        }
    }
    all
}

/// One finding for each union of overlapping hits of one detector.
fn merge(engine: &Engine, hits: &[Hit]) -> Vec<Finding> {
    let mut merged: Vec<Hit> = Vec::new();
    let mut by_detector: Vec<&Hit> = hits.iter().collect();
    by_detector.sort_by_key(|hit| (hit.detector, hit.span.start, hit.span.end));
    for hit in by_detector {
        match merged.last_mut() {
            Some(all) if all.detector == hit.detector && hit.span.start < all.span.end => {
                all.span.end = all.span.end.max(hit.span.end);
                (all.rank, all.view) = (all.rank, all.view).min((hit.rank, hit.view));
                all.score = all.score.max(hit.score);
            }
            _ => merged.push(hit.clone()),
        }
    }
    merged.sort_by_key(|hit| (hit.span.start, hit.span.end, hit.detector));
    merged
        .into_iter()
        .filter_map(|hit| {
            let label = engine.labels.get(usize::try_from(hit.detector).ok()?)?;
            Some(Finding {
                detector: Arc::clone(&label.id),
                category: Arc::clone(&label.category),
                severity: label.severity,
                score_ppm: hit.score,
                segment: 0,
                span: hit.span,
                view: hit.view,
            })
        })
        .collect()
}

/// The text cut at a character boundary at or before so many bytes.
fn split(text: &str, bytes: usize) -> (&str, &str) {
    let mut at = bytes.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    if at == 0 {
        return (text, "");
    }
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Long texts are worked through in pieces, so that what is kept stays small.
const PIECE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests;
