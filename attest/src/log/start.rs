//! Opening: from what the last run left to two running threads.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::disk::{self, Disk};
use crate::hash::Hash;
use crate::keys::Signer;
use crate::record::CRASH;
use crate::tile::TILE_WIDTH;
use crate::vault::Vault;
use crate::wal::{self, SegmentHeader, SegmentName};

use super::builder::{Builder, CHECKPOINT};
use super::recovery::{Recovered, recover};
use super::sequencer::{Segment, Sequencer};
use super::shared::{Parts, Phase, Shared};
use super::signers::Signers;
use super::tail::Head;
use super::{LogConfig, OpenError};

/// The state that the threads share, and the threads.
type Started = (Arc<Shared>, Vec<JoinHandle<()>>);

/// Recovers, closes what the last run left open, and starts the threads.
pub(super) fn start(
    config: LogConfig,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
) -> Result<Started, OpenError> {
    let signers = Signers::new(config.signer.clone(), config.previous.clone());
    let name = |signer: &Signer| signer.name() == config.origin;
    if !name(signers.current()) || !signers.previous().is_none_or(name) {
        return Err(OpenError::Origin);
    }
    disk::ensure_directory(disk.as_ref(), wal::DIRECTORY)?;
    let recovered = recover(disk.as_ref(), &signers)?;
    let behind = recovered.state.time.saturating_sub(clock.now_micros());
    if u128::from(behind) > config.max_clock_step.as_micros() {
        return Err(OpenError::Clock(behind));
    }
    let vault = Vault::open(Arc::clone(&disk))?;
    let segment = rewrite(disk.as_ref(), &recovered)?;
    let published = match recovered.published {
        Some(head) => head,
        None => publish_empty(disk.as_ref(), &signers)?,
    };
    // Segments go only after their bundles are durable, so the bundle in which
    // the oldest one starts is; all after it are built again.
    let built = recovered.header.name.first.div_ceil(TILE_WIDTH);
    let parts = Parts {
        tail: recovered.tail,
        exchanges: recovered.exchanges,
        published,
        segment: segment.name,
        vault,
        signers,
    };
    let shared = Arc::new(Shared::new(config, clock, disk, parts));
    let mut sequencer = Sequencer::new(Arc::clone(&shared), recovered.state, segment);
    // The first thing that the new key signs says where it comes from.
    if recovered.signed == Some(false) {
        sequencer.change_keys()?;
    }
    sequencer.abort_open(CRASH)?;
    shared.ring(shared.read_tail(|tail| tail.head().size));
    let builder = Builder::new(Arc::clone(&shared), built);
    let sequencer =
        thread::Builder::new().name("troth-sequencer".to_owned()).spawn(move || sequencer.run())?;
    let builder = thread::Builder::new().name("troth-tiles".to_owned()).spawn(|| builder.run());
    match builder {
        Ok(builder) => Ok((shared, vec![sequencer, builder])),
        Err(fault) => {
            shared.stop(Phase::Stopping);
            let _ = sequencer.join();
            Err(fault.into())
        }
    }
}

/// Writes what the last run left into a segment of a new generation, durable
/// with its name before anything is signed: pages that outlived a failed sync
/// are not trusted, and a torn tail is left behind.
fn rewrite(disk: &dyn Disk, recovered: &Recovered) -> io::Result<Segment> {
    let generation = recovered.generation + 1;
    let name = SegmentName { generation, first: recovered.header.name.first };
    let header = SegmentHeader { name, ..recovered.header.clone() }.to_bytes();
    let beside = format!("{}.tmp", name.path());
    let mut file = disk.create(&beside)?;
    file.append(&header)?;
    let mut bytes = header.len();
    for frame in &recovered.frames {
        file.append(frame.bytes())?;
        bytes += frame.bytes().len();
    }
    disk::or_abort(disk, "segment", file.sync())?;
    disk.rename(&beside, &name.path())?;
    disk::sync_directory(disk, wal::DIRECTORY)?;
    // Only now is what it replaces superfluous. Whatever comes back after a
    // crash is of an older generation, and goes with the next start.
    for old in disk.list(wal::DIRECTORY)? {
        if old != name.to_string() {
            disk.remove(&format!("{}/{old}", wal::DIRECTORY))?;
        }
    }
    Ok(Segment::new(file, name, bytes))
}

/// A log has a public checkpoint from its first moment.
fn publish_empty(disk: &dyn Disk, signers: &Signers) -> io::Result<Head> {
    let origin = signers.name().to_owned();
    let note = signers.sign(&Checkpoint { origin, size: 0, root: Hash::empty_root() });
    disk::write_durably(disk, CHECKPOINT, note.as_bytes())?;
    Ok(Head { size: 0, note: note.into_bytes().into() })
}
