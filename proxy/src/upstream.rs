//! Connections to upstreams: kept alive, bounded in time, checked by TLS.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::{
    config::{Limits, Route},
    fault::Fault,
};

/// A pool of connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl Client {
    /// A pool with the bounds of `limits`.
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limits.connect_timeout()));
        let https = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_IDLE_CONNECTIONS)
            .pool_timer(TokioTimer::new())
            .build(https);
        Self { pool, timeout: limits.upstream_timeout() }
    }

    /// Sends `request`; resolves when the response's head is there.
    ///
    /// # Errors
    /// Unreachable, or late.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Fault> {
        match tokio::time::timeout(self.timeout, self.pool.request(request)).await {
            Err(_) => Err(Fault::UpstreamTimeout),
            Ok(Err(fault)) => {
                // The error's text may name an address, never content.
                tracing::warn!(fault = ?fault, "upstream failed");
                Err(Fault::Unreachable)
            }
            Ok(Ok(response)) => Ok(response),
        }
    }
}

/// The request that goes to the upstream of `route`.
pub(crate) fn request(
    route: &Route,
    head: &http::request::Parts,
    body: Bytes,
    key_is_ours: bool,
) -> Result<Request<Full<Bytes>>, Fault> {
    let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let uri = Uri::builder()
        .scheme(route.upstream.scheme.clone())
        .authority(route.upstream.authority.clone())
        .path_and_query(format!("{}{path}", route.upstream.base))
        .build()
        .map_err(|_| Fault::NoEndpoint)?;
    let mut headers = HeaderMap::with_capacity(head.headers.len() + 2);
    let named = connection_headers(&head.headers);
    for (name, value) in &head.headers {
        let ours = key_is_ours && (*name == header::AUTHORIZATION || name == API_KEY);
        if !is_hop_by_hop(name) && !named.contains(name) && !ours {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT);
    // What comes back is read: a coded answer would be screened as noise.
    headers.insert(header::ACCEPT_ENCODING, http::HeaderValue::from_static("identity"));
    if let Some(credential) = &route.credential {
        headers.insert(credential.header.clone(), credential.value.clone());
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The headers of a response that go on to the client. What describes the
/// body's bytes goes too, unless they were `changed`.
pub(crate) fn response_headers(headers: &HeaderMap, changed: bool) -> HeaderMap {
    let named = connection_headers(headers);
    let mut out = HeaderMap::with_capacity(headers.len() + 2);
    for (name, value) in headers {
        let of_bytes = *name == header::ETAG
            || ["digest", "content-digest", "repr-digest", "content-md5"].contains(&name.as_str());
        let dropped = is_hop_by_hop(name)
            || named.contains(name)
            || *name == header::CONTENT_LENGTH
            || (changed && of_bytes)
            // Only the proxy speaks of exchanges and receipts.
            || name.as_str().starts_with("troth-");
        if !dropped {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

/// Headers that `Connection` names (RFC 9110, section 7.6.1).
fn connection_headers(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::UPGRADE
    ) || ["keep-alive", "proxy-connection"].contains(&name.as_str())
}

/// Where some SDKs put the key.
pub(crate) const API_KEY: &str = "x-api-key";
/// An upstream behind a load balancer drops idle connections after about a
/// minute; we drop them first, so that no request meets a dead one.
const POOL_IDLE: Duration = Duration::from_secs(50);
const POOL_IDLE_CONNECTIONS: usize = 1024;
