//! An event as Cedar sees it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression,
};
use serde_json::{Number, Value};

use super::origin::Origins;
use crate::{
    event::{Action, Call, Event, Principal, PrincipalKind, Resource},
    finding::Finding,
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

/// Who does what to what, as Cedar names them.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) principal: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) call: Option<EntityUid>,
}

impl Cast {
    pub(crate) fn of(types: &Types, event: &Event<'_>) -> Cast {
        let resource = match event.resource {
            Resource::Model(name) => uid(&types.model, name),
            Resource::Tool(name) => uid(&types.tool, name),
        };
        let call = event.action == Action::CallTool;
        Cast {
            principal: uid(types.of(event.principal.kind), &event.principal.id),
            resource,
            call: call.then(|| uid(&types.call, "call")),
        }
    }
}

/// What of an event some policies look into: only that need be made for them.
/// An entity costs a microsecond and more, and most policies look at findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touches {
    pub(crate) principal: bool,
    pub(crate) action: bool,
    pub(crate) resource: bool,
    pub(crate) call: bool,
}

impl Touches {
    /// What the conditions of a policy look into, by its form in Cedar's JSON.
    pub(crate) fn of(conditions: &Value) -> Touches {
        let mut touches = Touches::default();
        touches.walk(conditions);
        touches
    }

    /// Everything.
    pub(crate) const ALL: Touches =
        Touches { principal: true, action: true, resource: true, call: true };

    fn walk(&mut self, json: &Value) {
        match json {
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), value.as_str()) {
                        ("Var", Some("principal")) => self.principal = true,
                        ("Var", Some("action")) => self.action = true,
                        ("Var", Some("resource")) => self.resource = true,
                        ("attr", Some("call")) => self.call = true,
                        // It may be any of them by another name.
                        ("__entity", _) => *self = Touches::ALL,
                        _ => self.walk(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    pub(crate) fn and(self, other: Touches) -> Touches {
        Touches {
            principal: self.principal || other.principal,
            action: self.action || other.action,
            resource: self.resource || other.resource,
            call: self.call || other.call,
        }
    }
}

/// Whatever an event's entities are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Making<'m> {
    pub(crate) types: &'m Types,
    pub(crate) attributes: &'m BTreeMap<String, AttributeKind>,
    pub(crate) labels: &'m Labels,
    pub(crate) action: &'m Entity,
}

impl Making<'_> {
    /// The entities of an event that are looked into.
    pub(crate) fn entities(
        self,
        event: &Event<'_>,
        cast: &Cast,
        arguments: Option<&Arguments>,
        touches: Touches,
        origins: &mut Option<Origins<'_>>,
    ) -> Result<Entities, Unjudgeable> {
        let mut entities = Vec::new();
        if touches.principal {
            let entity =
                principal_entity(self.types, &cast.principal, self.attributes, event.principal)?;
            entities.push(entity);
        }
        if touches.resource {
            entities.push(self.resource(event, cast)?);
        }
        if touches.action {
            entities.push(self.action.clone());
        }
        if let Some(id) = cast.call.as_ref().filter(|_| touches.call) {
            entities.push(call_entity(id, event.call, arguments, origins)?);
        }
        if entities.is_empty() {
            return Ok(Entities::empty());
        }
        Entities::from_entities(entities, None).map_err(|_| Unjudgeable::Entity)
    }

    fn resource(self, event: &Event<'_>, cast: &Cast) -> Result<Entity, Unjudgeable> {
        let (name, groups) = match event.resource {
            Resource::Model(name) => (name, HashSet::new()),
            Resource::Tool(name) => {
                let groups = self.labels.groups(name);
                (name, groups.map(|group| uid(&self.types.group, group)).collect())
            }
        };
        let shape = [("name".to_owned(), RestrictedExpression::new_string(name.to_owned()))];
        Entity::new(cast.resource.clone(), shape.into_iter().collect(), groups)
            .map_err(|_| Unjudgeable::Entity)
    }
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
    // A team that is said to be in itself is, as everybody is: no cycle.
    let parents = teams(principal).map(|team| uid(&types.team, team)).filter(|team| team != id);
    Entity::new_with_tags(id.clone(), shape, parents, []).map_err(|_| Unjudgeable::Entity)
}

/// An attribute's value; absent is the empty one, so that policies need no
/// `has` and a principal without recipients has none.
fn attribute(kind: AttributeKind, value: Option<&Value>) -> Option<RestrictedExpression> {
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

/// Whether a principal's attributes, and its teams, are of their types; or else
/// the first that is not.
pub(crate) fn fits<'a>(
    attributes: &'a BTreeMap<String, AttributeKind>,
    principal: &Principal,
) -> Result<(), (&'a str, AttributeKind)> {
    let declared = attributes.iter().map(|(name, kind)| (name.as_str(), *kind));
    for (name, kind) in declared.chain([("teams", AttributeKind::Strings)]) {
        let fits = match (kind, principal.attributes.get(name)) {
            (_, None) => true,
            (AttributeKind::String, Some(value)) => value.is_string(),
            (AttributeKind::Strings, Some(value)) => {
                value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
            }
            (AttributeKind::Number, Some(value)) => value.is_i64(),
            (AttributeKind::Boolean, Some(value)) => value.is_boolean(),
        };
        if !fits {
            return Err((name, kind));
        }
    }
    Ok(())
}

/// The teams of a principal.
pub(crate) fn teams(principal: &Principal) -> impl Iterator<Item = &str> {
    let teams = principal.attributes.get("teams").and_then(Value::as_array);
    teams.into_iter().flatten().filter_map(Value::as_str)
}

