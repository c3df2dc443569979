//! What Cedar finds wrong with a policy, and what its author can do about it.

use std::fmt::Display;

use cedar_policy::{ValidationError, ValidationWarning};
use miette::Diagnostic as Told;

use crate::{
    diagnostic::{Diagnostic, FileText},
    event::Action,
};

/// A text that is no policy.
pub(crate) fn unread(file: &FileText, error: &(impl Told + ?Sized), example: &str) -> Diagnostic {
    let fault = placed(file, error);
    // The parser says what it expected beside the place, not in its help.
    let label = error.labels().and_then(|mut labels| labels.next());
    let fault = match label.as_ref().and_then(|label| label.label()) {
        Some(said) => fault.expect(said.trim_start_matches("expected ").to_owned()),
        None => fault,
    };
    fault.such_as(example)
}

/// A policy that says what the schema does not know or cannot promise.
pub(crate) fn invalid(file: &FileText, error: &ValidationError) -> Diagnostic {
    let fault = placed(file, error);
    let (expected, example) = match error {
        ValidationError::UnrecognizedEntityType(_) => (
            "`Agent`, `User`, `Team`, `Model`, `Tool`, `ToolGroup`, `Call` or `Action`".to_owned(),
            "resource in ToolGroup::\"egress\"",
        ),
        ValidationError::UnrecognizedActionId(_) => {
            let names: Vec<String> =
                Action::ALL.iter().map(|action| format!("`{}`", action.as_str())).collect();
            let names = names.join(", ");
            let all = format!("{names}, or the groups `Input` and `Output` with `in`");
            (all, "action == Action::\"CallTool\"")
        }
        ValidationError::UnsafeAttributeAccess(_) => (
            "`principal.id`, `.tenant` or an attribute that `bundle.toml` declares; \
             `resource.name`; `context.findings`, `.labels` and, of `CallTool`, `.call`; of a \
             finding `score`, `severity`, `count`; of an argument `all`, `text`, `number`, \
             `least`, `most`"
                .to_owned(),
            "[attributes]\nrecipients = \"strings\"",
        ),
        ValidationError::UnsafeOptionalAttributeAccess(_) => (
            "to ask first whether it is there".to_owned(),
            "context.findings has secret && context.findings.secret.severity >= 3",
        ),
        ValidationError::UnsafeTagAccess(_) => (
            "to ask first whether the call has such an argument".to_owned(),
            "context.call.hasTag(\"to\") && context.call.getTag(\"to\").all.contains(\"x\")",
        ),
        ValidationError::NoTagsAllowed(_) => {
            ("`context.call`: nothing else has tags".to_owned(), "context.call.hasTag(\"to\")")
        }
        ValidationError::UndefinedFunction(_) => (
            "`contains`, `containsAll`, `containsAny`, `isEmpty`, `hasTag`, `getTag`, `like`, \
             `has`: there are no others"
                .to_owned(),
            "context.call.getTag(\"host\").text like \"10.*\"",
        ),
        ValidationError::EmptySetForbidden(_) => {
            ("`isEmpty()`".to_owned(), "principal.recipients.isEmpty()")
        }
        other => return helped(fault, other),
    };
    // What Cedar itself advises is about this very place.
    let fault = helped(fault, error);
    let expected = match fault.expected() {
        Some(advice) => format!("{expected} ({advice})"),
        None => expected,
    };
    fault.expect(expected).such_as(example)
}

/// A policy that Cedar accepts and doubts.
pub(crate) fn doubtful(file: &FileText, warning: &ValidationWarning) -> Diagnostic {
    let fault = helped(placed(file, warning), warning);
    match warning {
        // A policy that can never forbid is a gap that looks like a rule.
        ValidationWarning::ImpossiblePolicy(_) => fault
            .expect("conditions that some event can fulfil: this policy never forbids anything"),
        ValidationWarning::InvalidActionApplication(_) => fault.expect(
            "an action with a resource that it is done to: `Prompt` and `Respond` to a `Model`, \
             `CallTool`, `OfferTool` and `ReturnToolResult` to a `Tool`, the others to either",
        ),
        _ => fault.into_warning(),
    }
}

fn helped(fault: Diagnostic, error: &(impl Told + ?Sized)) -> Diagnostic {
    match error.help() {
        Some(help) => fault.expect(help.to_string()),
        None => fault,
    }
}

/// A fault where Cedar says that it is.
fn placed(file: &FileText, error: &(impl Told + Display + ?Sized)) -> Diagnostic {
    let span = error
        .labels()
        .and_then(|mut labels| labels.next())
        .map_or(0..0, |label| label.offset()..label.offset().saturating_add(label.len()));
    let message: String = error.to_string().lines().next().unwrap_or_default().to_owned();
    // Cedar begins with "for policy `policy0`, ", by a number nobody wrote.
    let message = match message.split_once("`, ") {
        Some((start, rest)) if start.starts_with("for policy `policy") => rest.to_owned(),
        _ => message,
    };
    file.fault(span, message)
}
