//! A pattern that a person wrote, checked to be one that a stream can decide.

use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_syntax::{
    ParserBuilder,
    hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, LookSet, Repetition},
};

use crate::{fold::fold, limits};

/// A pattern in its two forms.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// As written, for the raw view.
    pub(crate) raw: Hir,
    /// With its characters folded, for the other views; `None` where folding
    /// leaves something that could match nothing at all (a pattern that hunts
    /// for invisible characters).
    pub(crate) folded: Option<Hir>,
    /// The fewest bytes that it matches in a folded view.
    pub(crate) min: usize,
}

/// Why a pattern is refused; `span` is in bytes of the pattern.
#[derive(Debug)]
pub(crate) struct PatternFault {
    pub(crate) span: std::ops::Range<usize>,
    pub(crate) message: String,
    pub(crate) expected: &'static str,
    pub(crate) example: Option<String>,
}

impl Pattern {
    /// Parses and checks one pattern.
    pub(crate) fn parse(
        text: &str,
        ignore_case: bool,
        longest: usize,
    ) -> Result<Pattern, PatternFault> {
        let raw = ParserBuilder::new()
            .nest_limit(limits::PATTERN_NEST)
            .case_insensitive(ignore_case)
            .build()
            .parse(text)
            .map_err(|error| syntax(text, &error))?;
        Pattern::check(text, raw, longest)
    }

    /// Checks a pattern that is parsed already; `text` is what faults quote.
    pub(crate) fn check(text: &str, raw: Hir, longest: usize) -> Result<Pattern, PatternFault> {
        decidable(text, raw.properties().look_set())?;
        check_lengths(text, &raw, longest)?;
        let folded = fold_hir(&raw);
        let properties = folded.properties();
        let min = properties.minimum_len().unwrap_or(0);
        let folded = if min == 0 {
            None
        } else {
            check_lengths(text, &folded, longest)?;
            Some(folded)
        };
        Ok(Pattern { raw, folded, min })
    }

    /// Whether its compiled form is of a size that one pattern may have.
    pub(crate) fn fits(&self) -> bool {
        let config = thompson::Config::new()
            .nfa_size_limit(Some(limits::PATTERN_NFA_BYTES))
            .which_captures(WhichCaptures::None);
        [Some(&self.raw), self.folded.as_ref()]
            .into_iter()
            .flatten()
            .all(|hir| NFA::compiler().configure(config.clone()).build_from_hir(hir).is_ok())
    }
}

fn whole(text: &str) -> std::ops::Range<usize> {
    0..text.len()
}

fn syntax(text: &str, error: &regex_syntax::Error) -> PatternFault {
    let (span, message) = match error {
        regex_syntax::Error::Parse(error) => {
            (error.span().start.offset..error.span().end.offset, error.kind().to_string())
        }
        regex_syntax::Error::Translate(error) => {
            (error.span().start.offset..error.span().end.offset, error.kind().to_string())
        }
        _ => (whole(text), "the pattern is not valid".to_owned()),
    };
    PatternFault {
        span,
        message: format!("not a pattern: {message}"),
        expected: "a regular expression of the `regex` crate (no back-references, no look-ahead \
                   or look-behind but anchors and `(?-u:\\b)`)",
        example: None,
    }
}

/// The look-arounds that one byte on either side decides.
fn decidable(text: &str, looks: LookSet) -> Result<(), PatternFault> {
    for look in looks.iter() {
        let (needle, suggestion) = match look {
            Look::WordUnicode => ("\\b", "(?-u:\\b)"),
            Look::WordUnicodeNegate => ("\\B", "(?-u:\\B)"),
            Look::WordStartUnicode => ("\\b{start}", "(?-u:\\b{start})"),
            Look::WordEndUnicode => ("\\b{end}", "(?-u:\\b{end})"),
            Look::WordStartHalfUnicode => ("\\b{start-half}", "(?-u:\\b{start-half})"),
            Look::WordEndHalfUnicode => ("\\b{end-half}", "(?-u:\\b{end-half})"),
            Look::StartCRLF => ("^", "(?m:^)"),
            Look::EndCRLF => ("$", "(?m:$)"),
            _ => continue,
        };
        let start = text.find(needle).unwrap_or(0);
        return Err(PatternFault {
            span: start..start.saturating_add(needle.len()).min(text.len()),
            message: format!(
                "`{needle}` looks at whole characters and cannot be decided at a chunk's edge"
            ),
            expected: "a boundary that one byte on either side decides: ASCII word boundaries, \
                       `^`, `$`, `(?m:^)`, `(?m:$)`",
            example: Some(suggestion.to_owned()),
        });
    }
    Ok(())
}

