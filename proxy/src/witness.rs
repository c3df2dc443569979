//! Asks witnesses to cosign a log's head (C2SP tlog-witness): all at once, each
//! in its own time, as many as the quorum wants.
//!
//! The public checkpoint moves when a quorum has cosigned, or when those who
//! answered in time are too few: then it says so itself, by the signatures that
//! it lacks, and the head is offered again.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use tokio::sync::watch;
use troth_attest::{
    AddCheckpoint, Anchor, Checkpoint, Cosignature, DirectorySource, Hash, Log, Record, SignedHead,
    TrustPolicy, VerifierKey, cosignatures, last_cosigned_path, stored_root, with_cosignatures,
};

use crate::{tasks::Tasks, upstream::Client};

/// Why a log with witnesses cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WitnessFault {
    /// The policy file is not one.
    #[error("the witness policy `{path}`: {fault}")]
    Policy {
        /// The file.
        path: String,
        /// Why.
        fault: String,
    },
    /// What the log has cannot be compared with what a witness has seen.
    #[error("the files in `{path}` cannot be compared with what a witness has cosigned: {fault}")]
    Files {
        /// The log's directory.
        path: String,
        /// Why.
        fault: String,
    },
    /// Signing on would fork the log.
    #[error(
        "the witness `{witness}` has cosigned {what}: this log's files are older than what was \
         shown to it; restore them, or begin a new log under a new origin"
    )]
    Ahead {
        /// The witness's name.
        witness: String,
        /// What it has seen.
        what: String,
    },
}

/// A witness, and how far it has followed.
#[derive(Debug, Clone)]
struct Peer {
    /// Its place in the policy.
    place: usize,
    url: String,
    size: u64,
}

/// The witnesses that a log has, before it is open as well as after.
#[derive(Debug)]
pub(crate) struct Circle {
    origin: String,
    policy: TrustPolicy,
    peers: Vec<Peer>,
    client: Client,
    timeout: Duration,
}

/// The witnesses of an open log.
#[derive(Debug)]
pub(crate) struct Witnesses {
    log: Log,
    circle: Circle,
    interval: Duration,
    cosigned: watch::Sender<u64>,
}

/// What became of one question.
enum Answer {
    /// It cosigned.
    Signed(Cosignature),
    /// It says that it has seen a head of this size.
    Conflict(u64),
    /// It has shown a signed head that the log does not have.
    Ahead(String),
    /// Nothing that counts.
    Nothing(String),
}

/// Reads the policy file that names a log's witnesses.
///
/// # Errors
/// It is no policy, names no witness with an address, or does not list the
/// log's own key.
pub(crate) fn policy(path: &Path, own: &VerifierKey) -> Result<TrustPolicy, WitnessFault> {
    let failed = |fault: String| WitnessFault::Policy { path: path.display().to_string(), fault };
    let text = std::fs::read_to_string(path).map_err(|fault| failed(fault.to_string()))?;
    let policy = TrustPolicy::parse(&text).map_err(|fault| failed(fault.to_string()))?;
    if !policy.logs().contains(own) {
        return Err(failed(format!("it does not list the log's key: add `log {own}`")));
    }
    let places = 0..policy.witness_keys().len();
    let addresses: Vec<&str> = places.filter_map(|place| policy.witness_url(place)).collect();
    if addresses.is_empty() {
        return Err(failed("no witness in it has an address".to_owned()));
    }
    for url in addresses {
        let scheme = url.parse::<Uri>().ok().and_then(|uri| uri.scheme_str().map(str::to_owned));
        if !matches!(scheme.as_deref(), Some("http" | "https")) {
            return Err(failed(format!("`{url}` is not an address of a witness")));
        }
    }
    Ok(policy)
}

impl Circle {
    /// The witnesses that `policy` names with an address, for the log of this
    /// origin.
    pub(crate) fn new(
        origin: &str,
        policy: TrustPolicy,
        client: Client,
        timeout: Duration,
    ) -> Self {
        let peers = (0..policy.witness_keys().len())
            .filter_map(|place| {
                let url = policy.witness_url(place)?.trim_end_matches('/').to_owned();
                Some(Peer { place, url, size: 0 })
            })
            .collect();
        Self { origin: origin.to_owned(), policy, peers, client, timeout }
    }

