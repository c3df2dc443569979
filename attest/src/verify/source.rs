//! Where a log's files come from.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::disk::{list_names, read_bounded};

/// The files of a log, by their paths below its root.
pub trait LogSource: Debug + Send + Sync {
    /// A file's bytes, or nothing when there is none.
    ///
    /// # Errors
    /// It cannot be read, is larger than `limit`, or is [`Withheld`].
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>>;

    /// Up to `length` bytes of a file from `offset`; fewer only at its end, or
    /// when there is no such file.
    ///
    /// # Errors
    /// It cannot be read.
    fn read_range(&self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    /// The names in a directory, sorted; none when it does not exist.
    ///
    /// # Errors
    /// It cannot be read.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Keeps a file readable although a running log may delete it, and tells how
    /// long it is now; nothing when it is gone already.
    ///
    /// # Errors
    /// It cannot be opened.
    fn pin(&self, path: &str) -> io::Result<Option<u64>>;

    /// Waits a moment for whoever may be writing the log; `false` when that is
    /// not worth while (any more).
    fn wait(&self) -> bool {
        false
    }
}

/// Inside the [`io::Error`] of a file that is there, and not for the public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not public")]
pub struct Withheld;

impl Withheld {
    /// Whether this is why a file was not read.
    #[must_use]
    pub fn is_cause_of(fault: &io::Error) -> bool {
        let mut cause = fault.get_ref().map(|cause| cause as &(dyn Error + 'static));
        while let Some(inner) = cause {
            if inner.is::<Self>() {
                return true;
            }
            cause = inner.source();
        }
        false
    }
}

/// A directory: a log's own, running or not, or a static export.
#[derive(Debug)]
pub struct DirectorySource {
    root: PathBuf,
    pinned: Mutex<HashMap<String, File>>,
    waits: AtomicU32,
}

impl DirectorySource {
    /// The log in this directory.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), pinned: Mutex::default(), waits: AtomicU32::new(MAX_WAITS) }
    }
}

impl LogSource for DirectorySource {
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.root.join(path), limit)
    }

    fn read_range(&self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = pinned.get_mut(path) else { return Ok(Vec::new()) };
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(u64::try_from(length).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        list_names(&self.root.join(directory))
    }

    fn pin(&self, path: &str) -> io::Result<Option<u64>> {
        let file = match File::open(self.root.join(path)) {
            Ok(file) => file,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        let length = file.metadata()?.len();
        pinned.insert(path.to_owned(), file);
        Ok(Some(length))
    }

    fn wait(&self) -> bool {
        let left = self
            .waits
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() {
            std::thread::sleep(WAIT);
        }
        left.is_ok()
    }
}

/// A frame that is being written is whole after one of these, or is torn.
const WAIT: Duration = Duration::from_millis(20);
const MAX_WAITS: u32 = 25;
