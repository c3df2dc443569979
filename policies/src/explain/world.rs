//! An event whose parts can be taken away.

use std::{collections::BTreeSet, fmt};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    bundle::Bundle,
    decision::Decision,
    event::{Action, Call, Event, Principal, Resource},
    explain::Question,
    finding::{Finding, Skip},
    limits,
    segment::Segment,
    trace::Trace,
};

/// Something of an event that a decision may go by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All findings of a category.
    Category(String),
    /// All findings of a detector, where others have its category too.
    Detector(String),
    /// One finding, where its detector has several: its number.
    Finding(usize),
    /// A label, wherever it comes from.
    Label(String),
    /// An argument of the call, as a JSON pointer.
    Argument(String),
}

/// As an explanation says it: `the label `untrusted``.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Category(name) => write!(f, "the category `{name}`"),
            Part::Detector(name) => write!(f, "the detector `{name}`"),
            Part::Finding(number) => write!(f, "finding {number}"),
            Part::Label(name) => write!(f, "the label `{name}`"),
            Part::Argument(pointer) => write!(f, "the argument `{pointer}`"),
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An event, and where its findings and labels come from.
pub(crate) struct World<'w> {
    bundle: &'w Bundle,
    action: Action,
    principal: &'w Principal,
    resource: Resource<'w>,
    call: Option<Call<'w>>,
    /// Before the texts.
    trace: &'w Trace,
    /// The texts with what was found in each; findings without a text where
    /// they were given.
    texts: Vec<(Option<Segment<'w>>, Vec<Finding>)>,
}

/// A world without some of its parts.
pub(crate) struct State {
    pub(crate) findings: Vec<Finding>,
    trace: Trace,
    arguments: Option<Value>,
}

impl State {
    /// What is judged.
    pub(crate) fn event<'e>(&'e self, world: &'e World<'_>) -> Event<'e> {
        let arguments = self.arguments.as_ref();
        Event {
            action: world.action,
            principal: world.principal,
            resource: world.resource,
            findings: &self.findings,
            call: world
                .call
                .zip(arguments)
                .map(|(call, arguments)| Call { name: call.name, arguments }),
            trace: &self.trace,
        }
    }
}

impl<'w> World<'w> {
    /// An event as it is.
    pub(crate) fn of_event(bundle: &'w Bundle, event: &Event<'w>) -> World<'w> {
        World {
            bundle,
            action: event.action,
            principal: event.principal,
            resource: event.resource,
            call: event.call,
            trace: event.trace,
            texts: vec![(None, event.findings.to_vec())],
        }
    }

    /// Texts, which give labels by themselves and by what is found in them.
    pub(crate) fn of_texts(bundle: &'w Bundle, question: &Question<'w>) -> (World<'w>, Vec<Skip>) {
        let mut texts = Vec::with_capacity(question.segments.len());
        let mut skipped = Vec::new();
        for (segment, scores) in question.segments {
            let mut screened = bundle.screen(segment);
            screened.findings.extend(bundle.weigh(segment, scores));
            skipped.append(&mut screened.skipped);
            texts.push((Some(*segment), screened.findings));
        }
        let world = World {
            bundle,
            action: question.action,
            principal: question.principal,
            resource: question.resource,
            call: question.call,
            trace: question.trace,
            texts,
        };
        (world, skipped)
    }

    pub(crate) fn judge(&self, state: &State) -> Decision {
        self.bundle.judge(&state.event(self))
    }

    /// What is left without some parts.
    pub(crate) fn without(&self, parts: &[Part]) -> State {
        let gone = |number: usize, finding: &Finding| {
            parts.iter().any(|part| match part {
                Part::Category(name) => **name == *finding.category,
                Part::Detector(name) => **name == *finding.detector,
                Part::Finding(one) => *one == number,
                Part::Label(_) | Part::Argument(_) => false,
            })
        };
        let mut trace = self.trace.clone();
        let (mut findings, mut number) = (Vec::new(), 0usize);
        for (text, found) in &self.texts {
            let mut left = Vec::with_capacity(found.len());
            for finding in found {
                if !gone(number, finding) {
                    left.push(finding.clone());
                }
                number = number.saturating_add(1);
            }
            if let Some(segment) = text {
                self.bundle.observe(&mut trace, segment, &left);
            }
            findings.append(&mut left);
        }
        for part in parts {
            if let Part::Label(label) = part {
                trace = trace.without(label);
            }
        }
        let arguments = self.call.map(|call| {
            let mut arguments = call.arguments.clone();
            // Later items first, so that earlier pointers stay true.
            let mut pointers: Vec<&String> = parts
                .iter()
                .filter_map(|part| match part {
                    Part::Argument(pointer) => Some(pointer),
                    _ => None,
                })
                .collect();
            pointers.sort_by(|a, b| in_order(b).cmp(&in_order(a)));
            pointers.into_iter().for_each(|pointer| take(&mut arguments, pointer));
            arguments
        });
        State { findings, trace, arguments }
    }

    /// Everything, with a label more.
    pub(crate) fn with_label(&self, label: &str) -> State {
        let mut state = self.without(&[]);
        state.trace.add(label);
        state
    }

    /// The labels that the bundle knows and the event does not carry.
    pub(crate) fn missing_labels(&self) -> Vec<String> {
        let state = self.without(&[]);
        let declared = self.bundle.inner().labels.declared.iter();
        declared.filter(|label| !state.trace.carries(label)).cloned().collect()
    }

    /// Everything that can be taken away, the larger thing before those that it
    /// holds.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let state = self.without(&[]);
        let of = |name: fn(&Finding) -> &str| -> BTreeSet<String> {
            state.findings.iter().map(|finding| name(finding).to_owned()).collect()
        };
        let (categories, detectors) = (of(|one| &one.category), of(|one| &one.detector));
        let mut parts: Vec<Part> = categories.iter().cloned().map(Part::Category).collect();
        parts.extend(state.trace.labels().map(|label| Part::Label(label.to_owned())));
        if let Some(call) = self.call {
            let mut pointers = Vec::new();
            point(call.arguments, &mut String::new(), 0, &mut pointers);
            parts.extend(pointers.into_iter().map(Part::Argument));
        }
        // A part of a category is worth naming where it is not all of it.
        let count =
            |is: &dyn Fn(&Finding) -> bool| state.findings.iter().filter(|one| is(one)).count();
        for detector in &detectors {
            let own = count(&|one| *one.detector == **detector);
            let category = state.findings.iter().find(|one| *one.detector == **detector);
            let all = category.map_or(0, |first| count(&|one| one.category == first.category));
            if own < all {
                parts.push(Part::Detector(detector.clone()));
            }
            if own > 1 {
                let numbered = state.findings.iter().enumerate();
                let numbers = numbered.filter(|(_, one)| *one.detector == **detector);
                parts.extend(numbers.map(|(number, _)| Part::Finding(number)));
            }
        }
        parts.truncate(limits::PARTS);
        parts
    }
}

