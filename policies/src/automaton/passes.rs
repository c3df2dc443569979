//! Where matches begin in a long text, by few passes over it and not one for
//! each start.
//!
//! Every pattern's rarest part (`parts`) is looked for from anywhere. Where a part
//! ends, the pattern's matches begin within a known distance before; where that
//! is far, another part must be near. Only those starts are scanned, and only for
//! those patterns, which says the same as scanning all starts for all of them.

use std::{collections::HashMap, fmt, ops::Range};

use daachorse::DoubleArrayAhoCorasick;
use regex_automata::{
    Anchored,
    hybrid::dfa::{Cache, DFA},
    util::start,
};
use regex_syntax::hir::Hir;

use super::{
    TooLarge, lazy,
    parts::{Form, Part, parts, plain, squeezed},
    steps,
};

/// Words that are looked for all at once, each with its number.
#[derive(Clone)]
struct Words(DoubleArrayAhoCorasick<u32>);

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Words").field(&self.0.num_states()).finish()
    }
}

/// The passes over a text.
#[derive(Clone, Debug)]
pub(crate) struct Passes {
    words: Option<Words>,
    squeezed: Option<Words>,
    runs: Option<DFA>,
    /// The numbers of the first signals of `squeezed` and `runs`; a signal is a
    /// word of the one or the other, or a run.
    first: [u32; 2],
    /// By signal, the patterns of whose first list it is.
    patterns: Vec<Vec<u32>>,
    /// By pattern, its lists of parts.
    lists: Vec<[Vec<Reach>; 2]>,
    /// By pattern, its longest match and what says something about it before it,
    /// in bytes.
    reaches: Vec<(usize, usize)>,
    /// The longest of all.
    longest: usize,
    behind: usize,
}

/// A signal of a part, and how far after the beginning of a match it ends, in
/// bytes.
#[derive(Clone, Copy, Debug)]
struct Reach {
    signal: u32,
    least: usize,
    most: usize,
}

/// Signals, as patterns ask for them.
#[derive(Default)]
struct Signals {
    numbers: HashMap<Vec<u8>, u32>,
    words: Vec<Vec<u8>>,
}

impl Signals {
    /// The number of a word, from 0 on.
    fn number(&mut self, word: Vec<u8>) -> u32 {
        let next = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        let words = &mut self.words;
        *self.numbers.entry(word).or_insert_with_key(|word| {
            words.push(word.clone());
            next
        })
    }
}

/// What the passes of one call work with.
#[derive(Debug)]
pub(crate) struct Pass {
    cache: Option<Cache>,
    marked: Marked,
    copy: Copied,
}

/// Text as parts have it.
#[derive(Debug, Default)]
struct Copied {
    bytes: Vec<u8>,
    /// Where each of them ends, from where the text is read.
    ends: Vec<u32>,
}

/// Places and patterns among which are all matches that begin before `upto`.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// By where they begin, the last ones first.
    rest: Vec<Mark>,
    /// Those that are here.
    here: Vec<Mark>,
    pub(crate) upto: usize,
    /// The text had too much in it for the passes: they say nothing, and would
    /// say nothing of more of it.
    pub(crate) gave_up: bool,
}

/// Where matches of a pattern may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    first: usize,
    past: usize,
    pub(crate) pattern: u32,
}

