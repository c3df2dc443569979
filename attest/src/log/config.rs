//! What a log is opened with.

use std::path::PathBuf;
use std::time::Duration;

use crate::keys::Signer;

use super::Publishing;

/// How a log is kept.
///
/// # Defaults
/// `previous` and `follows` are none; `replica` is `0`; `publish` plain; `publish_interval` one second; `queue_records` 65,536;
/// `max_clock_step` five seconds; `publish_entries` false; `segment_bytes`
/// 8 MiB.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Where its files are; made when it does not exist.
    pub directory: PathBuf,
    /// Its name, which must be the signer's.
    pub origin: String,
    /// The key that signs its checkpoints.
    pub signer: Signer,
    /// The key before it, while the log's key changes: both sign, so that
    /// verifiers may move from one to the other in their own time.
    pub previous: Option<Signer>,
    /// The last checkpoint of the log that this one goes on from, as
    /// [`last_head`](crate::last_head) gives it: where one log ends and a new
    /// one begins under another name, the first `boot` chains them. Of no
    /// effect on a log that has records.
    pub follows: Option<String>,
    /// Which replica writes it.
    pub replica: String,
    /// Who moves the public checkpoint.
    pub publish: Publishing,
    /// The public checkpoint moves at most once in this time.
    pub publish_interval: Duration,
    /// Records that may wait; one more is refused.
    pub queue_records: usize,
    /// How far the clock may run back before records are refused; less is
    /// clamped.
    pub max_clock_step: Duration,
    /// Whether entry bundles and blobs are public.
    pub publish_entries: bool,
    /// A segment of the write-ahead log that has reached this many bytes is
    /// followed by a new one. Segments whose entries are not yet in tiles are
    /// also held in memory.
    pub segment_bytes: u64,
}

impl LogConfig {
    /// A log in this directory, with the defaults.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, origin: impl Into<String>, signer: Signer) -> Self {
        Self {
            directory: directory.into(),
            origin: origin.into(),
            signer,
            previous: None,
            follows: None,
            replica: "0".to_owned(),
            publish: Publishing::Plain,
            publish_interval: Duration::from_secs(1),
            queue_records: 65_536,
            max_clock_step: Duration::from_secs(5),
            publish_entries: false,
            segment_bytes: 8 * 1024 * 1024,
        }
    }
}
