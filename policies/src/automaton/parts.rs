//! What stands in every text that a pattern matches: its rarest part.
//!
//! Hundreds of patterns looked for at once, from anywhere, make an automaton that
//! has a state for every combination of their gaps and counters: a new one at
//! almost every byte, and whoever writes the text chooses how many. Words looked
//! for at once are a tree, in one step a byte whatever the text. So of each
//! pattern is taken a stretch that comes down to few words, read as it is or
//! *squeezed* (without what stands between letters, and with signs for the
//! letters that they stand for); and where there is none, of runs of characters,
//! a stretch without gaps. How rare a stretch is says a rough model of text,
//! which decides about speed and nothing else.

use std::{collections::BTreeSet, sync::LazyLock};

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use crate::disguise::{is_separator, stands_for};

/// A part of a pattern, and how far after the pattern's first byte it ends.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) form: Form,
    pub(super) least: usize,
    pub(super) most: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Form {
    /// One of these in the text as `plain` makes it, with one space for all white
    /// space in a row.
    Words(Vec<Vec<u8>>),
    /// One of these in the text as `plain` and then `squeezed` make it.
    Squeezed(Vec<Vec<u8>>),
    /// What this matches.
    Runs(Hir),
}

/// How a stretch is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Words,
    Squeezed,
    Runs,
}

impl Way {
    const ALL: [Way; 3] = [Way::Words, Way::Squeezed, Way::Runs];

    /// What one start to look at is worth, compared with a word's.
    fn price(self) -> f64 {
        match self {
            Way::Words => 1.0,
            Way::Squeezed => 10.0,
            Way::Runs => 100.0,
        }
    }
}

/// A character as words have it: in lower case as far as it is ASCII or a letter
/// that is one in another case; and any white space is a space.
pub(super) fn plain(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ if c.is_whitespace() => ' ',
        _ => c.to_ascii_lowercase(),
    }
}

/// What a byte of text is in squeezed text; nothing where it is between letters.
pub(super) fn squeezed(byte: u8) -> Option<u8> {
    let c = char::from(byte);
    match byte {
        _ if !byte.is_ascii() => Some(byte),
        _ if is_separator(c) || c.is_ascii_control() => None,
        _ => Some(stands_for(c.to_ascii_lowercase())),
    }
}

/// Parts of a pattern: of each list, one is in every match. The second list is
/// empty where the pattern has no second part that is worth it. `squeezes` says
/// whether the text is read squeezed at all.
pub(super) fn parts(hir: &Hir, squeezes: bool) -> [Vec<Part>; 2] {
    let any = Search { squeezes, ..Search::default() };
    let Some(rarest) = any.choose(hir) else {
        let Length { least, most } = Length::of(hir);
        return [vec![Part { form: Form::Runs(hir.clone()), least, most }], Vec::new()];
    };
    let other = Search { avoid: Some(rarest.units), words: true, ..any };
    let other = other.choose(hir).filter(|choice| choice.share < SECOND);
    // Where a match may begin far from its rarest part, a frequent one near its
    // beginning says more.
    let is_far = rarest.parts.iter().any(|part| part.most > NEAR_BYTES);
    let near = || Search { near: true, words: true, ..any }.choose(hir);
    let second = if is_far { near().or(other) } else { other };
    [rarest.parts, second.map(|choice| choice.parts).unwrap_or_default()]
}

/// What is looked for.
#[derive(Clone, Copy, Debug, Default)]
struct Search {
    squeezes: bool,
    /// Only what is near the beginning of a match.
    near: bool,
    /// Only what comes down to words.
    words: bool,
    /// Units that are taken.
    avoid: Option<(usize, usize)>,
}

impl Search {
    fn choose(self, hir: &Hir) -> Option<Choice> {
        let mut row = Row { search: self, ..Row::default() };
        row.take(hir);
        row.close();
        row.best
    }

    fn allows(self, way: Way) -> bool {
        match way {
            Way::Words => true,
            Way::Squeezed => self.squeezes,
            Way::Runs => !self.words,
        }
    }

