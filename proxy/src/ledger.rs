//! One exchange's account: an intent at its beginning, an outcome at its end.
//!
//! The ledger is owned by whoever works on the exchange and is handed on; it
//! cannot be copied and cannot be lost: dropping it writes the outcome, so a
//! client that leaves, a task that is cancelled and a thread that panics all
//! leave exactly one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use troth_attest::{
    AppendError, Commitment, CommitmentMac, Committer, CoverageRow, Decoded, DetectorResult,
    Digest as RecordDigest, Enforcement, Intent, Opaque, Outcome, Pending, Record, RecordVerdict,
    Sealed, ToolCall as ToolCallRecord, Usage,
};
use troth_policies::Verdict;

use crate::{
    approval::tool_name,
    clock::Mark,
    config::{Commit, Mode, Route},
    coverage::Coverage,
    evidence::Evidence,
    judge::{CallVerdict, Judgement},
    screener::Screening,
    server::Peer,
    tasks::Tasks,
};

/// What an exchange is, before anything is known of its end.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    /// UUID version 7.
    pub(crate) exchange: Arc<str>,
    /// The route.
    pub(crate) route: Arc<Route>,
    /// The dialect's name.
    pub(crate) dialect: &'static str,
    /// The model that was asked for.
    pub(crate) model: Option<String>,
    /// The tenant's name.
    pub(crate) tenant: String,
    /// The principal's name.
    pub(crate) principal: String,
    /// What is asked.
    pub(crate) action: &'static str,
    /// The upstream is called beside the fsync of the intent.
    pub(crate) overlap: bool,
    /// How long it waits for a record to be durable.
    pub(crate) patience: Duration,
    /// The other end of the connection.
    pub(crate) peer: Peer,
}

