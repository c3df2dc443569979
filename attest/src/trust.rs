//! The C2SP tlog-policy file: which logs and witnesses a verifier believes.

use std::collections::{HashMap, HashSet};
use std::fmt;

use thiserror::Error;

use crate::keys::{KeyKind, VerifierKey};

/// Where and why a policy file is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct TrustError {
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    what: String,
}

/// Who must have cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<Member>,
}

/// Logs, witnesses and quorum. Comes from outside, never from the log that it
/// judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    names: Vec<String>,
    urls: Vec<Option<String>>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

impl TrustPolicy {
    /// The policy that believes one log and asks for no witness.
    #[must_use]
    pub fn for_log(key: &VerifierKey) -> Self {
        Self::for_logs(vec![key.clone()])
    }

    /// The policy that believes these log keys and asks for no witness.
    pub(crate) fn for_logs(logs: Vec<VerifierKey>) -> Self {
        Self {
            logs,
            witnesses: Vec::new(),
            names: Vec::new(),
            urls: Vec::new(),
            groups: Vec::new(),
            quorum: None,
        }
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// The first line that is not well formed, or a missing `quorum` line.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        let fault = |line, what: &str| TrustError { line, what: what.to_owned() };
        if text.len() > MAX_POLICY_BYTES {
            return Err(fault(0, "the file is too large"));
        }
        let mut reader = Reader::default();
        for (place, line) in text.split('\n').enumerate() {
            if line.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
                return Err(fault(place + 1, "control characters are not allowed"));
            }
            let words: Vec<&str> =
                line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            reader.line(&words).map_err(|what| TrustError { line: place + 1, what })?;
        }
        let quorum = reader.quorum.ok_or_else(|| fault(0, "expected one `quorum` line"))?;
        Ok(Self {
            logs: reader.logs,
            witnesses: reader.witnesses,
            names: reader.witness_names,
            urls: reader.witness_urls,
            groups: reader.groups,
            quorum,
        })
    }

    /// The log keys that are believed.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The keys of the witnesses, in the file's order.
    #[must_use]
    pub fn witness_keys(&self) -> &[VerifierKey] {
        &self.witnesses
    }

    /// Whether the quorum asks for any witness; a file may list some and ask for
    /// none.
    #[must_use]
    pub fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// The name that the file gives to a witness.
    #[must_use]
    pub fn witness_name(&self, place: usize) -> &str {
        self.names.get(place).map_or("", String::as_str)
    }

    /// The address that the file gives for a witness, if it gives one.
    #[must_use]
    pub fn witness_url(&self, place: usize) -> Option<&str> {
        self.urls.get(place).and_then(Option::as_deref)
    }

    /// Whether the witnesses that cosigned since then (names of the file and
    /// Unix seconds) satisfy the quorum by themselves.
    pub(crate) fn satisfied_since(&self, cosigned: &[(String, u64)], since: u64) -> bool {
        let recent = cosigned.iter().filter(|(_, time)| *time >= since);
        let places: Vec<usize> = recent
            .filter_map(|(name, _)| self.names.iter().position(|known| known == name))
            .collect();
        self.satisfied_by(&places)
    }

    /// Whether these witnesses (by place) satisfy the quorum.
    #[must_use]
    pub fn satisfied_by(&self, cosigned: &[usize]) -> bool {
        // A group names only earlier groups, so one pass in order settles all.
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let met = group.members.iter().filter(|m| holds(m, cosigned, &groups)).count();
            groups.push(met >= group.threshold);
        }
        self.quorum.as_ref().is_none_or(|member| holds(member, cosigned, &groups))
    }

    fn member_name(&self, member: &Member) -> &str {
        match member {
            Member::Witness(place) => self.witness_name(*place),
            Member::Group(place) => self.groups.get(*place).map_or("", |group| &group.name),
        }
    }
}

