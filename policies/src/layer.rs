//! The views of one text: raw, folded, unescaped, and what its encoded runs hide.
//!
//! A text that folding and unescaping leave as it is has one view, not three:
//! the raw and the unescaped view are made only when they first differ, from
//! the folded one, which has been the same until then.

use crate::{
    bitrun::{BitRun, Code, LEAD_BYTES, LINE_CHARS},
    engine::{Context, Part},
    finding::View,
    fold::{fold, folds_to_itself},
    limits,
    scanner::{Match, Scanner},
    unescape::{Plain, Unescape},
    viewbuf::At,
};

/// One text, at some depth of decoding.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    depth: u8,
    view: View,
    /// Bytes at the beginning of a match that its finding leaves out.
    lead: usize,
    raw: Option<Scanner>,
    folded: Scanner,
    /// Characters removed in a row.
    removed: u32,
    unescape: Unescape,
    unescaped: Option<Box<Layer>>,
    runs: [BitRun; 2],
}

impl Layer {
    /// The text as it came.
    pub(crate) fn top(raw_apart: bool) -> Layer {
        let mut layer = Layer::new(0, View::Folded, 0);
        // Patterns that only the raw view can match need it from the start.
        layer.raw = raw_apart.then(Scanner::default);
        layer
    }

    /// What a run of encoded characters says.
    pub(crate) fn decoded(depth: u8, view: View) -> Layer {
        Layer::new(depth, view, LEAD_BYTES)
    }

    fn new(depth: u8, view: View, lead: usize) -> Layer {
        Layer {
            depth,
            view,
            lead,
            raw: None,
            folded: Scanner::default(),
            removed: 0,
            unescape: Unescape::default(),
            unescaped: None,
            runs: [BitRun::new(Code::Base64, depth), BitRun::new(Code::Hex, depth)],
        }
    }

    /// Appends raw text, which begins at this byte.
    pub(crate) fn feed(&mut self, cx: &mut Context<'_>, text: &str, start: usize) {
        if cx.decodes() {
            if self.unescaped.is_some() || Unescape::concerns(text) {
                let mut plain = Vec::new();
                for (offset, c) in text.char_indices() {
                    let from = start.saturating_add(offset);
                    let to = from.saturating_add(c.len_utf8());
                    self.unescape.push(c, from, to, &mut plain);
                }
                self.feed_plain(cx, &plain);
            }
            self.feed_runs(cx, text, start, 0);
            self.feed_runs(cx, text, start, 1);
        }
        let mut rest = text;
        let mut at = start;
        while !rest.is_empty() {
            let kept =
                rest.char_indices().find(|(_, c)| !folds_to_itself(*c)).map(|(kept, _)| kept);
            let (plain, after) =
                rest.split_at_checked(kept.unwrap_or(rest.len())).unwrap_or((rest, ""));
            self.feed_kept(plain.as_bytes(), At::Same(at));
            at = at.saturating_add(plain.len());
            let mut chars = after.chars();
            if let Some(c) = chars.next() {
                self.feed_folded(cx, c, At::Same(at));
                at = at.saturating_add(c.len_utf8());
            }
            rest = chars.as_str();
        }
    }

    /// Appends one character from somewhere.
    pub(crate) fn feed_char(&mut self, cx: &mut Context<'_>, c: char, at: At) {
        if cx.decodes() && self.depth < limits::DECODE_DEPTH {
            let (start, end) = match at {
                At::Same(start) => (start, start.saturating_add(c.len_utf8())),
                At::Span(start, end) => (start, end),
            };
            if self.unescaped.is_some() || !self.unescape.passes(c) {
                let mut plain = Vec::new();
                self.unescape.push(c, start, end, &mut plain);
                self.feed_plain(cx, &plain);
            }
            for run in &mut self.runs {
                run.push(cx, c, start, end);
            }
        }
        let mut buffer = [0; 4];
        if folds_to_itself(c) {
            self.feed_kept(c.encode_utf8(&mut buffer).as_bytes(), at);
        } else {
            self.feed_folded(cx, c, at);
        }
    }

    /// Appends to the unescaped text, which begins to exist when it first
    /// differs or may differ.
    fn feed_plain(&mut self, cx: &mut Context<'_>, plain: &[Plain]) {
        if self.unescaped.is_none() {
            if self.unescape.hold().is_none() && !plain.iter().any(|piece| piece.escaped) {
                return;
            }
            self.unescaped = Some(Box::new(self.fork()));
        }
        if let Some(unescaped) = &mut self.unescaped {
            for piece in plain {
                unescaped.feed_char(cx, piece.c, piece.at);
            }
        }
    }

    /// A layer one deeper for a text that has been the same so far.
    fn fork(&self) -> Layer {
        let mut layer = Layer::new(self.depth.saturating_add(1), self.view, self.lead);
        if self.view == View::Folded {
            layer.view = View::Unescaped;
        }
        layer.folded = self.folded.fork();
        layer.removed = self.removed;
        layer.runs = self.runs.clone().map(BitRun::deepen);
        layer
    }

