//! Patterns as an evader writes them: in leet, spelled letter by letter,
//! backwards and upside down.
//!
//! These are done to the *pattern*, not to the text: a view of it would cost a
//! pass over everything, while a pattern backwards is one more pattern of the same
//! pass. It also works in every other view: in base64, through zero-width
//! characters, in full-width letters.
//!
//! Only patterns that have words in them are disguised (`is_phrase`): a format
//! (a card number, a token) has no letters to spell, and what `a` and `4` mean
//! in it is not the same thing.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition};
use serde::Deserialize;

use crate::finding::View;

/// How a compiled pattern relates to the one that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Plain,
    /// In leet, spelled out, or both.
    Spread,
    /// Backwards, right side up or upside down.
    Reversed,
}

/// The views besides the raw and the folded one, as detectors declare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Optional {
    Decoded,
    Leet,
    Spelled,
    Rot13,
    Reversed,
    Shell,
    Url,
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Views(u8);

impl Views {
    /// What encodings and tools make of a text, rot13 apart.
    pub(crate) const FORMATS: Views =
        Views(bit(Optional::Decoded) | bit(Optional::Shell) | bit(Optional::Url));
    /// What encodings make of it.
    pub(crate) const ENCODINGS: Views = Views(bit(Optional::Decoded) | bit(Optional::Rot13));
    /// What people make of words.
    pub(crate) const DISGUISES: Views =
        Views(bit(Optional::Leet) | bit(Optional::Spelled) | bit(Optional::Reversed));

    pub(crate) fn with(self, other: Views) -> Views {
        Views(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Views) -> Views {
        Views(self.0 & !other.0)
    }

    pub(crate) fn has(self, view: Optional) -> bool {
        self.0 & bit(view) != 0
    }

    /// Whether any of `other` is in it.
    pub(crate) fn meets(self, other: Views) -> bool {
        self.0 & other.0 != 0
    }
}

impl FromIterator<Optional> for Views {
    fn from_iter<I: IntoIterator<Item = Optional>>(views: I) -> Views {
        Views(views.into_iter().fold(0, |all, view| all | bit(view)))
    }
}

impl From<Optional> for Views {
    fn from(view: Optional) -> Views {
        Views(bit(view))
    }
}

const fn bit(view: Optional) -> u8 {
    match view {
        Optional::Decoded => 1,
        Optional::Leet => 2,
        Optional::Spelled => 4,
        Optional::Rot13 => 8,
        Optional::Reversed => 16,
        Optional::Shell => 32,
        Optional::Url => 64,
    }
}

/// Whether the pattern is made of words, so that disguising it means something.
/// Of the alternatives of a pattern at least one must be.
pub(crate) fn is_phrase(hir: &Hir) -> bool {
    !phrases(hir).is_empty()
}

/// The forms of a folded pattern that these views ask for, itself excepted.
pub(crate) fn forms(hir: &Hir, views: Views) -> Vec<(Form, Hir)> {
    if !views.meets(Views::DISGUISES) {
        return Vec::new();
    }
    let phrases = phrases(hir);
    if phrases.is_empty() {
        return Vec::new();
    }
    let phrase = Hir::alternation(phrases);
    let mut forms = Vec::new();
    if views.has(Optional::Leet) || views.has(Optional::Spelled) {
        forms.push((Form::Spread, spread(&phrase, views)));
    }
    if views.has(Optional::Reversed) {
        forms.push((Form::Reversed, reversed(&phrase)));
    }
    forms
}

/// The view that a match of the spread form shows; `None` where the text is
/// neither leet nor spelled, but only looks like it (`use x` for `s e x`).
pub(crate) fn spread_view(text: &[u8], views: Views) -> Option<View> {
    let text = std::str::from_utf8(text).ok()?;
    let (mut letters, mut substitutes) = (0usize, 0usize);
    let (mut token, mut singles, mut spelled) = (0usize, 0usize, 0usize);
    let (mut tokens, mut chars_in) = (0usize, 0usize);
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let after = chars.peek().copied().unwrap_or(' ');
        if !is_separator(c) {
            if token == 0 {
                tokens = tokens.saturating_add(1);
            }
            token = token.saturating_add(1);
            chars_in = chars_in.saturating_add(1);
        } else if token > 0 {
            singles = if token == 1 { singles.saturating_add(1) } else { 0 };
            spelled = spelled.max(singles);
            token = 0;
        }
        if c.is_alphabetic() {
            letters = letters.saturating_add(1);
        } else if is_substitute(c) {
            let (left, right) = (is_wordlike(before), is_wordlike(after));
            let within = left && right;
            if within || ((left || right) && !matches!(c, '!' | '|' | '+')) {
                substitutes = substitutes.saturating_add(1);
            }
        }
        before = c;
    }
    if token == 1 {
        spelled = spelled.max(singles.saturating_add(1));
    }
    // Words of one letter, or torn into pieces of about two.
    let torn = tokens > SPELLED_LETTERS && chars_in <= tokens.saturating_mul(2);
    if views.has(Optional::Spelled) && (spelled >= SPELLED_LETTERS || torn) {
        return Some(View::Spelled);
    }
    let leet = substitutes > 0 && letters.saturating_mul(2) >= substitutes;
    (views.has(Optional::Leet) && leet).then_some(View::Leet)
}