    /// Asks each witness for the last head that it has cosigned: one that is
    /// ahead of the files in `directory`, or beside them, means that signing on
    /// would fork the log. So this comes before the log is opened, which signs
    /// what a crash left to be said. A witness that does not answer is asked
    /// again when it is to cosign, and refuses then.
    ///
    /// # Errors
    /// A witness has seen what the log no longer has, or that cannot be told.
    pub(crate) async fn check(&mut self, directory: &Path) -> Result<(), WitnessFault> {
        let mut peers = std::mem::take(&mut self.peers);
        for peer in &mut peers {
            let witness = self.policy.witness_name(peer.place);
            match self.last_seen(peer).await {
                Ok(None) => {}
                Ok(Some((size, root))) if stored(directory, size).await? == Some(root) => {
                    peer.size = size;
                }
                Ok(Some((size, _))) => {
                    let what = format!("another head of size {size}");
                    return Err(WitnessFault::Ahead { witness: witness.to_owned(), what });
                }
                Err(why) => {
                    tracing::warn!(witness, why, "a witness cannot say what it has seen");
                }
            }
        }
        self.peers = peers;
        Ok(())
    }

    async fn last_seen(&self, peer: &Peer) -> Result<Option<(u64, Hash)>, String> {
        let path = last_cosigned_path(&self.origin);
        let url = format!("{}/{path}", peer.url);
        let (status, _, body) = self.exchange(Method::GET, &url, Vec::new()).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let seen = Checkpoint::verify(&body, &self.policy)
                    .map_err(|fault| format!("its checkpoint: {fault}"))?;
                Ok(Some((seen.checkpoint.size, seen.checkpoint.root)))
            }
            other => Err(format!("it answered {other}")),
        }
    }

    /// One bounded HTTP exchange: status, media type, body.
    async fn exchange(
        &self,
        method: Method,
        url: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, String, Bytes), String> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::USER_AGENT, concat!("troth/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body)))
            .map_err(|fault| fault.to_string())?;
        let exchange = async {
            let response = self.client.send(request).await.map_err(|fault| fault.to_string())?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await;
            let body = body.map_err(|_| "its answer is too long or was cut".to_owned())?.to_bytes();
            let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            Ok((head.status, kind.unwrap_or_default().to_owned(), body))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err("it did not answer in time".to_owned()),
        }
    }
}

/// The root that the files in `directory` have at `size`; nothing when they do
/// not go so far.
async fn stored(directory: &Path, size: u64) -> Result<Option<Hash>, WitnessFault> {
    let path = directory.to_owned();
    // Tiles are read from disk: not on a thread that others wait for.
    let root = tokio::task::spawn_blocking(move || {
        stored_root(&DirectorySource::new(&path), size).map_err(|fault| fault.to_string())
    });
    let root = root.await.map_err(|fault| fault.to_string()).flatten();
    root.map_err(|fault| WitnessFault::Files { path: directory.display().to_string(), fault })
}

impl Witnesses {
    /// Those of `circle`, for the log that is open now.
    pub(crate) const fn new(
        log: Log,
        circle: Circle,
        interval: Duration,
        cosigned: watch::Sender<u64>,
    ) -> Self {
        Self { log, circle, interval, cosigned }
    }

    /// Whether the log's head of `size` is this one.
    async fn holds(&self, size: u64, root: Hash) -> bool {
        // Tiles are read from disk: not on a thread that others wait for.
        let log = self.log.clone();
        let own = tokio::task::spawn_blocking(move || log.root_at(size).ok()).await;
        own.ok().flatten() == Some(root)
    }

    /// A conflict says nothing that is signed, and anybody on the way could say
    /// it: witnessing stops for a head that the log's own key has signed and
    /// the log does not have, and for nothing less.
    async fn confirmed(&self, peer: &Peer, claimed: u64, offered: u64) -> Answer {
        match self.circle.last_seen(peer).await {
            Ok(Some((size, root))) if !self.holds(size, root).await => {
                Answer::Ahead(format!("a head of size {size}, and this one is {offered}"))
            }
            Ok(_) => Answer::Nothing(format!("it claims a head of size {claimed} and shows none")),
            Err(why) => Answer::Nothing(format!("it claims a head of size {claimed}, and {why}")),
        }
    }

