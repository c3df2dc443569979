//! A TOML file that a person wrote, read so that every fault of it is told.

use std::ops::Range;

use serde::{Deserialize, de::DeserializeOwned};
use toml::{
    Spanned,
    de::{DeTable, DeValue, Error, ValueDeserializer},
};

use crate::diagnostic::{Diagnostic, Faults, FileText};

/// The top of a file: a table whose parts are read one by one.
#[derive(Debug)]
pub(crate) struct TomlFile<'f> {
    pub(crate) file: &'f FileText,
    table: DeTable<'f>,
    /// What the file should look like, for diagnostics.
    example: &'static str,
}

impl<'f> TomlFile<'f> {
    /// Parses a file and checks that it says `version = 1`.
    pub(crate) fn read(
        file: &'f FileText,
        example: &'static str,
        faults: &mut Faults,
    ) -> Option<TomlFile<'f>> {
        let (table, errors) = DeTable::parse_recoverable(&file.text);
        if !errors.is_empty() {
            for error in errors {
                faults.push(located(file, &error, 0..0));
            }
            return None;
        }
        let mut this = TomlFile { file, table: table.into_inner(), example };
        this.check_version(faults);
        Some(this)
    }

    fn check_version(&mut self, faults: &mut Faults) {
        let fault = match self.take("version") {
            Some(value) => {
                let span = value.span();
                match i64::deserialize(ValueDeserializer::from(value)) {
                    Ok(1) => return,
                    _ => self.file.fault(span, "this version of the format is not known"),
                }
            }
            None => self.file.fault(0..0, "the file does not say its format's version"),
        };
        faults.push(fault.expect("`version = 1` as its first line").such_as(self.example));
    }

    fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'f>>> {
        self.table.remove(key)
    }

    /// One value at the top of the file.
    pub(crate) fn value<T: DeserializeOwned>(
        &mut self,
        key: &str,
        faults: &mut Faults,
    ) -> Option<Spanned<T>> {
        let value = self.take(key)?;
        let span = value.span();
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(Spanned::new(span, value)),
            Err(error) => {
                faults.push(located(self.file, &error, span).such_as(self.example));
                None
            }
        }
    }

    /// One value that has to be there.
    pub(crate) fn required<T: DeserializeOwned>(
        &mut self,
        key: &str,
        faults: &mut Faults,
    ) -> Option<Spanned<T>> {
        if !self.table.contains_key(key) {
            let fault = self.file.fault(0..0, format!("`{key}` is missing"));
            faults.push(fault.expect(format!("a `{key}`")).such_as(self.example));
            return None;
        }
        self.value(key, faults)
    }

    /// The tables of `[[key]]`, each read by itself.
    pub(crate) fn list<T: DeserializeOwned>(
        &mut self,
        key: &str,
        faults: &mut Faults,
    ) -> Vec<Spanned<T>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            let fault = self.file.fault(span, format!("`{key}` is not a list of tables"));
            faults.push(fault.expect(format!("`[[{key}]]`")).such_as(self.example));
            return Vec::new();
        };
        let mut read = Vec::new();
        for item in items {
            let span = item.span();
            match T::deserialize(ValueDeserializer::from(item)) {
                Ok(item) => read.push(Spanned::new(span, item)),
                Err(error) => {
                    faults.push(located(self.file, &error, span).such_as(self.example));
                }
            }
        }
        read
    }

    /// Nothing else may be in the file.
    pub(crate) fn end(self, known: &str, faults: &mut Faults) {
        for key in self.table.keys() {
            let fault =
                self.file.fault(key.span(), format!("unknown key `{}`", cut(key.get_ref())));
            faults.push(fault.expect(known).such_as(self.example));
        }
    }
}

/// A name for diagnostics: never more than a line's worth.
pub(crate) fn cut(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}

fn located(file: &FileText, error: &Error, within: Range<usize>) -> Diagnostic {
    let span = error.span().unwrap_or(within);
    // serde says `..., expected ...` in one sentence.
    match error.message().split_once(", expected ") {
        Some((message, expected)) => file.fault(span, message).expect(expected),
        None => file.fault(span, error.message()),
    }
}

/// Where a byte of a TOML string's value stands in the file. Exact for literal
/// strings, which is how patterns are written; the whole string otherwise.
pub(crate) fn inside(file: &FileText, value: &Spanned<String>, at: Range<usize>) -> Range<usize> {
    let span = value.span();
    let written = file.text.get(span.clone()).unwrap_or_default();
    let quotes = if written.starts_with("'''\n") {
        4
    } else if written.starts_with("'''") {
        3
    } else if written.starts_with('\'') {
        1
    } else {
        return span;
    };
    let start = span.start.saturating_add(quotes);
    start.saturating_add(at.start)..start.saturating_add(at.end)
}
