//! Both directions: nothing goes up or down before its verdict.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::Service;
use troth_attest::Enforcement;
use troth_policies::{Trace, Verdict};

use super::{Admission, Answering, Asked};
use crate::{
    answer::{self, Answer},
    body::Body,
    clock::Mark,
    config::{OnDeadline, OpaqueMode},
    dialect::{Decoded, Document},
    fault::Fault,
    gateway::Gateway,
    judge::{Court, Judgement},
    ledger::{EvidenceFault, Ledger},
    redact, rescue, upstream,
};

/// Screens the request, judges it, waits for the durable intent, forwards, and
/// does the same for the answer. Refuses with the dialect's own error. When the
/// client leaves, the future is dropped and the ledger writes an `abort`.
#[derive(Debug, Clone)]
pub(super) struct Screen<S> {
    gateway: Arc<Gateway>,
    inner: S,
}

impl<S> Screen<S> {
    pub(super) const fn new(gateway: Arc<Gateway>, inner: S) -> Self {
        Self { gateway, inner }
    }
}

impl<S> Service<(Asked, Ledger)> for Screen<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error = Fault>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, (asked, mut ledger): (Asked, Ledger)) -> Answering {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gateway = self.gateway.clone();
        Box::pin(async move {
            let admission = asked.admission.clone();
            let asked = match ask(&gateway, asked, &mut ledger).await {
                Ok(asked) => asked,
                Err(fault) => return failed(ledger, fault).await,
            };
            let (request, trace, model) = match asked {
                Step::Refuse(judgement) => {
                    return refuse(&admission, ledger, &judgement).await;
                }
                Step::Forward(request, trace, model) => (request, *trace, model),
            };
            let overlaps = ledger.overlaps();
            if !overlaps && let Err(fault) = ledger.intent_durable().await {
                return failed(ledger, fault.into()).await;
            }
            ledger.forwarding();
            let sent = Mark::now();
            let response = if overlaps {
                // Nothing of the answer is looked at before the intent stands.
                both(ledger.intent_durable(), inner.call(request)).await
            } else {
                inner.call(request).await
            };
            let response = match response {
                Ok(response) => response,
                Err(fault) => return failed(ledger, fault).await,
            };
            ledger.took("upstream_head", sent.micros());
            ledger.upstream_status = Some(response.status().as_u16());
            answer::screen(Answer { gateway, admission, trace, model }, ledger, response).await
        })
    }
}

/// The answer's head, once the intent is durable; the first fault of either
/// ends both, so that a log that stalls is not waited for as long as a model.
async fn both<R>(
    durable: impl Future<Output = Result<(), EvidenceFault>>,
    response: impl Future<Output = Result<R, Fault>>,
) -> Result<R, Fault> {
    let durable = async { durable.await.map_err(Fault::from) };
    tokio::try_join!(durable, response).map(|((), response)| response)
}

enum Step {
    Refuse(Judgement),
    Forward(Request<Full<Bytes>>, Box<Trace>, String),
}

/// The request's half.
async fn ask(gateway: &Gateway, asked: Asked, ledger: &mut Ledger) -> Result<Step, Fault> {
    let Asked { admission, head, document, body, decoded } = asked;
    let decoded = decoded?;
    let screening = gateway.screener.screen(&decoded.pieces).await;
    ledger.definitions.clone_from(&decoded.definitions);
    let pieces = &decoded.pieces;
    ledger.screened(&screening, |finding| {
        pieces.get(finding.segment as usize).map(|piece| piece.channel)
    });
    for opaque in &decoded.opaque {
        ledger.coverage.opaque(&opaque.media_type, opaque.bytes);
    }
    ledger.took("screen_request", screening.micros);
    let judging = Mark::now();
    let court = court(gateway, &admission, &decoded);
    let trace = court.trace(pieces, &screening.findings);
    let mut judgement = court.request(&decoded, &screening.findings, &trace);
    ledger.took("judge_request", judging.micros());
    missed(ledger, screening.missed, &mut judgement)?;
    if admission.route.opaque == OpaqueMode::Refuse && !decoded.opaque.is_empty() {
        judgement.raise(Verdict::Block);
        judgement.errors.push("content that no detector reads".to_owned());
    }
    let body = match redacted(&document, &decoded, &screening.findings, &mut judgement, ledger) {
        Some(body) => body,
        None => body,
    };
    ledger.judged(judgement.clone());
    if judgement.verdict >= Verdict::Approve && !ledger.is_shadow() {
        return Ok(Step::Refuse(judgement));
    }
    let key_is_ours = admission.route.credential.is_some();
    let request = upstream::request(&admission.route, &head, body, key_is_ours)?;
    Ok(Step::Forward(request, Box::new(trace), decoded.model.unwrap_or_default()))
}

