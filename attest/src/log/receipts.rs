//! Receipts: proofs that an exchange's outcome is in the log.

use std::collections::BTreeMap;
use std::io;

use crate::commit::Opening;
use crate::proof::prove_inclusion;
use crate::receipt::{Extra, Receipt};
use crate::record::{ExchangeKey, Intent, Record, Stored};

use super::exchanges::{self, Known};
use super::shared::{Shared, lock, node_with};
use super::tail::Head;
use super::{Publishing, ReceiptError};

/// What the log knows of an exchange by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeEntry {
    /// The pseudonym of its tenant.
    pub tenant: String,
    /// The pseudonym of its principal.
    pub principal: String,
    /// The index of its intent.
    pub intent: u64,
    /// The index of its outcome, once there is one.
    pub outcome: Option<u64>,
}

/// How far a receipt is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// In memory alone; what is not there is [`io::ErrorKind::WouldBlock`].
    Memory,
    /// On the disk too.
    Disk,
}

impl Shared {
    pub(super) fn exchange(&self, exchange: &str) -> Option<ExchangeEntry> {
        let known = self.known(exchange, Reach::Disk).ok()?;
        let intent = self.intent(exchange, known, Reach::Disk).ok()?;
        Some(ExchangeEntry {
            tenant: intent.tenant,
            principal: intent.principal,
            intent: known.intent,
            outcome: known.outcome,
        })
    }

    pub(super) fn receipt(&self, exchange: &str, openings: bool) -> Result<Receipt, ReceiptError> {
        self.receipt_within(Reach::Disk, exchange, openings)
    }

    pub(super) fn receipt_at_hand(
        &self,
        exchange: &str,
        openings: bool,
    ) -> Option<Result<Receipt, ReceiptError>> {
        match self.receipt_within(Reach::Memory, exchange, openings) {
            Err(ReceiptError::Io(fault)) if fault.kind() == io::ErrorKind::WouldBlock => None,
            made => Some(made),
        }
    }

    fn receipt_within(
        &self,
        reach: Reach,
        exchange: &str,
        openings: bool,
    ) -> Result<Receipt, ReceiptError> {
        let known = self.known(exchange, reach)?;
        let index = known.outcome.ok_or(ReceiptError::NotYet)?;
        let mut head = self.read_tail(|tail| tail.head().clone());
        if self.publishing_by == Publishing::External {
            // What witnesses have signed says more than the newest head.
            let published = lock(&self.published).clone();
            if index < published.size {
                head = published;
            }
        }
        let record = self.entry_within(reach, index)?;
        let openings = if openings {
            self.openings(exchange, known, &record, reach)?
        } else {
            BTreeMap::new()
        };
        self.prove(index, &head, Some(Extra { record, openings }), reach)
    }

    pub(super) fn published_receipt(&self, exchange: &str) -> Result<Receipt, ReceiptError> {
        let known = self.known(exchange, Reach::Disk)?;
        let index = known.outcome.ok_or(ReceiptError::NotYet)?;
        let head = lock(&self.published).clone();
        if index >= head.size {
            return Err(ReceiptError::NotYet);
        }
        self.prove(index, &head, None, Reach::Disk)
    }

    fn prove(
        &self,
        index: u64,
        head: &Head,
        extra: Option<Extra>,
        reach: Reach,
    ) -> Result<Receipt, ReceiptError> {
        // An outcome is known by id only after its head was stored.
        if index >= head.size {
            return Err(ReceiptError::NotYet);
        }
        let node = &mut |level, index| match reach {
            Reach::Disk => self.node(level, index),
            Reach::Memory => node_with(level, index, |tile, from, to| {
                self.read_tail(|tail| tail.hashes(tile, from, to)).ok_or_else(elsewhere)
            }),
        };
        let proof = prove_inclusion(index, head.size, node).map_err(ReceiptError::Io)?;
        Ok(Receipt::new(index, &proof, &head.note, extra.as_ref()))
    }

    /// Where the records of an exchange are: from memory, or from the derived
    /// index, whose word is compared with the record itself.
    fn known(&self, exchange: &str, reach: Reach) -> Result<Known, ReceiptError> {
        let key = ExchangeKey::of(exchange);
        let files = match lock(&self.exchanges).look(&key) {
            Ok(known) => return Ok(known),
            Err(files) => files,
        };
        if reach == Reach::Memory && !files.is_empty() {
            return Err(ReceiptError::Io(elsewhere()));
        }
        for file in files {
            let found = exchanges::find(self.disk.as_ref(), &file, &key);
            if let Some(known) = found.map_err(ReceiptError::Io)? {
                self.intent(exchange, known, reach)?;
                self.check_outcome(exchange, known)?;
                return Ok(known);
            }
        }
        Err(ReceiptError::NotFound)
    }

    /// The index is believed in nothing.
    fn check_outcome(&self, exchange: &str, known: Known) -> Result<(), ReceiptError> {
        let Some(index) = known.outcome else { return Ok(()) };
        let entry = self.entry(index).map_err(ReceiptError::Io)?;
        match Stored::parse(&entry).map(|stored| stored.record) {
            Ok(Some(Record::Outcome(outcome)))
                if outcome.exchange == exchange && outcome.intent == known.intent =>
            {
                Ok(())
            }
            _ => Err(ReceiptError::NotFound),
        }
    }

    fn entry_within(&self, reach: Reach, index: u64) -> Result<Vec<u8>, ReceiptError> {
        let entry = match reach {
            Reach::Disk => self.entry(index),
            Reach::Memory => self.read_tail(|tail| tail.entry(index)).ok_or_else(elsewhere),
        };
        entry.map_err(ReceiptError::Io)
    }

    fn intent(&self, exchange: &str, known: Known, reach: Reach) -> Result<Intent, ReceiptError> {
        let entry = self.entry_within(reach, known.intent)?;
        match Stored::parse(&entry).map(|stored| stored.record) {
            Ok(Some(Record::Intent(intent))) if intent.exchange == exchange => Ok(intent),
            _ => Err(ReceiptError::NotFound),
        }
    }

    /// What opens the outcome's commitments, while the day's key exists.
    fn openings(
        &self,
        exchange: &str,
        known: Known,
        record: &[u8],
        reach: Reach,
    ) -> Result<BTreeMap<String, Opening>, ReceiptError> {
        let fields = match Stored::parse(record) {
            Ok(Stored { record: Some(record), .. }) => record.commitments(),
            _ => Vec::new(),
        };
        if fields.is_empty() {
            return Ok(BTreeMap::new());
        }
        let tenant = self.intent(exchange, known, reach)?.tenant;
        let opener = match reach {
            Reach::Disk => self.vault.opener(&tenant, exchange),
            Reach::Memory => match self.vault.opener_at_hand(&tenant, exchange) {
                Ok(Some(opener)) => Ok(opener),
                Ok(None) => return Err(ReceiptError::Io(elsewhere())),
                Err(fault) => Err(fault),
            },
        };
        let opener = opener.map_err(|fault| ReceiptError::Io(io::Error::other(fault)))?;
        let Some(opener) = opener else { return Ok(BTreeMap::new()) };
        Ok(fields.iter().map(|(name, _)| (name.to_string(), opener.opening(name))).collect())
    }
}

/// It may be on the disk, which is not asked.
fn elsewhere() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}
