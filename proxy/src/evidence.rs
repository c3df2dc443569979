//! One log in use: what is in force, and the counters of its heartbeats.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;
use troth_attest::{AppendError, ConfigInForce, Heartbeat, Log, Record, RouteCounters};

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

impl Opened {
    /// Enters the counters so far into the log and waits until they are durable.
    /// What the log did not take is counted again in the next heartbeat: an
    /// auditor adds them up, and a gap would look like exchanges left out.
    ///
    /// # Errors
    /// The log took no heartbeat.
    pub(crate) async fn beat(&self) -> Result<(), AppendError> {
        let heartbeat = self.pulse.beat(self.log.status().queue_depth as u64);
        let routes = heartbeat.routes.clone();
        let appended = match self.log.append(Record::Heartbeat(heartbeat)) {
            Ok(pending) => pending.await.map(drop),
            Err(fault) => Err(fault),
        };
        if appended.is_err() {
            self.pulse.put_back(routes);
        }
        appended
    }
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

    /// The counters so far; they start again at zero.
    fn beat(&self, queue_depth: u64) -> Heartbeat {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        self.beats.fetch_add(1, Ordering::Relaxed);
        let routes = std::mem::take(&mut *routes);
        Heartbeat { routes, queue_depth, ..Heartbeat::default() }
    }

    /// Counts again what no heartbeat has told.
    fn put_back(&self, untold: BTreeMap<String, RouteCounters>) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        for (route, counters) in untold {
            add(routes.entry(route).or_default(), counters);
        }
    }
}

/// Taken apart by name, so that no counter that comes later is forgotten here.
fn add(sum: &mut RouteCounters, more: RouteCounters) {
    let RouteCounters {
        aborted,
        accepted,
        allowed,
        blocked,
        dropped,
        errored,
        fail_open,
        flagged,
        forwarded,
        redacted,
        refused,
        shadowed,
    } = more;
    sum.aborted += aborted;
    sum.accepted += accepted;
    sum.allowed += allowed;
    sum.blocked += blocked;
    sum.dropped += dropped;
    sum.errored += errored;
    sum.fail_open += fail_open;
    sum.flagged += flagged;
    sum.forwarded += forwarded;
    sum.redacted += redacted;
    sum.refused += refused;
    sum.shadowed += shadowed;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn what_no_heartbeat_told_is_told_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let opened = testing::opened(directory.path());
        opened.pulse.count("a", |route| route.accepted += 2);
        opened.beat().await.unwrap();
        assert_eq!(opened.pulse.beat(0).routes.len(), 0);
        opened.pulse.count("a", |route| route.accepted += 3);
        opened.log.close().unwrap();
        opened.beat().await.unwrap_err();
        opened.pulse.count("a", |route| route.accepted += 1);
        let told = opened.pulse.beat(0).routes;
        assert_eq!(told["a"], RouteCounters { accepted: 4, ..RouteCounters::default() });
    }
}
