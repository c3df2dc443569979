//! Receipts: proofs that an exchange's outcome is in the log.

use std::collections::BTreeMap;

use crate::commit::Opening;
use crate::proof::prove_inclusion;
use crate::receipt::{Extra, Receipt};
use crate::record::{ExchangeKey, Intent, Record, Stored};

use super::exchanges::{self, Known};
use super::shared::{Shared, lock};
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

impl Shared {
    pub(super) fn exchange(&self, exchange: &str) -> Option<ExchangeEntry> {
        let known = self.known(exchange).ok()?;
        let intent = self.intent(exchange, known).ok()?;
        Some(ExchangeEntry {
            tenant: intent.tenant,
            principal: intent.principal,
            intent: known.intent,
            outcome: known.outcome,
        })
    }

    pub(super) fn receipt(&self, exchange: &str, openings: bool) -> Result<Receipt, ReceiptError> {
        let known = self.known(exchange)?;
        let index = known.outcome.ok_or(ReceiptError::NotYet)?;
        let mut head = self.read_tail(|tail| tail.head().clone());
        if self.publishing_by == Publishing::External {
            // What witnesses have signed says more than the newest head.
            let published = lock(&self.published).clone();
            if index < published.size {
                head = published;
            }
        }
        let record = self.entry(index).map_err(ReceiptError::Io)?;
        let openings =
            if openings { self.openings(exchange, known, &record)? } else { BTreeMap::new() };
        self.prove(index, &head, Some(Extra { record, openings }))
    }

    pub(super) fn published_receipt(&self, exchange: &str) -> Result<Receipt, ReceiptError> {
        let known = self.known(exchange)?;
        let index = known.outcome.ok_or(ReceiptError::NotYet)?;
        let head = lock(&self.published).clone();
        if index >= head.size {
            return Err(ReceiptError::NotYet);
        }
        self.prove(index, &head, None)
    }

    fn prove(
        &self,
        index: u64,
        head: &Head,
        extra: Option<Extra>,
    ) -> Result<Receipt, ReceiptError> {
        // An outcome is known by id only after its head was stored.
        if index >= head.size {
            return Err(ReceiptError::NotYet);
        }
        let proof = prove_inclusion(index, head.size, &mut |level, index| self.node(level, index))
            .map_err(ReceiptError::Io)?;
        Ok(Receipt::new(index, &proof, &head.note, extra.as_ref()))
    }

    /// Where the records of an exchange are: from memory, or from the derived
    /// index, whose word is compared with the record itself.
    fn known(&self, exchange: &str) -> Result<Known, ReceiptError> {
        let key = ExchangeKey::of(exchange);
        let files = match lock(&self.exchanges).look(&key) {
            Ok(known) => return Ok(known),
            Err(files) => files,
        };
        for file in files {
            let found = exchanges::find(self.disk.as_ref(), &file, &key);
            if let Some(known) = found.map_err(ReceiptError::Io)? {
                self.intent(exchange, known)?;
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

    fn intent(&self, exchange: &str, known: Known) -> Result<Intent, ReceiptError> {
        let entry = self.entry(known.intent).map_err(ReceiptError::Io)?;
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
    ) -> Result<BTreeMap<String, Opening>, ReceiptError> {
        let fields = match Stored::parse(record) {
            Ok(Stored { record: Some(record), .. }) => record.commitments(),
            _ => Vec::new(),
        };
        if fields.is_empty() {
            return Ok(BTreeMap::new());
        }
        let tenant = self.intent(exchange, known)?.tenant;
        let opener = self
            .vault
            .opener(&tenant, exchange)
            .map_err(|fault| ReceiptError::Io(std::io::Error::other(fault)))?;
        let Some(opener) = opener else { return Ok(BTreeMap::new()) };
        Ok(fields.iter().map(|(name, _)| (name.to_string(), opener.opening(name))).collect())
    }
}
