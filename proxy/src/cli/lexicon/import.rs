//! `troth lexicon import`

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use troth_policies::{Classes, Severity, Source, Term};

use super::{
    super::{CliFault, print},
    count::{compiled, source},
    read::{Library, SEVERITIES, severity_of},
};
use crate::output;

/// Put lists of terms into a bundle, as lexicons of its own.
///
/// Files: `.csv` and `.tsv` with the columns term, class, severity (the last
/// two may be missing, a first line with names is passed over); anything else
/// is one term a line, with its classes behind a tab or none. UTF-8. Classes
/// are risks of GB/T 45654 (`A.1.a` to `A.5.b`) and OWASP ids, several with
/// commas or spaces between them.
///
/// Terms are normalised as texts are when they are compared (full width, case,
/// accents, look-alike letters, white space) and kept once. Refused, with file
/// and line: control characters, terms without a visible character, terms over
/// 256 bytes, unknown classes. Where anything is refused, or the bundle would
/// not compile, nothing is written.
///
/// In the bundle the library is `lexicons/NAME-SEVERITY.txt` for each severity,
/// `detectors/NAME.toml`, and, where there is none yet, `policies/NAME.cedar`,
/// which flags what is found and is yours to change. Importing again adds to
/// what is there; `--replace` begins afresh.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  troth lexicon import words.txt --into ./bundle --class A.1.f
  troth lexicon import library.csv more.tsv --into ./bundle --replace
  troth lexicon count ./bundle

Exit codes: 0 imported, 1 a term was refused and nothing was written, 64 bad usage or the bundle
does not compile, 74 I/O.")]
pub(in crate::cli) struct Import {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The bundle's directory.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The classes of terms that name none.
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = class)]
    class: Vec<Classes>,
    /// The severity of terms that name none: low, medium, high or critical.
    #[arg(long, value_name = "SEVERITY", default_value = "medium", value_parser = severity)]
    severity: Severity,
    /// What the library is called, and the category of its findings; it names
    /// the files.
    #[arg(long, value_name = "NAME", default_value = "keyword", value_parser = name)]
    name: String,
    /// Forget what the library had before.
    #[arg(long)]
    replace: bool,
}

impl Import {
    pub(in crate::cli) fn run(&self) -> Result<(), CliFault> {
        let mut library = Library::default();
        for file in &self.files {
            let bytes = std::fs::read(file).map_err(|fault| {
                CliFault::Io(format!("cannot read `{}`: {fault}", file.display()))
            })?;
            library.read(file, &bytes);
        }
        refuse(&library.faults)?;
        self.default_classes(&mut library);
        let said = library.terms.len();
        let mut bundle = source(&self.into.to_string_lossy())?;
        let before = if self.replace { 0 } else { self.keep(&bundle, &mut library)? };
        let files = self.files_of(&library, &bundle)?;
        for (path, text) in &files {
            bundle.insert(path.as_str(), text.clone().into_bytes());
        }
        let known = files.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>();
        let stale: Vec<String> = SEVERITIES
            .into_iter()
            .map(|severity| self.list_path(severity))
            .filter(|path| !known.contains(&path.as_str()) && bundle.file(path).is_some())
            .collect();
        let counts = compiled(&bundle)?.term_counts().clone();
        for (path, text) in &files {
            write(&self.into.join(path), text)?;
        }
        for path in stale {
            let path = self.into.join(path);
            std::fs::remove_file(&path).map_err(|fault| {
                CliFault::Io(format!("cannot remove `{}`: {fault}", path.display()))
            })?;
        }
        let (all, repeated) = (library.terms.len(), library.repeated);
        print(&format!(
            "{said} terms read, {repeated} said again; {} new, {all} in `{}`; {} in the bundle",
            all.saturating_sub(before),
            self.name,
            counts.total
        ))
    }

    fn default_classes(&self, library: &mut Library) {
        let all = self.class.iter().fold(Classes::none(), |all, one| all.and(*one));
        for (classes, _) in library.terms.values_mut().filter(|(classes, _)| classes.is_empty()) {
            *classes = all;
        }
    }

    /// Adds what the library has already; how many terms that is.
    fn keep(&self, bundle: &Source, library: &mut Library) -> Result<usize, CliFault> {
        let mut before = BTreeMap::new();
        for severity in SEVERITIES {
            let path = self.list_path(severity);
            let Some(bytes) = bundle.file(&path) else { continue };
            let mut there = Library::default();
            there.read(Path::new(&path), bytes);
            refuse(&there.faults)?;
            before.extend(
                there
                    .terms
                    .into_iter()
                    .map(|(term, (classes, _))| (term, (classes, Some(severity)))),
            );
        }
        let count = before.len();
        for (term, (classes, severity)) in before {
            library.put(term, classes, severity, false);
        }
        Ok(count)
    }

