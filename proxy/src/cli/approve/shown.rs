//! Calls that wait, for people. Whatever a model or a client wrote is shown so
//! that a terminal shows it and does nothing else: control characters, invisible
//! ones and those that turn the direction of text are written as escapes.

use serde_json::Value;

use super::Lang;

/// The list.
pub(super) fn list(calls: &[Value], lang: Lang) -> String {
    if calls.is_empty() {
        return words(lang).none.to_owned();
    }
    let shown: Vec<String> = calls.iter().map(|one| call(one, lang)).collect();
    shown.join("\n\n")
}

/// One call.
pub(super) fn call(call: &Value, lang: Lang) -> String {
    let words = words(lang);
    let text = |key: &str| plain(call.get(key).and_then(Value::as_str).unwrap_or_default());
    let number = |key: &str| call.get(key).and_then(Value::as_u64).unwrap_or_default();
    let arguments = call.get("arguments").and_then(Value::as_str).unwrap_or_default();
    let whole = number("arguments_bytes");
    let mut said = plain(arguments);
    if arguments.len() as u64 != whole {
        said = format!("{said} ... ({whole} {})", words.bytes);
    }
    let state = state(call, words);
    let mut lines = vec![
        text("id"),
        format!("  {}{state}", words.state),
        format!("  {}{}", words.age, span(number("age_ms"), words)),
        format!("  {}{}", words.rest, span(number("rest_ms"), words)),
        format!("  {}{} ({})", words.who, text("principal"), text("tenant")),
        format!("  {}{} ({})", words.tool, text("tool"), text("route")),
        format!("  {}{said}", words.arguments),
    ];
    let policies = call.get("policies").and_then(Value::as_array);
    for policy in policies.into_iter().flatten() {
        let text = |key: &str| policy.get(key).and_then(Value::as_str).map(plain);
        let (id, response) = (text("id").unwrap_or_default(), text("response").unwrap_or_default());
        let why = text("message").map(|message| format!(": {message}")).unwrap_or_default();
        lines.push(format!("  {}{id} ({response}){why}", words.policy));
    }
    lines.push(format!("  {}{}", words.exchange, text("exchange")));
    lines.join("\n")
}

/// A decision that was taken.
pub(super) fn decided(call: &Value, done: &Value, lang: Lang) -> String {
    let words = words(lang);
    let text =
        |of: &Value, key: &str| plain(of.get(key).and_then(Value::as_str).unwrap_or_default());
    let allowed = text(done, "decision") == "allow";
    let what = if allowed { words.allowed } else { words.denied };
    let index = done.get("index").and_then(Value::as_u64).unwrap_or_default();
    format!(
        "{what} {} {} {}\n{} {index} ({})",
        text(call, "principal"),
        text(call, "tool"),
        text(call, "arguments"),
        words.record,
        text(done, "approver"),
    )
}

fn state(call: &Value, words: &Words) -> String {
    let state = call.get("state").and_then(Value::as_str).unwrap_or_default();
    let said = match state {
        "pending" => words.pending,
        "deciding" => words.deciding,
        "allowed" => words.was_allowed,
        "denied" => words.was_denied,
        other => return plain(other),
    };
    let waits = call.get("waiting").and_then(Value::as_bool).unwrap_or_default();
    format!("{said}{}", if waits { words.waits } else { words.gone })
}

fn span(millis: u64, words: &Words) -> String {
    let seconds = millis / 1000;
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    if minutes == 0 {
        format!("{seconds} {}", words.seconds)
    } else {
        format!("{minutes} {} {seconds} {}", words.minutes, words.seconds)
    }
}

/// Text that a terminal only shows.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\'' | '\\') {
            out.push(c);
        } else {
            // A letter before it, so that a mark on a letter is no mark alone.
            out.extend(format!("a{c}").escape_debug().skip(1));
        }
    }
    out
}

struct Words {
    none: &'static str,
    state: &'static str,
    age: &'static str,
    rest: &'static str,
    who: &'static str,
    tool: &'static str,
    arguments: &'static str,
    policy: &'static str,
    exchange: &'static str,
    pending: &'static str,
    deciding: &'static str,
    was_allowed: &'static str,
    was_denied: &'static str,
    waits: &'static str,
    gone: &'static str,
    allowed: &'static str,
    denied: &'static str,
    record: &'static str,
    bytes: &'static str,
    minutes: &'static str,
    seconds: &'static str,
}

const fn words(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &ENGLISH,
        Lang::Zh => &CHINESE,
    }
}

static ENGLISH: Words = Words {
    none: "no call waits for approval",
    state: "state      ",
    age: "asked      ",
    rest: "stays      ",
    who: "principal  ",
    tool: "tool       ",
    arguments: "arguments  ",
    policy: "policy     ",
    exchange: "exchange   ",
    pending: "pending",
    deciding: "being decided",
    was_allowed: "allowed, not made again yet",
    was_denied: "denied",
    waits: ", the client waits",
    gone: ", the client does not wait",
    allowed: "allowed:",
    denied: "denied:",
    record: "record",
    bytes: "bytes",
    minutes: "min",
    seconds: "s",
};

static CHINESE: Words = Words {
    none: "没有等待审批的调用",
    state: "状态      ",
    age: "已等待    ",
    rest: "剩余时间  ",
    who: "主体      ",
    tool: "工具      ",
    arguments: "参数      ",
    policy: "策略      ",
    exchange: "会话编号  ",
    pending: "待审批",
    deciding: "正在记录决定",
    was_allowed: "已批准，尚未重新发起",
    was_denied: "已拒绝",
    waits: "，客户端正在等待",
    gone: "，客户端未在等待",
    allowed: "已批准：",
    denied: "已拒绝：",
    record: "记录",
    bytes: "字节",
    minutes: "分",
    seconds: "秒",
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_terminal_only_shows_what_a_model_wrote() {
        for (text, shown) in [
            (r#"{"to":"bob's","é":"中文 👋"}"#, r#"{"to":"bob's","é":"中文 👋"}"#),
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("pay \u{202e}001", "pay \\u{202e}001"),
            ("b\u{200b}ob", "b\\u{200b}ob"),
            ("b\u{e0041}ob", "b\\u{e0041}ob"),
            ("e\u{301}", "e\u{301}"),
            ("\u{feff}", "\\u{feff}"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }

    #[test]
    fn arguments_that_were_cut_say_so() {
        let mut one = json!({ "id": "7", "arguments": "{\"a\"", "arguments_bytes": 2000 });
        assert!(call(&one, Lang::En).contains("{\"a\" ... (2000 bytes)"));
        one["arguments_bytes"] = json!(4);
        assert!(!call(&one, Lang::Zh).contains("..."));
        assert_eq!(list(&[], Lang::Zh), "没有等待审批的调用");
    }
}
