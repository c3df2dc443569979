//! What a stream has said so far and what was decided of it.

mod person;
mod release;
mod room;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    future::Future,
    pin::Pin,
};

use troth_attest::Enforcement;
use troth_policies::{Action, Channel, Finding, Origin, Resource, Segment, Verdict};

use super::{
    call::Calls,
    lane::{LaneState, Scores},
    queue::{Held, Part, Queue},
};
use crate::{
    answer::Answer,
    body::Reservation,
    config::{OnDeadline, OpaqueMode, StreamMode},
    coverage::{Look, Row},
    dialect::{
        ToolCall,
        openai::{self, Chunk, Fragment, Lane, Slot},
    },
    json,
    judge::{CallVerdict, Judgement},
    ledger::Ledger,
    screener::{RULES, Weighed},
    sse,
};

use person::Waits;

pub(super) use person::{Answered, Holding};
pub(super) use release::Out;

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself.
    Eof,
    /// By verdict.
    Blocked,
    /// By the rule for scores that did not come.
    Unscreened,
    /// By a fault of the upstream.
    Upstream(&'static str),
    /// By something that cannot be read.
    Unreadable(&'static str),
    /// By the bound on what all exchanges hold together.
    NoRoom,
}

impl Ending {
    /// A word for the record.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Eof | Self::Blocked => "",
            Self::Unscreened => "unscreened",
            Self::Upstream(_) => "upstream_cut",
            Self::Unreadable(_) => "upstream_answer",
            Self::NoRoom => "overloaded",
        }
    }
}

/// A classifier's answer to come.
pub(super) type Scoring = Pin<Box<dyn Future<Output = Scored> + Send>>;

/// A classifier's answer.
#[derive(Debug)]
pub(super) struct Scored {
    pub(super) lane: Lane,
    pub(super) start: usize,
    pub(super) upto: usize,
    pub(super) weighed: Result<Weighed, OnDeadline>,
}

/// The state of one stream.
pub(super) struct State {
    pub(super) answer: Answer,
    pub(super) ledger: Ledger,
    parser: sse::Parser,
    lanes: HashMap<Lane, LaneState>,
    calls: Calls,
    queue: Queue,
    /// Room for what is held.
    room: Reservation,
    /// A chunk of the stream, for the one that we may have to write.
    like: Option<serde_json::Value>,
    /// Ids and names that were read already.
    seen: HashSet<(Channel, String)>,
    choices: BTreeSet<u32>,
    /// Those of them that have said that they are finished.
    finished: BTreeSet<u32>,
    /// Those of them of which the client was told so.
    told: BTreeSet<u32>,
    /// The lanes that spoke last, by choice.
    speaking: HashMap<u32, Vec<Lane>>,
    /// Tool calls that have ended and wait for their scores.
    calls_ended: HashSet<Lane>,
    /// Tool calls that wait for a person.
    waiting: BTreeMap<(u32, u32), Waits>,
    /// Questions to people that nobody waits for yet.
    asked: Vec<Holding>,
    received: usize,
    done: bool,
    covered: bool,
    /// The event under way holds something refused that cannot be taken out.
    barred: bool,
    /// Classifiers are asked. Tests say so and answer themselves.
    pub(super) scores: bool,
    ending: Option<Ending>,
}

impl State {
    pub(super) fn new(answer: Answer, ledger: Ledger) -> Self {
        let limit = answer.gateway.limits().event_bytes;
        let scores = answer.gateway.screener.models().is_some();
        let room = answer.gateway.shared.budget.reservation();
        Self {
            answer,
            ledger,
            parser: sse::Parser::new(limit),
            lanes: HashMap::new(),
            calls: Calls::new(),
            queue: Queue::default(),
            room,
            like: None,
            seen: HashSet::new(),
            choices: BTreeSet::new(),
            finished: BTreeSet::new(),
            told: BTreeSet::new(),
            speaking: HashMap::new(),
            calls_ended: HashSet::new(),
            waiting: BTreeMap::new(),
            asked: Vec::new(),
            received: 0,
            done: false,
            covered: false,
            barred: false,
            scores,
            ending: None,
        }
    }

