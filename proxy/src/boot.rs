//! From a configuration to a gateway: detectors, models, logs, first records.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use troth_attest::{
    Boot, Config as ConfigRecord, ConfigInForce, ConfigOf, Digest as RecordDigest, DirectorySource,
    Log, LogConfig, Publishing, Record, Signer, SystemClock, TrustPolicy,
};
use troth_classifiers::{Classifiers, ModelInfo, ModelSource, Options, Runtime};
use troth_policies::{Bundle, Source};

use crate::{
    approval::Desk,
    body::Budget,
    config::{self, Config, LogSettings, Place},
    evidence::{Evidence, Opened},
    gateway::{Gateway, Shared},
    screener::{Models, Screener},
    tasks::Tasks,
    upstream::Client,
    witness::{self, WitnessFault},
};

/// What stands between a configuration and a running proxy.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum BootFault {
    /// A file that cannot be read.
    #[error("cannot read `{path}`: {fault}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        fault: std::io::Error,
    },
    /// Faults of the configuration.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] config::ConfigFaults),
    /// Faults of the bundle.
    #[error("the bundle does not compile\n\n{}", .0.report())]
    Bundle(troth_policies::Diagnostics),
    /// A directory without a bundle.
    #[error("{}", not_a_bundle(path))]
    NotABundle {
        /// The directory.
        path: String,
    },
    /// ONNX Runtime cannot be used.
    #[error(transparent)]
    Runtime(#[from] troth_classifiers::RuntimeError),
    /// The models cannot be used.
    #[error(transparent)]
    Models(#[from] troth_classifiers::OpenError),
    /// A log's key cannot be used.
    #[error("the log key `{path}` cannot be used: {fault}")]
    Key {
        /// The file.
        path: String,
        /// Why.
        fault: troth_attest::KeyError,
    },
    /// A log cannot be opened.
    #[error("the log `{name}` cannot be opened: {fault}")]
    Log {
        /// Its name.
        name: String,
        /// Why.
        fault: Box<troth_attest::OpenError>,
    },
    /// The log that a log is to follow.
    #[error("the log `{name}` cannot follow the one in `{path}`: {fault}")]
    Follows {
        /// Its name.
        name: String,
        /// The other log's directory.
        path: String,
        /// Why.
        fault: troth_attest::ShardError,
    },
    /// A log's witnesses cannot be asked, or must not be.
    #[error("the log `{name}`: {fault}")]
    Witness {
        /// Its name.
        name: String,
        /// Why.
        fault: WitnessFault,
    },
    /// TLS files cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::server::TlsFault),
    /// The first records cannot be written.
    #[error("the log `{name}` takes no record: {fault}")]
    Record {
        /// Its name.
        name: String,
        /// Why.
        fault: String,
    },
    /// The records of a new configuration are not durable in time.
    #[error("the evidence log did not answer within `commit_timeout_ms`")]
    Stalled,
    /// An address that cannot be listened on.
    #[error("cannot listen on `{address}`: {fault}")]
    Bind {
        /// The address or path.
        address: String,
        /// Why.
        fault: std::io::Error,
    },
    /// A change that only a restart can make.
    #[error("{what} cannot change while the proxy runs: restart it")]
    NeedsRestart {
        /// What.
        what: &'static str,
    },
    /// The process cannot be set up.
    #[error("cannot set up the process: {0}")]
    Process(String),
}

/// A name that is nearly right is told which names there are.
fn not_a_bundle(path: &str) -> String {
    if !path.starts_with("builtin:") {
        return format!("`{path}` is not a bundle: it has no `bundle.toml`");
    }
    let shipped: Vec<String> = Source::builtins().map(|name| format!("`{name}`")).collect();
    format!("no bundle `{path}` ships; these do: {}", shipped.join(", "))
}

/// Reads the configuration at `path`.
pub(crate) fn configuration(path: &Path) -> Result<Config, BootFault> {
    let text = std::fs::read_to_string(path)
        .map_err(|fault| BootFault::Read { path: path.display().to_string(), fault })?;
    let env = |name: &str| std::env::var(name).ok();
    Ok(config::read(path, &text, &env)?)
}

/// The files of the bundle at `place`.
pub(crate) fn bundle_source(place: &Place) -> Result<Source, BootFault> {
    match place {
        Place::Builtin => Ok(Source::baseline()),
        Place::Shipped(name) => Ok(Source::builtin(name).unwrap_or_default()),
        Place::Directory(directory) => {
            if !directory.join("bundle.toml").is_file() {
                return Err(BootFault::NotABundle { path: directory.display().to_string() });
            }
            let mut source = Source::new();
            read_directory(directory, directory, &mut source, 0)?;
            Ok(source)
        }
    }
}

fn read_directory(
    root: &Path,
    directory: &Path,
    source: &mut Source,
    depth: usize,
) -> Result<(), BootFault> {
    let failed = |path: &Path, fault| BootFault::Read { path: path.display().to_string(), fault };
    if depth > BUNDLE_DEPTH {
        return Ok(());
    }
    let entries = std::fs::read_dir(directory).map_err(|fault| failed(directory, fault))?;
    for entry in entries {
        let path = entry.map_err(|fault| failed(directory, fault))?.path();
        if path.is_dir() {
            read_directory(root, &path, source, depth + 1)?;
        } else if let Ok(relative) = path.strip_prefix(root) {
            let known = ["toml", "cedar", "txt"];
            let extension = path.extension().and_then(|extension| extension.to_str());
            if extension.is_some_and(|extension| known.contains(&extension)) {
                let bytes = std::fs::read(&path).map_err(|fault| failed(&path, fault))?;
                let name = relative.to_string_lossy().replace('\\', "/");
                source.insert(&name, bytes);
            }
        }
    }
    Ok(())
}

/// Compiles the bundle at `place`.
pub(crate) fn bundle(place: &Place) -> Result<(Source, Bundle), BootFault> {
    let source = bundle_source(place)?;
    let compiled = Bundle::compile(&source).map_err(BootFault::Bundle)?;
    for warning in &compiled.warnings {
        tracing::warn!(%warning, "bundle");
    }
    Ok((source, compiled.bundle))
}

/// Opens the models.
pub(crate) fn models(settings: &config::Classifiers) -> Result<Models, BootFault> {
    let runtime = Runtime::load(&Runtime::locate(settings.runtime.as_deref())?)?;
    let source = model_source(&settings.models);
    let mut options = Options { providers: settings.providers.clone(), ..Options::default() };
    if let Some(workers) = settings.workers {
        options.workers = workers;
    }
    let classifiers = Classifiers::open(&source, &runtime, &options)?;
    let names: Vec<String> = classifiers
        .models()
        .iter()
        .map(|model| format!("{}@{}", model.name, model.version))
        .collect();
    Ok(Models {
        name: names.join("+"),
        classifiers,
        deadline: settings.deadline,
        on_deadline: settings.on_deadline,
    })
}

/// Where models come from.
pub(crate) fn model_source(place: &Place) -> ModelSource {
    match place {
        Place::Builtin | Place::Shipped(_) => ModelSource::Builtin,
        Place::Directory(path) => ModelSource::Directory(path.clone()),
    }
}

/// The detectors of a configuration.
pub(crate) fn screener(config: &Config) -> Result<(Source, Screener), BootFault> {
    let (source, bundle) = bundle(&config.bundle)?;
    let models = config.classifiers.as_ref().map(models).transpose()?;
    Ok((source, Screener::new(bundle, models, config.limits.cache_bytes)))
}

/// The key of a log.
pub(crate) fn signer(settings: &LogSettings) -> Result<Signer, BootFault> {
    read_signer(&settings.key)
}

/// The key that the log had before, where both sign.
pub(crate) fn previous_signer(settings: &LogSettings) -> Result<Option<Signer>, BootFault> {
    settings.previous_key.as_deref().map(read_signer).transpose()
}

fn read_signer(file: &Path) -> Result<Signer, BootFault> {
    let path = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|fault| BootFault::Read { path: path.clone(), fault })?;
    text.trim().parse().map_err(|fault| BootFault::Key { path, fault })
}

