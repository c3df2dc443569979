//! What an observed text does to a trace.

use serde_json::Value;

use super::{
    Asked, Flow, Voice,
    record::{leaves, records},
};
use crate::{
    finding::Finding,
    labels::Labels,
    segment::{Channel, Origin, Segment},
    trace::Trace,
};

/// Gives the trace the labels of a text, and remembers the text where policies
/// ask where arguments come from.
pub(crate) fn observe(
    labels: &Labels,
    tracks: bool,
    trace: &mut Trace,
    segment: &Segment<'_>,
    findings: &[Finding],
) {
    let mut given: Vec<&str> = Vec::new();
    let mut vouches = false;
    for (label, vouched) in labels.of(segment, findings) {
        trace.add(label);
        given.push(label);
        vouches |= vouched;
    }
    if !tracks {
        return;
    }
    match (segment.channel, segment.origin) {
        (Channel::ToolCall, _) => return called(labels, trace, segment),
        (Channel::User, Origin::User) | (Channel::System, Origin::Operator) => {
            trace.flow_mut().name(segment.text, Voice::Principal);
        }
        _ => {}
    }
    let asked = match segment.channel {
        Channel::ToolResult | Channel::Resource => {
            trace.flow_mut().asked(segment.tool.unwrap_or_default())
        }
        _ => Asked::default(),
    };
    for travel in &labels.travels {
        let from = trace.flow().one(&travel.from);
        let into = travel.into.as_deref().is_none_or(|into| given.contains(&into));
        if asked.labels & from != 0 && into {
            trace.add(&travel.label);
            given.push(&travel.label);
        }
    }
    let flow = trace.flow_mut();
    if vouches {
        flow.name(segment.text, Voice::House);
    }
    let mask = flow.mask(given.into_iter());
    let wanted = asked.wanted && asked.labels == 0;
    let laid_out = labels
        .records
        .iter()
        .find(|records| segment.channel == Channel::ToolResult && records.are_of(segment.tool));
    match laid_out {
        Some(layout) => {
            let all = records(segment.text);
            // Whoever names a folder has not named each letter in it.
            let wanted = wanted && all.len() < 2;
            for record in &all {
                let place = flow.remember(&record.text, mask, wanted);
                flow.list(place, &layout.listing(record));
            }
        }
        None if mask != 0 => drop(flow.remember(segment.text, mask, wanted)),
        None => {}
    }
}

/// Remembers what a call was made of, for the sake of its result.
fn called(labels: &Labels, trace: &mut Trace, segment: &Segment<'_>) {
    let value = serde_json::from_str::<Value>(segment.text)
        .unwrap_or_else(|_| Value::String(segment.text.to_owned()));
    let flow = trace.flow();
    let mut asked = Asked::default();
    for (_, value) in leaves(&value) {
        let origin = flow.of(&value);
        let name = value.chars().filter(|c| c.is_alphanumeric()).count() >= NAME_CHARS;
        asked.wanted |= origin.named && name;
        if !origin.named && origin.listed.is_empty() {
            asked.labels |= labels
                .travels
                .iter()
                .fold(0, |mask, travel| mask | (origin.labels & flow.one(&travel.from)));
        }
    }
    trace.flow_mut().call(segment.tool.unwrap_or_default(), asked);
}

impl Flow {
    /// The labels of what these values say to somebody who did not say it, nor
    /// had it asked for: `theirs` are the texts in which the receivers stand.
    pub(crate) fn carried(&self, values: &[String], receivers: &[String]) -> super::Mask {
        let mut theirs = std::collections::BTreeSet::new();
        for receiver in receivers {
            let origin = self.of(receiver);
            theirs.extend(origin.texts);
            theirs.extend(origin.listed);
        }
        values.iter().fold(0, |mask, value| {
            let origin = self.of(value);
            let foreign = origin
                .texts
                .iter()
                .filter(|text| !theirs.contains(*text) && !self.is_wanted(**text))
                .fold(0, |mask, text| mask | self.labels_of(*text));
            let spilled = if origin.named { 0 } else { self.spilled_into(value) };
            mask | foreign | spilled
        })
    }
}

/// A shorter value names nothing.
const NAME_CHARS: usize = 3;