/// Who judges for this exchange.
pub(crate) fn court<'a>(
    gateway: &'a Gateway,
    admission: &'a Admission,
    decoded: &'a Decoded,
) -> Court<'a> {
    Court {
        bundle: gateway.screener.bundle(),
        principal: &admission.principal,
        model: decoded.model.as_deref().unwrap_or_default(),
    }
}

/// What the configuration says about scores that did not come.
pub(crate) fn missed(
    ledger: &mut Ledger,
    missed: Option<OnDeadline>,
    judgement: &mut Judgement,
) -> Result<(), Fault> {
    match missed {
        None => Ok(()),
        Some(OnDeadline::Flag) => {
            ledger.failing(Enforcement::FailOpen);
            judgement.raise(Verdict::Flag);
            Ok(())
        }
        Some(OnDeadline::Refuse) => {
            if ledger.is_shadow() {
                // Nothing is refused here, and the record must not say so.
                ledger.failing(Enforcement::FailOpen);
                return Ok(());
            }
            ledger.failing(Enforcement::FailClosed);
            Err(Fault::Unscreened)
        }
    }
}

/// The request with its redactions. A span that cannot be replaced in place is
/// refused: "redacted" in the record and the original on the wire is a lie.
fn redacted(
    document: &Option<Document>,
    decoded: &Decoded,
    findings: &[troth_policies::Finding],
    judgement: &mut Judgement,
    ledger: &Ledger,
) -> Option<Bytes> {
    if judgement.redact.is_empty() || judgement.verdict > Verdict::Redact || ledger.is_shadow() {
        return None;
    }
    let splices = document.as_ref().and_then(|document| {
        redact::splices(&document.bytes, &decoded.pieces, findings, &judgement.redact)
    });
    match (document, splices) {
        (Some(document), Some(splices)) => Some(document.spliced(splices)),
        _ => {
            judgement.raise(Verdict::Block);
            judgement.errors.push("a finding that cannot be replaced in place".to_owned());
            None
        }
    }
}

/// The dialect's refusal, once its outcome is sealed.
async fn refuse(
    admission: &Admission,
    ledger: Ledger,
    judgement: &Judgement,
) -> Result<Response<Body>, Fault> {
    let response = rescue::refuse(judgement, &admission.exchange, admission.route.family);
    ledger.close().await?;
    Ok(response)
}

/// The fault, once its outcome is sealed.
pub(crate) async fn failed(ledger: Ledger, fault: Fault) -> Result<Response<Body>, Fault> {
    ledger.fail(fault.code()).await?;
    Err(fault)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_log_that_stalls_is_not_waited_for_as_long_as_a_model() {
        let stalled = || ready(Err(EvidenceFault::Stalled));
        let silent = pending::<Result<(), Fault>>;
        let faulty = || ready(Err::<(), _>(Fault::UpstreamTimeout));
        assert!(both(stalled(), silent()).now_or_never().unwrap().is_err());
        assert!(both(pending(), faulty()).now_or_never().unwrap().is_err());
        // Nothing of an answer before the intent is durable.
        assert!(both(pending(), ready(Ok(()))).now_or_never().is_none());
        assert!(both(ready(Ok(())), silent()).now_or_never().is_none());
        assert!(both(ready(Ok(())), ready(Ok(()))).now_or_never().unwrap().is_ok());
    }
}
