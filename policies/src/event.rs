//! What is judged: somebody does something to a model or a tool.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{finding::Finding, trace::Trace};

/// What is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Action {
    /// A request goes to a model.
    Prompt,
    /// A model's answer goes to the client.
    Respond,
    /// A tool is called.
    CallTool,
    /// A tool's result goes back.
    ReturnToolResult,
    /// A tool is offered to a model.
    OfferTool,
    /// A resource is read into the context.
    ReadResource,
    /// A server supplies a prompt.
    GetPrompt,
    /// A server asks the client's model to write.
    Sample,
    /// A server asks the user something.
    Elicit,
    /// A server notifies.
    Notify,
}

impl Action {
    /// Every action, in declaration order.
    pub const ALL: [Action; 10] = [
        Action::Prompt,
        Action::Respond,
        Action::CallTool,
        Action::ReturnToolResult,
        Action::OfferTool,
        Action::ReadResource,
        Action::GetPrompt,
        Action::Sample,
        Action::Elicit,
        Action::Notify,
    ];

    /// The action's name in policies, records and examples.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Prompt => "Prompt",
            Action::Respond => "Respond",
            Action::CallTool => "CallTool",
            Action::ReturnToolResult => "ReturnToolResult",
            Action::OfferTool => "OfferTool",
            Action::ReadResource => "ReadResource",
            Action::GetPrompt => "GetPrompt",
            Action::Sample => "Sample",
            Action::Elicit => "Elicit",
            Action::Notify => "Notify",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// What kind of thing acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A program that acts by itself.
    Agent,
    /// A person.
    User,
    /// A group of them.
    Team,
}

impl PrincipalKind {
    /// The entity type in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PrincipalKind::Agent => "Agent",
            PrincipalKind::User => "User",
            PrincipalKind::Team => "Team",
        }
    }
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Principal {
    /// The id in the configuration.
    pub id: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// What it is.
    pub kind: PrincipalKind,
    /// What policies may ask of it; `bundle.toml` declares the names and types.
    /// The attribute `teams` (a list of names) makes it a member of those teams.
    pub attributes: Map<String, Value>,
}

impl Principal {
    /// Whoever acts where no principal is configured.
    #[must_use]
    pub fn anonymous() -> Principal {
        Principal {
            id: "anonymous".to_owned(),
            tenant: "default".to_owned(),
            kind: PrincipalKind::User,
            attributes: Map::new(),
        }
    }
}

/// What is acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A model, by the name the client asked for.
    Model(&'a str),
    /// A tool, by name.
    Tool(&'a str),
}

/// A tool call with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The tool's name.
    pub name: &'a str,
    /// The arguments; anything but an object is one argument at the path `$`.
    pub arguments: &'a Value,
}

impl Call<'_> {
    /// The arguments as one text, keys and values: what the rules of the
    /// surface `tool_call` look at. A dialect that carries arguments as a text
    /// gives that; one that carries them as an object gives this, so that what
    /// is said in a key is seen either way.
    #[must_use]
    pub fn text(&self) -> String {
        match self.arguments {
            Value::String(text) => text.clone(),
            arguments => arguments.to_string(),
        }
    }
}

/// One thing to judge.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What is about to happen.
    pub action: Action,
    /// Who does it.
    pub principal: &'a Principal,
    /// To what.
    pub resource: Resource<'a>,
    /// What was found in its text.
    pub findings: &'a [Finding],
    /// The call, for `CallTool`.
    pub call: Option<Call<'a>>,
    /// What the conversation has been through.
    pub trace: &'a Trace,
}
