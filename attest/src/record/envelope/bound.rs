//! Keeping a record under its limit: what a client can make long is cut, and
//! the record says what and how much.

use std::collections::BTreeMap;

use super::super::{Outcome, Record};
use super::EncodeError;

/// Cuts every string that a client or an upstream can choose, and computes
/// what only the log may say.
pub(super) fn strings(record: &mut Record) -> Result<(), EncodeError> {
    match record {
        Record::Intent(intent) => {
            exchange(&intent.exchange)?;
            let cut = &mut intent.cut;
            cut.clear();
            text("action", &mut intent.action, cut);
            text("dialect", &mut intent.dialect, cut);
            text("route", &mut intent.route, cut);
            text("upstream", &mut intent.upstream, cut);
            text("tenant", &mut intent.tenant, cut);
            text("principal", &mut intent.principal, cut);
            option("end_user", &mut intent.end_user, cut);
            option("model", &mut intent.model, cut);
            option("parent", &mut intent.parent, cut);
            option("session", &mut intent.session, cut);
        }
        Record::Outcome(outcome) => {
            exchange(&outcome.exchange)?;
            let cut = &mut outcome.cut;
            cut.clear();
            option("model", &mut outcome.model, cut);
            option("reason", &mut outcome.reason, cut);
            for item in &mut outcome.opaque {
                text("media_type", &mut item.media_type, cut);
            }
            outcome.coverage_complete = outcome.covers();
        }
        Record::ToolCall(call) => {
            exchange(&call.exchange)?;
            call.cut.clear();
            text("tool", &mut call.tool, &mut call.cut);
        }
        _ => {}
    }
    Ok(())
}

/// Halves the largest list that the record can do without. `false` when
/// nothing is left to cut.
pub(super) fn shorten(record: &mut Record) -> bool {
    match record {
        Record::Outcome(outcome) => {
            // Findings first; what was covered is the last thing to go.
            let done = halve("detectors", &mut outcome.detectors, &mut outcome.cut)
                || halve("categories", &mut outcome.categories, &mut outcome.cut)
                || halve("policies", &mut outcome.policies, &mut outcome.cut)
                || halve("commitments", &mut outcome.commitments, &mut outcome.cut)
                || halve("opaque", &mut outcome.opaque, &mut outcome.cut)
                || halve_timings(outcome)
                || halve("coverage", &mut outcome.coverage, &mut outcome.cut)
                || halve("decoded", &mut outcome.decoded, &mut outcome.cut);
            outcome.coverage_complete = outcome.covers();
            done
        }
        Record::ToolCall(call) => halve("policies", &mut call.policies, &mut call.cut),
        _ => false,
    }
}

fn halve<T>(name: &str, list: &mut Vec<T>, cut: &mut BTreeMap<String, u64>) -> bool {
    let keep = list.len() / 2;
    let gone = list.len() - keep;
    if gone == 0 {
        return false;
    }
    list.truncate(keep);
    add(name, gone, cut);
    true
}

fn halve_timings(outcome: &mut Outcome) -> bool {
    let gone = outcome.timings_us.len().div_ceil(2);
    for _ in 0..gone {
        outcome.timings_us.pop_last();
    }
    if gone > 0 {
        add("timings_us", gone, &mut outcome.cut);
    }
    gone > 0
}

fn text(name: &str, value: &mut String, cut: &mut BTreeMap<String, u64>) {
    if value.len() > MAX_TEXT_BYTES {
        let keep = value.floor_char_boundary(MAX_TEXT_BYTES);
        add(name, value.len() - keep, cut);
        value.truncate(keep);
    }
}

fn option(name: &str, value: &mut Option<String>, cut: &mut BTreeMap<String, u64>) {
    if let Some(value) = value {
        text(name, value, cut);
    }
}

fn add(name: &str, gone: usize, cut: &mut BTreeMap<String, u64>) {
    let count = cut.entry(name.to_owned()).or_default();
    *count = count.saturating_add(u64::try_from(gone).unwrap_or(u64::MAX));
}

/// An exchange's id is ours, short and printable.
fn exchange(id: &str) -> Result<(), EncodeError> {
    let plain = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic());
    if plain { Ok(()) } else { Err(EncodeError::Exchange) }
}

/// Bytes of one string that a client or an upstream can choose.
const MAX_TEXT_BYTES: usize = 256;
