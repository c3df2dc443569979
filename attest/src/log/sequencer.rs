//! The sequencer: the one thread that gives records their order, their time
//! and their durability.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::checkpoint::Checkpoint;
use crate::disk::{self, Appender};
use crate::frontier::Frontier;
use crate::hash::Hash;
use crate::record::{Close, Encoded, ExchangeKey, KeyChange, Outcome, Record, SHUTDOWN, Subject};
use crate::wal::{Frame, FrameBuilder, MAX_OPEN, OpenIntent, SegmentHeader, SegmentName};

use super::shared::{Job, Phase, Shared, lock};
use super::{AppendError, Sealed};

/// The state that records go on from.
#[derive(Debug)]
pub(super) struct State {
    pub(super) frontier: Frontier,
    /// The hash of the last frame.
    pub(super) link: [u8; 32],
    /// The time of the last record.
    pub(super) time: u64,
    pub(super) intents: u64,
    pub(super) outcomes: u64,
    /// Intents without outcome. Outcomes name an index, so that a verifier can
    /// pair them in constant memory; the ids of open exchanges ride along.
    pub(super) open: BTreeMap<u64, ExchangeKey>,
    /// The same, by exchange.
    pub(super) open_keys: HashSet<ExchangeKey>,
}

impl State {
    /// What the header of a segment that starts here says.
    pub(super) fn header(&self, name: SegmentName) -> SegmentHeader {
        SegmentHeader {
            name,
            time: self.time,
            intents: self.intents,
            outcomes: self.outcomes,
            previous: self.link,
            open: self
                .open
                .iter()
                .map(|(index, key)| OpenIntent { index: *index, key: *key })
                .collect(),
        }
    }

    /// Follows one record.
    pub(super) fn follow(&mut self, subject: &Subject, index: u64) {
        match subject {
            Subject::Intent(key) => {
                self.intents += 1;
                self.open.insert(index, *key);
                self.open_keys.insert(*key);
            }
            Subject::Outcome(key, intent) => {
                self.outcomes += 1;
                self.open.remove(intent);
                self.open_keys.remove(key);
            }
            Subject::Call(..) | Subject::Other => {}
        }
    }
}

/// The segment that frames are appended to.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: Box<dyn Appender>,
    pub(super) name: SegmentName,
    pub(super) bytes: u64,
    /// How far the file reaches, with the room that frames do not fill yet.
    pub(super) reserved: u64,
}

impl Segment {
    /// A segment that ends after `bytes`.
    pub(super) fn new(file: Box<dyn Appender>, name: SegmentName, bytes: usize) -> Self {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Self { file, name, bytes, reserved: bytes }
    }

    /// Appends a frame, which is durable after the next sync.
    fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.file.append(frame)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Makes room ahead where frames have come near its end.
    fn make_room(&mut self) -> io::Result<()> {
        if self.bytes.saturating_add(ROOM / 8) > self.reserved {
            self.file.reserve(ROOM)?;
            self.reserved = self.bytes.saturating_add(ROOM);
        }
        Ok(())
    }
}

/// Bytes of room made at once. Of 64 KiB to 4 MiB this costs the least: making
/// it is 0.2 ms once in 256 KiB, and a sync within it takes 0.1 ms where one
/// that makes the file longer takes 0.2.
const ROOM: u64 = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Sequencer {
    shared: Arc<Shared>,
    state: State,
    segment: Segment,
    /// How many waited when the last group was answered: its own, and who came
    /// during its sync. About as many will be there for the next one.
    crowd: usize,
}

type Waiter = oneshot::Sender<Result<Sealed, AppendError>>;

impl Sequencer {
    pub(super) fn new(shared: Arc<Shared>, state: State, segment: Segment) -> Self {
        Self { shared, state, segment, crowd: 0 }
    }

