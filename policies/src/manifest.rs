//! `bundle.toml`: what a bundle is, covers, and allows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{
    diagnostic::{Faults, FileText},
    limits,
    risk::{CLASS_RULE, Class},
    tomlfile::{TomlFile, cut},
};

/// The type of a principal's attribute in policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// A text; absent is empty.
    String,
    /// A set of texts; absent is empty.
    Strings,
    /// A whole number; absent is 0.
    Number,
    /// Yes or no; absent is no.
    Boolean,
}

impl AttributeKind {
    pub(crate) fn cedar(self) -> &'static str {
        match self {
            AttributeKind::String => "String",
            AttributeKind::Strings => "Set<String>",
            AttributeKind::Number => "Long",
            AttributeKind::Boolean => "Bool",
        }
    }
}

/// What a bundle says that it covers, and what it says that it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covers {
    /// Risks of GB/T 45654-2025, Annex A, such as `A.4.f`.
    #[serde(default)]
    pub risks: Vec<String>,
    /// OWASP entries, such as `LLM01:2026`.
    #[serde(default)]
    pub owasp: Vec<String>,
    /// What nothing in the bundle covers.
    #[serde(default)]
    pub gaps: Vec<String>,
}

/// What happens when an encoded run is longer than what is decoded of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AtBound {
    /// The coverage map says how much was not seen.
    #[default]
    Record,
    /// And a finding of the category `encoded_run` lets policies decide.
    Find,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    match_bytes: Option<Spanned<usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDecoding {
    run_bytes: Option<Spanned<usize>>,
    #[serde(default)]
    at_bound: AtBound,
}

/// What `bundle.toml` means.
///
/// # Defaults
/// - `limits.match_bytes`: 2048
/// - `decoding.run_bytes`: 1 MiB; `decoding.at_bound`: `record`
/// - `imports`, `attributes`, `covers`: none
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) release: String,
    pub(crate) description: String,
    pub(crate) imports: Vec<Spanned<String>>,
    pub(crate) covers: Covers,
    pub(crate) attributes: BTreeMap<String, AttributeKind>,
    pub(crate) match_bytes: usize,
    pub(crate) run_bytes: usize,
    pub(crate) at_bound: AtBound,
}

impl Manifest {
    pub(crate) fn read(file: &FileText, faults: &mut Faults) -> Option<Manifest> {
        let mut toml = TomlFile::read(file, EXAMPLE, faults)?;
        let name = toml.required::<String>("name", faults);
        let release = toml.required::<String>("release", faults);
        let description = toml.value::<String>("description", faults);
        let imports = toml.value::<Vec<Spanned<String>>>("imports", faults);
        let covers = toml.value::<Covers>("covers", faults);
        if let Some(covers) = &covers {
            check_covers(file, covers, faults);
        }
        let attributes =
            toml.value::<BTreeMap<Spanned<String>, AttributeKind>>("attributes", faults);
        let bounds = toml.value::<RawLimits>("limits", faults);
        let decoding = toml.value::<RawDecoding>("decoding", faults);
        toml.end(
            "`version`, `name`, `release`, `description`, `imports`, `covers`, `attributes`, \
             `limits` or `decoding`",
            faults,
        );
        if let Some(name) = &name
            && !is_id(name.get_ref())
        {
            let fault = file.fault(name.span(), format!("`{}` is not a name", cut(name.get_ref())));
            faults.push(fault.expect(ID_RULE));
        }
        let mut known = BTreeMap::new();
        for (key, kind) in attributes.map(Spanned::into_inner).unwrap_or_default() {
            if !is_identifier(key.get_ref()) || RESERVED.contains(&key.get_ref().as_str()) {
                let name = cut(key.get_ref());
                let fault = file.fault(key.span(), format!("`{name}` cannot name an attribute"));
                faults.push(fault.expect(IDENTIFIER_RULE).such_as("recipients = \"strings\""));
            }
            known.insert(key.into_inner(), kind);
        }
        let bounds = bounds.map(Spanned::into_inner).unwrap_or_default();
        let decoding = decoding.map(Spanned::into_inner).unwrap_or_default();
        let mut bound = |value: Option<Spanned<usize>>, usual: usize, most: usize| {
            let Some(value) = value else { return usual };
            if !(1..=most).contains(value.get_ref()) {
                let fault = file.fault(value.span(), "the limit is out of range");
                faults.push(fault.expect(format!("1 to {most} bytes")));
            }
            value.into_inner().clamp(1, most)
        };
        Some(Manifest {
            match_bytes: bound(bounds.match_bytes, limits::MATCH_BYTES, limits::MATCH_BYTES_MAX),
            run_bytes: bound(
                decoding.run_bytes,
                limits::ENCODED_RUN_BYTES,
                limits::ENCODED_RUN_BYTES_MAX,
            ),
            at_bound: decoding.at_bound,
            name: name?.into_inner(),
            release: release?.into_inner(),
            description: description.map(Spanned::into_inner).unwrap_or_default(),
            imports: imports.map(Spanned::into_inner).unwrap_or_default(),
            covers: covers.map(Spanned::into_inner).unwrap_or_default(),
            attributes: known,
        })
    }
}

/// An auditor counts on these ids: each names a class, and none is both covered
/// and a gap.
fn check_covers(file: &FileText, covers: &Spanned<Covers>, faults: &mut Faults) {
    let said = covers.get_ref();
    let risks = said.risks.iter().map(|id| (id, true));
    let others = said.owasp.iter().map(|id| (id, false));
    for (id, risk) in risks.chain(others) {
        if Class::parse(id).is_none_or(|class| class.is_risk() != risk) {
            let (what, such) = match risk {
                true => ("no risk of GB/T 45654", "risks = [\"A.4.f\"]"),
                false => ("no entry of OWASP", "owasp = [\"LLM01:2026\", \"ASI01\"]"),
            };
            let fault = file.fault(covers.span(), format!("`{}` is {what}", cut(id)));
            faults.push(fault.expect(CLASS_RULE).such_as(such));
        }
        if said.gaps.contains(id) {
            let fault = file.fault(covers.span(), format!("`{}` is covered and a gap", cut(id)));
            faults.push(fault.expect("one of both"));
        }
    }
    // A gap may also be said in words.
    let meant = |gap: &str| ["A.", "LLM", "ASI"].iter().any(|start| gap.starts_with(start));
    for id in said.gaps.iter().filter(|gap| meant(gap) && Class::parse(gap).is_none()) {
        let fault = file.fault(covers.span(), format!("`{}` is no class", cut(id)));
        faults.push(fault.expect(CLASS_RULE));
    }
}

/// An id of a bundle, detector, policy or example.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= limits::NAME_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}

/// A name that policies write without quotes: a category, label or attribute.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.len() <= limits::NAME_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !CEDAR_WORDS.contains(&text)
}

/// What an id may be.
pub(crate) const ID_RULE: &str =
    "lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or digit";
/// What a name in policies may be.
pub(crate) const IDENTIFIER_RULE: &str =
    "lower-case letters, digits and `_`, beginning with a letter, and no word of Cedar's";

/// Attributes that every principal has.
const RESERVED: &[&str] = &["id", "tenant", "teams"];
const CEDAR_WORDS: &[&str] = &[
    "true",
    "false",
    "if",
    "then",
    "else",
    "in",
    "is",
    "like",
    "has",
    "principal",
    "action",
    "resource",
    "context",
];

const EXAMPLE: &str = r#"version = 1
name = "support-desk"
release = "1.0.0"
description = "What the support desk's assistants may read, say and do"

[attributes]
recipients = "strings"
"#;