fn check_lengths(text: &str, hir: &Hir, longest: usize) -> Result<(), PatternFault> {
    let properties = hir.properties();
    let Some(min) = properties.minimum_len() else {
        return Err(PatternFault {
            span: whole(text),
            message: "the pattern can never match".to_owned(),
            expected: "a pattern that matches something",
            example: None,
        });
    };
    if min == 0 {
        return Err(PatternFault {
            span: whole(text),
            message: "the pattern matches the empty text, so it would match everywhere".to_owned(),
            expected: "a pattern that consumes at least one character",
            example: None,
        });
    }
    let Some(max) = properties.maximum_len() else {
        let at = text.find(['*', '+']).or_else(|| text.find(",}")).unwrap_or(0);
        return Err(PatternFault {
            span: at..at.saturating_add(1).min(text.len()),
            message: "the pattern can match a text of any length, so a stream would hold for ever"
                .to_owned(),
            expected: "bounded repetitions",
            example: Some("\\s{1,8} instead of \\s+, [^\\n]{0,80} instead of .*".to_owned()),
        });
    };
    if max > longest {
        return Err(PatternFault {
            span: whole(text),
            message: format!("the pattern can match {max} bytes, and the bundle allows {longest}"),
            expected: "shorter repetitions, ASCII classes such as `(?-u:\\w)` (a Unicode \
                       character is counted with up to four bytes), or a larger `match_bytes` in \
                       `bundle.toml`",
            example: None,
        });
    }
    Ok(())
}

/// The pattern as the folded view spells it. Recursion is bounded by the
/// parser's nest limit.
fn fold_hir(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => hir.clone(),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) if !text.is_ascii() => {
                let mut out = String::new();
                text.chars().for_each(|c| fold(c, |part| out.push(part)));
                Hir::literal(out.into_bytes())
            }
            _ => hir.clone(),
        },
        HirKind::Class(Class::Unicode(class)) => fold_class(class),
        HirKind::Class(Class::Bytes(_)) => hir.clone(),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            min: repetition.min,
            max: repetition.max,
            greedy: repetition.greedy,
            sub: Box::new(fold_hir(&repetition.sub)),
        }),
        HirKind::Capture(capture) => fold_hir(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(fold_hir).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(fold_hir).collect()),
    }
}

/// A small class maps character by character. A large one (`.`, `\w`,
/// `\p{Han}`, anything negated) stands as it is: it names kinds of characters
/// rather than spellings, and holds the folded forms of its members already.
fn fold_class(class: &ClassUnicode) -> Hir {
    let size = class.ranges().iter().fold(0usize, |sum, range| sum.saturating_add(range.len()));
    if class.ranges().iter().all(|range| range.end().is_ascii()) || size > FOLDED_CLASS {
        return Hir::class(Class::Unicode(class.clone()));
    }
    let mut single = ClassUnicode::empty();
    let mut rest: Vec<Hir> = Vec::new();
    for c in class.ranges().iter().flat_map(|range| range.start()..=range.end()) {
        let mut out = String::new();
        fold(c, |part| out.push(part));
        let mut parts = out.chars();
        match (parts.next(), parts.next()) {
            (Some(only), None) => single.push(ClassUnicodeRange::new(only, only)),
            (Some(_), Some(_)) => rest.push(Hir::literal(out.into_bytes())),
            (None, _) => rest.push(Hir::empty()),
        }
    }
    if !single.ranges().is_empty() {
        rest.push(Hir::class(Class::Unicode(single)));
    }
    Hir::alternation(rest)
}

/// The largest class that is folded character by character.
const FOLDED_CLASS: usize = 1024;
