//! What was typed. Words stay words here, so that all wrong ones can be told
//! at once; unknown keys are collected by the reader.

use std::path::PathBuf;

use serde::Deserialize;

use super::Limits;

#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) version: Option<u32>,
    #[serde(default)]
    pub(super) listen: Listen,
    pub(super) admin: Option<Admin>,
    #[serde(default)]
    pub(super) route: Vec<Route>,
    #[serde(default)]
    pub(super) policy: Policy,
    #[serde(default)]
    pub(super) classifiers: Classifiers,
    #[serde(default)]
    pub(super) log: Vec<Log>,
    #[serde(default)]
    pub(super) tenant: Vec<Tenant>,
    #[serde(default)]
    pub(super) principal: Vec<Principal>,
    #[serde(default)]
    pub(super) approver: Vec<Approver>,
    #[serde(default)]
    pub(super) limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Listen {
    pub(super) address: Option<String>,
    pub(super) tls: Option<Tls>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tls {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Admin {
    pub(super) socket: Option<PathBuf>,
    pub(super) address: Option<String>,
    pub(super) token_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Route {
    pub(super) name: Option<String>,
    pub(super) path: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) dialect: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) commit: Option<String>,
    pub(super) stream: Option<String>,
    pub(super) opaque: Option<String>,
    pub(super) log: Option<String>,
    #[serde(default)]
    pub(super) dangerous_unlogged: bool,
    #[serde(default)]
    pub(super) inline_receipt: bool,
    #[serde(default)]
    pub(super) overlap: bool,
    pub(super) credential: Option<Credential>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Credential {
    pub(super) header: String,
    pub(super) env: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Policy {
    pub(super) bundle: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Classifiers {
    pub(super) models: Option<String>,
    pub(super) runtime: Option<PathBuf>,
    pub(super) providers: Option<Vec<String>>,
    pub(super) workers: Option<usize>,
    pub(super) deadline_ms: Option<u64>,
    pub(super) on_deadline: Option<String>,
    #[serde(default)]
    pub(super) dangerous_off: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Log {
    pub(super) name: Option<String>,
    pub(super) directory: Option<PathBuf>,
    pub(super) origin: Option<String>,
    pub(super) key: Option<PathBuf>,
    pub(super) previous_key: Option<PathBuf>,
    pub(super) follows: Option<PathBuf>,
    pub(super) publish: Option<String>,
    #[serde(default)]
    pub(super) publish_entries: bool,
    pub(super) publish_interval_ms: Option<u64>,
    pub(super) queue_records: Option<usize>,
    pub(super) witnesses: Option<PathBuf>,
    pub(super) witness_timeout_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tenant {
    pub(super) id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Principal {
    pub(super) id: String,
    pub(super) tenant: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) key_sha256: String,
    #[serde(default)]
    pub(super) attributes: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Approver {
    pub(super) id: String,
    pub(super) verifier_key: String,
}
