//! From a judged call to a call on the desk.

use super::{Ask, Held, NotApproved, Why};
use crate::{answer::Answer, config::Secret, dialect::ToolCall, judge::Judgement, ledger::Ledger};

/// Lays `call`, which a policy holds for a person, on the desk.
///
/// # Errors
/// It cannot be held: there is nobody to ask, no room, or no log.
pub(crate) fn hold(
    answer: &Answer,
    ledger: &Ledger,
    call: &ToolCall,
    judgement: &Judgement,
) -> Result<Held, NotApproved> {
    let (gateway, admission) = (&answer.gateway, &answer.admission);
    let evidence = ledger.evidence().zip(admission.route.log);
    let settings = evidence.and_then(|(_, log)| gateway.config.logs.get(log));
    let Some((log, settings)) = ledger.evidence().map(|found| &found.log).zip(settings) else {
        return Err(NotApproved { id: None, why: Why::NoEvidence });
    };
    let bundle = gateway.screener.bundle();
    let (tenant, principal) = (&admission.principal.tenant, &admission.principal.id);
    let ask = Ask {
        exchange: admission.exchange.clone(),
        route: admission.route.name.clone(),
        origin: settings.origin.clone(),
        tenant_pseudonym: log.pseudonym("tenant", tenant),
        principal_pseudonym: log.pseudonym("principal", principal),
        tenant: tenant.clone(),
        principal: principal.clone(),
        tool: call.name.clone(),
        definition: ledger.definition(&call.name),
        arguments: Secret(call.raw.clone()),
        bundle: bundle.digest().into(),
        bundle_name: bundle.name().to_owned(),
        policies: judgement.policies.iter().map(|policy| (&**policy).into()).collect(),
    };
    let bounds = gateway.limits().desk();
    let held = gateway.shared.desk.hold(
        ask,
        |id| log.committer(tenant, id),
        &bounds,
        &gateway.config.approvers,
    );
    let told = match &held {
        Ok(held) => held.id(),
        Err(_) => "none",
    };
    tracing::info!(
        exchange = %admission.exchange, approval = told, held = held.is_ok(),
        "a tool call needs a person's approval"
    );
    held
}
