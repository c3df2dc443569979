//! What of a stream may leave, and in which bytes.

use super::{DONE, Ending, Held, Lane, Part, State};
use crate::{
    dialect::openai,
    json::{self, Splice},
    sse,
};

/// Bytes on their way to the client.
#[derive(Debug, Default)]
pub(in crate::pump) struct Out {
    pub(in crate::pump) bytes: Vec<u8>,
    /// How many of them leave before every detector has spoken about them.
    pub(in crate::pump) early: u64,
}

impl Out {
    fn new(bytes: Vec<u8>, judged: bool) -> Self {
        let early = if judged { 0 } else { bytes.len() as u64 };
        Self { bytes, early }
    }

    fn add(&mut self, mut other: Self) {
        self.bytes.append(&mut other.bytes);
        self.early += other.early;
    }
}

impl State {
    /// What may leave now, as long as the stream goes on. What ends the stream
    /// stays for the sealed outcome: its end marker, and the event with which
    /// its last choice has finished, since not every server sends a marker.
    pub(in crate::pump) fn cleared(&mut self) -> Out {
        let mut out = Out::default();
        if self.ending.is_some() {
            return out;
        }
        let over = self.is_over();
        // In `shadow` nothing is stopped by a bound: what is too much goes on,
        // and counts as gone before its verdict.
        let shadow = self.ledger.is_shadow();
        while let Some(held) = self.queue.front()
            && (self.is_cleared(held) || (shadow && self.holds_too_much()))
            && !(over && held.finishes())
        {
            let Some(held) = self.queue.pop() else { break };
            out.add(self.written(held));
        }
        out
    }

    fn is_over(&self) -> bool {
        self.done || (!self.choices.is_empty() && self.finished.is_superset(&self.choices))
    }

    /// The last line: at the end every event must have its verdict.
    pub(in crate::pump) fn nothing_is_left_unjudged(&mut self) {
        if !self.ledger.is_shadow() && !self.queue.iter().all(|held| self.is_cleared(held)) {
            self.block("text that has no verdict at the end");
        }
    }

    fn is_cleared(&self, held: &Held) -> bool {
        let passes = |key: &(u32, u32)| self.calls.get(key).is_some_and(|state| state.passes);
        let cleared = |part: &Part| {
            self.lanes.get(&part.lane).is_some_and(|state| state.cleared() >= part.span.end)
        };
        !held.barred && held.calls.iter().all(passes) && held.parts.iter().all(cleared)
    }

    /// Whether every detector has spoken about all of a fragment.
    fn is_judged(&self, part: &Part, end: usize) -> bool {
        self.lanes.get(&part.lane).is_some_and(|state| state.judged() >= end)
    }

    /// An event as it leaves: its own bytes, unless a redaction is in it.
    fn written(&mut self, held: Held) -> Out {
        let judged = self.is_cleared(&held)
            && held.parts.iter().all(|part| self.is_judged(part, part.span.end));
        self.told.extend(&held.finished);
        Out::new(self.rewritten(held), judged)
    }

    fn rewritten(&mut self, held: Held) -> Vec<u8> {
        if self.like.is_none() && !held.data.is_empty() {
            self.like = like(&held.data);
        }
        let mut splices = Vec::new();
        let mut touched = Vec::new();
        for part in &held.parts {
            let Some(state) = self.lanes.get(&part.lane) else { continue };
            for (span, marker) in state.replacements(&part.span) {
                touched.push(part.lane.choice());
                let Some(literal) = &part.literal else { continue };
                if let Some(span) = json::literal_span(held.data.as_bytes(), literal, &span) {
                    splices.push(Splice { span, with: marker.to_owned() });
                }
            }
        }
        if touched.is_empty() {
            return held.raw;
        }
        for (choice, span) in &held.logprobs {
            if touched.contains(choice) {
                splices.push(Splice { span: span.clone(), with: "null".to_owned() });
            }
        }
        let data = json::apply(held.data.as_bytes(), splices);
        sse::rewrite(&held.raw, &String::from_utf8_lossy(&data))
    }

    /// At the end: what may leave before the outcome is sealed, and what may
    /// not: the end, or the last event where nothing says that it is the end.
    pub(in crate::pump) fn rest(&mut self) -> (Out, Out) {
        let over = self.is_over();
        let (mut before, mut last) = (Out::default(), Out::default());
        let mut ends = false;
        while let Some(held) = self.queue.pop() {
            ends |= over && held.finishes();
            if !ends {
                before.add(std::mem::take(&mut last));
            }
            let written = self.written(held);
            last.add(written);
        }
        (before, last)
    }

