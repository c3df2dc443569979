#![doc = include_str!("../README.md")]

mod checkpoint;
mod clock;
mod commit;
mod disclose;
mod disk;
mod export;
mod frontier;
mod hash;
mod http;
mod json;
mod keys;
mod log;
mod monitor;
mod note;
mod proof;
mod reader;
mod receipt;
mod record;
mod shard;
mod tile;
mod trust;
mod vault;
mod verify;
mod wal;
mod witness;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod testing;

pub use checkpoint::{Checkpoint, CheckpointError, VerifiedCheckpoint};
pub use clock::{Clock, Day, DayError, SystemClock};
pub use commit::{Commitment, CommitmentMac, Committer, Opening};
pub use disclose::{DiscloseError, Disclosed, disclose};
pub use export::{ExportError, Exported, export};
pub use frontier::Frontier;
pub use hash::{Digest, Hash};
pub use http::{HttpOptions, HttpSource, Roots, RootsError, UrlError, fetch, is_url};
pub use json::{Extra, Json, JsonFault};
pub use keys::{KeyError, KeyKind, Signer, VerifierKey};
pub use log::{
    AppendError, BlobError, CloseError, Erase, EraseError, Erased, Erasures, ExchangeEntry,
    HeadError, Log, LogConfig, LogStatus, OpenError, Pending, PublishError, PublishHeadError,
    Published, Publishing, ReceiptError, Sealed, SignedHead,
};
pub use monitor::{Monitor, MonitorError, Round};
pub use note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteError, VerifiedNote};
pub use proof::{
    ProofError, prove_consistency, prove_inclusion, root_at, verify_consistency, verify_inclusion,
};
pub use reader::{LogView, ReadError, stored_root};
pub use receipt::{Receipt, ReceiptFault, VerifiedReceipt, verify_receipt};
pub use record::{
    Anchor, Approval, ApprovalDecision, ApprovalFault, Boot, Close, CommitmentDocument, Config,
    ConfigInForce, ConfigOf, CoverageRow, Decoded, DetectorResult, Enforcement, Erasure, Heartbeat,
    Intent, KeyChange, MAX_RECORD_BYTES, Opaque, Outcome, RECORD_VERSION, Record, RecordFault,
    RecordVerdict, RouteCounters, Statement, StatementFault, StatementKind, Stored, TestCount,
    TestRun, ToolCall, Usage,
};
pub use shard::{ShardError, last_head};
pub use tile::{TILE_WIDTH, Tile};
pub use trust::{TrustError, TrustPolicy};
pub use vault::VaultError;
pub use verify::{
    CachedSource, DirectorySource, Fault, FaultKind, Follows, LogSource, Progress, Report,
    VerifyOptions, Withheld, verify,
};
pub use witness::{
    AddCheckpoint, Cosignature, CosignatureError, Witness, WitnessError, WitnessReply,
    cosignatures, last_cosigned_path, with_cosignatures,
};
