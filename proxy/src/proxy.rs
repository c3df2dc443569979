//! A running proxy: listeners, heartbeats, reload, and an end in order.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::Signal,
    sync::mpsc,
};
use troth_attest::{AppendError, Log};

use crate::{
    admin::{AdminService, Reload},
    boot::{self, BootFault},
    config::{Admin, Config, LogSettings},
    evidence::{Opened, Witnessed},
    gateway::Gateway,
    receipts,
    server::{self, InForce},
    tasks::Tasks,
    upstream::Client,
    witness::{Circle, Witnesses},
};

/// A proxy that serves.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where applications reach it.
    pub(crate) address: SocketAddr,
    in_force: InForce,
    tasks: Tasks,
    /// Those that ask witnesses: they outlive the others, since the last
    /// records want cosigning too.
    askers: Tasks,
    reloads: mpsc::Receiver<Reload>,
    path: PathBuf,
    drain: Duration,
    socket: Option<PathBuf>,
}

impl Proxy {
    /// Starts with the configuration that was read from `path`.
    ///
    /// # Errors
    /// Whatever keeps it from serving; nothing is served then.
    pub(crate) async fn start(path: &Path, config: Config) -> Result<Self, BootFault> {
        let tasks = Tasks::default();
        let detectors = boot::screener(&config)?;
        let tls = config.listen.tls.as_ref().map(server::acceptor).transpose()?;
        let listener = bind(config.listen.address).await?;
        let askers = Tasks::default();
        let mut logs = Vec::new();
        for settings in &config.logs {
            let (log, asking, witnesses) = open(settings, &config).await?;
            if let Some(asking) = asking {
                askers.spawn("witnesses", asking.run(askers.clone()));
            }
            logs.push(Opened { log, pulse: Arc::default(), witnesses });
        }
        let shared = boot::shared(&config, tasks.clone());
        let drain = config.limits.drain_timeout();
        let gateway = boot::gateway(config, logs, detectors, shared, true).await?;
        let in_force: InForce = Arc::new(ArcSwap::from_pointee(gateway));
        let gateway = in_force.load_full();
        let address = local(&listener)?;
        server::announce("proxy", address);
        let (reload, reloads) = mpsc::channel(4);
        let socket = admin(&gateway, &in_force, &tasks, reload).await?;
        for (settings, evidence) in gateway.config.logs.iter().zip(&gateway.evidence) {
            if let Some(address) = settings.publish {
                publish(address, evidence.log.clone(), &gateway, &tasks).await?;
            }
        }
        tasks.spawn("heartbeat", heartbeat(in_force.clone(), tasks.clone()));
        let applications =
            server::serve_applications(listener, tls, in_force.clone(), tasks.clone());
        tasks.spawn("applications", applications);
        let path = path.to_owned();
        Ok(Self { address, in_force, tasks, askers, reloads, path, drain, socket })
    }

    /// Serves reloads until `stop` resolves.
    pub(crate) async fn until(&mut self, stop: impl Future<Output = ()>, mut hup: Signal) {
        tokio::pin!(stop);
        loop {
            let asked = tokio::select! {
                () = &mut stop => return,
                Some(()) = hup.recv() => None,
                Some(answer) = self.reloads.recv() => Some(answer),
            };
            // A stop waits for no reload; who asked for it learns that nobody
            // will answer.
            let reloaded = tokio::select! {
                () = &mut stop => return,
                reloaded = self.reload() => reloaded,
            };
            match &reloaded {
                Ok(what) => tracing::info!("{what}"),
                Err(fault) => tracing::error!(%fault, "not reloaded; the old one stays"),
            }
            if let Some(answer) = asked {
                // The one who asked may have gone.
                drop(answer.send(reloaded.map_err(|fault| fault.to_string())));
            }
        }
    }

