//! Files of terms, as operators have them.

use std::{collections::BTreeMap, path::Path};

use troth_policies::{Classes, Severity, Term};

/// A library in the making: each term with its classes, and the gravest
/// severity that any line gives it.
#[derive(Debug, Default)]
pub(super) struct Library {
    pub(super) terms: BTreeMap<Term, (Classes, Option<Severity>)>,
    /// Lines that said a term again.
    pub(super) repeated: usize,
    /// What was refused, by file and line.
    pub(super) faults: Vec<String>,
}

impl Library {
    /// Reads a file: comma- or tab-separated by its ending, else a term a line.
    pub(super) fn read(&mut self, path: &Path, bytes: &[u8]) {
        let name = path.display().to_string();
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.faults.push(format!(
                "{name}: not UTF-8: convert it, as with `iconv -f GB18030 -t UTF-8`"
            ));
            return;
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "csv" => self.table(&name, text, b','),
            "tsv" | "tab" => self.table(&name, text, b'\t'),
            _ => self.lines(&name, text),
        }
    }

    fn lines(&mut self, name: &str, text: &str) {
        for (number, line) in (1u64..).zip(text.lines()) {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let (term, classes) = line.split_once('\t').unwrap_or((line, ""));
            self.add(name, number, term, classes, "");
        }
    }

    fn table(&mut self, name: &str, text: &str, delimiter: u8) {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(fault) => {
                    self.faults.push(format!("{name}: {fault}"));
                    continue;
                }
            };
            let line = record.position().map_or(0, csv::Position::line);
            let field = |number| record.get(number).unwrap_or_default();
            if line == 1 && HEADS.contains(&field(0).to_lowercase().as_str()) {
                continue;
            }
            if record.len() > 3 {
                self.faults.push(format!(
                    "{name}:{line}: {} fields; expected term, class, severity: quote a term that \
                     holds the delimiter",
                    record.len()
                ));
                continue;
            }
            self.add(name, line, field(0), field(1), field(2));
        }
    }

    fn add(&mut self, name: &str, line: u64, term: &str, classes: &str, severity: &str) {
        let mut refuse = |why: String| self.faults.push(format!("{name}:{line}: {why}"));
        let classes = match Classes::parse(classes) {
            Ok(classes) => classes,
            Err(id) => {
                let id: String = id.chars().take(40).collect();
                return refuse(format!(
                    "`{id}` is no class; expected ids such as `A.1.c` or `LLM01:2026`"
                ));
            }
        };
        let severity = match severity_of(severity) {
            Ok(severity) => severity,
            Err(()) => {
                return refuse("no severity; expected low, medium, high or critical".to_owned());
            }
        };
        // A diagnostic never quotes the term: the list may be confidential.
        let term = match Term::parse(term) {
            Ok(term) => term,
            Err(fault) => return refuse(fault.to_string()),
        };
        self.put(term, classes, severity, true);
    }

    /// Adds a term that is good.
    pub(super) fn put(
        &mut self,
        term: Term,
        classes: Classes,
        severity: Option<Severity>,
        counts: bool,
    ) {
        let known = self.terms.get(&term).copied();
        self.repeated += usize::from(counts && known.is_some());
        let (before, gravest) = known.unwrap_or_default();
        self.terms.insert(term, (before.and(classes), gravest.max(severity)));
    }
}

/// A severity by its name; none where there is none.
pub(super) fn severity_of(name: &str) -> Result<Option<Severity>, ()> {
    match name.trim().to_ascii_lowercase().as_str() {
        "" => Ok(None),
        name => SEVERITIES.into_iter().find(|one| one.as_str() == name).map(Some).ok_or(()),
    }
}

/// All severities.
pub(super) const SEVERITIES: [Severity; 4] =
    [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

/// What the first column of a table may be called in its first line.
const HEADS: [&str; 8] = ["term", "terms", "word", "keyword", "词", "词条", "关键词", "敏感词"];