impl Passes {
    pub(super) fn new(
        patterns: &[(&Hir, usize)],
        squeezes: bool,
        limit: usize,
    ) -> Result<Passes, TooLarge> {
        let (mut words, mut squeezed, mut runs) =
            (Signals::default(), Signals::default(), Vec::new());
        // By list: of which pass, which number there, and how far.
        let mut found: Vec<[Vec<(usize, Reach)>; 2]> = Vec::new();
        for (hir, _) in patterns {
            found.push(parts(hir, squeezes).map(|parts| {
                let mut list = Vec::new();
                for Part { form, least, most } in parts {
                    let (pass, signals): (usize, Vec<u32>) = match form {
                        Form::Words(all) => {
                            (0, all.into_iter().map(|word| words.number(word)).collect())
                        }
                        Form::Squeezed(all) => {
                            (1, all.into_iter().map(|word| squeezed.number(word)).collect())
                        }
                        Form::Runs(hir) => {
                            runs.push(hir);
                            (
                                2,
                                vec![
                                    u32::try_from(runs.len().saturating_sub(1)).unwrap_or(u32::MAX),
                                ],
                            )
                        }
                    };
                    let reach = |signal| (pass, Reach { signal, least, most });
                    list.extend(signals.into_iter().map(reach));
                }
                list
            }));
        }
        let count = |len: usize| u32::try_from(len).map_err(|_| TooLarge);
        let second = count(words.words.len())?;
        let third = second.saturating_add(count(squeezed.words.len())?);
        let signals =
            words.words.len().saturating_add(squeezed.words.len()).saturating_add(runs.len());
        let mut of_signal: Vec<Vec<u32>> = vec![Vec::new(); signals];
        let mut lists = Vec::with_capacity(found.len());
        for (pattern, both) in (0u32..).zip(found) {
            let both = both.map(|list| {
                list.into_iter()
                    .map(|(pass, reach)| {
                        let first = [0, second, third].get(pass).copied().unwrap_or(0);
                        Reach { signal: reach.signal.saturating_add(first), ..reach }
                    })
                    .collect::<Vec<_>>()
            });
            let [rare, _] = &both;
            for reach in rare {
                if let Some(patterns) = of_signal.get_mut(place(reach.signal))
                    && patterns.last() != Some(&pattern)
                {
                    patterns.push(pattern);
                }
            }
            lists.push(both);
        }
        // A pattern without a longest match is refused before it comes here.
        let reaches: Vec<(usize, usize)> = patterns
            .iter()
            .map(|(hir, behind)| (hir.properties().maximum_len().unwrap_or(usize::MAX), *behind))
            .collect();
        Ok(Passes {
            words: automaton(&words.words)?,
            squeezed: automaton(&squeezed.words)?,
            runs: match runs.as_slice() {
                [] => None,
                some => Some(lazy(&some.iter().collect::<Vec<_>>(), limit)?),
            },
            first: [second, third],
            patterns: of_signal,
            lists,
            longest: reaches.iter().map(|(longest, _)| *longest).max().unwrap_or(0),
            behind: reaches.iter().map(|(_, behind)| *behind).max().unwrap_or(0),
            reaches,
        })
    }