    /// What ends a stream that did not end by itself, in the client's form.
    pub(in crate::pump) fn tail(&mut self, ending: &Ending) -> Option<Out> {
        self.cover();
        match ending {
            Ending::Eof => None,
            Ending::Blocked => {
                let mut tail = self.up_to_the_cut();
                // A client that was told how a choice ended is not told twice.
                let mut open: Vec<u32> = self.choices.difference(&self.told).copied().collect();
                if self.choices.is_empty() {
                    open.push(0);
                }
                if !open.is_empty() {
                    let why = self.why_not();
                    let last = openai::final_chunk(self.like.as_ref(), &open, why.as_deref());
                    tail.add(Out::new(last, true));
                }
                tail.add(Out::new(sse::event(DONE), true));
                Some(tail)
            }
            Ending::Unscreened => {
                let message = "a detector did not answer in time";
                Some(Out::new(openai::error_event(message, "api_error", "unscreened"), true))
            }
            Ending::NoRoom => {
                let message = "the proxy is at its limit of buffered bytes";
                Some(Out::new(openai::error_event(message, "api_error", ending.code()), true))
            }
            Ending::Upstream(why) | Ending::Unreadable(why) => {
                Some(Out::new(openai::error_event(why, "api_error", ending.code()), true))
            }
        }
    }

    /// What stood before the text that ended the stream, to the byte, so that
    /// a client gets the same text however the upstream cut it.
    fn up_to_the_cut(&mut self) -> Out {
        let mut out = Out::default();
        let over = self.is_over();
        while let Some(held) = self.queue.pop() {
            // The end of the last choice is told by the refusal: with its own
            // one a client would take a stream that was cut for one that ended.
            if self.is_cleared(&held) && !(over && held.finishes()) {
                out.add(self.written(held));
                continue;
            }
            for part in &held.parts {
                out.add(self.begun(&held, part));
            }
            break;
        }
        out
    }

    /// The cleared beginning of a fragment, as a chunk of its own.
    fn begun(&self, held: &Held, part: &Part) -> Out {
        let (Lane::Text { choice, pointer, .. }, Some(literal)) = (&part.lane, &part.literal)
        else {
            return Out::default();
        };
        let Some(state) = self.lanes.get(&part.lane) else { return Out::default() };
        let length = state.cleared().min(part.span.end).saturating_sub(part.span.start);
        let Some(key) = pointer.strip_prefix("delta/").filter(|_| length > 0) else {
            return Out::default();
        };
        let document = held.data.as_bytes();
        let whole = literal.start + 1..literal.end.saturating_sub(1);
        let Some(kept) = json::literal_span(document, literal, &(0..length)) else {
            return Out::default();
        };
        let mut splices = vec![Splice { span: kept.end..whole.end, with: String::new() }];
        for (span, marker) in state.replacements(&(part.span.start..part.span.start + length)) {
            if let Some(span) = json::literal_span(document, literal, &span) {
                splices.push(Splice { span, with: marker.to_owned() });
            }
        }
        let text = json::apply(document, splices);
        let tail = document.len() - literal.end;
        let text = text.get(literal.start..text.len() - tail).unwrap_or_default();
        match json::parse(text, json::Limits::default()) {
            Ok(node) => {
                let text = node.as_str().unwrap_or_default();
                let judged = self.is_judged(part, part.span.start + length);
                Out::new(openai::text_chunk(self.like.as_ref(), *choice, key, text), judged)
            }
            Err(_) => Out::default(),
        }
    }
}

/// What a chunk of ours takes from one that has left: names and a time, never
/// more.
fn like(data: &str) -> Option<serde_json::Value> {
    let root = json::parse(data.as_bytes(), json::Limits::default()).ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/@+-".contains(c);
    let name = |key: &str| {
        let text = root.member(key).and_then(json::Node::as_str)?;
        (text.len() <= 128 && text.chars().all(plain)).then(|| text.to_owned())
    };
    let created = root.member("created").and_then(json::Node::as_u64);
    Some(serde_json::json!({
        "id": name("id")?, "model": name("model").unwrap_or_default(),
        "created": created.unwrap_or_default(),
    }))
}
