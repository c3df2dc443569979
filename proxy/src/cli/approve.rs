//! `troth approve`

mod shown;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use troth_attest::{Approval, ApprovalDecision, Opening, Signer};

use super::{CliFault, operator, print};
use crate::{
    admin::approvals::{Decision, PATH},
    approval::tool_name,
    boot,
    config::Config,
};

use operator::Question;

/// See the tool calls that wait for a person, and decide about them.
///
/// A policy with `@response("approve")` holds a tool call. Whoever has a key of an
/// `[[approver]]` of the configuration may let it pass, once, by a statement that
/// names who makes the call, the tool, its definition, a commitment to the
/// arguments, the bundle and the time it holds until. The proxy checks it, writes
/// it into the log, and only then lets the call pass.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Approve {
    /// List the calls that wait, the oldest first.
    List(List),
    /// Show one call whole.
    Show(Show),
    /// Let a call pass, once.
    Allow(Decide),
    /// Refuse a call.
    Deny(Decide),
}

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "troth.toml")]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// The language of the headings.
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Lang {
    /// English.
    En,
    /// 中文
    Zh,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The call's id, as `list` shows it.
    id: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    /// The call's id, as `list` shows it.
    id: String,
    /// The approver's private key, as `troth keygen` makes it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    asked: Asked,
}

impl Approve {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        match self {
            Self::List(list) => list.run(),
            Self::Show(show) => show.run(),
            Self::Allow(decide) => decide.run(ApprovalDecision::Allow),
            Self::Deny(decide) => decide.run(ApprovalDecision::Deny),
        }
    }
}

impl Asked {
    fn config(&self) -> Result<Config, CliFault> {
        Ok(boot::configuration(&self.config)?)
    }
}

impl List {
    fn run(&self) -> Result<(), CliFault> {
        let question = Question { path: PATH.to_owned(), body: None };
        let told = operator::ask(&self.asked.config()?, question)?;
        if self.asked.json {
            return print(&told.to_string());
        }
        let calls = told.get("approvals").and_then(Value::as_array);
        print(&shown::list(calls.map(Vec::as_slice).unwrap_or_default(), self.asked.lang))
    }
}

impl Show {
    fn run(&self) -> Result<(), CliFault> {
        let call = one(&self.asked.config()?, &self.id)?;
        if self.asked.json {
            return print(&call.told.to_string());
        }
        print(&shown::call(&call.told, self.asked.lang))
    }
}

impl Decide {
    fn run(&self, decision: ApprovalDecision) -> Result<(), CliFault> {
        let config = self.asked.config()?;
        let signer = self.signer()?;
        let One { told, origin, statement } = one(&config, &self.id)?;
        let statement = Approval { decision, ..statement };
        let approval = statement
            .signed(&origin, &signer)
            .map_err(|fault| CliFault::Failed(fault.to_string()))?;
        let body = Decision { origin, approval }.body();
        let done = operator::ask(&config, Question { path: PATH.to_owned(), body: Some(body) })?;
        if self.asked.json {
            return print(&done.to_string());
        }
        print(&shown::decided(&told, &done, self.asked.lang))
    }

    fn signer(&self) -> Result<Signer, CliFault> {
        let path = self.key.display();
        let text = std::fs::read_to_string(&self.key)
            .map_err(|fault| CliFault::Io(format!("cannot read `{path}`: {fault}")))?;
        text.trim().parse().map_err(|fault| CliFault::Usage(format!("the key `{path}`: {fault}")))
    }
}

/// One call, as the proxy tells it, and the statement that is about it.
struct One {
    told: Value,
    origin: String,
    statement: Approval,
}

/// Asks for one call. What is signed is what is shown: the commitment is
/// opened here, so that no proxy can show one call and have another signed.
fn one(config: &Config, id: &str) -> Result<One, CliFault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if id.is_empty() || !id.chars().all(plain) {
        return Err(CliFault::Usage(
            "the id is not one that `troth approve list` shows".to_owned(),
        ));
    }
    let question = Question { path: format!("{PATH}/{id}"), body: None };
    let told = operator::ask(config, question)?;
    let odd = || CliFault::Failed("the proxy's answer is not one of this version".to_owned());
    let text = |key: &str| told.get(key).and_then(Value::as_str);
    let (tool, arguments) = text("tool").zip(text("arguments")).ok_or_else(odd)?;
    let origin = text("origin").ok_or_else(odd)?.to_owned();
    let opening = text("opening").and_then(Opening::parse).ok_or_else(odd)?;
    let statement = told.get("statement").cloned().ok_or_else(odd)?;
    let statement: Approval = serde_json::from_value(statement).map_err(|_| odd())?;
    let shown = statement.id == id
        && statement.tool == tool_name(tool)
        && statement.definition.map(|digest| digest.to_string()).as_deref() == text("definition")
        && Some(statement.bundle.to_string().as_str())
            == told.pointer("/bundle/digest").and_then(Value::as_str)
        && Some(statement.expires) == told.get("expires").and_then(Value::as_u64)
        && opening.confirms(&statement.call, &Approval::content(tool, arguments));
    if !shown {
        let why = "the statement that the proxy wants signed is not about the call that it shows: \
                   nothing was signed";
        return Err(CliFault::Failed(why.to_owned()));
    }
    Ok(One { told, origin, statement })
}

const EXAMPLES: &str = "\
Example, from the policy to the call:
  policies/payments.cedar:
    @id(\"payments-want-a-person\") @response(\"approve\")
    @message(\"Money leaves the house.\")
    forbid (principal, action == Action::\"CallTool\", resource == Tool::\"pay\");
  troth keygen example.com/oncall --out oncall.key
  troth.toml:
    [[approver]]
    id = \"oncall\"
    verifier_key = \"example.com/oncall+...\"   # as `troth keygen` printed it
  troth approve list
  troth approve show ID
  troth approve allow ID --key oncall.key

An exchange waits for `limits.approval_wait_ms` and is then refused with the id.
The call stays until `limits.approval_expiry_ms`, so that the same call, made again
by the same principal, passes once when it was allowed. A reload with another
bundle and a restart end it.

Exit codes: 0 done, 1 refused, 64 bad usage or configuration, 74 I/O.";
