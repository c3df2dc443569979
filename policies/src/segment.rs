//! What is screened: one piece of text, where it stands and who wrote it.

use serde::{Deserialize, Serialize};

/// The part of an exchange that a text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Channel {
    /// The operator's instructions to the model.
    System,
    /// What a user asks.
    User,
    /// What a model answers.
    Assistant,
    /// A model's visible chain of thought.
    Reasoning,
    /// A model's refusal, where the dialect keeps it apart.
    Refusal,
    /// A tool's name, description and schema.
    ToolDefinition,
    /// The arguments a model calls a tool with.
    ToolCall,
    /// What a tool answered.
    ToolResult,
    /// A document that was read into the context.
    Resource,
    /// A prompt template that a server supplied.
    Prompt,
    /// A server's request that the client's model write something.
    Sampling,
    /// A server's question to the user.
    Elicitation,
    /// A server's notification.
    Notification,
    /// A third party's text given for screening alone (`troth scan`, `social_text`).
    Social,
}

impl Channel {
    /// Every channel, in declaration order.
    pub const ALL: [Channel; 14] = [
        Channel::System,
        Channel::User,
        Channel::Assistant,
        Channel::Reasoning,
        Channel::Refusal,
        Channel::ToolDefinition,
        Channel::ToolCall,
        Channel::ToolResult,
        Channel::Resource,
        Channel::Prompt,
        Channel::Sampling,
        Channel::Elicitation,
        Channel::Notification,
        Channel::Social,
    ];

    /// The name that records and files use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::System => "system",
            Channel::User => "user",
            Channel::Assistant => "assistant",
            Channel::Reasoning => "reasoning",
            Channel::Refusal => "refusal",
            Channel::ToolDefinition => "tool_definition",
            Channel::ToolCall => "tool_call",
            Channel::ToolResult => "tool_result",
            Channel::Resource => "resource",
            Channel::Prompt => "prompt",
            Channel::Sampling => "sampling",
            Channel::Elicitation => "elicitation",
            Channel::Notification => "notification",
            Channel::Social => "social",
        }
    }

    /// The surface whose detectors look at this channel.
    ///
    /// Everything that a server supplies is a `tool_output`: whoever controls
    /// the server controls it, whatever the protocol calls it.
    #[must_use]
    pub fn surface(self) -> Surface {
        match self {
            Channel::System => Surface::SystemPrompt,
            Channel::User => Surface::UserPrompt,
            Channel::Assistant | Channel::Reasoning | Channel::Refusal => Surface::ModelOutput,
            Channel::ToolDefinition => Surface::ToolDefinition,
            Channel::ToolCall => Surface::ToolCall,
            Channel::ToolResult
            | Channel::Resource
            | Channel::Prompt
            | Channel::Sampling
            | Channel::Elicitation
            | Channel::Notification => Surface::ToolOutput,
            Channel::Social => Surface::SocialText,
        }
    }
}

/// What detectors declare that they look at; several channels share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// A user's words to the model.
    UserPrompt,
    /// What a tool, a resource or a server returned.
    ToolOutput,
    /// Arguments of a tool call.
    ToolCall,
    /// A tool's definition.
    ToolDefinition,
    /// A model's words.
    ModelOutput,
    /// The operator's instructions.
    SystemPrompt,
    /// Somebody else's text, screened on its own.
    SocialText,
}

impl Surface {
    /// Every surface, in declaration order.
    pub const ALL: [Surface; 7] = [
        Surface::UserPrompt,
        Surface::ToolOutput,
        Surface::ToolCall,
        Surface::ToolDefinition,
        Surface::ModelOutput,
        Surface::SystemPrompt,
        Surface::SocialText,
    ];

    /// The name that files and `troth scan` use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Surface::UserPrompt => "user_prompt",
            Surface::ToolOutput => "tool_output",
            Surface::ToolCall => "tool_call",
            Surface::ToolDefinition => "tool_definition",
            Surface::ModelOutput => "model_output",
            Surface::SystemPrompt => "system_prompt",
            Surface::SocialText => "social_text",
        }
    }

    /// Who usually says what stands there.
    #[must_use]
    pub fn origin(self) -> Origin {
        match self {
            Surface::UserPrompt | Surface::SocialText => Origin::User,
            Surface::ToolOutput => Origin::Tool,
            Surface::ToolCall | Surface::ModelOutput => Origin::Model,
            Surface::ToolDefinition | Surface::SystemPrompt => Origin::Operator,
        }
    }

    /// The surface of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Surface> {
        Surface::ALL.into_iter().find(|surface| surface.as_str() == name)
    }

    /// The channel that stands for this surface where only a surface is known.
    #[must_use]
    pub fn channel(self) -> Channel {
        match self {
            Surface::UserPrompt => Channel::User,
            Surface::ToolOutput => Channel::ToolResult,
            Surface::ToolCall => Channel::ToolCall,
            Surface::ToolDefinition => Channel::ToolDefinition,
            Surface::ModelOutput => Channel::Assistant,
            Surface::SystemPrompt => Channel::System,
            Surface::SocialText => Channel::Social,
        }
    }
}

/// Who wrote a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Whoever runs the application.
    Operator,
    /// Whoever uses it.
    User,
    /// The model.
    Model,
    /// A tool or a server.
    Tool,
}

impl Origin {
    /// The name that records and files use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Operator => "operator",
            Origin::User => "user",
            Origin::Model => "model",
            Origin::Tool => "tool",
        }
    }
}

/// One piece of text with its place.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The number that findings refer to it by.
    pub index: u32,
    /// The JSON pointer of the text in its message.
    pub pointer: &'a str,
    /// The part of the exchange.
    pub channel: Channel,
    /// The author.
    pub origin: Origin,
    /// The tool that it belongs to, where it belongs to one.
    pub tool: Option<&'a str>,
    /// The text.
    pub text: &'a str,
}
