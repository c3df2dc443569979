//! Where a call's arguments come from, as policies see it.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::RestrictedExpression;

use super::entities::Unjudgeable;
use crate::{
    event::Call,
    flow::{Flow, Provenance, record::leaves},
    labels::Labels,
};

/// The provenance of a call's values, each looked up once.
#[derive(Debug)]
pub(crate) struct Origins<'t> {
    flow: &'t Flow,
    known: BTreeMap<String, Provenance>,
}

impl<'t> Origins<'t> {
    pub(crate) fn new(flow: &'t Flow) -> Origins<'t> {
        Origins { flow, known: BTreeMap::new() }
    }

    /// What an argument has besides its values: the labels that they carry,
    /// and which of them nobody named.
    pub(crate) fn fields(
        &mut self,
        values: &BTreeSet<String>,
    ) -> Vec<(String, RestrictedExpression)> {
        let mut labels = 0;
        let mut lists: [(&str, Vec<RestrictedExpression>); 5] =
            ["unnamed", "unknown", "unreferred", "composed", "quoted"]
                .map(|name| (name, Vec::new()));
        for value in values {
            if !self.known.contains_key(value) {
                self.known.insert(value.clone(), self.flow.of(value));
            }
            let Some(origin) = self.known.get(value) else { continue };
            labels |= origin.labels;
            let in_list = [
                !origin.named,
                !origin.known,
                !origin.referred,
                !origin.known && !origin.read,
                origin.is_quoted(),
            ];
            for ((_, list), _) in lists.iter_mut().zip(in_list).filter(|(_, is)| *is) {
                list.push(RestrictedExpression::new_string(value.clone()));
            }
        }
        let mut fields = vec![("labels".to_owned(), self.set(labels))];
        fields.extend(
            lists
                .into_iter()
                .map(|(name, list)| (name.to_owned(), RestrictedExpression::new_set(list))),
        );
        fields
    }

    /// `context.roles` and `context.carries`.
    pub(crate) fn context(
        &mut self,
        labels: &Labels,
        call: Option<Call<'_>>,
    ) -> Result<Vec<(String, RestrictedExpression)>, Unjudgeable> {
        let leaves = call.map(|call| leaves(call.arguments)).unwrap_or_default();
        let mut roles: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut receivers = Vec::new();
        for role in &labels.roles {
            let values = role.values(&leaves);
            if role.receives {
                receivers.extend(values.iter().cloned());
            }
            if !values.is_empty() {
                roles.entry(&role.id).or_default().extend(values);
            }
        }
        let values: Vec<String> = leaves.into_iter().map(|(_, value)| value).collect();
        let carried = self.flow.carried(&values, &receivers);
        let mut fields = Vec::new();
        for (role, values) in roles {
            let all = values.iter().cloned().map(RestrictedExpression::new_string);
            let mut record = vec![("all".to_owned(), RestrictedExpression::new_set(all))];
            record.extend(self.fields(&values));
            let record =
                RestrictedExpression::new_record(record).map_err(|_| Unjudgeable::Entity)?;
            fields.push((role.to_owned(), record));
        }
        let roles = RestrictedExpression::new_record(fields).map_err(|_| Unjudgeable::Entity)?;
        Ok(vec![("roles".to_owned(), roles), ("carries".to_owned(), self.set(carried))])
    }

    fn set(&self, mask: u64) -> RestrictedExpression {
        let names =
            self.flow.names(mask).map(|label| RestrictedExpression::new_string(label.to_owned()));
        RestrictedExpression::new_set(names)
    }
}

/// Whether a policy asks where arguments come from. Traces of a bundle none of
/// whose policies does need not remember it.
pub(crate) fn asks(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::Object(members) => members.iter().any(|(operator, operands)| {
            let attr = operands.get("attr").and_then(|attr| attr.as_str());
            let of_context =
                operands.pointer("/left/Var").and_then(|var| var.as_str()) == Some("context");
            let asked = match (operator.as_str(), attr) {
                (
                    "." | "has",
                    Some(
                        "roles" | "carries" | "unnamed" | "unknown" | "unreferred" | "composed"
                        | "quoted",
                    ),
                ) => true,
                ("." | "has", Some("labels")) => !of_context,
                _ => false,
            };
            asked || asks(operands)
        }),
        serde_json::Value::Array(items) => items.iter().any(asks),
        _ => false,
    }
}