    fn avoids(self, number: usize) -> bool {
        self.avoid.is_some_and(|(first, last)| (first..=last).contains(&number))
    }

    fn reaches(self, most: usize) -> bool {
        !self.near || most <= NEAR_BYTES
    }
}

/// Parts of which one is in every match, and how many starts of a byte of text
/// they leave to look at.
#[derive(Debug)]
struct Choice {
    parts: Vec<Part>,
    starts: f64,
    /// At how many places of ordinary text one of them ends.
    share: f64,
    /// The first and the last of the units that they are made of.
    units: (usize, usize),
}

/// Bytes, at least and at most.
#[derive(Clone, Copy, Debug, Default)]
struct Length {
    least: usize,
    most: usize,
}

impl Length {
    fn of(hir: &Hir) -> Length {
        let properties = hir.properties();
        Length {
            least: properties.minimum_len().unwrap_or(0),
            // Without a longest match a pattern is refused before it comes here.
            most: properties.maximum_len().unwrap_or(usize::MAX),
        }
    }

    fn and(self, other: Length) -> Length {
        Length {
            least: self.least.saturating_add(other.least),
            most: self.most.saturating_add(other.most),
        }
    }

    fn times(self, least: u32, most: u32) -> Length {
        let times = |length: usize, count: u32| {
            length.saturating_mul(usize::try_from(count).unwrap_or(usize::MAX))
        };
        Length { least: times(self.least, least), most: times(self.most, most) }
    }
}

/// What follows each other in a pattern without a gap between.
#[derive(Debug)]
struct Unit {
    hir: Hir,
    /// Its place among all.
    number: usize,
    /// Where in the pattern it begins.
    at: Length,
    length: Length,
    share: f64,
    /// The words that it comes down to, as it is and squeezed.
    words: [Option<Few>; 2],
}

/// What there is to know of a few words.
#[derive(Clone, Copy, Debug)]
struct Few {
    count: usize,
    /// The length of the shortest.
    letters: usize,
    share: f64,
    /// Whether each ends with what is not a space.
    ends: bool,
}

