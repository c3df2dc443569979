//! A compiled bundle: what screens, labels and judges.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    compile,
    count::TermCounts,
    decision::{Decision, Determining},
    detector::{Detector, Kind},
    diagnostic::{Diagnostic, Diagnostics},
    engine::Engine,
    event::{Event, Principal},
    example::{Example, TestReport},
    explain::Explanation,
    finding::{Finding, Screened, Severity, View},
    flow::{self, tools::Offer},
    hold::{self, Hold},
    judge::{Judge, entities::fits},
    labels::Labels,
    manifest::{AttributeKind, Covers, Manifest},
    risk::Class,
    segment::{Channel, Segment, Surface},
    source::Source,
    trace::Trace,
};

/// A compiled bundle. Cheap to clone; every method may be called from any
/// thread at once.
#[derive(Clone, Debug)]
pub struct Bundle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) manifest: Manifest,
    pub(crate) digest: [u8; 32],
    pub(crate) detectors: Vec<Detector>,
    pub(crate) engines: BTreeMap<Surface, Arc<Engine>>,
    pub(crate) labels: Labels,
    pub(crate) judge: Judge,
    pub(crate) examples: Vec<Example>,
    pub(crate) terms: TermCounts,
}

/// A bundle, and what its author should know of it.
#[derive(Debug)]
pub struct Compiled {
    /// The bundle.
    pub bundle: Bundle,
    /// What compiles but is probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// What a detector goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorKind {
    /// Regular expressions.
    Pattern,
    /// A list of terms.
    Lexicon,
    /// A threshold on a classifier's score.
    Classifier,
}

impl DetectorKind {
    /// The name that records use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DetectorKind::Pattern => "pattern",
            DetectorKind::Lexicon => "lexicon",
            DetectorKind::Classifier => "classifier",
        }
    }
}

/// What there is to know of a detector from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectorInfo {
    /// Its id.
    pub id: Arc<str>,
    /// The category of its findings.
    pub category: Arc<str>,
    /// How bad they are.
    pub severity: Severity,
    /// What it goes by.
    pub kind: DetectorKind,
    /// The channels that it looks at.
    pub channels: Vec<Channel>,
    /// What it declares to cover.
    pub classes: Vec<Class>,
    /// For a classifier, its label and the least score that counts, in ppm.
    pub classifier: Option<(String, u32)>,
}

impl Bundle {
    /// Understands a bundle's files.
    ///
    /// # Errors
    /// All faults of all files at once, each with its place.
    pub fn compile(source: &Source) -> Result<Compiled, Diagnostics> {
        let (inner, warnings) = compile::compile(source)?;
        Ok(Compiled { bundle: Bundle { inner: Arc::new(inner) }, warnings })
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.manifest.name
    }