    /// Why the stream must end now, if it must.
    pub(super) const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Text flows beside the classifiers.
    pub(super) fn races(&self) -> bool {
        self.answer.admission.route.stream == StreamMode::Race || self.ledger.is_shadow()
    }

    /// Takes a packet; true when the stream's end marker was in it.
    pub(super) fn packet(&mut self, data: &[u8]) -> Result<bool, Ending> {
        self.received += data.len();
        if self.received > self.answer.gateway.limits().response_bytes {
            return Err(Ending::Unreadable("the stream is larger than `response_bytes`"));
        }
        let events = self.parser.push(data).map_err(unreadable)?;
        for event in events {
            self.event(event)?;
            if self.choices.len() > openai::CHOICES || self.calls.len() > openai::CALLS {
                return Err(Ending::Unreadable("more choices or tool calls than anybody asks for"));
            }
            if self.ending.is_some() {
                return Ok(self.done);
            }
        }
        if !self.room.resize(self.held_bytes()) {
            return Err(Ending::NoRoom);
        }
        if self.holds_too_much() {
            self.block("more text waits for its verdict than `hold_bytes` allows");
        }
        if self.lanes.len() > LANES {
            return Err(Ending::Unreadable("more texts at once than anybody reads"));
        }
        Ok(self.done)
    }

    /// What came after the last blank line, the ends of all lanes, the calls
    /// that nobody finished.
    pub(super) fn finish_lanes(&mut self) -> Result<(), Ending> {
        let tail = self.parser.finish().map_err(unreadable)?;
        if let Some(event) = tail {
            self.event(event)?;
        }
        let lanes: Vec<Lane> = self.lanes.keys().cloned().collect();
        for lane in lanes {
            let findings = self.lanes.get_mut(&lane).map(LaneState::finish).unwrap_or_default();
            self.found(&lane, findings);
        }
        for choice in self.choices.clone() {
            self.judge_calls(choice);
        }
        Ok(())
    }

    fn event(&mut self, event: sse::Event) -> Result<(), Ending> {
        for text in &event.other {
            self.alone(Channel::Assistant, text);
        }
        let mut held = Held {
            raw: event.raw,
            data: String::new(),
            parts: Vec::new(),
            logprobs: Vec::new(),
            calls: Vec::new(),
            barred: false,
            ends: false,
            finished: Vec::new(),
        };
        match event.data {
            None => {}
            Some(data) if data.trim() == DONE => {
                self.done = true;
                held.ends = true;
            }
            Some(data) => {
                match json::parse(data.as_bytes(), json::Limits::default()) {
                    Ok(root) => match openai::chunk(&root) {
                        Ok(chunk) => self.chunk(chunk, &mut held),
                        Err(_) => return Err(Ending::Unreadable("an event of another shape")),
                    },
                    // Lenient clients read what strict parsers do not (NaN,
                    // duplicate keys), so calls in it would run unjudged.
                    Err(_) => return Err(Ending::Unreadable("an event that is not strict JSON")),
                }
                held.data = data;
            }
        }
        held.barred = std::mem::take(&mut self.barred);
        self.queue.push(held);
        Ok(())
    }

