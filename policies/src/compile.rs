//! From a bundle's files to a bundle.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy::Schema;

use crate::{
    bundle::Inner,
    count::TermCounts,
    detector::{Detector, Kind, PPM, Reader},
    diagnostic::{Diagnostic, Diagnostics, Faults, FileText},
    engine::{Decoding, Engine, Label, Rule},
    example,
    finding::Severity,
    flow::tools,
    judge::{
        Judge,
        policy::{self, Known},
        schema,
    },
    labels::Labels,
    lexicon::{self, Lexicon, List},
    limits,
    manifest::{AtBound, Manifest},
    segment::Surface,
    source::{self, Source},
    tomlfile::cut,
};

pub(crate) fn compile(source: &Source) -> Result<(Inner, Vec<Diagnostic>), Diagnostics> {
    let mut faults = Faults::default();
    if source.total_bytes() > limits::BUNDLE_BYTES {
        let file = FileText::new(source::BUNDLE, "");
        let fault = file.fault(0..0, "the bundle is too large");
        faults.push(fault.expect(format!("at most {} bytes in all", limits::BUNDLE_BYTES)));
        return Err(faults.finish().err().unwrap_or_else(Diagnostics::none));
    }
    for (path, _) in source.files().filter(|(path, _)| !Source::is_part(path)) {
        let fault = FileText::new(path, "").fault(0..0, "not a file of a bundle");
        faults.push(
            fault
                .expect(
                    "`bundle.toml`, `labels.toml`, `detectors/*.toml`, `policies/*.cedar`, \
                     `examples/*.toml` or `lexicons/*.txt`",
                )
                .into_warning(),
        );
    }
    let mut parts = vec![Part { prefix: String::new(), source: Cow::Borrowed(source) }];
    let manifest = match text(source, source::BUNDLE, &mut faults) {
        Some(file) => {
            let mut manifest = Manifest::read(&file, &mut faults);
            if let Some(manifest) = &mut manifest {
                import(&file, manifest, &mut parts, &mut faults);
            }
            manifest
        }
        None => {
            let fault = FileText::new(source::BUNDLE, "").fault(0..0, "there is no `bundle.toml`");
            faults.push(fault.such_as("version = 1\nname = \"mine\"\nrelease = \"1.0.0\""));
            None
        }
    };
    let match_bytes = manifest.as_ref().map_or(limits::MATCH_BYTES_MAX, |m| m.match_bytes);
    let mut reader = Reader::new(match_bytes);
    for part in &parts {
        for file in part.folder("detectors", ".toml", &mut faults) {
            reader.read(&part.source, &file, &mut faults);
        }
    }
    let detectors = reader.detectors;
    let at_bound = manifest.as_ref().map(|m| m.at_bound).unwrap_or_default();
    let mut categories: BTreeSet<String> =
        detectors.iter().map(|detector| detector.label.category.to_string()).collect();
    categories.extend(tools::CATEGORIES.into_iter().map(str::to_owned));
    if at_bound == AtBound::Find {
        categories.insert(RUN_CATEGORY.to_owned());
    }
    let mut labels = Labels::default();
    for part in &parts {
        if let Some(file) = part.text(source::LABELS, &mut faults) {
            labels.read(&file, &categories, &mut faults);
        }
    }
    let attributes = manifest.as_ref().map(|m| m.attributes.clone()).unwrap_or_default();
    // Cedar recurses; how deep, `POLICY_NEST` and `POLICY_WORDS` bound.
    let judge = stacker::grow(limits::POLICY_STACK_BYTES, || {
        judge(&parts, attributes, &categories, &labels, &mut faults)
    });
    let examples = example::read(source, &categories, &labels, &mut faults);
    // Automata are worth building only for a bundle that is otherwise good.
    if faults.any() {
        return Err(faults.finish().err().unwrap_or_else(Diagnostics::none));
    }
    let engines = engines(&detectors, manifest.as_ref(), &mut faults);
    let warnings = faults.finish()?;
    match (manifest, judge) {
        (Some(manifest), Some(judge)) => {
            let digest = source.digest();
            let terms = TermCounts::of(&detectors);
            Ok((
                Inner { manifest, digest, detectors, engines, labels, judge, examples, terms },
                warnings,
            ))
        }
        _ => Err(Diagnostics::none()),
    }
}

