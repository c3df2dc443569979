//! Tool calls of a stream that wait for a person.

use std::{future::Future, pin::Pin};

use troth_policies::Finding;

use super::{Lane, State};
use crate::{
    approval::{self, Held, NotApproved, Pass},
    dialect::ToolCall,
    judge::{CallVerdict, Judgement},
    rescue,
};

/// A call that waits, with all that was found and judged of it.
#[derive(Debug)]
pub(super) struct Waits {
    made: ToolCall,
    judgement: Judgement,
    findings: Vec<Finding>,
    id: std::sync::Arc<str>,
}

/// A person's answer to come.
pub(in crate::pump) type Holding = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// A person's answer, or the want of one.
#[derive(Debug)]
pub(in crate::pump) struct Answered {
    key: (u32, u32),
    held: Held,
    told: Result<(), NotApproved>,
}

impl State {
    /// Holds a call that only a person's approval is missing for; judged at
    /// once where that cannot be.
    pub(super) fn hold(
        &mut self,
        key: (u32, u32),
        made: ToolCall,
        judgement: Judgement,
        findings: Vec<Finding>,
    ) {
        let held = approval::hold(&self.answer, &self.ledger, &made, &judgement);
        match held {
            Err(refused) => self.rule(key, &made, judgement, &findings, &Err(refused)),
            Ok(mut held) => {
                let id = held.id().clone();
                self.waiting.insert(key, Waits { made, judgement, findings, id });
                let wait = self.answer.gateway.limits().approval_wait();
                let tasks = self.answer.gateway.shared.tasks.clone();
                self.asked.push(Box::pin(async move {
                    let told = held.allowed(wait, tasks.stopped()).await;
                    Answered { key, held, told }
                }));
            }
        }
    }

    /// The questions that nobody waits for yet.
    pub(in crate::pump) fn asked(&mut self) -> Vec<Holding> {
        std::mem::take(&mut self.asked)
    }

    /// A person's answer to a call: it passes, or it ends the stream.
    pub(in crate::pump) fn answered(&mut self, answered: Answered) {
        let Answered { key, held, told } = answered;
        // What has ended the stream meanwhile has stopped the call too: leave
        // for it is not spent.
        if self.ending.is_some() {
            return;
        }
        let Some(waits) = self.waiting.remove(&key) else { return };
        let approvers = &self.answer.gateway.config.approvers;
        let ruling = told.and_then(|()| held.spend(approvers));
        let Waits { made, judgement, findings, .. } = waits;
        self.rule(key, &made, judgement, &findings, &ruling);
    }

    fn rule(
        &mut self,
        (choice, call): (u32, u32),
        made: &ToolCall,
        mut judgement: Judgement,
        findings: &[Finding],
        ruling: &Result<Pass, NotApproved>,
    ) {
        let became = CallVerdict::ruled(&mut judgement, ruling);
        self.ledger.tool_call(&made.name, &made.raw, became);
        self.enforce(&Lane::Call { choice, call }, findings, judgement);
        self.pass((choice, call));
    }

    /// Calls that still wait when the stream ends did not pass. Where a verdict
    /// ended it they will not be made: nobody need decide about them.
    pub(super) fn stop_waiting(&mut self) {
        let stopped = self.ending.is_some();
        for waits in std::mem::take(&mut self.waiting).into_values() {
            let Waits { made, mut judgement, id, .. } = waits;
            if stopped {
                self.answer.gateway.shared.desk.withdraw(&id);
                judgement.raise(troth_policies::Verdict::Block);
            }
            let approval = Some(id.to_string());
            let became = CallVerdict { approval, ..CallVerdict::of(&judgement) };
            self.ledger.tool_call(&made.name, &made.raw, became);
        }
    }

    /// A comment that keeps the stream alive while somebody decides: it tells
    /// the client what it waits for.
    pub(in crate::pump) fn ping(&self) -> Vec<u8> {
        let id = self.waiting.values().next().map(|waits| &*waits.id).unwrap_or_default();
        format!(": a tool call waits for a person's approval {id}\n\n").into_bytes()
    }

    /// Why no approver has let a call pass, for the chunk that ends the stream.
    pub(super) fn why_not(&self) -> Option<String> {
        let judgement = self.ledger.judgement();
        let exchange = &self.answer.admission.exchange;
        (!judgement.not_approved.is_empty()).then(|| rescue::reason(judgement, exchange))
    }
}
