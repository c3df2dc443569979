//! The table of what was decided.

/// One exchange.
#[derive(Debug)]
pub(super) struct Row {
    /// The scene.
    pub(super) what: &'static str,
    /// What the client got.
    pub(super) sent: String,
    /// The verdict in the log.
    pub(super) verdict: String,
    /// Detectors with their scores.
    pub(super) detectors: Vec<String>,
    /// Policies that determined it.
    pub(super) policies: Vec<String>,
    /// Commitments that they serve.
    pub(super) commitments: Vec<String>,
    /// Microseconds of screening and judging, both directions.
    pub(super) micros: u64,
    /// The outcome's index in the log.
    pub(super) index: u64,
}

/// All rows, as text: a line each with its reasons below.
pub(super) fn render(rows: &[Row]) -> String {
    let mut out = format!("{:<8} {:>9}  {:>5}  {}\n", "verdict", "screening", "entry", "exchange");
    for row in rows {
        let micros = format!("{} µs", row.micros);
        out.push_str(&format!(
            "{:<8} {micros:>9}  {:>5}  {}\n",
            row.verdict.to_uppercase(),
            row.index,
            row.what
        ));
        for (name, values) in [
            ("detectors", &row.detectors),
            ("policies", &row.policies),
            ("commitments", &row.commitments),
        ] {
            if !values.is_empty() {
                out.push_str(&format!("{:27}{name:<12} {}\n", "", values.join(", ")));
            }
        }
        out.push_str(&format!("{:27}{:<12} {}\n", "", "client got", row.sent));
    }
    out
}