impl Few {
    /// The same as of the words that these letters are.
    fn of_letters(letters: impl Iterator<Item = char>, squeeze: bool) -> Option<Few> {
        let mut seen: Vec<char> = letters
            .map(|c| match u8::try_from(plain(c)).ok().filter(u8::is_ascii) {
                // Nothing is no letter, and is not written.
                Some(byte) if squeeze => squeezed(byte).map_or('\0', char::from),
                _ => plain(c),
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        let is_nothing = |c: &char| squeeze && *c == '\0';
        let share = |c: &char| {
            let mut utf8 = [0; 4];
            let bytes = c.encode_utf8(&mut utf8).bytes();
            if is_nothing(c) { 1.0 } else { bytes.map(|byte| of_letter(byte, squeeze)).product() }
        };
        let letters = |c: &char| if is_nothing(c) { 0 } else { c.len_utf8() };
        (seen.len() <= WORDS).then_some(Few {
            count: seen.len(),
            letters: seen.iter().map(letters).min()?,
            share: seen.iter().map(share).sum::<f64>().min(1.0),
            ends: seen.iter().all(|c| *c != ' ' && !is_nothing(c)),
        })
    }

    fn of(words: &BTreeSet<Vec<u8>>, squeeze: bool) -> Option<Few> {
        let share =
            |word: &Vec<u8>| word.iter().map(|byte| of_letter(*byte, squeeze)).product::<f64>();
        Some(Few {
            count: words.len(),
            letters: words.iter().map(Vec::len).min()?,
            share: words.iter().map(share).sum::<f64>().min(1.0),
            ends: words.iter().all(|word| word.last().is_some_and(|last| *last != b' ')),
        })
    }
}

/// A pattern, read from left to right.
#[derive(Debug, Default)]
struct Row {
    search: Search,
    at: Length,
    number: usize,
    units: Vec<Unit>,
    best: Option<Choice>,
}

impl Row {
    fn take(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) => text.chars().for_each(|c| {
                    let mut bytes = [0; 4];
                    self.unit(Hir::literal(c.encode_utf8(&mut bytes).as_bytes().to_vec()));
                }),
                Err(_) => self.unit(hir.clone()),
            },
            HirKind::Class(_) | HirKind::Look(_) => self.unit(hir.clone()),
            HirKind::Capture(capture) => self.take(&capture.sub),
            HirKind::Concat(all) => all.iter().for_each(|one| self.take(one)),
            HirKind::Repetition(_) if is_small(hir) => self.unit(hir.clone()),
            HirKind::Repetition(repetition) => self.repeat(repetition),
            HirKind::Alternation(all) => {
                let within = Search { avoid: None, ..self.search };
                let choices: Option<Vec<Choice>> =
                    all.iter().map(|one| within.choose(one)).collect();
                if let Some(choices) = choices {
                    let starts = choices.iter().map(|choice| choice.starts).sum();
                    let share = choices.iter().map(|choice| choice.share).sum();
                    let parts = choices.into_iter().flat_map(|choice| choice.parts).collect();
                    self.offer(Choice { parts, starts, share, units: (0, 0) });
                }
                if is_small(hir) {
                    // Its number is the next one, as the choice's is.
                    self.unit(hir.clone());
                } else {
                    self.number = self.number.saturating_add(1);
                    self.close();
                    self.at = self.at.and(Length::of(hir));
                }
            }
        }
    }

    /// What is repeated often is a gap; its first rounds end what came before,
    /// and its last ones begin what comes after.
    fn repeat(&mut self, repetition: &Repetition) {
        let one = Length::of(&repetition.sub);
        let most = repetition.max.unwrap_or(u32::MAX);
        let fit = u32::try_from(RUN_BYTES.checked_div(one.most).unwrap_or(0)).unwrap_or(u32::MAX);
        let count = repetition.min.min(fit);
        let whole = self.at.and(one.times(repetition.min, most));
        if count == 0 || !is_small(&repetition.sub) {
            self.close();
            if repetition.min > 0
                && let Some(choice) =
                    (Search { avoid: None, ..self.search }).choose(&repetition.sub)
            {
                self.offer(choice);
            }
            self.number = self.number.saturating_add(1);
            self.at = whole;
            return;
        }
        let some = Hir::repetition(Repetition {
            min: count,
            max: Some(count),
            greedy: true,
            sub: repetition.sub.clone(),
        });
        self.unit(some.clone());
        self.close();
        let last = one.times(count, count);
        self.at = Length {
            least: whole.least.saturating_sub(last.least),
            most: whole.most.saturating_sub(last.most),
        };
        self.unit(some);
    }

    fn unit(&mut self, hir: Hir) {
        let (length, share) = (Length::of(&hir), share(&hir));
        let words = [false, true].map(|squeeze| match hir.kind() {
            // Nothing reads it squeezed.
            _ if squeeze && !self.search.squeezes => None,
            HirKind::Look(_) => Some(Few { count: 1, letters: 0, share: 1.0, ends: false }),
            HirKind::Literal(literal) => {
                Few::of_letters(std::str::from_utf8(&literal.0).ok()?.chars(), squeeze)
            }
            HirKind::Class(Class::Unicode(class)) => {
                let members: usize = class.ranges().iter().map(|range| range.len()).sum();
                let all = class.ranges().iter().flat_map(|range| range.start()..=range.end());
                if members <= MEMBERS { Few::of_letters(all, squeeze) } else { None }
            }
            _ => Few::of(&words(&hir, squeeze)?, squeeze),
        });
        self.number = self.number.saturating_add(1);
        self.units.push(Unit { hir, number: self.number, at: self.at, length, share, words });
        self.at = self.at.and(length);
    }

    /// A choice that is known as of here.
    fn offer(&mut self, mut choice: Choice) {
        for part in &mut choice.parts {
            part.least = part.least.saturating_add(self.at.least);
            part.most = part.most.saturating_add(self.at.most);
        }
        choice.starts *= starts(self.at);
        let number = self.number.saturating_add(1);
        choice.units = (number, number);
        if self.search.avoids(number)
            || choice.parts.iter().any(|part| !self.search.reaches(part.most))
        {
            return;
        }
        if self.best.as_ref().is_none_or(|best| choice.starts < best.starts) {
            self.best = Some(choice);
        }
    }

    /// Ends what follows each other: the rarest stretch of it is a choice.
    fn close(&mut self) {
        let units = std::mem::take(&mut self.units);
        for way in Way::ALL.into_iter().filter(|way| self.search.allows(*way)) {
            let Some(Stretch { units: stretch, end, share, cost }) =
                self.search.rarest(&units, way)
            else {
                continue;
            };
            if self.best.as_ref().is_some_and(|best| best.starts <= cost) {
                continue;
            }
            let hir = Hir::concat(stretch.iter().map(|unit| unit.hir.clone()).collect());
            let form = match way {
                Way::Runs => Some(Form::Runs(hir)),
                Way::Words => {
                    words(&hir, false).map(|words| Form::Words(words.into_iter().collect()))
                }
                Way::Squeezed => {
                    words(&hir, true).map(|words| Form::Squeezed(words.into_iter().collect()))
                }
            };
            let Some(form) = form else { continue };
            let part = Part { form, least: end.least, most: end.most };
            let [first, .., last] =
                [stretch.first(), stretch.last()].map(|unit| unit.map_or(0, |unit| unit.number));
            self.best =
                Some(Choice { parts: vec![part], starts: cost, share, units: (first, last) });
        }
    }
}