    /// Offers heads until told to stop, and then what is left.
    pub(crate) async fn run(mut self, tasks: Tasks) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut unfinished = None;
        let mut anchored = 0;
        loop {
            let stopping = tokio::select! {
                () = tasks.stopped() => true,
                _ = ticks.tick() => false,
            };
            if let Some(head) = self.log.candidate().or(unfinished.take()) {
                match self.offer(&head, &mut anchored).await {
                    Ok(true) => {}
                    Ok(false) => unfinished = Some(head),
                    Err(fault) => {
                        // The sender goes with this task: `witnessed` routes
                        // refuse from here on.
                        tracing::error!(%fault, "witnesses are not asked any more");
                        return;
                    }
                }
            }
            if stopping {
                return;
            }
        }
    }

    /// Offers one head; true when a quorum has cosigned it.
    async fn offer(&mut self, head: &SignedHead, anchored: &mut u64) -> Result<bool, WitnessFault> {
        let mut lines: Vec<Cosignature> = Vec::new();
        let mut ahead = None;
        let mut met = self.circle.policy.satisfied_by(&[]);
        {
            let this = &*self;
            let mut asking: FuturesUnordered<_> = this
                .circle
                .peers
                .iter()
                .map(|peer| async move { (peer.place, this.ask(peer, head).await) })
                .collect();
            while let Some((place, answer)) = asking.next().await {
                let witness = self.circle.policy.witness_name(place).to_owned();
                match answer {
                    Answer::Signed(cosignature) => {
                        lines.push(cosignature);
                        let signed: Vec<usize> = lines.iter().map(|line| line.witness).collect();
                        if self.circle.policy.satisfied_by(&signed) && !met {
                            self.publish(head, &lines);
                            self.cosigned.send_replace(head.size);
                            met = true;
                        }
                    }
                    Answer::Ahead(what) => {
                        ahead = Some(WitnessFault::Ahead { witness, what });
                    }
                    // `ask` has looked into every conflict.
                    Answer::Conflict(size) => {
                        failed(&witness, &format!("it claims a head of size {size}"));
                    }
                    Answer::Nothing(why) => failed(&witness, &why),
                }
            }
        }
        for peer in &mut self.circle.peers {
            if lines.iter().any(|line| line.witness == peer.place) {
                peer.size = head.size;
            }
        }
        if let Some(fault) = ahead {
            return Err(fault);
        }
        // Again with whoever came after the quorum, or with too few.
        self.publish(head, &lines);
        if met {
            self.cosigned.send_replace(head.size);
            self.anchor(head, &lines, anchored).await;
        }
        Ok(met)
    }

    fn publish(&self, head: &SignedHead, lines: &[Cosignature]) {
        let note = with_cosignatures(&head.note, lines);
        if let Err(fault) = self.log.publish(&note) {
            tracing::error!(%fault, "the cosigned checkpoint is not published");
        }
    }

    /// Enters the cosigned head into the log, unless nothing but the last such
    /// record is new in it: a quiet log must come to rest.
    async fn anchor(&self, head: &SignedHead, lines: &[Cosignature], anchored: &mut u64) {
        if head.size <= *anchored {
            return;
        }
        let note = with_cosignatures(&head.note, lines);
        let Ok(checkpoint) = String::from_utf8(note) else { return };
        let record = Record::Anchor(Anchor { checkpoint, ..Anchor::default() });
        let appended = match self.log.append(record) {
            Ok(pending) => pending.await,
            Err(fault) => Err(fault),
        };
        match appended {
            Ok(sealed) => *anchored = sealed.index + 1,
            Err(fault) => tracing::warn!(%fault, "no record of the cosigned head"),
        }
    }

    async fn ask(&self, peer: &Peer, head: &SignedHead) -> Answer {
        let asked = tokio::time::timeout(self.circle.timeout, self.ask_twice(peer, head)).await;
        match asked {
            Ok(Answer::Conflict(size)) => self.confirmed(peer, size, head.size).await,
            Ok(answer) => answer,
            Err(_) => Answer::Nothing("it did not answer in time".to_owned()),
        }
    }

    /// Asks from the size that the witness is known to have, and once more
    /// from the one that it then names.
    async fn ask_twice(&self, peer: &Peer, head: &SignedHead) -> Answer {
        let first = self.ask_from(peer, peer.size.min(head.size), head).await;
        match first {
            Answer::Conflict(size) if size <= head.size => self.ask_from(peer, size, head).await,
            other => other,
        }
    }

    async fn ask_from(&self, peer: &Peer, old: u64, head: &SignedHead) -> Answer {
        // Tiles are read from disk: not on a thread that others wait for.
        let (log, size) = (self.log.clone(), head.size);
        let proof = tokio::task::spawn_blocking(move || log.consistency(old, size)).await;
        let proof = match proof {
            Ok(Ok(proof)) => proof,
            Ok(Err(fault)) => return Answer::Nothing(format!("no consistency proof: {fault}")),
            Err(fault) => return Answer::Nothing(fault.to_string()),
        };
        let body = AddCheckpoint { old, proof, note: head.note.clone() }.to_bytes();
        let url = format!("{}/add-checkpoint", peer.url);
        let (status, kind, body) = match self.circle.exchange(Method::POST, &url, body).await {
            Ok(answer) => answer,
            Err(why) => return Answer::Nothing(why),
        };
        match status {
            StatusCode::OK => match cosignatures(&body, &head.note, &self.circle.policy) {
                Ok(lines) => match lines.into_iter().find(|line| line.witness == peer.place) {
                    Some(own) => Answer::Signed(own),
                    None => Answer::Nothing("it sent another witness's cosignature".to_owned()),
                },
                Err(fault) => Answer::Nothing(fault.to_string()),
            },
            StatusCode::CONFLICT if kind == "text/x.tlog.size" => {
                let text = std::str::from_utf8(&body).unwrap_or_default();
                match text.trim_end_matches('\n').parse() {
                    Ok(size) => Answer::Conflict(size),
                    Err(_) => Answer::Nothing("its size is not a number".to_owned()),
                }
            }
            other => Answer::Nothing(format!("it answered {other}")),
        }
    }
}

