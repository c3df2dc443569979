//! One log in use: what is in force, and the counters of its heartbeats.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use troth_attest::{ConfigInForce, Heartbeat, Log, Record, RouteCounters};

/// A log and what its records point at.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    /// The log.
    pub(crate) log: Log,
    /// Records of the configuration in force.
    pub(crate) in_force: ConfigInForce,
    /// Counters since the last heartbeat.
    pub(crate) pulse: Arc<Pulse>,
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
