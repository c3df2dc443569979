//! The audit as a machine that takes one step at a time, each reading few
//! files. Its state can be copied between steps, which is how the tests change
//! every byte of a log without verifying all of it each time.

mod anchors;
mod chain;
mod hashes;

use std::collections::{BTreeMap, VecDeque};
use std::io;

use crate::checkpoint::{Checkpoint, CheckpointError, VerifiedCheckpoint};
use crate::hash::{Digest, Hash};
use crate::log::{MAX_BLOB_LIMIT, blob_path};
use crate::note::{MAX_NOTE_BYTES, NoteError};
use crate::record::{Fact, Facts, Record, RecordFault};
use crate::tile::{Entries, MAX_BUNDLE_BYTES, TILE_WIDTH, Tile};
use crate::trust::TrustPolicy;
use crate::wal::{self, Bytes, Frame, Reader, ScanFault, SegmentHeader, SegmentName};

use super::ahead::Ahead;
use super::bundle::{Bundle, Compared, compare_tile, parse};
use super::report::{FaultKind, Faults, Follows, Report, describe};
use super::semantics::{Semantics, unless};
use super::tree::{Made, Tree};
use super::{LogSource, Progress, VerifyOptions};

/// What comes next.
#[derive(Debug, Clone)]
enum Phase {
    Checkpoint,
    Segments,
    /// Entries from the bundle at the tree's size.
    Bundle,
    /// The same without entries, which are not public: hashes from the tile.
    Hashes,
    /// The header of the segment at this place.
    Segment(usize),
    /// The frames of the segment at this place.
    Frames(usize, Reader),
    Edge,
    Done,
}

/// A file that must say the same as the entries.
#[derive(Debug, Clone)]
enum Check {
    Tile(Made, bool),
    /// A tile that was compared already, and how that came out.
    Compared(Tile, bool, Compared),
    Bundle(u64, Vec<Hash>, bool),
    Blob(u64, Digest),
    /// The record at this index says that witnesses saw this checkpoint.
    Anchor(u64, Checkpoint),
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Audit<'a> {
    policy: &'a TrustPolicy,
    options: &'a VerifyOptions,
    keys: Vec<String>,
    phase: Phase,
    checks: VecDeque<Check>,
    head: Option<VerifiedCheckpoint>,
    /// There is no public checkpoint at all.
    headless: bool,
    segments: Vec<SegmentName>,
    last_length: u64,
    link: Option<[u8; 32]>,
    tree: Tree,
    /// Roots at the heads of frames, the newest: what anchors speak of.
    roots: BTreeMap<u64, Hash>,
    withheld: u64,
    booted: bool,
    follows: Option<Follows>,
    /// The first entry of the frames whose heads no key of the policy has
    /// signed, nor any head after them so far.
    unproven: Option<u64>,
    semantics: Semantics,
    faults: Faults,
}

