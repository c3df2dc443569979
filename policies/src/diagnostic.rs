//! What is wrong with a bundle, said so that its author can mend it.

use std::{fmt, sync::Arc};

use miette::{LabeledSpan, NamedSource, SourceCode};

use crate::limits;

/// One fault of one file: where, what, what was expected, and an example.
///
/// It quotes the bundle's own text, which its author wrote, and never any text
/// that was screened.
#[derive(Clone)]
pub struct Diagnostic {
    path: Arc<str>,
    text: Arc<NamedSource<Arc<str>>>,
    line: usize,
    column: usize,
    span: std::ops::Range<usize>,
    message: String,
    expected: Option<String>,
    example: Option<String>,
    warning: bool,
}

impl Diagnostic {
    /// The file, relative to the bundle.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What was expected instead.
    #[must_use]
    pub fn expected(&self) -> Option<&str> {
        self.expected.as_deref()
    }

    /// How it could be written.
    #[must_use]
    pub fn example(&self) -> Option<&str> {
        self.example.as_deref()
    }

    /// Whether the bundle compiles all the same.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.warning
    }

    /// Expected instead of what stands there.
    pub(crate) fn expect(mut self, expected: impl Into<String>) -> Diagnostic {
        self.expected = Some(expected.into());
        self
    }

    /// How it could be written.
    pub(crate) fn such_as(mut self, example: impl Into<String>) -> Diagnostic {
        self.example = Some(example.into());
        self
    }

    pub(crate) fn into_warning(mut self) -> Diagnostic {
        self.warning = true;
        self
    }
}

/// `path:line:column: message`, one line.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.path, self.line, self.column, self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Diagnostic").field(&self.to_string()).finish()
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn severity(&self) -> Option<miette::Severity> {
        Some(if self.warning { miette::Severity::Warning } else { miette::Severity::Error })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let text = match (&self.expected, &self.example) {
            (Some(expected), Some(example)) => {
                format!("expected {expected}\nfor example:\n{example}")
            }
            (Some(expected), None) => format!("expected {expected}"),
            (None, Some(example)) => format!("for example:\n{example}"),
            (None, None) => return None,
        };
        Some(Box::new(text))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.text.as_ref())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = LabeledSpan::new(None, self.span.start, self.span.len());
        Some(Box::new(std::iter::once(span)))
    }
}

/// All faults of a bundle, in the order of its files; never empty.
#[derive(Clone)]
pub struct Diagnostics {
    all: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The faults.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.all.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Never true of one that `compile` returned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Diagnostics {
    /// For a failure that names no fault, which `Faults` never makes.
    pub(crate) fn none() -> Diagnostics {
        Diagnostics { all: Vec::new() }
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

/// One line for each fault.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.all.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}

impl std::error::Error for Diagnostics {}

impl miette::Diagnostic for Diagnostics {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.all.iter().map(|fault| fault as &dyn miette::Diagnostic)))
    }
}

/// One file being read, able to say where a fault in it stands.
#[derive(Clone, Debug)]
pub(crate) struct FileText {
    pub(crate) path: Arc<str>,
    pub(crate) text: Arc<str>,
    source: Arc<NamedSource<Arc<str>>>,
}

impl FileText {
    pub(crate) fn new(path: &str, text: &str) -> FileText {
        let path: Arc<str> = path.into();
        let text: Arc<str> = text.into();
        let source = Arc::new(NamedSource::new(path.as_ref(), Arc::clone(&text)));
        FileText { path, text, source }
    }

    /// A fault at these bytes of the file, cut to lie inside it.
    pub(crate) fn fault(
        &self,
        span: std::ops::Range<usize>,
        message: impl Into<String>,
    ) -> Diagnostic {
        let start = floor(&self.text, span.start);
        let end = floor(&self.text, span.end).max(start);
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        Diagnostic {
            path: Arc::clone(&self.path),
            text: Arc::clone(&self.source),
            line,
            column: column.saturating_add(1),
            span: start..end,
            message: message.into(),
            expected: None,
            example: None,
            warning: false,
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

/// Faults as they are met, so that all are told at once.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Diagnostic) {
        let list = if fault.warning { &mut self.warnings } else { &mut self.errors };
        if list.len() < limits::FAULTS {
            list.push(fault);
        }
    }

    pub(crate) fn any(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The warnings, unless there were errors.
    pub(crate) fn finish(mut self) -> Result<Vec<Diagnostic>, Diagnostics> {
        if self.errors.is_empty() {
            return Ok(self.warnings);
        }
        self.errors.sort_by(|a, b| (&a.path, a.line, a.column).cmp(&(&b.path, b.line, b.column)));
        Err(Diagnostics { all: self.errors })
    }
}
