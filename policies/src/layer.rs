//! The views of one text: raw, folded, rewritten, and what its encoded runs hide.
//!
//! A text that folding and rewriting leave as it is has one view, not many: the
//! raw view and each rewritten one are made only when they first differ, from
//! the folded one, which has been the same until then. Escapes and runs are
//! looked for in the folded text, so that a zero-width character or a
//! full-width letter inside them hides nothing.

use crate::{
    automaton::steps,
    bitrun::{BitRun, Code, LEAD_BYTES, LINE_CHARS},
    engine::{Context, Engine, Found, Part, Rank},
    finding::View,
    fold::{fold, folds_to_itself, is_ascii_letter},
    limits,
    rewrite::{Delete, Plain, Rewrite, is_deletion, rot13},
    scanner::{Match, Scanner},
    shell::Shell,
    unescape::Unescape,
    url::Url,
    viewbuf::At,
};

/// One text, at some depth of decoding.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    depth: u8,
    view: View,
    part: Part,
    /// Bytes at the beginning of a match that its finding leaves out.
    lead: usize,
    /// Raw bytes before this one are no part of a finding.
    floor: usize,
    /// Up to this raw byte the text is what another layer's is.
    since: usize,
    /// Its letters are thirteen further than they stand in the raw text.
    turned: bool,
    /// It was forked from a layer that has branches like its own.
    twin: bool,
    raw: Option<Scanner>,
    folded: Scanner,
    /// Characters removed in a row.
    removed: u32,
    /// Of those, the last ones that the rewritings did not see either.
    unread: u32,
    branches: Vec<Branch>,
    runs: Vec<BitRun>,
}

/// A way to rewrite the text, and what is made of it since it first differed
/// or could have.
#[derive(Clone, Debug)]
struct Branch {
    rewrite: Rewrite,
    layer: Option<Box<Layer>>,
}

impl Branch {
    /// Takes raw text. What is not rewritten goes on as it is, all at once.
    fn feed_text(&mut self, cx: &mut Context<'_>, text: &str, start: usize) {
        if let (Rewrite::Rot13, Some(layer)) = (&self.rewrite, &mut self.layer) {
            // As long as it was, so that it has the same places.
            let turned: String = text.chars().map(rot13).collect();
            layer.feed(cx, &turned, start);
            return;
        }
        let mut at = 0usize;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let passed = self.rewrite.passes(rest);
            let from = start.saturating_add(at);
            match (rest.get(..passed).filter(|same| !same.is_empty()), &mut self.layer) {
                (Some(same), Some(layer)) => {
                    layer.feed(cx, same, from);
                    layer.same(from, from.saturating_add(passed));
                    at = at.saturating_add(passed);
                }
                _ => {
                    let Some(c) = rest.chars().next() else { return };
                    self.feed_char(cx, c, At::Same(from));
                    at = at.saturating_add(c.len_utf8());
                }
            }
        }
    }

    fn feed_char(&mut self, cx: &mut Context<'_>, c: char, at: At) {
        let Some(layer) = &mut self.layer else { return };
        let mut plain = cx.plain();
        self.rewrite.push(c, at, &mut plain);
        if plain.first().is_some_and(|first| first.c == c && first.at == at) && plain.len() == 1 {
            layer.same(at.start(), at.end(c));
        }
        for piece in plain.drain(..) {
            layer.feed_char(cx, piece.c, piece.at);
        }
        cx.give_plain(plain);
    }
}

impl Layer {
    /// The text as it came.
    pub(crate) fn top(engine: Option<&Engine>) -> Layer {
        let mut layer = Layer::new(0, View::Folded, 0);
        layer.part = Part::Folded;
        // Patterns that only the raw view can match need it from the start.
        layer.raw = engine.filter(|engine| engine.raw_apart).map(|_| Scanner::default());
        if let Some(engine) = engine {
            layer.branch_out(engine);
        }
        layer
    }

    /// What a run of encoded characters says.
    pub(crate) fn decoded(cx: &Context<'_>, depth: u8, view: View) -> Layer {
        let mut layer = Layer::new(depth, view, LEAD_BYTES);
        layer.branch_out(cx.engine);
        layer
    }