impl<'a> Audit<'a> {
    pub(super) fn new(policy: &'a TrustPolicy, options: &'a VerifyOptions) -> Self {
        let longest = u64::try_from(options.longest_exchange.as_micros()).unwrap_or(u64::MAX);
        Self {
            policy,
            options,
            keys: policy.logs().iter().map(ToString::to_string).collect(),
            phase: Phase::Checkpoint,
            checks: VecDeque::new(),
            head: None,
            headless: false,
            segments: Vec::new(),
            last_length: 0,
            link: None,
            tree: Tree::new(),
            roots: BTreeMap::new(),
            withheld: 0,
            booted: false,
            follows: None,
            unproven: None,
            semantics: Semantics::new(longest),
            faults: Faults::new(options.listed_faults),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        let done = self.tree.size();
        let head = self.head.as_ref().map_or(0, |head| head.checkpoint.size);
        Progress { done, total: done.max(head) }
    }

    /// Does the next piece of work; `false` when there is none left.
    pub(super) fn step(&mut self, log: &dyn LogSource) -> bool {
        self.step_ahead(log, None)
    }

    /// The full bundles that come next, once that is known.
    pub(super) fn bundles(&self) -> Option<std::ops::Range<u64>> {
        let next = self.tree.size() / TILE_WIDTH;
        let known = matches!(self.phase, Phase::Bundle) && self.checks.is_empty();
        known.then(|| next..self.bundles_end() / TILE_WIDTH)
    }

    /// A step that may find its bundle read already.
    pub(super) fn step_ahead(&mut self, log: &dyn LogSource, ahead: Option<&Ahead>) -> bool {
        if self.options.stop_at_first && self.faults.any() {
            return false;
        }
        let done = match self.checks.pop_front() {
            Some(check) => self.check(log, &check),
            None => self.advance(log, ahead),
        };
        if let Err(fault) = done {
            // Nothing honest is longer than the formats allow.
            let (kind, what) = if fault.kind() == io::ErrorKind::FileTooLarge {
                (FaultKind::Tampered, "a file is longer than any of its kind".to_owned())
            } else {
                (FaultKind::Unreadable, format!("a file cannot be read: {fault}"))
            };
            self.fault(None, kind, what);
            self.phase = Phase::Done;
            self.checks.clear();
        }
        !(matches!(self.phase, Phase::Done) && self.checks.is_empty())
    }

    #[cfg(test)]
    pub(super) fn has_fault(&self) -> bool {
        self.faults.any()
    }

    /// The segment that is being read, and how far.
    #[cfg(test)]
    pub(super) fn place(&self) -> Option<(String, u64)> {
        match &self.phase {
            Phase::Frames(place, reader) => {
                Some((self.segments.get(*place)?.path(), reader.offset()))
            }
            _ => None,
        }
    }

    pub(super) fn finish(mut self) -> Report {
        let size = self.tree.size();
        let root = self.tree.root();
        self.judge_age();
        self.judge_chain();
        let mut report = self.semantics.finish(&self.keys, &mut self.faults);
        report.withheld = self.withheld;
        report.follows = self.follows;
        if let Some(head) = &self.head {
            describe(head, &mut report);
        }
        report.size = size;
        report.root = root.to_string();
        self.faults.conclude(&mut report);
        report
    }

    fn fault(&mut self, index: Option<u64>, kind: FaultKind, what: impl Into<String>) {
        self.faults.add(index, kind, what);
    }

    fn advance(&mut self, log: &dyn LogSource, ahead: Option<&Ahead>) -> io::Result<()> {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Checkpoint => {
                self.phase = Phase::Segments;
                self.checkpoint(log)
            }
            Phase::Segments => {
                self.phase = Phase::Bundle;
                self.find_segments(log)
            }
            Phase::Bundle => self.bundle(log, ahead),
            Phase::Hashes => self.hashes(log),
            Phase::Segment(place) => self.segment(log, place),
            Phase::Frames(place, reader) => self.frames(log, place, reader),
            Phase::Edge => {
                self.edge();
                Ok(())
            }
            Phase::Done => Ok(()),
        }
    }

    /// The public checkpoint: read before anything else, so that a log that is
    /// running can only be ahead of it.
    fn checkpoint(&mut self, log: &dyn LogSource) -> io::Result<()> {
        let limit = u64::try_from(MAX_NOTE_BYTES).unwrap_or(u64::MAX);
        // Whether that is a fault of the log, or no log at all, is told when
        // its segments were looked for.
        let Some(note) = log.read("checkpoint", limit)? else {
            self.headless = true;
            return Ok(());
        };
        match Checkpoint::verify(&note, self.policy) {
            Ok(head) => {
                if !head.quorum {
                    let what = CheckpointError::Quorum.to_string();
                    self.fault(None, FaultKind::Unwitnessed, what);
                }
                self.semantics.belongs_to(&head.checkpoint.origin);
                self.head = Some(head);
                self.compare_head();
            }
            Err(fault) => self.fault(None, FaultKind::Tampered, format!("the checkpoint: {fault}")),
        }
        Ok(())
    }

