//! All faults of a configuration file, each with its place.

use std::{fmt, ops::Range, path::Path};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// One fault.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(super) what: String,
    /// What would be right.
    pub(super) help: String,
    /// Where, in the file's bytes.
    pub(super) span: Option<Range<usize>>,
}

/// All faults of one file.
#[derive(Debug)]
pub(crate) struct ConfigFaults {
    source: NamedSource<String>,
    faults: Vec<Fault>,
}

impl ConfigFaults {
    pub(super) fn new(path: &Path, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.span.as_ref().map_or(usize::MAX, |span| span.start));
        Self { source: NamedSource::new(path.display().to_string(), text.to_owned()), faults }
    }

    /// How many faults there are.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.faults.iter().map(|fault| fault.what.as_str()).collect()
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        let plural = if count == 1 { "fault" } else { "faults" };
        write!(formatter, "{count} {plural} in `{}`", self.source.name())?;
        for fault in &self.faults {
            let line = fault.span.as_ref().and_then(|span| {
                let before = self.source.inner().get(..span.start)?;
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                Some(format!("{line}:{column}: "))
            });
            write!(formatter, "\n{}{}", line.unwrap_or_default(), fault.what)?;
            if !fault.help.is_empty() {
                write!(formatter, "\n    help: {}", fault.help)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

impl Diagnostic for ConfigFaults {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.faults.iter().filter_map(|fault| {
            let span = fault.span.clone()?;
            Some(LabeledSpan::new_with_span(Some(fault.what.clone()), span))
        })))
    }
}