impl Search {
    /// The rarest of the stretches that can be looked for in this way, where it ends,
    /// and what it costs.
    fn rarest(self, units: &[Unit], way: Way) -> Option<Stretch<'_>> {
        let mut best: Option<Stretch<'_>> = None;
        for from in 0..units.len() {
            let rest = units.get(from..).unwrap_or_default();
            let first = rest.first()?;
            let (mut end, mut length, mut chance) = (first.at, Length::default(), 1.0);
            let (mut count, mut letters) = (1usize, 0usize);
            for (number, unit) in rest.iter().enumerate() {
                end = end.and(unit.length);
                length = length.and(unit.length);
                let [plain, squeezed] = unit.words;
                let words = match way {
                    Way::Words => plain,
                    Way::Squeezed => squeezed,
                    Way::Runs => Some(Few {
                        count: 1,
                        letters: unit.length.least,
                        share: unit.share,
                        ends: true,
                    }),
                };
                let Some(words) = words.filter(|_| !self.avoids(unit.number)) else { break };
                count = count.saturating_mul(words.count);
                letters = letters.saturating_add(words.letters);
                chance *= words.share;
                if count > WORDS || length.most > PART_BYTES {
                    break;
                }
                // What stands between letters may follow the last one.
                let least = if way == Way::Squeezed { first.at.least } else { end.least };
                let reach = Length { least, most: end.most };
                // Of those that are rare enough the shortest.
                let bytes = f64::from(u32::try_from(length.most).unwrap_or(u32::MAX));
                let cost = chance.max(RARE) * starts(reach) * way.price() * (1.0 + bytes / 1024.0);
                // A space stands for several, so that where it ends is not known.
                let ends = way != Way::Words || words.ends;
                let is_better = best.as_ref().is_none_or(|best| cost < best.cost);
                if letters > 0 && ends && self.reaches(end.most) && is_better {
                    best = rest.get(..=number).map(|units| Stretch {
                        units,
                        end: reach,
                        share: chance,
                        cost,
                    });
                }
            }
        }
        best
    }
}

/// A stretch of a pattern: where it ends, at how many places of ordinary text it
/// does, and what it costs to look at the starts that it leaves.
#[derive(Clone, Copy, Debug)]
struct Stretch<'u> {
    units: &'u [Unit],
    end: Length,
    share: f64,
    cost: f64,
}

