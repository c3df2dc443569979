//! Which of the facts that policies need an event has.

use std::collections::BTreeMap;

use super::{Comparison, Fact, Field};
use crate::{
    event::{Event, Resource},
    judge::entities::{Arguments, Weight, teams},
    labels::Labels,
};

/// The number of a fact.
pub(crate) type FactId = usize;

/// Every fact that some policy needs, by what an event would have to hold.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    all: Vec<Fact>,
    numbers: BTreeMap<Fact, FactId>,
    kinds: BTreeMap<String, FactId>,
    is: BTreeMap<String, BTreeMap<String, FactId>>,
    within: BTreeMap<String, BTreeMap<String, FactId>>,
    names: BTreeMap<String, FactId>,
    groups: BTreeMap<String, FactId>,
    arguments: BTreeMap<String, FactId>,
    labels: BTreeMap<String, FactId>,
    found: BTreeMap<String, FactId>,
    compares: BTreeMap<String, Vec<(FactId, Field, Comparison, i64)>>,
}

/// An event, as far as facts speak of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'e> {
    pub(crate) event: &'e Event<'e>,
    /// What was found, by category.
    pub(crate) weights: &'e BTreeMap<&'e str, Weight>,
    /// The arguments of its call, where the action is one.
    pub(crate) arguments: Option<&'e Arguments>,
}

impl Facts {
    /// The number of a fact, a new one for a new fact.
    pub(crate) fn number(&mut self, fact: &Fact) -> FactId {
        if let Some(number) = self.numbers.get(fact) {
            return *number;
        }
        let number = self.all.len();
        self.all.push(fact.clone());
        self.numbers.insert(fact.clone(), number);
        let (names, name) = match fact {
            Fact::Kind(kind) => (&mut self.kinds, kind),
            Fact::Is(kind, id) => (self.is.entry(kind.clone()).or_default(), id),
            Fact::Within(kind, id) => (self.within.entry(kind.clone()).or_default(), id),
            Fact::Name(name) => (&mut self.names, name),
            Fact::Group(group) => (&mut self.groups, group),
            Fact::Argument(path) => (&mut self.arguments, path),
            Fact::Label(label) => (&mut self.labels, label),
            Fact::Found(category) => (&mut self.found, category),
            Fact::Compares(category, field, comparison, with) => {
                let of = self.compares.entry(category.clone()).or_default();
                of.push((number, *field, *comparison, *with));
                return number;
            }
            // No event has it.
            Fact::Never => return number,
        };
        names.insert(name.clone(), number);
        number
    }

    /// The fact of a number.
    pub(crate) fn fact(&self, number: FactId) -> Option<&Fact> {
        self.all.get(number)
    }

    /// Those that an event has.
    pub(crate) fn held(&self, labels: &Labels, seen: Seen<'_>) -> Held {
        let mut held = Held { each: Vec::new(), has: vec![false; self.all.len()] };
        let event = seen.event;
        self.principal(event, &mut held);
        let (Resource::Model(name) | Resource::Tool(name)) = event.resource;
        held.add(self.names.get(name));
        if matches!(event.resource, Resource::Tool(_)) && !self.groups.is_empty() {
            labels.groups(name).for_each(|group| held.add(self.groups.get(group)));
        }
        let paths = seen.arguments.iter().flat_map(|arguments| arguments.paths.keys());
        if !self.arguments.is_empty() {
            paths.for_each(|path| held.add(self.arguments.get(path)));
        }
        if !self.labels.is_empty() {
            event.trace.labels().for_each(|label| held.add(self.labels.get(label)));
        }
        for (category, weight) in seen.weights {
            held.add(self.found.get(*category));
            for (number, field, comparison, with) in
                self.compares.get(*category).into_iter().flatten()
            {
                let value = match field {
                    Field::Score => weight.score,
                    Field::Severity => weight.severity,
                    Field::Count => weight.count,
                };
                if comparison.holds(value, *with) {
                    held.add(Some(number));
                }
            }
        }
        held
    }

    fn principal(&self, event: &Event<'_>, held: &mut Held) {
        let kind = event.principal.kind.as_str();
        held.add(self.kinds.get(kind));
        let id = event.principal.id.as_str();
        held.add(self.is.get(kind).and_then(|ids| ids.get(id)));
        // Everybody is in himself, as Cedar has it.
        held.add(self.within.get(kind).and_then(|ids| ids.get(id)));
        if let Some(named) = self.within.get("Team") {
            teams(event.principal).for_each(|team| held.add(named.get(team)));
        }
    }
}

/// The facts that an event has.
#[derive(Debug)]
pub(crate) struct Held {
    /// Each once, in no order.
    pub(crate) each: Vec<FactId>,
    has: Vec<bool>,
}

impl Held {
    fn add(&mut self, number: Option<&FactId>) {
        if let Some(number) = number
            && let Some(has) = self.has.get_mut(*number)
            && !*has
        {
            *has = true;
            self.each.push(*number);
        }
    }

    /// Whether the event has it.
    pub(crate) fn has(&self, number: FactId) -> bool {
        self.has.get(number).copied().unwrap_or_default()
    }

    /// Whether it has them all.
    pub(crate) fn has_all(&self, numbers: &[FactId]) -> bool {
        numbers.iter().all(|number| self.has(*number))
    }
}