/// The alternatives of a pattern that have words.
fn phrases(hir: &Hir) -> Vec<Hir> {
    match hir.kind() {
        HirKind::Alternation(parts) => parts.iter().flat_map(phrases).collect(),
        HirKind::Capture(capture) => phrases(&capture.sub),
        _ if weight(hir) >= PHRASE_WEIGHT => vec![hir.clone()],
        _ => Vec::new(),
    }
}

/// What the fixed letters of every match weigh. Recursion is bounded by the
/// parser's nest limit, here and below.
fn weight(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => 0,
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0)
            .map_or(0, |text| text.chars().map(letter_weight).fold(0, usize::saturating_add)),
        HirKind::Class(Class::Unicode(class)) if len(class) <= ONE_LETTER => {
            // Folding writes some letters of other alphabets as digits.
            members(class).map(letter_weight).filter(|weight| *weight > 0).min().unwrap_or(0)
        }
        HirKind::Class(Class::Unicode(_)) => 0,
        HirKind::Repetition(repetition) => {
            let times = usize::try_from(repetition.min).unwrap_or(0);
            weight(&repetition.sub).saturating_mul(times)
        }
        HirKind::Capture(capture) => weight(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(weight).fold(0, usize::saturating_add),
        HirKind::Alternation(parts) => parts.iter().map(weight).min().unwrap_or(0),
    }
}

/// A Chinese character says as much as a few letters do.
fn letter_weight(c: char) -> usize {
    match c {
        _ if !c.is_alphabetic() => 0,
        '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{20000}'..='\u{3ffff}' => 2,
        _ => 1,
    }
}

fn spread(hir: &Hir, views: Views) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => hir.clone(),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => Hir::concat(text.chars().map(|c| spread_char(c, views)).collect()),
            Err(_) => hir.clone(),
        },
        HirKind::Class(Class::Unicode(class)) if len(class) <= SMALL_CLASS => {
            spread_class(class, views)
        }
        HirKind::Class(Class::Unicode(_)) => hir.clone(),
        // What may be anything is spelled out too.
        HirKind::Repetition(repetition)
            if views.has(Optional::Spelled) && is_anything(&repetition.sub) =>
        {
            let longer = |most: u32| most.saturating_add(most.min(GAP_MORE));
            Hir::repetition(Repetition {
                max: repetition.max.map(longer),
                sub: Box::new(with_separators(&repetition.sub)),
                ..repetition.clone()
            })
        }
        // Between words there is more room than between letters.
        HirKind::Repetition(repetition)
            if views.has(Optional::Spelled) && is_space(&repetition.sub) =>
        {
            Hir::repetition(Repetition {
                max: repetition.max.map(|most| most.saturating_mul(2)),
                sub: Box::new(spread(&repetition.sub, views)),
                ..repetition.clone()
            })
        }
        HirKind::Repetition(repetition) => repeat(repetition, spread(&repetition.sub, views)),
        HirKind::Capture(capture) => spread(&capture.sub, views),
        HirKind::Concat(parts) => Hir::concat(spread_parts(parts, views)),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(|part| spread(part, views)).collect())
        }
    }
}