    /// Runs until the log is closed, dropped or has failed.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _ended = Ended(Arc::clone(&self.shared));
        loop {
            let (jobs, phase) = shared.next_jobs();
            if self.commit(Arrivals::open(jobs, self.crowd)).is_err() || phase == Phase::Failed {
                break;
            }
            match phase {
                Phase::Running | Phase::Failed => {}
                Phase::Stopping => break,
                Phase::Closing | Phase::Ending => {
                    // Nothing may say that the log was closed where it was not.
                    if let Err(fault) = self.finish(phase == Phase::Ending) {
                        shared.fail(&fault.to_string());
                    }
                    break;
                }
            }
        }
        // Room that stays is read as nothing; this is for whoever pays for it.
        let _ = self.segment.file.trim();
    }

    /// Ends what is open, then the log.
    fn finish(&mut self, end: bool) -> Result<(), AppendError> {
        self.abort_open(SHUTDOWN)?;
        let close = Close {
            end,
            intents: self.state.intents,
            outcomes: self.state.outcomes,
            ..Close::default()
        };
        self.write(vec![Record::Close(close)])
    }

    /// Writes an `abort` for every intent that has no outcome.
    pub(super) fn abort_open(&mut self, reason: &str) -> Result<(), AppendError> {
        let open: Vec<u64> = self.state.open.keys().copied().collect();
        let mut records = Vec::with_capacity(open.len());
        for index in open {
            let entry = self.shared.entry(index).map_err(|fault| self.fail("read", &fault))?;
            let exchange = match crate::record::Stored::parse(&entry).map(|stored| stored.record) {
                Ok(Some(Record::Intent(intent))) => intent.exchange,
                _ => return Err(self.fail("read", &super::shared::missing())),
            };
            records.push(Record::Outcome(Box::new(Outcome::aborted(exchange, index, reason))));
        }
        self.write(records)
    }

    /// Writes down that the log's key changes, under both keys.
    pub(super) fn change_keys(&mut self) -> Result<(), AppendError> {
        let signers = &self.shared.signers;
        let Some(previous) = signers.previous() else { return Ok(()) };
        let change = KeyChange::signed(previous, signers.current());
        self.write(vec![Record::Key(change)])
    }

    /// Writes the engine's own records and waits for them.
    fn write(&mut self, records: Vec<Record>) -> Result<(), AppendError> {
        let mut jobs = Vec::with_capacity(records.len());
        let mut receivers = Vec::with_capacity(records.len());
        for record in records {
            let encoded = Encoded::new(record).map_err(|_| AppendError::TooLarge)?;
            let (waiter, receiver) = oneshot::channel();
            jobs.push(Job { encoded, waiter });
            receivers.push(receiver);
        }
        self.commit(Arrivals::closed(jobs))?;
        for receiver in receivers {
            // Answered already: a group tells its waiters before it returns.
            receiver.try_recv().unwrap_or(Err(AppendError::Closed))?;
        }
        Ok(())
    }

    /// Makes these records durable, in as few groups as they fit.
    fn commit(&mut self, mut jobs: Arrivals) -> Result<(), AppendError> {
        while !jobs.waiting.as_slice().is_empty() {
            self.group(&mut jobs)?;
        }
        Ok(())
    }

    /// One frame, one fdatasync. Whoever waits is answered before it returns.
    fn group(&mut self, jobs: &mut Arrivals) -> Result<(), AppendError> {
        let now = self.shared.clock.now_micros();
        if self.state.time.saturating_sub(now) > self.shared.max_clock_step {
            jobs.waiting.by_ref().for_each(|job| answer(job.waiter, Err(AppendError::Clock)));
            return Ok(());
        }
        let time = self.state.time.max(now);
        let first = self.state.frontier.size();
        let mut frame = FrameBuilder::new(first, &self.state.link, jobs.bytes());
        let mut leaves = Vec::new();
        let mut waiting: Vec<(Waiter, Subject)> = Vec::new();
        while frame.has_room() {
            let Some(job) = jobs.next(&self.shared) else { break };
            if let Err(fault) = self.admit(&job.encoded.subject) {
                answer(job.waiter, Err(fault));
                continue;
            }
            let Some(entry) = frame.push(|out| job.encoded.stamp(time, out)) else {
                answer(job.waiter, Err(AppendError::TooLarge));
                continue;
            };
            let leaf = Hash::leaf(entry);
            let index = self.state.frontier.size();
            self.state.frontier.push(leaf);
            self.state.follow(&job.encoded.subject, index);
            leaves.push(leaf);
            waiting.push((job.waiter, job.encoded.subject));
        }
        if frame.len() == 0 {
            return Ok(());
        }
        self.state.time = time;
        let size = self.state.frontier.size();
        let root = self.state.frontier.root();
        let checkpoint = Checkpoint { origin: self.shared.origin.clone(), size, root };
        let written = frame
            .finish(&self.shared.signers.sign(&checkpoint))
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
            .and_then(|frame| self.append(&frame).map(|()| frame));
        let frame = match written {
            Ok(frame) => frame,
            Err(fault) => {
                let fault = self.fail("write", &fault);
                waiting.into_iter().for_each(|(waiter, _)| answer(waiter, Err(fault.clone())));
                return Err(fault);
            }
        };
        // The point of no return: from here on the records are in the log.
        self.state.link = frame.link();
        self.crowd = waiting.len().saturating_add(self.shared.waiting());
        self.settle(&frame, &leaves, waiting, time);
        self.segment.make_room().map_err(|fault| self.fail("write", &fault))?;
        if self.segment.bytes >= self.shared.segment_bytes {
            self.rotate().map_err(|fault| self.fail("write", &fault))?;
        }
        // Not before: a builder that finds no next segment would leave the one
        // that is full until more records come.
        self.shared.ring(size);
        Ok(())
    }

    /// Whether the log's rules allow the record here.
    fn admit(&self, subject: &Subject) -> Result<(), AppendError> {
        match subject {
            Subject::Intent(_) if self.state.open.len() >= MAX_OPEN => {
                Err(AppendError::TooManyOpen)
            }
            Subject::Intent(key) => {
                let open = self.state.open_keys.contains(key);
                if open || lock(&self.shared.exchanges).is_recent(key) {
                    return Err(AppendError::Duplicate);
                }
                Ok(())
            }
            Subject::Outcome(key, intent) | Subject::Call(key, intent) => {
                if self.state.open.get(intent) == Some(key) {
                    Ok(())
                } else {
                    Err(AppendError::Unpaired)
                }
            }
            Subject::Other => Ok(()),
        }
    }

    fn append(&mut self, frame: &Frame) -> io::Result<()> {
        self.segment.append(frame.bytes())?;
        disk::or_abort(self.shared.disk.as_ref(), "segment", self.segment.file.sync())
    }

    /// Answers whoever waits for a frame that is durable, and remembers it. In
    /// this order, since those who were answered get ready for the next group
    /// meanwhile; who of them asks about the log first waits for these locks.
    fn settle(
        &mut self,
        frame: &Arc<Frame>,
        leaves: &[Hash],
        waiting: Vec<(Waiter, Subject)>,
        time_micros: u64,
    ) {
        let size = frame.end();
        self.shared.open.store(self.state.open.len(), Ordering::Relaxed);
        let mut exchanges = lock(&self.shared.exchanges);
        self.shared.write_tail(|tail| {
            let subjects: Vec<Subject> = (frame.first()..)
                .zip(waiting)
                .map(|(index, (waiter, subject))| {
                    answer(waiter, Ok(Sealed { index, size, time_micros }));
                    subject
                })
                .collect();
            tail.push(Arc::clone(frame), leaves);
            for (index, subject) in (frame.first()..).zip(subjects) {
                match subject {
                    Subject::Intent(key) => exchanges.intent(key, index),
                    Subject::Outcome(key, intent) => exchanges.outcome(key, intent, index),
                    Subject::Call(..) | Subject::Other => {}
                }
            }
        });
    }

    /// Starts the next segment, durable with its name before anything is
    /// appended to it.
    fn rotate(&mut self) -> io::Result<()> {
        let first = self.state.frontier.size();
        let name = SegmentName { generation: self.segment.name.generation, first };
        let header = self.state.header(name).to_bytes();
        let disk = self.shared.disk.as_ref();
        let mut file = disk.create(&name.path())?;
        file.append(&header)?;
        disk::or_abort(disk, "segment", file.sync())?;
        disk::sync_directory(disk, crate::wal::DIRECTORY)?;
        let mut full = std::mem::replace(&mut self.segment, Segment::new(file, name, header.len()));
        full.file.trim()?;
        lock(&self.shared.segments).push_back(name);
        Ok(())
    }

    fn fail(&self, what: &str, fault: &io::Error) -> AppendError {
        let what = format!("cannot {what} the write-ahead log: {}", fault.kind());
        self.shared.fail(&what);
        AppendError::Failed(what)
    }
}

