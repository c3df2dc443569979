//! Bytes on their way out: a body that plays a list of steps, and the framing of server-sent
//! events.

use std::{
    collections::VecDeque,
    fmt::Write,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use serde_json::Value;
use tokio::time::Sleep;

use super::script::{Ending, Script, Style};

/// A response's body: what to send, where to wait, and how to end.
#[derive(Debug)]
pub(super) struct Body {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    /// The length announced, for a body that is not a stream.
    length: Option<u64>,
}

#[derive(Debug)]
enum Step {
    Send(Bytes),
    Pause(Duration),
    Hang,
    Cut,
}

/// The connection is dropped here, as the script asked.
#[derive(Debug, thiserror::Error)]
#[error("the script cut the connection")]
pub(super) struct CutShort;

impl Body {
    /// All of `bytes` at once, with their length announced.
    pub(super) fn whole(bytes: Bytes) -> Self {
        let length = u64::try_from(bytes.len()).ok();
        Self { steps: VecDeque::from([Step::Send(bytes)]), pause: None, length }
    }

    /// Announces all of `bytes`, sends half of them, then drops the connection.
    pub(super) fn cut_whole(mut bytes: Bytes) -> Self {
        let length = u64::try_from(bytes.len()).ok();
        bytes.truncate(bytes.len() / 2);
        // The pause lets the half reach the client: an error drops what hyper still buffers.
        let steps = [Step::Send(bytes), Step::Pause(FLUSH_PAUSE), Step::Cut];
        Self { steps: VecDeque::from(steps), pause: None, length }
    }

    /// Plays `events` as a stream, one write each; the first `at_once` without a pause.
    pub(super) fn stream(events: Vec<Bytes>, at_once: usize, script: &Script) -> Self {
        let whole = script.ending == Ending::Complete;
        let kept = if whole { events.len() } else { events.len() / 2 };
        let mut steps = VecDeque::new();
        for (number, event) in events.into_iter().take(kept).enumerate() {
            if number >= at_once && !script.pace.is_zero() {
                steps.push_back(Step::Pause(script.pace));
            }
            if script.style.split_utf8 {
                split_inside_characters(&event, &mut steps);
            } else {
                steps.push_back(Step::Send(event));
            }
        }
        match script.ending {
            Ending::Complete => {}
            Ending::Hang => steps.push_back(Step::Hang),
            Ending::Cut => steps.extend([Step::Pause(FLUSH_PAUSE), Step::Cut]),
        }
        Self { steps, pause: None, length: None }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        loop {
            if let Some(pause) = self.pause.as_mut() {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Pause(time)) => self.pause = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Cut) => return Poll::Ready(Some(Err(CutShort))),
                Some(Step::Hang) => {
                    // Nothing wakes it: the client's leaving, or the server's end, drops it.
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// One server-sent event; `name` is its `event:` line.
pub(super) fn event(name: Option<&str>, data: &str, style: Style) -> Bytes {
    let end = if style.crlf { "\r\n" } else { "\n" };
    let comment = if style.comments { format!(": keep-alive{end}") } else { String::new() };
    let name = name.map(|name| format!("event: {name}{end}")).unwrap_or_default();
    // The space after the colon is optional (WHATWG HTML, 9.2.6).
    let gap = if style.odd { "" } else { " " };
    format!("{comment}{name}data:{gap}{data}{end}{end}").into()
}

/// `value` as JSON text, in the script's style.
pub(super) fn text(value: &Value, style: Style) -> String {
    if !style.odd {
        return value.to_string();
    }
    let mut odd = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            odd.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(odd, "\\u{unit:04X}");
            }
        }
    }
    // Space is free between tokens: after the first brace and before the last.
    match odd.strip_prefix('{').and_then(|odd| odd.strip_suffix('}')) {
        Some(inside) => format!("{{ \t{inside}  }}"),
        None => odd,
    }
}

/// Cuts `event` after the first byte of each multi-byte character, with a pause at each cut so
/// that the halves travel in packets of their own.
fn split_inside_characters(event: &Bytes, steps: &mut VecDeque<Step>) {
    let mut rest = event.clone();
    while let Some(lead) = rest.iter().position(|byte| *byte >= 0xc0) {
        let head = rest.split_to(lead.saturating_add(1).min(rest.len()));
        steps.push_back(Step::Send(head));
        steps.push_back(Step::Pause(FLUSH_PAUSE));
    }
    if !rest.is_empty() {
        steps.push_back(Step::Send(rest));
    }
}

/// Long enough for hyper to flush what it buffers.
const FLUSH_PAUSE: Duration = Duration::from_millis(2);