/// Whether it is one character of almost any kind.
fn is_anything(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            len(class) > SMALL_CLASS
                && class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&' '))
        }
        _ => false,
    }
}

/// The same class, and what may stand after each letter.
fn with_separators(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            let mut class = class.clone();
            class.union(&separators());
            Hir::class(Class::Unicode(class))
        }
        _ => hir.clone(),
    }
}

/// Whether it is white space.
fn is_space(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => members(class).all(char::is_whitespace),
        _ => false,
    }
}

/// A word that ends in a sign (`previou$`) has no word boundary there.
fn spread_parts(parts: &[Hir], views: Views) -> Vec<Hir> {
    let mut before: Option<&Hir> = None;
    let mut spread_parts = Vec::with_capacity(parts.len());
    for part in parts {
        let boundary = matches!(part.kind(), HirKind::Look(Look::WordAscii | Look::WordEndAscii));
        let open = boundary && views.has(Optional::Leet) && before.is_some_and(may_end_in_sign);
        spread_parts.push(if open { Hir::empty() } else { spread(part, views) });
        before = Some(part);
    }
    spread_parts
}

/// Whether the last letter of some match has a sign that stands for it.
fn may_end_in_sign(hir: &Hir) -> bool {
    let signed = |c: char| leet(c).chars().any(|c| !c.is_alphanumeric());
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => false,
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0)
            .is_ok_and(|text| text.chars().next_back().is_some_and(signed)),
        HirKind::Class(Class::Unicode(class)) => {
            len(class) <= ONE_LETTER && members(class).any(signed)
        }
        HirKind::Repetition(repetition) => may_end_in_sign(&repetition.sub),
        HirKind::Capture(capture) => may_end_in_sign(&capture.sub),
        HirKind::Concat(parts) => {
            // What may be absent lets what stands before it be the last.
            let mut ends = false;
            for part in parts.iter().rev() {
                ends |= may_end_in_sign(part);
                if part.properties().minimum_len() != Some(0) {
                    break;
                }
            }
            ends
        }
        HirKind::Alternation(parts) => parts.iter().any(may_end_in_sign),
    }
}

fn spread_char(c: char, views: Views) -> Hir {
    spread_class(&ClassUnicode::new([ClassUnicodeRange::new(c, c)]), views)
}

/// What stands for one of these characters, and what may stand after it.
fn spread_class(class: &ClassUnicode, views: Views) -> Hir {
    let mut class = class.clone();
    let is_space = members(&class).any(|c| c == ' ');
    if views.has(Optional::Leet) {
        let added: Vec<char> = members(&class).flat_map(|c| leet(c).chars()).collect();
        added.into_iter().for_each(|c| class.push(ClassUnicodeRange::new(c, c)));
    }
    if !views.has(Optional::Spelled) {
        return Hir::class(Class::Unicode(class));
    }
    if is_space {
        // Between words stands what stands between letters.
        separators().ranges().iter().for_each(|range| class.push(*range));
        return Hir::class(Class::Unicode(class));
    }
    let gap = Repetition {
        min: 0,
        max: Some(1),
        greedy: true,
        sub: Box::new(Hir::class(Class::Unicode(separators()))),
    };
    Hir::concat(vec![Hir::class(Class::Unicode(class)), Hir::repetition(gap)])
}

/// The pattern from its end to its beginning; upside-down letters fold to the
/// letters that they are, but for those that look like another one.
fn reversed(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(look) => Hir::look(mirrored(*look)),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => Hir::concat(text.chars().rev().map(turned).collect()),
            Err(_) => hir.clone(),
        },
        HirKind::Empty | HirKind::Class(_) => letters_mapped(hir, &turn),
        HirKind::Repetition(repetition) => repeat(repetition, reversed(&repetition.sub)),
        HirKind::Capture(capture) => reversed(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().rev().map(reversed).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(reversed).collect()),
    }
}

fn turned(c: char) -> Hir {
    let mut class = ClassUnicode::empty();
    turn(c, &mut class);
    Hir::class(Class::Unicode(class))
}

