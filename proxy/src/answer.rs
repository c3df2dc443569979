//! The upstream's answer: whole, or handed to the stream's pump.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use troth_policies::{Channel, Origin, Trace, Verdict};

use crate::{
    approval::{self, Why},
    body::{Body, Reservation, full},
    clock::Mark,
    config::OpaqueMode,
    dialect::{Decoded, Document, Endpoint, Piece, Place, openai},
    fault::Fault,
    gateway::Gateway,
    judge::{CallVerdict, Court, Judgement, Rulings},
    ledger::Ledger,
    pump, receipt, redact, rescue,
    screener::Screening,
    stack::{Admission, collect, failed, is_coded, missed},
    upstream,
};

/// What an answer is judged by.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Detectors, policies, bounds.
    pub(crate) gateway: Arc<Gateway>,
    /// The exchange.
    pub(crate) admission: Arc<Admission>,
    /// What the request's history says.
    pub(crate) trace: Trace,
    /// The model that the client asked for.
    pub(crate) model: String,
}

impl Answer {
    /// Who judges, under the name of the model that was asked for.
    pub(crate) fn court(&self) -> Court<'_> {
        Court {
            bundle: self.gateway.screener.bundle(),
            principal: &self.admission.principal,
            model: &self.model,
        }
    }
}

/// Screens `response` and lets out of it what its verdict allows.
///
/// # Errors
/// Faults; the ledger is closed by then.
pub(crate) async fn screen(
    answer: Answer,
    mut ledger: Ledger,
    response: Response<Incoming>,
) -> Result<Response<Body>, Fault> {
    let (head, body) = response.into_parts();
    if is_coded(&head.headers) {
        let what = "a content-encoding that was not asked for";
        return failed(ledger, Fault::UpstreamAnswer { what }).await;
    }
    if head.status.is_redirection() && head.status != StatusCode::NOT_MODIFIED {
        // A client that follows it would go round the proxy; "not modified"
        // leads nowhere but to what the client was sent before.
        return failed(ledger, Fault::UpstreamAnswer { what: "it is a redirection" }).await;
    }
    let media_type = media_type(&head);
    if media_type == "text/event-stream" && answer.admission.endpoint == Endpoint::ChatCompletions {
        return Ok(pump::start(answer, ledger, head, body));
    }
    let limits = answer.gateway.limits();
    let mut reservation = answer.gateway.shared.budget.reservation();
    let received = Mark::now();
    let idle = limits.idle_timeout();
    let bytes = match collect(body, limits.response_bytes, &mut reservation, idle).await {
        Err(Fault::SlowBody) => return failed(ledger, Fault::UpstreamTimeout).await,
        Err(Fault::TooLarge { .. }) => {
            let what = "it is larger than `response_bytes`";
            return failed(ledger, Fault::UpstreamAnswer { what }).await;
        }
        Err(Fault::BrokenBody) => {
            return failed(ledger, Fault::UpstreamAnswer { what: "it ended early" }).await;
        }
        Err(Fault::Overloaded { .. }) => return failed(ledger, Fault::NoRoom).await,
        Err(fault) => return failed(ledger, fault).await,
        Ok(bytes) => bytes,
    };
    ledger.took("upstream_body", received.micros());
    whole(&answer, ledger, head, &media_type, (bytes, reservation)).await
}

