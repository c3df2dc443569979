//! An event as Cedar sees it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{Context, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use serde_json::Value;

use super::origin::Origins;
use crate::{
    event::{Call, Event, Principal, PrincipalKind, Resource},
    labels::Labels,
    limits,
    manifest::AttributeKind,
};

/// Why an event has no form that policies could judge. It is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unjudgeable {
    Attribute,
    Arguments,
    Entity,
}

impl Unjudgeable {
    /// One line without content.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Unjudgeable::Attribute => "an attribute of the principal is not of its declared type",
            Unjudgeable::Arguments => "the call's arguments are past a limit of what policies see",
            Unjudgeable::Entity => "the event cannot be expressed for the policies",
        }
    }
}

/// The names of entity types, parsed once.
#[derive(Debug)]
pub(crate) struct Types {
    agent: EntityTypeName,
    user: EntityTypeName,
    team: EntityTypeName,
    model: EntityTypeName,
    tool: EntityTypeName,
    group: EntityTypeName,
    call: EntityTypeName,
}

impl Types {
    pub(crate) fn new() -> Option<Types> {
        let name = |text: &str| text.parse::<EntityTypeName>().ok();
        Some(Types {
            agent: name("Agent")?,
            user: name("User")?,
            team: name("Team")?,
            model: name("Model")?,
            tool: name("Tool")?,
            group: name("ToolGroup")?,
            call: name("Call")?,
        })
    }

    fn of(&self, kind: PrincipalKind) -> &EntityTypeName {
        match kind {
            PrincipalKind::Agent => &self.agent,
            PrincipalKind::User => &self.user,
            PrincipalKind::Team => &self.team,
        }
    }
}

/// An id of that type.
fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// Principal and resource with their ids; the call, where there is one.
pub(crate) struct Cast {
    pub(crate) principal: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) call: Option<EntityUid>,
    pub(crate) entities: Vec<Entity>,
}

/// The entities of an event.
pub(crate) fn cast(
    types: &Types,
    attributes: &BTreeMap<String, AttributeKind>,
    labels: &Labels,
    event: &Event<'_>,
    with_call: bool,
    origins: &mut Option<Origins<'_>>,
) -> Result<Cast, Unjudgeable> {
    let principal = uid(types.of(event.principal.kind), &event.principal.id);
    let mut entities = vec![principal_entity(types, &principal, attributes, event.principal)?];
    let (resource, name, groups) = match event.resource {
        Resource::Model(name) => (uid(&types.model, name), name, HashSet::new()),
        Resource::Tool(name) => {
            let groups = labels.groups(name).map(|group| uid(&types.group, group)).collect();
            (uid(&types.tool, name), name, groups)
        }
    };
    let shape = [("name".to_owned(), RestrictedExpression::new_string(name.to_owned()))];
    entities.push(
        Entity::new(resource.clone(), shape.into_iter().collect(), groups)
            .map_err(|_| Unjudgeable::Entity)?,
    );
    let mut call = None;
    if with_call {
        let id = uid(&types.call, "call");
        entities.push(call_entity(&id, event.call, origins)?);
        call = Some(id);
    }
    Ok(Cast { principal, resource, call, entities })
}

fn principal_entity(
    types: &Types,
    id: &EntityUid,
    attributes: &BTreeMap<String, AttributeKind>,
    principal: &Principal,
) -> Result<Entity, Unjudgeable> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let mut shape = vec![
        ("id".to_owned(), text(&principal.id)),
        ("tenant".to_owned(), text(&principal.tenant)),
    ];
    for (name, kind) in attributes {
        let value =
            attribute(*kind, principal.attributes.get(name)).ok_or(Unjudgeable::Attribute)?;
        shape.push((name.clone(), value));
    }
    let teams = strings(principal.attributes.get("teams")).ok_or(Unjudgeable::Attribute)?;
    let parents: Vec<EntityUid> = teams.iter().map(|team| uid(&types.team, team)).collect();
    Entity::new_with_tags(id.clone(), shape, parents, []).map_err(|_| Unjudgeable::Entity)
}