    /// The segments of the write-ahead log, where there is one: an export has
    /// none.
    fn find_segments(&mut self, log: &dyn LogSource) -> io::Result<()> {
        // A running log may delete a segment between listing and opening it.
        for _ in 0..8 {
            self.segments = SegmentName::newest(&log.list(wal::DIRECTORY)?);
            let mut lengths = Vec::new();
            for name in &self.segments {
                lengths.extend(log.pin(&name.path())?);
            }
            if lengths.len() == self.segments.len() {
                // A log that runs on is verified up to here.
                self.last_length = lengths.last().copied().unwrap_or(0);
                if self.headless {
                    self.no_checkpoint();
                }
                return Ok(());
            }
        }
        Err(io::Error::from(io::ErrorKind::NotFound))
    }

    fn no_checkpoint(&mut self) {
        if self.segments.is_empty() {
            self.fault(None, FaultKind::Unreadable, "no log here: there is no `checkpoint`");
            self.phase = Phase::Done;
        } else {
            self.fault(None, FaultKind::Incomplete, "there is no `checkpoint`");
        }
    }

    /// Where the write-ahead log begins, or else where the log ends.
    fn bundles_end(&self) -> u64 {
        match (self.segments.first(), &self.head) {
            (Some(name), _) => name.first,
            (None, Some(head)) => head.checkpoint.size,
            (None, None) => 0,
        }
    }

    /// The entries of one bundle, as far as they are needed from it.
    fn bundle(&mut self, log: &dyn LogSource, ahead: Option<&Ahead>) -> io::Result<()> {
        let (size, end) = (self.tree.size(), self.bundles_end());
        if size >= end {
            self.phase = if self.segments.is_empty() { Phase::Edge } else { Phase::Segment(0) };
            return Ok(());
        }
        if end - size < TILE_WIDTH || !size.is_multiple_of(TILE_WIDTH) {
            return self.partial_bundle(log, end);
        }
        let index = size / TILE_WIDTH;
        let judged = ahead.and_then(|ahead| ahead.take(index));
        match judged.unwrap_or_else(|| Bundle::read(log, index)) {
            Ok(Some(bundle)) => self.full_bundle(index, bundle),
            Ok(None) => {
                self.bundle_missing(Tile::bundle(index));
                Ok(())
            }
            Err(fault) => self.withheld(fault),
        }
    }

    fn bundle_missing(&mut self, tile: Tile) {
        let (size, end) = (self.tree.size(), self.bundles_end());
        let what = format!("`{tile}` is missing: {} entries cannot be read", end - size);
        self.fault(Some(size), FaultKind::Incomplete, what);
    }

    fn bundle_damaged(&mut self, tile: Tile, size: u64) {
        let what = format!("`{tile}` does not hold the entries that it should");
        self.fault(Some(size), FaultKind::Tampered, what);
    }

    /// A bundle of which all is needed.
    fn full_bundle(&mut self, index: u64, bundle: Bundle) -> io::Result<()> {
        let size = self.tree.size();
        let within = size + 1..size + TILE_WIDTH;
        let head_within =
            self.head.as_ref().is_some_and(|head| within.contains(&head.checkpoint.size));
        let Bundle { facts, routes, hashes, root, tile } = bundle;
        // A head inside the bundle wants the tree at its size.
        let mut each = (root.is_none() || head_within).then(|| hashes.clone().into_iter());
        for (index, facts) in (size..).zip(facts) {
            let route = |place: usize| routes.get(place).map_or("", String::as_str);
            self.facts(index, facts.map(|facts| facts.map_route(route)));
            if let Some(leaf) = each.as_mut().and_then(Iterator::next) {
                // Its tile was compared, or the bundle is refused.
                let required = self.required(index);
                let checks = &mut self.checks;
                self.tree.push(leaf, |made| higher(made, required, checks));
                self.compare_head();
            }
            if self.options.stop_at_first && self.faults.any() {
                return Ok(());
            }
        }
        let Some(root) = root else {
            self.bundle_damaged(Tile::bundle(index), size);
            return Ok(());
        };
        let required = self.required(size + TILE_WIDTH - 1);
        self.checks.push_back(Check::Compared(Tile::hashes(0, index), required, tile?));
        if each.is_none() {
            let checks = &mut self.checks;
            self.tree.push_tile(hashes, root, |made| higher(made, required, checks));
            self.compare_head();
        }
        self.phase = Phase::Bundle;
        Ok(())
    }

