//! Erasure: a day's keys are destroyed, and the log says so.
//!
//! The order is plan, keys, record. A crash before the plan is durable leaves
//! all as it was; one after it is followed by the rest at the next start, or
//! when the command is run again, with one record all the same.

use std::thread;
use std::time::Duration;

use thiserror::Error;

use crate::clock::Day;
use crate::record::{Erasure, Record, Stored};
use crate::vault::{Plan, VaultError};

use super::shared::{Shared, lock};
use super::{AppendError, TENANT};

/// What is to be erased: keys of tenants' days, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erase {
    /// Whose, by the tenant's plain name; everybody's when there is none.
    pub tenant: Option<String>,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// Why. It stays in the log for ever: no name, no content.
    pub reason: String,
    /// Whether today may be among the days. What still comes of it is then
    /// committed to under keys that nobody keeps: no receipt of it opens.
    pub today: bool,
}

/// Keys that were destroyed, as the log's record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Their day.
    pub day: Day,
    /// How many.
    pub count: u64,
    /// The index of the record.
    pub index: u64,
}

/// What an erasure came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasures {
    /// What was destroyed now, or had been begun before and ended now.
    pub done: Vec<Erased>,
    /// Keys of these days that had been destroyed before.
    pub before: u64,
}

/// Why keys were not erased.
#[derive(Debug, Error)]
pub enum EraseError {
    /// The last day lies before the first.
    #[error("the last day lies before the first")]
    Range,
    /// A day that has not come.
    #[error("`{0}` has not come yet (days are UTC)")]
    Future(Day),
    /// Today is not over, and nobody said that it may go.
    #[error(
        "`{0}` is today (UTC) and not over: nothing that still comes of it could be opened, so \
         today must be asked for by name"
    )]
    Today(Day),
    /// The reason does not belong in a record.
    #[error("the reason is longer than {MAX_REASON_BYTES} bytes, or holds a control character")]
    Reason,
    /// There is no such key, and there was none.
    #[error("there is no key of these days: nothing to erase")]
    Nothing,
    /// The side store.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The log takes no record. What was begun is ended when it does: at the
    /// next start, or when this is asked for again.
    #[error("the log takes no record of the erasure, which must be asked for again: {0}")]
    Append(#[from] AppendError),
    /// The file system.
    #[error("cannot read the log")]
    Io(#[from] std::io::Error),
}

impl Shared {
    /// See [`Log::erase`](crate::Log::erase).
    pub(super) fn erase(&self, erase: &Erase) -> Result<Erasures, EraseError> {
        let today = Day::of_millis(self.clock.now_micros() / 1000);
        if erase.from > erase.to {
            return Err(EraseError::Range);
        }
        if erase.to > today {
            return Err(EraseError::Future(erase.to));
        }
        if erase.to == today && !erase.today {
            return Err(EraseError::Today(today));
        }
        if erase.reason.len() > MAX_REASON_BYTES || erase.reason.chars().any(char::is_control) {
            return Err(EraseError::Reason);
        }
        // A log that takes no record is no place to destroy keys in.
        if let Some(what) = self.failure() {
            return Err(AppendError::Failed(what).into());
        }
        let _one = lock(&self.vault.erasing);
        let mut done = self.finish_plans()?;
        let tenant = erase.tenant.as_ref().map(|tenant| self.vault.pseudonym(TENANT, tenant));
        let found = self.vault.find(tenant.as_deref(), &(erase.from..=erase.to))?;
        if found.keys.is_empty() && found.erased == 0 && done.is_empty() {
            return Err(EraseError::Nothing);
        }
        for (day, tenants) in found.keys {
            let since = self.read_tail(|tail| tail.head().size);
            let plan = Plan::new(day, tenants, &erase.reason, since)?;
            self.vault.begin(&plan)?;
            done.push(self.carry_out(&plan)?);
        }
        Ok(Erasures { done, before: found.erased })
    }

    /// Carries out what an earlier run had begun.
    pub(super) fn finish_erasures(&self) -> Result<Vec<Erased>, EraseError> {
        let _one = lock(&self.vault.erasing);
        self.finish_plans()
    }

    fn finish_plans(&self) -> Result<Vec<Erased>, EraseError> {
        self.vault.plans()?.iter().map(|plan| self.carry_out(plan)).collect()
    }

    /// Destroys, records, forgets the plan. May be done again after any step.
    fn carry_out(&self, plan: &Plan) -> Result<Erased, EraseError> {
        let (day, count) = (plan.day()?, plan.count());
        self.vault.bury(plan)?;
        let index = match self.recorded(plan)? {
            Some(index) => index,
            None => self.record(Record::Erasure(Erasure {
                count,
                day: day.to_string(),
                id: plan.id.clone(),
                reason: plan.reason.clone(),
                ..Erasure::default()
            }))?,
        };
        self.vault.end(plan)?;
        Ok(Erased { day, count, index })
    }

    /// Where the log says that this plan was carried out.
    fn recorded(&self, plan: &Plan) -> Result<Option<u64>, EraseError> {
        let size = self.read_tail(|tail| tail.head().size);
        for index in plan.since..size {
            match Stored::parse(&self.entry(index)?).map(|stored| stored.record) {
                Ok(Some(Record::Erasure(erasure))) if erasure.id == plan.id => {
                    return Ok(Some(index));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Appends a record and waits for it; a full queue is waited for too, for
    /// a while: it drains at each group.
    fn record(&self, record: Record) -> Result<u64, AppendError> {
        let mut tries = 0;
        loop {
            match self.append(record.clone()) {
                Err(AppendError::QueueFull) if tries < QUEUE_TRIES => tries += 1,
                pending => return Ok(pending?.wait()?.index),
            }
            thread::sleep(QUEUE_PAUSE);
        }
    }
}

/// No reason is longer.
const MAX_REASON_BYTES: usize = 512;
const QUEUE_TRIES: u32 = 100;
const QUEUE_PAUSE: Duration = Duration::from_millis(10);
