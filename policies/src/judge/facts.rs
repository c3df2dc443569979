//! What must be so of an event before a policy can apply to it.
//!
//! A policy costs a third of a microsecond to evaluate and nearly all of them do
//! not apply: nothing of the category that they speak of was found, it is another
//! tool or another team. Those facts can be read off a policy when it is compiled,
//! and an event that lacks one never meets the policy.
//!
//! That is sound only if the policy would have come out false, and not as an
//! error, which blocks. Cedar evaluates scope and conditions from left to right
//! and stops at the first that is false. So the scope gives facts, and then each
//! conjunct of the conditions, for as long as all conjuncts before it are of
//! kinds that cannot err in a policy that was checked in strict mode (`is_total`):
//! no arithmetic, no tag, no attribute of an entity that the policy names
//! itself, and no function of Cedar's extensions.
//!
//! Facts are compared exactly as Cedar would compare them, so a policy that says
//! nothing else applies wherever its facts hold, without being evaluated.

mod held;

use std::fmt;

use cedar_policy::{EntityUid, Policy, PrincipalConstraint, ResourceConstraint};
use serde_json::Value;

pub(crate) use self::held::{FactId, Facts, Held, Seen};

/// Something that is so of an event or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fact {
    /// The principal is of this type.
    Kind(String),
    /// The principal is this one: its type and its id.
    Is(String, String),
    /// The principal is this one or in it.
    Within(String, String),
    /// The resource has this name.
    Name(String),
    /// The resource is in this group.
    Group(String),
    /// The call has an argument at this path.
    Argument(String),
    /// The conversation carries this label.
    Label(String),
    /// Something of this category was found.
    Found(String),
    /// What was found of this category compares so with a number.
    Compares(String, Field, Comparison, i64),
    /// It is never so.
    Never,
}

/// What policies see of a category's findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Score,
    Severity,
    Count,
}

/// How a number compares with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    const ALL: [Comparison; 6] = [
        Comparison::Equal,
        Comparison::Unequal,
        Comparison::Less,
        Comparison::AtMost,
        Comparison::More,
        Comparison::AtLeast,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::Unequal => "!=",
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::More => ">",
            Comparison::AtLeast => ">=",
        }
    }

    fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::Unequal => left != right,
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::More => left > right,
            Comparison::AtLeast => left >= right,
        }
    }

    /// The same with its sides changed.
    fn turned(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::More,
            Comparison::AtMost => Comparison::AtLeast,
            Comparison::More => Comparison::Less,
            Comparison::AtLeast => Comparison::AtMost,
            same => same,
        }
    }
}

/// What the event would have to have, for people: `the label `untrusted``.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Kind(kind) => write!(f, "a principal that is a `{kind}`"),
            Fact::Is(kind, id) => write!(f, "the principal `{kind}::{id}`"),
            Fact::Within(kind, id) => write!(f, "a principal in `{kind}::{id}`"),
            Fact::Name(name) => write!(f, "the resource `{name}`"),
            Fact::Group(group) => write!(f, "a tool of the group `{group}`"),
            Fact::Argument(path) => write!(f, "an argument `{path}`"),
            Fact::Label(label) => write!(f, "the label `{label}`"),
            Fact::Found(category) => write!(f, "a finding of the category `{category}`"),
            Fact::Compares(category, field, comparison, number) => {
                let field = match field {
                    Field::Score => "score",
                    Field::Severity => "severity",
                    Field::Count => "count",
                };
                write!(f, "`{category}` of {field} {} {number}", comparison.as_str())
            }
            Fact::Never => f.write_str("what can never be"),
        }
    }
}

/// The facts without which a policy cannot apply.
#[derive(Debug)]
pub(crate) struct Needs {
    /// Those of its scope, the action apart.
    pub(crate) scope: Vec<Fact>,
    /// Those of its conditions.
    pub(crate) conditions: Vec<Fact>,
    /// Whether it says nothing else, so that it applies where they all hold.
    pub(crate) whole: bool,
}