fn turn(c: char, class: &mut ClassUnicode) {
    class.push(ClassUnicodeRange::new(c, c));
    let other = match c {
        'n' => 'u',
        'u' => 'n',
        'b' => 'q',
        'q' => 'b',
        'd' => 'p',
        'p' => 'd',
        'm' => 'w',
        'w' => 'm',
        _ => return,
    };
    class.push(ClassUnicodeRange::new(other, other));
}

/// The pattern with each literal character and each member of a small class
/// replaced by what `map` puts into a class for it.
fn letters_mapped(hir: &Hir, map: &impl Fn(char, &mut ClassUnicode)) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => hir.clone(),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => {
                let one = |c| {
                    let mut class = ClassUnicode::empty();
                    map(c, &mut class);
                    Hir::class(Class::Unicode(class))
                };
                Hir::concat(text.chars().map(one).collect())
            }
            Err(_) => hir.clone(),
        },
        HirKind::Class(Class::Unicode(class)) if len(class) <= SMALL_CLASS => {
            let mut mapped = ClassUnicode::empty();
            members(class).for_each(|c| map(c, &mut mapped));
            Hir::class(Class::Unicode(mapped))
        }
        HirKind::Class(Class::Unicode(_)) => hir.clone(),
        HirKind::Repetition(repetition) => repeat(repetition, letters_mapped(&repetition.sub, map)),
        HirKind::Capture(capture) => letters_mapped(&capture.sub, map),
        HirKind::Concat(parts) => {
            Hir::concat(parts.iter().map(|part| letters_mapped(part, map)).collect())
        }
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(|part| letters_mapped(part, map)).collect())
        }
    }
}

fn repeat(like: &Repetition, sub: Hir) -> Hir {
    Hir::repetition(Repetition {
        min: like.min,
        max: like.max,
        greedy: like.greedy,
        sub: Box::new(sub),
    })
}

fn mirrored(look: Look) -> Look {
    match look {
        Look::Start => Look::End,
        Look::End => Look::Start,
        Look::StartLF => Look::EndLF,
        Look::EndLF => Look::StartLF,
        Look::WordStartAscii => Look::WordEndAscii,
        Look::WordEndAscii => Look::WordStartAscii,
        Look::WordStartHalfAscii => Look::WordEndHalfAscii,
        Look::WordEndHalfAscii => Look::WordStartHalfAscii,
        other => other,
    }
}

/// What is written for a letter.
fn leet(c: char) -> &'static str {
    match c.to_ascii_lowercase() {
        'a' => "4@",
        'b' => "8",
        'e' => "3",
        'g' => "96",
        'i' => "1!|",
        'l' => "1|",
        'o' => "0",
        's' => "5$",
        't' => "7+",
        'z' => "2",
        _ => "",
    }
}

/// One letter for all that are written alike, in leet or not: what is written
/// for a letter stands for the same as the letter does.
pub(crate) fn stands_for(c: char) -> u8 {
    match c {
        '4' | '@' => b'a',
        '8' => b'b',
        '3' => b'e',
        '9' | '6' => b'g',
        // One sign is written for both.
        '1' | '!' | '|' | 'l' => b'i',
        '0' => b'o',
        '5' | '$' => b's',
        '7' | '+' => b't',
        '2' => b'z',
        _ => u8::try_from(c).unwrap_or(b'?'),
    }
}

fn is_substitute(c: char) -> bool {
    matches!(
        c,
        '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9' | '@' | '$' | '!' | '|' | '+'
    )
}

fn is_wordlike(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '@' | '$')
}

/// What stands between the letters of a word that is spelled out. Folding has
/// made plain ones of full-width and middle ones.
const SEPARATORS: &[char] = &['\t', '\n', ' ', '*', ',', '-', '.', '/', ':', '_', '~'];

pub(crate) fn is_separator(c: char) -> bool {
    SEPARATORS.contains(&c)
}

fn separators() -> ClassUnicode {
    ClassUnicode::new(SEPARATORS.iter().map(|c| ClassUnicodeRange::new(*c, *c)))
}

fn members(class: &ClassUnicode) -> impl Iterator<Item = char> + '_ {
    class.ranges().iter().flat_map(|range| range.start()..=range.end())
}

