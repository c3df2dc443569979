//! An ordinary client: it knows one URL and nothing of Troth but the header.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::scenes::Scene;

/// A client of the proxy.
#[derive(Debug)]
pub(super) struct Client {
    pool: legacy::Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    /// `Troth-Exchange`.
    pub(super) exchange: String,
    /// The status.
    pub(super) status: StatusCode,
    /// The body's bytes.
    pub(super) released: Bytes,
    /// The text in them: contents of all deltas, messages and errors.
    pub(super) text: String,
    /// Frames in which it came.
    pub(super) frames: usize,
}

impl Reply {
    /// A few words of what the client got.
    pub(super) fn describe(&self) -> String {
        let text: String = self.text.chars().take(64).collect();
        let more = if self.text.chars().count() > 64 { "…" } else { "" };
        let status = self.status.as_u16();
        if self.frames > 1 {
            format!("{status}, {} frames: {text}{more}", self.frames)
        } else {
            format!("{status}: {text}{more}")
        }
    }
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        let pool = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { pool, address }
    }

    /// Sends a scene.
    pub(super) async fn chat(&self, scene: &Scene) -> Result<Reply, String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}/v1/chat/completions", self.address))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(scene.body())))
            .map_err(|fault| fault.to_string())?;
        let sent = tokio::time::timeout(PATIENCE, self.pool.request(request));
        let response = sent.await.map_err(|_| late())?.map_err(|fault| fault.to_string())?;
        let status = response.status();
        let exchange = response
            .headers()
            .get("troth-exchange")
            .and_then(|value| value.to_str().ok())
            .ok_or("no `Troth-Exchange` header")?
            .to_owned();
        let mut body = response.into_body();
        let mut released = Vec::new();
        let mut frames = 0;
        while let Some(frame) =
            tokio::time::timeout(PATIENCE, body.frame()).await.map_err(|_| late())?
        {
            if let Ok(data) = frame.map_err(|fault| fault.to_string())?.into_data() {
                frames += 1;
                released.extend_from_slice(&data);
            }
        }
        let text = said(&released);
        Ok(Reply { exchange, status, released: released.into(), text, frames })
    }

    /// The receipt of an exchange.
    pub(super) async fn receipt(&self, exchange: &str) -> Result<Vec<u8>, String> {
        let uri = format!("http://{}/.well-known/troth/receipts/{exchange}", self.address);
        let uri: http::Uri = uri.parse().map_err(|_| "a malformed exchange id".to_owned())?;
        let got = tokio::time::timeout(PATIENCE, self.pool.get(uri));
        let response = got.await.map_err(|_| late())?.map_err(|fault| fault.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|fault| fault.to_string())?;
        if status != StatusCode::OK {
            return Err(format!("no receipt for {exchange}: {status}"));
        }
        Ok(body.to_bytes().to_vec())
    }
}

/// The text of an answer, whole or streamed.
fn said(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let whole: Vec<&str> = if body.starts_with('{') {
        vec![&body]
    } else {
        body.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    };
    let mut text = String::new();
    for value in
        whole.iter().filter_map(|data| serde_json::from_str::<serde_json::Value>(data).ok())
    {
        for pointer in [
            "/choices/0/delta/content",
            "/choices/0/message/content",
            "/choices/0/message/refusal",
            "/error/message",
        ] {
            if let Some(part) = value.pointer(pointer).and_then(serde_json::Value::as_str) {
                text.push_str(part);
            }
        }
        let call = value.pointer("/choices/0/message/tool_calls/0/function");
        if let Some(call) = call {
            let part = |key: &str| call.get(key).and_then(serde_json::Value::as_str);
            text.push_str(&format!(
                "{}({})",
                part("name").unwrap_or_default(),
                part("arguments").unwrap_or_default()
            ));
        }
    }
    text
}

fn late() -> String {
    "no answer in time".to_owned()
}

const PATIENCE: Duration = Duration::from_secs(30);
