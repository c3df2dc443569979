//! Everything that looks at one surface, compiled, and what one call of it works with.

use std::{ops::Range, sync::Arc};

use regex_syntax::hir::Hir;

use crate::{
    automaton::{Automaton, ScratchGuard, TooLarge},
    bitrun::Code,
    context::Nearby,
    disguise::{self, Form, Optional, Views},
    finding::{Severity, Skip, View},
    lexicon::{Lexicon, Text},
    limits,
    pattern::Pattern,
    rewrite::Plain,
    scanner::{Accept, Match, Pace, Scanner},
    validator::Validator,
};

/// What a finding says of its detector.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) id: Arc<str>,
    pub(crate) category: Arc<str>,
    pub(crate) severity: Severity,
    pub(crate) score_ppm: u32,
}

/// A pattern with the detector that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) pattern: Pattern,
    /// The detector's place in the list of labels.
    pub(crate) detector: u32,
    pub(crate) validators: Arc<[Validator]>,
    /// The views that it looks at, besides the raw and the folded one.
    pub(crate) views: Views,
    /// The first list of which a word stands before a hit says its score.
    pub(crate) contexts: Arc<[Nearby]>,
}

/// How much of encoded runs is decoded, and what happens past it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoding {
    pub(crate) run_bytes: usize,
    /// The detector that says so, where the bundle wants a finding.
    pub(crate) at_bound: Option<u32>,
}

/// The view that an automaton is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Raw,
    Folded,
    Decoded,
}

/// The detectors of one surface, compiled.
#[derive(Debug)]
pub(crate) struct Engine {
    raw: Set,
    folded: Set,
    decoded: Option<Set>,
    tools: bool,
    rotates: bool,
    shortest: usize,
    hidden_chars: [usize; Code::ALL.len()],
    /// Whether some pattern can match in the raw view alone.
    pub(crate) raw_apart: bool,
    decoding: Decoding,
    pub(crate) labels: Arc<[Label]>,
}

#[derive(Debug)]
struct Set {
    automaton: Automaton,
    /// By pattern; behind them, by list of the lexicon.
    entries: Vec<Entry>,
    lexicon: Option<Arc<Lexicon>>,
    /// The number of the lexicon's first list.
    first_list: u32,
}

/// A pattern of an automaton.
#[derive(Clone, Debug)]
struct Entry {
    form: Form,
    detector: u32,
    validators: Arc<[Validator]>,
    views: Views,
    contexts: Arc<[Nearby]>,
}

impl Entry {
    fn new(form: Form, rule: &Rule) -> Entry {
        Entry {
            form,
            detector: rule.detector,
            validators: Arc::clone(&rule.validators),
            views: rule.views,
            contexts: Arc::clone(&rule.contexts),
        }
    }
}

impl Set {
    fn new(parts: Vec<(Hir, Entry)>) -> Result<Set, TooLarge> {
        let behind = |entry: &Entry| entry.contexts.iter().map(Nearby::bytes).max();
        let patterns: Vec<(&Hir, usize)> =
            parts.iter().map(|(hir, entry)| (hir, behind(entry).unwrap_or(1))).collect();
        let squeezes = parts.iter().any(|(_, entry)| entry.form == Form::Spread);
        let automaton = Automaton::new(&patterns, squeezes, limits::ENGINE_NFA_BYTES)?;
        let entries: Vec<Entry> = parts.into_iter().map(|(_, entry)| entry).collect();
        let first_list = u32::try_from(entries.len()).map_err(|_| TooLarge)?;
        Ok(Set { automaton, entries, lexicon: None, first_list })
    }

    /// None where there are no patterns, so that nobody looks for them.
    fn some(parts: Vec<(Hir, Entry)>) -> Result<Option<Set>, TooLarge> {
        if parts.is_empty() { Ok(None) } else { Set::new(parts).map(Some) }
    }

    fn add(&mut self, lexicon: &Arc<Lexicon>) {
        self.entries.extend(lexicon.detectors().iter().map(|detector| Entry {
            form: Form::Plain,
            detector: *detector,
            validators: [].into(),
            views: Views::FORMATS.with(Views::ENCODINGS),
            contexts: [].into(),
        }));
        self.lexicon = Some(Arc::clone(lexicon));
    }

    fn entry(&self, pattern: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(pattern).ok()?)
    }
}

impl Accept for Set {
    fn inspects(&self, pattern: u32) -> bool {
        self.entry(pattern)
            .is_some_and(|entry| entry.form == Form::Spread || !entry.validators.is_empty())
    }

    fn accepts(&self, pattern: u32, text: &[u8]) -> bool {
        self.entry(pattern).is_none_or(|entry| {
            entry.validators.iter().all(|validator| validator.accepts(text))
                && (entry.form != Form::Spread
                    || disguise::spread_view(text, entry.views).is_some())
        })
    }
}