    pub(super) fn pass(&self) -> Pass {
        Pass {
            cache: self.runs.as_ref().map(DFA::create_cache),
            marked: Marked { spans: vec![(0, 0); self.patterns.len()], ..Marked::default() },
            copy: Copied::default(),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let words = [&self.words, &self.squeezed].into_iter().flatten();
        let words = words.map(|words| words.0.heap_bytes());
        let runs = self.runs.as_ref().map_or(0, |dfa| dfa.get_nfa().memory_usage());
        words.fold(runs, usize::saturating_add)
    }

    /// Where matches begin from `from` on, as far as what follows is all there. With
    /// `changes`, only those that one of these ranges has a part in.
    pub(crate) fn marks(
        &self,
        pass: &mut Pass,
        text: &[u8],
        from: usize,
        ended: bool,
        changes: Option<&[Range<usize>]>,
    ) -> Marks {
        // A match from before here ends, and is looked after, before the end.
        let upto = if ended { text.len() } else { text.len().saturating_sub(self.longest) };
        if upto < from.saturating_add(WORTHWHILE_BYTES) {
            return Marks { upto: from, ..Marks::default() };
        }
        let decided = Marks { upto, ..Marks::default() };
        let (text, from) = match changes {
            None => (text, from),
            Some(changes) => match self.window(changes, from, text.len()) {
                Some(window) => (text.get(..window.end).unwrap_or(text), window.start),
                None => return decided,
            },
        };
        let mut marked = std::mem::take(&mut pass.marked);
        marked.begin(from, text.len());
        let [second, third] = self.first;
        pass.copy.read(text, from);
        if let Some(words) = &self.words {
            find(words, &pass.copy, 0, &mut marked);
        }
        if let Some(words) = &self.squeezed {
            pass.copy.squeeze();
            find(words, &pass.copy, second, &mut marked);
        }
        let all = match (&self.runs, &mut pass.cache) {
            (Some(dfa), Some(cache)) => runs(dfa, cache, text, from, third, &mut marked).is_some(),
            _ => true,
        };
        let marks = if all { marked.end(self, changes) } else { None };
        marked.forget();
        pass.marked = marked;
        match marks {
            Some(rest) => Marks { rest, ..decided },
            None => Marks { upto: from, gave_up: true, ..Marks::default() },
        }
    }
}

impl Passes {
    /// What of the text there is to look at for matches that begin from `from` on
    /// and that changes have a part in.
    fn window(&self, changes: &[Range<usize>], from: usize, end: usize) -> Option<Range<usize>> {
        let before =
            changes.partition_point(|change| change.end.saturating_add(self.behind) < from);
        let changes = changes.get(before..).unwrap_or_default();
        let (first, last) = (changes.first()?, changes.last()?);
        let start = first.start.saturating_sub(self.longest).max(from);
        let reach = self.behind.saturating_add(self.longest).saturating_add(1);
        Some(start..last.end.saturating_add(reach).min(end))
    }
}

fn automaton(words: &[Vec<u8>]) -> Result<Option<Words>, TooLarge> {
    if words.is_empty() {
        return Ok(None);
    }
    DoubleArrayAhoCorasick::new(words).map(|words| Some(Words(words))).map_err(|_| TooLarge)
}

fn find(words: &Words, text: &Copied, first: u32, marked: &mut Marked) {
    steps::take_many(text.bytes.len());
    for found in words.0.find_overlapping_iter(&text.bytes) {
        if let Some(&end) = found.end().checked_sub(1).and_then(|last| text.ends.get(last)) {
            marked.ended(end, first.saturating_add(found.value()));
        }
    }
}

/// Nothing where the text makes more states than there is room for.
fn runs(
    dfa: &DFA,
    cache: &mut Cache,
    text: &[u8],
    from: usize,
    first: u32,
    marked: &mut Marked,
) -> Option<()> {
    let most_clears = cache.clear_count().saturating_add(CLEARS);
    let behind = from.checked_sub(1).and_then(|before| text.get(before)).copied();
    let config = start::Config::new().look_behind(behind).anchored(Anchored::No);
    let mut ended = |cache: &Cache, state, end: usize| {
        for number in 0..dfa.match_len(cache, state) {
            let run = dfa.match_pattern(cache, state, number).as_u32();
            let end = u32::try_from(end.saturating_sub(from)).unwrap_or(u32::MAX);
            marked.ended(end, first.saturating_add(run));
        }
    };
    let mut state = dfa.start_state(cache, &config).ok()?;
    for (index, &byte) in text.iter().enumerate().skip(from) {
        steps::take();
        state = dfa.next_state(cache, state, byte).ok()?;
        if state.is_tagged() {
            if state.is_match() {
                ended(cache, state, index);
            } else if state.is_quit() {
                return None;
            }
        }
        if cache.clear_count() > most_clears {
            return None;
        }
    }
    state = dfa.next_eoi_state(cache, state).ok()?;
    if state.is_match() {
        ended(cache, state, text.len());
    }
    (cache.clear_count() <= most_clears).then_some(())
}

impl Copied {
    /// Reads the text from `from` on as words have it (`plain`), with one space
    /// for all white space in a row.
    fn read(&mut self, text: &[u8], from: usize) {
        self.bytes.clear();
        self.ends.clear();
        let mut rest = text.get(from..).unwrap_or_default();
        let mut end = 0u32;
        while let Some((&byte, after)) = rest.split_first() {
            let (letter, length) = match byte {
                b'\t'..=b'\r' | b' ' => (b' ', 1),
                // The lead bytes of what `plain` makes ASCII.
                0xc2 | 0xc5 | 0xe1..=0xe3 => plain_at(rest).unwrap_or((byte, 1)),
                _ => (byte.to_ascii_lowercase(), 1),
            };
            end = end.saturating_add(length);
            if letter != b' ' || self.bytes.last() != Some(&b' ') {
                self.bytes.push(letter);
                self.ends.push(end);
            }
            rest = match length {
                1 => after,
                2 => rest.get(2..).unwrap_or_default(),
                _ => rest.get(3..).unwrap_or_default(),
            };
        }
    }