/// A whole answer.
async fn whole(
    answer: &Answer,
    mut ledger: Ledger,
    head: http::response::Parts,
    media_type: &str,
    (bytes, room): (Bytes, Reservation),
) -> Result<Response<Body>, Fault> {
    ledger.received(&bytes);
    let (document, decoded) = match decode(answer, media_type, head.status.is_success(), &bytes) {
        Ok(decoded) => decoded,
        Err(fault) => return failed(ledger, fault).await,
    };
    let screening = answer.gateway.screener.screen(&decoded.pieces).await;
    ledger.screened(&screening, |finding| {
        decoded.pieces.get(finding.segment as usize).map(|piece| piece.channel)
    });
    ledger.took("screen_response", screening.micros);
    for opaque in &decoded.opaque {
        ledger.coverage.opaque(&opaque.media_type, opaque.bytes);
    }
    ledger.reported_model.clone_from(&decoded.model);
    ledger.usage = decoded.usage;
    let mut judgement = match judge(answer, &mut ledger, &decoded, &screening, &Rulings::new()) {
        Ok(judgement) => judgement,
        Err(fault) => return failed(ledger, fault).await,
    };
    let shadow = ledger.is_shadow();
    if !shadow && !judgement.held.is_empty() && !judgement.blocked_choices.contains(&u32::MAX) {
        let rulings = approvals(answer, &mut ledger, &decoded, &judgement).await;
        judgement = match judge(answer, &mut ledger, &decoded, &screening, &rulings) {
            Ok(judgement) => judgement,
            Err(fault) => return failed(ledger, fault).await,
        };
    }
    let out = if shadow {
        Enforced::AsItCame
    } else {
        enforce(answer, document.as_ref(), &decoded, &screening.findings, &mut judgement)
    };
    for (place, call) in std::mem::take(&mut judgement.calls) {
        let Some(made) = decoded.calls.get(place) else { continue };
        let call = match &out {
            Enforced::Refused => {
                CallVerdict { approval: call.approval, ..CallVerdict::of(&judgement) }
            }
            Enforced::AsItCame | Enforced::Rewritten(_) => call,
        };
        ledger.tool_call(&made.name, &made.raw, call);
    }
    ledger.judged(judgement.clone());
    let exchange = answer.admission.exchange.clone();
    let (status, body, changed) = match out {
        Enforced::AsItCame => (head.status, bytes, false),
        Enforced::Rewritten(bytes) => (head.status, Bytes::from(bytes), true),
        Enforced::Refused => {
            // Nothing of the answer can be shown: an error in its place.
            let family = answer.admission.route.family;
            let mut response = rescue::refuse(&judgement, &exchange, family);
            rescue::name_approval(&judgement, &mut response);
            ledger.close().await?;
            return Ok(response);
        }
    };
    ledger.released(&body, 0);
    let sealed = ledger.close().await?;
    let length = body.len();
    let mut response = Response::new(full(room.over(body)));
    *response.status_mut() = status;
    *response.headers_mut() = upstream::response_headers(&head.headers, changed);
    // The length of what has not changed is not that of an empty body (RFC
    // 9110, section 8.6).
    if status != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    rescue::name_approval(&judgement, &mut response);
    if sealed.is_some() && answer.admission.route.inline_receipt {
        receipt::inline(&answer.gateway, &answer.admission, response.headers_mut()).await;
    }
    Ok(response)
}

/// Judges a whole answer.
fn judge(
    answer: &Answer,
    ledger: &mut Ledger,
    decoded: &Decoded,
    screening: &Screening,
    rulings: &Rulings,
) -> Result<Judgement, Fault> {
    let judging = Mark::now();
    let court = answer.court();
    let mut judgement = court.answer(decoded, &screening.findings, &answer.trace, rulings);
    ledger.took("judge_response", judging.micros());
    missed(ledger, screening.missed, &mut judgement)?;
    if answer.admission.route.opaque == OpaqueMode::Refuse && !decoded.opaque.is_empty() {
        judgement.raise(Verdict::Block);
        judgement.blocked_choices.insert(u32::MAX);
        judgement.errors.push("content that no detector reads".to_owned());
    }
    Ok(judgement)
}

/// Waits for a person's word about each call that is held for one. Leave is
/// taken only where all held calls of a choice have it: a choice passes whole,
/// so leave for a part of it would be spent on nothing.
async fn approvals(
    answer: &Answer,
    ledger: &mut Ledger,
    decoded: &Decoded,
    judgement: &Judgement,
) -> Rulings {
    let waiting = Mark::now();
    let calls = judgement.held.iter().filter_map(|(place, own)| {
        let call = decoded.calls.get(*place)?;
        Some((*place, call.choice, approval::hold(answer, ledger, call, own)))
    });
    let calls: Vec<_> = calls.collect();
    let waits = judgement.held.iter().zip(&calls).filter_map(|((place, own), (.., held))| {
        let call = decoded.calls.get(*place)?;
        let approval = Some(held.as_ref().ok()?.id().to_string());
        let became = CallVerdict { approval, ..CallVerdict::of(own) };
        Some((call.name.clone(), call.raw.clone(), became))
    });
    ledger.waits(waits.collect());
    let wait = answer.gateway.limits().approval_wait();
    let tasks = &answer.gateway.shared.tasks;
    let answered = calls.into_iter().map(|(place, choice, held)| async move {
        let told = match held {
            Err(refused) => Err(refused),
            Ok(mut held) => held.allowed(wait, tasks.stopped()).await.map(|()| held),
        };
        (place, choice, told)
    });
    let answered: Vec<_> = join_all(answered).await;
    let refused: BTreeSet<u32> =
        answered.iter().filter(|(.., told)| told.is_err()).map(|(_, choice, _)| *choice).collect();
    let approvers = &answer.gateway.config.approvers;
    let rulings = answered.into_iter().map(|(place, choice, told)| {
        let ruling = told.and_then(|held| {
            if refused.contains(&choice) {
                Err(held.not(Why::Beside))
            } else {
                held.spend(approvers)
            }
        });
        (place, ruling)
    });
    let rulings = rulings.collect();
    ledger.waits(Vec::new());
    ledger.took("approval", waiting.micros());
    rulings
}

