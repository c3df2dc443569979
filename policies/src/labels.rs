//! `labels.toml`: where labels come from, how they travel, and which tools and
//! arguments belong together.

pub(crate) mod argument;

use std::collections::{BTreeMap, BTreeSet};

use regex_automata::meta::Regex;
use serde::Deserialize;
use toml::Spanned;

use self::argument::{RawRecords, RawRole, Records, Role};
use crate::{
    diagnostic::{Faults, FileText},
    finding::Finding,
    fold::fold,
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
    #[serde(default)]
    patterns: Vec<Spanned<String>>,
    #[serde(default)]
    vouches: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTravel {
    label: Spanned<String>,
    from: Spanned<String>,
    into: Option<Spanned<String>>,
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
    /// What the text has to say; nothing in particular where there is none.
    says: Option<Regex>,
    vouches: bool,
}

/// A label that a result gets from what its call was made of.
#[derive(Debug)]
pub(crate) struct Travel {
    pub(crate) label: String,
    /// What an argument carries.
    pub(crate) from: String,
    /// What the result has to carry by itself.
    pub(crate) into: Option<String>,
}

/// Names of tools, listed by globs.
#[derive(Debug)]
pub(crate) struct Tools {
    listed: Vec<Glob>,
    except: Vec<Glob>,
}

impl Tools {
    pub(crate) fn new(listed: &[String], except: &[String]) -> Tools {
        let globs = |names: &[String]| names.iter().map(|name| Glob::new(name)).collect();
        Tools { listed: globs(listed), except: globs(except) }
    }

    /// A tool without a name is what only `*` stands for: exceptions name the
    /// tools that are trusted, and nobody knows that it is one of them.
    pub(crate) fn contains(&self, tool: Option<&str>) -> bool {
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
    /// Several bundles may list tools of one group.
    groups: BTreeMap<String, Vec<Tools>>,
    pub(crate) travels: Vec<Travel>,
    pub(crate) records: Vec<Records>,
    /// In the order of their names, several of one name where several bundles declare it.
    pub(crate) roles: Vec<Role>,
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
        let travels = toml.list::<RawTravel>("travel", faults);
        let records = toml.list::<RawRecords>("record", faults);
        let roles = toml.list::<RawRole>("role", faults);
        let groups = toml.list::<RawGroup>("group", faults);
        toml.end(
            "`version`, `[[label]]`, `[[source]]`, `[[travel]]`, `[[record]]`, `[[role]]` or `[[group]]`",
            faults,
        );
        let mut here = BTreeSet::new();
        for label in labels {
            let RawLabel { id, .. } = label.into_inner();
            self.add_name(file, &id, "label", &mut here, faults);
            self.declared.insert(id.get_ref().clone());
            if self.declared.len() > limits::LABELS {
                let message = format!("more than {} labels", limits::LABELS);
                faults.push(file.fault(id.span(), message));
            }
        }
        for source in sources {
            self.add_source(file, source, categories, faults);
        }
        for travel in travels.into_iter().map(Spanned::into_inner) {
            let names = [Some(&travel.label), Some(&travel.from), travel.into.as_ref()];
            names.into_iter().flatten().for_each(|name| self.know(file, name, faults));
            self.travels.push(Travel {
                label: travel.label.into_inner(),
                from: travel.from.into_inner(),
                into: travel.into.map(Spanned::into_inner),
            });
        }
        self.records.extend(records.into_iter().map(|raw| Records::new(raw.into_inner())));
        for raw in roles.into_iter().map(Spanned::into_inner) {
            self.add_name(file, &raw.id, "role", &mut here, faults);
            self.roles.push(Role::new(raw));
        }
        self.roles.sort_by(|a, b| a.id.cmp(&b.id));
        let mut here = BTreeSet::new();
        for group in groups {
            let RawGroup { id, tools, except, .. } = group.into_inner();
            let span = id.span();
            if !is_id(id.get_ref()) {
                let fault = file
                    .fault(span.clone(), format!("`{}` cannot name a group", cut(id.get_ref())));
                faults.push(fault.expect(ID_RULE));
            }
            if !here.insert(id.get_ref().clone()) {
                faults.push(file.fault(span, "this group is declared twice"));
            }
            self.groups.entry(id.into_inner()).or_default().push(Tools::new(&tools, &except));
        }
    }

    /// A name that policies write without quotes, once in a file. What another
    /// bundle declares by the same name is the same.
    fn add_name(
        &self,
        file: &FileText,
        id: &Spanned<String>,
        what: &'static str,
        here: &mut BTreeSet<(&'static str, String)>,
        faults: &mut Faults,
    ) {
        if !is_identifier(id.get_ref()) {
            let message = format!("`{}` cannot name a {what}", cut(id.get_ref()));
            faults.push(file.fault(id.span(), message).expect(IDENTIFIER_RULE));
        }
        if !here.insert((what, id.get_ref().clone())) {
            faults.push(file.fault(id.span(), format!("this {what} is declared twice")));
        }
    }

    /// A label has to be declared.
    fn know(&self, file: &FileText, label: &Spanned<String>, faults: &mut Faults) {
        if !self.declared.contains(label.get_ref()) {
            let fault = file.fault(label.span(), format!("no label `{}`", cut(label.get_ref())));
            faults.push(fault.expect("a label that a `[[label]]` declares"));
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
        self.know(file, &raw.label, faults);
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
            && raw.patterns.is_empty()
        {
            let fault = file.fault(span, "this source labels every text there is");
            faults.push(
                fault
                    .expect("`channels`, `origins`, `tools`, `categories` or `patterns`")
                    .such_as(EXAMPLE),
            );
        }
        let says = says(file, &raw.patterns, faults);
        self.sources.push(Source {
            label: raw.label.into_inner(),
            channels: raw.channels,
            origins: raw.origins,
            tools: Tools::new(&raw.tools, &raw.except),
            categories: raw.categories.into_iter().map(Spanned::into_inner).collect(),
            says,
            vouches: raw.vouches,
        });
    }

    /// The labels that a text gives, and whether its author may name things
    /// as the house does.
    pub(crate) fn of<'a>(
        &'a self,
        segment: &'a Segment<'_>,
        findings: &'a [Finding],
    ) -> impl Iterator<Item = (&'a str, bool)> {
        self.sources
            .iter()
            .filter(|source| source.applies(segment, findings))
            .map(|source| (source.label.as_str(), source.vouches))
    }

    /// The groups that a tool belongs to.
    pub(crate) fn groups<'a>(&'a self, tool: &'a str) -> impl Iterator<Item = &'a str> {
        self.groups
            .iter()
            .filter(move |(_, tools)| tools.iter().any(|tools| tools.contains(Some(tool))))
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
            && self.says.as_ref().is_none_or(|says| says.is_match(&folded(segment.text)))
    }
}

fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| fold(c, |plain| out.push(plain)));
    out
}

