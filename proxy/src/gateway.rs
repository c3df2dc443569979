//! All that an exchange needs, swapped whole when the configuration changes.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use troth_policies::Principal;

use crate::{
    approval::Desk,
    body::Budget,
    config::{Config, Limits, Route},
    evidence::Evidence,
    screener::Screener,
    tasks::Tasks,
    upstream::Client,
};

/// One configuration at work.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// What is configured.
    pub(crate) config: Config,
    /// Detectors.
    pub(crate) screener: Screener,
    /// Logs, in the order of the configuration.
    pub(crate) evidence: Vec<Evidence>,
    /// Connections to upstreams.
    pub(crate) client: Client,
    /// What outlives a configuration.
    pub(crate) shared: Shared,
}

/// What stays when the configuration changes.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// All tasks.
    pub(crate) tasks: Tasks,
    /// Exchanges under way.
    pub(crate) exchanges: Arc<Semaphore>,
    /// Bytes of bodies.
    pub(crate) budget: Budget,
    /// Tool calls that wait for a person.
    pub(crate) desk: Desk,
}

impl Gateway {
    /// The route for `path`: the longest prefix that ends at a segment.
    pub(crate) fn route(&self, path: &str) -> Option<&Arc<Route>> {
        self.config.routes.iter().find(|route| {
            path.strip_prefix(route.path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Who presents `key`; `None` is nobody.
    pub(crate) fn principal(&self, key: Option<&[u8]>) -> Option<Arc<Principal>> {
        if self.config.principals.is_empty() {
            return Some(Arc::new(Principal::anonymous()));
        }
        let digest: [u8; 32] = Sha256::digest(key?).into();
        // All are compared, each in constant time: how long it takes tells
        // nothing of which one it was.
        let mut found = None;
        for known in &self.config.principals {
            if bool::from(known.key_sha256.ct_eq(&digest)) {
                found = Some(known.principal.clone());
            }
        }
        found
    }

    /// The log of `route`.
    pub(crate) fn evidence(&self, route: &Route) -> Option<&Evidence> {
        route.log.and_then(|index| self.evidence.get(index))
    }

    /// Bounds.
    pub(crate) const fn limits(&self) -> &Limits {
        &self.config.limits
    }
}