/// The end of the log that this one goes on from.
fn followed(settings: &LogSettings) -> Result<Option<String>, BootFault> {
    let Some(directory) = &settings.follows else { return Ok(None) };
    let head = troth_attest::last_head(&DirectorySource::new(directory));
    head.map(Some).map_err(|fault| BootFault::Follows {
        name: settings.name.clone(),
        path: directory.display().to_string(),
        fault,
    })
}

/// The policy that names a log's witnesses, where it has some.
pub(crate) fn witnesses(settings: &LogSettings) -> Result<Option<TrustPolicy>, BootFault> {
    let Some(path) = &settings.witnesses else { return Ok(None) };
    let key = signer(settings)?.verifier();
    let policy = witness::policy(path, &key);
    policy.map(Some).map_err(|fault| BootFault::Witness { name: settings.name.clone(), fault })
}

/// Opens one log.
pub(crate) fn log(settings: &LogSettings) -> Result<Log, BootFault> {
    let signer = signer(settings)?;
    let mut log = LogConfig::new(&settings.directory, &settings.origin, signer);
    log.replica = replica();
    log.previous = previous_signer(settings)?;
    log.follows = followed(settings)?;
    log.publish_interval = settings.publish_interval;
    log.publish_entries = settings.publish_entries;
    log.queue_records = settings.queue_records;
    if settings.witnesses.is_some() {
        log.publish = Publishing::External;
    }
    Log::open(log, Arc::new(SystemClock))
        .map_err(|fault| BootFault::Log { name: settings.name.clone(), fault: Box::new(fault) })
}

