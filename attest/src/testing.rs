//! What the tests of this crate share: keys, clocks, records and files in
//! memory.

#![expect(clippy::string_slice, reason = "ASCII that the tests make themselves")]

pub(crate) mod sim;
pub(crate) mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::*;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct StoppedClock(AtomicU64);

impl StoppedClock {
    pub(crate) fn at(micros: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(micros)))
    }

    pub(crate) fn set(&self, micros: u64) {
        self.0.store(micros, Ordering::Relaxed);
    }
}

impl Clock for StoppedClock {
    fn now_micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// 2026-11-23, the day of the ids that `exchange` makes.
pub(crate) const NOW: u64 = 1_795_000_000_000_000;

/// The log's signer of the published vectors: seed 00 01 .. 1f.
pub(crate) fn signer() -> Signer {
    Signer::generate("example.com/guard-log", std::array::from_fn(|i| u8::try_from(i).unwrap()))
        .unwrap()
}

/// The witness of the published vectors: seed 20 .. 3f.
pub(crate) fn witness() -> Signer {
    Signer::generate("example.com/w1", std::array::from_fn(|i| u8::try_from(i + 32).unwrap()))
        .unwrap()
}

pub(crate) fn policy() -> TrustPolicy {
    TrustPolicy::for_log(&signer().verifier())
}

/// A log that publishes at once and keeps small segments.
pub(crate) fn config(directory: &Path) -> LogConfig {
    LogConfig {
        publish_interval: Duration::ZERO,
        segment_bytes: 64 * 1024,
        ..LogConfig::new(directory, "example.com/guard-log", signer())
    }
}

/// The n-th exchange's id: a UUIDv7 of 2026-11-23.
pub(crate) fn exchange(n: u64) -> String {
    let millis = NOW / 1000 + n;
    let hex = format!("{millis:012x}7000800000{n:010x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

pub(crate) fn boot() -> Record {
    Record::Boot(Boot {
        configuration: Digest::of(b"configuration"),
        program: Digest::of(b"program"),
        providers: vec!["cpu".to_owned()],
        version: "0.1.0".to_owned(),
        ..Boot::default()
    })
}

pub(crate) fn configured(of: ConfigOf, manifest: Option<Digest>) -> Record {
    Record::Config(Config {
        digest: Digest::of(b"bundle"),
        manifest,
        name: "baseline".to_owned(),
        of,
        version: "1".to_owned(),
        ..Config::default()
    })
}

/// An intent under the configuration records at `config`, `config + 1`,
/// `config + 2` (policy, model, settings).
pub(crate) fn intent(exchange: &str, config: u64) -> Intent {
    Intent {
        action: "prompt".to_owned(),
        config: ConfigInForce { policy: config, model: Some(config + 1), settings: config + 2 },
        dialect: "openai-chat".to_owned(),
        exchange: exchange.to_owned(),
        model: Some("gpt-test".to_owned()),
        principal: "cHJpbmNpcGFsLXBzZXVkbw".to_owned(),
        request: Some(Commitment([7; 32])),
        route: "chat".to_owned(),
        tenant: "dGVuYW50LXBzZXVkb255bQ".to_owned(),
        upstream: "127.0.0.1".to_owned(),
        ..Intent::default()
    }
}

pub(crate) fn outcome(exchange: &str, intent: u64) -> Outcome {
    Outcome {
        categories: vec!["injection".to_owned()],
        commitments: vec!["AIIA-2024/AIIA-3".to_owned()],
        coverage: ["baseline-patterns", "injection-small"]
            .map(|detector| CoverageRow {
                bytes: 120,
                channel: "user".to_owned(),
                detector: detector.to_owned(),
                segments: 2,
                ..CoverageRow::default()
            })
            .to_vec(),
        decoded: vec![Decoded { bytes: 120, channel: "user".to_owned(), segments: 2 }],
        detectors: vec![DetectorResult {
            category: "injection".to_owned(),
            channel: "user".to_owned(),
            count: 1,
            detector: "injection-small".to_owned(),
            score_ppm: 993_120,
        }],
        exchange: exchange.to_owned(),
        intent,
        policies: vec!["no-injection".to_owned()],
        request: Some(Commitment([7; 32])),
        timings_us: BTreeMap::from([("judge".to_owned(), 12), ("screen".to_owned(), 431)]),
        upstream_status: Some(200),
        verdict: RecordVerdict::Block,
        ..Outcome::default()
    }
}

/// Boots a log: `boot` and the three configurations, of which the first has a
/// manifest. Tells the index of the first.
pub(crate) fn begin(log: &Log) -> u64 {
    let manifest = log.blob(br#"{"files":{}}"#).unwrap();
    log.append(boot()).unwrap().wait().unwrap();
    let first = log.append(configured(ConfigOf::Policy, Some(manifest))).unwrap();
    log.append(configured(ConfigOf::Model, None)).unwrap().wait().unwrap();
    log.append(configured(ConfigOf::Settings, None)).unwrap().wait().unwrap();
    first.wait().unwrap().index
}

/// One whole exchange.
pub(crate) fn complete(log: &Log, exchange: &str, config: u64) -> Sealed {
    let sealed = log.append(Record::Intent(intent(exchange, config))).unwrap().wait().unwrap();
    let outcome = Record::Outcome(Box::new(outcome(exchange, sealed.index)));
    log.append(outcome).unwrap().wait().unwrap()
}

/// Many exchanges in a few groups; their intents first, then their outcomes.
pub(crate) fn complete_many(log: &Log, ids: std::ops::Range<u64>, config: u64) {
    let pending: Vec<_> = ids
        .map(|n| (n, log.append(Record::Intent(intent(&exchange(n), config))).unwrap()))
        .collect();
    let outcomes: Vec<_> = pending
        .into_iter()
        .map(|(n, pending)| {
            let sealed = pending.wait().unwrap();
            log.append(Record::Outcome(Box::new(outcome(&exchange(n), sealed.index)))).unwrap()
        })
        .collect();
    for pending in outcomes {
        pending.wait().unwrap();
    }
}

/// Files in memory, one of them perhaps changed; remembers what was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemorySource {
    pub(crate) files: Arc<BTreeMap<String, Vec<u8>>>,
    pub(crate) changed: Option<(String, Vec<u8>)>,
    pub(crate) read: Arc<Mutex<BTreeSet<String>>>,
}

impl MemorySource {
    /// Every file below a directory.
    pub(crate) fn load(root: &Path) -> Self {
        fn walk(root: &Path, at: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
            for entry in std::fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(root, &path, files);
                } else {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(root, root, &mut files);
        Self { files: Arc::new(files), ..Self::default() }
    }

    /// The same files, one of them with other bytes.
    pub(crate) fn with(&self, path: &str, bytes: Vec<u8>) -> Self {
        let changed = Some((path.to_owned(), bytes));
        Self { files: Arc::clone(&self.files), changed, read: Arc::default() }
    }

    fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.read.lock().unwrap().insert(path.to_owned());
        match &self.changed {
            Some((changed, bytes)) if changed == path => Some(bytes),
            _ => self.files.get(path).map(Vec::as_slice),
        }
    }
}

impl LogSource for MemorySource {
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let bytes = self.bytes(path);
        if bytes.is_some_and(|bytes| bytes.len() as u64 > limit) {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(bytes.map(<[u8]>::to_vec))
    }

    fn read_range(&self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let bytes = self.bytes(path).unwrap_or_default();
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        let to = from.saturating_add(length).min(bytes.len());
        Ok(bytes.get(from..to).unwrap().to_vec())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{directory}/");
        let names = self.files.keys().filter_map(|path| path.strip_prefix(&prefix));
        let names: BTreeSet<&str> = names.filter_map(|name| name.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn pin(&self, path: &str) -> io::Result<Option<u64>> {
        Ok(self.bytes(path).map(|bytes| bytes.len() as u64))
    }
}

/// A decision about the call that is held under `id`, signed by
/// `example.com/approver` for the log of [`config`].
pub(crate) fn approval(id: &str, decision: ApprovalDecision) -> Approval {
    let approver = Signer::generate("example.com/approver", [9; 32]).unwrap();
    Approval {
        bundle: Digest::of(b"bundle"),
        call: Commitment([6; 32]),
        decision,
        definition: Some(Digest::of(b"tool")),
        exchange: exchange(1),
        expires: NOW + 900_000_000,
        id: id.to_owned(),
        key: String::new(),
        principal: "cHJpbmNpcGFsLXBzZXVkbw".to_owned(),
        signature: String::new(),
        tenant: "dGVuYW50LXBzZXVkb255bQ".to_owned(),
        tool: "send_mail".to_owned(),
        x: Extra::new(),
    }
    .signed("example.com/guard-log", &approver)
    .unwrap()
}