    /// One decoding deeper, and no deeper decodings of its own past the bound.
    pub(crate) fn deepen(&mut self) {
        self.depth = self.depth.saturating_add(1);
        if self.depth >= limits::DECODE_DEPTH {
            self.unescape = Unescape::default();
            self.unescaped = None;
            self.runs = [BitRun::new(Code::Base64, self.depth), BitRun::new(Code::Hex, self.depth)];
        } else {
            if let Some(unescaped) = &mut self.unescaped {
                unescaped.deepen();
            }
            self.runs = self.runs.clone().map(BitRun::deepen);
        }
    }

    /// Gives a run its characters, passing over words: a stretch that begins
    /// and ends here and is too short to hide anything.
    fn feed_runs(&mut self, cx: &mut Context<'_>, text: &str, start: usize, which: usize) {
        let Some(run) = self.runs.get_mut(which) else { return };
        let code = run.code();
        let short = cx.engine.hidden_chars(code).min(LINE_CHARS);
        let bytes = text.as_bytes();
        let mut at = 0usize;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            if !run.is_open() {
                let gap = rest.iter().take_while(|byte| code.value(**byte).is_none()).count();
                let word =
                    rest.iter().skip(gap).take_while(|byte| code.value(**byte).is_some()).count();
                let ends = gap.saturating_add(word);
                if word < short && ends < rest.len() {
                    at = at.saturating_add(ends);
                    continue;
                }
                at = at.saturating_add(gap);
            }
            let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
            let from = start.saturating_add(at);
            run.push(cx, c, from, from.saturating_add(c.len_utf8()));
            at = at.saturating_add(c.len_utf8());
        }
    }

    /// Appends characters that fold to themselves.
    fn feed_kept(&mut self, bytes: &[u8], at: At) {
        if bytes.is_empty() {
            return;
        }
        self.removed = 0;
        self.folded.push(bytes, at);
        if let Some(raw) = &mut self.raw {
            raw.push(bytes, at);
        }
    }

    /// Appends a character, folded.
    fn feed_folded(&mut self, cx: &mut Context<'_>, c: char, at: At) {
        let (mut raw_bytes, mut part_bytes) = ([0; 4], [0; 4]);
        let raw = c.encode_utf8(&mut raw_bytes).as_bytes();
        let mut folded = cx.buffer();
        fold(c, |part| folded.extend_from_slice(part.encode_utf8(&mut part_bytes).as_bytes()));
        // A run's shortest length counts on decoded text not growing.
        if self.lead > 0 && folded.len() > raw.len() {
            folded.clear();
            folded.extend_from_slice(raw);
        }
        if self.depth == 0 && folded != raw && self.raw.is_none() {
            self.raw = Some(self.folded.fork());
        }
        if let Some(scanner) = &mut self.raw {
            scanner.push(raw, at);
        }
        let span = match at {
            At::Same(start) => At::Span(start, start.saturating_add(c.len_utf8())),
            span @ At::Span(..) => span,
        };
        if folded.is_empty() {
            self.removed = self.removed.saturating_add(1);
            if self.removed >= limits::REMOVED_RUN {
                self.removed = 0;
                self.folded.push(b" ", span);
            }
        } else {
            self.removed = 0;
            self.folded.push(&folded, if folded == raw { at } else { span });
        }
        cx.give_buffer(folded);
    }

    /// Decides what can be decided.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        self.advance(cx, false);
        if let Some(unescaped) = &mut self.unescaped {
            unescaped.settle(cx);
        }
        for run in &mut self.runs {
            run.settle(cx);
        }
    }

    /// Ends the text and decides the rest.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>) {
        let mut plain = Vec::new();
        self.unescape.finish(&mut plain);
        self.feed_plain(cx, &plain);
        self.advance(cx, true);
        if let Some(unescaped) = &mut self.unescaped {
            unescaped.finish(cx);
        }
        for run in &mut self.runs {
            run.finish(cx);
        }
    }

    fn advance(&mut self, cx: &mut Context<'_>, ended: bool) {
        let mut matches: Vec<Match> = cx.matches();
        if let Some(raw) = &mut self.raw {
            cx.advance(Part::Raw, raw, ended, &mut matches);
            for found in matches.drain(..) {
                let (span, _) = raw.place(&found.span, 0);
                cx.hit(Part::Raw, found.pattern, View::Raw, span);
            }
        }
        let part = if self.depth == 0 { Part::Folded } else { Part::Decoded };
        cx.advance(part, &mut self.folded, ended, &mut matches);
        for found in matches.drain(..) {
            let (span, same) = self.folded.place(&found.span, self.lead);
            cx.hit(part, found.pattern, if same { View::Raw } else { self.view }, span);
        }
        cx.give_back(matches);
        self.folded.forget();
        if let Some(raw) = &mut self.raw {
            raw.forget();
        }
    }

    /// Where the undecided text begins in the raw text; `None` when there is none.
    pub(crate) fn hold(&self) -> Option<usize> {
        let unescape = if self.lead == 0 { self.unescape.hold() } else { None };
        [
            self.raw.as_ref().and_then(|raw| raw.hold(0)),
            self.folded.hold(self.lead),
            unescape,
            self.unescaped.as_ref().and_then(|unescaped| unescaped.hold()),
            self.runs.iter().filter_map(BitRun::hold).min(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