/// The words that it comes down to, if they are few: in lower case as far as they
/// are ASCII, or squeezed.
fn words(hir: &Hir, squeeze: bool) -> Option<BTreeSet<Vec<u8>>> {
    let read = |text: &str| -> Vec<u8> {
        let bytes = text.chars().map(plain).collect::<String>().into_bytes();
        if squeeze {
            bytes.into_iter().filter_map(squeezed).collect()
        } else {
            bytes.iter().fold(Vec::new(), |read, byte| joined(&read, std::slice::from_ref(byte)))
        }
    };
    let followed = |all: BTreeSet<Vec<u8>>, next: &BTreeSet<Vec<u8>>| {
        let pairs = all.iter().flat_map(|one| next.iter().map(move |two| joined(one, two)));
        let both: BTreeSet<Vec<u8>> = pairs.collect();
        (both.len() <= WORDS).then_some(both)
    };
    let none = || BTreeSet::from([Vec::new()]);
    let found = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => none(),
        HirKind::Literal(literal) => BTreeSet::from([read(std::str::from_utf8(&literal.0).ok()?)]),
        HirKind::Class(Class::Unicode(class)) => {
            let members: usize = class.ranges().iter().map(|range| range.len()).sum();
            if members > MEMBERS {
                return None;
            }
            let all = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            all.map(|c| read(c.encode_utf8(&mut [0; 4]))).collect()
        }
        HirKind::Class(Class::Bytes(class)) => {
            if !class.is_ascii() {
                return None;
            }
            let all = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            all.map(|byte| read(char::from(byte).encode_utf8(&mut [0; 4]))).collect()
        }
        HirKind::Capture(capture) => words(&capture.sub, squeeze)?,
        HirKind::Concat(all) => {
            let mut found = none();
            for one in all {
                found = followed(found, &words(one, squeeze)?)?;
            }
            found
        }
        HirKind::Alternation(all) => {
            let mut found = BTreeSet::new();
            for one in all {
                found.extend(words(one, squeeze)?);
            }
            found
        }
        HirKind::Repetition(repetition) => {
            let one = words(&repetition.sub, squeeze)?;
            let (mut found, mut rounds) = (BTreeSet::new(), none());
            for round in 0..=repetition.max? {
                if round > 0 {
                    rounds = followed(rounds, &one)?;
                }
                if round >= repetition.min {
                    found.extend(rounds.iter().cloned());
                }
                if found.len() > WORDS || rounds.iter().any(|word| word.len() > PART_BYTES) {
                    return None;
                }
            }
            found
        }
    };
    (found.len() <= WORDS).then_some(found)
}

/// One word after the other, with one space for two.
fn joined(one: &[u8], two: &[u8]) -> Vec<u8> {
    let two = match (one.last(), two) {
        (Some(b' '), [b' ', rest @ ..]) => rest,
        _ => two,
    };
    [one, two].concat()
}

/// How many starts there are for one end.
fn starts(end: Length) -> f64 {
    let more = end.most.saturating_sub(end.least);
    f64::from(u32::try_from(more).unwrap_or(u32::MAX)) + 1.0
}

/// Whether it is short and has no gap.
fn is_small(hir: &Hir) -> bool {
    fn has_gap(hir: &Hir) -> bool {
        match hir.kind() {
            HirKind::Repetition(repetition) => {
                repetition.max.is_none_or(|max| max > GAP_ROUNDS) || has_gap(&repetition.sub)
            }
            HirKind::Capture(capture) => has_gap(&capture.sub),
            HirKind::Concat(all) | HirKind::Alternation(all) => all.iter().any(has_gap),
            _ => false,
        }
    }
    Length::of(hir).most <= RUN_BYTES && !has_gap(hir)
}