/// What was found of one category: the greatest score and severity, and how
/// often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) score: i64,
    pub(crate) severity: i64,
    pub(crate) count: i64,
}

/// Findings by category.
pub(crate) fn weights(findings: &[Finding]) -> BTreeMap<&str, Weight> {
    let mut weights: BTreeMap<&str, Weight> = BTreeMap::new();
    for finding in findings {
        let weight = weights.entry(&finding.category).or_default();
        weight.score = weight.score.max(i64::from(finding.score_ppm));
        weight.severity = weight.severity.max(finding.severity.level());
        weight.count = weight.count.saturating_add(1);
    }
    weights
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
    /// The least and the greatest number of them, rounded away from each other;
    /// a text that says a number is one. `number > 100` says nothing of 1000.5,
    /// of "1000" and of [1000, 1]; `most > 100` is true of them all.
    pub(crate) range: Option<(i64, i64)>,
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
        let range = range(value);
        self.values = self.values.saturating_add(1);
        for path in above {
            self.bytes = self.bytes.saturating_add(text.len()).saturating_add(path.len());
            if self.values > limits::CALL_VALUES || self.bytes > limits::CALL_BYTES {
                return None;
            }
            let argument = self.paths.entry(path.clone()).or_default();
            argument.number = if argument.count == 0 { value.as_i64() } else { None };
            argument.range = match (argument.range, range) {
                (Some((least, most)), Some((low, high))) => Some((least.min(low), most.max(high))),
                (one, other) => one.or(other),
            };
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

/// The whole numbers next to what a value says, below and above it; the same
/// two where it is one itself.
fn range(value: &Value) -> Option<(i64, i64)> {
    let said;
    let number = match value {
        Value::Number(number) => number,
        Value::String(text) if text.len() <= NUMBER_BYTES => {
            said = text.trim().trim_start_matches('+').parse::<Number>().ok()?;
            &said
        }
        _ => return None,
    };
    if let Some(whole) = number.as_i64() {
        return Some((whole, whole));
    }
    let about = number.as_f64()?;
    Some((whole(about.floor()), whole(about.ceil())))
}

/// A rounded number, or the end of the range that it is beyond.
fn whole(rounded: f64) -> i64 {
    let end = if rounded < 0.0 { i64::MIN } else { i64::MAX };
    format!("{rounded:.0}").parse().unwrap_or(end)
}

fn call_entity(
    id: &EntityUid,
    call: Option<Call<'_>>,
    arguments: Option<&Arguments>,
    origins: &mut Option<Origins<'_>>,
) -> Result<Entity, Unjudgeable> {
    let name = call.map_or("", |call| call.name);
    let paths = arguments.map(|arguments| &arguments.paths).into_iter().flatten();
    let tags: Result<Vec<_>, Unjudgeable> = paths
        .map(|(path, argument)| {
            let all = argument.all.iter().cloned().map(RestrictedExpression::new_string);
            let mut fields = vec![
                ("all".to_owned(), RestrictedExpression::new_set(all)),
                ("text".to_owned(), RestrictedExpression::new_string(argument.text.clone())),
            ];
            let mut number = |name: &str, number| {
                fields.push((name.to_owned(), RestrictedExpression::new_long(number)));
            };
            argument.number.into_iter().for_each(|one| number("number", one));
            if let Some((least, most)) = argument.range {
                number("least", least);
                number("most", most);
            }
            let origin = origins.as_mut().map(|origins| origins.fields(&argument.all));
            fields.extend(origin.into_iter().flatten());
            let record =
                RestrictedExpression::new_record(fields).map_err(|_| Unjudgeable::Entity)?;
            Ok((path.clone(), record))
        })
        .collect();
    let shape = [("name".to_owned(), RestrictedExpression::new_string(name.to_owned()))];
    Entity::new_with_tags(id.clone(), shape, [], tags?).map_err(|_| Unjudgeable::Entity)
}

/// What policies know as `context`.
pub(crate) fn context(
    event: &Event<'_>,
    weights: &BTreeMap<&str, Weight>,
    call: Option<EntityUid>,
    origins: Vec<(String, RestrictedExpression)>,
) -> Result<Context, Unjudgeable> {
    let record = |fields: Vec<(String, RestrictedExpression)>| {
        RestrictedExpression::new_record(fields).map_err(|_| Unjudgeable::Entity)
    };
    let mut findings = Vec::with_capacity(weights.len());
    for (category, weight) in weights {
        let fields =
            [("score", weight.score), ("severity", weight.severity), ("count", weight.count)];
        let fields = fields
            .into_iter()
            .map(|(name, number)| (name.to_owned(), RestrictedExpression::new_long(number)))
            .collect();
        findings.push(((*category).to_owned(), record(fields)?));
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

/// The longest text that is read as a number.
const NUMBER_BYTES: usize = 64;

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
    fn numbers_are_found_however_they_are_written() {
        for (value, range) in [
            (json!(100), Some((100, 100))),
            (json!(100.5), Some((100, 101))),
            (json!(-100.5), Some((-101, -100))),
            (json!("1000"), Some((1000, 1000))),
            (json!(" +1e3 "), Some((1000, 1000))),
            (json!(u64::MAX), Some((i64::MAX, i64::MAX))),
            (json!(-1e300), Some((i64::MIN, i64::MIN))),
            (json!([5, "7.5", "many", [-1]]), Some((-1, 8))),
            (json!("5 dollars"), None),
            (json!(true), None),
            (json!(null), None),
        ] {
            let arguments = Arguments::of(&json!({ "amount": value })).unwrap();
            assert_eq!(arguments.paths["amount"].range, range, "{value}");
        }
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
