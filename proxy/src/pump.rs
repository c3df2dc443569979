//! A streamed answer: each event leaves with its original bytes as soon as all
//! of its text is cleared, in the order in which it came.
//!
//! One task for each stream reads the upstream, feeds the lanes (a choice's
//! content, reasoning, refusal, each tool call's arguments), and sends what is
//! cleared through a bounded channel: a client that reads slowly slows the
//! upstream, and one that leaves ends the task and with it the upstream's
//! request. A tool call is judged whole, so its fragments wait for its end.

mod call;
mod lane;
mod queue;
mod state;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{FuturesOrdered, FuturesUnordered},
};
use http::{Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{
    sync::mpsc::Sender,
    time::{Interval, MissedTickBehavior},
};

use crate::{
    answer::Answer,
    body::{Body, BoxError, Piped, Reservation},
    clock::Mark,
    dialect::openai,
    ledger::Ledger,
    receipt,
    server::Peer,
    upstream,
};

use state::{Answered, Ending, Holding, Out, Scoring, State};

/// Answers with a stream and starts its task.
pub(crate) fn start(
    answer: Answer,
    ledger: Ledger,
    head: http::response::Parts,
    body: Incoming,
) -> Response<Body> {
    let (frames, piped) = Piped::pair();
    let mut response = Response::new(piped);
    *response.status_mut() = head.status;
    // The length of a stream is unknown and its digests are not ours to keep.
    *response.headers_mut() = upstream::response_headers(&head.headers, true);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    let tasks = answer.gateway.shared.tasks.clone();
    let client = Client {
        frames,
        patience: answer.gateway.limits().write_timeout(),
        peer: answer.admission.peer.clone(),
    };
    let state = State::new(answer, ledger);
    let mut pings = tokio::time::interval(state.answer.gateway.limits().approval_ping());
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (scoring, holding) = (FuturesOrdered::new(), FuturesUnordered::new());
    let pump = Pump { state, client, scoring, holding, pings };
    tasks.spawn("stream", pump.run(body));
    response
}

struct Pump {
    state: State,
    client: Client,
    /// Scores under way, in `race` mode; taken in the order of the text, so
    /// that what was judged is always a beginning of it.
    scoring: FuturesOrdered<Scoring>,
    /// Tool calls that wait for a person.
    holding: FuturesUnordered<Holding>,
    /// When the client gets a sign of life, while some do. The first is due at
    /// once: it tells the client what it waits for.
    pings: Interval,
}

/// The client is gone.
struct Gone;

impl Pump {
    async fn run(mut self, body: Incoming) {
        let ended = self.read(body).await;
        let Ok(ending) = ended else {
            self.state.cover();
            self.state.ledger.abort();
            return;
        };
        if self.finish(ending).await.is_err() {
            tracing::debug!("the client left before the end");
        }
    }

    /// Reads until the stream ends, by itself or by verdict.
    async fn read(&mut self, mut body: Incoming) -> Result<Ending, Gone> {
        let started = Mark::now();
        let idle = self.state.answer.gateway.limits().idle_timeout();
        let ending = loop {
            let packet = tokio::select! {
                biased;
                () = self.client.frames.closed() => return Err(Gone),
                Some(scored) = self.scoring.next() => {
                    self.state.scored(scored);
                    if let Some(ending) = self.release().await? {
                        break ending;
                    }
                    continue;
                }
                step = person(&mut self.holding, &mut self.pings) => {
                    if let Some(ending) = self.heard(step).await? {
                        break ending;
                    }
                    continue;
                }
                packet = tokio::time::timeout(idle, body.frame()) => packet,
            };
            let data = match packet {
                Err(_) => break Ending::Upstream("the upstream stopped sending"),
                Ok(None) => break Ending::Eof,
                Ok(Some(Err(_))) => break Ending::Upstream("the upstream ended the stream early"),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => data,
                    Err(_) => continue,
                },
            };
            self.state.ledger.received(&data);
            match self.state.packet(&data) {
                Err(ending) => break ending,
                Ok(done) => {
                    if let Some(ending) = self.score().await.or(self.release().await?) {
                        break ending;
                    }
                    if done {
                        break Ending::Eof;
                    }
                }
            }
        };
        self.state.ledger.took("upstream_body", started.micros());
        Ok(ending)
    }

    /// Asks the classifiers about sentences that have ended: waits for them in
    /// `gate`, lets them run beside the text in `race`.
    async fn score(&mut self) -> Option<Ending> {
        for scoring in self.state.due(false) {
            if self.state.races() {
                self.scoring.push_back(scoring);
            } else {
                let scored = scoring.await;
                self.state.scored(scored);
            }
        }
        self.state.ending()
    }

    /// Waits for the last word about every call that is held.
    async fn attend(&mut self) -> Result<(), Gone> {
        self.holding.extend(self.state.asked());
        while !self.holding.is_empty() && self.state.ending().is_none() {
            let step = tokio::select! {
                biased;
                () = self.client.frames.closed() => return Err(Gone),
                step = person(&mut self.holding, &mut self.pings) => step,
            };
            self.heard(step).await?;
        }
        Ok(())
    }

    /// A person has answered, or a sign of life is due.
    async fn heard(&mut self, step: Step) -> Result<Option<Ending>, Gone> {
        match step {
            Step::Answer(answered) => {
                self.state.answered(answered);
                self.release().await
            }
            Step::Ping => {
                let ping = self.state.ping();
                self.state.ledger.released(&ping, 0);
                let room = self.state.leaving(0);
                self.client.push(ping, room).await?;
                Ok(None)
            }
        }
    }

    /// Sends what is cleared.
    async fn release(&mut self) -> Result<Option<Ending>, Gone> {
        self.holding.extend(self.state.asked());
        let out = self.state.cleared();
        if !out.bytes.is_empty() {
            self.send(out).await?;
        }
        Ok(self.state.ending())
    }

    async fn send(&mut self, out: Out) -> Result<(), Gone> {
        self.state.ledger.released(&out.bytes, out.early);
        let room = self.state.leaving(out.bytes.len());
        self.client.push(out.bytes, room).await
    }

    /// The end: the last texts are judged, the outcome sealed, and only then
    /// the last bytes leave.
    async fn finish(mut self, ending: Ending) -> Result<(), Gone> {
        let mut ending = ending;
        if matches!(ending, Ending::Eof) {
            if let Err(fault) = self.state.finish_lanes() {
                ending = fault;
            }
            while let Some(scored) = self.scoring.next().await {
                self.state.scored(scored);
            }
            for scoring in self.state.due(true) {
                let scored = scoring.await;
                self.state.scored(scored);
            }
            if self.attend().await.is_err() {
                self.state.cover();
                self.state.ledger.abort();
                return Err(Gone);
            }
            self.state.nothing_is_left_unjudged();
            if let Some(verdict) = self.state.ending() {
                ending = verdict;
            }
        }
        if matches!(ending, Ending::Blocked) {
            // What stood before the end still wants its scores.
            while let Some(scored) = self.scoring.next().await {
                self.state.scored(scored);
            }
            for scoring in self.state.due(true) {
                let scored = scoring.await;
                self.state.scored(scored);
            }
            ending = self.state.ending().unwrap_or(ending);
        }
        let mut last = Out::default();
        if matches!(ending, Ending::Eof) {
            self.state.cover();
            let (before, end) = self.state.rest();
            if !before.bytes.is_empty() {
                self.send(before).await?;
            }
            last = end;
        } else if let Some(tail) = self.state.tail(&ending) {
            last = tail;
        }
        let mut room = self.state.leaving(usize::MAX);
        let State { answer, mut ledger, .. } = self.state;
        ledger.released(&last.bytes, last.early);
        let closed = match &ending {
            Ending::Upstream(_) | Ending::Unreadable(_) | Ending::Unscreened | Ending::NoRoom => {
                ledger.fail(ending.code()).await
            }
            Ending::Eof | Ending::Blocked => ledger.close().await,
        };
        let Ok(sealed) = closed else {
            // No receipt, no reply: the stream ends with an error and not with
            // the bytes that stood for its end.
            let message = "the evidence log failed";
            let event = openai::error_event(message, "api_error", "evidence_unavailable");
            return self.client.push(event, room).await;
        };
        if sealed.is_some()
            && answer.admission.route.inline_receipt
            && let Some(comment) = receipt::comment(&answer.gateway, &answer.admission).await
        {
            self.client.push(comment, room.split(0)).await?;
        }
        if last.bytes.is_empty() {
            return Ok(());
        }
        self.client.push(last.bytes, room).await
    }
}

/// What happens while calls wait for a person.
enum Step {
    Answer(Answered),
    Ping,
}

/// The next of it; never, while no call waits.
async fn person(holding: &mut FuturesUnordered<Holding>, pings: &mut Interval) -> Step {
    if holding.is_empty() {
        return std::future::pending().await;
    }
    tokio::select! {
        biased;
        Some(answered) = holding.next() => Step::Answer(answered),
        _ = pings.tick() => Step::Ping,
    }
}

/// Where the frames go.
struct Client {
    frames: Sender<Result<Bytes, BoxError>>,
    patience: Duration,
    peer: Peer,
}

impl Client {
    /// Hands bytes over, with the room that they take: a client that stops
    /// reading must not hold an exchange for ever, and loses its connection.
    async fn push(&self, bytes: Vec<u8>, room: Reservation) -> Result<(), Gone> {
        let sent = self.frames.send(Ok(room.over(bytes)));
        match tokio::time::timeout(self.patience, sent).await {
            Ok(sent) => sent.map_err(|_| Gone),
            Err(_) => {
                self.peer.stall();
                Err(Gone)
            }
        }
    }
}

#[cfg(test)]
mod tests;