impl Needs {
    /// Reads them off a policy that was checked in strict mode, and off its
    /// form in Cedar's JSON.
    pub(crate) fn of(policy: &Policy, json: &Value) -> Needs {
        let mut needs = Needs { scope: scope(policy), conditions: Vec::new(), whole: true };
        let conditions = json.get("conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten() {
            let body = condition.get("body").unwrap_or(&Value::Null);
            // What `unless` says must not be so; nothing is concluded from it.
            let when = condition.get("kind").and_then(Value::as_str) == Some("when");
            needs.whole &= when && conjuncts(body, &mut needs.conditions);
            if !is_total(body) {
                needs.whole = false;
                break;
            }
        }
        needs
    }
}

fn scope(policy: &Policy) -> Vec<Fact> {
    let mut needs = Vec::new();
    let kind_and_id = |id: &EntityUid| (id.type_name().to_string(), id.id().unescaped().to_owned());
    let within = |id: &EntityUid| {
        let (kind, id) = kind_and_id(id);
        Fact::Within(kind, id)
    };
    match policy.principal_constraint() {
        PrincipalConstraint::Any => {}
        PrincipalConstraint::Eq(id) => {
            let (kind, id) = kind_and_id(&id);
            needs.push(Fact::Is(kind, id));
        }
        PrincipalConstraint::In(id) => needs.push(within(&id)),
        PrincipalConstraint::Is(kind) => needs.push(Fact::Kind(kind.to_string())),
        PrincipalConstraint::IsIn(kind, id) => {
            needs.extend([Fact::Kind(kind.to_string()), within(&id)]);
        }
    }
    match policy.resource_constraint() {
        // What a resource is in: itself, and a tool in its groups.
        ResourceConstraint::Eq(id)
        | ResourceConstraint::In(id)
        | ResourceConstraint::IsIn(_, id) => {
            let (kind, name) = kind_and_id(&id);
            needs.push(if kind == "ToolGroup" { Fact::Group(name) } else { Fact::Name(name) });
        }
        // Slices are of one type of resource already.
        ResourceConstraint::Any | ResourceConstraint::Is(_) => {}
    }
    needs
}

/// Collects facts; whether the expression says nothing else.
fn conjuncts(expression: &Value, needs: &mut Vec<Fact>) -> bool {
    if let Some((left, right)) = operands(expression, "&&") {
        let whole = conjuncts(left, needs);
        return is_total(left) && conjuncts(right, needs) && whole;
    }
    let before = needs.len();
    match expression.as_object().and_then(|one| one.iter().next()) {
        Some((operator, inside)) => single(operator, inside, needs) || needs.len() > before,
        None => false,
    }
}

/// The facts of one conjunct; whether it is `true`, which needs none.
fn single(operator: &str, inside: &Value, needs: &mut Vec<Fact>) -> bool {
    let sides = inside.get("left").zip(inside.get("right"));
    match (operator, sides) {
        ("Value", _) => match inside.as_bool() {
            Some(true) => return true,
            Some(false) => needs.push(Fact::Never),
            None => {}
        },
        ("has", _) if inside.get("left").is_some_and(|left| is_context(left, "findings")) => {
            let category = inside.get("attr").and_then(Value::as_str);
            needs.extend(category.map(|category| Fact::Found(category.to_owned())));
        }
        ("contains", Some((left, right))) if is_context(left, "labels") => {
            needs.extend(text(right).map(|label| Fact::Label(label.to_owned())));
        }
        ("containsAll" | "containsAny", Some((left, right))) if is_context(left, "labels") => {
            let labels = right.get("Set").and_then(Value::as_array);
            // Of several, any one will do for `containsAny`.
            let labels = labels.filter(|all| operator == "containsAll" || all.len() == 1);
            let names: Option<Vec<&str>> = labels.and_then(|all| all.iter().map(text).collect());
            let names = names.unwrap_or_default();
            needs.extend(names.into_iter().map(|label| Fact::Label(label.to_owned())));
        }
        ("hasTag", Some((left, right))) if is_context(left, "call") => {
            needs.extend(text(right).map(|path| Fact::Argument(path.to_owned())));
        }
        (_, Some((left, right))) => {
            let ways = Comparison::ALL.into_iter().find(|way| way.as_str() == operator);
            let Some(way) = ways else { return false };
            let straight = field(left).zip(number(right)).map(|(of, number)| (of, way, number));
            let turned = || field(right).zip(number(left)).map(|(of, n)| (of, way.turned(), n));
            // Only after `has`: without it the comparison is an error.
            if let Some(((category, field), way, number)) = straight.or_else(turned)
                && needs.contains(&Fact::Found(category.clone()))
            {
                needs.push(Fact::Compares(category, field, way, number));
            }
        }
        _ => {}
    }
    false
}