/// The files of the bundle, or of one that it imports.
struct Part<'s> {
    /// What stands before its paths in diagnostics.
    prefix: String,
    source: Cow<'s, Source>,
}

impl Part<'_> {
    fn text(&self, path: &str, faults: &mut Faults) -> Option<FileText> {
        let file = text(&self.source, path, faults)?;
        Some(FileText::new(&format!("{}{path}", self.prefix), &file.text))
    }

    fn folder(&self, folder: &str, ending: &str, faults: &mut Faults) -> Vec<FileText> {
        let paths = self.source.folder(folder, ending).map(|(path, _)| path);
        paths.filter_map(|path| self.text(path, faults)).collect()
    }
}

/// Adds the bundles that `bundle.toml` imports. Their detectors, labels and
/// policies count as this bundle's; their examples do not. Limits are the
/// larger ones.
fn import<'s>(
    file: &FileText,
    manifest: &mut Manifest,
    parts: &mut Vec<Part<'s>>,
    faults: &mut Faults,
) {
    for name in &manifest.imports {
        let known = parts.iter().any(|part| part.prefix.trim_end_matches('/') == name.get_ref());
        let (false, Some(source)) = (known, Source::builtin(name.get_ref())) else {
            let fault = file.fault(name.span(), format!("cannot import `{}`", cut(name.get_ref())));
            let names: Vec<&str> = Source::builtins().collect();
            faults.push(fault.expect(format!("one of `{}`, once", names.join("`, `"))));
            continue;
        };
        let imported = text(&source, source::BUNDLE, faults);
        if let Some(imported) = imported.and_then(|file| Manifest::read(&file, faults)) {
            manifest.match_bytes = manifest.match_bytes.max(imported.match_bytes);
            for (attribute, kind) in imported.attributes {
                manifest.attributes.entry(attribute).or_insert(kind);
            }
        }
        let prefix = format!("{}/", name.get_ref());
        parts.push(Part { prefix, source: Cow::Owned(source) });
    }
}

/// A file of the bundle as text.
pub(crate) fn text(source: &Source, path: &str, faults: &mut Faults) -> Option<FileText> {
    let bytes = source.file(path)?;
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(FileText::new(path, text)),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let file = FileText::new(path, std::str::from_utf8(good).unwrap_or_default());
            faults.push(file.fault(good.len()..good.len(), "the file is not UTF-8"));
            None
        }
    }
}

