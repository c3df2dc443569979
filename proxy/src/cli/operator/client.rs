//! A client of the admin listener: one request over its socket, or over TCP
//! with the token, bounded in time and size.

use std::{io::ErrorKind, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::place;
use crate::{
    config::{Admin, Secret},
    tasks::Tasks,
};

/// What the admin listener is asked.
#[derive(Debug)]
pub(in crate::cli) struct Question {
    /// Where.
    pub(in crate::cli) path: String,
    /// What is posted there; nothing: it is only read.
    pub(in crate::cli) body: Option<Vec<u8>>,
}

/// What came of it.
#[derive(Debug)]
pub(in crate::cli) enum Told {
    /// It was carried out.
    Done(Value),
    /// It was not, and why.
    Refused(String),
    /// No proxy listens there.
    NobodyThere,
}

/// Asks the proxy that listens at `admin`.
///
/// # Errors
/// Somebody listens, and cannot be asked.
pub(in crate::cli) async fn send(admin: &Admin, question: Question) -> Result<Told, String> {
    let at = place(admin);
    let connected = tokio::time::timeout(CONNECT, async {
        Ok(match admin {
            Admin::Socket(path) => Wire::Socket(UnixStream::connect(path).await?),
            Admin::Tcp { address, .. } => Wire::Tcp(TcpStream::connect(address).await?),
        })
    });
    let wire = match connected.await {
        Ok(Ok(wire)) => wire,
        Ok(Err(fault)) => return absent(&at, &fault),
        Err(_) => return Err(format!("no connection to the proxy at {at} in time")),
    };
    let request = request(admin, question).map_err(|fault| fault.to_string())?;
    let answer = tokio::time::timeout(ANSWER, async {
        match wire {
            Wire::Socket(stream) => exchange(stream, request).await,
            Wire::Tcp(stream) => exchange(stream, request).await,
        }
    });
    let (status, body) = answer
        .await
        .map_err(|_| {
            format!(
                "the proxy at {at} did not answer in time: it may still do what was asked; look \
                 into the log before you ask again"
            )
        })?
        .map_err(|fault| format!("the proxy at {at} did not answer: {fault}"))?;
    let told: Value = serde_json::from_slice(&body)
        .map_err(|_| format!("what answers at {at} is no Troth proxy of this version"))?;
    if status == StatusCode::OK {
        return Ok(Told::Done(told));
    }
    let why = told.get("detail").and_then(Value::as_str).unwrap_or("it did not say why");
    Ok(Told::Refused(why.to_owned()))
}

enum Wire {
    Socket(UnixStream),
    Tcp(TcpStream),
}

/// A socket that nobody listens at is a proxy that does not run; any other
/// fault is one of whoever asks.
fn absent(at: &str, fault: &std::io::Error) -> Result<Told, String> {
    match fault.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Ok(Told::NobodyThere),
        _ => Err(format!("cannot reach the proxy at {at}: {fault}")),
    }
}

fn request(admin: &Admin, question: Question) -> http::Result<Request<Full<Bytes>>> {
    let method = if question.body.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder()
        .method(method)
        .uri(question.path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json");
    if let Admin::Tcp { token: Secret(token), .. } = admin {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Full::new(Bytes::from(question.body.unwrap_or_default())))
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|fault| fault.to_string())?;
    Tasks::default().spawn("admin connection", async move {
        // Whoever waits for the answer is told by its end.
        drop(connection.await);
    });
    let response = sender.send_request(request).await.map_err(|fault| fault.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
    Ok((status, body.map_err(|fault| fault.to_string())?.to_bytes()))
}

const CONNECT: Duration = Duration::from_secs(5);
/// Many days of many tenants take the disk a while.
const ANSWER: Duration = Duration::from_secs(300);
/// A line for each day of a century.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;