impl fmt::Display for TrustPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in &self.logs {
            writeln!(f, "log {key}")?;
        }
        for ((name, key), url) in self.names.iter().zip(&self.witnesses).zip(&self.urls) {
            write!(f, "witness {name} {key}")?;
            if let Some(url) = url {
                write!(f, " {url}")?;
            }
            writeln!(f)?;
        }
        for group in &self.groups {
            write!(f, "group {} {}", group.name, group.threshold)?;
            for member in &group.members {
                write!(f, " {}", self.member_name(member))?;
            }
            writeln!(f)?;
        }
        let quorum = self.quorum.as_ref().map_or("none", |member| self.member_name(member));
        writeln!(f, "quorum {quorum}")
    }
}

fn holds(member: &Member, cosigned: &[usize], groups: &[bool]) -> bool {
    match member {
        Member::Witness(place) => cosigned.contains(place),
        Member::Group(place) => groups.get(*place).copied().unwrap_or(false),
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    logs: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    witness_names: Vec<String>,
    witness_urls: Vec<Option<String>>,
    groups: Vec<Group>,
    defined: HashMap<String, Member>,
    used: HashSet<String>,
    /// The outer option: was there a line; the inner: `none` or a member.
    quorum: Option<Option<Member>>,
}

impl Reader {
    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some((*url).to_owned())),
            ["group", name, threshold, members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            _ => Err("expected `log`, `witness`, `group` or `quorum`".to_owned()),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), String> {
        let key: VerifierKey = key.parse().map_err(|fault| format!("{fault}"))?;
        if key.kind() != KeyKind::Note {
            return Err("a log's key must be of type 01".to_owned());
        }
        let public = key.public_bytes();
        if self.logs.iter().any(|known| known.public_bytes() == public) {
            return Err("this log's key is listed twice".to_owned());
        }
        self.logs.push(key);
        within(self.logs.len())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<String>) -> Result<(), String> {
        let key: VerifierKey = key.parse().map_err(|fault| format!("{fault}"))?;
        if key.kind() != KeyKind::Cosignature {
            return Err("a witness's key must be of type 04".to_owned());
        }
        let public = key.public_bytes();
        if self.witnesses.iter().any(|known| known.public_bytes() == public) {
            return Err("this witness's key is listed twice".to_owned());
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(key);
        self.witness_names.push(name.to_owned());
        self.witness_urls.push(url);
        within(self.witnesses.len())
    }

    fn group(&mut self, name: &str, threshold: &str, names: &[&str]) -> Result<(), String> {
        let mut members = Vec::with_capacity(names.len());
        for member in names {
            let known = self.defined.get(*member).ok_or("a group names what is not yet defined")?;
            members.push(known.clone());
            // Otherwise one witness could count twice towards a quorum.
            if !self.used.insert((*member).to_owned()) {
                return Err("a name may be a member of one group only".to_owned());
            }
        }
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            number => number.parse().map_err(|_| "expected `all`, `any` or a number")?,
        };
        if members.is_empty() || threshold == 0 || threshold > members.len() {
            return Err("the threshold must lie between 1 and the number of members".to_owned());
        }
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { name: name.to_owned(), threshold, members });
        within(self.groups.len())
    }

    fn quorum(&mut self, name: &str) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("there must be one `quorum` line".to_owned());
        }
        self.quorum = Some(match name {
            "none" => None,
            name => {
                let known = self.defined.get(name);
                Some(known.ok_or("the quorum names what is not yet defined")?.clone())
            }
        });
        Ok(())
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), String> {
        if name == "none" || self.defined.insert(name.to_owned(), member).is_some() {
            return Err("this name is already taken".to_owned());
        }
        Ok(())
    }
}

fn within(count: usize) -> Result<(), String> {
    if count > MAX_ITEMS { Err("too many lines of one kind".to_owned()) } else { Ok(()) }
}

/// Logs, witnesses and groups that one file may list (C2SP asks for 32).
const MAX_ITEMS: usize = 256;
const MAX_POLICY_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
