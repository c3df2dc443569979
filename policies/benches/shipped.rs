//! The patterns that the benchmarks of screening have in common.

use toml::{Table, Value};
use troth_policies::Source;

/// The detectors of the shipped bundles that go by patterns, each looking at
/// both surfaces, so that all of them meet every text.
pub(crate) fn detectors() -> Result<Vec<Table>, Box<dyn std::error::Error>> {
    let mut all = Vec::new();
    for name in BUNDLES {
        let source = Source::builtin(name).ok_or("a bundle is missing")?;
        for (path, bytes) in source.files().filter(|(path, _)| path.starts_with("detectors/")) {
            let table: Table = std::str::from_utf8(bytes)?.parse()?;
            let listed = table.get("detector").and_then(Value::as_array).ok_or(path.to_owned())?;
            for detector in listed.iter().filter_map(Value::as_table) {
                if detector.contains_key("patterns") {
                    let mut detector = detector.clone();
                    let surfaces = ["user_prompt", "tool_call"].map(Value::from).to_vec();
                    detector.insert("surfaces".to_owned(), Value::Array(surfaces));
                    // Two bundles may use one id.
                    let id = format!("d{}", all.len());
                    detector.insert("id".to_owned(), Value::from(id));
                    all.push(detector);
                }
            }
        }
    }
    Ok(all)
}

const BUNDLES: &[&str] = &[
    "builtin:baseline",
    "builtin:secrets",
    "builtin:pii-cn",
    "builtin:pii-intl",
    "builtin:injection",
];
