//! Listeners, connections and their end.

mod peer;
mod tls;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::Service;

pub(crate) use peer::Peer;
pub(crate) use tls::{TlsFault, acceptor};

use crate::{body::Body, config::Limits, gateway::Gateway, receipts, stack, tasks::Tasks};

use peer::Patient;

/// The gateway in force; swapped whole.
pub(crate) type InForce = Arc<ArcSwap<Gateway>>;

/// Serves applications until the tasks are told to stop; then finishes the
/// exchanges under way.
pub(crate) async fn serve_applications(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    in_force: InForce,
    tasks: Tasks,
) {
    let limits = in_force.load().limits().clone();
    let bounds = Bounds { connections: limits.connections, drain: limits.drain_timeout(), limits };
    let service = move |request: Request<Incoming>| {
        let in_force = in_force.clone();
        async move { answer(&in_force, request).await }
    };
    serve(listener, tls, bounds, tasks, service).await;
}

/// One request of an application: a receipt, or an exchange.
async fn answer(
    in_force: &InForce,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let gateway = in_force.load_full();
    if let Some(id) = receipts::asked(request.uri().path()) {
        return Ok(receipts::own(&gateway, request.method(), request.headers(), id).await);
    }
    stack::stack(&gateway).call(request).await
}

/// Serves a small HTTP service until the tasks are told to stop.
pub(crate) async fn serve_small<L, F, R>(listener: L, limits: Limits, tasks: Tasks, service: F)
where
    L: Listener,
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let bounds = Bounds { connections: SMALL_CONNECTIONS, drain: SMALL_DRAIN, limits };
    serve(listener, None, bounds, tasks, service).await;
}

struct Bounds {
    connections: usize,
    /// Time for the exchanges under way at the end.
    drain: Duration,
    limits: Limits,
}

async fn serve<L, F, R>(
    mut listener: L,
    tls: Option<TlsAcceptor>,
    bounds: Bounds,
    tasks: Tasks,
    service: F,
) where
    L: Listener,
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let Bounds { connections, drain, limits } = bounds;
    let connections = Arc::new(Semaphore::new(connections));
    let graceful = GracefulShutdown::new();
    loop {
        let permit = tokio::select! {
            () = tasks.stopped() => break,
            permit = connections.clone().acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let stream = tokio::select! {
            () = tasks.stopped() => break,
            accepted = listener.next() => match accepted {
                Ok(stream) => stream,
                Err(fault) => {
                    accept_failed(&fault).await;
                    continue;
                }
            },
        };
        let (watcher, limits, service) = (graceful.watcher(), limits.clone(), service.clone());
        let (tls, stop) = (tls.clone(), tasks.clone());
        tasks.spawn("connection", async move {
            let opening = async {
                if !speaks(L::speaks(&stream), &limits).await {
                    return None;
                }
                match tls {
                    None => Some(Wire::Plain(stream)),
                    Some(tls) => handshake(&tls, stream, &limits).await,
                }
            };
            // A peer that has said nothing yet must not hold a stop.
            let opened = tokio::select! {
                biased;
                opened = opening => opened,
                () = stop.stopped() => None,
            };
            match opened {
                None => {}
                Some(Wire::Plain(stream)) => {
                    connection(stream, &limits, watcher, service).await;
                }
                Some(Wire::Tls(stream)) => {
                    connection(*stream, &limits, watcher, service).await;
                }
            }
            drop(permit);
        });
    }
    drop(listener);
    drained(graceful, drain).await;
}

/// A connection that can be spoken on.
enum Wire<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

async fn handshake<S>(tls: &TlsAcceptor, stream: S, limits: &Limits) -> Option<Wire<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match tokio::time::timeout(limits.header_timeout(), tls.accept(stream)).await {
        Ok(Ok(stream)) => return Some(Wire::Tls(Box::new(stream))),
        Ok(Err(fault)) => tracing::debug!(%fault, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake timed out"),
    }
    None
}

/// Where connections come from.
pub(crate) trait Listener: Send {
    /// One connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Resolves when the peer has said something.
    fn speaks(stream: &Self::Stream) -> impl Future<Output = std::io::Result<()>> + Send;

    /// The next connection.
    fn next(&mut self) -> impl Future<Output = std::io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = tokio::net::TcpStream;

    fn speaks(stream: &Self::Stream) -> impl Future<Output = std::io::Result<()>> + Send {
        stream.readable()
    }

    async fn next(&mut self) -> std::io::Result<Self::Stream> {
        let (stream, _) = self.accept().await?;
        if let Err(fault) = stream.set_nodelay(true) {
            tracing::debug!(%fault, "cannot set TCP_NODELAY");
        }
        Ok(stream)
    }
}

impl Listener for UnixListener {
    type Stream = tokio::net::UnixStream;

    fn speaks(stream: &Self::Stream) -> impl Future<Output = std::io::Result<()>> + Send {
        stream.readable()
    }

    async fn next(&mut self) -> std::io::Result<Self::Stream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

/// Whether the peer says anything in the time for a head: silent peers would
/// hold all permits.
async fn speaks(said: impl Future<Output = std::io::Result<()>>, limits: &Limits) -> bool {
    matches!(tokio::time::timeout(limits.header_timeout(), said).await, Ok(Ok(())))
}

async fn connection<I, F, R>(
    io: I,
    limits: &Limits,
    watcher: hyper_util::server::graceful::Watcher,
    serve: F,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R + Send + 'static,
    R: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout())
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(MIN_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(HTTP2_STREAMS)
        .keep_alive_interval(HTTP2_PING);
    let peer = Peer::default();
    let patience = limits.write_timeout();
    let io = Patient::new(io, peer.clone(), limits.header_timeout(), patience);
    let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
        let peer = peer.clone();
        request.extensions_mut().insert(peer.clone());
        let answer = serve(request);
        async move { answer.await.map(|response| response.map(|body| peer.paced(body))) }
    });
    let connection = builder.serve_connection(TokioIo::new(io), service).into_owned();
    tokio::select! {
        ended = watcher.watch(connection) => if let Err(fault) = ended {
            tracing::debug!(%fault, "connection ended");
        },
        // What it did not take goes with it.
        () = peer.stalled(patience) => {}
    }
    if peer.is_stalled() {
        tracing::info!("a client that stopped reading was given up");
    }
}

async fn drained(graceful: GracefulShutdown, within: Duration) {
    if tokio::time::timeout(within, graceful.shutdown()).await.is_err() {
        tracing::warn!("exchanges under way did not end in `drain_timeout_ms`");
    }
}

/// Out of descriptors: wait for some to close instead of spinning.
async fn accept_failed(fault: &std::io::Error) {
    tracing::warn!(%fault, "cannot accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Tells people and programs where a listener is.
pub(crate) fn announce(what: &str, address: impl std::fmt::Display) {
    crate::output::note(&format!("listening address={address} what={what}"));
}

/// Binds `address`.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// The least that hyper takes for a read buffer.
const MIN_BUFFER: usize = 8192;
const HTTP2_STREAMS: u32 = 256;
const HTTP2_PING: Duration = Duration::from_secs(30);
const SMALL_DRAIN: Duration = Duration::from_secs(2);
const SMALL_CONNECTIONS: usize = 256;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