    /// Leaves out what stands between letters, and puts letters for signs.
    fn squeeze(&mut self) {
        let mut kept = 0;
        for at in 0..self.bytes.len() {
            let (Some(byte), Some(&end)) = (self.bytes.get(at), self.ends.get(at)) else { break };
            let Some(letter) = squeezed(*byte) else { continue };
            if let (Some(byte), Some(slot)) = (self.bytes.get_mut(kept), self.ends.get_mut(kept)) {
                (*byte, *slot) = (letter, end);
            }
            kept = kept.saturating_add(1);
        }
        self.bytes.truncate(kept);
        self.ends.truncate(kept);
    }
}

/// The character that the text begins with, where it is ASCII in words and not in
/// the text, and how many bytes it has there.
fn plain_at(text: &[u8]) -> Option<(u8, u32)> {
    let low = |byte: u8| u32::from(byte & 0x3f);
    let (number, length) = match text {
        [one @ 0xc0..=0xdf, two, ..] => (u32::from(one & 0x1f) << 6 | low(*two), 2),
        [one @ 0xe0..=0xef, two, three, ..] => {
            (u32::from(one & 0x0f) << 12 | low(*two) << 6 | low(*three), 3)
        }
        _ => return None,
    };
    let letter = plain(char::from_u32(number)?);
    u8::try_from(letter).ok().filter(u8::is_ascii).map(|letter| (letter, length))
}

/// What was found.
#[derive(Debug, Default)]
struct Marked {
    from: usize,
    /// In the order of the text, how far after `from` a signal ends, and which.
    found: Vec<(u32, u32)>,
    most: usize,
    /// The same by signal.
    ends: Vec<u32>,
    /// By signal, where in `ends` those of it are.
    spans: Vec<(u32, u32)>,
    /// Those that were found.
    signals: Vec<u32>,
    patterns: Vec<u32>,
    marks: Vec<Mark>,
}

impl Marked {
    fn begin(&mut self, from: usize, end: usize) {
        self.from = from;
        self.most = end.saturating_sub(from).saturating_mul(FOUND).max(WORTHWHILE_BYTES);
    }

    /// A signal ends here.
    #[inline]
    fn ended(&mut self, end: u32, signal: u32) {
        // One more than there may be says that there were more.
        if self.found.len() <= self.most {
            self.found.push((end, signal));
        }
    }

    /// Where all lists of a pattern say so, for each pattern: by where it begins,
    /// the last ones first. Nothing where there was too much.
    fn end(&mut self, passes: &Passes, changes: Option<&[Range<usize>]>) -> Option<Vec<Mark>> {
        if self.found.len() > self.most {
            return None;
        }
        self.sort();
        let mut patterns = std::mem::take(&mut self.patterns);
        patterns.clear();
        for signal in &self.signals {
            patterns.extend(passes.patterns.get(place(*signal)).into_iter().flatten());
        }
        patterns.sort_unstable();
        patterns.dedup();
        let mut marks = std::mem::take(&mut self.marks);
        let (mut ranges, mut others, mut windows) = (Vec::new(), Vec::new(), Vec::new());
        for &pattern in &patterns {
            let Some([rare, second]) = passes.lists.get(place(pattern)) else { continue };
            match changes {
                None => self.ranges(rare, None, &mut ranges),
                Some(changes) => {
                    let reaches = passes.reaches.get(place(pattern)).copied().unwrap_or_default();
                    near(changes, reaches, &mut windows);
                    self.ranges(rare, Some(&windows), &mut others);
                    ranges = both(&others, &windows);
                }
            }
            if !second.is_empty() && !ranges.is_empty() {
                self.ranges(second, Some(&ranges), &mut others);
                ranges = both(&ranges, &others);
            }
            let mark = |range: Range<usize>| Mark { first: range.start, past: range.end, pattern };
            marks.extend(ranges.drain(..).map(mark));
        }
        self.patterns = patterns;
        marks.sort_unstable_by_key(|mark| std::cmp::Reverse((mark.first, mark.pattern)));
        Some(marks)
    }

    /// Puts what was found by signal.
    fn sort(&mut self) {
        for (_, signal) in &self.found {
            let Some((_, count)) = self.spans.get_mut(place(*signal)) else { continue };
            if *count == 0 {
                self.signals.push(*signal);
            }
            *count = count.saturating_add(1);
        }
        let mut upto = 0u32;
        for signal in &self.signals {
            let Some(span) = self.spans.get_mut(place(*signal)) else { continue };
            let (_, count) = std::mem::replace(span, (upto, upto));
            upto = upto.saturating_add(count);
        }
        self.ends.resize(self.found.len(), 0);
        for (end, signal) in &self.found {
            let Some((_, upto)) = self.spans.get_mut(place(*signal)) else { continue };
            if let Some(slot) = self.ends.get_mut(place(*upto)) {
                *slot = *end;
            }
            *upto = upto.saturating_add(1);
        }
    }