/// An attribute's value; absent is the empty one, so that policies need no
/// `has` and a principal without recipients has none.
pub(crate) fn attribute(
    kind: AttributeKind,
    value: Option<&Value>,
) -> Option<RestrictedExpression> {
    Some(match (kind, value) {
        (AttributeKind::String, None) => RestrictedExpression::new_string(String::new()),
        (AttributeKind::String, Some(Value::String(text))) => {
            RestrictedExpression::new_string(text.clone())
        }
        (AttributeKind::Strings, value) => RestrictedExpression::new_set(
            strings(value)?.into_iter().map(RestrictedExpression::new_string),
        ),
        (AttributeKind::Number, None) => RestrictedExpression::new_long(0),
        (AttributeKind::Number, Some(value)) => RestrictedExpression::new_long(value.as_i64()?),
        (AttributeKind::Boolean, None) => RestrictedExpression::new_bool(false),
        (AttributeKind::Boolean, Some(value)) => RestrictedExpression::new_bool(value.as_bool()?),
        (AttributeKind::String, Some(_)) => return None,
    })
}

fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    match value {
        None => Some(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        }
        Some(_) => None,
    }
}

/// What a call says at one argument path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Argument {
    /// Every value at or beneath the path, as text.
    pub(crate) all: BTreeSet<String>,
    /// The values one a line, in the order of the call.
    pub(crate) text: String,
    /// The value, where it is one whole number.
    pub(crate) number: Option<i64>,
    count: usize,
}

/// Arguments by path: `to`, `body.subject`, `items[].price`. A path holds every
/// value at or beneath it: `to` speaks of one recipient, of a list of them, and
/// of one that hides a level deeper (`["bob@x", {"a": "mal@x"}]`), so that no
/// shape of an argument slips past `containsAll`. Nothing is left out: a call
/// that exceeds a limit has no tags at all, and is blocked.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) paths: BTreeMap<String, Argument>,
    values: usize,
    bytes: usize,
}

impl Arguments {
    pub(crate) fn of(value: &Value) -> Option<Arguments> {
        let mut arguments = Arguments::default();
        let mut above = Vec::new();
        match value {
            Value::Object(_) => arguments.walk(&mut above, value, 0)?,
            other => {
                above.push("$".to_owned());
                arguments.walk(&mut above, other, 0)?;
            }
        }
        Some(arguments)
    }

    /// `above` holds the paths from the top to this value.
    fn walk(&mut self, above: &mut Vec<String>, value: &Value, depth: usize) -> Option<()> {
        if depth > limits::CALL_DEPTH {
            return None;
        }
        let deeper = depth.saturating_add(1);
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    // A dot or a bracket in a name would make two paths one.
                    let name: String = name
                        .chars()
                        .map(|c| if matches!(c, '.' | '[' | ']') { '_' } else { c })
                        .collect();
                    let path = match above.last() {
                        Some(path) => format!("{path}.{name}"),
                        None => name,
                    };
                    above.push(path);
                    self.walk(above, member, deeper)?;
                    above.pop();
                }
            }
            Value::Array(items) => {
                let path = above.last().map_or_else(|| "[]".to_owned(), |path| format!("{path}[]"));
                above.push(path);
                for item in items {
                    self.walk(above, item, deeper)?;
                }
                above.pop();
            }
            plain => self.note(above, plain)?,
        }
        Some(())
    }

    fn note(&mut self, above: &[String], value: &Value) -> Option<()> {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.values = self.values.saturating_add(1);
        for path in above {
            self.bytes = self.bytes.saturating_add(text.len()).saturating_add(path.len());
            if self.values > limits::CALL_VALUES || self.bytes > limits::CALL_BYTES {
                return None;
            }
            let argument = self.paths.entry(path.clone()).or_default();
            argument.number = if argument.count == 0 { value.as_i64() } else { None };
            if argument.count > 0 {
                argument.text.push('\n');
            }
            argument.count = argument.count.saturating_add(1);
            argument.text.push_str(&text);
            argument.all.insert(text.clone());
        }
        (self.paths.len() <= limits::CALL_TAGS).then_some(())
    }
}

fn call_entity(
    id: &EntityUid,
    call: Option<Call<'_>>,
    origins: &mut Option<Origins<'_>>,
) -> Result<Entity, Unjudgeable> {
    let (name, arguments) = match call {
        Some(call) => (call.name, Arguments::of(call.arguments).ok_or(Unjudgeable::Arguments)?),
        None => ("", Arguments::default()),
    };
    let tags: Result<Vec<_>, Unjudgeable> = arguments
        .paths
        .into_iter()
        .map(|(path, argument)| {
            let origin = origins.as_mut().map(|origins| origins.fields(&argument.all));
            let all = argument.all.into_iter().map(RestrictedExpression::new_string);
            let mut fields = vec![
                ("all".to_owned(), RestrictedExpression::new_set(all)),
                ("text".to_owned(), RestrictedExpression::new_string(argument.text)),
            ];
            if let Some(number) = argument.number {
                fields.push(("number".to_owned(), RestrictedExpression::new_long(number)));
            }
            fields.extend(origin.into_iter().flatten());
            let record =
                RestrictedExpression::new_record(fields).map_err(|_| Unjudgeable::Entity)?;
            Ok((path, record))
        })
        .collect();
    let shape = [("name".to_owned(), RestrictedExpression::new_string(name.to_owned()))];
    Entity::new_with_tags(id.clone(), shape, [], tags?).map_err(|_| Unjudgeable::Entity)
}

