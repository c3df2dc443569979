//! Which keys a log says that it was signed with, over its life.
//!
//! A verifier believes the keys of its policy file and no others. Where a log's
//! key has changed, its `boot` records name some that are not in the file, older
//! or newer: changes that both keys of each signed must lead from such a key to
//! one of the file, or from one of the file to it. That makes no other key
//! believed; it only explains why it is there.

use std::collections::BTreeMap;

use crate::record::KeyChange;
use crate::verify::report::{FaultKind, Faults};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyHistory {
    /// Keys that the policy does not list, with the first record that names
    /// them.
    strangers: BTreeMap<String, u64>,
    /// Changes that hold, in order.
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
struct Change {
    index: u64,
    old: String,
    new: String,
}

impl KeyHistory {
    /// A `boot` names a key.
    pub(super) fn named(&mut self, index: u64, key: &str, listed: &[String], faults: &mut Faults) {
        if listed.iter().any(|known| known == key) || self.strangers.contains_key(key) {
            return;
        }
        if self.strangers.len() >= MAX_KEYS {
            faults.add(Some(index), FaultKind::Tampered, STRANGER);
            return;
        }
        self.strangers.insert(key.to_owned(), index);
    }

    /// A `key` record.
    pub(super) fn changed(&mut self, index: u64, change: &KeyChange, faults: &mut Faults) {
        if !change.holds() {
            let what = "the change of keys is not signed by both keys";
            faults.add(Some(index), FaultKind::Tampered, what);
        } else if self.changes.len() < MAX_KEYS {
            let (old, new) = (change.old.clone(), change.new.clone());
            self.changes.push(Change { index, old, new });
        }
    }

    /// The end of the log: whatever leads nowhere.
    pub(super) fn conclude(&self, listed: &[String], faults: &mut Faults) {
        for (key, index) in &self.strangers {
            let after = self.changes.iter().filter(|change| change.index > *index);
            let before = self.changes.iter().filter(|change| change.index < *index);
            let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
            let forward = reach(after, vec![key]);
            let explained = listed.iter().any(|known| forward.contains(known))
                || reach(before, listed).contains(&key.as_str());
            if !explained {
                faults.add(Some(*index), FaultKind::Tampered, STRANGER);
            }
        }
    }
}

/// The keys that changes lead to from these. Changes only lead forward, so one
/// pass in order is enough.
fn reach<'a>(changes: impl Iterator<Item = &'a Change>, mut from: Vec<&'a str>) -> Vec<&'a str> {
    for change in changes {
        if from.contains(&change.old.as_str()) {
            from.push(&change.new);
        }
    }
    from
}

const STRANGER: &str = "the boot names a log key that the policy does not list";
/// Keys and changes that are followed; a log has few.
const MAX_KEYS: usize = 1024;