fn failed(witness: &str, why: &str) {
    tracing::warn!(witness, why, "a witness did not cosign");
    metrics::counter!("troth_witness_failures_total", "witness" => witness.to_owned()).increment(1);
}

/// An answer of a witness is a few signature lines, or a checkpoint.
const ANSWER_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use troth_attest::{LogConfig, Publishing, Signer, SystemClock};

    use super::*;
    use crate::{config::Limits, testing::ORIGIN};

    fn log(directory: &Path, records: usize) -> Log {
        let mut config =
            LogConfig::new(directory, ORIGIN, Signer::generate(ORIGIN, [1; 32]).unwrap());
        config.publish = Publishing::External;
        let log = Log::open(config, Arc::new(SystemClock)).unwrap();
        for _ in 0..records {
            log.append(Record::Heartbeat(troth_attest::Heartbeat::default()))
                .unwrap()
                .wait()
                .unwrap();
        }
        log
    }

    /// Always claims a head of `claims`, and shows `shows`.
    async fn claimer(claims: u64, shows: Option<Vec<u8>>, tasks: &Tasks) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tasks.spawn("claimer", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 1 << 16];
                let read = stream.read(&mut head).await.unwrap();
                let (status, kind, body) = if head[..read].starts_with(b"POST") {
                    ("409 Conflict", "text/x.tlog.size", format!("{claims}\n").into_bytes())
                } else {
                    match &shows {
                        Some(note) => ("200 OK", "text/plain", note.clone()),
                        None => ("404 Not Found", "text/plain", Vec::new()),
                    }
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
                     connection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.write_all(&body).await.unwrap();
            }
        });
        format!("http://{address}")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_a_signed_head_says_that_a_witness_is_ahead() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (own, later) = (log(one.path(), 3), log(other.path(), 9));
        let head = own.candidate().unwrap();
        let mut forged = later.candidate().unwrap().note;
        forged.extend_from_slice(b"x");
        let tasks = Tasks::default();
        for (claims, shows, is_ahead) in [
            (head.size + 7, None, false),
            (head.size - 1, None, false),
            (head.size + 7, Some(head.note.clone()), false),
            (head.size + 7, Some(forged), false),
            (head.size + 7, Some(later.candidate().unwrap().note), true),
        ] {
            let url = claimer(claims, shows, &tasks).await;
            let witness = Signer::generate("w", [2; 32]).unwrap().witness_verifier();
            let text = format!(
                "log {}\nwitness w {witness} {url}\ngroup all 1 w\nquorum all\n",
                own.verifier()
            );
            let policy = TrustPolicy::parse(&text).unwrap();
            let (client, second) = (Client::new(&Limits::default()), Duration::from_secs(10));
            let (cosigned, _kept) = watch::channel(0);
            let circle = Circle::new(ORIGIN, policy, client, second);
            let mut witnesses = Witnesses::new(own.clone(), circle, second, cosigned);
            let offered = witnesses.offer(&head, &mut 0).await;
            assert_eq!(offered.is_err(), is_ahead, "{claims}: {offered:?}");
        }
    }
}