fn len(class: &ClassUnicode) -> usize {
    class.ranges().iter().fold(0, |sum, range| sum.saturating_add(range.len()))
}

/// A class of so few members is one letter in its cases and variants.
const ONE_LETTER: usize = 6;
/// A class of more members names a kind of character, not spellings.
const SMALL_CLASS: usize = 128;
/// Fewer fixed letters than this are found by chance.
const PHRASE_WEIGHT: usize = 8;
/// So many characters more than it has may be in a gap whose text is spelled out.
const GAP_MORE: u32 = 64;
/// So many single letters in a row are a word that is spelled out.
const SPELLED_LETTERS: usize = 4;

#[cfg(test)]
mod tests {
    use regex_automata::meta::Regex;
    use regex_syntax::Parser;

    use super::*;

    fn found(pattern: &str, form: Form, text: &str) -> Option<View> {
        let hir = Parser::new().parse(pattern).unwrap();
        let forms = forms(&hir, Views::DISGUISES);
        let (_, hir) = forms.iter().find(|one| one.0 == form)?;
        let regex = Regex::builder().build_from_hir(hir).unwrap();
        let place = regex.find(text)?;
        match form {
            Form::Spread => spread_view(&text.as_bytes()[place.range()], Views::DISGUISES),
            Form::Reversed => Some(View::Reversed),
            Form::Plain => None,
        }
    }

    #[test]
    fn finds_what_is_disguised_and_nothing_that_only_looks_like_it() {
        let phrase = r"(?i)(?-u:\b)ignore\s{1,3}all\s{1,3}previous(?-u:\b)";
        for (form, text, view) in [
            (Form::Spread, "1gn0r3 4ll pr3v10u5", Some(View::Leet)),
            (Form::Spread, "ignore @ll previou$", Some(View::Leet)),
            (Form::Spread, "i g n o r e  a l l  p r e v i o u s", Some(View::Spelled)),
            (Form::Spread, "i g n o r e   a l l   p r e v i o u s", Some(View::Spelled)),
            (Form::Spread, "I.G.N.O.R.E. .A.L.L. .P.R.E.V.I.O.U.S", Some(View::Spelled)),
            (Form::Spread, "i-g-n-o-r-e-a-l-l-p-r-e-v-i-o-u-s", Some(View::Spelled)),
            (Form::Spread, "i g n o r e all previous", Some(View::Spelled)),
            (Form::Spread, "ig no re al l pr ev i ou s", Some(View::Spelled)),
            (Form::Spread, "ig nore all previous", None),
            (Form::Spread, "1 g n 0 r 3 a l l p r 3 v 1 o u s", Some(View::Spelled)),
            (Form::Spread, "ignore-all-previous", None),
            (Form::Spread, "ignore all previous", None),
            (Form::Spread, "design ore all previous", None),
            (Form::Reversed, "suoiverp lla erongi", Some(View::Reversed)),
            // Upside down, after folding.
            (Form::Reversed, "snoiverd lla eroug!", None),
            (Form::Reversed, "snoiverd lla erougi", Some(View::Reversed)),
        ] {
            assert_eq!(found(phrase, form, text), view, "{form:?} {text}");
        }
        assert_eq!(
            found("忽略之前的指令", Form::Spread, "忽 略 之 前 的 指 令"),
            Some(View::Spelled)
        );
    }

    #[test]
    fn a_format_is_no_phrase() {
        for (pattern, phrase) in [
            (r"sk-[A-Za-z0-9]{20,40}", false),
            (r"[0-9]{13,16}", false),
            (r"(?i)sex", false),
            (r"(?i)jailbreak", true),
            (r"(?i)sex|jailbreak", true),
            ("忽略指令", true),
            ("忽略", false),
            (r"(?i)[a-z]{9}", false),
        ] {
            assert_eq!(is_phrase(&Parser::new().parse(pattern).unwrap()), phrase, "{pattern}");
        }
    }

    #[test]
    fn of_alternatives_only_the_long_ones_are_disguised() {
        assert_eq!(found("(?i)sex|jailbreak", Form::Spread, "s3x"), None);
        assert_eq!(found("(?i)sex|jailbreak", Form::Spread, "j4ilbr3ak"), Some(View::Leet));
    }
}