impl Engine {
    /// Compiles the rules of a surface; of tools' arguments where `tools`.
    ///
    /// # Errors
    /// Where they are too large together.
    pub(crate) fn new(
        rules: &[Rule],
        labels: Arc<[Label]>,
        decoding: Decoding,
        tools: bool,
    ) -> Result<Engine, TooLarge> {
        let raw =
            rules.iter().map(|rule| (rule.pattern.raw.clone(), Entry::new(Form::Plain, rule)));
        let (mut folded, mut decoded) = (Vec::new(), Vec::new());
        let (mut reads, mut rotates) = (false, false);
        let (mut shortest, mut apart) = (usize::MAX, false);
        for rule in rules {
            let Some(hir) = &rule.pattern.folded else {
                apart = true;
                continue;
            };
            let plain = (hir.clone(), Entry::new(Form::Plain, rule));
            let forms = disguise::forms(hir, rule.views)
                .into_iter()
                .map(|(form, hir)| (hir, Entry::new(form, rule)));
            let all: Vec<_> = std::iter::once(plain).chain(forms).collect();
            rotates |= rule.views.has(Optional::Rot13);
            if rule.views.meets(Views::ENCODINGS) {
                decoded.extend(all.iter().cloned());
                shortest = shortest.min(rule.pattern.min);
            }
            folded.extend(all);
            reads |= rule.views.has(Optional::Shell) || rule.views.has(Optional::Url);
        }
        let shortest = if decoded.is_empty() { 0 } else { shortest };
        Ok(Engine {
            raw: Set::new(raw.collect())?,
            folded: Set::new(folded)?,
            raw_apart: apart,
            decoded: Set::some(decoded)?,
            tools: tools && reads,
            rotates,
            shortest,
            hidden_chars: Code::ALL.map(|code| code.chars_for(shortest)),
            decoding,
            labels,
        })
    }

    /// The same, with terms. They see folded and decoded text: what spells a
    /// term raw spells it folded.
    ///
    /// # Errors
    /// Where an automaton without patterns cannot be built, which is never.
    pub(crate) fn with_lexicon(mut self, lexicon: &Arc<Lexicon>) -> Result<Engine, TooLarge> {
        self.folded.add(lexicon);
        if let Some(shortest) = lexicon.shortest_decoded() {
            self.rotates = true;
            let (decoded, before) = match self.decoded {
                Some(set) => (set, self.shortest),
                None => (Set::new(Vec::new())?, usize::MAX),
            };
            self.shortest = shortest.min(before);
            self.hidden_chars = Code::ALL.map(|code| code.chars_for(self.shortest));
            let mut decoded = decoded;
            decoded.add(lexicon);
            self.decoded = Some(decoded);
        }
        Ok(self)
    }

    /// Whether anything looks into decoded text.
    pub(crate) fn decodes(&self) -> bool {
        self.decoded.is_some()
    }

    /// Whether anything looks into text whose letters are thirteen further.
    pub(crate) fn rotates(&self) -> bool {
        self.rotates
    }

    /// Whether anything reads as shells and URL parsers do.
    pub(crate) fn reads_tools(&self) -> bool {
        self.tools
    }

    /// The fewest characters of a run of any code that can hide a match.
    pub(crate) fn hidden_least(&self) -> usize {
        self.hidden_chars.iter().take(Code::ASCII).copied().min().unwrap_or(0)
    }

    /// The fewest characters of an encoded run that can hide a match.
    pub(crate) fn hidden_chars(&self, code: Code) -> usize {
        let place = Code::ALL.iter().position(|one| *one == code);
        place.and_then(|place| self.hidden_chars.get(place)).copied().unwrap_or(0)
    }

    /// The fewest bytes of decoded text that are a match.
    pub(crate) fn shortest(&self) -> usize {
        self.shortest
    }

    /// The characters of an encoded run that are decoded.
    pub(crate) fn run_bytes(&self) -> usize {
        self.decoding.run_bytes
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let lexicon = self.folded.lexicon.as_ref().map_or(0, |lexicon| lexicon.memory_bytes());
        [Some(&self.raw), Some(&self.folded), self.decoded.as_ref()]
            .into_iter()
            .flatten()
            .fold(lexicon, |sum, set| sum.saturating_add(set.automaton.memory_bytes()))
    }

    fn set(&self, part: Part) -> Option<&Set> {
        match part {
            Part::Raw => Some(&self.raw),
            Part::Folded => Some(&self.folded),
            Part::Decoded => self.decoded.as_ref(),
        }
    }
}

/// A match of a detector, in raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) span: Range<usize>,
    pub(crate) detector: u32,
    pub(crate) view: View,
    pub(crate) score: u32,
    pub(crate) rank: Rank,
}

/// Which of the views that see a match names it, the least: which others see it
/// too depends on how the text was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// Whether another view of the same text should have found it.
    pub(crate) again: bool,
    /// How many rewritings deep.
    pub(crate) depth: u8,
}

