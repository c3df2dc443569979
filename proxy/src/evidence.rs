//! One log in use: what is in force, and the counters of its heartbeats.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;
use troth_attest::{ConfigInForce, Heartbeat, Log, Record, RouteCounters};

use crate::ledger::EvidenceFault;

/// A log and what its records point at.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    /// The log.
    pub(crate) opened: Opened,
    /// Records of the configuration in force.
    pub(crate) in_force: ConfigInForce,
}

impl std::ops::Deref for Evidence {
    type Target = Opened;

    fn deref(&self) -> &Opened {
        &self.opened
    }
}

/// A log with what lives as long as it is open.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    /// The log.
    pub(crate) log: Log,
    /// Counters since the last heartbeat.
    pub(crate) pulse: Arc<Pulse>,
    /// What a quorum of witnesses has cosigned.
    pub(crate) witnesses: Witnessed,
}

/// Tells how much of a log a quorum of witnesses has cosigned.
#[derive(Debug, Clone)]
pub(crate) struct Witnessed(watch::Receiver<u64>);

impl Witnessed {
    /// A log that nobody has cosigned, and the means to say otherwise.
    pub(crate) fn new() -> (watch::Sender<u64>, Self) {
        let (sender, receiver) = watch::channel(0);
        (sender, Self(receiver))
    }

    /// Waits until the record at `index` is cosigned.
    ///
    /// # Errors
    /// Nobody asks the witnesses any more.
    pub(crate) async fn covered(&mut self, index: u64) -> Result<(), EvidenceFault> {
        let covered = self.0.wait_for(|size| *size > index).await;
        covered.map(drop).map_err(|_| EvidenceFault::Unwitnessed)
    }
}

/// Counters by route since the last heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    routes: Mutex<BTreeMap<String, RouteCounters>>,
    beats: AtomicU64,
}

impl Pulse {
    /// Counts something on `route`.
    pub(crate) fn count(&self, route: &str, count: impl FnOnce(&mut RouteCounters)) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        match routes.get_mut(route) {
            Some(counters) => count(counters),
            None => count(routes.entry(route.to_owned()).or_default()),
        }
    }

    /// The counters so far, as a record; they start again at zero.
    pub(crate) fn beat(&self, queue_depth: u64) -> Record {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        self.beats.fetch_add(1, Ordering::Relaxed);
        let routes = std::mem::take(&mut *routes);
        Record::Heartbeat(Heartbeat { routes, queue_depth, ..Heartbeat::default() })
    }
}
