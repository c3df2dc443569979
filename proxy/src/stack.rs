//! The whole way of an exchange, on one screen.

mod admit;
mod decode;
mod forward;
mod limit;
mod read;
mod record;
mod screen;

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower::{Layer, Service, ServiceBuilder};

use crate::{
    body::{Body, BoxError},
    config::Route,
    dialect::{Decoded, Document, Endpoint},
    fault::Fault,
    gateway::Gateway,
    server::Peer,
};

pub(crate) use admit::presented_key;
pub(crate) use read::{collect, is_coded};
pub(crate) use screen::{failed, missed};

/// What was settled at the door: who, where to, under which name.
#[derive(Debug)]
pub(crate) struct Admission {
    /// The exchange's id.
    pub(crate) exchange: Arc<str>,
    /// The route.
    pub(crate) route: Arc<Route>,
    /// What is asked of it.
    pub(crate) endpoint: Endpoint,
    /// Who asks.
    pub(crate) principal: Arc<troth_policies::Principal>,
    /// The other end of the connection.
    pub(crate) peer: Peer,
}

/// A request whose body was read and taken apart.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What was settled at the door.
    pub(crate) admission: Arc<Admission>,
    /// The head, as it came.
    pub(crate) head: http::request::Parts,
    /// The body's tree; `None` where the endpoint has none.
    pub(crate) document: Option<Document>,
    /// The body's bytes, as they came.
    pub(crate) body: Bytes,
    /// What it says, or why that cannot be told.
    pub(crate) decoded: Result<Decoded, crate::dialect::DecodeFault>,
}

/// A boxed future; each layer boxes once.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Fault>> + Send>>;

/// The stack of one configuration.
///
/// From the outside in; a layer sees only what the ones above let through:
///
/// 1. `Admit`: route, dialect, principal; names the exchange. Its rescue turns
///    every fault below into the dialect's own error.
/// 2. `Limit`: a permit for each exchange until its last byte; past the bound
///    503, before anything is read.
/// 3. `Read`: the body, within its bounds of size, time and memory.
/// 4. `Decode`: strict; what is scanned is what is forwarded.
/// 5. `Record`: the intent; from here on there is exactly one outcome.
/// 6. `Screen`: both directions; nothing below runs before the verdict and the
///    durable intent.
/// 7. `Forward`: the upstream.
pub(crate) fn stack<B>(
    gateway: &Arc<Gateway>,
) -> impl Service<Request<B>, Response = Response<Body>, Error = std::convert::Infallible, Future: Send>
+ Clone
+ Send
+ 'static
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    ServiceBuilder::new()
        .layer(layer(|inner| admit::Admit::new(gateway.clone(), inner)))
        .layer(layer(|inner| limit::Limit::new(gateway.shared.exchanges.clone(), inner)))
        .layer(layer(|inner| {
            read::Read::new(gateway.limits(), gateway.shared.budget.clone(), inner)
        }))
        .layer(layer(decode::Decode::new))
        .layer(layer(|inner| record::Record::new(gateway.clone(), inner)))
        .layer(layer(|inner| screen::Screen::new(gateway.clone(), inner)))
        .service(forward::Forward::new(gateway.client.clone()))
}

/// A layer from a function.
fn layer<S, T, F: Fn(S) -> T>(wrap: F) -> impl Layer<S, Service = T> {
    tower::layer::layer_fn(wrap)
}
