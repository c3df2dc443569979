//! The rules between records, judged in memory that does not grow with the
//! log: one outcome for each intent, configuration before its use, heartbeats
//! that add up, clocks that never run back, one call for each approval.

mod approvals;
mod keys;

use std::collections::BTreeMap;

use crate::hash::Digest;
use crate::record::{
    Approval, ConfigInForce, ConfigOf, ExchangeKey, Fact, Facts, Heartbeat, PrincipalKey, Record,
    RecordVerdict, RouteCounters, Statement, StatementKind, Used,
};
use crate::wal::SegmentHeader;

use super::report::{FaultKind, Faults, Report};

use approvals::{Approvals, Caller, LATENESS, Misuse};
use keys::KeyHistory;

/// An intent that waits for its outcome.
#[derive(Debug, Clone)]
struct Open {
    key: ExchangeKey,
    time: u64,
    principal: PrincipalKey,
    /// Index of the bundle in force.
    policy: u64,
    /// Its route's place, where it is counted.
    route: Option<usize>,
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
    /// The log's, from its verified checkpoint.
    origin: String,
    time: u64,
    booted: bool,
    closed: bool,
    ended: bool,
    end_told: bool,
    intents: u64,
    outcomes: u64,
    open: BTreeMap<u64, Open>,
    configs: BTreeMap<u64, (ConfigOf, Digest)>,
    /// What was in force last, and is declared.
    in_force: Option<ConfigInForce>,
    /// The places of routes, by their names.
    names: BTreeMap<String, usize>,
    routes: Vec<Route>,
    calls: u64,
    verdicts: BTreeMap<RecordVerdict, u64>,
    keys: KeyHistory,
    approvals: Approvals,
    report: Report,
    unknown_told: bool,
}

impl Semantics {
    pub(super) fn new(longest_exchange: u64) -> Self {
        Self { longest_exchange, ..Self::default() }
    }

    /// Which log this is: statements are signed for one.
    pub(super) fn belongs_to(&mut self, origin: &str) {
        origin.clone_into(&mut self.origin);
    }

    /// Follows one record.
    pub(super) fn follow<Route: AsRef<str>>(
        &mut self,
        index: u64,
        facts: &Facts<Route>,
        keys: &[String],
        faults: &mut Faults,
    ) {
        if facts.time < self.time {
            faults.add(Some(index), FaultKind::Tampered, "its time lies before the last record's");
        }
        self.time = self.time.max(facts.time);
        self.report.first_time.get_or_insert(facts.time);
        self.report.last_time = Some(facts.time);
        self.closed = false;
        if self.ended && !std::mem::replace(&mut self.end_told, true) {
            faults.add(Some(index), FaultKind::Tampered, "a record after the log's end");
        }
        match &facts.fact {
            Fact::Unknown => self.unknown(index, faults),
            Fact::Intent { key, principal, route, config } => {
                let open = Open {
                    key: *key,
                    time: facts.time,
                    principal: *principal,
                    policy: config.policy,
                    route: self.route(route.as_ref()),
                };
                self.intent(index, open, *config, faults);
            }
            Fact::Outcome { key, intent, verdict, complete, covers } => {
                self.outcomes += 1;
                *self.verdicts.entry(*verdict).or_default() += 1;
                self.outcome(index, *intent, *key, faults);
                if complete != covers {
                    let what = "the coverage map does not say what its rows sum to";
                    faults.add(Some(index), FaultKind::Tampered, what);
                }
                if !complete {
                    self.report.coverage_incomplete += 1;
                }
            }
            Fact::Call { key, intent, used } => {
                self.calls += 1;
                if let Some(used) = used {
                    self.used(index, *intent, used, faults);
                }
                if self.open.get(intent).is_none_or(|open| open.key != *key) {
                    let what = "the tool call belongs to no open intent";
                    faults.add(Some(index), unless(self.report.unknown, FaultKind::Tampered), what);
                }
            }
            Fact::Other(record) => self.other(index, record, keys, faults),
        }
    }

    fn other(&mut self, index: u64, record: &Record, keys: &[String], faults: &mut Faults) {
        *self.report.records.entry(record.kind().to_owned()).or_default() += 1;
        match record {
            Record::Boot(boot) => {
                self.keys.named(index, &boot.log_key, keys, faults);
                self.boot(faults);
            }
            Record::Config(config) => {
                if self.configs.len() >= MAX_CONFIGS {
                    self.configs.pop_first();
                    self.in_force = None;
                }
                self.configs.insert(index, (config.of, config.digest));
            }
            Record::Approval(approval) => self.approval(index, approval, keys, faults),
            Record::Key(change) => self.keys.changed(index, change, faults),
            Record::Erasure(erasure) => {
                self.report.erased = self.report.erased.saturating_add(erasure.count);
            }
            Record::Test(test) => self.in_force(index, test.config, faults),
            Record::Heartbeat(heartbeat) => self.heartbeat(index, heartbeat, faults),
            Record::Close(close) => {
                if close.intents != self.intents || close.outcomes != self.outcomes {
                    let what = "the final counts are not those of the records";
                    faults.add(Some(index), unless(self.report.unknown, FaultKind::Tampered), what);
                }
                self.abandon("the log was closed before its outcome", faults);
                self.booted = false;
                self.closed = true;
                self.ended |= close.end;
            }
            _ => {
                if let Some((kind, statement)) = record.statement() {
                    self.statement(index, kind, statement, keys, faults);
                }
            }
        }
    }