    /// Swaps the configuration whole, or keeps the old one.
    async fn reload(&self) -> Result<String, BootFault> {
        let config = boot::configuration(&self.path)?;
        let old = self.in_force.load_full();
        same(&old.config, &config)?;
        // Bundles are compiled and models loaded for seconds: not on a thread
        // that others wait for.
        let ready = tokio::task::spawn_blocking(move || {
            boot::screener(&config).map(|detectors| (config, detectors))
        });
        let (config, detectors) =
            ready.await.map_err(|fault| BootFault::Process(fault.to_string()))??;
        let logs = old.evidence.iter().map(|one| one.opened.clone()).collect();
        let shared = boot::reshared(&old, &config);
        let patience = config.limits.commit_timeout();
        let new = boot::gateway(config, logs, detectors, shared, false);
        let new = tokio::time::timeout(patience, new).await.map_err(|_| BootFault::Stalled)??;
        let digest = new.config.digest.clone();
        let bundle = new.screener.bundle().digest().into();
        self.in_force.store(Arc::new(new));
        old.shared.desk.keep_bundle(bundle);
        Ok(format!("configuration {digest} is in force"))
    }

    /// Stops accepting, finishes what is under way, closes the logs.
    pub(crate) async fn stop(self) -> Result<(), String> {
        let gateway = self.in_force.load_full();
        // A little longer than the listener's own bound, for the last outcomes.
        let drained = self.tasks.drain(self.drain + AFTER_DRAIN).await;
        if let Some(socket) = &self.socket {
            drop(std::fs::remove_file(socket));
        }
        let mut faults = Vec::new();
        for (settings, evidence) in gateway.config.logs.iter().zip(&gateway.evidence) {
            match tokio::time::timeout(AFTER_DRAIN, last_beat(evidence)).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => tracing::warn!(%fault, "no last heartbeat"),
                Err(_) => tracing::warn!("no last heartbeat in time"),
            }
            let log = evidence.log.clone();
            let closed = tokio::task::spawn_blocking(move || log.close()).await;
            match closed {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => faults.push(format!("log `{}`: {fault}", settings.name)),
                Err(fault) => faults.push(format!("log `{}`: {fault}", settings.name)),
            }
        }
        if !self.askers.drain(AFTER_DRAIN).await {
            tracing::warn!("the last head was not offered to every witness");
        }
        if !drained {
            faults.push("some exchanges did not end in time".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }
}

/// Opens a log, once its witnesses have been asked what they saw of it: opening
/// signs what a crash left to be said, and signing on where one of them has seen
/// what the log no longer has would fork it. Whoever gets the witnesses lets
/// them run.
pub(crate) async fn open(
    settings: &LogSettings,
    config: &Config,
) -> Result<(Log, Option<Witnesses>, Witnessed), BootFault> {
    let circle = match boot::witnesses(settings)? {
        None => None,
        Some(policy) => {
            let client = Client::new(&config.limits);
            let timeout = settings.witness_timeout;
            let mut circle = Circle::new(&settings.origin, policy, client, timeout);
            let name = settings.name.clone();
            let checked = circle.check(&settings.directory).await;
            checked.map_err(|fault| BootFault::Witness { name, fault })?;
            Some(circle)
        }
    };
    let log = boot::log(settings)?;
    let (cosigned, witnessed) = Witnessed::new();
    let interval = settings.publish_interval;
    let witnesses = circle.map(|circle| Witnesses::new(log.clone(), circle, interval, cosigned));
    Ok((log, witnesses, witnessed))
}

/// What a reload cannot change.
fn same(old: &Config, new: &Config) -> Result<(), BootFault> {
    if old.listen.address != new.listen.address || old.listen.tls != new.listen.tls {
        return Err(BootFault::NeedsRestart { what: "`[listen]`" });
    }
    if old.logs != new.logs {
        return Err(BootFault::NeedsRestart { what: "`[[log]]`" });
    }
    if old.admin != new.admin {
        return Err(BootFault::NeedsRestart { what: "`[admin]`" });
    }
    let sockets = |config: &Config| {
        let limits = &config.limits;
        let heads = (limits.headers, limits.header_bytes, limits.header_timeout_ms);
        (limits.connections, heads, limits.write_timeout_ms)
    };
    if sockets(old) != sockets(new) {
        let what = "`limits.connections`, `limits.write_timeout_ms` and the limits of headers";
        return Err(BootFault::NeedsRestart { what });
    }
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, BootFault> {
    server::bind(address)
        .await
        .map_err(|fault| BootFault::Bind { address: address.to_string(), fault })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, BootFault> {
    listener.local_addr().map_err(|fault| BootFault::Bind { address: "?".to_owned(), fault })
}

/// Starts the admin listener; returns its socket's path, where it has one.
async fn admin(
    gateway: &Arc<Gateway>,
    in_force: &InForce,
    tasks: &Tasks,
    reload: mpsc::Sender<Reload>,
) -> Result<Option<PathBuf>, BootFault> {
    let Some(settings) = &gateway.config.admin else { return Ok(None) };
    let metrics = crate::admin::recorder().map_err(BootFault::Process)?;
    let token = match settings {
        Admin::Socket(_) => None,
        Admin::Tcp { token, .. } => Some(token.clone()),
    };
    let service = Arc::new(AdminService { in_force: in_force.clone(), reload, metrics, token });
    let answer = move |request| {
        let service = service.clone();
        async move { Ok(service.answer(request).await) }
    };
    let limits = gateway.limits().clone();
    match settings {
        Admin::Tcp { address, .. } => {
            let listener = bind(*address).await?;
            server::announce("admin", local(&listener)?);
            tasks.spawn("admin", server::serve_small(listener, limits, tasks.clone(), answer));
            Ok(None)
        }
        Admin::Socket(path) => {
            let listener = socket(path)?;
            server::announce("admin", path.display());
            tasks.spawn("admin", server::serve_small(listener, limits, tasks.clone(), answer));
            Ok(Some(path.clone()))
        }
    }
}

/// A Unix socket that only its owner may use. One that a dead process left is
/// replaced; one that somebody answers is not.
fn socket(path: &Path) -> Result<UnixListener, BootFault> {
    let failed = |fault| BootFault::Bind { address: path.display().to_string(), fault };
    if path.exists() && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

async fn publish(
    address: SocketAddr,
    log: Log,
    gateway: &Gateway,
    tasks: &Tasks,
) -> Result<(), BootFault> {
    let listener = bind(address).await?;
    server::announce("publish", local(&listener)?);
    let answer = move |request: http::Request<hyper::body::Incoming>| {
        let log = log.clone();
        async move {
            // Tiles are read from disk: not on a thread that others wait for.
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let read =
                tokio::task::spawn_blocking(move || receipts::published(&log, &method, &path));
            Ok(read
                .await
                .unwrap_or_else(|_| crate::rescue::respond(&crate::fault::Fault::Internal, None)))
        }
    };
    let limits = gateway.limits().clone();
    tasks.spawn("publish", server::serve_small(listener, limits, tasks.clone(), answer));
    Ok(())
}

/// Writes the counters into each log, every ten seconds.
async fn heartbeat(in_force: InForce, tasks: Tasks) {
    let mut ticks = tokio::time::interval(HEARTBEAT);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = tasks.stopped() => return,
            _ = ticks.tick() => {}
        }
        for evidence in &in_force.load().evidence {
            // Each by itself: a log that stalls must not silence the others.
            let opened = evidence.opened.clone();
            tasks.spawn("beat", async move {
                if let Err(fault) = opened.beat().await {
                    tracing::warn!(%fault, "no heartbeat; the next one tells it all");
                }
            });
        }
    }
}

/// No other follows, so a full queue is waited for.
async fn last_beat(opened: &Opened) -> Result<(), AppendError> {
    loop {
        match opened.beat().await {
            Err(AppendError::QueueFull) => tokio::time::sleep(QUEUE_RETRY).await,
            done => return done,
        }
    }
}

const HEARTBEAT: Duration = Duration::from_secs(10);
const QUEUE_RETRY: Duration = Duration::from_millis(5);
const AFTER_DRAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
