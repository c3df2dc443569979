//! What is asked of a person.

use std::sync::Arc;

use troth_attest::Digest;
use troth_policies::{Determining, Verdict};

use crate::config::Secret;

/// One call, as it was judged.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The exchange that makes it.
    pub(crate) exchange: Arc<str>,
    /// Its route.
    pub(crate) route: String,
    /// The origin of the log that the decision goes to.
    pub(crate) origin: String,
    /// The tenant's name.
    pub(crate) tenant: String,
    /// The principal's name.
    pub(crate) principal: String,
    /// The tenant, as the log's records have it.
    pub(crate) tenant_pseudonym: String,
    /// The principal, as the log's records have it.
    pub(crate) principal_pseudonym: String,
    /// The tool's name, as the call has it.
    pub(crate) tool: String,
    /// Digest of the tool's definition, as records have it.
    pub(crate) definition: Option<Digest>,
    /// The arguments as they were sent: for the approver's eyes, and no log
    /// line's.
    pub(crate) arguments: Secret,
    /// Digest of the bundle.
    pub(crate) bundle: Digest,
    /// The bundle's name.
    pub(crate) bundle_name: String,
    /// The policies that found something to say, strongest first.
    pub(crate) policies: Vec<Asking>,
}

/// A policy that had something to say of a call.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    /// Its id.
    pub(crate) id: String,
    /// What it says.
    pub(crate) response: Verdict,
    /// How severe it is.
    pub(crate) severity: Option<String>,
    /// Why.
    pub(crate) message: Option<String>,
}

impl From<&Determining> for Asking {
    fn from(policy: &Determining) -> Self {
        Self {
            id: policy.id.clone(),
            response: policy.response,
            severity: policy.severity.clone(),
            message: policy.message.clone(),
        }
    }
}

impl Ask {
    /// Whether an approval of one is an approval of the other: byte for byte
    /// the same call of the same tool, by the same principal, on the same
    /// route, under the same bundle.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_by_same(other)
            && self.route == other.route
            && self.origin == other.origin
            && self.tool == other.tool
            && self.definition == other.definition
            && self.arguments == other.arguments
            && self.bundle == other.bundle
    }

    /// Whether the same principal makes both.
    pub(super) fn is_by_same(&self, other: &Self) -> bool {
        self.principal == other.principal && self.tenant == other.tenant
    }
}

/// A tool's name as a record may hold it, where no content may stand.
pub(crate) fn tool_name(name: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte);
    let is_plain = (1..=128).contains(&name.len()) && name.bytes().all(plain);
    if is_plain { name } else { "unnamed" }
}
