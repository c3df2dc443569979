//! What can go wrong with a log, one small type per operation.

use std::io;

use thiserror::Error;

use crate::record::{ApprovalFault, StatementFault};
use crate::vault::VaultError;

use super::EraseError;

/// Why a log cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process has the log open")]
    Locked,
    /// The origin is not the name of the signing key.
    #[error("the log's origin is not the name of its key")]
    Origin,
    /// The newest head is signed by neither of the keys.
    #[error(
        "the log was signed with another key: to change keys, give the old one too \
         (`previous_key`)"
    )]
    Key,
    /// The log has ended for good.
    #[error("the log has ended: begin a new one, under another origin, that `follows` it")]
    Ended,
    /// The write-ahead log is damaged where a torn write cannot explain it.
    #[error("the write-ahead log is damaged in `{segment}`: {what}")]
    Damaged {
        /// The segment's file.
        segment: String,
        /// What does not hold.
        what: String,
    },
    /// A stored tile is missing or does not lead to the signed root.
    #[error("the stored tiles do not lead to the signed head: {0}")]
    Tiles(String),
    /// The public checkpoint is ahead of the write-ahead log, differs from it,
    /// or is not this log's: signing on would fork the log.
    #[error("the public checkpoint does not belong to this log's state: {0}")]
    Fork(String),
    /// The clock is further back than `max_clock_step` allows.
    #[error("the clock is {0} microseconds behind the last record")]
    Clock(u64),
    /// The side store.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The first records could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// An erasure that the last run had begun could not be ended.
    #[error("an erasure that was begun cannot be ended: {0}")]
    Erase(Box<EraseError>),
    /// The file system.
    #[error("cannot read or write the log's directory")]
    Io(#[from] io::Error),
}

/// Why a record is not in the log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AppendError {
    /// Too many records wait; later there may be room.
    #[error("the log's queue is full")]
    QueueFull,
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
    /// More than 8 KiB, and nothing left to cut.
    #[error("the record is too large")]
    TooLarge,
    /// A number past 2^53 - 1, or a key beyond ASCII.
    #[error("the record has a value that canonical JSON does not have")]
    Value,
    /// An exchange's id that is empty, long or not printable ASCII.
    #[error("the exchange's id is not a short printable text")]
    Exchange,
    /// An outcome or tool call whose intent is not open.
    #[error("no open intent of this exchange has this index")]
    Unpaired,
    /// A second intent for an exchange that is open.
    #[error("the exchange is already open")]
    Duplicate,
    /// More exchanges are open than the log keeps track of.
    #[error("too many exchanges are open")]
    TooManyOpen,
    /// The clock ran back further than is allowed.
    #[error("the clock ran back too far")]
    Clock,
    /// The log writes `close` records itself.
    #[error("only the log itself writes this record")]
    Reserved,
    /// A statement that does not hold.
    #[error(transparent)]
    Statement(#[from] StatementFault),
    /// An approval that does not hold, for this log or any more.
    #[error(transparent)]
    Approval(#[from] ApprovalFault),
    /// The log has failed and takes nothing more.
    #[error("the log has failed: {0}")]
    Failed(String),
}

/// Why a log did not close in order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloseError {
    /// It had failed before.
    #[error("the log has failed: {0}")]
    Failed(String),
}

/// Why a blob is not stored.
#[derive(Debug, Error)]
pub enum BlobError {
    /// More than 16 MiB.
    #[error("the blob is too large")]
    TooLarge,
    /// The file system.
    #[error("cannot write the blob")]
    Io(#[source] io::Error),
}

/// Why there is no receipt.
#[derive(Debug, Error)]
pub enum ReceiptError {
    /// Nobody knows the exchange.
    #[error("no such exchange")]
    NotFound,
    /// Its outcome is not under a checkpoint yet.
    #[error("the exchange's outcome is not under a checkpoint yet")]
    NotYet,
    /// The file system, or a stored tile that is gone.
    #[error("cannot read the log")]
    Io(#[source] io::Error),
}

/// Why a path is not served.
#[derive(Debug, Error)]
pub enum PublishError {
    /// No such file, or not yet.
    #[error("not found")]
    NotFound,
    /// Entries are not published by this log.
    #[error("entries are not published")]
    Forbidden,
    /// The file system.
    #[error("cannot read the log")]
    Io(#[source] io::Error),
}
