//! What a conversation has been through.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits;

/// The labels that a conversation has picked up. Opaque: `Bundle::observe`
/// writes it, policies read it as `context.labels`, anybody may store it.
///
/// Bounded by the labels a bundle can declare, whatever is read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trace {
    labels: BTreeSet<String>,
}

impl Trace {
    /// The labels, in order.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(String::as_str)
    }

    /// Whether it carries this label.
    #[must_use]
    pub fn carries(&self, label: &str) -> bool {
        self.labels.contains(label)
    }

    pub(crate) fn add(&mut self, label: &str) {
        if self.labels.len() < limits::LABELS || self.labels.contains(label) {
            self.labels.insert(label.to_owned());
        }
    }

    pub(crate) fn without(&self, label: &str) -> Trace {
        let mut trace = self.clone();
        trace.labels.remove(label);
        trace
    }
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Trace, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Stored {
            labels: BTreeSet<String>,
        }
        let stored = Stored::deserialize(deserializer)?;
        // More labels, or longer ones, than any bundle declares were not
        // written by `observe`: refuse them rather than drop some of them.
        if stored.labels.len() > limits::LABELS
            || stored.labels.iter().any(|label| label.len() > limits::NAME_BYTES)
        {
            return Err(serde::de::Error::custom("a trace holds more than a bundle can declare"));
        }
        Ok(Trace { labels: stored.labels })
    }
}