    fn chunk(&mut self, chunk: Chunk, held: &mut Held) {
        if chunk.usage.is_some() {
            self.ledger.usage = chunk.usage;
        }
        if chunk.model.is_some() && self.ledger.reported_model.is_none() {
            self.ledger.reported_model.clone_from(&chunk.model);
        }
        for opaque in &chunk.opaque {
            self.ledger.coverage.opaque(&opaque.media_type, opaque.bytes);
            if self.answer.admission.route.opaque == OpaqueMode::Refuse {
                self.block("content that no detector reads");
            }
        }
        for (channel, _, text) in &chunk.alone {
            self.alone(*channel, text);
        }
        self.choices.extend(chunk.choices.iter().copied());
        for (choice, call, name) in chunk.names {
            // The next call begins where the last one has ended.
            let last = self.calls.range((choice, 0)..(choice, call)).next_back();
            if last.is_some_and(|(_, state)| !state.judged) {
                self.judge_calls_before(choice, call);
            }
            self.name(choice, call, &name);
            held.calls.push((choice, call));
        }
        for (choice, call, id) in chunk.ids {
            let state = self.calls.entry((choice, call)).or_default();
            if state.id.is_empty() {
                state.id = id;
            } else if !id.is_empty() && state.id != id {
                self.block("two tool calls under one index");
            }
        }
        for (choice, call, slot) in chunk.slots {
            let state = self.calls.entry((choice, call)).or_default();
            if *state.slot.get_or_insert(slot) != slot {
                self.block("a tool call with two sets of arguments");
            }
        }
        if let Some(why) = chunk.ambiguous {
            self.block(why);
        }
        if self.scores {
            self.take_turns(&chunk.fragments);
        }
        for fragment in chunk.fragments {
            let span = self.grow(&fragment.lane, &fragment.text);
            if let Lane::Call { choice, call } = &fragment.lane {
                let state = self.calls.entry((*choice, *call)).or_default();
                if state.judged || self.calls_ended.contains(&fragment.lane) {
                    // Arguments that go on after their verdict, or while the
                    // scores of what is taken for all of them are awaited,
                    // would run unjudged.
                    self.block("a tool call that goes on after its end");
                } else {
                    state.arguments.push_str(&fragment.text);
                }
            }
            held.parts.push(Part { lane: fragment.lane, span, literal: fragment.literal });
        }
        for choice in &chunk.finished {
            self.finished.insert(*choice);
            self.pause(*choice, &[]);
            self.judge_calls(*choice);
        }
        held.finished = chunk.finished;
        held.logprobs = chunk.logprobs;
    }

    /// The lanes that do not go on in this event while another of their choice
    /// does have paused.
    fn take_turns(&mut self, fragments: &[Fragment]) {
        let mut now: HashMap<u32, Vec<Lane>> = HashMap::new();
        for fragment in fragments {
            now.entry(fragment.lane.choice()).or_default().push(fragment.lane.clone());
        }
        for (choice, lanes) in now {
            self.pause(choice, &lanes);
            self.speaking.insert(choice, lanes);
        }
    }

    fn pause(&mut self, choice: u32, but: &[Lane]) {
        let last = self.speaking.get(&choice).into_iter().flatten();
        // A call is asked about whole.
        let is_text = |lane: &&Lane| !matches!(lane, Lane::Call { .. });
        for lane in last.filter(is_text).filter(|lane| !but.contains(lane)) {
            if let Some(state) = self.lanes.get_mut(lane) {
                state.pause();
            }
        }
    }

    /// A call's name comes once, whole, and before its arguments: clients that
    /// keep the first, the last or the sum of several would run different tools.
    fn name(&mut self, choice: u32, call: u32, name: &str) {
        let state = self.calls.entry((choice, call)).or_default();
        if name.is_empty() || state.name == name {
            return;
        }
        if state.name.is_empty() && state.arguments.is_empty() && !state.judged {
            state.name.push_str(name);
        } else {
            self.block("a tool call whose name changes");
        }
    }

    /// Feeds a lane; returns the bytes of its text that this is.
    fn grow(&mut self, lane: &Lane, text: &str) -> std::ops::Range<usize> {
        let screener = &self.answer.gateway.screener;
        let bundle = screener.bundle();
        let scores = self.scores && bundle.wants_scores(lane.channel());
        // A tool call is judged whole: it never races.
        let races = self.races() && !matches!(lane, Lane::Call { .. });
        let wants = match (scores, races) {
            (false, _) => Scores::Unwanted,
            (true, false) => Scores::Gate,
            (true, true) => Scores::Race,
        };
        let state =
            self.lanes.entry(lane.clone()).or_insert_with(|| LaneState::new(bundle, lane, wants));
        let start = state.length;
        let findings = state.push(text, scores);
        let span = start..state.length;
        self.found(lane, findings);
        span
    }

    /// Findings of a lane: judged at once, but for tool calls, which are judged
    /// whole.
    fn found(&mut self, lane: &Lane, findings: Vec<Finding>) {
        if let Lane::Call { choice, call } = lane {
            for finding in &findings {
                self.ledger.found(finding, lane.channel());
            }
            self.calls.entry((*choice, *call)).or_default().findings.extend(findings);
            return;
        }
        // One by one, in the order of their beginnings: the verdict on a stream
        // does not depend on which of them came in one packet. What a lane was
        // cut before changes nothing any more; what stands before the cut, as
        // a classifier says later than the rules do, and other lanes' text do.
        for finding in findings {
            if self.lanes.get(lane).is_some_and(|state| state.is_cut_off(finding.span.start)) {
                continue;
            }
            self.ledger.found(&finding, lane.channel());
            let one = std::slice::from_ref(&finding);
            let judgement = self.respond(one);
            self.enforce(lane, one, judgement);
        }
    }