    fn list_path(&self, severity: Severity) -> String {
        format!("lexicons/{}-{}.txt", self.name, severity.as_str())
    }

    /// The files of the library, by path in the bundle.
    fn files_of(
        &self,
        library: &Library,
        bundle: &Source,
    ) -> Result<Vec<(String, String)>, CliFault> {
        let mut lists: BTreeMap<Severity, Vec<(&Term, Classes)>> = BTreeMap::new();
        for (term, (classes, severity)) in &library.terms {
            lists.entry(severity.unwrap_or(self.severity)).or_default().push((term, *classes));
        }
        let detectors = format!("detectors/{}.toml", self.name);
        if bundle.file(&detectors).is_some_and(|bytes| !bytes.starts_with(HEAD.as_bytes())) {
            return Err(CliFault::Usage(format!(
                "`{detectors}` was not written by `troth lexicon import`: choose another `--name`"
            )));
        }
        let (mut files, mut text) = (Vec::new(), format!("{HEAD}version = 1\n"));
        for (severity, terms) in lists {
            let mut list = HEAD.to_owned();
            for (term, classes) in terms {
                let tab = if classes.is_empty() { "" } else { "\t" };
                let _ = writeln!(list, "{}{tab}{classes}", term.as_str());
            }
            let (name, severity_name) = (&self.name, severity.as_str());
            let _ = write!(
                text,
                "\n[[detector]]\nid = \"{name}-{severity_name}\"\ncategory = \"{name}\"\n\
                 severity = \"{severity_name}\"\n\
                 surfaces = [\"user_prompt\", \"tool_output\", \"model_output\", \"social_text\"]\n\
                 lexicon = \"{name}-{severity_name}.txt\"\n"
            );
            files.push((self.list_path(severity), list));
        }
        files.push((detectors, text));
        let policy = format!("policies/{}.cedar", self.name);
        if bundle.file(&policy).is_none() {
            files.push((policy, POLICY.replace("NAME", &self.name)));
        }
        Ok(files)
    }
}

/// Tells what was refused, if anything was.
fn refuse(faults: &[String]) -> Result<(), CliFault> {
    if faults.is_empty() {
        return Ok(());
    }
    faults.iter().take(TOLD).for_each(|fault| output::note(fault));
    if let Some(more) = faults.len().checked_sub(TOLD).filter(|more| *more > 0) {
        output::note(&format!("and {more} more"));
    }
    Err(CliFault::Failed(format!("{} lines were refused; nothing was written", faults.len())))
}

/// Writes a file so that there is the old one or the new one, never a half.
fn write(path: &Path, text: &str) -> Result<(), CliFault> {
    let failed =
        |fault: std::io::Error| CliFault::Io(format!("cannot write `{}`: {fault}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Not an ending that a bundle reads.
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

fn class(typed: &str) -> Result<Classes, String> {
    Classes::parse(typed)
        .map_err(|id| format!("`{id}` is no class: expected an id such as `A.1.c` or `LLM01:2026`"))
}

fn severity(typed: &str) -> Result<Severity, String> {
    severity_of(typed)
        .ok()
        .flatten()
        .ok_or_else(|| "expected `low`, `medium`, `high` or `critical`".to_owned())
}

/// A name that is good for files, detectors, policies and a category.
fn name(typed: &str) -> Result<String, String> {
    let good = typed.len() <= 60
        && typed.starts_with(|c: char| c.is_ascii_lowercase())
        && typed.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    good.then(|| typed.to_owned())
        .ok_or_else(|| "expected lower-case letters, digits and `_`".to_owned())
}

/// Refusals that are told one by one.
const TOLD: usize = 50;

/// How the files begin that are the import's own to write again.
const HEAD: &str = "# Written by `troth lexicon import`, which writes it anew.\n";

const POLICY: &str = r#"// What the keyword library finds is noted. It is yours to change: a library
// is a list of words, and words alone do not say what somebody means.
@id("NAME")
@response("flag")
@severity("medium")
@commitment("GBT45654/GBT-KW")
forbid (principal, action, resource)
when { context.findings has NAME };
"#;
