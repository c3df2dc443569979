//! The intent, and from there on exactly one outcome.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::Response;
use tower::Service;

use super::{Answering, Asked};
use crate::{
    body::Body,
    dialect::Decoded,
    fault::Fault,
    gateway::Gateway,
    ledger::{Ledger, Opening},
};

/// Opens the exchange's [`Ledger`] and hands it down. When the log takes no
/// record the exchange is refused: nothing happens without evidence. The
/// ledger closes itself when it is dropped, so a client that leaves leaves an
/// `abort`.
#[derive(Debug, Clone)]
pub(super) struct Record<S> {
    gateway: Arc<Gateway>,
    inner: S,
}

impl<S> Record<S> {
    pub(super) const fn new(gateway: Arc<Gateway>, inner: S) -> Self {
        Self { gateway, inner }
    }
}

impl<S> Service<Asked> for Record<S>
where
    S: Service<(Asked, Ledger), Response = Response<Body>, Error = Fault, Future = Answering>,
{
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, asked: Asked) -> Answering {
        let admission = &asked.admission;
        let opening = Opening {
            exchange: admission.exchange.clone(),
            route: admission.route.clone(),
            dialect: admission.endpoint.dialect(),
            model: asked.decoded.as_ref().ok().and_then(|decoded| decoded.model.clone()),
            tenant: admission.principal.tenant.clone(),
            principal: admission.principal.id.clone(),
            action: "prompt",
            overlap: admission.route.overlap && asked.decoded.as_ref().is_ok_and(uses_no_tool),
            patience: self.gateway.limits().commit_timeout(),
            peer: admission.peer.clone(),
        };
        let evidence = self.gateway.evidence(&admission.route).cloned();
        let tasks = self.gateway.shared.tasks.clone();
        match Ledger::open(opening, evidence, tasks, &asked.body) {
            Ok(ledger) => self.inner.call((asked, ledger)),
            Err(fault) => Box::pin(std::future::ready(Err(fault.into()))),
        }
    }
}

/// Where a tool is offered or was used the answer may act on the world: the
/// intent must stand before the model is asked.
fn uses_no_tool(decoded: &Decoded) -> bool {
    decoded.offers.is_empty() && decoded.results.is_empty() && decoded.calls.is_empty()
}
