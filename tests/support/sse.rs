//! Server-sent events as the specification says (WHATWG HTML, 9.2.6), written apart from the
//! product's own parser.

use serde_json::Value;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its `event:` line.
    pub name: Option<String>,
    /// Its `data:` lines, joined.
    pub data: String,
}

impl Event {
    /// The data as JSON; none where it is not, as `[DONE]` is not.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.data).ok()
    }
}

/// The events of `body`. An event without a blank line after it does not count.
///
/// # Panics
/// When the body is not UTF-8.
#[must_use]
pub fn events(body: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(body).unwrap();
    let text =
        text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    let (mut name, mut data) = (None, Vec::new());
    for line in text.split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else { break };
        if line.is_empty() {
            if !data.is_empty() {
                events.push(Event { name: name.take(), data: data.join("\n") });
            }
            (name, data) = (None, Vec::new());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = Some(value.to_owned()),
            "data" => data.push(value.to_owned()),
            _ => {}
        }
    }
    events
}

/// All that one field of the deltas of one choice of a chat stream adds up to.
#[must_use]
pub fn chat_text(events: &[Event], choice: u64, field: &str) -> String {
    let chunks = events.iter().filter_map(Event::json);
    let choices = chunks.flat_map(|chunk| chunk["choices"].as_array().cloned().unwrap_or_default());
    choices
        .filter(|c| c["index"] == choice)
        .filter_map(|c| c["delta"][field].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_at_blank_lines_of_every_kind() {
        let parsed =
            events(b": c\r\nevent: a\r\ndata:1\r\ndata: 2\r\n\r\nid\n\ndata: 3\r\rdata: x\n");
        let event = |name: Option<&str>, data: &str| Event {
            name: name.map(str::to_owned),
            data: data.to_owned(),
        };
        assert_eq!(parsed, [event(Some("a"), "1\n2"), event(None, "3")]);
    }
}
