//! The reader: every check that needs no socket.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sha2::{Digest, Sha256};
use troth_attest::{KeyKind, VerifierKey};
use troth_policies::{Principal, PrincipalKind, Source};

use super::{
    Admin, Approver, Classifiers, Commit, Config, ConfigFaults, Credential, Known, Listen,
    LogSettings, Mode, OnDeadline, OpaqueMode, Place, Route, Secret, StreamMode, TlsFiles,
    Upstream, faults::Fault, raw,
};
use crate::dialect::Family;

/// Reads and checks the text of the file at `path`.
///
/// `env` looks environment variables up, so that tests need not set them.
///
/// # Errors
/// All faults, with their places.
pub(crate) fn read(
    path: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigFaults> {
    let mut faults = Vec::new();
    let raw = parse(text, &mut faults);
    let directory = path.parent().unwrap_or_else(|| Path::new(".")).to_owned();
    let mut reader = Reader { directory, env, tree: toml_edit::Document::parse(text).ok(), faults };
    let config = raw.map(|raw| reader.config(raw, text));
    match config {
        Some(config) if reader.faults.is_empty() => Ok(config),
        _ => Err(ConfigFaults::new(path, text, reader.faults)),
    }
}

fn parse(text: &str, faults: &mut Vec<Fault>) -> Option<raw::File> {
    let mut unknown = Vec::new();
    let parsed = toml::Deserializer::parse(text).and_then(|deserializer| {
        serde_ignored::deserialize(deserializer, |path| unknown.push(path.to_string()))
    });
    let tree = toml_edit::Document::parse(text).ok();
    for path in unknown {
        let steps: Vec<&str> = path.split('.').collect();
        faults.push(Fault {
            what: format!("unknown key `{path}`"),
            help: "see the README for the keys of each table; is it a typing slip?".to_owned(),
            span: tree.as_ref().and_then(|tree| span_of(tree, &steps)),
        });
    }
    match parsed {
        Ok(file) => Some(file),
        Err(fault) => {
            faults.push(Fault {
                what: fault.message().to_owned(),
                help: String::new(),
                span: fault.span(),
            });
            None
        }
    }
}

/// The bytes of the value at `steps`, or of the nearest table above it.
fn span_of(tree: &toml_edit::Document<&str>, steps: &[&str]) -> Option<Range<usize>> {
    let mut item = tree.as_item();
    let mut span = None;
    for step in steps {
        let next = match step.parse::<usize>() {
            Ok(index) => item.get(index),
            Err(_) => item.get(step),
        };
        let Some(next) = next else { break };
        item = next;
        span = item.span().or(span);
    }
    span
}

struct Reader<'a> {
    directory: PathBuf,
    env: &'a dyn Fn(&str) -> Option<String>,
    tree: Option<toml_edit::Document<&'a str>>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, at: &str, what: impl Into<String>, help: impl Into<String>) {
        let steps: Vec<&str> = at.split('.').collect();
        let span = self.tree.as_ref().and_then(|tree| span_of(tree, &steps));
        self.faults.push(Fault { what: what.into(), help: help.into(), span });
    }

    /// One of `words`, or a fault and the first of them.
    fn word<T: Copy>(&mut self, at: &str, typed: Option<&str>, words: &[(&str, T)]) -> Option<T> {
        let Some(typed) = typed else { return words.first().map(|(_, value)| *value) };
        let found = words.iter().find(|(word, _)| *word == typed).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.fault(at, format!("unknown word `{}` for `{at}`", cut(typed)), {
                format!("one of {}", known.join(", "))
            });
        }
        found
    }

    fn address(&mut self, at: &str, typed: &str) -> Option<std::net::SocketAddr> {
        let parsed = typed.parse().ok();
        if parsed.is_none() {
            let what = format!("`{at}` is not an address: `{}`", cut(typed));
            self.fault(at, what, "an IP address and a port, such as `127.0.0.1:8080` or `[::1]:0`");
        }
        parsed
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    fn config(&mut self, raw: raw::File, text: &str) -> Config {
        match raw.version {
            Some(1) => {}
            Some(other) => {
                let what = format!("`version` {other} is not one that this program reads");
                self.fault("version", what, "version = 1");
            }
            None => self.fault("version", "`version` is missing", "begin with `version = 1`"),
        }
        let logs = self.logs(raw.log);
        let routes = self.routes(raw.route, &logs);
        for (name, value) in raw.limits.named() {
            if value == 0 {
                let what = format!("`limits.{name}` must not be 0");
                self.fault(&format!("limits.{name}"), what, "leave it out for the default");
            }
        }
        let tenants: HashSet<String> = raw.tenant.into_iter().map(|tenant| tenant.id).collect();
        let admin = raw.admin.is_some();
        let approvers = self.approvers(raw.approver, admin);
        Config {
            digest: hex::encode(Sha256::digest(text.as_bytes())),
            listen: self.listen(raw.listen),
            admin: raw.admin.and_then(|admin| self.admin(admin)),
            routes,
            bundle: self.place("policy.bundle", raw.policy.bundle, "builtin:baseline"),
            classifiers: self.classifiers(raw.classifiers),
            logs,
            principals: self.principals(raw.principal, &tenants),
            approvers,
            limits: raw.limits,
        }
    }

    fn listen(&mut self, listen: raw::Listen) -> Listen {
        let typed = listen.address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
        let address = self.address("listen.address", &typed);
        let tls = listen.tls.map(|tls| TlsFiles {
            certificate: self.path(&tls.certificate),
            key: self.path(&tls.key),
            client_ca: tls.client_ca.map(|path| self.path(&path)),
        });
        Listen { address: address.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()), tls }
    }

    fn admin(&mut self, admin: raw::Admin) -> Option<Admin> {
        match (admin.socket, admin.address, admin.token_file) {
            (Some(socket), None, None) => Some(Admin::Socket(self.path(&socket))),
            (None, Some(address), Some(file)) => {
                let address = self.address("admin.address", &address)?;
                let path = self.path(&file);
                match std::fs::read_to_string(&path) {
                    Ok(token) if token.trim().len() >= TOKEN_BYTES => {
                        Some(Admin::Tcp { address, token: Secret(token.trim().to_owned()) })
                    }
                    Ok(_) => {
                        let what = format!("the token in `{}` is too short", path.display());
                        self.fault("admin.token_file", what, "at least 16 characters");
                        None
                    }
                    Err(fault) => {
                        let what = format!("cannot read `{}`: {fault}", path.display());
                        self.fault("admin.token_file", what, "");
                        None
                    }
                }
            }
            _ => {
                self.fault(
                    "admin",
                    "`admin` wants `socket`, or `address` with `token_file`",
                    "socket = \"troth.sock\"",
                );
                None
            }
        }
    }

    fn place(&mut self, at: &str, typed: Option<String>, builtin: &'static str) -> Place {
        match typed.as_deref() {
            None => Place::Builtin,
            Some(name) if name == builtin => Place::Builtin,
            Some(name) if name.starts_with("builtin:") => {
                let mut others: Vec<&str> = vec![builtin];
                if at == "policy.bundle" {
                    others.extend(Source::builtins().filter(|known| *known != builtin));
                    if let Some(known) = Source::builtins().find(|known| *known == name) {
                        return Place::Shipped(known);
                    }
                }
                self.fault(at, format!("nothing built in is called `{}`", cut(name)), {
                    format!("`{}`, or a directory", others.join("`, `"))
                });
                Place::Builtin
            }
            Some(path) => {
                let directory = self.path(Path::new(path));
                if !directory.is_dir() {
                    let what = format!("`{}` is not a directory", directory.display());
                    self.fault(at, what, format!("`{builtin}`, or a directory"));
                }
                Place::Directory(directory)
            }
        }
    }

    fn routes(&mut self, routes: Vec<raw::Route>, logs: &[LogSettings]) -> Vec<Arc<Route>> {
        if routes.is_empty() {
            let help = "[[route]] with `name`, `path`, `upstream`, `dialect` and `log`";
            self.fault("route", "no route: nothing would be forwarded", help);
        }
        let mut names = HashSet::new();
        let mut paths = HashSet::new();
        let mut known = Vec::new();
        for (index, raw) in routes.into_iter().enumerate() {
            let at = |key: &str| format!("route.{index}.{key}");
            for (key, value, seen) in
                [("name", &raw.name, &mut names), ("path", &raw.path, &mut paths)]
            {
                if value.as_ref().is_some_and(|value| !seen.insert(value.clone())) {
                    let value = cut(value.as_deref().unwrap_or_default());
                    self.fault(&at(key), format!("two routes have the {key} `{value}`"), "");
                }
            }
            if let Some(route) = self.route(index, raw, logs) {
                known.push(Arc::new(route));
            }
        }
        known.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
        known
    }

    fn route(&mut self, index: usize, raw: raw::Route, logs: &[LogSettings]) -> Option<Route> {
        let at = |key: &str| format!("route.{index}.{key}");
        let name = self.required(&at("name"), raw.name, "name = \"chat\"");
        if let Some(name) = name.as_deref().filter(|name| !is_name(name)) {
            let what = format!("`{}` is not a name", cut(name));
            self.fault(&at("name"), what, "1 to 64 letters, digits, `-`, `_` or `.`");
        }
        let path = self.required(&at("path"), raw.path, "path = \"/v1\"");
        if path.as_deref().is_some_and(|path| !path.starts_with('/')) {
            self.fault(&at("path"), "a route's path begins with `/`", "path = \"/v1\"");
        }
        let upstream = self
            .required(&at("upstream"), raw.upstream, "upstream = \"http://127.0.0.1:9000\"")
            .and_then(|typed| self.upstream(&at("upstream"), &typed));
        let families: Vec<_> =
            Family::NAMES.iter().filter_map(|name| Some((*name, Family::named(name)?))).collect();
        let family = self.word(&at("dialect"), raw.dialect.as_deref(), &families);
        let modes = [("enforce", Mode::Enforce), ("shadow", Mode::Shadow)];
        let mode = self.word(&at("mode"), raw.mode.as_deref(), &modes);
        let streams = [("gate", StreamMode::Gate), ("race", StreamMode::Race)];
        let stream = self.word(&at("stream"), raw.stream.as_deref(), &streams);
        let opaques = [("record", OpaqueMode::Record), ("refuse", OpaqueMode::Refuse)];
        let opaque = self.word(&at("opaque"), raw.opaque.as_deref(), &opaques);
        let log = match (raw.log, raw.dangerous_unlogged) {
            (Some(_), true) => {
                let what = "`log` and `dangerous_unlogged` exclude each other";
                self.fault(&at("dangerous_unlogged"), what, "leave one out");
                None
            }
            (None, false) => {
                let help = "log = \"main\", or `dangerous_unlogged = true` for no evidence at all";
                self.fault(&format!("route.{index}"), "a route needs a `log`", help);
                None
            }
            (None, true) => None,
            (Some(name), false) => {
                let found = logs.iter().position(|log| log.name == name);
                if found.is_none() {
                    let what = format!("no log is called `{}`", cut(&name));
                    self.fault(&at("log"), what, "name one of the `[[log]]` tables");
                }
                found
            }
        };
        let witnessed =
            log.and_then(|log| logs.get(log)).is_some_and(|log| log.witnesses.is_some());
        let commit = self.commit(&at("commit"), raw.commit.as_deref(), witnessed);
        let credential = raw.credential.and_then(|raw| self.credential(&at("credential"), &raw));
        let path = path?.trim_end_matches('/').to_owned();
        Some(Route {
            name: name?,
            path,
            upstream: upstream?,
            family: family?,
            mode: mode?,
            commit: commit?,
            stream: stream?,
            opaque: opaque?,
            log,
            overlap: raw.overlap,
            inline_receipt: raw.inline_receipt,
            credential,
        })
    }

    fn commit(&mut self, at: &str, typed: Option<&str>, has_witnesses: bool) -> Option<Commit> {
        let modes = [
            ("sealed", Commit::Sealed),
            ("witnessed", Commit::Witnessed),
            ("async", Commit::Async),
        ];
        let commit = self.word(at, typed, &modes)?;
        if commit == Commit::Witnessed && !has_witnesses {
            let what = "`witnessed` needs a log with witnesses";
            self.fault(at, what, "witnesses = \"witnesses.policy\" in its `[[log]]`");
            return None;
        }
        Some(commit)
    }

    fn required(&mut self, at: &str, typed: Option<String>, example: &str) -> Option<String> {
        if typed.as_deref().is_none_or(str::is_empty) {
            let key = at.rsplit('.').next().unwrap_or(at);
            self.fault(at, format!("`{key}` is missing"), example);
            return None;
        }
        typed
    }

    fn upstream(&mut self, at: &str, typed: &str) -> Option<Upstream> {
        let uri: Option<http::Uri> = typed.parse().ok();
        let parts = uri.map(http::Uri::into_parts);
        let good = parts.and_then(|parts| {
            let scheme =
                parts.scheme.filter(|scheme| matches!(scheme.as_str(), "http" | "https"))?;
            let authority =
                parts.authority.filter(|authority| !authority.as_str().contains('@'))?;
            let path = parts.path_and_query.as_ref();
            let base = path.map_or("", http::uri::PathAndQuery::path).trim_end_matches('/');
            let plain = path.and_then(http::uri::PathAndQuery::query).is_none();
            plain.then(|| Upstream { scheme, authority, base: base.to_owned() })
        });
        if good.is_none() {
            let help = "`http://HOST:PORT` or `https://HOST`, without user, query or fragment";
            self.fault(at, format!("`{}` is not an upstream", cut(typed)), help);
        }
        good
    }

    fn credential(&mut self, at: &str, raw: &raw::Credential) -> Option<Credential> {
        let header = http::HeaderName::from_bytes(raw.header.as_bytes()).ok();
        if header.is_none() {
            let what = format!("`{}` is not a header name", cut(&raw.header));
            self.fault(at, what, "header = \"authorization\"");
        }
        let value = (self.env)(&raw.env).and_then(|value| http::HeaderValue::from_str(&value).ok());
        if value.is_none() {
            let what =
                format!("the environment variable `{}` is not set, or no header", cut(&raw.env));
            self.fault(at, what, "export it before the proxy starts");
        }
        let mut value = value?;
        value.set_sensitive(true);
        Some(Credential { header: header?, value })
    }

    fn classifiers(&mut self, raw: raw::Classifiers) -> Option<Classifiers> {
        let names = raw.providers.unwrap_or_else(|| vec!["cpu".to_owned()]);
        let mut providers = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match name.parse() {
                Ok(provider) => providers.push(provider),
                Err(_) => {
                    let at = format!("classifiers.providers.{index}");
                    let what = format!("unknown provider `{}`", cut(name));
                    self.fault(&at, what, "`cpu`, `cuda` or `tensorrt`");
                }
            }
        }
        if names.is_empty() {
            self.fault("classifiers.providers", "no provider", "providers = [\"cpu\"]");
        }
        for (key, value) in
            [("deadline_ms", raw.deadline_ms), ("workers", raw.workers.map(|n| n as u64))]
        {
            if value == Some(0) {
                let at = format!("classifiers.{key}");
                self.fault(&at, format!("`{at}` must not be 0"), "leave it out for the default");
            }
        }
        let words = [("refuse", OnDeadline::Refuse), ("flag", OnDeadline::Flag)];
        let on_deadline = self.word("classifiers.on_deadline", raw.on_deadline.as_deref(), &words);
        let models = self.place("classifiers.models", raw.models, "builtin:models");
        (!raw.dangerous_off).then(|| Classifiers {
            models,
            runtime: raw.runtime.map(|path| self.path(&path)),
            providers,
            workers: raw.workers,
            deadline: Duration::from_millis(raw.deadline_ms.unwrap_or(250)),
            on_deadline: on_deadline.unwrap_or(OnDeadline::Refuse),
        })
    }

    fn logs(&mut self, logs: Vec<raw::Log>) -> Vec<LogSettings> {
        let mut seen: BTreeMap<&'static str, HashSet<String>> = BTreeMap::new();
        let mut known = Vec::new();
        for (index, raw) in logs.into_iter().enumerate() {
            let at = |key: &str| format!("log.{index}.{key}");
            let directory = raw.directory.map(|path| path.display().to_string());
            for (key, value) in
                [("name", &raw.name), ("directory", &directory), ("origin", &raw.origin)]
            {
                let again = value
                    .as_ref()
                    .is_some_and(|value| !seen.entry(key).or_default().insert(value.clone()));
                if again {
                    let value = cut(value.as_deref().unwrap_or_default());
                    self.fault(&at(key), format!("two logs have the {key} `{value}`"), "");
                }
            }
            let name = self.required(&at("name"), raw.name, "name = \"main\"");
            let directory = self.required(&at("directory"), directory, "directory = \"troth-log\"");
            let origin = self.required(&at("origin"), raw.origin, "origin = \"example.com/troth\"");
            let key = raw.key.map(|path| path.display().to_string());
            let key = self.required(&at("key"), key, "key = \"troth.key\"");
            let publish = raw.publish.and_then(|typed| self.address(&at("publish"), &typed));
            if raw.queue_records == Some(0) {
                self.fault(&at("queue_records"), "`queue_records` must not be 0", "");
            }
            let (Some(name), Some(directory), Some(origin), Some(key)) =
                (name, directory, origin, key)
            else {
                continue;
            };
            let key_file = self.path(Path::new(&key));
            if !key_file.is_file() {
                let what = format!("there is no key `{}`", key_file.display());
                self.fault(&at("key"), what, "`troth keygen ORIGIN --out FILE` makes one");
            }
            let previous_key = raw.previous_key.map(|file| self.path(&file));
            if let Some(file) = previous_key.as_ref().filter(|file| !file.is_file()) {
                let what = format!("there is no key `{}`", file.display());
                self.fault(&at("previous_key"), what, "the key that the log had before `key`");
            }
            let follows = raw.follows.map(|directory| self.path(&directory));
            if let Some(directory) = follows.as_ref().filter(|path| !path.is_dir()) {
                let what = format!("there is no log in `{}`", directory.display());
                self.fault(&at("follows"), what, "the directory of a log that has ended");
            }
            let witnesses = raw.witnesses.map(|file| self.path(&file));
            if let Some(file) = witnesses.as_ref().filter(|file| !file.is_file()) {
                let what = format!("there is no witness policy `{}`", file.display());
                self.fault(&at("witnesses"), what, "a C2SP tlog-policy file with addresses");
            }
            if raw.witness_timeout_ms == Some(0) {
                self.fault(&at("witness_timeout_ms"), "`witness_timeout_ms` must not be 0", "");
            }
            known.push(LogSettings {
                name,
                directory: self.path(Path::new(&directory)),
                origin,
                key: key_file,
                previous_key,
                follows,
                publish,
                publish_entries: raw.publish_entries,
                publish_interval: Duration::from_millis(raw.publish_interval_ms.unwrap_or(1000)),
                queue_records: raw.queue_records.unwrap_or(QUEUE_RECORDS),
                witnesses,
                witness_timeout: Duration::from_millis(raw.witness_timeout_ms.unwrap_or(2000)),
            });
        }
        known
    }

    fn approvers(&mut self, approvers: Vec<raw::Approver>, admin: bool) -> Vec<Approver> {
        let mut known: Vec<Approver> = Vec::new();
        for (index, raw) in approvers.into_iter().enumerate() {
            let at = |key: &str| format!("approver.{index}.{key}");
            if !admin {
                let what = format!("approver `{}` has nowhere to decide", cut(&raw.id));
                self.fault(&at("id"), what, "add `[admin] socket = \"troth.sock\"`");
            }
            let Some(key) = note_key(&raw.verifier_key) else {
                let what = format!("the key of approver `{}` is not a verifier key", cut(&raw.id));
                self.fault(&at("verifier_key"), what, "`troth keygen NAME --out FILE` prints one");
                continue;
            };
            for (key, again) in [
                ("id", known.iter().any(|approver| approver.id == raw.id)),
                ("verifier_key", known.iter().any(|approver| approver.key == key)),
            ] {
                if again {
                    self.fault(&at(key), format!("two approvers have the same `{key}`"), "");
                }
            }
            known.push(Approver { id: raw.id, key });
        }
        known
    }

    fn principals(
        &mut self,
        principals: Vec<raw::Principal>,
        tenants: &HashSet<String>,
    ) -> Vec<Known> {
        let mut ids = HashSet::new();
        let mut keys = HashSet::new();
        let mut known = Vec::new();
        for (index, raw) in principals.into_iter().enumerate() {
            let at = |key: &str| format!("principal.{index}.{key}");
            let kinds = [
                ("agent", PrincipalKind::Agent),
                ("user", PrincipalKind::User),
                ("team", PrincipalKind::Team),
            ];
            let kind = self.word(&at("kind"), raw.kind.as_deref(), &kinds);
            let tenant = raw.tenant.unwrap_or_else(|| "default".to_owned());
            if tenant != "default" && !tenants.contains(&tenant) {
                let what = format!("no tenant is called `{}`", cut(&tenant));
                self.fault(&at("tenant"), what, "add a `[[tenant]]` table with this `id`");
            }
            if !ids.insert(raw.id.clone()) {
                let what = format!("two principals are called `{}`", cut(&raw.id));
                self.fault(&at("id"), what, "");
            }
            let mut digest = [0; 32];
            if hex::decode_to_slice(&raw.key_sha256, &mut digest).is_err() {
                let help = "`printf %s KEY | sha256sum` prints one";
                self.fault(&at("key_sha256"), "`key_sha256` is not 64 hexadecimal digits", help);
                continue;
            }
            if !keys.insert(digest) {
                self.fault(&at("key_sha256"), "two principals have the same key", "");
            }
            let Some(kind) = kind else { continue };
            known.push(Known {
                principal: Arc::new(Principal {
                    id: raw.id,
                    tenant,
                    kind,
                    attributes: raw.attributes,
                }),
                key_sha256: digest,
            });
        }
        known
    }
}

/// A key that signs notes and statements; not a witness's.
fn note_key(typed: &str) -> Option<VerifierKey> {
    typed.parse::<VerifierKey>().ok().filter(|key| key.kind() == KeyKind::Note)
}

/// A typed word in an error: bounded.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}

const TOKEN_BYTES: usize = 16;
const QUEUE_RECORDS: usize = 8192;

#[cfg(test)]
mod tests;
