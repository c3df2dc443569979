use proptest::prelude::*;

use super::*;

fn refused(text: &str) -> String {
    parse(text.as_bytes(), Limits::default()).unwrap_err().to_string()
}

#[test]
fn what_two_parsers_read_differently_is_refused() {
    for (text, why) in [
        (r#"{"a":1,"a":2}"#, "a duplicate key at byte 7"),
        (r#"{"a":1,"\u0061":2}"#, "a duplicate key at byte 7"),
        (r#""\ud800""#, "a lone surrogate at byte 1"),
        (r#""\udc00\ud800""#, "a lone surrogate at byte 1"),
        (r#""\ud800\u0041""#, "a lone surrogate at byte 1"),
        ("{} {}", "trailing bytes at byte 3"),
        ("\u{feff}{}", "a byte order mark at byte 0"),
        ("18446744073709551616", "an integer outside 64 bits at byte 0"),
        ("1e999", "a number that overflows at byte 0"),
        ("NaN", "an unexpected character at byte 0"),
        ("01", "trailing bytes at byte 1"),
        ("[1,]", "an unexpected character at byte 3"),
        ("{\"a\":1,}", "a missing key at byte 7"),
        ("\"a\nb\"", "a control character in a string at byte 2"),
        ("\"abc", "an unterminated string at byte 4"),
        ("", "an unexpected end at byte 0"),
        ("tru", "an unexpected word at byte 0"),
    ] {
        assert_eq!(refused(text), why, "{text}");
    }
    assert!(parse(b"\"\xff\"", Limits::default()).is_err());
}

#[test]
fn nesting_is_bounded() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let limits = Limits { depth: 8, nodes: 100 };
    assert!(parse(deep(9).as_bytes(), limits).is_ok());
    assert!(parse(deep(10).as_bytes(), limits).is_err());
    assert!(refused(&"[".repeat(1_000_000)).starts_with("nesting too deep"));
    let wide = format!("[{}1]", "1,".repeat(99));
    assert!(parse(wide.as_bytes(), limits).is_err());
}

#[test]
fn large_objects_find_duplicates_too() {
    let mut keys: Vec<String> = (0..1000).map(|n| format!("\"k{n}\":0")).collect();
    assert!(parse(format!("{{{}}}", keys.join(",")).as_bytes(), Limits::default()).is_ok());
    keys.push("\"k999\":1".to_owned());
    let fault = parse(format!("{{{}}}", keys.join(",")).as_bytes(), Limits::default());
    assert!(fault.unwrap_err().is_duplicate_key());
}

#[test]
fn a_redaction_touches_only_its_bytes() {
    let document = r#"{ "a" : "x\u00e9\n\ud83d\ude00-key", "b":1.50 }"#.as_bytes();
    let node = parse(document, Limits::default()).unwrap();
    let text = node.member("a").unwrap().as_text().unwrap();
    assert_eq!(text.value, "xé\n😀-key");
    let at = text.value.find("😀").unwrap();
    let span = literal_span(document, &text.span, &(at..at + 5)).unwrap();
    let out = apply(document, vec![Splice { span, with: "[R]".to_owned() }]);
    assert_eq!(std::str::from_utf8(&out).unwrap(), r#"{ "a" : "x\u00e9\n[R]key", "b":1.50 }"#);
    assert_eq!(literal_span(document, &text.span, &(0..99)), None);
}

#[test]
fn overlapping_splices_merge() {
    let splice = |span, with: &str| Splice { span, with: with.to_owned() };
    let out = apply(b"0123456789", vec![splice(4..8, "B"), splice(2..5, "A"), splice(9..9, "!")]);
    assert_eq!(out, b"01A8!9");
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<u64>().prop_map(serde_json::Value::from),
        (-1e9..1e9f64).prop_map(serde_json::Value::from),
        ".*".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::hash_map(".*", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_serde_json(value in any_json()) {
        let bytes = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(parse(&bytes, Limits::default()).unwrap().to_value(), value);
    }

    #[test]
    fn accepts_nothing_that_serde_json_refuses(text in r#"[\[\]{},:"\\ue0-9a-f.+\-tnr ]{0,24}"#) {
        if let Ok(node) = parse(text.as_bytes(), Limits::default()) {
            prop_assert_eq!(
                node.to_value(),
                serde_json::from_str::<serde_json::Value>(&text).unwrap()
            );
        }
    }
}

#[test]
fn one_spelling_for_all() {
    let spelt = |text: &str| canonical(&parse(text.as_bytes(), Limits::default()).unwrap());
    let one = r#"{"a":[1,2.5,null,true],"b":{"c":"\"你\n","d":""}}"#;
    assert_eq!(spelt(one), one);
    let other =
        " { \"b\" : {\"d\":\"\", \"c\":\"\\\"\\u4f60\\n\"}, \"a\" : [ 1 ,2.50, null,true ] } ";
    assert_eq!(spelt(other), one);
    assert_ne!(spelt("[1,2]"), spelt("[2,1]"));
}