fn judge(
    parts: &[Part<'_>],
    attributes: BTreeMap<String, crate::manifest::AttributeKind>,
    categories: &BTreeSet<String>,
    labels: &Labels,
    faults: &mut Faults,
) -> Option<Judge> {
    let broken = |what: &str| {
        FileText::new(source::BUNDLE, "")
            .fault(0..0, format!("the policies' schema: {}", cut(what)))
    };
    // Names are checked before: a schema that Cedar refuses has a name that it
    // refuses, which the fault beside this one says.
    let roles = labels.roles.iter().map(|role| role.id.as_str()).collect();
    let schema = match Schema::from_cedarschema_str(&schema::text(&attributes, categories, &roles))
    {
        Ok((schema, _)) => schema,
        Err(error) => {
            faults.push(broken(&error.to_string()));
            return None;
        }
    };
    let known = Known { schema: &schema, categories, labels };
    let (mut ids, mut rules) = (BTreeSet::new(), Vec::new());
    for part in parts {
        for file in part.folder("policies", ".cedar", faults) {
            policy::read(&file, &known, &mut ids, &mut rules, faults);
        }
    }
    if faults.any() {
        return None;
    }
    let judge = Judge::new(&schema, attributes, rules);
    if judge.is_none() {
        faults.push(broken("the policies cannot be put together"));
    }
    judge
}

/// One engine for each set of rules that some surface has; surfaces with the
/// same rules share one, and surfaces without any have none.
fn engines(
    detectors: &[Detector],
    manifest: Option<&Manifest>,
    faults: &mut Faults,
) -> BTreeMap<Surface, Arc<Engine>> {
    let mut labels: Vec<Label> = detectors.iter().map(|detector| detector.label.clone()).collect();
    let run_detector = u32::try_from(labels.len()).unwrap_or(u32::MAX);
    labels.push(Label {
        id: RUN_DETECTOR.into(),
        category: RUN_CATEGORY.into(),
        severity: Severity::Low,
        score_ppm: PPM,
    });
    let labels: Arc<[Label]> = labels.into();
    let decoding = Decoding {
        run_bytes: manifest.map_or(limits::ENCODED_RUN_BYTES, |m| m.run_bytes),
        at_bound: manifest.filter(|m| m.at_bound == AtBound::Find).map(|_| run_detector),
    };
    let mut built: BTreeMap<(bool, Vec<usize>), Arc<Engine>> = BTreeMap::new();
    let mut lexicons = Lexicons::default();
    let mut engines = BTreeMap::new();
    for surface in Surface::ALL {
        let here: Vec<usize> = detectors
            .iter()
            .enumerate()
            .filter(|(_, detector)| {
                detector.surfaces.contains(&surface)
                    && !matches!(detector.kind, Kind::Classifier(..))
            })
            .map(|(number, _)| number)
            .collect();
        if here.is_empty() {
            continue;
        }
        let tools = surface == Surface::ToolCall;
        let here = (tools, here);
        if let Some(engine) = built.get(&here) {
            engines.insert(surface, Arc::clone(engine));
            continue;
        }
        let all: Vec<Rule> = here
            .1
            .iter()
            .filter_map(|number| detectors.get(*number))
            .flat_map(rules)
            .cloned()
            .collect();
        let lexicon = lexicons.of(detectors, &here.1);
        let Ok(lexicon) = lexicon else {
            let name = surface.as_str();
            let fault = FileText::new(source::BUNDLE, "")
                .fault(0..0, format!("the terms of `{name}` are too many together"));
            faults.push(fault.expect(format!(
                "at most {} terms, and at most {} different beginnings of terms",
                limits::LEXICON_TERMS,
                limits::LEXICON_NODES
            )));
            continue;
        };
        let engine = Engine::new(&all, Arc::clone(&labels), decoding, tools);
        match engine.and_then(|engine| match &lexicon {
            Some(lexicon) => engine.with_lexicon(lexicon),
            None => Ok(engine),
        }) {
            Ok(engine) => {
                let engine = Arc::new(engine);
                built.insert(here, Arc::clone(&engine));
                engines.insert(surface, engine);
            }
            Err(_) => {
                let name = surface.as_str();
                let fault = FileText::new(source::BUNDLE, "")
                    .fault(0..0, format!("the patterns of `{name}` are too large together"));
                faults.push(fault.expect(format!(
                    "at most {} bytes compiled: fewer or smaller patterns",
                    limits::ENGINE_NFA_BYTES
                )));
            }
        }
    }
    engines
}

fn rules(detector: &Detector) -> &[Rule] {
    match &detector.kind {
        Kind::Patterns(rules) => rules,
        Kind::Lexicon(..) | Kind::Classifier(..) => &[],
    }
}

/// Lexicons by the lists in them: surfaces with the same lists share one, also
/// where their patterns differ.
#[derive(Default)]
struct Lexicons {
    built: BTreeMap<Vec<usize>, Arc<Lexicon>>,
}

impl Lexicons {
    /// The lexicon of the lists among these detectors.
    fn of(
        &mut self,
        detectors: &[Detector],
        here: &[usize],
    ) -> Result<Option<Arc<Lexicon>>, lexicon::TooLarge> {
        let lists: Vec<(usize, &List)> = here
            .iter()
            .filter_map(|number| match &detectors.get(*number)?.kind {
                Kind::Lexicon(list) => Some((*number, list)),
                _ => None,
            })
            .collect();
        if lists.is_empty() {
            return Ok(None);
        }
        let key: Vec<usize> = lists.iter().map(|(number, _)| *number).collect();
        if let Some(lexicon) = self.built.get(&key) {
            return Ok(Some(Arc::clone(lexicon)));
        }
        let lexicon = Arc::new(Lexicon::new(lists.into_iter().map(|(number, list)| {
            (u32::try_from(number).unwrap_or(u32::MAX), list.decode, list.terms.as_slice())
        }))?);
        self.built.insert(key, Arc::clone(&lexicon));
        Ok(Some(lexicon))
    }
}

/// The category of a run that is too long to be looked into whole.
const RUN_CATEGORY: &str = "encoded_run";
const RUN_DETECTOR: &str = "encoded-run";

#[cfg(test)]
mod tests;