    /// A statement is its signatory's, of now, and of what stands before it.
    fn statement(
        &self,
        index: u64,
        kind: StatementKind,
        statement: &Statement,
        keys: &[String],
        faults: &mut Faults,
    ) {
        let signed = self.origin_where(keys, |origin| statement.check(kind, origin).is_ok());
        let held = statement
            .check(kind, signed.unwrap_or(&self.origin))
            .and_then(|()| statement.check_place(index, self.time, STATEMENT_TOLERANCE));
        if let Err(fault) = held {
            faults.add(Some(index), FaultKind::Tampered, fault.to_string());
        }
    }

    /// The origin of this log for which `holds` is true. Without a checkpoint
    /// that holds, which is a fault of its own, any log of the policy may be
    /// meant.
    fn origin_where<'a>(
        &self,
        keys: &'a [String],
        holds: impl Fn(&str) -> bool,
    ) -> Option<&'a str> {
        let named = keys.iter().filter_map(|key| key.split('+').next());
        let origin = Some(self.origin.as_str()).filter(|origin| !origin.is_empty());
        let mut origins = named.filter(|name| origin.is_none_or(|origin| origin == *name));
        origins.find(|origin| holds(origin))
    }

    /// An approval is its approver's, of its time, and the only one of its call.
    fn approval(&mut self, index: u64, approval: &Approval, keys: &[String], faults: &mut Faults) {
        let signed = self.origin_where(keys, |origin| approval.check(origin).is_ok());
        let held = approval
            .check(signed.unwrap_or(&self.origin))
            .and_then(|()| approval.check_time(self.time, LATENESS));
        if let Err(fault) = held {
            faults.add(Some(index), FaultKind::Tampered, fault.to_string());
            return;
        }
        if let Err(what) = self.approvals.give(approval, self.time) {
            faults.add(Some(index), FaultKind::Tampered, what);
        }
    }

    /// A call that passed with an approval. Whether it belongs to its intent is
    /// another question.
    fn used(&mut self, index: u64, intent: u64, used: &Used, faults: &mut Faults) {
        let Some(open) = self.open.get(&intent) else { return };
        let bundle = self.configs.get(&open.policy).map(|(_, digest)| *digest);
        let caller = Caller { principal: open.principal, bundle };
        match self.approvals.used(used, caller, self.time) {
            Ok(()) => {}
            Err(Misuse::Wrong(what)) => faults.add(Some(index), FaultKind::Tampered, what),
            Err(Misuse::Missing) => {
                let what = "the tool call passed with an approval that no record before it gives";
                let unknown = self.report.unknown + u64::from(self.approvals.has_forgotten());
                faults.add(Some(index), unless(unknown, FaultKind::Tampered), what);
            }
        }
    }

    /// The place of a route; none when there are too many.
    fn route(&mut self, name: &str) -> Option<usize> {
        if let Some(place) = self.names.get(name) {
            return Some(*place);
        }
        if self.routes.len() >= MAX_ROUTES {
            return None;
        }
        self.names.insert(name.to_owned(), self.routes.len());
        self.routes.push(Route::default());
        Some(self.routes.len() - 1)
    }

    fn unknown(&mut self, index: u64, faults: &mut Faults) {
        self.report.unknown += 1;
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
        self.names.clear();
        self.routes.clear();
        self.booted = true;
    }

    fn abandon(&mut self, what: &str, faults: &mut Faults) {
        let kind = unless(self.report.unknown, FaultKind::Incomplete);
        for index in std::mem::take(&mut self.open).into_keys() {
            faults.add(Some(index), kind, format!("an intent without outcome: {what}"));
        }
    }

    fn intent(&mut self, index: u64, open: Open, config: ConfigInForce, faults: &mut Faults) {
        self.intents += 1;
        if !self.booted {
            let kind = unless(self.report.unknown, FaultKind::Tampered);
            faults.add(Some(index), kind, "an intent before any boot");
        }
        self.in_force(index, config, faults);
        if self.open.len() >= MAX_OPEN
            && let Some((oldest, _)) = self.open.pop_first()
        {
            faults.add(
                Some(oldest),
                FaultKind::Incomplete,
                "an intent without outcome: too many are open",
            );
        }
        if let Some(route) = open.route.and_then(|place| self.routes.get_mut(place)) {
            route.intents += 1;
        }
        self.open.insert(index, open);
    }

    fn outcome(&mut self, index: u64, intent: u64, key: ExchangeKey, faults: &mut Faults) {
        match self.open.remove(&intent) {
            Some(open) if open.key == key => {
                if let Some(route) = open.route.and_then(|place| self.routes.get_mut(place)) {
                    route.outcomes += 1;
                }
            }
            Some(_) => {
                let what = "the outcome names the intent of another exchange";
                faults.add(Some(index), FaultKind::Tampered, what);
            }
            None => {
                let what = "the outcome belongs to no open intent";
                faults.add(Some(index), unless(self.report.unknown, FaultKind::Tampered), what);
            }
        }
    }

    /// Configuration precedes its use.
    fn in_force(&mut self, index: u64, config: ConfigInForce, faults: &mut Faults) {
        // What was declared stays so, until configurations are forgotten.
        if self.in_force == Some(config) {
            return;
        }
        let mut declared = true;
        let named = [
            (Some(config.policy), ConfigOf::Policy),
            (config.model, ConfigOf::Model),
            (Some(config.settings), ConfigOf::Settings),
        ];
        for (at, of) in named {
            if at.is_some_and(|at| self.configs.get(&at).is_none_or(|(is, _)| *is != of)) {
                let what = "it names a configuration that no record before it declares";
                faults.add(Some(index), unless(self.report.unknown, FaultKind::Tampered), what);
                declared = false;
            }
        }
        if declared {
            self.in_force = Some(config);
        }
    }

    fn heartbeat(&mut self, index: u64, heartbeat: &Heartbeat, faults: &mut Faults) {
        let unknown = self.report.unknown;
        for (name, told) in &heartbeat.routes {
            let place = self.route(name);
            let Some(route) = place.and_then(|place| self.routes.get_mut(place)) else {
                continue;
            };
            route.verdicts = route.verdicts.saturating_add(verdicts(told));
            route.dropped = route.dropped.saturating_add(told.dropped);
            if route.verdicts > route.intents.saturating_add(route.dropped) {
                let what = "the heartbeats count more verdicts than there are intents";
                faults.add(Some(index), unless(unknown, FaultKind::Incomplete), what);
            }
            if told.dropped > 0 {
                faults.add(Some(index), FaultKind::Incomplete, "records were dropped");
            }
        }
        // Of every route, those too that it does not name.
        for route in &mut self.routes {
            if route.verdicts < route.settled {
                let what = "the heartbeats count fewer verdicts than there are outcomes";
                faults.add(Some(index), FaultKind::Incomplete, what);
            }
            route.settled = route.outcomes;
        }
    }

    /// The quorum cosigned this size.
    pub(super) fn anchored(&mut self, size: u64) {
        self.report.anchored_size = self.report.anchored_size.max(size);
    }

    /// The time of the last record.
    pub(super) fn last_time(&self) -> Option<u64> {
        self.report.last_time
    }

    /// Records that were not understood so far.
    pub(super) fn unknown_records(&self) -> u64 {
        self.report.unknown
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
    pub(super) fn finish(mut self, keys: &[String], faults: &mut Faults) -> Report {
        self.keys.conclude(keys, faults);
        for (index, open) in &self.open {
            if self.time.saturating_sub(open.time) > self.longest_exchange {
                let what = "an intent without outcome, older than the longest exchange";
                faults.add(Some(*index), unless(self.report.unknown, FaultKind::Incomplete), what);
            } else {
                self.report.open += 1;
            }
        }
        self.report.closed = self.closed;
        self.report.ended = self.ended;
        let kinds =
            [("intent", self.intents), ("outcome", self.outcomes), ("toolcall", self.calls)];
        for (kind, count) in kinds.into_iter().filter(|(_, count)| *count > 0) {
            self.report.records.insert(kind.to_owned(), count);
        }
        let verdicts = self.verdicts.into_iter();
        self.report.verdicts =
            verdicts.map(|(verdict, count)| (verdict.as_str().to_owned(), count)).collect();
        self.report
    }
}

/// What a fault between records means where some before it were not understood:
/// one of those may be what is missed.
pub(super) fn unless(unknown: u64, kind: FaultKind) -> FaultKind {
    if unknown > 0 { FaultKind::Insufficient } else { kind }
}

/// The exchanges that a heartbeat says have ended.
fn verdicts(told: &RouteCounters) -> u64 {
    let parts =
        [told.allowed, told.flagged, told.redacted, told.blocked, told.errored, told.aborted];
    parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
}

/// Intents that are followed at once; the engine admits no more either.
const MAX_OPEN: usize = 1 << 20;
/// Configurations that are remembered, the newest.
const MAX_CONFIGS: usize = 65_536;
/// Routes that are counted.
const MAX_ROUTES: usize = 65_536;
/// How far the time of a record may lie from the time that a statement was
/// signed at: past it, an old statement was logged again.
const STATEMENT_TOLERANCE: u64 = 10 * 60 * 1_000_000;