/// A gateway over `logs`: writes the boot record where `first`, and what is in
/// force from now on, and waits until that is sealed.
pub(crate) async fn gateway(
    config: Config,
    logs: Vec<Opened>,
    detectors: (Source, Screener),
    shared: Shared,
    first: bool,
) -> Result<Gateway, BootFault> {
    let (source, screener) = detectors;
    let mut evidence = Vec::with_capacity(logs.len());
    for (opened, settings) in logs.into_iter().zip(&config.logs) {
        let in_force = enter(&opened.log, &config, &source, &screener, first)
            .await
            .map_err(|fault| BootFault::Record { name: settings.name.clone(), fault })?;
        evidence.push(Evidence { opened, in_force });
    }
    let client = Client::new(&config.limits);
    Ok(Gateway { config, screener, evidence, client, shared })
}

/// What a new process shares between its configurations.
pub(crate) fn shared(config: &Config, tasks: Tasks) -> Shared {
    Shared {
        tasks,
        exchanges: Arc::new(Semaphore::new(config.limits.exchanges)),
        budget: Budget::new(config.limits.buffered_total_bytes),
        desk: Desk::new(),
    }
}

/// The same for a configuration that follows `old`: bounds that changed begin
/// anew, and exchanges under way keep the permits that they have.
pub(crate) fn reshared(old: &Gateway, config: &Config) -> Shared {
    let mut new = shared(config, old.shared.tasks.clone());
    new.desk = old.shared.desk.clone();
    let limits = old.limits();
    if limits.exchanges == config.limits.exchanges {
        new.exchanges = old.shared.exchanges.clone();
    }
    if limits.buffered_total_bytes == config.limits.buffered_total_bytes {
        new.budget = old.shared.budget.clone();
    }
    new
}

