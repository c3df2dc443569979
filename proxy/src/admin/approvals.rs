//! The calls that wait for a person, as approvers see them, and what they
//! decide. Only here are a call's arguments shown, and only to whom the admin
//! listener lets in.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use troth_attest::{AppendError, Approval, Log, Pending, Record};

use super::orders::Refused;
use crate::{
    approval::{Desk, Seen, Undecided},
    gateway::Gateway,
};

/// Where calls are listed and decisions are posted to.
pub(crate) const PATH: &str = "/approvals";

/// The id of the one call that a path asks for.
pub(super) fn id_in(path: &str) -> Option<&str> {
    path.strip_prefix(PATH)?.strip_prefix('/').filter(|id| !id.is_empty())
}

/// All calls; long arguments are cut, and nothing opens the commitments.
pub(super) fn all(desk: &Desk) -> Value {
    let calls: Vec<Value> = desk.all().iter().map(|call| shown(call, LISTED_BYTES)).collect();
    json!({ "approvals": calls })
}

/// One call, whole, with what it takes to sign a decision about it: the
/// statement, and the opening that shows that the statement is about the call
/// that is shown.
///
/// # Errors
/// It is not there.
pub(super) fn one(desk: &Desk, id: &str) -> Result<Value, Refused> {
    let call = desk.one(id).ok_or(Undecided::Unknown)?;
    let mut value = shown(&call, usize::MAX);
    if let Some(fields) = value.as_object_mut() {
        let statement = serde_json::to_value(&call.statement).unwrap_or_default();
        fields.insert("statement".to_owned(), statement);
        fields.insert("opening".to_owned(), json!(call.opening.to_text().as_str()));
    }
    Ok(value)
}

fn shown(call: &Seen, bytes: usize) -> Value {
    let ask = &call.ask;
    let whole = &ask.arguments.0;
    let arguments = whole.get(..whole.floor_char_boundary(bytes)).unwrap_or_default();
    let policies: Vec<Value> = ask
        .policies
        .iter()
        .map(|policy| {
            json!({
                "id": policy.id, "response": policy.response, "severity": policy.severity,
                "message": policy.message,
            })
        })
        .collect();
    json!({
        "id": call.statement.id,
        "state": call.state,
        "waiting": call.attached,
        "since": call.since,
        "expires": call.statement.expires,
        "age_ms": millis(call.age),
        "rest_ms": millis(call.rest),
        "tenant": ask.tenant,
        "principal": ask.principal,
        "route": ask.route,
        "exchange": ask.exchange.as_ref(),
        "origin": ask.origin,
        "tool": ask.tool,
        "definition": ask.definition.map(|digest| digest.to_string()),
        "arguments": arguments,
        "arguments_bytes": whole.len(),
        "policies": policies,
        "bundle": { "name": ask.bundle_name, "digest": ask.bundle.to_string() },
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The body of `POST /approvals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// The log's origin.
    pub(crate) origin: String,
    /// What was decided, and signed.
    pub(crate) approval: Approval,
}

impl Decision {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refused> {
        // The place; never a value.
        serde_json::from_slice(body).map_err(|fault| {
            let (line, column) = (fault.line(), fault.column());
            let why = format!("not a decision: near line {line}, column {column}");
            Refused::new(StatusCode::BAD_REQUEST, "bad_order", why)
        })
    }

    /// The decision as it is posted.
    pub(crate) fn body(&self) -> Vec<u8> {
        // Strings and numbers only: there is nothing that JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The origin of its log.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Logs it, blocks until that is durable, and only then lets it count.
    ///
    /// # Errors
    /// It does not hold, or the log takes no record: the call waits as before.
    pub(super) fn carry_out(&self, gateway: &Gateway, log: &Log) -> Result<Value, Refused> {
        let bundle = gateway.screener.bundle().digest().into();
        let approvers = &gateway.config.approvers;
        let desk = &gateway.shared.desk;
        let deciding = desk.decide(&self.approval, &self.origin, approvers, bundle)?;
        let record = Record::Approval(Box::new(self.approval.clone()));
        let sealed = log.append(record).and_then(Pending::wait).map_err(|fault| {
            let status = match fault {
                AppendError::Approval(_) => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            Refused::new(status, "not_decided", fault)
        })?;
        let (id, decision) = (&self.approval.id, self.approval.decision.as_str());
        let approver = deciding.approver.clone();
        deciding.enter();
        metrics::counter!("troth_approvals_total", "decision" => decision).increment(1);
        tracing::info!(approval = id, decision, %approver, index = sealed.index, "decided");
        Ok(json!({
            "id": id, "decision": decision, "approver": approver, "index": sealed.index,
            "expires": self.approval.expires,
        }))
    }
}

impl From<Undecided> for Refused {
    fn from(fault: Undecided) -> Self {
        let (status, code) = match fault {
            Undecided::Unknown => (StatusCode::NOT_FOUND, "unknown_approval"),
            Undecided::Before(_) => (StatusCode::CONFLICT, "decided_before"),
            Undecided::OtherCall => (StatusCode::UNPROCESSABLE_ENTITY, "another_call"),
            Undecided::Stranger => (StatusCode::FORBIDDEN, "not_an_approver"),
            Undecided::Signature(_) => (StatusCode::UNPROCESSABLE_ENTITY, "not_signed"),
            Undecided::OtherBundle => (StatusCode::CONFLICT, "another_bundle"),
        };
        Self::new(status, code, fault)
    }
}

/// Bytes of arguments in the list of all calls.
const LISTED_BYTES: usize = 1024;
