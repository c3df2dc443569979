//! What was measured, as a table that a README can hold.

use std::{fmt::Write, time::Duration};

/// One target.
#[derive(Debug)]
pub(crate) struct Row {
    /// What it is.
    pub(crate) name: &'static str,
    /// Answers a second with 64 connections.
    pub(crate) rate: f64,
    /// Median and 99th percentile with 64 connections.
    pub(crate) full_p50: Duration,
    /// As above.
    pub(crate) full_p99: Duration,
    /// Median and 99th percentile with one connection.
    pub(crate) p50: Duration,
    /// As above.
    pub(crate) p99: Duration,
    /// CPU time an answer, with 64 connections; none for the model itself.
    pub(crate) cpu: Option<Duration>,
    /// Median time to the first words of a stream.
    pub(crate) first_delta: Duration,
}

/// The rows as Markdown, compared with the first, which is no proxy at all.
pub(crate) fn render(rows: &[Row]) -> String {
    let Some(base) = rows.first() else { return String::new() };
    let mut table = HEAD.to_owned();
    for row in rows {
        let added = |time: Duration, base: Duration| {
            let plus = if time >= base { '+' } else { '-' };
            format!("{plus}{}", micros(time.abs_diff(base)))
        };
        writeln!(
            table,
            "| {} | {:.0} | {:.3} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            row.rate,
            row.rate / base.rate,
            micros(row.full_p50),
            micros(row.full_p99),
            row.cpu.map_or_else(|| "–".to_owned(), micros),
            micros(row.p50),
            micros(row.p99),
            added(row.p50, base.p50),
            added(row.p99, base.p99),
            added(row.first_delta, base.first_delta),
        )
        .unwrap();
    }
    table
}

fn micros(time: Duration) -> String {
    if time < Duration::from_millis(10) {
        format!("{} µs", time.as_micros())
    } else {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    }
}

const HEAD: &str = "\
| 1 KB chat request and answer | 64 conn: req/s | × no proxy | p50 | p99 | CPU/req | 1 conn: p50 | p99 | added p50 | added p99 | first delta, added |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";