    fn respond(&self, findings: &[Finding]) -> Judgement {
        let court = self.answer.court();
        let mut judgement = Judgement::default();
        let all: Vec<usize> = (0..findings.len()).collect();
        let resource = Resource::Model(court.model);
        court.ask(&mut judgement, Action::Respond, resource, findings, &all, &self.answer.trace);
        judgement
    }

    fn enforce(&mut self, lane: &Lane, findings: &[Finding], mut judgement: Judgement) {
        if !self.ledger.is_shadow() {
            let redact = std::mem::take(&mut judgement.redact);
            if let Some(state) = self.lanes.get_mut(lane) {
                for finding in redact.iter().filter_map(|index| findings.get(*index)) {
                    state.redact(finding);
                }
            }
            if judgement.verdict >= Verdict::Approve {
                let first = findings.iter().map(|finding| finding.span.start).min();
                if let Some(state) = self.lanes.get_mut(lane) {
                    state.cut(first.unwrap_or(0));
                }
                self.ending.get_or_insert(Ending::Blocked);
            }
        }
        self.ledger.judged(judgement);
    }

    fn judge_calls(&mut self, choice: u32) {
        self.judge_calls_where(|(of, _)| of == choice);
    }

    fn judge_calls_before(&mut self, choice: u32, call: u32) {
        self.judge_calls_where(|(of, index)| of == choice && index < call);
    }