/// At how many of the places of ordinary text it begins, roughly.
fn share(hir: &Hir) -> f64 {
    let share = match hir.kind() {
        HirKind::Empty => 1.0,
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => text.chars().map(of_char).product(),
            Err(_) => literal.0.iter().map(|_| OTHER).product(),
        },
        HirKind::Class(Class::Unicode(class)) => class
            .iter()
            .map(|range| of_range(u32::from(range.start()), u32::from(range.end())))
            .sum(),
        HirKind::Class(Class::Bytes(class)) => class
            .iter()
            .map(|range| of_range(u32::from(range.start()), u32::from(range.end())))
            .sum(),
        HirKind::Look(Look::Start | Look::StartLF | Look::StartCRLF) => 0.02,
        HirKind::Look(Look::End | Look::EndLF | Look::EndCRLF) => 0.02,
        HirKind::Look(_) => 0.4,
        HirKind::Capture(capture) => share(&capture.sub),
        HirKind::Concat(all) => all.iter().map(share).product(),
        HirKind::Alternation(all) => all.iter().map(share).sum(),
        HirKind::Repetition(repetition) => {
            let one = share(&repetition.sub);
            let most = repetition.max.unwrap_or(repetition.min).max(repetition.min);
            let mut round = (0..repetition.min).map(|_| one).product::<f64>();
            let mut sum = round;
            for _ in repetition.min..most.min(repetition.min.saturating_add(GAP_ROUNDS)) {
                round *= one;
                sum += round;
            }
            sum
        }
    };
    share.min(1.0)
}

/// At how many places of ordinary text, squeezed or not, stands this letter of
/// a word.
fn of_letter(byte: u8, squeeze: bool) -> f64 {
    static SHARES: LazyLock<[[f64; 128]; 2]> = LazyLock::new(|| {
        let mut shares = [[0.0; 128]; 2];
        let [plain, squeezed_too] = &mut shares;
        for byte in 0..128u8 {
            let share = of_ascii(byte);
            let add = |shares: &mut [f64; 128], letter: u8| {
                if let Some(slot) = shares.get_mut(usize::from(letter)) {
                    *slot += share;
                }
            };
            add(plain, byte.to_ascii_lowercase());
            if let Some(letter) = squeezed(byte) {
                add(squeezed_too, letter);
            }
        }
        shares
    });
    match byte {
        0xc0.. => 0.03,
        0x80.. => 0.18,
        _ => {
            let [plain, squeezed] = &*SHARES;
            let shares = if squeeze { squeezed } else { plain };
            shares.get(usize::from(byte)).copied().unwrap_or(0.0)
        }
    }
}

fn of_char(c: char) -> f64 {
    of_range(u32::from(c), u32::from(c))
}

fn of_range(first: u32, last: u32) -> f64 {
    let ascii = (first..=last.min(127)).filter_map(|c| u8::try_from(c).ok()).map(of_ascii);
    let more = last.saturating_add(1).saturating_sub(first.max(128));
    ascii.sum::<f64>() + (f64::from(more) * OTHER).min(0.5)
}

fn of_ascii(byte: u8) -> f64 {
    let thousandths = match byte {
        b' ' => 150.0,
        b'e' => 100.0,
        b't' => 74.0,
        b'a' => 65.0,
        b'o' => 60.0,
        b'i' | b'n' => 57.0,
        b's' | b'r' => 50.0,
        b'h' => 45.0,
        b'd' | b'l' => 33.0,
        b'c' | b'u' => 24.0,
        b'm' | b'f' | b'w' | b'g' | b'p' | b'y' => 18.0,
        b'\n' | b'b' => 13.0,
        b'.' | b',' | b'"' | b'v' => 9.0,
        b'0'..=b'9' | b'-' | b'_' | b':' | b'/' | b'\'' | b'k' => 6.0,
        b'A'..=b'Z' | b'x' | b'j' | b'q' | b'z' => 2.0,
        b'!'..=b'~' | b'\t' | b'\r' => 3.0,
        _ => 0.1,
    };
    thousandths / 1000.0
}

