//! What is wrong with a bundle, said so that its author can mend it.

use std::{fmt, sync::Arc};

use miette::{LabeledSpan, NamedSource, SourceCode};
use unicode_width::UnicodeWidthStr;

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

    /// File and line: `policies/p.cedar:3`.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }

    /// The fault for a person at a terminal: what is wrong, where, the line that
    /// it is in with the offending text marked, and what to write instead.
    #[must_use]
    pub fn report(&self) -> String {
        let kind = if self.warning { "warning" } else { "error" };
        let mut out = format!("{kind}: {}\n", self.message);
        let at = format!("{}:{}:{}", self.path, self.line, self.column);
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        out.push_str(&format!("{margin} --> {at}\n"));
        if let Some((line, from, to)) = self.quoted() {
            out.push_str(&format!("{margin} |\n{number} | {line}\n"));
            out.push_str(&format!("{margin} | {}{}\n", " ".repeat(from), "^".repeat(to)));
        }
        if let Some(expected) = &self.expected {
            out.push_str(&format!("{margin} = expected {}\n", expected.replace('\n', " ")));
        }
        if let Some(example) = &self.example {
            out.push_str(&format!("{margin} = for example\n"));
            example.lines().for_each(|line| out.push_str(&format!("{margin}   {line}\n")));
        }
        out
    }

    /// The line of the fault, cut to what a terminal shows, and the columns of
    /// the marks below it: how many before, and how many marks.
    fn quoted(&self) -> Option<(String, usize, usize)> {
        let text = self.text.inner();
        let before = text.get(..self.span.start)?;
        let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let rest = text.get(self.span.start..)?;
        let end = rest.find('\n').map_or(text.len(), |at| self.span.start.saturating_add(at));
        // A span over several lines is marked to the end of its first.
        let marked = text.get(self.span.start..self.span.end.min(end))?;
        let ahead = text.get(start..self.span.start)?;
        let after = text.get(self.span.start.saturating_add(marked.len())..end)?;
        if ahead.is_empty() && marked.is_empty() && after.is_empty() {
            return None;
        }
        let plain = |text: &str| -> String {
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
        };
        let (ahead, marked, after) = (plain(ahead), plain(marked), plain(after));
        let skipped = ahead.chars().count().saturating_sub(QUOTED_BEFORE);
        let shown: String = ahead.chars().skip(skipped).collect();
        let lead = if skipped > 0 { format!("...{shown}") } else { shown };
        let marked: String = marked.chars().take(QUOTED).collect();
        let room = QUOTED.saturating_sub(marked.chars().count()).max(QUOTED_BEFORE);
        let tail: String = after.chars().take(room).collect();
        Some((format!("{lead}{marked}{tail}"), lead.width(), marked.width().max(1)))
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
    /// All of them for a person at a terminal.
    #[must_use]
    pub fn report(&self) -> String {
        let all: Vec<String> = self.all.iter().map(Diagnostic::report).collect();
        all.join("\n")
    }

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

/// Characters of a line that are quoted from the fault on, and before it.
const QUOTED: usize = 100;
const QUOTED_BEFORE: usize = 60;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_marks_the_offending_text() {
        let text = "@id(\"p\")\n\tforbid 名 secrets;\n";
        let at = text.find("secrets").unwrap();
        let file = FileText::new("policies/p.cedar", text);
        let fault = file.fault(at..at + 7, "no such category").expect("one").such_as("a\nb");
        let report = fault.report();
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(
            lines,
            [
                "error: no such category",
                "  --> policies/p.cedar:2:11",
                "  |",
                "2 |  forbid 名 secrets;",
                // The character before takes two columns.
                "  |            ^^^^^^^",
                "  = expected one",
                "  = for example",
                "    a",
                "    b",
            ]
        );
        // A long line is cut round the fault; a fault without text quotes none.
        let text = format!("{}bad{}", "x".repeat(500), "y".repeat(500));
        let long = FileText::new("f", &text).fault(500..503, "long").report();
        let mut lines = long.lines().skip(3);
        let (line, marks) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(line.find("bad"), marks.find("^^^"));
        assert!(line.len() < 200 && marks.ends_with(" ^^^"));
        let none = FileText::new("f", "").fault(0..0, "missing").into_warning().report();
        assert_eq!(none, "warning: missing\n  --> f:1:1\n");
    }
}
