//! What `logprobs` say: the tokens repeat a text, and beside each stand others
//! that the model might have said. All of it reaches the client, so all of it
//! is read.

use crate::{
    dialect::walk::{is_plain_key, is_protocol_word},
    json::{Kind, Node},
};

/// The texts of one member of `logprobs`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    /// The tokens joined, and after them their alternatives joined by rank.
    pub(super) columns: Vec<String>,
    /// Everything else that is a string.
    pub(super) rest: Vec<String>,
}

impl Tokens {
    /// Reads `tokens`: a list of objects as chat completions have it, or plain
    /// strings and objects of alternatives as completions had it before.
    pub(super) fn read(tokens: &Node) -> Self {
        let mut out = Self::default();
        for item in tokens.items() {
            match (&item.kind, item.member("token").and_then(Node::as_str)) {
                (Kind::String(text), _) => out.say(0, &text.value),
                (Kind::Object(_), Some(token)) => out.token(item, token),
                (Kind::Object(members), None) => {
                    for (rank, (token, value)) in members.iter().enumerate() {
                        out.say(rank + 1, &token.value);
                        out.rest(value);
                    }
                }
                _ => out.rest(item),
            }
        }
        if tokens.items().is_empty() {
            out.rest(tokens);
        }
        out
    }

    fn token(&mut self, item: &Node, token: &str) {
        self.say(0, token);
        for (key, value) in item.members() {
            match key.value.as_str() {
                "token" => {}
                "top_logprobs" => self.alternatives(value),
                _ => self.member(&key.value, value),
            }
        }
    }

    fn alternatives(&mut self, alternatives: &Node) {
        for (rank, item) in alternatives.items().iter().enumerate() {
            if let Some(token) = item.as_str() {
                self.say(rank + 1, token);
                continue;
            }
            for (key, value) in item.members() {
                match value.as_str() {
                    Some(token) if key.value == "token" => self.say(rank + 1, token),
                    _ => self.member(&key.value, value),
                }
            }
            self.rest_of_items(item);
        }
        if alternatives.items().is_empty() {
            self.rest(alternatives);
        }
    }

    fn say(&mut self, column: usize, token: &str) {
        if column > ALTERNATIVES {
            self.rest.push(token.to_owned());
            return;
        }
        if self.columns.len() <= column {
            self.columns.resize(column + 1, String::new());
        }
        if let Some(text) = self.columns.get_mut(column) {
            text.push_str(token);
        }
    }

    fn member(&mut self, key: &str, value: &Node) {
        if !is_plain_key(key) {
            self.rest.push(key.to_owned());
        }
        self.rest(value);
    }

    fn rest(&mut self, node: &Node) {
        if let Some(text) = node.as_str().filter(|text| !is_protocol_word(text)) {
            self.rest.push(text.to_owned());
        }
        for (key, value) in node.members() {
            self.member(&key.value, value);
        }
        self.rest_of_items(node);
    }

    fn rest_of_items(&mut self, node: &Node) {
        node.items().iter().for_each(|item| self.rest(item));
    }
}

/// Alternatives that are joined by rank; the protocol has at most 20.
const ALTERNATIVES: usize = 32;
