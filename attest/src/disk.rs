//! Every file operation of the engine, behind one trait: what is not asked of
//! a `Disk` never happens, so that a test can stand in for the disk and lose
//! whatever was not synced.
//!
//! Paths are relative to the log's directory and use `/`. Only this crate
//! makes them, from numbers and digests: nothing a peer says is a path here.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A directory of files.
pub(crate) trait Disk: Debug + Send + Sync + 'static {
    /// The file's bytes, or nothing when there is none. More than `limit` is
    /// an error.
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>>;
    /// Names in a directory; none when it does not exist.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;
    /// A new, empty file; one that is there is emptied.
    fn create(&self, path: &str) -> io::Result<Box<dyn Appender>>;
    /// Replaces `to` by `from`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes one directory; one that is there is fine.
    fn make_directory(&self, path: &str) -> io::Result<()>;
    /// Makes a file's bytes durable.
    fn sync_file(&self, path: &str) -> io::Result<()>;
    /// Makes a directory's names durable.
    fn sync_directory(&self, path: &str) -> io::Result<()>;
    /// What cannot be undone happened: a sync failed, and the page cache may
    /// now lie. Ends the process on a real disk.
    fn abort(&self, what: &str);
}

/// A file that only grows.
pub(crate) trait Appender: Debug + Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes room for what will be appended: zeros after the end, which count
    /// as nothing. A sync of bytes that lie in such room need not make a new
    /// length durable with them, which halves its time. Want of space for more
    /// room is no error.
    fn reserve(&mut self, bytes: u64) -> io::Result<()>;
    /// Gives room back that nothing was appended to.
    fn trim(&mut self) -> io::Result<()>;
    /// Makes everything appended durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// Makes a directory and its parents, each durable in its own parent.
pub(crate) fn ensure_directory(disk: &dyn Disk, path: &str) -> io::Result<()> {
    let mut made = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let parent = made.clone();
        if !made.is_empty() {
            made.push('/');
        }
        made.push_str(part);
        disk.make_directory(&made)?;
        sync_directory(disk, &parent)?;
    }
    Ok(())
}

/// Writes a small file so that after a crash it is either whole or not there:
/// a name beside it, its bytes synced, then renamed, then the directory synced.
pub(crate) fn write_durably(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = format!("{path}.tmp");
    let mut file = disk.create(&beside)?;
    file.append(bytes)?;
    or_abort(disk, "file", file.sync())?;
    drop(file);
    disk.rename(&beside, path)?;
    sync_directory(disk, parent(path))
}

/// Syncs a directory, or ends the process.
pub(crate) fn sync_directory(disk: &dyn Disk, path: &str) -> io::Result<()> {
    or_abort(disk, "directory", disk.sync_directory(path))
}

/// An error of a sync is never retried: the kernel may have dropped the dirty
/// pages and answer "good" the second time.
pub(crate) fn or_abort<T>(disk: &dyn Disk, what: &str, done: io::Result<T>) -> io::Result<T> {
    if done.as_ref().is_err_and(|fault| !NotOpened::is_cause_of(fault)) {
        disk.abort(what);
    }
    done
}

/// What was to be synced could not be opened, for want of descriptors perhaps:
/// no sync failed, and it may be tried again.
#[derive(Debug, thiserror::Error)]
#[error("cannot be opened: {0}")]
struct NotOpened(io::Error);

impl NotOpened {
    fn wrap(fault: io::Error) -> io::Error {
        io::Error::new(fault.kind(), Self(fault))
    }

    fn is_cause_of(fault: &io::Error) -> bool {
        fault.get_ref().is_some_and(|cause| cause.is::<Self>())
    }
}

/// The directory that holds a path.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The file system, below one directory.
#[derive(Debug)]
pub(crate) struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

/// Makes a log's own directory, durable by its name: each directory on the way
/// that had to be made is synced in its parent, and so is the last in any case,
/// since a run before may have died between the two.
pub(crate) fn make_home(directory: &Path) -> io::Result<()> {
    let above = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_owned),
    };
    let mut missing = vec![directory.to_owned()];
    while let Some(parent) = missing.last().and_then(|path| above(path)).filter(|up| !up.exists()) {
        missing.push(parent);
    }
    for path in missing.iter().rev() {
        match fs::create_dir(path) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
            _ => {}
        }
        if let Some(parent) = above(path) {
            File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

/// Takes the lock of a directory, for as long as the file is open; nothing when
/// another process has it. Never waits.
pub(crate) fn take_lock(directory: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let file = options.open(directory.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(fault)) => Err(fault),
    }
}

/// Reads a file that may not be there and must not be larger than `limit`.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(fault),
    };
    // Room for the whole file and a byte that shows its end: one allocation,
    // one read. The length is a hint that nothing rests on.
    let length = file.metadata().map_or(0, |metadata| metadata.len()).min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(Some(bytes))
}

/// The names in a directory, sorted; none when it does not exist.
pub(crate) fn list_names(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

impl Disk for RealDisk {
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.at(path), limit)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        list_names(&self.at(directory))
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn Appender>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            // Keys are for their owner alone; the rest may be audited.
            options.mode(if path.starts_with("vault/") { 0o600 } else { 0o644 });
        }
        Ok(Box::new(RealFile { file: options.open(self.at(path))?, end: 0 }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.at(path))
    }

    fn make_directory(&self, path: &str) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        if path.starts_with("vault") {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        }
        match builder.create(self.at(path)) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => Err(fault),
            _ => Ok(()),
        }
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        File::open(self.at(path)).map_err(NotOpened::wrap)?.sync_all()
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        File::open(self.at(path)).map_err(NotOpened::wrap)?.sync_all()
    }

    fn abort(&self, what: &str) {
        // Neither a log line nor an unwinding may keep the process alive, but
        // the operator is told why it died.
        let _ = writeln!(io::stderr(), "troth: a sync of a {what} failed; stopping");
        std::process::abort()
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
    /// Where the next append goes.
    end: u64,
}

impl Appender for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.end = self.end.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let made = io::copy(&mut io::repeat(0).take(bytes), &mut self.file);
        self.file.seek(SeekFrom::Start(self.end))?;
        match made.map_err(|fault| (fault.kind(), fault)) {
            Err((kind, fault)) if !NO_ROOM.contains(&kind) => Err(fault),
            _ => Ok(()),
        }
    }

    fn trim(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// What the system says where a file cannot grow.
const NO_ROOM: [io::ErrorKind; 3] =
    [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
