use std::sync::OnceLock;

use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::client::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Semaphore,
};

use super::*;
use crate::{
    body::{Keeping, full},
    config::Limits,
    server::connection,
    tasks::Tasks,
};

/// A connection that is served, and what its exchanges hold.
struct Served {
    wire: DuplexStream,
    tasks: Tasks,
    permits: Arc<Semaphore>,
    peer: Arc<OnceLock<Peer>>,
}

/// Serves one connection, over a wire that holds 1024 bytes each way; `body` is
/// the answer to every request, and holds the only permit until its end.
fn served(body: fn() -> Body) -> Served {
    let (wire, ours) = duplex(1024);
    let tasks = Tasks::default();
    let permits = Arc::new(Semaphore::new(1));
    let peer = Arc::new(OnceLock::new());
    let (held, known) = (permits.clone(), peer.clone());
    let answer = move |request: Request<hyper::body::Incoming>| {
        let permit = held.clone().try_acquire_owned();
        let _ = known.set(request.extensions().get::<Peer>().cloned().unwrap());
        async move { Ok(Response::new(Keeping::until_end(body(), permit))) }
    };
    tasks.spawn("connection", async move {
        let graceful = GracefulShutdown::new();
        connection(ours, &Limits::default(), graceful.watcher(), answer).await;
    });
    Served { wire, tasks, permits, peer }
}

impl Served {
    async fn ask(&mut self) {
        self.wire.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    }

    /// Waits for the connection's end; tells how many seconds that took.
    async fn end(&self) -> u64 {
        let asked = Tick::now();
        assert!(self.tasks.drain(Duration::from_secs(3600)).await, "the connection stays");
        asked.elapsed().as_secs()
    }

    fn was_given_up(&self) -> bool {
        let free = self.permits.available_permits() == 1;
        free && self.peer.get().is_some_and(Peer::is_stalled)
    }
}

fn large() -> Body {
    full(vec![b'x'; 300_000])
}

/// Two pieces, the second one long after the first.
fn with_a_pause() -> Body {
    let pieces = futures_util::stream::iter([0, 1200]).then(|pause| async move {
        sleep(Duration::from_secs(pause)).await;
        Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"piece")))
    });
    StreamBody::new(Box::pin(pieces)).boxed_unsync()
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_say_what_it_speaks_is_given_up() {
    let patience = Limits::default().header_timeout().as_secs();
    for length in 0..PREFACE.len() {
        let mut served = served(large);
        for byte in &PREFACE[..length] {
            served.wire.write_all(&[*byte]).await.unwrap();
        }
        assert_eq!(served.end().await, patience, "{length} bytes");
    }
    // What only looks like it is HTTP/1, whose reader has a clock of its own.
    for said in ["PRI * HTTP/1.1\r\n", "GET / HT", "PRI * HTTP/2.0\r\n\r\nSN"] {
        let mut served = served(large);
        served.wire.write_all(said.as_bytes()).await.unwrap();
        assert!(served.end().await <= patience, "{said}");
    }
    // A whole preface with nothing behind it does not answer a ping.
    let mut served = served(large);
    served.wire.write_all(PREFACE).await.unwrap();
    assert!(served.end().await <= 60);
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_nothing_is_given_up() {
    let mut served = served(large);
    served.ask().await;
    assert!((60..=75).contains(&served.end().await));
    assert!(served.was_given_up());
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_a_byte_now_and_then_is_given_up() {
    let mut served = served(large);
    served.ask().await;
    let tasks = served.tasks.clone();
    let asked = Tick::now();
    let trickle = async {
        let mut byte = [0];
        while served.wire.read(&mut byte).await.is_ok_and(|count| count > 0) {
            sleep(Duration::from_secs(10)).await;
        }
    };
    tokio::select! {
        () = trickle => {}
        _ = tasks.drain(Duration::from_secs(3600)) => {}
    }
    assert!((60..=90).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
    assert!(served.was_given_up());
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_slowly_gets_everything() {
    let mut served = served(large);
    served.ask().await;
    let mut all = Vec::new();
    while all.iter().filter(|byte| **byte == b'x').count() < 300_000 {
        let mut some = [0; 512];
        let count = served.wire.read(&mut some).await.unwrap();
        assert!(count > 0, "cut after {} bytes", all.len());
        all.extend_from_slice(&some[..count]);
        // 2048 bytes a second.
        sleep(Duration::from_millis(250)).await;
    }
    assert!(!served.was_given_up());
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_sender_is_no_fault_of_the_reader() {
    let mut served = served(with_a_pause);
    served.wire.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut all = String::new();
    served.wire.read_to_string(&mut all).await.unwrap();
    assert_eq!(all.matches("piece").count(), 2, "{all}");
    assert!(all.ends_with("\r\n0\r\n\r\n"));
}

async fn speak_http2(
    served: &mut Served,
    window: u32,
) -> (http2::SendRequest<Empty<Bytes>>, Tasks) {
    let (wire, _) = duplex(1);
    let wire = TokioIo::new(std::mem::replace(&mut served.wire, wire));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (sender, driver) = builder.handshake(wire).await.unwrap();
    let tasks = Tasks::default();
    tasks.spawn("client", async move { drop(driver.await) });
    (sender, tasks)
}

fn request() -> Request<Empty<Bytes>> {
    Request::new(Empty::new())
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_window_is_given_up() {
    // The connection lives and answers pings; only this stream takes nothing.
    let small: fn() -> Body = || full("a few bytes");
    for (body, window) in [(large as fn() -> Body, 65_535), (small, 1), (small, 0)] {
        let mut served = served(body);
        let (mut sender, _tasks) = speak_http2(&mut served, window).await;
        let response = sender.send_request(request()).await.unwrap();
        assert!((60..=90).contains(&served.end().await), "window of {window}");
        assert!(served.was_given_up());
        drop(response);
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_are_read_are_whole() {
    for (body, length) in [(large as fn() -> Body, 300_000), (with_a_pause, 10)] {
        let mut served = served(body);
        let (mut sender, _tasks) = speak_http2(&mut served, 65_535).await;
        let response = sender.send_request(request()).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len(), length);
        assert!(!served.was_given_up());
    }
}