/// The patterns of a source as one; they only say whether, so any will do that
/// the automaton library takes within the bound of one pattern.
fn says(file: &FileText, patterns: &[Spanned<String>], faults: &mut Faults) -> Option<Regex> {
    let syntax = regex_automata::util::syntax::Config::new()
        .case_insensitive(true)
        .nest_limit(limits::PATTERN_NEST);
    let bounded = Regex::config().nfa_size_limit(Some(limits::PATTERN_NFA_BYTES));
    let build = |texts: &[&str]| {
        let builder = &mut Regex::builder();
        builder.syntax(syntax).configure(bounded.clone()).build_many(texts).ok()
    };
    let mut good = !patterns.is_empty();
    for pattern in patterns {
        if build(&[pattern.get_ref()]).is_none() {
            good = false;
            let why = "not a regular expression, or too large a one";
            faults.push(file.fault(pattern.span(), why).expect("a pattern such as `(?:pay|buy)`"));
        }
    }
    let texts: Vec<&str> = patterns.iter().map(|pattern| pattern.get_ref().as_str()).collect();
    let built = good.then(|| build(&texts)).flatten();
    if good && built.is_none() {
        let span = patterns.first().map_or(0..0, Spanned::span);
        faults.push(file.fault(span, "the patterns of this source are too large together"));
    }
    built
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
