//! The rules between records, judged in memory that does not grow with the
//! log: one outcome for each intent, configuration before its use, heartbeats
//! that add up, clocks that never run back.

use std::collections::BTreeMap;

use crate::record::{
    ConfigInForce, ConfigOf, ExchangeKey, Heartbeat, Intent, Outcome, Record, RouteCounters, Stored,
};
use crate::wal::SegmentHeader;

use super::report::{FaultKind, Faults, Report};

/// An intent that waits for its outcome.
#[derive(Debug, Clone)]
struct Open {
    key: ExchangeKey,
    time: u64,
    route: String,
}

/// What one route did since the last `boot`, by its records and by its
/// heartbeats.
#[derive(Debug, Clone, Default)]
struct Route {
    intents: u64,
    outcomes: u64,
    /// Outcomes before the last heartbeat: the next one must know of them.
    settled: u64,
    /// Verdicts that the heartbeats told of.
    verdicts: u64,
    /// Records that they said were dropped.
    dropped: u64,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Semantics {
    longest_exchange: u64,
    time: u64,
    booted: bool,
    closed: bool,
    intents: u64,
    outcomes: u64,
    open: BTreeMap<u64, Open>,
    configs: BTreeMap<u64, ConfigOf>,
    routes: BTreeMap<String, Route>,
    report: Report,
    unknown_told: bool,
}

impl Semantics {
    pub(super) fn new(longest_exchange: u64) -> Self {
        Self { longest_exchange, ..Self::default() }
    }

    /// Follows one record.
    pub(super) fn follow(
        &mut self,
        index: u64,
        stored: &Stored,
        keys: &[String],
        faults: &mut Faults,
    ) {
        if stored.time < self.time {
            faults.add(Some(index), FaultKind::Tampered, "its time lies before the last record's");
        }
        self.time = self.time.max(stored.time);
        self.report.first_time.get_or_insert(stored.time);
        self.report.last_time = Some(stored.time);
        let Some(record) = &stored.record else { return self.unknown(index, faults) };
        count(&mut self.report.records, record.kind());
        self.closed = false;
        match record {
            Record::Boot(boot) => {
                if !keys.contains(&boot.log_key) {
                    let what = "the boot names a log key that the policy does not list";
                    faults.add(Some(index), FaultKind::Tampered, what);
                }
                self.boot(faults);
            }
            Record::Config(config) => {
                if self.configs.len() >= MAX_CONFIGS {
                    self.configs.pop_first();
                }
                self.configs.insert(index, config.of);
            }
            Record::Intent(intent) => self.intent(index, stored.time, intent, faults),
            Record::Outcome(outcome) => self.outcome(index, outcome, faults),
            Record::ToolCall(call) => {
                let key = ExchangeKey::of(&call.exchange);
                if self.open.get(&call.intent).is_none_or(|open| open.key != key) {
                    let what = "the tool call belongs to no open intent";
                    faults.add(Some(index), FaultKind::Tampered, what);
                }
            }
            Record::Test(test) => self.in_force(index, test.config, faults),
            Record::Heartbeat(heartbeat) => self.heartbeat(index, heartbeat, faults),
            Record::Close(close) => {
                if close.intents != self.intents || close.outcomes != self.outcomes {
                    let what = "the final counts are not those of the records";
                    faults.add(Some(index), FaultKind::Tampered, what);
                }
                self.abandon("the log was closed before its outcome", faults);
                self.booted = false;
                self.closed = true;
            }
            _ => {}
        }
    }

    fn unknown(&mut self, index: u64, faults: &mut Faults) {
        self.report.unknown += 1;
        self.closed = false;
        // Counted all, told once.
        if !std::mem::replace(&mut self.unknown_told, true) {
            let what = "a record of a version or kind that this program does not know";
            faults.add(Some(index), FaultKind::Insufficient, what);
        }
    }

    fn boot(&mut self, faults: &mut Faults) {
        // The run before must have ended all of its exchanges, by `abort` if
        // it was killed.
        self.abandon("the log was started again before its outcome", faults);
        self.routes.clear();
        self.booted = true;
    }

    fn abandon(&mut self, what: &str, faults: &mut Faults) {
        for index in std::mem::take(&mut self.open).into_keys() {
            faults.add(
                Some(index),
                FaultKind::Incomplete,
                format!("an intent without outcome: {what}"),
            );
        }
    }

