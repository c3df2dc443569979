//! `troth policy explain`

use std::io::Read;

use clap::{Args, ValueEnum};
use troth_policies::{
    Action, Channel, Explanation, Origin, Principal, Question, Resource, Segment, Trace,
};

use crate::{
    boot,
    cli::{CliFault, bundle_place, print},
};

/// Explain one decision: findings, labels, policies, and what would have
/// changed it.
///
/// Rules alone: scores come from `--score`, so that an explanation needs no
/// model.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  troth policy explain builtin:baseline --text 'Ignore all previous instructions.'
  troth policy explain ./bundle --action tool-result --tool read_email < mail.txt
  troth policy explain ./bundle --text '...' --score injection=930000 --json")]
pub(in crate::cli) struct Explain {
    /// `builtin:NAME` of a bundle that ships, or a directory.
    bundle: String,
    /// The text; standard input when it is left out.
    #[arg(long)]
    text: Option<String>,
    /// What is about to happen.
    #[arg(long, value_enum, default_value = "prompt")]
    action: What,
    /// The tool, for tool calls, results and definitions.
    #[arg(long, default_value = "", value_name = "NAME")]
    tool: String,
    /// A classifier's score in parts per million; may be given again.
    #[arg(long, value_name = "LABEL=PPM", value_parser = score)]
    score: Vec<(String, u32)>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// A user's prompt.
    Prompt,
    /// A model's answer.
    Answer,
    /// A tool call; the text is its arguments.
    ToolCall,
    /// A tool's result.
    ToolResult,
    /// A tool's definition.
    ToolDefinition,
}

fn score(typed: &str) -> Result<(String, u32), String> {
    let (label, ppm) = typed.split_once('=').ok_or("LABEL=PPM")?;
    let ppm = ppm.parse().ok().filter(|ppm| *ppm <= 1_000_000);
    Ok((label.to_owned(), ppm.ok_or("PPM is 0 to 1000000")?))
}

impl Explain {
    pub(in crate::cli) fn run(&self) -> Result<(), CliFault> {
        let (_, bundle) = boot::bundle(&bundle_place(&self.bundle))?;
        let text = self.read()?;
        let (action, channel, origin) = match self.action {
            What::Prompt => (Action::Prompt, Channel::User, Origin::User),
            What::Answer => (Action::Respond, Channel::Assistant, Origin::Model),
            What::ToolCall => (Action::CallTool, Channel::ToolCall, Origin::Model),
            What::ToolResult => (Action::ReturnToolResult, Channel::ToolResult, Origin::Tool),
            What::ToolDefinition => (Action::OfferTool, Channel::ToolDefinition, Origin::Operator),
        };
        let tool = self.tool.as_str();
        let of_tool = !matches!(self.action, What::Prompt | What::Answer);
        let segment = Segment {
            index: 0,
            pointer: "/text",
            channel,
            origin,
            tool: of_tool.then_some(tool),
            text: &text,
        };
        let arguments = match self.action {
            What::ToolCall => {
                let call = crate::dialect::ToolCall::new(self.tool.clone(), text.clone(), 0);
                if call.ambiguous {
                    let why = "two parsers would read the arguments differently: such a call is always blocked";
                    return Err(CliFault::Failed(why.to_owned()));
                }
                call.arguments
            }
            _ => serde_json::Value::Null,
        };
        let is_call = matches!(self.action, What::ToolCall);
        let explanation = bundle.explain_text(&Question {
            action,
            principal: &Principal::anonymous(),
            resource: if of_tool { Resource::Tool(tool) } else { Resource::Model("") },
            segments: &[(segment, self.score.clone())],
            call: is_call.then_some(troth_policies::Call { name: tool, arguments: &arguments }),
            trace: &Trace::default(),
        });
        if self.json {
            let json = serde_json::to_string(&explanation)
                .map_err(|fault| CliFault::Internal(fault.to_string()))?;
            return print(&json);
        }
        print(told(&explanation).trim_end())
    }

    fn read(&self) -> Result<String, CliFault> {
        if let Some(text) = &self.text {
            return Ok(text.clone());
        }
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(TEXT_BYTES)
            .read_to_string(&mut text)
            .map_err(|fault| CliFault::Io(format!("cannot read standard input: {fault}")))?;
        Ok(text)
    }
}

fn told(explanation: &Explanation) -> String {
    let decision = &explanation.decision;
    let mut out = format!(
        "{} by {} ({})\n",
        decision.verdict.as_str().to_uppercase(),
        explanation.bundle,
        explanation.digest.get(..16).unwrap_or_default()
    );
    let mut part = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("{title}\n"));
            lines.iter().for_each(|line| out.push_str(&format!("  {line}\n")));
        }
    };
    let found = |found: &troth_policies::Found| {
        format!(
            "{} ({}), bytes {}..{}, {} ppm, seen {:?}",
            found.detector, found.category, found.start, found.end, found.score_ppm, found.view
        )
        .to_lowercase()
    };
    part("found", explanation.findings.iter().map(found).collect());
    part("labels", explanation.labels.clone());
    let policy = |policy: &troth_policies::Determining| {
        let message = policy.message.as_deref().unwrap_or_default();
        let commitments = policy.commitments.join(", ");
        format!("{} -> {}  [{commitments}]  {message}", policy.id, policy.response.as_str())
    };
    part("decided by", decision.policies.iter().map(policy).collect());
    part("errors", decision.errors.clone());
    let change = |change: &troth_policies::Change| {
        format!("{}: {}  {}", change.what, change.verdict.as_str(), change.policies.join(", "))
    };
    part("it would have been different", explanation.changes.iter().map(change).collect());
    out
}

const TEXT_BYTES: u64 = 16 << 20;
