//! Everything that looks at one surface, compiled, and what one call of it works with.

use std::{ops::Range, sync::Arc};

use regex_syntax::hir::Hir;

use crate::{
    automaton::{Automaton, ScratchGuard, TooLarge},
    bitrun::Code,
    finding::{Severity, Skip, View},
    lexicon::{Lexicon, Text},
    limits,
    pattern::Pattern,
    scanner::{Accept, Match, Scanner},
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
    /// Whether it looks into decoded text.
    pub(crate) decode: bool,
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
    shortest: usize,
    hidden_chars: [usize; 2],
    /// Whether some pattern can match in the raw view alone.
    pub(crate) raw_apart: bool,
    decoding: Decoding,
    pub(crate) labels: Arc<[Label]>,
}

#[derive(Debug)]
struct Set {
    automaton: Automaton,
    /// By pattern; behind them, by list of the lexicon.
    rules: Vec<(u32, Arc<[Validator]>)>,
    lexicon: Option<Arc<Lexicon>>,
    /// The number of the lexicon's first list.
    first_list: u32,
}

impl Set {
    fn new(rules: &[(&Hir, &Rule)]) -> Result<Set, TooLarge> {
        let patterns: Vec<&Hir> = rules.iter().map(|(hir, _)| *hir).collect();
        Ok(Set {
            automaton: Automaton::new(&patterns, limits::ENGINE_NFA_BYTES)?,
            rules: rules
                .iter()
                .map(|(_, rule)| (rule.detector, Arc::clone(&rule.validators)))
                .collect(),
            lexicon: None,
            first_list: u32::try_from(rules.len()).map_err(|_| TooLarge)?,
        })
    }

    fn add(&mut self, lexicon: &Arc<Lexicon>) {
        self.rules.extend(lexicon.detectors().iter().map(|detector| (*detector, [].into())));
        self.lexicon = Some(Arc::clone(lexicon));
    }

    fn rule(&self, pattern: u32) -> Option<&(u32, Arc<[Validator]>)> {
        self.rules.get(usize::try_from(pattern).ok()?)
    }
}

impl Accept for Set {
    fn inspects(&self, pattern: u32) -> bool {
        self.rule(pattern).is_some_and(|(_, validators)| !validators.is_empty())
    }

    fn accepts(&self, pattern: u32, text: &[u8]) -> bool {
        self.rule(pattern).is_none_or(|(_, validators)| {
            validators.iter().all(|validator| validator.accepts(text))
        })
    }
}

impl Engine {
    /// Compiles the rules of a surface.
    ///
    /// # Errors
    /// Where they are too large together.
    pub(crate) fn new(
        rules: &[Rule],
        labels: Arc<[Label]>,
        decoding: Decoding,
    ) -> Result<Engine, TooLarge> {
        let raw: Vec<_> = rules.iter().map(|rule| (&rule.pattern.raw, rule)).collect();
        let folded: Vec<_> =
            rules.iter().filter_map(|rule| Some((rule.pattern.folded.as_ref()?, rule))).collect();
        let decoded: Vec<_> = folded.iter().copied().filter(|(_, rule)| rule.decode).collect();
        let shortest = decoded.iter().map(|(_, rule)| rule.pattern.min).min().unwrap_or(0);
        Ok(Engine {
            raw: Set::new(&raw)?,
            folded: Set::new(&folded)?,
            raw_apart: folded.len() < raw.len(),
            decoded: if decoded.is_empty() { None } else { Some(Set::new(&decoded)?) },
            shortest,
            hidden_chars: [Code::Base64, Code::Hex].map(|code| code.chars_for(shortest)),
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
            let (decoded, before) = match self.decoded {
                Some(set) => (set, self.shortest),
                None => (Set::new(&[])?, usize::MAX),
            };
            self.shortest = shortest.min(before);
            self.hidden_chars = [Code::Base64, Code::Hex].map(|code| code.chars_for(self.shortest));
            let mut decoded = decoded;
            decoded.add(lexicon);
            self.decoded = Some(decoded);
        }
        Ok(self)
    }

    /// The fewest characters of an encoded run that can hide a match.
    pub(crate) fn hidden_chars(&self, code: Code) -> usize {
        let [base64, hex] = self.hidden_chars;
        match code {
            Code::Base64 => base64,
            Code::Hex => hex,
        }
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
}

/// What one call works with, and what it has seen.
pub(crate) struct Context<'e> {
    pub(crate) engine: &'e Engine,
    /// Scratch memory by part, borrowed when it is first needed.
    scratch: [Option<ScratchGuard<'e>>; 3],
    matches: Vec<Match>,
    buffer: Vec<u8>,
    pub(crate) hits: Vec<Hit>,
    pub(crate) skips: Vec<Skip>,
}

impl<'e> Context<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Context<'e> {
        Context {
            engine,
            scratch: [None, None, None],
            matches: Vec::new(),
            buffer: Vec::new(),
            hits: Vec::new(),
            skips: Vec::new(),
        }
    }

    /// Whether anything looks into decoded text.
    pub(crate) fn decodes(&self) -> bool {
        self.engine.decoded.is_some()
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
        scanner.advance(&set.automaton, set, scratch, ended, out);
        let text = Text { decoded: part == Part::Decoded, ended };
        scanner.advance_terms(set.lexicon.as_deref(), text, set.first_list, out);
    }

    /// Notes a match.
    pub(crate) fn hit(&mut self, part: Part, pattern: u32, view: View, span: Range<usize>) {
        if let Some((detector, _)) = self.engine.set(part).and_then(|set| set.rule(pattern)) {
            self.hits.push(Hit { span, detector: *detector, view });
        }
    }

    /// An encoded run has reached the bound at this character.
    pub(crate) fn run_bound(&mut self, view: View, start: usize, end: usize) {
        if let Some(detector) = self.engine.decoding.at_bound {
            self.hits.push(Hit { span: start..end, detector, view });
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

    /// A list to collect matches in; `give_back` returns it.
    pub(crate) fn matches(&mut self) -> Vec<Match> {
        std::mem::take(&mut self.matches)
    }

    pub(crate) fn give_back(&mut self, mut matches: Vec<Match>) {
        matches.clear();
        self.matches = matches;
    }
}