    /// The bundle's release, as `bundle.toml` gives it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.inner.manifest.release
    }

    /// What the bundle says it is for.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.inner.manifest.description
    }

    /// What the bundle says that it covers, and its declared gaps.
    #[must_use]
    pub fn covers(&self) -> &Covers {
        &self.inner.manifest.covers
    }

    /// The digest of the files that it was compiled from.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.inner.digest
    }

    /// The detectors, in the order of their files.
    pub fn detectors(&self) -> impl Iterator<Item = DetectorInfo> + '_ {
        self.inner.detectors.iter().map(|detector| {
            let (kind, classifier) = match &detector.kind {
                Kind::Patterns(_) => (DetectorKind::Pattern, None),
                Kind::Lexicon(_) => (DetectorKind::Lexicon, None),
                Kind::Classifier(label, least) => {
                    (DetectorKind::Classifier, Some((label.clone(), *least)))
                }
            };
            DetectorInfo {
                id: Arc::clone(&detector.label.id),
                category: Arc::clone(&detector.label.category),
                severity: detector.label.severity,
                kind,
                classes: detector.classes.iter().collect(),
                channels: Channel::ALL
                    .into_iter()
                    .filter(|channel| detector.surfaces.contains(&channel.surface()))
                    .collect(),
                classifier,
            }
        })
    }

    /// How many patterns and lexicons there are.
    #[must_use]
    pub fn pattern_count(&self) -> usize {
        let count = |detector: &Detector| match &detector.kind {
            Kind::Patterns(rules) => rules.len(),
            Kind::Lexicon(_) => 1,
            Kind::Classifier(..) => 0,
        };
        self.inner.detectors.iter().map(count).sum()
    }

    /// How many terms its lexicons have, by class.
    #[must_use]
    pub fn term_counts(&self) -> &TermCounts {
        &self.inner.terms
    }

    /// How many policies there are.
    #[must_use]
    pub fn policy_count(&self) -> usize {
        self.inner.judge.len()
    }

    /// What each policy says of itself, with its text as its author wrote it:
    /// the strongest response first, then by id.
    pub fn policies(&self) -> impl Iterator<Item = (&Determining, &str)> {
        self.inner.judge.policies()
    }

    /// The bytes of its compiled patterns, caches apart.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let mut engines: Vec<&Arc<Engine>> = self.inner.engines.values().collect();
        engines.sort_by_key(|engine| Arc::as_ptr(engine));
        engines.dedup_by(|a, b| Arc::ptr_eq(a, b));
        engines.iter().fold(0, |sum, engine| sum.saturating_add(engine.memory_bytes()))
    }

    /// Checks that a principal's attributes are of the types that the bundle
    /// declares; judging one whose are not blocks.
    ///
    /// # Errors
    /// The name of an attribute that is not, and the type that it should have.
    pub fn check_principal(&self, principal: &Principal) -> Result<(), (String, AttributeKind)> {
        fits(self.inner.judge.attributes(), principal)
            .map_err(|(name, kind)| (name.to_owned(), kind))
    }

    /// Looks at a text with every pattern and lexicon of its channel.
    #[must_use]
    pub fn screen(&self, segment: &Segment<'_>) -> Screened {
        match self.inner.engines.get(&segment.channel.surface()) {
            Some(engine) => hold::screen(engine, segment.text, segment.index),
            None => Screened::default(),
        }
    }

    /// Whether a classifier's detector looks at this channel.
    #[must_use]
    pub fn wants_scores(&self, channel: Channel) -> bool {
        self.inner.detectors.iter().any(|detector| {
            matches!(detector.kind, Kind::Classifier(..))
                && detector.surfaces.contains(&channel.surface())
        })
    }

    /// What a classifier's scores (label and ppm) come to for a text: a finding
    /// over the whole of it for each detector whose threshold is reached.
    #[must_use]
    pub fn weigh(&self, segment: &Segment<'_>, scores: &[(String, u32)]) -> Vec<Finding> {
        let surface = segment.channel.surface();
        let mut findings = Vec::new();
        for detector in &self.inner.detectors {
            let Kind::Classifier(label, least) = &detector.kind else { continue };
            if !detector.surfaces.contains(&surface) {
                continue;
            }
            let score =
                scores.iter().filter(|(name, _)| name == label).map(|(_, score)| *score).max();
            let Some(score) = score.filter(|score| score >= least) else { continue };
            findings.push(Finding {
                detector: Arc::clone(&detector.label.id),
                category: Arc::clone(&detector.label.category),
                severity: detector.label.severity,
                score_ppm: score,
                segment: segment.index,
                span: 0..segment.text.len(),
                view: View::Whole,
            });
        }
        findings
    }

    /// Gives the trace the labels of a text and its findings. Texts are observed
    /// in the order in which they came, a call before its result.
    pub fn observe(&self, trace: &mut Trace, segment: &Segment<'_>, findings: &[Finding]) {
        let tracks = self.inner.judge.asks_origins();
        flow::observe::observe(&self.inner.labels, tracks, trace, segment, findings);
    }

    /// Looks at a tool that a server offers, beside those that the trace knows,
    /// and remembers it: a changed definition, a name of another server's tool
    /// or one that looks like it, a name with what is not seen, a description
    /// that speaks of another server's tool. What the description says is a
    /// text, which `screen` looks at.
    #[must_use]
    pub fn offer(&self, trace: &mut Trace, offer: &Offer<'_>) -> Vec<Finding> {
        trace.tools_mut().offer(offer)
    }

    /// Decides about an event. It always comes to a decision: what cannot be
    /// evaluated is blocked.
    #[must_use]
    pub fn judge(&self, event: &Event<'_>) -> Decision {
        self.inner.judge.judge(&self.inner.labels, event)
    }

    /// The hold-back of one channel of a stream.
    #[must_use]
    pub fn hold(&self, channel: Channel) -> Hold {
        let engine = self.inner.engines.get(&channel.surface());
        Hold::new(engine.map(Arc::clone))
    }

    /// The ids of the bundle's own examples, in the order of the files.
    pub fn examples(&self) -> impl Iterator<Item = &str> {
        self.inner.examples.iter().map(Example::id)
    }

    /// Explains one of the bundle's own examples; nothing where it has none of
    /// that id.
    #[must_use]
    pub fn explain_example(&self, id: &str) -> Option<Explanation> {
        let example = self.inner.examples.iter().find(|example| example.id() == id)?;
        Some(example.explain(self))
    }

    /// Runs the bundle's own examples.
    #[must_use]
    pub fn test(&self) -> TestReport {
        TestReport { cases: self.inner.examples.iter().map(|example| example.run(self)).collect() }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}