/// One character beyond ASCII.
const OTHER: f64 = 0.001;
/// Rarer a part need not be: texts are about what the patterns are about.
const RARE: f64 = 1e-5;
/// More words than this no part comes down to.
const WORDS: usize = 64;
/// A class of more members comes down to no words.
const MEMBERS: usize = 128;
/// A second part of a pattern is worth looking for where it is rarer than this.
const SECOND: f64 = 2e-4;
/// What ends so soon says well where a match begins.
const NEAR_BYTES: usize = 96;
/// The longest part, in bytes.
const PART_BYTES: usize = 48;
/// Of something repeated, and of what counts as short, in bytes.
const RUN_BYTES: usize = 24;
/// What is repeated more often is a gap.
const GAP_ROUNDS: u32 = 4;

#[cfg(test)]
mod tests {
    use regex_syntax::Parser;

    use super::*;

    fn told(pattern: &str) -> Vec<Part> {
        let [parts, _] = parts(&Parser::new().parse(pattern).unwrap(), true);
        parts
    }

    fn texts(part: &Part) -> Vec<String> {
        match &part.form {
            Form::Words(words) | Form::Squeezed(words) => {
                words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
            }
            Form::Runs(hir) => vec![hir.to_string()],
        }
    }

    /// Each pattern with what its parts are and how far after its beginning
    /// they end.
    #[test]
    fn the_rarest_part_says_how_far_before_it_a_match_began() {
        for (pattern, parts, least, most) in [
            // Words are in lower case, whatever the text's is.
            ("(?i)ignore [^x]{0,100} all", "igno", 4, 4),
            ("[0-9]{2}-Qu?z", "-quz -qz", 5, 6),
            // A gap is no part, and what need not be there is none.
            ("(?:zzzz[^x]{0,100})?abcdef", "abcd", 4, 408),
            ("[^x]{1,20}@[a-z]{2}", "@", 2, 81),
            // Runs have a beginning and an end.
            ("[0-9]{30,60}", "[0-9]{24}", 24, 24),
        ] {
            let told = told(pattern);
            let [part] = told.as_slice() else { panic!("{pattern}: {told:?}") };
            let found = (texts(part).join(" "), part.least, part.most);
            assert_eq!(found, (parts.to_owned(), least, most), "{pattern}");
        }
    }

    #[test]
    fn what_is_far_from_the_beginning_has_a_part_near_it_too() {
        let hir = Parser::new().parse("at?[^x]{0,200}malware").unwrap();
        let [rare, near] = parts(&hir, true);
        let [rare, near] =
            [&rare, &near].map(|parts| parts.iter().flat_map(texts).collect::<Vec<_>>());
        assert_eq!((rare, near), (vec!["malw".to_owned()], vec!["a".to_owned()]));
    }

    #[test]
    fn what_is_spelled_out_is_found_squeezed() {
        let gap = "[ .,:_~*-]?";
        let pattern = ["[i1!|]", "[g96]", "n", "[o0]", "r", "[e3]"].join(gap);
        let told = told(&pattern);
        let [Part { form: Form::Squeezed(words), .. }] = told.as_slice() else {
            panic!("{told:?}");
        };
        let [word] = words.as_slice() else { panic!("{words:?}") };
        assert!("ignore".contains(std::str::from_utf8(word).unwrap()), "{word:?}");
    }

    #[test]
    fn each_alternative_has_parts_of_its_own() {
        let told = told("foobar[^x]{0,100}|[0-9]{30}");
        let [word, run] = told.as_slice() else { panic!("{told:?}") };
        assert!(matches!(word.form, Form::Words(_)), "{word:?}");
        assert!(matches!(run.form, Form::Runs(_)), "{run:?}");
    }

    #[test]
    fn what_has_no_part_is_its_own() {
        let told = told("[^x]{0,9}");
        let [Part { form: Form::Runs(_), least: 0, most: 36 }] = told.as_slice() else {
            panic!("{told:?}");
        };
    }
}