/// Pointers to each member and item, the outer before the inner.
fn point(value: &Value, at: &mut String, depth: usize, out: &mut Vec<String>) {
    if depth > limits::CALL_DEPTH || out.len() >= limits::PARTS {
        return;
    }
    let length = at.len();
    let mut each = |name: &str, inside: &Value| {
        at.push('/');
        at.push_str(&name.replace('~', "~0").replace('/', "~1"));
        out.push(at.clone());
        point(inside, at, depth.saturating_add(1), out);
        at.truncate(length);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, inside)| each(name, inside)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, item)| each(&place.to_string(), item));
        }
        _ => {}
    }
}

/// Removes what a pointer points to.
fn take(value: &mut Value, pointer: &str) {
    let Some((above, name)) = pointer.rsplit_once('/') else { return };
    match value.pointer_mut(above) {
        Some(Value::Object(members)) => {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Some(place) = name.parse().ok().filter(|place| *place < items.len()) {
                items.remove(place);
            }
        }
        _ => {}
    }
}

/// A pointer in the order of a document: items by number, not by spelling.
fn in_order(pointer: &str) -> Vec<(usize, &str)> {
    pointer.split('/').map(|name| (name.parse().unwrap_or(usize::MAX), name)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_pointed_to_and_taken_away() {
        let value = json!({ "to": ["a", "b"], "x/y": { "~": 1 }, "n": 5 });
        let mut pointers = Vec::new();
        point(&value, &mut String::new(), 0, &mut pointers);
        pointers.sort();
        assert_eq!(pointers, ["/n", "/to", "/to/0", "/to/1", "/x~1y", "/x~1y/~0"]);
        for pointer in &pointers {
            assert!(value.pointer(pointer).is_some(), "{pointer}");
            let mut left = value.clone();
            take(&mut left, pointer);
            assert_ne!(left, value, "{pointer}");
        }
        let mut items = json!(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]);
        let mut all: Vec<String> = (0..11).map(|place| format!("/{place}")).collect();
        all.sort_by(|a, b| in_order(b).cmp(&in_order(a)));
        all.iter().filter(|pointer| *pointer != "/1").for_each(|at| take(&mut items, at));
        assert_eq!(items, json!(["b"]));
    }
}