/// Enters what is in force into a log.
async fn enter(
    log: &Log,
    config: &Config,
    source: &Source,
    screener: &Screener,
    first: bool,
) -> Result<ConfigInForce, String> {
    if first {
        let boot = Record::Boot(Boot {
            configuration: digest_of_hex(&config.digest)?,
            program: program_digest(),
            providers: providers(screener),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Boot::default()
        });
        append(log, boot).await?;
    }
    let bundle = screener.bundle();
    let manifest = blob(log, source.manifest()).await?;
    let policy = append(
        log,
        Record::Config(ConfigRecord {
            approved_by: Vec::new(),
            digest: RecordDigest::from(bundle.digest()),
            manifest: Some(manifest),
            name: bundle.name().to_owned(),
            of: ConfigOf::Policy,
            version: bundle.version().to_owned(),
            x: BTreeMap::default(),
        }),
    )
    .await?;
    let mut model = None;
    for info in screener.models().iter().flat_map(|models| models.classifiers.models()) {
        let manifest = blob(log, model_manifest(info).to_string()).await?;
        let record = Record::Config(ConfigRecord {
            approved_by: Vec::new(),
            digest: digest_of_hex(&info.digest)?,
            manifest: Some(manifest),
            name: info.name.clone(),
            of: ConfigOf::Model,
            version: info.version.clone(),
            x: BTreeMap::default(),
        });
        model = Some(append(log, record).await?);
    }
    let manifest = blob(log, settings_manifest(config)).await?;
    let settings = append(
        log,
        Record::Config(ConfigRecord {
            approved_by: Vec::new(),
            digest: digest_of_hex(&config.digest)?,
            manifest: Some(manifest),
            name: "troth.toml".to_owned(),
            of: ConfigOf::Settings,
            version: "1".to_owned(),
            x: BTreeMap::default(),
        }),
    )
    .await?;
    Ok(ConfigInForce { model, policy, settings })
}

/// Stores a manifest. The disk is waited for, by no thread that others wait for.
async fn blob(log: &Log, manifest: String) -> Result<RecordDigest, String> {
    let log = log.clone();
    let stored = tokio::task::spawn_blocking(move || log.blob(manifest.as_bytes()));
    stored.await.map_err(|fault| fault.to_string())?.map_err(|fault| fault.to_string())
}

async fn append(log: &Log, record: Record) -> Result<u64, String> {
    let pending = log.append(record).map_err(|fault| fault.to_string())?;
    pending.await.map(|sealed| sealed.index).map_err(|fault| fault.to_string())
}

/// What an auditor needs to know of a model: every file by digest.
pub(crate) fn model_manifest(model: &ModelInfo) -> serde_json::Value {
    let files: Vec<_> = model
        .files
        .iter()
        .map(|file| serde_json::json!({ "path": file.path, "sha256": file.sha256 }))
        .collect();
    serde_json::json!({
        "name": model.name,
        "version": model.version,
        "digest": model.digest,
        "labels": model.labels,
        "window": model.window,
        "stride": model.stride,
        "licence": model.licence,
        "files": files,
    })
}

/// What an auditor needs to know of the settings: no address of a principal's
/// key, no credential.
fn settings_manifest(config: &Config) -> String {
    let routes: Vec<_> = config
        .routes
        .iter()
        .map(|route| {
            serde_json::json!({
                "name": route.name,
                "path": route.path,
                "dialect": route.family.as_str(),
                "mode": format!("{:?}", route.mode).to_lowercase(),
                "commit": format!("{:?}", route.commit).to_lowercase(),
                "stream": format!("{:?}", route.stream).to_lowercase(),
                "opaque": format!("{:?}", route.opaque).to_lowercase(),
                "logged": route.log.is_some(),
            })
        })
        .collect();
    let classifiers = config.classifiers.as_ref().map(|classifiers| {
        serde_json::json!({
            "deadline_ms": u64::try_from(classifiers.deadline.as_millis()).unwrap_or(u64::MAX),
            "on_deadline": format!("{:?}", classifiers.on_deadline).to_lowercase(),
        })
    });
    serde_json::json!({ "routes": routes, "classifiers": classifiers }).to_string()
}

fn providers(screener: &Screener) -> Vec<String> {
    let models = screener.models().into_iter().flat_map(|models| models.classifiers.models());
    let mut names: Vec<String> = models
        .filter_map(|model| model.provider.map(|provider| provider.as_str().to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The digest of the running program's own file.
fn program_digest() -> RecordDigest {
    let bytes = std::env::current_exe().and_then(std::fs::read).unwrap_or_default();
    RecordDigest::from(<[u8; 32]>::from(Sha256::digest(bytes)))
}

fn replica() -> String {
    std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "0".to_owned())
}

fn digest_of_hex(text: &str) -> Result<RecordDigest, String> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).map_err(|fault| fault.to_string())?;
    Ok(RecordDigest::from(digest))
}

/// Directories in a bundle.
const BUNDLE_DEPTH: usize = 4;