    /// The bundle at the end of the entries, or one that begins in the middle.
    fn partial_bundle(&mut self, log: &dyn LogSource, end: u64) -> io::Result<()> {
        let size = self.tree.size();
        let tile = Tile::bundle(size / TILE_WIDTH);
        let wanted = (end - size).min(TILE_WIDTH);
        let width = u16::try_from(wanted).unwrap_or(256);
        let limit = u64::try_from(MAX_BUNDLE_BYTES).unwrap_or(u64::MAX);
        // C2SP: where a partial is gone, the full one takes its place.
        let (bytes, whole) = match log.read(&tile.cut(width).to_string(), limit) {
            Ok(Some(bytes)) => (Some(bytes), true),
            Ok(None) => (log.read(&tile.to_string(), limit)?, false),
            Err(fault) => return self.withheld(fault),
        };
        let Some(bytes) = bytes else {
            self.bundle_missing(tile);
            return Ok(());
        };
        let mut read = 0;
        for entry in Entries(&bytes) {
            let (Some(entry), true) = (entry, read < wanted || whole) else { break };
            read += 1;
            if read <= wanted {
                self.entry(entry);
            }
            if self.options.stop_at_first && self.faults.any() {
                return Ok(());
            }
        }
        if read != wanted || (whole && !Entries(&bytes).all(|entry| entry.is_some())) {
            self.bundle_damaged(tile, size);
            return Ok(());
        }
        self.phase = Phase::Bundle;
        Ok(())
    }

    /// Whether the tiles and the bundle that end with this entry must be there.
    fn required(&self, index: u64) -> bool {
        let durable = self.bundles_end().next_multiple_of(TILE_WIDTH);
        self.segments.is_empty() || index < durable
    }

    /// One entry: into the tree, through the grammar, through the rules.
    fn entry(&mut self, entry: &[u8]) {
        let index = self.tree.size();
        let required = self.required(index);
        let checks = &mut self.checks;
        self.tree.push(Hash::leaf(entry), |made| {
            if made.tile.level == Some(0) {
                let hashes = made.hashes.clone();
                checks.push_back(Check::Bundle(made.tile.index, hashes, required));
            }
            checks.push_back(Check::Tile(made, required));
        });
        self.facts(index, parse(entry));
        self.compare_head();
    }

    /// What one record says, held against what the records before it said.
    fn facts<Route: AsRef<str>>(&mut self, index: u64, facts: Result<Facts<Route>, RecordFault>) {
        match facts {
            Ok(facts) => {
                self.semantics.follow(index, &facts, &self.keys, &mut self.faults);
                if let Fact::Other(record) = &facts.fact {
                    match record.as_ref() {
                        Record::Anchor(anchor) => self.anchor(index, anchor),
                        Record::Boot(boot) => self.chain(index, boot),
                        _ => {}
                    }
                    let blobs = record.blobs().into_iter();
                    self.checks.extend(blobs.map(|digest| Check::Blob(index, digest)));
                }
            }
            Err(fault) => {
                self.fault(Some(index), FaultKind::Tampered, format!("not a record: {fault}"));
            }
        }
    }

    /// Holds the public checkpoint to the tree when both have the same size.
    fn compare_head(&mut self) {
        let Some(head) = &self.head else { return };
        if head.checkpoint.size == self.tree.size() && head.checkpoint.root != self.tree.root() {
            let what = "the entries do not lead to the checkpoint's root";
            self.fault(None, FaultKind::Tampered, what);
        }
    }

