//! `troth lexicon count`

use clap::Args;
use serde_json::json;
use troth_policies::{Bundle, LEAST_TERMS, Source, TermCounts};

use super::super::{CliFault, bundle_place, print};
use crate::boot::{self, BootFault};

/// Count a bundle's terms by class, against what GB/T 45654 asks for.
///
/// GB/T 45654-2025 wants a keyword library of at least 10,000 terms in all, 200
/// for each class of Annex A.1 and 100 for each class of A.2. What is counted
/// are different terms of the bundle's lexicons and of the bundles that it
/// imports, as they are compared: full width, case, accents and look-alike
/// letters make no second term. A term counts in each class that it declares,
/// or else in those of its detector.
///
/// The exit code is 0 where the library is as large as the standard asks for,
/// and 1 where it is not. The number says nothing of how good the terms are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  troth lexicon count ./bundle          a table, in English and Chinese
  troth lexicon count ./bundle --json   one JSON object
  troth lexicon count builtin:lexicon   the starter lexicon alone")]
pub(in crate::cli) struct Count {
    /// A directory, or a bundle that ships with Troth, such as `builtin:lexicon`.
    bundle: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

impl Count {
    pub(in crate::cli) fn run(&self) -> Result<(), CliFault> {
        let counts = compiled(&source(&self.bundle)?)?.term_counts().clone();
        print(&if self.json { as_json(&counts) } else { as_table(&counts) })?;
        if counts.is_met() {
            return Ok(());
        }
        let short: Vec<&str> =
            counts.classes.iter().filter(|one| !one.is_met()).map(|one| one.class.id()).collect();
        let total = if counts.total < LEAST_TERMS { "the total; " } else { "" };
        let short = if short.is_empty() { "none".to_owned() } else { short.join(", ") };
        Err(CliFault::Failed(format!("too few terms 词条不足: {total}classes 类别: {short}")))
    }
}

/// The files of a bundle, by its name or its directory.
pub(super) fn source(typed: &str) -> Result<Source, CliFault> {
    Ok(boot::bundle_source(&bundle_place(typed))?)
}

/// A bundle, compiled.
pub(super) fn compiled(source: &Source) -> Result<Bundle, CliFault> {
    let compiled = Bundle::compile(source).map_err(BootFault::Bundle)?;
    Ok(compiled.bundle)
}

fn as_json(counts: &TermCounts) -> String {
    let classes: Vec<serde_json::Value> = counts
        .classes
        .iter()
        .map(|one| {
            json!({
                "class": one.class.id(), "en": one.class.english(), "zh": one.class.chinese(),
                "count": one.count, "least": one.least, "met": one.is_met(),
            })
        })
        .collect();
    json!({
        "total": counts.total, "least": LEAST_TERMS, "unclassed": counts.unclassed,
        "classes": classes, "met": counts.is_met(),
    })
    .to_string()
}

fn as_table(counts: &TermCounts) -> String {
    let row = |count: usize, least: usize, name: &str| {
        let (least, met) = match least {
            0 => ("-".to_owned(), ""),
            _ => (least.to_string(), if count >= least { "yes 是" } else { "no 否" }),
        };
        format!("{count:>8} {least:>8}  {met:<7} {name}")
    };
    let mut lines = vec![
        format!("{:>8} {:>8}  {:<7} {}", "terms", "least", "met", "class"),
        format!("{:>6} {:>6}  {:<5} {}", "词条", "至少", "达到", "类别"),
        row(counts.total, LEAST_TERMS, "in all 总计"),
    ];
    lines.extend(counts.classes.iter().map(|one| {
        let class = one.class;
        row(
            one.count,
            one.least,
            &format!("{} {} {}", class.id(), class.english(), class.chinese()),
        )
    }));
    if counts.unclassed > 0 {
        lines.push(row(counts.unclassed, 0, "without a class 未分类"));
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}
