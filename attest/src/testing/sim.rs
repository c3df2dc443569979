//! A disk in memory that forgets what was not synced: bytes of files, and
//! names in directories, each by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use crate::LogSource;
use crate::disk::{Appender, Disk, parent};

/// What a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process was killed: the page cache lives on.
    Kill,
    /// The power failed, and nothing had been written back by itself.
    Drop,
    /// The power failed, and some of what was not synced had been written back:
    /// half the bytes, some sectors of them, every second name.
    Tear(u64),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    data: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct State {
    inodes: Vec<Inode>,
    /// Path to inode; directories have none.
    names: BTreeMap<String, Option<usize>>,
    durable_names: BTreeMap<String, Option<usize>>,
    operations: u64,
    /// After this many operations every one fails.
    dies_after: Option<u64>,
    deaf: Option<Deaf>,
    /// This operation fails, and the next do not.
    fails: Option<(u64, Fails)>,
    /// Names that were renamed to, and not yet synced.
    moved: BTreeSet<String>,
    /// Files that have been synced.
    synced: BTreeSet<usize>,
    aborted: bool,
}

/// Syncs that are left out, to show that they are needed: told apart by what
/// they make durable, so that each place in the engine that syncs is one of
/// these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deaf {
    /// Of any file whose path begins like this.
    File(&'static str),
    /// Of any directory whose path begins like this.
    Directory(&'static str),
    /// The first sync of a new file whose path begins and ends like this.
    First(&'static str, &'static str),
    /// Every later one, of a file that grows.
    Later(&'static str),
    /// Of a file by its path, opened anew for it.
    Again(&'static str),
    /// Of a directory, when names were made in it since the last one.
    Made(&'static str),
    /// When names were moved within it, and none was made to stay.
    Moved(&'static str),
    /// When names went, and none came.
    Gone(&'static str),
}

/// An operation that fails once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fails {
    /// It does nothing.
    Undone,
    /// It does its work and says that it failed.
    Landed,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    pub(crate) fn dying_after(operations: u64) -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().dies_after = Some(operations);
        disk
    }

    /// The same disk, dead after so many operations in all.
    pub(crate) fn until(&self, operations: u64) -> Self {
        self.0.lock().unwrap().dies_after = Some(operations);
        self.clone()
    }

    pub(crate) fn deaf(self, deaf: Option<Deaf>) -> Self {
        self.0.lock().unwrap().deaf = deaf;
        self
    }

    /// A disk whose operation of this number fails.
    pub(crate) fn failing_at(operation: u64, fails: Fails) -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().fails = Some((operation, fails));
        disk
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    pub(crate) fn aborted(&self) -> bool {
        self.0.lock().unwrap().aborted
    }

    /// The disk after a crash.
    pub(crate) fn crashed(&self, crash: Crash) -> Self {
        let state = self.0.lock().unwrap();
        let mut after = State { inodes: state.inodes.clone(), ..State::default() };
        after.names = match crash {
            Crash::Kill => state.names.clone(),
            Crash::Drop => state.durable_names.clone(),
            Crash::Tear(seed) => torn_names(&state, seed),
        };
        // A name in a directory that is not there itself is lost.
        let names = after.names.clone();
        after.names.retain(|path, _| {
            let up = parent(path);
            up.is_empty() || names.contains_key(up)
        });
        for (place, inode) in (0_u64..).zip(&mut after.inodes) {
            inode.data = match crash {
                Crash::Kill => inode.data.clone(),
                Crash::Drop => inode.durable.clone(),
                Crash::Tear(seed) => torn(inode, seed ^ place),
            };
            if crash != Crash::Kill {
                inode.durable.clone_from(&inode.data);
            }
        }
        after.durable_names = match crash {
            // The page cache lives on, and is not yet on the disk.
            Crash::Kill => state.durable_names.clone(),
            Crash::Drop | Crash::Tear(_) => after.names.clone(),
        };
        Self(Arc::new(Mutex::new(after)))
    }

    /// Changes a file behind the engine's back.
    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock().unwrap();
        let place = state.names[path].unwrap();
        change(&mut state.inodes[place].data);
        state.inodes[place].durable = state.inodes[place].data.clone();
    }

    pub(crate) fn files(&self, directory: &str) -> Vec<String> {
        Disk::list(self, directory).unwrap()
    }

    /// One operation: done, refused, or done and told to have failed.
    fn operate<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        if state.dies_after.is_some_and(|last| state.operations >= last) {
            return Err(io::Error::other("the disk is dead"));
        }
        let fails = state.fails.filter(|(at, _)| *at == state.operations).map(|(_, fails)| fails);
        state.operations += 1;
        match fails {
            None => work(&mut state),
            Some(Fails::Undone) => Err(io::Error::other("the disk failed")),
            Some(Fails::Landed) => {
                work(&mut state).and_then(|_| Err(io::Error::other("the disk failed, and did it")))
            }
        }
    }
}

impl State {
    /// Whether the sync of this file is left out.
    fn deaf_to_file(&mut self, path: &str, inode: usize) -> bool {
        let first = self.synced.insert(inode);
        match self.deaf {
            Some(Deaf::First(from, to)) => first && path.starts_with(from) && path.ends_with(to),
            Some(Deaf::Later(from)) => !first && path.starts_with(from),
            Some(Deaf::File(from)) => path.starts_with(from),
            _ => false,
        }
    }

    /// Whether the sync of this directory is left out.
    fn deaf_to_directory(&mut self, path: &str) -> bool {
        let Some(deaf) = self.deaf else { return false };
        let inside = |name: &&String| parent(name) == path;
        let moved: Vec<String> = self.moved.iter().filter(inside).cloned().collect();
        self.moved.retain(|name| parent(name) != path);
        let made = self
            .names
            .keys()
            .filter(inside)
            .any(|name| !self.durable_names.contains_key(name) && !moved.contains(name));
        match deaf {
            Deaf::Made(of) => made && path.starts_with(of),
            Deaf::Moved(of) => !made && !moved.is_empty() && path.starts_with(of),
            Deaf::Gone(of) => !made && moved.is_empty() && path.starts_with(of),
            Deaf::Directory(of) => path.starts_with(of),
            Deaf::File(_) | Deaf::First(..) | Deaf::Later(_) | Deaf::Again(_) => false,
        }
    }
}

/// Half of what was not synced; of that, by the seed, some sectors are what
/// they were before.
fn torn(inode: &Inode, seed: u64) -> Vec<u8> {
    let (old, new) = (&inode.durable, &inode.data);
    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    // Shorter than it was durably: it was trimmed, and perhaps is not yet.
    let changed = new.len().max(old.len()) - same;
    let kept = same + if seed.is_multiple_of(3) { changed } else { changed / 2 };
    let length = if seed.is_multiple_of(5) { new.len() } else { old.len().max(kept) };
    let mut data = vec![0; length.min(old.len().max(new.len()))];
    for (place, sector) in data.chunks_mut(512).enumerate() {
        let start = place * 512;
        let lost = seed.wrapping_add(place as u64).is_multiple_of(2);
        for (at, byte) in (start..).zip(sector) {
            let before = old.get(at).copied().unwrap_or(0);
            let arrived = at < same || (at < kept && !lost);
            *byte = if arrived { new.get(at).copied().unwrap_or(before) } else { before };
        }
    }
    data
}

/// The durable names, and of the changes since then every second one.
fn torn_names(state: &State, seed: u64) -> BTreeMap<String, Option<usize>> {
    let mut names = state.durable_names.clone();
    let paths: Vec<&String> = state.names.keys().chain(state.durable_names.keys()).collect();
    for (place, path) in (0_u64..).zip(paths) {
        if (place + seed).is_multiple_of(2) {
            match state.names.get(path) {
                Some(inode) => names.insert(path.clone(), *inode),
                None => names.remove(path),
            };
        }
    }
    names
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
    path: String,
    /// Where the next append goes.
    end: usize,
}

impl SimFile {
    fn write(data: &mut Vec<u8>, at: usize, bytes: &[u8]) {
        data.resize(data.len().max(at + bytes.len()), 0);
        data[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl Appender for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (inode, end) = (self.inode, self.end);
        let done = self.disk.operate(|state| {
            Self::write(&mut state.inodes[inode].data, end, bytes);
            Ok(())
        });
        self.end += bytes.len();
        let mut state = self.disk.0.lock().unwrap();
        if done.is_err() && state.dies_after == Some(state.operations) {
            // What was being written when the disk died is half there.
            state.operations += 1;
            state.dies_after = Some(0);
            Self::write(&mut state.inodes[inode].data, end, &bytes[..bytes.len() / 2]);
        }
        done
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let (inode, end) = (self.inode, self.end);
        self.disk.operate(|state| {
            let data = &mut state.inodes[inode].data;
            data.resize(data.len().max(end + usize::try_from(bytes).unwrap()), 0);
            Ok(())
        })
    }

    fn trim(&mut self) -> io::Result<()> {
        let (inode, end) = (self.inode, self.end);
        self.disk.operate(|state| {
            state.inodes[inode].data.truncate(end);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let (inode, path) = (self.inode, &self.path);
        self.disk.operate(|state| {
            if !state.deaf_to_file(path, inode) {
                let inode = &mut state.inodes[inode];
                inode.durable.clone_from(&inode.data);
            }
            Ok(())
        })
    }
}

impl Disk for SimDisk {
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let state = self.0.lock().unwrap();
        let bytes = match state.names.get(path) {
            Some(Some(inode)) => state.inodes[*inode].data.clone(),
            _ => return Ok(None),
        };
        if bytes.len() as u64 > limit {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(Some(bytes))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        let names = state.names.keys().filter(|path| parent(path) == directory);
        Ok(names.map(|path| path.rsplit('/').next().unwrap().to_owned()).collect())
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn Appender>> {
        let inode = self.operate(|state| {
            let up = parent(path);
            if !up.is_empty() && !state.names.contains_key(up) {
                return Err(io::Error::from(io::ErrorKind::NotFound));
            }
            let inode = state.inodes.len();
            state.inodes.push(Inode::default());
            state.names.insert(path.to_owned(), Some(inode));
            Ok(inode)
        })?;
        Ok(Box::new(SimFile { disk: self.clone(), inode, path: path.to_owned(), end: 0 }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.operate(|state| {
            let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.names.insert(to.to_owned(), inode);
            state.moved.insert(to.to_owned());
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.operate(|state| {
            state.names.remove(path).map(|_| ()).ok_or(io::Error::from(io::ErrorKind::NotFound))
        })
    }

    fn make_directory(&self, path: &str) -> io::Result<()> {
        self.operate(|state| {
            state.names.entry(path.to_owned()).or_insert(None);
            Ok(())
        })
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        self.operate(|state| {
            let inode = state.names.get(path).copied().flatten().ok_or(io::ErrorKind::NotFound)?;
            if !matches!(state.deaf, Some(Deaf::Again(deaf)) if path.starts_with(deaf)) {
                let inode = &mut state.inodes[inode];
                inode.durable.clone_from(&inode.data);
            }
            Ok(())
        })
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        self.operate(|state| {
            if state.deaf_to_directory(path) {
                return Ok(());
            }
            state.durable_names.retain(|name, _| parent(name) != path);
            let names: Vec<_> =
                state.names.iter().map(|(name, inode)| (name.clone(), *inode)).collect();
            for (name, inode) in names {
                if parent(&name) == path {
                    state.durable_names.insert(name, inode);
                }
            }
            Ok(())
        })
    }

    fn abort(&self, _: &str) {
        let mut state = self.0.lock().unwrap();
        state.aborted = true;
        // Nothing happens after an abort.
        state.dies_after = Some(0);
    }
}

impl LogSource for SimDisk {
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        Disk::read(self, path, limit)
    }

    fn read_range(&self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let bytes = Disk::read(self, path, u64::MAX)?.unwrap_or_default();
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        Ok(bytes[from..from.saturating_add(length).min(bytes.len())].to_vec())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        Disk::list(self, directory)
    }

    fn pin(&self, path: &str) -> io::Result<Option<u64>> {
        Ok(Disk::read(self, path, u64::MAX)?.map(|bytes| bytes.len() as u64))
    }
}