    fn segment(&mut self, log: &dyn LogSource, place: usize) -> io::Result<()> {
        let Some(name) = self.segments.get(place).copied() else {
            self.phase = Phase::Edge;
            return Ok(());
        };
        let last = place + 1 == self.segments.len();
        let opened = Reader::open(&mut Ranges { log, path: name.path() });
        match opened {
            Ok(Some((header, reader))) => {
                self.header(name, &header);
                self.phase = Phase::Frames(place, reader);
            }
            // A crash while a segment was begun: nothing was acknowledged.
            Ok(None) if last && place > 0 => {
                self.fault(None, FaultKind::Incomplete, "the last segment is torn");
                self.phase = Phase::Edge;
            }
            Ok(None) => self.fault(None, FaultKind::Tampered, "a segment's header is torn"),
            Err(ScanFault::Io(fault)) => return Err(fault),
            Err(fault) => self.fault(None, FaultKind::Tampered, format!("`{name}`: {fault}")),
        }
        Ok(())
    }

    fn header(&mut self, name: SegmentName, header: &SegmentHeader) {
        let origin = self.head.as_ref().map(|head| wal::first_link(&head.checkpoint.origin));
        let expected = match self.link {
            None if name.first == 0 => origin,
            link => link,
        };
        if header.name != name || name.first != self.tree.size() {
            self.fault(None, FaultKind::Tampered, format!("`{name}` does not follow"));
        }
        if expected.is_some_and(|expected| expected != header.previous) {
            let what = format!("`{name}` does not follow the frame before it");
            self.fault(None, FaultKind::Tampered, what);
        }
        if !self.semantics.agrees(header) {
            let what = format!("`{name}` does not say what the records before it say");
            let kind = unless(self.semantics.unknown_records(), FaultKind::Tampered);
            self.fault(None, kind, what);
        }
        self.link = Some(header.previous);
    }

    fn frames(&mut self, log: &dyn LogSource, place: usize, mut reader: Reader) -> io::Result<()> {
        let Some(name) = self.segments.get(place).copied() else { return Ok(()) };
        let last = place + 1 == self.segments.len();
        if last && reader.offset() >= self.last_length {
            self.phase = Phase::Edge;
            return Ok(());
        }
        match reader.next(&mut Ranges { log, path: name.path() }) {
            Ok(Some(frame)) => {
                if self.frame(&frame) {
                    self.phase = Phase::Frames(place, reader);
                }
            }
            Ok(None) if reader.torn().is_some() && last && log.wait() => {
                reader.retry();
                self.phase = Phase::Frames(place, reader);
            }
            Ok(None) if reader.torn().is_some() => {
                let kind = if last { FaultKind::Incomplete } else { FaultKind::Tampered };
                self.fault(None, kind, format!("`{name}` ends in a torn frame"));
                self.phase = Phase::Edge;
            }
            Ok(None) => self.phase = Phase::Segment(place + 1),
            Err(ScanFault::Io(fault)) => return Err(fault),
            Err(fault) => self.fault(None, FaultKind::Tampered, format!("`{name}`: {fault}")),
        }
        Ok(())
    }

    /// One frame: its place in the chain, its entries, and the head that was
    /// signed over them. `false`: nothing after it can be read.
    fn frame(&mut self, frame: &Frame) -> bool {
        let first = self.tree.size();
        if frame.first() != first || frame.previous() != self.link.as_ref() {
            self.fault(
                Some(first),
                FaultKind::Tampered,
                "a frame does not follow the one before it",
            );
            return false;
        }
        for entry in frame.entries() {
            self.entry(entry);
        }
        self.link = Some(frame.link());
        self.remember_root();
        let verified = Checkpoint::verify(frame.note(), self.policy);
        let fault = match verified {
            Ok(head) => {
                let own = self
                    .head
                    .as_ref()
                    .is_none_or(|public| public.checkpoint.origin == head.checkpoint.origin);
                let root = head.checkpoint.root == self.tree.root();
                if own && root && head.checkpoint.size == self.tree.size() {
                    self.unproven = None;
                    return true;
                }
                "a frame's entries do not lead to its signed head".to_owned()
            }
            // Signed with a former key: the links bind it to the heads that
            // follow, one of which must be signed with a key of the policy.
            Err(CheckpointError::Note(NoteError::NoKnownKey)) => {
                match Checkpoint::claimed(frame.note()) {
                    Ok(head) if head.size == self.tree.size() && head.root == self.tree.root() => {
                        self.unproven.get_or_insert(first);
                        return true;
                    }
                    _ => "a frame's entries do not lead to its signed head".to_owned(),
                }
            }
            Err(fault) => format!("a frame's head: {fault}"),
        };
        self.fault(Some(first), FaultKind::Tampered, fault);
        true
    }