/// A match where it was found.
pub(crate) struct Found<'s> {
    pub(crate) scanner: &'s Scanner,
    pub(crate) found: &'s Match,
    pub(crate) view: View,
    /// In raw bytes.
    pub(crate) span: Range<usize>,
    pub(crate) rank: Rank,
}

/// What one call works with, and what it has seen.
pub(crate) struct Context<'e> {
    pub(crate) engine: &'e Engine,
    /// Scratch memory by part, borrowed when it is first needed.
    scratch: [Option<ScratchGuard<'e>>; 3],
    matches: Vec<Match>,
    buffer: Vec<u8>,
    plain: Vec<Plain>,
    pub(crate) hits: Vec<Hit>,
    pub(crate) skips: Vec<Skip>,
    /// More of the text comes, and nobody waits for what is decided before.
    pub(crate) later: bool,
}

impl<'e> Context<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Context<'e> {
        Context {
            engine,
            scratch: [None, None, None],
            matches: Vec::new(),
            buffer: Vec::new(),
            plain: Vec::new(),
            hits: Vec::new(),
            skips: Vec::new(),
            later: false,
        }
    }

    /// Lets a scanner decide what it can.
    pub(crate) fn advance(
        &mut self,
        part: Part,
        scanner: &mut Scanner,
        ended: bool,
        out: &mut Vec<Match>,
    ) {
        let Some(set) = self.engine.set(part) else { return };
        let [raw, folded, decoded] = &mut self.scratch;
        let slot = match part {
            Part::Raw => raw,
            Part::Folded => folded,
            Part::Decoded => decoded,
        };
        let scratch = slot.get_or_insert_with(|| set.automaton.scratch());
        let pace = match (ended, self.later) {
            (true, _) => Pace::Ended,
            (false, true) => Pace::Later,
            (false, false) => Pace::Now,
        };
        scanner.advance(&set.automaton, set, scratch, pace, out);
        let text = Text { decoded: part == Part::Decoded, ended };
        scanner.advance_terms(set.lexicon.as_deref(), text, set.first_list, out);
    }

    /// Notes a match, unless its detector does not look at this view.
    pub(crate) fn hit(&mut self, part: Part, hit: &Found<'_>) {
        let engine = self.engine;
        let Some(entry) = engine.set(part).and_then(|set| set.entry(hit.found.pattern)) else {
            return;
        };
        let text = hit.scanner.text(&hit.found.span);
        let view = match (entry.form, hit.view) {
            (_, View::Shell) if !entry.views.has(Optional::Shell) => None,
            (_, View::Url) if !entry.views.has(Optional::Url) => None,
            (_, View::Rot13) if !entry.views.has(Optional::Rot13) => None,
            (_, view) if view.is_decoded() && !entry.views.has(Optional::Decoded) => None,
            (Form::Plain, view) => Some(view),
            (Form::Spread, _) => disguise::spread_view(text, entry.views),
            (Form::Reversed, _) => Some(View::Reversed),
        };
        let Some(view) = view else { return };
        let nearby = entry
            .contexts
            .iter()
            .find(|nearby| nearby.stands(hit.scanner.behind(hit.found.span.start, nearby.bytes())));
        let usual = usize::try_from(entry.detector).ok().and_then(|at| engine.labels.get(at));
        let score = nearby
            .map(|nearby| nearby.score)
            .or_else(|| usual.map(|label| label.score_ppm))
            .unwrap_or(0);
        self.hits.push(Hit {
            span: hit.span.clone(),
            detector: entry.detector,
            view,
            score,
            rank: hit.rank,
        });
    }

    /// An encoded run has reached the bound at this character.
    pub(crate) fn run_bound(&mut self, view: View, start: usize, end: usize) {
        if let Some(detector) = self.engine.decoding.at_bound {
            let score = crate::detector::PPM;
            self.hits.push(Hit { span: start..end, detector, view, score, rank: Rank::default() });
        }
    }

    /// So many bytes of encoded text were not looked into.
    pub(crate) fn skip(&mut self, view: View, bytes: u64) {
        self.skips.push(Skip {
            detector: view.as_str().into(),
            reason: "encoded_run_bound",
            bytes,
        });
    }

    /// Bytes to fold into; `give_buffer` returns them.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    pub(crate) fn give_buffer(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.buffer = buffer;
    }

    /// A list to rewrite into; `give_plain` returns it.
    pub(crate) fn plain(&mut self) -> Vec<Plain> {
        std::mem::take(&mut self.plain)
    }

    pub(crate) fn give_plain(&mut self, mut plain: Vec<Plain>) {
        plain.clear();
        self.plain = plain;
    }

    /// A list to collect matches in; `give_back` returns it.
    pub(crate) fn matches(&mut self) -> Vec<Match> {
        std::mem::take(&mut self.matches)
    }

    pub(crate) fn give_back(&mut self, mut matches: Vec<Match>) {
        matches.clear();
        self.matches = matches;
    }
}
