//! Destroying keys, so that a crash at any moment can only be followed by the
//! rest of it.
//!
//! A plan is durable before the first key goes, names what goes and why, and
//! stays until the log has a record of it. Whoever opens the log next carries
//! out the plans that it finds. Without one, a crash could leave keys that are
//! gone and no record that says so, or a record of keys that are still there.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::PoisonError;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::Day;
use crate::disk;
use crate::json;

use super::{Held, KEYS, MAX_KEY_FILE, TOMBSTONE, Vault, VaultError, day_path, is_pseudonym};

/// Keys of one day that are being destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    day: String,
    /// Random: the record carries it, so that a plan that is carried out again
    /// is recorded once.
    pub(crate) id: String,
    pub(crate) reason: String,
    /// The log's size when the plan was made: its record cannot come before.
    pub(crate) since: u64,
    /// Pseudonyms.
    tenants: Vec<String>,
}

/// The keys of some days.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The tenants who have one, by day.
    pub(crate) keys: BTreeMap<Day, Vec<String>>,
    /// Those that were erased before.
    pub(crate) erased: u64,
}

impl Plan {
    pub(crate) fn new(
        day: Day,
        tenants: Vec<String>,
        reason: &str,
        since: u64,
    ) -> Result<Self, VaultError> {
        let mut id = [0_u8; 16];
        getrandom::fill(&mut id).map_err(|_| VaultError::Random)?;
        let id = URL_SAFE_NO_PAD.encode(id);
        Ok(Self { day: day.to_string(), id, reason: reason.to_owned(), since, tenants })
    }

    pub(crate) fn day(&self) -> Result<Day, VaultError> {
        self.day.parse().map_err(|_| VaultError::Damaged)
    }

    /// How many keys it destroys.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.tenants.len()).unwrap_or(u64::MAX)
    }

    fn path(&self) -> String {
        format!("{PLANS}/{}", self.id)
    }
}

impl Vault {
    /// Which keys there are of these days, of one tenant (a pseudonym) or all.
    /// One that is damaged counts: it is to be destroyed like any other.
    pub(crate) fn find(
        &self,
        tenant: Option<&str>,
        days: &RangeInclusive<Day>,
    ) -> Result<Found, VaultError> {
        let disk = self.disk.as_ref();
        let tenants = match tenant {
            Some(tenant) => vec![tenant.to_owned()],
            None => disk.list(KEYS)?,
        };
        let mut found = Found::default();
        for tenant in tenants.into_iter().filter(|name| is_pseudonym(name)) {
            let names = disk.list(&format!("{KEYS}/{tenant}"))?;
            for day in names.iter().filter_map(|name| name.parse::<Day>().ok()) {
                if !days.contains(&day) {
                    continue;
                }
                match disk.read(&day_path(&tenant, day), MAX_KEY_FILE) {
                    Ok(Some(bytes)) if bytes == TOMBSTONE => found.erased += 1,
                    _ => found.keys.entry(day).or_default().push(tenant.clone()),
                }
            }
        }
        Ok(found)
    }

    /// The plans that were begun and have not come to their end.
    pub(crate) fn plans(&self) -> Result<Vec<Plan>, VaultError> {
        let disk = self.disk.as_ref();
        let mut plans = Vec::new();
        for name in disk.list(PLANS)? {
            // A plan that was never whole was never begun.
            if name.ends_with(".tmp") {
                continue;
            }
            let bytes = disk.read(&format!("{PLANS}/{name}"), MAX_PLAN)?.unwrap_or_default();
            let plan: Plan = json::read(&bytes).map_err(|_| VaultError::Damaged)?;
            if plan.id != name || !plan.tenants.iter().all(|tenant| is_pseudonym(tenant)) {
                return Err(VaultError::Damaged);
            }
            plans.push(plan);
        }
        Ok(plans)
    }

    /// Makes a plan durable. From here on it is carried out, whatever crashes.
    pub(crate) fn begin(&self, plan: &Plan) -> Result<(), VaultError> {
        let mut bytes = Vec::new();
        json::write(plan, &mut bytes).map_err(|_| VaultError::Damaged)?;
        disk::ensure_directory(self.disk.as_ref(), PLANS)?;
        Ok(disk::write_durably(self.disk.as_ref(), &plan.path(), &bytes)?)
    }

    /// Destroys the plan's keys: on the disk, and in memory. A tombstone takes
    /// each one's name, synced with its directory; what was there is unlinked.
    ///
    /// Done again it does the same again: a tombstone that is there may be in
    /// the page cache only.
    pub(crate) fn bury(&self, plan: &Plan) -> Result<(), VaultError> {
        let day = plan.day()?;
        for tenant in &plan.tenants {
            disk::ensure_directory(self.disk.as_ref(), &format!("{KEYS}/{tenant}"))?;
            let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
            days.remove(&(tenant.clone(), day));
            disk::write_durably(self.disk.as_ref(), &day_path(tenant, day), TOMBSTONE)?;
            days.insert((tenant.clone(), day), Held::Erased);
        }
        Ok(())
    }

    /// Forgets a plan that the log has a record of.
    pub(crate) fn end(&self, plan: &Plan) -> Result<(), VaultError> {
        self.disk.remove(&plan.path())?;
        Ok(disk::sync_directory(self.disk.as_ref(), PLANS)?)
    }
}

const PLANS: &str = "vault/erasing";
/// A plan holds 25 bytes for each tenant.
const MAX_PLAN: u64 = 64 * 1024 * 1024;
