//! `labels.toml`: where labels come from, and which tools belong together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use crate::{
    diagnostic::{Faults, FileText},
    finding::Finding,
    glob::Glob,
    limits,
    manifest::{ID_RULE, IDENTIFIER_RULE, is_id, is_identifier},
    segment::{Channel, Origin, Segment},
    tomlfile::{TomlFile, cut},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLabel {
    id: Spanned<String>,
    #[serde(default, rename = "description")]
    _description: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    label: Spanned<String>,
    #[serde(default)]
    channels: Vec<Channel>,
    #[serde(default)]
    origins: Vec<Origin>,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    categories: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    id: Spanned<String>,
    #[serde(default, rename = "description")]
    _description: String,
    tools: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

/// Something that gives a conversation a label.
#[derive(Debug)]
struct Source {
    label: String,
    channels: Vec<Channel>,
    origins: Vec<Origin>,
    tools: Tools,
    categories: Vec<String>,
}

/// Names of tools, listed by globs.
#[derive(Debug)]
struct Tools {
    listed: Vec<Glob>,
    except: Vec<Glob>,
}

impl Tools {
    fn new(listed: &[String], except: &[String]) -> Tools {
        let globs = |names: &[String]| names.iter().map(|name| Glob::new(name)).collect();
        Tools { listed: globs(listed), except: globs(except) }
    }

    /// A tool without a name is what only `*` stands for: exceptions name the
    /// tools that are trusted, and nobody knows that it is one of them.
    fn contains(&self, tool: Option<&str>) -> bool {
        match tool {
            Some(tool) => {
                self.listed.iter().any(|glob| glob.matches(tool))
                    && !self.except.iter().any(|glob| glob.matches(tool))
            }
            None => self.listed.iter().any(Glob::is_any),
        }
    }
}

/// What `labels.toml` means.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    pub(crate) declared: BTreeSet<String>,
    sources: Vec<Source>,
    groups: BTreeMap<String, Tools>,
}

impl Labels {
    /// Reads a file, and adds to what others said.
    pub(crate) fn read(
        &mut self,
        file: &FileText,
        categories: &BTreeSet<String>,
        faults: &mut Faults,
    ) {
        let Some(mut toml) = TomlFile::read(file, EXAMPLE, faults) else { return };
        let labels = toml.list::<RawLabel>("label", faults);
        let sources = toml.list::<RawSource>("source", faults);
        let groups = toml.list::<RawGroup>("group", faults);
        toml.end("`version`, `[[label]]`, `[[source]]` or `[[group]]`", faults);
        for label in labels {
            let RawLabel { id, .. } = label.into_inner();
            if !is_identifier(id.get_ref()) {
                let fault =
                    file.fault(id.span(), format!("`{}` cannot name a label", cut(id.get_ref())));
                faults.push(fault.expect(IDENTIFIER_RULE));
            }
            let span = id.span();
            if !self.declared.insert(id.into_inner()) {
                faults.push(file.fault(span, "this label is declared twice"));
            } else if self.declared.len() > limits::LABELS {
                faults.push(file.fault(span, format!("more than {} labels", limits::LABELS)));
            }
        }
        for source in sources {
            self.add_source(file, source, categories, faults);
        }
        for group in groups {
            let RawGroup { id, tools, except, .. } = group.into_inner();
            let span = id.span();
            if !is_id(id.get_ref()) {
                let fault = file
                    .fault(span.clone(), format!("`{}` cannot name a group", cut(id.get_ref())));
                faults.push(fault.expect(ID_RULE));
            }
            if self.groups.insert(id.into_inner(), Tools::new(&tools, &except)).is_some() {
                faults.push(file.fault(span, "this group is declared twice"));
            }
        }
    }

    fn add_source(
        &mut self,
        file: &FileText,
        source: Spanned<RawSource>,
        categories: &BTreeSet<String>,
        faults: &mut Faults,
    ) {
        let span = source.span();
        let raw = source.into_inner();
        if !self.declared.contains(raw.label.get_ref()) {
            let fault =
                file.fault(raw.label.span(), format!("no label `{}`", cut(raw.label.get_ref())));
            faults.push(fault.expect("a label that a `[[label]]` declares"));
        }
        for category in &raw.categories {
            if !categories.contains(category.get_ref()) {
                let name = cut(category.get_ref());
                let fault =
                    file.fault(category.span(), format!("no detector has the category `{name}`"));
                faults.push(fault.expect("a category of a detector of this bundle"));
            }
        }
        if raw.channels.is_empty()
            && raw.origins.is_empty()
            && raw.tools.is_empty()
            && raw.categories.is_empty()
        {
            let fault = file.fault(span, "this source labels every text there is");
            faults.push(
                fault.expect("`channels`, `origins`, `tools` or `categories`").such_as(EXAMPLE),
            );
        }
        self.sources.push(Source {
            label: raw.label.into_inner(),
            channels: raw.channels,
            origins: raw.origins,
            tools: Tools::new(&raw.tools, &raw.except),
            categories: raw.categories.into_iter().map(Spanned::into_inner).collect(),
        });
    }

    /// The labels that a text gives.
    pub(crate) fn of<'a>(
        &'a self,
        segment: &'a Segment<'_>,
        findings: &'a [Finding],
    ) -> impl Iterator<Item = &'a str> {
        self.sources
            .iter()
            .filter(|source| source.applies(segment, findings))
            .map(|source| source.label.as_str())
    }

    /// The groups that a tool belongs to.
    pub(crate) fn groups<'a>(&'a self, tool: &'a str) -> impl Iterator<Item = &'a str> {
        self.groups
            .iter()
            .filter(move |(_, tools)| tools.contains(Some(tool)))
            .map(|(id, _)| id.as_str())
    }

    /// The names of the groups.
    pub(crate) fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// Whether there is such a group.
    pub(crate) fn has_group(&self, id: &str) -> bool {
        self.groups.contains_key(id)
    }
}

impl Source {
    fn applies(&self, segment: &Segment<'_>, findings: &[Finding]) -> bool {
        (self.channels.is_empty() || self.channels.contains(&segment.channel))
            && (self.origins.is_empty() || self.origins.contains(&segment.origin))
            && (self.tools.listed.is_empty() || self.tools.contains(segment.tool))
            && (self.categories.is_empty()
                || findings.iter().any(|finding| {
                    self.categories.iter().any(|category| **category == *finding.category)
                }))
    }
}

const EXAMPLE: &str = r#"version = 1

[[label]]
id = "untrusted"

[[source]]
label = "untrusted"
channels = ["tool_result"]
tools = ["*"]
except = ["calculator"]

[[group]]
id = "egress"
tools = ["send_*", "http_post"]
"#;
