//! How much a stream holds, and how much it may.

use super::{LaneState, State};
use crate::body::Reservation;

impl State {
    /// What waits here: events, and texts that are kept beside them. All of an
    /// exchange that can grow counts, whatever its mode.
    pub(super) fn held_bytes(&self) -> usize {
        let lanes = self.lanes.values().map(LaneState::kept_bytes);
        let calls = self.calls.values().map(|call| call.arguments.len());
        let seen = self.seen.iter().map(|(_, text)| text.len());
        // Each event is kept as it came and, beside that, its data.
        2 * self.queue.bytes()
            + self.parser.held_bytes()
            + lanes.chain(calls).chain(seen).sum::<usize>()
    }

    /// The room of `bytes` that leave.
    pub(in crate::pump) fn leaving(&mut self, bytes: usize) -> Reservation {
        let room = self.room.split(bytes);
        // What is left fits: it was all counted together.
        self.room.resize(self.held_bytes());
        room
    }

    pub(super) fn holds_too_much(&self) -> bool {
        let hold = self.answer.gateway.limits().hold_bytes;
        // An event weighs far more than its text: about 250 bytes for a token.
        let weight = hold.saturating_mul(EVENT_WEIGHT);
        self.queue.text_bytes() > hold || self.queue.bytes() > weight
    }
}

/// Bytes of events for each byte of `hold_bytes`.
const EVENT_WEIGHT: usize = 64;
