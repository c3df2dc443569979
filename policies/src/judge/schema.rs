//! The Cedar schema that a bundle's policies are written against.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use crate::{event::Action, manifest::AttributeKind};

/// What a resource can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ResourceKind {
    Model,
    Tool,
}

impl ResourceKind {
    pub(crate) const ALL: [ResourceKind; 2] = [ResourceKind::Model, ResourceKind::Tool];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ResourceKind::Model => "Model",
            ResourceKind::Tool => "Tool",
        }
    }
}

/// What an action can be done to. Judging anything else blocks it.
pub(crate) fn applies_to(action: Action) -> &'static [ResourceKind] {
    match action {
        Action::Prompt | Action::Respond => &[ResourceKind::Model],
        Action::CallTool | Action::OfferTool | Action::ReturnToolResult => &[ResourceKind::Tool],
        _ => &ResourceKind::ALL,
    }
}

/// The groups that an action is in: `Input` is what goes towards a model,
/// `Output` what a model says or does.
pub(crate) fn groups(action: Action) -> &'static str {
    match action {
        Action::Respond | Action::CallTool => "Output",
        Action::Prompt
        | Action::ReturnToolResult
        | Action::OfferTool
        | Action::ReadResource
        | Action::GetPrompt
        | Action::Sample
        | Action::Elicit
        | Action::Notify => "Input",
    }
}

/// The schema as Cedar writes it. Names have been checked to be identifiers.
///
/// Each category of the bundle is an optional attribute of
/// `context.findings`, so that a policy which misspells one does not compile,
/// and one that forgets `has` does not either.
pub(crate) fn text(
    attributes: &BTreeMap<String, AttributeKind>,
    categories: &BTreeSet<String>,
    roles: &BTreeSet<&str>,
) -> String {
    let mut shape = String::from("\"id\": String, \"tenant\": String");
    for (name, kind) in attributes {
        // Writing to a String cannot fail; the result says so to the compiler.
        let _ = write!(shape, ", \"{name}\": {}", kind.cedar());
    }
    let mut findings = String::new();
    for category in categories {
        let _ = write!(findings, "\"{category}\"?: Finding, ");
    }
    let mut playing = String::new();
    for role in roles {
        let _ = write!(playing, "\"{role}\"?: Argument, ");
    }
    let mut out = format!(
        "entity Team in [Team] = {{ {shape} }};\n\
         entity User in [Team] = {{ {shape} }};\n\
         entity Agent in [Team] = {{ {shape} }};\n\
         entity Model = {{ \"name\": String }};\n\
         entity ToolGroup;\n\
         entity Tool in [ToolGroup] = {{ \"name\": String }};\n\
         type Finding = {{ score: Long, severity: Long, count: Long }};\n\
         type Findings = {{ {findings} }};\n\
         type Argument = {{ all: Set<String>, text?: String, number?: Long, least?: Long, most?: Long, \
         labels: Set<String>, unnamed: Set<String>, unknown: Set<String>, unreferred: Set<String>, \
         composed: Set<String>, quoted: Set<String> }};\n\
         type Roles = {{ {playing} }};\n\
         entity Call = {{ \"name\": String }} tags Argument;\n\
         action Input, Output;\n"
    );
    for action in Action::ALL {
        let call = if action == Action::CallTool {
            ", call: Call, roles: Roles, carries: Set<String>"
        } else {
            ""
        };
        let resources: Vec<&str> =
            applies_to(action).iter().map(|resource| resource.as_str()).collect();
        let _ = writeln!(
            out,
            "action {} in [{}] appliesTo {{ principal: [Agent, User, Team], resource: [{}], \
             context: {{ findings: Findings, labels: Set<String>{call} }} }};",
            action.as_str(),
            groups(action),
            resources.join(", "),
        );
    }
    out
}
