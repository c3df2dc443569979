//! Results that are lists of records, as a service (not a stranger) lays them
//! out: `[{"id": "m7", "from": "Anna Berg <anna@example.com>", ...}]`.
//!
//! A record ties names to values, so that "reply to Anna's mail" names `m7`.

use serde_json::Value;

/// One record: its texts together, and its plain fields.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Every text of it, one a line.
    pub(crate) text: String,
    /// Names of fields, each with its value.
    pub(crate) fields: Vec<(String, String)>,
}

/// The records of a result. A text that is not JSON is one record, whose lines
/// are what it lists.
pub(crate) fn records(text: &str) -> Vec<Record> {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => {
            let mut all = vec![Record::default()];
            walk("", &value, 0, &mut all);
            all.retain(|record| !record.fields.is_empty());
            all
        }
        _ => {
            let fields = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let fields = fields.map(|line| (String::new(), line.to_owned())).collect();
            vec![Record { text: text.to_owned(), fields }]
        }
    }
}

/// JSON nests at most 128 deep when it is parsed, so this does too.
fn walk(key: &str, value: &Value, at: usize, all: &mut Vec<Record>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                walk(name, member, at, all);
            }
        }
        Value::Array(items) => {
            for item in items {
                if item.is_object() {
                    all.push(Record::default());
                    let new = all.len().saturating_sub(1);
                    walk(key, item, new, all);
                } else {
                    walk(key, item, at, all);
                }
            }
        }
        plain => {
            let text = match plain {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if let Some(record) = all.get_mut(at) {
                record.text.push_str(&text);
                record.text.push('\n');
                record.fields.push((key.to_owned(), text));
            }
        }
    }
}

/// The plain values of a call's arguments, each with the names above it. JSON
/// in a text is looked into as well, as whoever gets the call will.
pub(crate) fn leaves(value: &Value) -> Vec<(Vec<String>, String)> {
    let mut all = Vec::new();
    leaf(&mut Vec::new(), value, 0, &mut all);
    all
}

fn leaf(
    above: &mut Vec<String>,
    value: &Value,
    nested: usize,
    all: &mut Vec<(Vec<String>, String)>,
) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                above.push(name.clone());
                leaf(above, member, nested, all);
                above.pop();
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaf(above, item, nested, all)),
        Value::String(text) => {
            all.push((above.clone(), text.clone()));
            if nested < crate::limits::NESTED_JSON
                && text.trim_start().starts_with(['{', '['])
                && let Ok(inner) = serde_json::from_str::<Value>(text)
            {
                leaf(above, &inner, nested.saturating_add(1), all);
            }
        }
        other => all.push((above.clone(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_item_of_a_list_is_a_record() {
        let list = json!({"inbox": [
            {"id": "m1", "from": {"name": "Anna", "email": "anna@x.example"}},
            {"id": "m2", "text": "hello"},
        ], "total": 2});
        let all = records(&list.to_string());
        assert_eq!(all.len(), 3);
        for (record, holds) in all.iter().zip(["2", "anna@x.example", "hello"]) {
            assert!(record.text.lines().any(|line| line == holds), "{record:?}");
        }
        assert_eq!(records("a.txt\nb.txt")[0].fields.len(), 2);
    }

    #[test]
    fn arguments_in_arguments_are_arguments() {
        let call = json!({"payload": "{\"to\": [\"mal@x.example\"]}", "n": 5});
        let found = leaves(&call);
        assert!(found.contains(&(vec!["payload".into(), "to".into()], "mal@x.example".into())));
        assert_eq!(found.len(), 3);
    }
}