    /// The end of the entries: what the checkpoint promises beyond them, and
    /// the partial tiles of an export.
    fn edge(&mut self) {
        let size = self.tree.size();
        if let Some(first) = self.unproven {
            let what = "no head over these entries is signed by a key of the policy";
            self.fault(Some(first), FaultKind::Tampered, what);
        }
        let promised = self.head.as_ref().map_or(0, |head| head.checkpoint.size);
        if size < promised {
            let what = format!("{} entries under the checkpoint are missing", promised - size);
            self.fault(Some(size), FaultKind::Incomplete, what);
        }
        if self.segments.is_empty() {
            let partial: Vec<Made> = self.tree.partial().collect();
            self.checks.extend(partial.into_iter().map(|made| Check::Tile(made, true)));
        }
    }

    fn check(&mut self, log: &dyn LogSource, check: &Check) -> io::Result<()> {
        match check {
            Check::Tile(made, required) => {
                let compared = compare_tile(log, made.tile, &made.hashes)?;
                self.compared(made.tile, *required, compared);
                Ok(())
            }
            Check::Compared(tile, required, compared) => {
                self.compared(*tile, *required, *compared);
                Ok(())
            }
            Check::Bundle(index, hashes, required) => {
                self.check_bundle(log, *index, hashes, *required)
            }
            Check::Blob(index, digest) => self.check_blob(log, *index, digest),
            Check::Anchor(index, anchored) => self.check_anchor(log, *index, anchored),
        }
    }

    fn compared(&mut self, tile: Tile, required: bool, compared: Compared) {
        match compared {
            Compared::Missing if required => {
                self.fault(None, FaultKind::Incomplete, format!("`{tile}` is missing"));
            }
            Compared::Missing | Compared::Same => {}
            Compared::Differs => {
                let what = format!("`{tile}` is not what the entries hash to");
                self.fault(None, FaultKind::Tampered, what);
            }
        }
    }

    fn check_bundle(
        &mut self,
        log: &dyn LogSource,
        index: u64,
        hashes: &[Hash],
        required: bool,
    ) -> io::Result<()> {
        let tile = Tile::bundle(index);
        let limit = u64::try_from(MAX_BUNDLE_BYTES).unwrap_or(u64::MAX);
        match log.read(&tile.to_string(), limit)? {
            None if required => {
                self.fault(None, FaultKind::Incomplete, format!("`{tile}` is missing"));
            }
            None => {}
            Some(bytes) => {
                let stored = Entries(&bytes).map(|entry| entry.map(Hash::leaf));
                if !stored.eq(hashes.iter().copied().map(Some)) {
                    let what = format!("`{tile}` does not hold the signed entries");
                    self.fault(None, FaultKind::Tampered, what);
                }
            }
        }
        Ok(())
    }

    fn check_blob(&mut self, log: &dyn LogSource, index: u64, digest: &Digest) -> io::Result<()> {
        match log.read(&blob_path(digest), MAX_BLOB_LIMIT)? {
            None => self.fault(
                Some(index),
                FaultKind::Incomplete,
                format!("the blob `{digest}` is missing"),
            ),
            Some(bytes) if Digest::of(&bytes) == *digest => {}
            Some(_) => {
                let what = format!("the blob `{digest}` has other bytes");
                self.fault(Some(index), FaultKind::Tampered, what);
            }
        }
        Ok(())
    }
}

/// A tile of a full bundle's entries: the lowest was compared with the bundle.
fn higher(made: Made, required: bool, checks: &mut VecDeque<Check>) {
    if made.tile.level != Some(0) {
        checks.push_back(Check::Tile(made, required));
    }
}

/// A segment's bytes, range by range.
struct Ranges<'a> {
    log: &'a dyn LogSource,
    path: String,
}

impl Bytes for Ranges<'_> {
    fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.log.read_range(&self.path, offset, length)
    }
}