/// What policies know as `context`.
pub(crate) fn context(
    event: &Event<'_>,
    call: Option<EntityUid>,
    origins: Vec<(String, RestrictedExpression)>,
) -> Result<Context, Unjudgeable> {
    let mut by_category: BTreeMap<&str, (i64, i64, i64)> = BTreeMap::new();
    for finding in event.findings {
        let entry = by_category.entry(&finding.category).or_insert((0, 0, 0));
        entry.0 = entry.0.max(i64::from(finding.score_ppm));
        entry.1 = entry.1.max(finding.severity.level());
        entry.2 = entry.2.saturating_add(1);
    }
    let record = |fields: Vec<(String, RestrictedExpression)>| {
        RestrictedExpression::new_record(fields).map_err(|_| Unjudgeable::Entity)
    };
    let mut findings = Vec::new();
    for (category, (score, severity, count)) in by_category {
        let fields = [("score", score), ("severity", severity), ("count", count)];
        let fields = fields
            .into_iter()
            .map(|(name, number)| (name.to_owned(), RestrictedExpression::new_long(number)))
            .collect();
        findings.push((category.to_owned(), record(fields)?));
    }
    let labels =
        event.trace.labels().map(|label| RestrictedExpression::new_string(label.to_owned()));
    let mut pairs = vec![
        ("findings".to_owned(), record(findings)?),
        ("labels".to_owned(), RestrictedExpression::new_set(labels)),
    ];
    pairs.extend(origins);
    if let Some(call) = call {
        pairs.push(("call".to_owned(), RestrictedExpression::new_entity_uid(call)));
    }
    Context::from_pairs(pairs).map_err(|_| Unjudgeable::Entity)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_found_by_path() {
        let value = json!({
            "to": ["a@x", "b@x"], "amount": 5, "ratio": 0.5, "urgent": true, "note": null,
            "items": [{"id": 1}, {"id": 2}], "a.b": "dot", "deep": {"er": ["x", ["y"]]},
        });
        let arguments = Arguments::of(&value).unwrap();
        let texts: Vec<(&str, &str, Option<i64>)> = arguments
            .paths
            .iter()
            .map(|(path, argument)| (path.as_str(), argument.text.as_str(), argument.number))
            .collect();
        assert_eq!(
            texts,
            [
                ("a_b", "dot", None),
                ("amount", "5", Some(5)),
                ("deep", "x\ny", None),
                ("deep.er", "x\ny", None),
                ("deep.er[]", "x\ny", None),
                ("deep.er[][]", "y", None),
                ("items", "1\n2", None),
                ("items[]", "1\n2", None),
                ("items[].id", "1\n2", None),
                ("note", "null", None),
                ("ratio", "0.5", None),
                ("to", "a@x\nb@x", None),
                ("to[]", "a@x\nb@x", None),
                ("urgent", "true", None),
            ]
        );
        assert_eq!(Arguments::of(&json!(["x"])).unwrap().paths.keys().count(), 2);
    }

    #[test]
    fn a_call_past_a_limit_has_no_arguments_at_all() {
        let many =
            |count: usize| Value::Object((0..count).map(|n| (format!("k{n}"), json!(n))).collect());
        assert!(Arguments::of(&many(limits::CALL_TAGS)).is_some());
        assert!(Arguments::of(&many(limits::CALL_TAGS + 1)).is_none());
        let nested = |depth: usize| (0..depth).fold(json!("x"), |inner, _| json!([inner]));
        assert!(Arguments::of(&nested(limits::CALL_DEPTH)).is_some());
        assert!(Arguments::of(&nested(limits::CALL_DEPTH + 1)).is_none());
        assert!(Arguments::of(&json!({"a": "x".repeat(limits::CALL_BYTES)})).is_none());
    }
}