/// The records of a group: those that waited, and those that come while the
/// frame is made of them.
///
/// Whoever was answered by the last sync is back after a few microseconds. If
/// the next group left without them, they would wait for two syncs, and groups
/// would be half as large for ever.
#[derive(Debug)]
struct Arrivals {
    waiting: std::vec::IntoIter<Job>,
    /// How many more are expected. Nobody waits for a crowd that never ends, and
    /// a producer that is alone waits for nobody.
    expected: usize,
    /// How often the queue is looked at in vain before the group leaves.
    looks: u8,
}

impl Arrivals {
    fn open(jobs: Vec<Job>, crowd: usize) -> Self {
        Self { waiting: jobs.into_iter(), expected: crowd, looks: LOOKS }
    }

    /// Nothing more is taken.
    fn closed(jobs: Vec<Job>) -> Self {
        Self { waiting: jobs.into_iter(), expected: 0, looks: 0 }
    }

    /// About as many bytes as the frame of these records will have: one that
    /// grows under way is copied, into memory that was never touched.
    fn bytes(&self) -> usize {
        let waiting = self.waiting.as_slice().iter();
        let bytes: usize = waiting.map(|job| job.encoded.len() + PER_ENTRY).sum();
        bytes.saturating_mul(2).min(1024 * 1024)
    }

    fn next(&mut self, shared: &Shared) -> Option<Job> {
        loop {
            if let Some(job) = self.waiting.next() {
                self.expected = self.expected.saturating_sub(1);
                return Some(job);
            }
            if self.expected == 0 {
                return None;
            }
            self.waiting = shared.more_jobs().into_iter();
            if self.waiting.as_slice().is_empty() {
                self.looks = self.looks.checked_sub(1)?;
                std::thread::yield_now();
            }
        }
    }
}

const LOOKS: u8 = 32;
/// Bytes that an entry has more in a frame: its time and its length.
const PER_ENTRY: usize = 18;

/// However the sequencer ends, by a panic too, nobody waits for it in vain.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
        self.0.stop_builder();
    }
}

fn answer(waiter: Waiter, answer: Result<Sealed, AppendError>) {
    // Whoever dropped the receiver does not want to know.
    let _ = waiter.send(answer);
}