enum Enforced {
    AsItCame,
    Rewritten(Vec<u8>),
    Refused,
}

/// Applies the judgement to the bytes.
fn enforce(
    answer: &Answer,
    document: Option<&Document>,
    decoded: &Decoded,
    findings: &[troth_policies::Finding],
    judgement: &mut Judgement,
) -> Enforced {
    let mut bytes = None;
    let mut blocked = judgement.blocked_choices.clone();
    if !judgement.redact.is_empty() {
        let spliced = document.and_then(|document| {
            let chosen = judgement.redact.iter().filter_map(|index| findings.get(*index));
            let choices: Vec<u32> = chosen
                .filter_map(|finding| decoded.pieces.get(finding.segment as usize)?.choice)
                .collect();
            // A finding in the tokens goes with the tokens.
            let is_tokens = |index: &usize| {
                let finding = findings.get(*index);
                let piece = finding.and_then(|f| decoded.pieces.get(f.segment as usize));
                piece.is_some_and(|piece| {
                    piece.place == Place::Assembled && piece.pointer.contains("/logprobs/")
                })
            };
            let in_place = judgement.redact.iter().copied().filter(|i| !is_tokens(i)).collect();
            let mut splices =
                redact::splices(&document.bytes, &decoded.pieces, findings, &in_place)?;
            splices.extend(openai::silence_logprobs(&document.root, &choices));
            Some(document.spliced(splices))
        });
        match spliced {
            Some(spliced) => bytes = Some(spliced),
            None => {
                judgement.raise(Verdict::Block);
                judgement.errors.push("a finding that cannot be replaced in place".to_owned());
                blocked.insert(u32::MAX);
            }
        }
    }
    if blocked.contains(&u32::MAX) || (!blocked.is_empty() && document.is_none()) {
        return Enforced::Refused;
    }
    if blocked.is_empty() {
        return bytes.map_or(Enforced::AsItCame, |bytes| Enforced::Rewritten(bytes.to_vec()));
    }
    let why = rescue::reason(judgement, &answer.admission.exchange);
    let why: Vec<(u32, String)> = blocked.into_iter().map(|choice| (choice, why.clone())).collect();
    // The redacted document is read again: what leaves is what was spliced.
    let root = match bytes {
        Some(bytes) => Document::parse(bytes).map(|document| document.root).ok(),
        None => document.map(|document| document.root.clone()),
    };
    match root {
        Some(root) => Enforced::Rewritten(openai::replace_choices(&root, &why)),
        None => Enforced::Refused,
    }
}

/// Takes the answer apart by its media type.
fn decode(
    answer: &Answer,
    media_type: &str,
    success: bool,
    bytes: &Bytes,
) -> Result<(Option<Document>, Decoded), Fault> {
    if bytes.is_empty() {
        return Ok((None, Decoded::default()));
    }
    if media_type == "application/json" || media_type.ends_with("+json") {
        let document = Document::parse(bytes.clone())
            .map_err(|_| Fault::UpstreamAnswer { what: "it is not strict JSON" })?;
        let decoded = match answer.admission.endpoint {
            Endpoint::ChatCompletions => openai::answer(&document).map_err(|_| {
                Fault::UpstreamAnswer { what: "a value of another type than clients look for" }
            })?,
            Endpoint::Models | Endpoint::Model { .. } => openai::listing(&document),
        };
        return Ok((Some(document), decoded));
    }
    // An error page of something between us and the model is read as one piece
    // of text. An answer of another type is not: SDKs parse what they get, so
    // calls in it would run unjudged.
    if success && answer.admission.endpoint == Endpoint::ChatCompletions {
        return Err(Fault::UpstreamAnswer { what: "it is neither JSON nor an event stream" });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Fault::UpstreamAnswer { what: "it is not UTF-8" })?;
    let mut decoded = Decoded::default();
    decoded.pieces.push(Piece {
        pointer: String::new(),
        channel: Channel::Assistant,
        origin: Origin::Model,
        tool: None,
        text: text.to_owned(),
        place: Place::Assembled,
        choice: None,
    });
    Ok((None, decoded))
}

/// The media type without parameters, in lower case.
fn media_type(head: &http::response::Parts) -> String {
    let value = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}
