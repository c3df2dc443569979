//! `detectors/*.toml`: what is looked for, where, and how bad it is.

use std::{collections::BTreeSet, sync::Arc};

use serde::Deserialize;
use toml::Spanned;

use crate::{
    context::Nearby,
    diagnostic::{Diagnostic, Faults, FileText},
    disguise::{self, Optional, Views},
    engine::{Label, Rule},
    finding::Severity,
    lexicon::List,
    limits,
    manifest::{ID_RULE, IDENTIFIER_RULE, is_id, is_identifier},
    pattern::{Pattern, PatternFault},
    risk::{CLASS_RULE, Classes},
    segment::Surface,
    source::Source,
    tomlfile::{TomlFile, cut, inside},
    validator::{self, Validator},
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Case {
    #[default]
    Ignore,
    Exact,
}

/// Words before a hit that say what it counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContext {
    words: Vec<String>,
    within: usize,
    score: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDetector {
    id: Spanned<String>,
    category: Spanned<String>,
    severity: Severity,
    surfaces: Spanned<Vec<Surface>>,
    #[serde(default)]
    classes: Vec<Spanned<String>>,
    #[serde(default, rename = "description")]
    _description: String,
    score: Option<Spanned<u32>>,
    case: Option<Spanned<Case>>,
    decode: Option<Spanned<bool>>,
    views: Option<Spanned<Vec<Optional>>>,
    #[serde(default)]
    context: Vec<Spanned<RawContext>>,
    patterns: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    validators: Vec<Spanned<String>>,
    lexicon: Option<Spanned<String>>,
    classifier: Option<Spanned<String>>,
    threshold: Option<Spanned<u32>>,
}

/// What a detector goes by.
#[derive(Debug)]
pub(crate) enum Kind {
    Patterns(Vec<Rule>),
    Lexicon(List),
    /// The classifier's label and the least score that counts, in ppm.
    Classifier(String, u32),
}

/// One detector.
#[derive(Debug)]
pub(crate) struct Detector {
    pub(crate) label: Label,
    pub(crate) surfaces: BTreeSet<Surface>,
    /// What it covers, as it declares.
    pub(crate) classes: Classes,
    pub(crate) kind: Kind,
}

/// Detectors as their files are read.
#[derive(Debug)]
pub(crate) struct Reader {
    match_bytes: usize,
    pub(crate) detectors: Vec<Detector>,
    ids: BTreeSet<String>,
    patterns: usize,
}

impl Reader {
    pub(crate) fn new(match_bytes: usize) -> Reader {
        Reader { match_bytes, detectors: Vec::new(), ids: BTreeSet::new(), patterns: 0 }
    }

    /// Reads one file.
    pub(crate) fn read(&mut self, source: &Source, file: &FileText, faults: &mut Faults) {
        let Some(mut toml) = TomlFile::read(file, EXAMPLE, faults) else { return };
        let detectors = toml.list::<RawDetector>("detector", faults);
        toml.end("`version` or `[[detector]]`", faults);
        for raw in detectors {
            let span = raw.span();
            if self.detectors.len() >= limits::DETECTORS {
                faults.push(file.fault(span, format!("more than {} detectors", limits::DETECTORS)));
                return;
            }
            self.add(source, file, span, raw.into_inner(), faults);
        }
    }

    fn add(
        &mut self,
        source: &Source,
        file: &FileText,
        span: std::ops::Range<usize>,
        raw: RawDetector,
        faults: &mut Faults,
    ) {
        for fault in self.check(file, &raw) {
            faults.push(fault);
        }
        let Ok(number) = u32::try_from(self.detectors.len()) else { return };
        let kind = match (&raw.patterns, &raw.lexicon, &raw.classifier) {
            (Some(patterns), None, None) => {
                Kind::Patterns(self.patterns(file, &raw, patterns, number, faults))
            }
            (None, Some(lexicon), None) => {
                Kind::Lexicon(self.lexicon(source, file, &raw, lexicon, faults))
            }
            (None, None, Some(classifier)) => match &raw.threshold {
                Some(threshold) if (1..=PPM).contains(threshold.get_ref()) => {
                    Kind::Classifier(classifier.get_ref().clone(), *threshold.get_ref())
                }
                other => {
                    let at = other.as_ref().map_or_else(|| classifier.span(), Spanned::span);
                    let fault = file.fault(at, "a classifier's detector needs a threshold");
                    faults.push(
                        fault
                            .expect("1 to 1000000, in parts per million")
                            .such_as("threshold = 900000"),
                    );
                    return;
                }
            },
            _ => {
                let fault = file.fault(span, "a detector goes by one thing");
                faults.push(
                    fault.expect("one of `patterns`, `lexicon` and `classifier`").such_as(EXAMPLE),
                );
                return;
            }
        };
        if raw.threshold.is_some() && !matches!(kind, Kind::Classifier(..)) {
            let at = raw.threshold.as_ref().map_or(span, Spanned::span);
            let fault = file.fault(at, "only a classifier's score has a threshold");
            faults.push(
                fault.expect("`score`, which is what a match counts").such_as("score = 800000"),
            );
        }
        let classes = classes(file, &raw, faults);
        self.detectors.push(Detector {
            label: Label {
                id: raw.id.get_ref().as_str().into(),
                category: raw.category.get_ref().as_str().into(),
                severity: raw.severity,
                score_ppm: raw.score.map_or(PPM, Spanned::into_inner).min(PPM),
            },
            surfaces: raw.surfaces.into_inner().into_iter().collect(),
            classes,
            kind,
        });
    }

    /// Faults that do not depend on what the detector goes by.
    fn check(&mut self, file: &FileText, raw: &RawDetector) -> Vec<Diagnostic> {
        let mut faults = Vec::new();
        if !is_id(raw.id.get_ref()) {
            let fault =
                file.fault(raw.id.span(), format!("`{}` is not an id", cut(raw.id.get_ref())));
            faults.push(fault.expect(ID_RULE));
        }
        if !self.ids.insert(raw.id.get_ref().clone()) {
            let fault =
                file.fault(raw.id.span(), format!("two detectors are `{}`", cut(raw.id.get_ref())));
            faults.push(fault.expect("an id of its own for each detector of the bundle"));
        }
        if !is_identifier(raw.category.get_ref()) {
            let name = cut(raw.category.get_ref());
            let fault = file.fault(raw.category.span(), format!("`{name}` cannot name a category"));
            faults.push(fault.expect(IDENTIFIER_RULE).such_as("category = \"injection\""));
        }
        if raw.surfaces.get_ref().is_empty() {
            let fault = file.fault(raw.surfaces.span(), "the detector looks at nothing");
            faults
                .push(fault.expect("at least one surface").such_as("surfaces = [\"user_prompt\"]"));
        }
        if let Some(score) = &raw.score
            && !(1..=PPM).contains(score.get_ref())
        {
            let fault = file.fault(score.span(), "the score is out of range");
            faults.push(fault.expect("1 to 1000000, in parts per million"));
        }
        faults
    }

    fn patterns(
        &mut self,
        file: &FileText,
        raw: &RawDetector,
        patterns: &Spanned<Vec<Spanned<String>>>,
        detector: u32,
        faults: &mut Faults,
    ) -> Vec<Rule> {
        if patterns.get_ref().is_empty() {
            let fault = file.fault(patterns.span(), "the detector has no pattern");
            faults.push(fault.expect("at least one pattern").such_as(EXAMPLE));
        }
        let validators = validators(file, raw, faults);
        let ignore =
            raw.case.as_ref().map(|case| *case.get_ref()).unwrap_or_default() == Case::Ignore;
        let mut rules = Vec::new();
        for text in patterns.get_ref() {
            self.patterns = self.patterns.saturating_add(1);
            if self.patterns > limits::PATTERNS {
                faults.push(
                    file.fault(text.span(), format!("more than {} patterns", limits::PATTERNS)),
                );
                break;
            }
            match Pattern::parse(text.get_ref(), ignore, self.match_bytes) {
                Ok(pattern) => {
                    rules.extend(rule(file, raw, text, pattern, detector, &validators, faults))
                }
                Err(fault) => faults.push(pattern_fault(file, text, fault)),
            }
        }
        rules
    }

    fn lexicon(
        &mut self,
        source: &Source,
        file: &FileText,
        raw: &RawDetector,
        name: &Spanned<String>,
        faults: &mut Faults,
    ) -> List {
        if raw.case.is_some() || !raw.validators.is_empty() {
            let fault = file.fault(name.span(), "a lexicon ignores case and has no validators");
            faults.push(fault.expect("neither `case` nor `validators`"));
        }
        let path = format!("lexicons/{}", name.get_ref());
        let Some(bytes) = source.file(&path) else {
            let fault = file.fault(name.span(), format!("no file `{}`", cut(&path)));
            faults.push(
                fault
                    .expect("the name of a file in `lexicons/`")
                    .such_as("lexicon = \"fraud.txt\""),
            );
            return List::default();
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            faults.push(FileText::new(&path, "").fault(0..0, "the file is not UTF-8"));
            return List::default();
        };
        let decode = raw.decode.as_ref().is_none_or(|decode| *decode.get_ref());
        List::read(&FileText::new(&path, text), self.match_bytes, decode, faults)
    }
}

fn rule(
    file: &FileText,
    raw: &RawDetector,
    at: &Spanned<String>,
    pattern: Pattern,
    detector: u32,
    validators: &Arc<[Validator]>,
    faults: &mut Faults,
) -> Option<Rule> {
    if !pattern.fits() {
        let fault = file.fault(at.span(), "the compiled pattern is too large");
        faults.push(fault.expect(
            "smaller repetitions, or ASCII classes such as `(?-u:\\w)` instead of Unicode ones",
        ));
        return None;
    }
    let long = pattern.folded.is_some() && pattern.min >= limits::DECODE_MIN_BYTES;
    let phrase = pattern.folded.as_ref().is_some_and(disguise::is_phrase);
    let views = views(file, raw, long, phrase, faults);
    let contexts = contexts(file, raw, faults);
    Some(Rule { pattern, detector, validators: Arc::clone(validators), views, contexts })
}

/// The views that the detector declares; where it declares none, those that
/// suit its pattern: decodings if it is long enough, disguises if it is made of
/// words and not of a format (which is exact about case, or has check digits).
fn views(
    file: &FileText,
    raw: &RawDetector,
    long: bool,
    phrase: bool,
    faults: &mut Faults,
) -> Views {
    let asked = match (&raw.views, &raw.decode) {
        (Some(views), None) => views.get_ref().iter().copied().collect(),
        (Some(views), Some(_)) => {
            let fault = file.fault(views.span(), "`views` and `decode` say the same thing");
            faults.push(fault.expect("one of them").such_as("views = [\"decoded\"]"));
            Views::default()
        }
        (None, decode) => {
            let exact = raw.case.as_ref().is_some_and(|case| *case.get_ref() == Case::Exact);
            let mut usual = Views::FORMATS.with(Views::ENCODINGS);
            if !exact && raw.validators.is_empty() && phrase {
                usual = usual.with(Views::DISGUISES);
            }
            match decode {
                Some(decode) if !*decode.get_ref() => usual.without(Views::ENCODINGS),
                Some(_) => usual,
                None if long => usual,
                None => usual.without(Views::ENCODINGS),
            }
        }
    };
    let declared = || raw.views.as_ref().map(Spanned::span);
    if asked.meets(Views::ENCODINGS) && !long {
        let at = declared().or_else(|| raw.decode.as_ref().map(Spanned::span));
        let fault = file
            .fault(at.unwrap_or_default(), "the pattern is too short to look for in decoded text");
        faults.push(fault.expect(format!(
            "patterns that match at least {} bytes, since in decoded noise shorter ones are \
             found by chance",
            limits::DECODE_MIN_BYTES
        )));
        return asked.without(Views::ENCODINGS);
    }
    if asked.meets(Views::DISGUISES) && !phrase {
        let fault = file.fault(
            declared().unwrap_or_default(),
            "the pattern has too few fixed letters to look for in disguise",
        );
        faults.push(
            fault
                .expect("patterns made of words: at least eight letters, or four Chinese ones")
                .such_as("views = [\"decoded\", \"shell\", \"url\"]"),
        );
        return asked.without(Views::DISGUISES);
    }
    asked
}

fn contexts(file: &FileText, raw: &RawDetector, faults: &mut Faults) -> Arc<[Nearby]> {
    let mut all = Vec::new();
    for (number, context) in raw.context.iter().enumerate() {
        let given = context.get_ref();
        let fits = number < limits::CONTEXTS
            && (1..=limits::CONTEXT_WORDS).contains(&given.words.len())
            && given.words.iter().all(|word| word.len() <= limits::NAME_BYTES)
            && (1..=limits::CONTEXT_BYTES).contains(&given.within)
            && (1..=PPM).contains(&given.score);
        match fits.then(|| Nearby::new(&given.words, given.within, given.score)).flatten() {
            Some(nearby) => all.push(nearby),
            None => {
                let fault = file.fault(context.span(), "the context is out of range");
                faults.push(
                    fault
                        .expect(format!(
                            "at most {} lists of at most {} words that show something, within \
                             at most {} bytes before the match, and a score of 1 to 1000000",
                            limits::CONTEXTS,
                            limits::CONTEXT_WORDS,
                            limits::CONTEXT_BYTES
                        ))
                        .such_as("context = [{ words = [\"card\"], within = 40, score = 950000 }]"),
                );
            }
        }
    }
    all.into()
}

fn classes(file: &FileText, raw: &RawDetector, faults: &mut Faults) -> Classes {
    raw.classes.iter().fold(Classes::none(), |classes, id| match Classes::parse(id.get_ref()) {
        Ok(more) => classes.and(more),
        Err(_) => {
            let fault = file.fault(id.span(), format!("`{}` is no class", cut(id.get_ref())));
            faults.push(fault.expect(CLASS_RULE).such_as("classes = [\"A.1.h\"]"));
            classes
        }
    })
}

fn validators(file: &FileText, raw: &RawDetector, faults: &mut Faults) -> Arc<[Validator]> {
    let mut all = Vec::new();
    for name in &raw.validators {
        match Validator::parse(name.get_ref()) {
            Some(validator) => all.push(validator),
            None => {
                let fault =
                    file.fault(name.span(), format!("no validator `{}`", cut(name.get_ref())));
                faults.push(fault.expect(validator::names()).such_as("validators = [\"luhn\"]"));
            }
        }
    }
    all.into()
}

fn pattern_fault(file: &FileText, text: &Spanned<String>, fault: PatternFault) -> Diagnostic {
    let found = file.fault(inside(file, text, fault.span), fault.message).expect(fault.expected);
    match fault.example {
        Some(example) => found.such_as(example),
        None => found,
    }
}

/// A certain score.
pub(crate) const PPM: u32 = 1_000_000;

const EXAMPLE: &str = r#"version = 1

[[detector]]
id = "internal-ticket"
category = "secret"
severity = "high"
surfaces = ["model_output"]
case = "exact"
patterns = ['(?-u:\b)TICKET-[0-9]{6}(?-u:\b)']
"#;
