//! The door: which route, who, and a name for the exchange.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Request, Response, header};
use tower::Service;
use uuid::Uuid;

use super::{Admission, Answering};
use crate::{body::Body, fault::Fault, gateway::Gateway, rescue, upstream};

/// Refuses paths that no route or dialect names and callers that nobody knows;
/// puts an [`Admission`] into the request's extensions, and `Troth-Exchange` on
/// every response, refusals and failures too. When the client leaves, the
/// future is dropped and everything below with it.
#[derive(Debug, Clone)]
pub(crate) struct Admit<S> {
    gateway: Arc<Gateway>,
    inner: S,
}

impl<S> Admit<S> {
    pub(super) const fn new(gateway: Arc<Gateway>, inner: S) -> Self {
        Self { gateway, inner }
    }

    fn admit<B>(&self, request: &Request<B>, exchange: &Arc<str>) -> Result<Admission, Refused> {
        let path = request.uri().path();
        let route =
            self.gateway.route(path).ok_or(Refused { fault: Fault::NoRoute, route: None })?;
        let refused = |fault| Refused { fault, route: Some(route.clone()) };
        let rest = path.strip_prefix(route.path.as_str()).unwrap_or_default();
        let endpoint = route
            .family
            .endpoint(request.method(), rest)
            .ok_or_else(|| refused(Fault::NoEndpoint))?;
        let principal = self
            .gateway
            .principal(presented_key(request.headers()))
            .ok_or_else(|| refused(Fault::Unauthenticated))?;
        let peer = request.extensions().get().cloned().unwrap_or_default();
        let (exchange, route) = (exchange.clone(), route.clone());
        Ok(Admission { exchange, route, endpoint, principal, peer })
    }
}

/// Counts a request that was refused before it was an exchange.
fn refused(gateway: &Gateway, route: Option<&crate::config::Route>) {
    let Some(route) = route else { return };
    if let Some(evidence) = gateway.evidence(route) {
        evidence.pulse.count(&route.name, |route| route.refused += 1);
    }
}

struct Refused {
    fault: Fault,
    route: Option<Arc<crate::config::Route>>,
}

/// The API key that a request presents.
pub(crate) fn presented_key(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|value| {
        let (scheme, key) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
    });
    bearer.or_else(|| headers.get(upstream::API_KEY).map(HeaderValue::as_bytes))
}

impl<B, S> Service<Request<B>> for Admit<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Fault, Future = Answering>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The layers below refuse in `call`; none reserves.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let exchange: Arc<str> = Uuid::now_v7().to_string().into();
        let admitted = self.admit(&request, &exchange);
        let (route, answer) = match admitted {
            Ok(admission) => {
                let route = Some(admission.route.clone());
                request.extensions_mut().insert(Arc::new(admission));
                (route, self.inner.call(request))
            }
            Err(refused) => {
                (refused.route, Box::pin(std::future::ready(Err(refused.fault))) as Answering)
            }
        };
        let gateway = self.gateway.clone();
        Box::pin(async move {
            let mut response = match answer.await {
                Ok(response) => response,
                Err(fault) => {
                    if fault.is_before_intent() {
                        refused(&gateway, route.as_deref());
                    }
                    tracing::info!(%exchange, code = fault.code(), "exchange failed");
                    rescue::respond(&fault, route.map(|route| route.family))
                }
            };
            if let Ok(value) = HeaderValue::from_str(&exchange) {
                response.headers_mut().insert("troth-exchange", value);
            }
            Ok(response)
        })
    }
}