/// `context.findings.category.field`.
fn field(expression: &Value) -> Option<(String, Field)> {
    let (of, field) = access(expression)?;
    let field = match field {
        "score" => Field::Score,
        "severity" => Field::Severity,
        "count" => Field::Count,
        _ => return None,
    };
    let (of, category) = access(of)?;
    is_context(of, "findings").then(|| (category.to_owned(), field))
}

fn number(expression: &Value) -> Option<i64> {
    expression.get("Value")?.as_i64()
}

fn text(expression: &Value) -> Option<&str> {
    expression.get("Value")?.as_str()
}

fn operands<'v>(expression: &'v Value, operator: &str) -> Option<(&'v Value, &'v Value)> {
    let both = expression.get(operator)?;
    both.get("left").zip(both.get("right"))
}

/// An attribute, and what it is of.
fn access(expression: &Value) -> Option<(&Value, &str)> {
    let access = expression.get(".")?;
    access.get("left").zip(access.get("attr").and_then(Value::as_str))
}

/// Whether this is `context.name`.
fn is_context(expression: &Value, name: &str) -> bool {
    access(expression).is_some_and(|(of, attribute)| {
        attribute == name && of.get("Var").and_then(Value::as_str) == Some("context")
    })
}

/// Whether an expression of a checked policy has a value whatever the event.
/// What is not listed here may err.
fn is_total(expression: &Value) -> bool {
    let Some((operator, inside)) = expression.as_object().and_then(|one| one.iter().next()) else {
        return false;
    };
    match operator.as_str() {
        // An escape is an entity, which is no more than its name, or a value
        // of an extension, whose function may refuse it.
        "Value" => inside.get("__extn").is_none(),
        "Var" => true,
        "." => is_rooted(expression),
        "has" | "like" | "is" => {
            let more = inside.get("in").is_none_or(is_total);
            more && inside.get("left").is_some_and(is_total)
        }
        "&&" | "||" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "contains" | "containsAll"
        | "containsAny" | "hasTag" => operands(expression, operator)
            .is_some_and(|(left, right)| is_total(left) && is_total(right)),
        "!" | "isEmpty" => inside.get("arg").is_some_and(is_total),
        "if-then-else" => {
            ["if", "then", "else"].iter().all(|part| inside.get(part).is_some_and(is_total))
        }
        "Set" => inside.as_array().is_some_and(|items| items.iter().all(is_total)),
        "Record" => inside.as_object().is_some_and(|fields| fields.values().all(is_total)),
        _ => false,
    }
}

/// Whether an attribute is one of the request's own: those are always given, or
/// strict mode has seen to a `has` before them. An entity that a policy names
/// itself may be in no request, and its attributes are errors then.
fn is_rooted(expression: &Value) -> bool {
    match access(expression) {
        Some((of, _)) => is_rooted(of),
        None => expression.get("Var").is_some(),
    }
}