    fn intent(&mut self, index: u64, time: u64, intent: &Intent, faults: &mut Faults) {
        self.intents += 1;
        if !self.booted {
            faults.add(Some(index), FaultKind::Tampered, "an intent before any boot");
        }
        self.in_force(index, intent.config, faults);
        if self.open.len() >= MAX_OPEN
            && let Some((oldest, _)) = self.open.pop_first()
        {
            faults.add(
                Some(oldest),
                FaultKind::Incomplete,
                "an intent without outcome: too many are open",
            );
        }
        if self.routes.len() < MAX_ROUTES || self.routes.contains_key(&intent.route) {
            self.routes.entry(intent.route.clone()).or_default().intents += 1;
        }
        let key = ExchangeKey::of(&intent.exchange);
        self.open.insert(index, Open { key, time, route: intent.route.clone() });
    }

    fn outcome(&mut self, index: u64, outcome: &Outcome, faults: &mut Faults) {
        self.outcomes += 1;
        count(&mut self.report.verdicts, outcome.verdict.as_str());
        let key = ExchangeKey::of(&outcome.exchange);
        match self.open.remove(&outcome.intent) {
            Some(open) if open.key == key => {
                if let Some(route) = self.routes.get_mut(&open.route) {
                    route.outcomes += 1;
                }
            }
            Some(_) => {
                let what = "the outcome names the intent of another exchange";
                faults.add(Some(index), FaultKind::Tampered, what);
            }
            None => {
                let what = "the outcome belongs to no open intent";
                faults.add(Some(index), FaultKind::Tampered, what);
            }
        }
        if outcome.coverage_complete != outcome.covers() {
            let what = "the coverage map does not say what its rows sum to";
            faults.add(Some(index), FaultKind::Tampered, what);
        }
        if !outcome.coverage_complete {
            self.report.coverage_incomplete += 1;
        }
    }

    /// Configuration precedes its use.
    fn in_force(&self, index: u64, config: ConfigInForce, faults: &mut Faults) {
        let named = [
            (Some(config.policy), ConfigOf::Policy),
            (config.model, ConfigOf::Model),
            (Some(config.settings), ConfigOf::Settings),
        ];
        for (at, of) in named {
            if at.is_some_and(|at| self.configs.get(&at) != Some(&of)) {
                let what = "it names a configuration that no record before it declares";
                faults.add(Some(index), FaultKind::Tampered, what);
            }
        }
    }

    fn heartbeat(&mut self, index: u64, heartbeat: &Heartbeat, faults: &mut Faults) {
        for (name, told) in &heartbeat.routes {
            if self.routes.len() >= MAX_ROUTES && !self.routes.contains_key(name) {
                continue;
            }
            let route = self.routes.entry(name.clone()).or_default();
            route.verdicts = route.verdicts.saturating_add(verdicts(told));
            route.dropped = route.dropped.saturating_add(told.dropped);
            if route.verdicts > route.intents.saturating_add(route.dropped) {
                let what = "the heartbeats count more verdicts than there are intents";
                faults.add(Some(index), FaultKind::Incomplete, what);
            }
            if route.verdicts < route.settled {
                let what = "the heartbeats count fewer verdicts than there are outcomes";
                faults.add(Some(index), FaultKind::Incomplete, what);
            }
            if told.dropped > 0 {
                faults.add(Some(index), FaultKind::Incomplete, "records were dropped");
            }
        }
        for route in self.routes.values_mut() {
            route.settled = route.outcomes;
        }
    }

    /// What stands before a segment must be what the records before it say.
    pub(super) fn agrees(&self, header: &SegmentHeader) -> bool {
        let open = header.open.iter().map(|open| (open.index, open.key));
        header.time == self.time
            && header.intents == self.intents
            && header.outcomes == self.outcomes
            && open.eq(self.open.iter().map(|(index, open)| (*index, open.key)))
    }

    /// The end of the log: what is still open, and what was counted.
    pub(super) fn finish(mut self, faults: &mut Faults) -> Report {
        for (index, open) in &self.open {
            if self.time.saturating_sub(open.time) > self.longest_exchange {
                let what = "an intent without outcome, older than the longest exchange";
                faults.add(Some(*index), FaultKind::Incomplete, what);
            } else {
                self.report.open += 1;
            }
        }
        self.report.closed = self.closed;
        self.report
    }
}

/// The exchanges that a heartbeat says have ended.
fn verdicts(told: &RouteCounters) -> u64 {
    let parts =
        [told.allowed, told.flagged, told.redacted, told.blocked, told.errored, told.aborted];
    parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
}

fn count(counts: &mut BTreeMap<String, u64>, what: &str) {
    match counts.get_mut(what) {
        Some(count) => *count += 1,
        None => {
            counts.insert(what.to_owned(), 1);
        }
    }
}

/// Intents that are followed at once; the engine admits no more either.
const MAX_OPEN: usize = 1 << 20;
/// Configurations that are remembered, the newest.
const MAX_CONFIGS: usize = 65_536;
/// Routes that are counted.
const MAX_ROUTES: usize = 65_536;
