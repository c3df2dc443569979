//! Events that wait, with the fragments that keep them.

use std::{collections::VecDeque, ops::Range};

use crate::dialect::openai::Lane;

/// One event on its way.
#[derive(Debug)]
pub(super) struct Held {
    /// Its bytes, as they came.
    pub(super) raw: Vec<u8>,
    /// Its data, where it may have to be rewritten.
    pub(super) data: String,
    /// What it adds to which lane.
    pub(super) parts: Vec<Part>,
    /// Literals of `logprobs`, by choice.
    pub(super) logprobs: Vec<(u32, Range<usize>)>,
    /// Tool calls that it is a part of; it waits until they are judged.
    pub(super) calls: Vec<(u32, u32)>,
    /// It holds something refused that cannot be taken out of it.
    pub(super) barred: bool,
    /// The stream says in it that it has ended.
    pub(super) ends: bool,
    /// The choices that say in it that they are finished.
    pub(super) finished: Vec<u32>,
}

impl Held {
    /// A choice says in it that it is finished, or the stream that it is.
    pub(super) const fn finishes(&self) -> bool {
        self.ends || !self.finished.is_empty()
    }

    fn text_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.span.len()).sum()
    }
}

/// A fragment of a lane.
#[derive(Debug)]
pub(super) struct Part {
    /// The lane.
    pub(super) lane: Lane,
    /// Bytes of the lane's text.
    pub(super) span: Range<usize>,
    /// The literal in the event's data; `None`: it cannot be rewritten.
    pub(super) literal: Option<Range<usize>>,
}

/// Events in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    events: VecDeque<Held>,
    bytes: usize,
    text_bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, held: Held) {
        self.bytes += held.raw.len();
        self.text_bytes += held.text_bytes();
        self.events.push_back(held);
    }

    pub(super) fn front(&self) -> Option<&Held> {
        self.events.front()
    }

    pub(super) fn pop(&mut self) -> Option<Held> {
        let held = self.events.pop_front()?;
        self.bytes -= held.raw.len();
        self.text_bytes -= held.text_bytes();
        Some(held)
    }

    /// Bytes of text that wait.
    pub(super) const fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Bytes of events that wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// All events that wait.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.events.iter()
    }
}
