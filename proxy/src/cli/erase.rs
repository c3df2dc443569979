//! `troth erase`

use clap::Args;
use serde_json::Value;
use troth_attest::Day;

use super::{CliFault, operator, print};
use crate::{
    admin::orders::{EraseOrder, Order},
    output,
};

/// Destroy the keys of a tenant's days: what they hide stays hidden.
///
/// The records stay, and everything still verifies; what their commitments are
/// to can no longer be confirmed. The log gets an `erasure` record for each
/// day: how many keys, which day, why, and no identity. It is in the log when
/// the command returns. A command that was interrupted is ended when the log is
/// opened next, or when it is run again, and is recorded once.
///
/// It asks the running proxy to do it, through `[admin]`, and does it itself
/// while none runs.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct Erase {
    /// Whose keys.
    #[arg(long, value_name = "TENANT", required_unless_present = "all_tenants")]
    tenant: Option<String>,
    /// Everybody's.
    #[arg(long, conflicts_with = "tenant")]
    all_tenants: bool,
    /// The day, UTC: YYYY-MM-DD.
    #[arg(long, value_name = "DAY", required_unless_present = "from")]
    day: Option<Day>,
    /// The first of several days.
    #[arg(long, value_name = "DAY", requires = "to", conflicts_with = "day")]
    from: Option<Day>,
    /// The last of them.
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<Day>,
    /// Why. It stays in the log for ever: no name, no content.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Today may be among the days: what still comes of it is recorded, and can
    /// be opened by nobody.
    #[arg(long)]
    today: bool,
    #[command(flatten)]
    which: operator::Which,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Erase {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let days = self.day.map(|day| (day, day)).or(self.from.zip(self.to));
        let Some((from, to)) = days else {
            return Err(CliFault::Usage("name `--day`, or `--from` and `--to`".to_owned()));
        };
        let (config, settings) = self.which.read()?;
        let order = Order::Erase(EraseOrder {
            origin: settings.origin.clone(),
            tenant: self.tenant.clone(),
            all_tenants: self.all_tenants,
            from: from.to_string(),
            to: to.to_string(),
            reason: self.reason.clone(),
            today: self.today,
        });
        let done = operator::carry_out(&config, &settings, &order)?;
        if self.json {
            print(&done.to_string())?;
        } else {
            print(&told(&done))?;
        }
        output::note("Copies in backups and snapshots are yours to destroy.");
        Ok(())
    }
}

/// The same for people.
fn told(done: &Value) -> String {
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let keys = |count| if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
    let erased = done.get("erased").and_then(Value::as_array);
    let mut lines: Vec<String> = erased
        .into_iter()
        .flatten()
        .map(|one| {
            let day = one.get("day").and_then(Value::as_str).unwrap_or_default();
            let (count, index) = (number(one, "count"), number(one, "index"));
            format!("erased {} of {day}: record {index}", keys(count))
        })
        .collect();
    match number(done, "before") {
        0 => {}
        before => lines.push(format!("{} of these days had been erased before", keys(before))),
    }
    lines.join("\n")
}

const NOTES: &str = "\
Examples:
  troth erase --tenant acme --day 2026-11-18 --reason \"contract ended\"
  troth erase --tenant acme --from 2026-01-01 --to 2026-03-31
  troth erase --all-tenants --day 2026-11-18

What is destroyed, and what is not: the key's file is replaced and its directory
synced, and the running proxy forgets it. Nothing is overwritten in place: on
flash and on file systems that copy on write an overwrite would promise more
than it does. Whoever must count with somebody who reads raw disks puts the
vault on an encrypted volume. Backups and snapshots of `vault/` keep the key:
exclude it from them, or destroy them too. Receipts that clients already hold
keep what they open.

An exchange that is under way keeps the secret of that exchange alone, in
memory, until it ends. Exchanges of an erased day that come later are recorded,
under keys that nobody keeps.";