    fn judge_calls_where(&mut self, which: impl Fn((u32, u32)) -> bool) {
        let due: Vec<(u32, u32)> = self
            .calls
            .iter()
            .filter(|(key, state)| which(**key) && !state.judged)
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            self.judge_call(key);
        }
    }

    /// One call, whole.
    fn judge_call(&mut self, (choice, call): (u32, u32)) {
        let lane = Lane::Call { choice, call };
        let ended = self.lanes.get_mut(&lane).map(LaneState::finish).unwrap_or_default();
        self.found(&lane, ended);
        if self.lanes.get(&lane).is_some_and(|state| !state.is_scored()) {
            // `scored` comes back here when the last score is there.
            self.calls_ended.insert(lane);
            return;
        }
        let Some(state) = self.calls.get_mut(&(choice, call)) else { return };
        state.judged = true;
        let (name, arguments) = (state.name.clone(), state.arguments.clone());
        let findings = std::mem::take(&mut state.findings);
        let made = if state.slot.is_some_and(Slot::is_custom) {
            ToolCall::custom(name, arguments, choice)
        } else {
            ToolCall::new(name, arguments, choice)
        };
        // Escapes inside the arguments hide what they say: the decoded strings
        // are read too, as in a whole answer.
        let inner = self.inner_findings(&made);
        let mut judgement = Judgement::default();
        let all: Vec<usize> = (0..findings.len() + inner.len()).collect();
        let everything: Vec<Finding> = findings.iter().chain(&inner).cloned().collect();
        let court = self.answer.court();
        court.call(&mut judgement, &made, &everything, &all, &self.answer.trace);
        let hidden = judgement.redact.iter().any(|index| *index >= findings.len());
        if hidden && !self.ledger.is_shadow() {
            // A span inside an escape cannot be replaced fragment by fragment.
            judgement.raise(Verdict::Block);
            judgement.errors.push("a finding that cannot be replaced in place".to_owned());
        }
        let approvable = !self.ledger.is_shadow() && self.ending.is_none();
        if judgement.verdict == Verdict::Approve && approvable {
            self.hold((choice, call), made, judgement, everything);
            return;
        }
        self.ledger.tool_call(&made.name, &made.raw, CallVerdict::of(&judgement));
        self.enforce(&lane, &everything, judgement);
        self.pass((choice, call));
    }

    /// A call that was judged passes, unless something has ended the stream.
    fn pass(&mut self, key: (u32, u32)) {
        if self.ending.is_none()
            && let Some(state) = self.calls.get_mut(&key)
        {
            state.passes = true;
        }
    }

    fn inner_findings(&mut self, call: &ToolCall) -> Vec<Finding> {
        if !call.raw.contains('\\') {
            return Vec::new();
        }
        let mut texts = Vec::new();
        strings(&call.arguments, &mut texts);
        let mut findings = Vec::new();
        for text in texts {
            let segment = Segment {
                index: 0,
                pointer: "",
                channel: Channel::ToolCall,
                origin: Origin::Model,
                tool: Some(&call.name),
                text,
            };
            findings.extend(self.answer.gateway.screener.bundle().screen(&segment).findings);
        }
        for finding in &findings {
            self.ledger.found(finding, Channel::ToolCall);
        }
        findings
    }

    /// A text that stands alone: ids, roles, padding, comments. Read once.
    fn alone(&mut self, channel: Channel, text: &str) {
        let key = (channel, text.to_owned());
        if text.is_empty() || self.seen.contains(&key) {
            return;
        }
        if self.seen.len() < SEEN_TEXTS {
            self.seen.insert(key);
        }
        let segment =
            Segment { index: 0, pointer: "", channel, origin: Origin::Model, tool: None, text };
        let screened = self.answer.gateway.screener.bundle().screen(&segment);
        self.ledger.coverage.decoded(channel, text.len());
        let truncated = screened.skipped.iter().map(|skip| skip.bytes).sum();
        let look = Look::Read { tokens: 0, truncated };
        self.ledger.coverage.looked(channel, RULES, text.len(), look);
        if self.answer.gateway.screener.bundle().wants_scores(channel)
            && let Some(models) = self.answer.gateway.screener.models()
        {
            self.ledger.coverage.looked(channel, &models.name, 0, Look::Skipped);
        }
        if screened.findings.is_empty() {
            return;
        }
        for finding in &screened.findings {
            self.ledger.found(finding, channel);
        }
        let mut judgement = self.respond(&screened.findings);
        if !judgement.redact.is_empty() && !self.ledger.is_shadow() {
            judgement.raise(Verdict::Block);
            judgement.errors.push("a finding that cannot be replaced in place".to_owned());
        }
        if judgement.verdict >= Verdict::Approve && !self.ledger.is_shadow() {
            self.barred = true;
            self.ending.get_or_insert(Ending::Blocked);
        }
        judgement.redact.clear();
        self.ledger.judged(judgement);
    }

    fn block(&mut self, why: &'static str) {
        let mut judgement = Judgement::default();
        judgement.raise(Verdict::Block);
        judgement.errors.push(why.to_owned());
        self.ledger.judged(judgement);
        if !self.ledger.is_shadow() {
            self.barred = true;
            self.ending.get_or_insert(Ending::Blocked);
        }
    }

    /// Questions for the classifiers: sentences that have ended; at the `end`,
    /// all that is left.
    pub(super) fn due(&mut self, end: bool) -> Vec<Scoring> {
        let screener = &self.answer.gateway.screener;
        if !self.scores {
            return Vec::new();
        }
        let mut due: Vec<Scoring> = Vec::new();
        let mut texts = Vec::new();
        for (lane, state) in &mut self.lanes {
            let end = end || self.calls_ended.contains(lane);
            while let Some((text, start, upto)) = state.due(end) {
                texts.push((lane.clone(), text, start, upto));
            }
        }
        for (lane, text, start, upto) in texts {
            let screener = screener.clone();
            due.push(Box::pin(async move {
                let segment = Segment {
                    index: 0,
                    pointer: "",
                    channel: lane.channel(),
                    origin: Origin::Model,
                    tool: None,
                    text: &text,
                };
                let weighed = screener.score(&segment).await;
                Scored { lane, start, upto, weighed }
            }));
        }
        due
    }

    /// A classifier's answer: what it found is judged, what it cleared may go.
    pub(super) fn scored(&mut self, scored: Scored) {
        let Scored { lane, start, upto, weighed } = scored;
        let mut unseen = 0;
        let weighed = match weighed {
            Ok(weighed) => weighed,
            Err(mode) => {
                self.missed(&lane, mode);
                if mode == OnDeadline::Refuse && !self.ledger.is_shadow() {
                    return;
                }
                unseen =
                    self.lanes.get(&lane).map_or(0, |state| upto.saturating_sub(state.scored()));
                Weighed::default()
            }
        };
        // A window looks back over text that an earlier one has cleared: what
        // it finds stands in what is new.
        let mut fresh = start;
        if let Some(state) = self.lanes.get_mut(&lane) {
            fresh = fresh.max(state.scored());
            state.tokens += weighed.tokens;
            state.unseen += weighed.truncated + unseen as u64;
            state.scored_to(upto);
        }
        let moved: Vec<Finding> = weighed
            .findings
            .into_iter()
            .map(|finding| Finding {
                span: (finding.span.start + start).max(fresh)
                    ..(finding.span.end + start).max(fresh),
                ..finding
            })
            .collect();
        self.found(&lane, moved);
        if let Lane::Call { choice, call } = lane
            && self.calls_ended.contains(&lane)
            && self.lanes.get(&lane).is_some_and(LaneState::is_scored)
        {
            self.calls_ended.remove(&lane);
            self.judge_call((choice, call));
        }
    }

    fn missed(&mut self, lane: &Lane, mode: OnDeadline) {
        if let Some(state) = self.lanes.get_mut(lane) {
            state.missed += 1;
        }
        let mut judgement = Judgement::default();
        match mode {
            OnDeadline::Flag => {
                self.ledger.failing(Enforcement::FailOpen);
                judgement.raise(Verdict::Flag);
            }
            OnDeadline::Refuse => {
                if self.ledger.is_shadow() {
                    self.ledger.failing(Enforcement::FailOpen);
                } else {
                    self.ledger.failing(Enforcement::FailClosed);
                    // Stronger than a block: what stood before it is unread too.
                    self.ending = Some(Ending::Unscreened);
                }
            }
        }
        self.ledger.judged(judgement);
    }

    /// Calls that nobody judged, since the stream ended before them: they did
    /// not pass.
    fn stop_calls(&mut self) {
        self.stop_waiting();
        let ended = if self.ending == Some(Ending::Blocked) { Some(Verdict::Block) } else { None };
        for state in self.calls.values_mut().filter(|state| !state.judged) {
            state.judged = true;
            let became = CallVerdict { verdict: ended, ..CallVerdict::default() };
            self.ledger.tool_call(&state.name, &state.arguments, became);
        }
    }

    /// The lanes' rows of the coverage map, and the calls that never ended;
    /// once.
    pub(super) fn cover(&mut self) {
        if std::mem::replace(&mut self.covered, true) {
            return;
        }
        self.stop_calls();
        let models = self.answer.gateway.screener.models().map(|models| models.name.clone());
        let bundle = self.answer.gateway.screener.bundle();
        for state in self.lanes.values() {
            let bytes = state.length as u64;
            self.ledger.coverage.decoded_more(state.channel, 1, state.length);
            let look = Look::Read { tokens: 0, truncated: state.skipped() };
            self.ledger.coverage.looked(state.channel, RULES, state.length, look);
            if let Some(name) = models.as_ref().filter(|_| bundle.wants_scores(state.channel)) {
                let row: &mut Row = self.ledger.coverage.row(state.channel, name);
                let seen = (state.scored() as u64).saturating_sub(state.unseen);
                row.bytes += seen;
                row.tokens += state.tokens;
                if state.missed > 0 {
                    row.timed_out += 1;
                } else if seen == bytes {
                    row.segments += 1;
                } else {
                    row.truncated += 1;
                }
            }
        }
    }
}

const fn unreadable(fault: sse::StreamFault) -> Ending {
    Ending::Unreadable(match fault {
        sse::StreamFault::TooLarge { .. } => "an event is too large",
        sse::StreamFault::NotUtf8 => "an event is not UTF-8",
        sse::StreamFault::UnknownField => "an event has a field that no standard names",
    })
}

fn strings<'a>(value: &'a serde_json::Value, out: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::String(text) => out.push(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                out.push(key);
                strings(value, out);
            }
        }
        _ => {}
    }
}

/// Lanes of one stream.
const LANES: usize = 4096;
const DONE: &str = "[DONE]";
/// Texts that stand alone and are remembered, so that an id is read once.
const SEEN_TEXTS: usize = 1024;