    fn new(depth: u8, view: View, lead: usize) -> Layer {
        Layer {
            depth,
            view,
            part: Part::Decoded,
            lead,
            floor: 0,
            since: 0,
            turned: false,
            twin: false,
            raw: None,
            folded: Scanner::default(),
            removed: 0,
            unread: 0,
            branches: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Begins everything that looks deeper. What a rewriting waits for may be
    /// many characters, more than the part of a match that may be out before
    /// its finding; so in encoded runs only escapes are rewritten.
    fn branch_out(&mut self, engine: &Engine) {
        if self.depth >= limits::DECODE_DEPTH {
            return;
        }
        let mut all = Vec::new();
        if engine.decodes() {
            all.push(Rewrite::Unescape(Unescape::default()));
            if self.lead == 0 {
                all.push(Rewrite::Delete(Delete::default()));
            }
            self.runs = Code::ALL.into_iter().map(|code| BitRun::new(code, self.depth)).collect();
        }
        if engine.reads_tools() && self.lead == 0 {
            all.push(Rewrite::Shell(Shell::default()));
            all.push(Rewrite::Url(Url::default()));
        }
        // The last of them: a text that is turned already has the others.
        if engine.rotates() && !self.turned {
            all.push(Rewrite::Rot13);
        }
        self.branches = all.into_iter().map(|rewrite| Branch { rewrite, layer: None }).collect();
    }

    /// Appends raw text, which begins at this byte.
    pub(crate) fn feed(&mut self, cx: &mut Context<'_>, text: &str, start: usize) {
        // A reading that takes back what went before begins where it first does.
        let deletes = self.branches.iter().any(|branch| {
            branch.layer.is_none()
                && matches!(branch.rewrite, Rewrite::Delete(_))
                && branch.rewrite.concerns(text)
        });
        let first = deletes.then(|| text.find(is_deletion)).flatten();
        match first.and_then(|at| text.split_at_checked(at)) {
            Some((before, rest)) => {
                self.feed_text(cx, before, start);
                self.fork_deletion(cx, start.saturating_add(before.len()));
                self.feed_text(cx, rest, start.saturating_add(before.len()));
            }
            None => self.feed_text(cx, text, start),
        }
    }

    fn feed_text(&mut self, cx: &mut Context<'_>, text: &str, start: usize) {
        if text.is_empty() {
            return;
        }
        self.fork_where(cx, |rewrite| rewrite.concerns(text));
        let mut rest = text;
        let mut at = start;
        while !rest.is_empty() {
            let kept = match rest.bytes().position(|byte| !byte.is_ascii()) {
                None => rest.len(),
                Some(ascii) => rest
                    .get(ascii..)
                    .and_then(|rest| rest.char_indices().find(|(_, c)| !folds_to_itself(*c)))
                    .map_or(rest.len(), |(kept, _)| ascii.saturating_add(kept)),
            };
            let (plain, after) = rest.split_at_checked(kept).unwrap_or((rest, ""));
            self.feed_kept(cx, plain, at);
            at = at.saturating_add(plain.len());
            let mut chars = after.chars();
            if let Some(c) = chars.next() {
                self.feed_folded(cx, c, At::Same(at));
                at = at.saturating_add(c.len_utf8());
            }
            rest = chars.as_str();
        }
    }

    /// Appends text whose characters fold to themselves.
    fn feed_kept(&mut self, cx: &mut Context<'_>, text: &str, start: usize) {
        if text.is_empty() {
            return;
        }
        (self.removed, self.unread) = (0, 0);
        for branch in &mut self.branches {
            if branch.layer.is_some() {
                branch.feed_text(cx, text, start);
            }
        }
        self.feed_runs(cx, text, start);
        self.push(text.as_bytes(), At::Same(start));
    }

    /// Appends one character from somewhere.
    pub(crate) fn feed_char(&mut self, cx: &mut Context<'_>, c: char, at: At) {
        steps::take();
        if is_deletion(c) && self.unforked_deletion() {
            self.fork_deletion(cx, at.start());
        }
        if !folds_to_itself(c) {
            self.feed_folded(cx, c, at);
            return;
        }
        (self.removed, self.unread) = (0, 0);
        self.look_deeper(cx, c, at, false, true);
        let mut buffer = [0; 4];
        self.push(c.encode_utf8(&mut buffer).as_bytes(), at);
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
        let changed = folded != raw;
        if self.depth == 0 && changed && self.raw.is_none() {
            self.raw = Some(self.folded.fork());
        }
        if let Some(scanner) = &mut self.raw {
            scanner.push(raw, at);
        }
        let at = if changed { at.spread(c) } else { at };
        if folded.is_empty() {
            // Tags and selectors show nothing and carry what they carry.
            self.look_deeper(cx, c, at, true, true);
            self.removed = self.removed.saturating_add(1);
            // To what reads tags they are a text, without gaps.
            self.unread = if Unescape::begins(c) { 0 } else { self.unread.saturating_add(1) };
            if self.unread >= limits::REMOVED_RUN {
                self.unread = 0;
                self.feed_branches(cx, ' ', at, |_| true);
            }
            if self.removed >= limits::REMOVED_RUN {
                self.removed = 0;
                self.end_ascii_runs(cx, at);
                self.folded.push(b" ", at);
            }
        } else {
            (self.removed, self.unread) = (0, 0);
            // Whoever turns letters leaves those with marks, and those of other
            // alphabets, as they are.
            let turns = is_ascii_letter(c);
            for part in std::str::from_utf8(&folded).unwrap_or_default().chars() {
                self.look_deeper(cx, part, at, false, turns);
            }
            if !turns && self.depth < limits::DECODE_DEPTH {
                self.feed_branches(cx, c, at, Rewrite::turns);
            }
            self.folded.push(&folded, at);
        }
        cx.give_buffer(folded);
    }

    fn push(&mut self, bytes: &[u8], at: At) {
        self.folded.push(bytes, at);
        if let Some(raw) = &mut self.raw {
            raw.push(bytes, at);
        }
    }

    /// Gives a character to the rewritings and the runs. One that is `gone` in
    /// the folded text is nothing to them, but for those that read it; one that
    /// does not turn is nothing to what turns letters.
    fn look_deeper(&mut self, cx: &mut Context<'_>, c: char, at: At, gone: bool, turns: bool) {
        if self.depth >= limits::DECODE_DEPTH {
            return;
        }
        if !gone || Unescape::begins(c) {
            self.fork_where(cx, |rewrite| rewrite.concerns_char(c));
            self.feed_branches(cx, c, at, |rewrite| turns || !rewrite.turns());
        }
        self.feed_runs_char(cx, c, at, gone);
    }

    fn feed_runs_char(&mut self, cx: &mut Context<'_>, c: char, at: At, gone: bool) {
        let (start, end) = (at.start(), at.end(c));
        for run in &mut self.runs {
            if !gone || run.code() == Code::Selectors {
                run.push(cx, c, start, end);
            }
        }
    }

    /// So much that is not seen ends what is written in ASCII, and is itself what
    /// selectors carry.
    fn end_ascii_runs(&mut self, cx: &mut Context<'_>, at: At) {
        for run in self.runs.iter_mut().filter(|run| run.code() != Code::Selectors) {
            run.push(cx, ' ', at.start(), at.end(' '));
        }
    }

    /// Gives a character to the rewritings that have begun.
    fn feed_branches(
        &mut self,
        cx: &mut Context<'_>,
        c: char,
        at: At,
        which: impl Fn(&Rewrite) -> bool,
    ) {
        for branch in self.branches.iter_mut().filter(|branch| which(&branch.rewrite)) {
            branch.feed_char(cx, c, at);
        }
    }

    /// Begins the rewritings that something concerns. All of them fork from
    /// what was before any of them sees it.
    fn fork_where(&mut self, cx: &Context<'_>, concerns: impl Fn(&Rewrite) -> bool) {
        let begins = |branch: &Branch| {
            branch.layer.is_none()
                && !matches!(branch.rewrite, Rewrite::Delete(_))
                && concerns(&branch.rewrite)
        };
        if !self.branches.iter().any(begins) {
            return;
        }
        let before = self.clone();
        for (number, branch) in self.branches.iter_mut().enumerate() {
            if begins(branch) {
                branch.layer = Some(Box::new(before.fork(cx.engine, number)));
            }
        }
    }

    /// A layer one deeper for a text that has been the same so far, rewritten
    /// by the branch of this number from here on.
    fn fork(&self, engine: &Engine, number: usize) -> Layer {
        let mut layer = Layer::new(self.depth.saturating_add(1), self.view, self.lead);
        if let Some(branch) = self.branches.get(number) {
            // What a fork looks for is looked for here too: how much of what
            // went before it sees again depends on how the text was cut.
            layer.part = match (self.part, &branch.rewrite) {
                (Part::Folded, Rewrite::Shell(_) | Rewrite::Url(_)) => Part::Folded,
                _ => Part::Decoded,
            };
            if self.lead == 0 {
                layer.view = branch.rewrite.view();
            }
            layer.turned = branch.rewrite.turns();
        }
        layer.twin = true;
        layer.floor = self.floor;
        layer.folded = self.folded.fork();
        // Turned letters stand in the places of the raw ones. Where a layer like
        // the first one has turned them too, that one looks at them.
        let turns = layer.turned && !self.turned;
        layer.folded.compare(!turns || self.twin);
        layer.turned |= self.turned;
        layer.removed = self.removed;
        layer.unread = self.unread;
        layer.branch_out(engine);
        // What has begun here has begun there, and stands where it stands.
        for (deep, branch) in layer.branches.iter_mut().zip(&self.branches) {
            if branch.layer.is_some() {
                *deep = branch.clone();
                if let Some(layer) = &mut deep.layer {
                    layer.deepen();
                    // What it was cloned from goes on looking at what stays the same.
                    layer.folded.compare(true);
                }
            }
        }
        layer.since = self.folded.raw_end();
        layer.same(layer.since, layer.since);
        if !layer.runs.is_empty() {
            layer.runs = self.runs.iter().cloned().map(BitRun::deepen).collect();
        }
        layer
    }

    /// Notes that another layer sees the same text up to this raw byte, where it
    /// has up to `from`. What was decided there before the fork is not found here
    /// again, and what was not is: which view names it must not depend on that.
    fn same(&mut self, from: usize, upto: usize) {
        if self.since < from {
            return;
        }
        self.since = self.since.max(upto);
        for branch in &mut self.branches {
            let layers = branch.layer.iter_mut();
            layers.for_each(|layer| {
                layer.since = layer.since.max(upto);
                layer.same(upto, upto);
            });
        }
    }

    fn unforked_deletion(&self) -> bool {
        self.branches
            .iter()
            .any(|branch| branch.layer.is_none() && matches!(branch.rewrite, Rewrite::Delete(_)))
    }

    /// Begins the reading of deletions, at the first of them. Starts that
    /// deleted characters decided are tried again; what of a match stands
    /// before the first deletion may be out by now and is not in the finding.
    fn fork_deletion(&mut self, cx: &mut Context<'_>, raw: usize) {
        let (mut folded, line) = self.folded.fork_before(limits::DELETED_CHARS);
        folded.compare(true);
        let mut layer = Layer::new(self.depth.saturating_add(1), View::Deleted, self.lead);
        layer.turned = self.turned;
        layer.branch_out(cx.engine);
        layer.floor = raw.max(self.floor);
        std::mem::swap(&mut layer.folded, &mut folded);
        for branch in &mut self.branches {
            if branch.layer.is_none() && matches!(branch.rewrite, Rewrite::Delete(_)) {
                let line = line.iter().map(|(c, at)| Plain { c: *c, at: *at }).collect();
                branch.rewrite = Rewrite::Delete(Delete::after(line));
                branch.layer = Some(Box::new(layer));
                return;
            }
        }
    }

    /// One decoding deeper, and no deeper decodings of its own past the bound.
    pub(crate) fn deepen(&mut self) {
        self.depth = self.depth.saturating_add(1);
        if self.part != Part::Decoded {
            self.part = Part::Decoded;
            self.folded = self.folded.fork();
        }
        if self.depth >= limits::DECODE_DEPTH {
            self.branches = Vec::new();
            self.runs = Vec::new();
            return;
        }
        for branch in &mut self.branches {
            branch.layer.iter_mut().for_each(|layer| layer.deepen());
        }
        self.runs = std::mem::take(&mut self.runs).into_iter().map(BitRun::deepen).collect();
    }

    /// Gives the runs their characters, passing over words: a stretch that
    /// begins and ends here and is too short to hide anything.
    fn feed_runs(&mut self, cx: &mut Context<'_>, text: &str, start: usize) {
        let Some(open) = self.runs.last_mut() else { return };
        if open.is_open()
            && let Some(c) = text.chars().next()
        {
            // Nothing in this text is a selector.
            open.push(cx, c, start, start);
        }
        let short = cx.engine.hidden_least().min(LINE_CHARS);
        let bytes = text.as_bytes();
        let mut at = 0usize;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            if !self.runs.iter().any(BitRun::is_open) {
                let gap = rest.iter().take_while(|byte| !in_code(**byte)).count();
                let word = rest.iter().skip(gap).take_while(|byte| in_code(**byte)).count();
                at = at.saturating_add(gap);
                if word < short && gap.saturating_add(word) < rest.len() {
                    at = at.saturating_add(word);
                    continue;
                }
            }
            // A word that is long enough, with the character that ends it.
            let rest = text.get(at..).unwrap_or_default();
            let word = rest.bytes().take_while(|byte| in_code(*byte)).count();
            let after = rest.get(word..).and_then(|rest| rest.chars().next());
            let upto = word.saturating_add(after.map_or(0, char::len_utf8));
            let Some(piece) = rest.get(..upto).filter(|piece| !piece.is_empty()) else { break };
            for which in 0..Code::ASCII {
                self.feed_run(cx, piece, start.saturating_add(at), which);
            }
            at = at.saturating_add(upto);
        }
    }

    fn feed_run(&mut self, cx: &mut Context<'_>, text: &str, start: usize, which: usize) {
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

    /// Decides what can be decided.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        self.advance(cx, false);
        for branch in &mut self.branches {
            if let Some(layer) = &mut branch.layer {
                layer.settle(cx);
            }
        }
        for run in &mut self.runs {
            run.settle(cx);
        }
    }

    /// Ends the text and decides the rest.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>) {
        for branch in &mut self.branches {
            let Some(layer) = &mut branch.layer else { continue };
            let mut plain = Vec::new();
            branch.rewrite.finish(&mut plain);
            for piece in plain {
                layer.feed_char(cx, piece.c, piece.at);
            }
            layer.finish(cx);
        }
        self.advance(cx, true);
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
                let found = Found {
                    scanner: raw,
                    found: &found,
                    view: View::Raw,
                    span,
                    rank: Rank::default(),
                };
                cx.hit(Part::Raw, &found);
            }
            raw.forget();
        }
        cx.advance(self.part, &mut self.folded, ended, &mut matches);
        for found in matches.drain(..) {
            let (mut span, same) = self.folded.place(&found.span, self.lead);
            if span.end <= self.floor {
                continue;
            }
            span.start = span.start.max(self.floor);
            let view = if same && self.floor == 0 && !self.turned { View::Raw } else { self.view };
            let rank = Rank { again: span.end <= self.since, depth: self.depth };
            let found = Found { scanner: &self.folded, found: &found, view, span, rank };
            cx.hit(self.part, &found);
        }
        cx.give_back(matches);
        self.folded.forget();
    }

    /// Where the undecided text begins in the raw text; `None` when there is none.
    pub(crate) fn hold(&self) -> Option<usize> {
        let branches = self.branches.iter().filter_map(|branch| {
            let layer = branch.layer.as_ref()?;
            let waits = if self.lead == 0 { branch.rewrite.hold() } else { None };
            [waits, layer.hold()].into_iter().flatten().min()
        });
        [
            self.raw.as_ref().and_then(|raw| raw.hold(0)),
            self.folded.hold(self.lead),
            branches.min(),
            self.runs.iter().filter_map(BitRun::hold).min(),
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|start| start.max(self.floor))
    }
}

/// Whether a byte belongs to a code that is written in ASCII; the alphabet of
/// base64 holds those of the others.
fn in_code(byte: u8) -> bool {
    IN_CODE.get(usize::from(byte)).copied().unwrap_or(false)
}

static IN_CODE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        #[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
        {
            table[byte as usize] =
                byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        }
        byte += 1;
    }
    table
};