/// The account of one exchange.
#[derive(Debug)]
pub(crate) struct Ledger {
    opening: Opening,
    evidence: Option<Evidence>,
    tasks: Tasks,
    started: Mark,
    intent: IntentState,
    committer: Option<Committer>,
    upstream_mac: Option<CommitmentMac>,
    released_mac: Option<CommitmentMac>,
    request: Option<Commitment>,
    /// Coverage of both directions.
    pub(crate) coverage: Coverage,
    detectors: BTreeMap<(String, &'static str), DetectorResult>,
    judgement: Judgement,
    /// Digests of the tools' definitions, by name.
    pub(crate) definitions: BTreeMap<String, [u8; 32]>,
    /// Tool calls that the log does not have yet.
    calls: Vec<ToolCallRecord>,
    called: u64,
    /// Tool calls that wait for a person, if the client leaves before one says
    /// anything.
    held: Vec<(String, String, CallVerdict)>,
    /// Bytes that left before the verdict that covers them.
    released_before: u64,
    /// Bytes that left after it.
    released_after: u64,
    /// The upstream's status.
    pub(crate) upstream_status: Option<u16>,
    /// The model that the upstream says it is.
    pub(crate) reported_model: Option<String>,
    /// Tokens in and out.
    pub(crate) usage: Option<(u64, u64)>,
    timings: BTreeMap<String, u64>,
    fail: Option<Enforcement>,
    forwarded: bool,
    /// The intent is not durable in time: nobody waits for it here any more.
    stalled: bool,
    done: bool,
}

#[derive(Debug)]
enum IntentState {
    /// No log.
    None,
    Waiting(Pending),
    Durable(u64),
    Lost,
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvidenceFault {
    /// The log took no record.
    #[error("the evidence log takes no record: {0}")]
    Append(#[from] AppendError),
    /// Too few witnesses have cosigned, or none will.
    #[error("the log has stopped asking its witnesses")]
    Unwitnessed,
    /// The log took a record and did not make it durable in time.
    #[error("the evidence log or its witnesses did not answer within `commit_timeout_ms`")]
    Stalled,
    /// The keys for commitments cannot be had.
    #[error("the evidence log has no key: {0}")]
    Vault(#[from] troth_attest::VaultError),
}

impl Ledger {
    /// Opens the account and submits the intent; its fsync goes on meanwhile.
    ///
    /// # Errors
    /// The log takes no record: nothing may be forwarded.
    pub(crate) fn open(
        opening: Opening,
        evidence: Option<Evidence>,
        tasks: Tasks,
        content: &[u8],
    ) -> Result<Self, EvidenceFault> {
        let mut ledger = Self {
            opening,
            evidence,
            tasks,
            started: Mark::now(),
            intent: IntentState::None,
            committer: None,
            upstream_mac: None,
            released_mac: None,
            request: None,
            coverage: Coverage::default(),
            detectors: BTreeMap::new(),
            judgement: Judgement::default(),
            definitions: BTreeMap::new(),
            calls: Vec::new(),
            called: 0,
            held: Vec::new(),
            released_before: 0,
            released_after: 0,
            upstream_status: None,
            reported_model: None,
            usage: None,
            timings: BTreeMap::new(),
            fail: None,
            forwarded: false,
            stalled: false,
            // Until an intent stands there is nothing to close.
            done: true,
        };
        match ledger.submit_intent(content) {
            Ok(()) => {
                ledger.done = false;
                Ok(ledger)
            }
            Err(fault) => {
                if let Some(evidence) = &ledger.evidence {
                    let route = &ledger.opening.route.name;
                    evidence.pulse.count(route, |route| route.refused += 1);
                }
                Err(fault)
            }
        }
    }

    fn submit_intent(&mut self, content: &[u8]) -> Result<(), EvidenceFault> {
        let Some(evidence) = &self.evidence else { return Ok(()) };
        let opening = &self.opening;
        let committer = evidence.log.committer(&opening.tenant, &opening.exchange)?;
        let request = committer.commit("request", content);
        let intent = Intent {
            exchange: opening.exchange.to_string(),
            route: opening.route.name.clone(),
            dialect: opening.dialect.to_owned(),
            model: opening.model.clone(),
            upstream: opening.route.upstream.authority.to_string(),
            tenant: evidence.log.pseudonym("tenant", &opening.tenant),
            principal: evidence.log.pseudonym("principal", &opening.principal),
            end_user: None,
            session: None,
            parent: None,
            action: opening.action.to_owned(),
            overlap: opening.overlap,
            config: evidence.in_force,
            request: Some(request),
            ..Intent::default()
        };
        let pending = match evidence.log.append(Record::Intent(intent)) {
            Ok(pending) => pending,
            Err(fault) => {
                // The exchange goes on without evidence, and the next heartbeat
                // says that one did: that is what `async` means.
                if opening.route.commit == Commit::Async && fault == AppendError::QueueFull {
                    evidence.pulse.count(&opening.route.name, |route| route.dropped += 1);
                    self.evidence = None;
                    return Ok(());
                }
                return Err(fault.into());
            }
        };
        evidence.pulse.count(&opening.route.name, |route| route.accepted += 1);
        self.intent = IntentState::Waiting(pending);
        self.request = Some(request);
        self.upstream_mac = Some(committer.begin("response.upstream"));
        self.released_mac = Some(committer.begin("response.released"));
        self.committer = Some(committer);
        Ok(())
    }

    /// Verdicts are recorded, not applied.
    pub(crate) fn is_shadow(&self) -> bool {
        self.opening.route.mode == Mode::Shadow
    }

    /// The upstream may be called before the intent is durable.
    pub(crate) fn overlaps(&self) -> bool {
        self.opening.overlap
    }

    /// What was judged so far.
    pub(crate) const fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// Waits until the intent is durable. Before that nothing is forwarded.
    ///
    /// # Errors
    /// The log failed.
    pub(crate) async fn intent_durable(&mut self) -> Result<(), EvidenceFault> {
        if self.opening.route.commit == Commit::Async {
            return Ok(());
        }
        self.settle_intent().await
    }

    async fn settle_intent(&mut self) -> Result<(), EvidenceFault> {
        let IntentState::Waiting(pending) = &mut self.intent else { return Ok(()) };
        if self.stalled {
            return Err(EvidenceFault::Stalled);
        }
        match tokio::time::timeout(self.opening.patience, pending).await {
            Ok(Ok(sealed)) => {
                self.intent = IntentState::Durable(sealed.index);
                Ok(())
            }
            Ok(Err(fault)) => {
                self.intent = IntentState::Lost;
                Err(fault.into())
            }
            Err(_) => {
                self.stalled = true;
                Err(EvidenceFault::Stalled)
            }
        }
    }

    /// The request goes to the upstream now.
    pub(crate) fn forwarding(&mut self) {
        self.forwarded = true;
    }

    /// Bytes that the upstream sent.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if let Some(mac) = &mut self.upstream_mac {
            mac.update(bytes);
        }
    }

    /// Bytes that the client gets, `early` of them before every detector has
    /// spoken about them.
    pub(crate) fn released(&mut self, bytes: &[u8], early: u64) {
        self.released_before += early;
        self.released_after += bytes.len() as u64 - early;
        if let Some(mac) = &mut self.released_mac {
            mac.update(bytes);
        }
    }

    /// Notes what a screening found and saw. `channel_of` tells the channel of
    /// a finding.
    pub(crate) fn screened(
        &mut self,
        screening: &Screening,
        channel_of: impl Fn(&troth_policies::Finding) -> Option<troth_policies::Channel>,
    ) {
        self.coverage.add(screening.coverage.clone());
        for finding in &screening.findings {
            if let Some(channel) = channel_of(finding) {
                self.found(finding, channel);
            }
        }
    }

    /// Notes one finding.
    pub(crate) fn found(
        &mut self,
        finding: &troth_policies::Finding,
        channel: troth_policies::Channel,
    ) {
        let key = (finding.detector.to_string(), channel.as_str());
        let result = self.detectors.entry(key).or_insert_with(|| DetectorResult {
            detector: finding.detector.to_string(),
            category: finding.category.to_string(),
            channel: channel.as_str().to_owned(),
            score_ppm: 0,
            count: 0,
        });
        result.score_ppm = result.score_ppm.max(finding.score_ppm);
        result.count += 1;
    }

    /// Notes a judgement.
    pub(crate) fn judged(&mut self, judgement: Judgement) {
        self.judgement.merge(judgement);
    }

    /// Notes what became of a tool call with these arguments.
    pub(crate) fn tool_call(&mut self, name: &str, arguments: &str, became: CallVerdict) {
        let number = self.called;
        self.called += 1;
        let Some(committer) = &self.committer else { return };
        let definition = self.definition(name);
        self.calls.push(ToolCallRecord {
            approval: became.approval,
            approved: became.approved,
            arguments: Some(committer.commit(&format!("arguments/{number}"), arguments.as_bytes())),
            definition,
            exchange: self.opening.exchange.to_string(),
            number,
            policies: became.policies,
            tool: tool_name(name).to_owned(),
            verdict: became.verdict.map_or(RecordVerdict::Abort, record_verdict),
            ..ToolCallRecord::default()
        });
        let (Some(evidence), IntentState::Durable(intent)) = (&self.evidence, &self.intent) else {
            return;
        };
        let intent = *intent;
        // On its way at once; nobody waits for it before the outcome.
        while let Some(call) = self.calls.first() {
            let record = Record::ToolCall(ToolCallRecord { intent, ..call.clone() });
            if evidence.log.append(record).is_err() {
                return;
            }
            self.calls.remove(0);
        }
    }

    /// Notes calls that wait for a person; an exchange that ends before anybody
    /// says anything leaves them as held.
    pub(crate) fn waits(&mut self, held: Vec<(String, String, CallVerdict)>) {
        self.held = held;
    }

    /// Digest of a tool's definition, as records have it.
    pub(crate) fn definition(&self, name: &str) -> Option<RecordDigest> {
        let server = self.opening.route.upstream.authority.as_str();
        let digest = self.definitions.get(name)?;
        Some(RecordDigest::of(&[server.as_bytes(), b"\n", digest].concat()))
    }

    /// The log that the exchange is in, where it is in one.
    pub(crate) const fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// What is left to be written, in its order.
    fn last_records(&mut self, intent: u64, outcome: Outcome) -> Vec<Record> {
        let calls = std::mem::take(&mut self.calls).into_iter();
        let calls = calls.map(|call| Record::ToolCall(ToolCallRecord { intent, ..call }));
        calls.chain([Record::Outcome(Box::new(Outcome { intent, ..outcome }))]).collect()
    }

    /// A detector did not answer, and this is what its mode does.
    pub(crate) fn failing(&mut self, mode: Enforcement) {
        // Closed is never overwritten by open.
        if self.fail != Some(Enforcement::FailClosed) {
            self.fail = Some(mode);
        }
    }

    /// Microseconds of a stage.
    pub(crate) fn took(&mut self, stage: &str, micros: u64) {
        *self.timings.entry(stage.to_owned()).or_default() += micros;
    }

    /// Ends the account with the verdict so far and waits until the outcome is
    /// in a signed checkpoint: no receipt, no reply.
    ///
    /// # Errors
    /// The log failed.
    pub(crate) async fn close(mut self) -> Result<Option<Sealed>, EvidenceFault> {
        let verdict = record_verdict(self.judgement.verdict);
        self.end(verdict, None).await
    }

    /// Ends the account of an exchange that failed.
    ///
    /// # Errors
    /// The log failed.
    pub(crate) async fn fail(
        mut self,
        reason: &'static str,
    ) -> Result<Option<Sealed>, EvidenceFault> {
        self.end(RecordVerdict::Error, Some(reason)).await
    }

    /// Ends the account of an exchange whose client left.
    pub(crate) fn abort(self) {
        // Dropping it is the abort.
        drop(self);
    }

    async fn end(
        &mut self,
        verdict: RecordVerdict,
        reason: Option<&'static str>,
    ) -> Result<Option<Sealed>, EvidenceFault> {
        let Some(evidence) = self.evidence.clone() else {
            self.done = true;
            self.measure(verdict);
            return Ok(None);
        };
        if self.opening.route.commit == Commit::Async {
            self.leave(verdict, reason);
            return Ok(None);
        }
        match self.settle_intent().await {
            Err(EvidenceFault::Stalled) => {
                self.leave(RecordVerdict::Error, Some("evidence_unavailable"));
                return Err(EvidenceFault::Stalled);
            }
            settled => settled?,
        }
        let IntentState::Durable(intent) = self.intent else {
            return Err(AppendError::Closed.into());
        };
        let outcome = self.outcome(intent, verdict, reason);
        self.done = true;
        self.measure(verdict);
        // No await stands between here and the append, or a client that leaves
        // then would take the outcome with it; a full queue is waited for by a
        // task of its own.
        let mut records = self.last_records(intent, outcome);
        let mut witnesses = evidence.witnesses.clone();
        let sealing = match append_all(&evidence, &mut records)? {
            Some(pending) => Sealing::Log(pending),
            None => Sealing::Queue(self.tasks.run("outcome", append_patiently(evidence, records))),
        };
        let sealed = async {
            let pending = match sealing {
                Sealing::Queue(queued) => queued.await.ok_or(AppendError::Closed)??,
                Sealing::Log(pending) => pending,
            };
            let sealed = pending.await?;
            if self.opening.route.commit == Commit::Witnessed {
                witnesses.covered(sealed.index).await?;
            }
            Ok::<_, EvidenceFault>(sealed)
        };
        match tokio::time::timeout(self.opening.patience, sealed).await {
            Ok(sealed) => sealed.map(Some),
            Err(_) => Err(EvidenceFault::Stalled),
        }
    }

    /// Ends the account without anybody who waits: the outcome follows when
    /// the intent stands.
    fn leave(&mut self, verdict: RecordVerdict, reason: Option<&'static str>) {
        self.done = true;
        self.measure(verdict);
        let Some(evidence) = self.evidence.clone() else { return };
        let intent = std::mem::replace(&mut self.intent, IntentState::Lost);
        let outcome = self.outcome(0, verdict, reason);
        let mut records = self.last_records(0, outcome);
        self.tasks.spawn("outcome", async move {
            let index = match intent {
                IntentState::Durable(index) => index,
                IntentState::Waiting(pending) => match pending.await {
                    Ok(sealed) => sealed.index,
                    // No intent stands: there is nothing to close.
                    Err(_) => return,
                },
                IntentState::None | IntentState::Lost => return,
            };
            for record in &mut records {
                match record {
                    Record::ToolCall(call) => call.intent = index,
                    Record::Outcome(outcome) => outcome.intent = index,
                    _ => {}
                }
            }
            if let Err(fault) = append_patiently(evidence, records).await {
                tracing::error!(%fault, "an exchange has no outcome yet");
            }
        });
    }

    fn measure(&self, verdict: RecordVerdict) {
        let route = self.opening.route.name.clone();
        let labels = [("route", route), ("verdict", verdict.as_str().to_owned())];
        metrics::counter!("troth_exchanges_total", &labels).increment(1);
        let seconds = self.started.elapsed().as_secs_f64();
        metrics::histogram!("troth_exchange_seconds", &labels[..1]).record(seconds);
        let Some(evidence) = &self.evidence else { return };
        let (shadow, open) = (self.is_shadow(), self.fail == Some(Enforcement::FailOpen));
        evidence.pulse.count(&self.opening.route.name, |route| {
            match verdict {
                RecordVerdict::Allow => route.allowed += 1,
                RecordVerdict::Flag => route.flagged += 1,
                RecordVerdict::Redact => route.redacted += 1,
                RecordVerdict::Block | RecordVerdict::Approve => route.blocked += 1,
                RecordVerdict::Error => route.errored += 1,
                RecordVerdict::Abort => route.aborted += 1,
            }
            route.forwarded += u64::from(self.forwarded);
            route.shadowed += u64::from(shadow);
            route.fail_open += u64::from(open);
        });
    }

    fn outcome(&mut self, intent: u64, verdict: RecordVerdict, reason: Option<&str>) -> Outcome {
        let policies = &self.judgement.policies;
        let mut commitments: Vec<String> =
            policies.iter().flat_map(|policy| policy.commitments.iter().cloned()).collect();
        commitments.sort();
        commitments.dedup();
        let detectors: Vec<DetectorResult> =
            std::mem::take(&mut self.detectors).into_values().collect();
        let mut categories: Vec<String> =
            detectors.iter().map(|detector| detector.category.clone()).collect();
        categories.sort();
        categories.dedup();
        self.timings.insert("total".to_owned(), self.started.micros());
        let enforcement = match (self.fail, self.is_shadow()) {
            (Some(mode), _) => mode,
            (None, true) => Enforcement::Shadow,
            (None, false) => Enforcement::Enforced,
        };
        Outcome {
            exchange: self.opening.exchange.to_string(),
            intent,
            verdict,
            reason: reason.map(str::to_owned),
            categories,
            policies: policies.iter().map(|policy| policy.id.clone()).collect(),
            commitments,
            model: self.reported_model.take().filter(|model| is_plain(model)),
            usage: self.usage.map(|(input, output)| Usage { input, output }),
            enforcement,
            detectors,
            decoded: decoded(&self.coverage),
            coverage: rows(&self.coverage),
            opaque: self
                .coverage
                .opaques()
                .map(|(media_type, bytes)| Opaque { media_type: media_type.to_owned(), bytes })
                .collect(),
            released_before: self.released_before,
            released_after: self.released_after,
            upstream_status: self.upstream_status,
            timings_us: std::mem::take(&mut self.timings),
            request: self.request.take(),
            response_upstream: self.upstream_mac.take().map(CommitmentMac::finish),
            response_released: self.released_mac.take().map(CommitmentMac::finish),
            ..Outcome::default()
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let (verdict, reason) = if std::thread::panicking() {
            (RecordVerdict::Error, "panic")
        } else if self.opening.peer.is_stalled() {
            (RecordVerdict::Abort, "write_timeout")
        } else {
            (RecordVerdict::Abort, "client")
        };
        for (name, arguments, became) in std::mem::take(&mut self.held) {
            self.tool_call(&name, &arguments, became);
        }
        self.leave(verdict, Some(reason));
    }
}

/// Where an outcome is on its way to the log.
enum Sealing<Q> {
    Queue(Q),
    Log(Pending),
}

/// Appends records in their order, as far as the queue has room; what is left
/// stays in `records`. The last one's answer, once all are on their way.
fn append_all(
    evidence: &Evidence,
    records: &mut Vec<Record>,
) -> Result<Option<Pending>, AppendError> {
    let mut last = None;
    let mut done = 0;
    for record in records.iter() {
        match evidence.log.append(record.clone()) {
            Ok(pending) => last = Some(pending),
            Err(AppendError::QueueFull) => break,
            Err(fault) => return Err(fault),
        }
        done += 1;
    }
    records.drain(..done);
    Ok(last.filter(|_| records.is_empty()))
}

/// Appends the last records of an exchange; a full queue is waited for, since
/// the intent stands and must be answered. The queue drains at each group
/// commit, so this ends; a dead log says so at once.
async fn append_patiently(
    evidence: Evidence,
    mut records: Vec<Record>,
) -> Result<Pending, AppendError> {
    loop {
        if let Some(pending) = append_all(&evidence, &mut records)? {
            return Ok(pending);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

const fn record_verdict(verdict: Verdict) -> RecordVerdict {
    match verdict {
        Verdict::Allow => RecordVerdict::Allow,
        Verdict::Flag => RecordVerdict::Flag,
        Verdict::Redact => RecordVerdict::Redact,
        Verdict::Approve => RecordVerdict::Approve,
        Verdict::Block => RecordVerdict::Block,
    }
}

fn decoded(coverage: &Coverage) -> Vec<Decoded> {
    coverage
        .totals()
        .map(|(channel, amount)| Decoded {
            channel: channel.as_str().to_owned(),
            segments: amount.segments,
            bytes: amount.bytes,
        })
        .collect()
}

fn rows(coverage: &Coverage) -> Vec<CoverageRow> {
    coverage
        .rows()
        .map(|(channel, detector, row)| CoverageRow {
            channel: channel.as_str().to_owned(),
            detector: detector.to_owned(),
            segments: row.segments,
            bytes: row.bytes,
            tokens: row.tokens,
            cached: row.cached,
            skipped: row.skipped,
            truncated: row.truncated,
            failed: row.failed,
            timed_out: row.timed_out,
        })
        .collect()
}

/// A name that may stand in a record, where no content may.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use troth_attest::{ConfigInForce, RouteCounters};

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn only_what_goes_on_without_evidence_counts_as_dropped() {
        for commit in [Commit::Async, Commit::Sealed] {
            let directory = tempfile::tempdir().unwrap();
            let opened = testing::opened(directory.path());
            let evidence = Evidence { opened: opened.clone(), in_force: ConfigInForce::default() };
            let mut opening = testing::opening(&testing::gateway());
            opening.route = Arc::new(Route { commit, ..(*opening.route).clone() });
            let name = opening.route.name.clone();
            opened.log.close().unwrap();
            Ledger::open(opening, Some(evidence), Tasks::default(), b"").unwrap_err();
            opened.pulse.count(&name, |route| {
                assert_eq!(*route, RouteCounters { refused: 1, ..RouteCounters::default() });
            });
        }
    }
}