    /// Where a match may begin as far as a list of parts says, joined. Only those
    /// that may be `within` these ranges are asked for.
    fn ranges(
        &self,
        list: &[Reach],
        within: Option<&[Range<usize>]>,
        ranges: &mut Vec<Range<usize>>,
    ) {
        ranges.clear();
        for reach in list {
            let (first, upto) = self.spans.get(place(reach.signal)).copied().unwrap_or_default();
            let ends = self.ends.get(place(first)..place(upto)).unwrap_or_default();
            let mut push = |end: &u32| {
                let end = self.from.saturating_add(place(*end));
                let first = end.saturating_sub(reach.most).max(self.from);
                let past = end.saturating_sub(reach.least).saturating_add(1);
                if first < past {
                    ranges.push(first..past);
                }
            };
            match within.filter(|within| within.len().saturating_mul(SEARCH) < ends.len()) {
                None => ends.iter().for_each(push),
                Some(within) => {
                    let ended = |end: &u32| self.from.saturating_add(place(*end));
                    let mut rest = ends;
                    for range in within {
                        let least = range.start.saturating_add(reach.least);
                        let past = range.end.saturating_add(reach.most);
                        let passed = rest.partition_point(|end| ended(end) < least);
                        rest = rest.get(passed..).unwrap_or_default();
                        rest.iter().take_while(|end| ended(end) < past).for_each(&mut push);
                    }
                }
            }
        }
        ranges.sort_unstable_by_key(|range| range.start);
        join(ranges);
    }

    fn forget(&mut self) {
        for signal in self.signals.drain(..) {
            if let Some(span) = self.spans.get_mut(place(signal)) {
                *span = (0, 0);
            }
        }
        self.found.clear();
        self.ends.clear();
    }
}

/// A number of a list as a place in it.
fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Makes one of ranges that meet; they are by where they begin.
fn join(ranges: &mut Vec<Range<usize>>) {
    ranges.dedup_by(|next, last| {
        let meets = next.start <= last.end;
        if meets {
            last.end = last.end.max(next.end);
        }
        meets
    });
}

/// Where a match begins that a change has a part in, or that is about what stands
/// so far before it.
fn near(changes: &[Range<usize>], (longest, behind): (usize, usize), near: &mut Vec<Range<usize>>) {
    near.clear();
    for change in changes {
        let first = change.start.saturating_sub(longest);
        let past = change.end.saturating_add(behind).saturating_add(1);
        match near.last_mut() {
            Some(last) if first <= last.end => last.end = last.end.max(past),
            _ => near.push(first..past),
        }
    }
}

/// Where ranges of the one and of the other overlap; both are joined.
fn both(one: &[Range<usize>], other: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut rest, mut overlaps) = (other, Vec::new());
    for range in one {
        let passed = rest.partition_point(|other| other.end <= range.start);
        rest = rest.get(passed..).unwrap_or_default();
        for other in rest.iter().take_while(|other| other.start < range.end) {
            overlaps.push(range.start.max(other.start)..range.end.min(other.end));
        }
    }
    overlaps
}

impl Marks {
    /// The first of the places at or after this one, before `upto`.
    pub(crate) fn next(&mut self, at: usize) -> Option<usize> {
        let mut at = at;
        loop {
            self.here.retain(|mark| mark.past > at);
            while let Some(mark) = self.rest.pop_if(|mark| mark.first <= at) {
                if mark.past > at {
                    self.here.push(mark);
                }
            }
            if !self.here.is_empty() {
                return (at < self.upto).then_some(at);
            }
            at = self.rest.last()?.first;
        }
    }

    /// The patterns that may match there.
    pub(crate) fn here(&self) -> &[Mark] {
        &self.here
    }

    /// Gives its list back.
    pub(crate) fn give_back(mut self, pass: &mut Pass) {
        self.rest.clear();
        pass.marked.marks = self.rest;
    }
}

/// Starts that are worth passes of their own.
const WORTHWHILE_BYTES: usize = 64;
/// So often a pass may begin its states anew before it is given up.
const CLEARS: usize = 1;
/// More than this found for a byte of text is not worth looking at one by one.
const FOUND: usize = 4;
/// So many places are passed by in the time that one is searched for.
const SEARCH: usize = 8;
