//! The side store: the keys of commitments, one for each tenant and day, and
//! the key of pseudonyms. Never published, never read by a verifier; whoever
//! owns it can confirm guessed content, and can forge nothing.
//!
//! A key that was erased leaves a tombstone under its name, so that nothing
//! later makes another key for that day and pretends that all was well.

mod erasure;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::clock::Day;
use crate::commit::{Committer, hmac};
use crate::disk::{self, Disk};
use crate::record::uuid7_millis;

pub(crate) use erasure::Plan;

/// Why there is no key for an exchange's commitments.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The id is not a UUIDv7, whose time names the day of its key.
    #[error("the exchange's id is not a UUIDv7")]
    Exchange,
    /// A key's file is damaged.
    #[error("a key of the vault is damaged")]
    Damaged,
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// The file system.
    #[error("cannot read or write the vault")]
    Io(#[from] io::Error),
}

type Key = Zeroizing<[u8; 32]>;

/// The open side store of one log.
#[derive(Debug)]
pub(crate) struct Vault {
    disk: Arc<dyn Disk>,
    pseudonyms: Secret,
    days: Mutex<HashMap<(String, Day), Held>>,
    /// Held through a whole erasure: there is one at a time.
    pub(crate) erasing: Mutex<()>,
}

/// What there is for a tenant's day.
#[derive(Debug, Clone)]
enum Held {
    Key(Secret),
    /// There was a key, and it was destroyed.
    Erased,
}

/// A key that `Debug` does not show.
#[derive(Clone)]
struct Secret(Arc<Key>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Vault {
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Result<Self, VaultError> {
        disk::ensure_directory(disk.as_ref(), KEYS)?;
        let pseudonyms = match read_key(disk.as_ref(), PSEUDONYMS)? {
            Some(key) => {
                // A run that was killed may have made it a moment ago.
                disk::sync_directory(disk.as_ref(), disk::parent(PSEUDONYMS))?;
                key
            }
            None => create_key(disk.as_ref(), PSEUDONYMS)?,
        };
        Ok(Self {
            disk,
            pseudonyms: Secret(Arc::new(pseudonyms)),
            days: Mutex::default(),
            erasing: Mutex::default(),
        })
    }

    /// The same 22 characters for the same value, and nothing else about it.
    pub(crate) fn pseudonym(&self, kind: &str, value: &str) -> String {
        let mut mac = hmac(&self.pseudonyms.0);
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        let code: [u8; 32] = mac.finalize().into_bytes().into();
        URL_SAFE_NO_PAD.encode(code.first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// The committer of an exchange; makes the day's key when it is the first.
    ///
    /// Where the day's key was erased, an exchange of that day that still
    /// comes is committed to under a key that nobody keeps: its commitments
    /// hide for ever, and nothing about the erased ones changes.
    pub(crate) fn committer(&self, tenant: &str, id: &str) -> Result<Committer, VaultError> {
        match self.held(tenant, day_of(id)?, true)? {
            Some(Held::Key(key)) => Ok(Committer::new(&key.0, id)),
            Some(Held::Erased) | None => Ok(Committer::new(&*random_key()?, id)),
        }
    }

    /// The committer of an exchange whose key still exists.
    pub(crate) fn opener(&self, tenant: &str, id: &str) -> Result<Option<Committer>, VaultError> {
        match self.held(tenant, day_of(id)?, false)? {
            Some(Held::Key(key)) => Ok(Some(Committer::new(&key.0, id))),
            Some(Held::Erased) | None => Ok(None),
        }
    }

    /// The same, out of memory alone: nothing where that does not tell.
    pub(crate) fn opener_at_hand(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<Option<Option<Committer>>, VaultError> {
        let place = (tenant.to_owned(), day_of(id)?);
        let days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(days.get(&place).map(|held| match held {
            Held::Key(key) => Some(Committer::new(&key.0, id)),
            Held::Erased => None,
        }))
    }

    /// What there is for a tenant's day; with `make`, a new key where there is
    /// nothing. One lock for all of it: one key a day, and none after its end.
    fn held(&self, tenant: &str, day: Day, make: bool) -> Result<Option<Held>, VaultError> {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (tenant.to_owned(), day);
        if let Some(held) = days.get(&place) {
            return Ok(Some(held.clone()));
        }
        let disk = self.disk.as_ref();
        let path = day_path(tenant, day);
        let held = match read_day(disk, &path)? {
            Some(held) => {
                if make {
                    // As above: durable before its first use in this run.
                    disk::ensure_directory(disk, disk::parent(&path))?;
                    disk::sync_directory(disk, disk::parent(&path))?;
                }
                held
            }
            None if !make => return Ok(None),
            None => {
                disk::ensure_directory(disk, &format!("{KEYS}/{tenant}"))?;
                Held::Key(Secret(Arc::new(create_key(disk, &path)?)))
            }
        };
        if days.len() >= MAX_CACHED_KEYS {
            days.clear();
        }
        days.insert(place, held.clone());
        Ok(Some(held))
    }
}

/// What opens the commitments of an exchange, out of a vault that another
/// process may have open: reads, makes nothing.
///
/// # Errors
/// The key is damaged or cannot be read.
pub(crate) fn stored_opener(disk: &dyn Disk, tenant: &str, id: &str) -> Result<Kept, VaultError> {
    let day = day_of(id)?;
    // What a record says is no path until it is known to be a pseudonym.
    if !is_pseudonym(tenant) {
        return Ok(Kept::Missing(day));
    }
    Ok(match read_day(disk, &day_path(tenant, day))? {
        Some(Held::Key(key)) => Kept::Opener(Committer::new(&key.0, id)),
        Some(Held::Erased) => Kept::Erased(day),
        None => Kept::Missing(day),
    })
}

/// What a vault has for an exchange.
#[derive(Debug)]
pub(crate) enum Kept {
    Opener(Committer),
    /// The day's key was erased.
    Erased(Day),
    /// There is no key of that day: it was never here, or the file is gone.
    Missing(Day),
}

fn day_of(id: &str) -> Result<Day, VaultError> {
    uuid7_millis(id).map(Day::of_millis).ok_or(VaultError::Exchange)
}

/// `tenant` is a pseudonym: base64url of 16 bytes, so no path can hide in it.
fn day_path(tenant: &str, day: Day) -> String {
    format!("{KEYS}/{tenant}/{day}")
}

/// Whether this is what [`Vault::pseudonym`] makes: base64url of 16 bytes.
fn is_pseudonym(name: &str) -> bool {
    name.len() == 22 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn read_day(disk: &dyn Disk, path: &str) -> Result<Option<Held>, VaultError> {
    match disk.read(path, MAX_KEY_FILE)? {
        None => Ok(None),
        Some(bytes) if bytes == TOMBSTONE => Ok(Some(Held::Erased)),
        Some(bytes) => Ok(Some(Held::Key(Secret(Arc::new(parse_key(bytes)?))))),
    }
}

fn read_key(disk: &dyn Disk, path: &str) -> Result<Option<Key>, VaultError> {
    disk.read(path, MAX_KEY_FILE)?.map(parse_key).transpose()
}

/// A key's file is 32 bytes and their CRC: a damaged key would make openings
/// that confirm nothing.
fn parse_key(bytes: Vec<u8>) -> Result<Key, VaultError> {
    let bytes = Zeroizing::new(bytes);
    let (key, crc) = bytes.split_first_chunk::<32>().ok_or(VaultError::Damaged)?;
    if crc != crc32c::crc32c(key).to_be_bytes() {
        return Err(VaultError::Damaged);
    }
    Ok(Zeroizing::new(*key))
}

/// A new random key, durable with its directory before anybody uses it.
fn create_key(disk: &dyn Disk, path: &str) -> Result<Key, VaultError> {
    let key = random_key()?;
    let mut bytes = Zeroizing::new(key.to_vec());
    bytes.extend_from_slice(&crc32c::crc32c(key.as_slice()).to_be_bytes());
    disk::write_durably(disk, path, &bytes)?;
    Ok(key)
}

fn random_key() -> Result<Key, VaultError> {
    let mut key = Zeroizing::new([0_u8; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(|_| VaultError::Random)?;
    Ok(key)
}

const KEYS: &str = "vault/keys";
const PSEUDONYMS: &str = "vault/pseudonyms";
/// What stands where an erased key was; no key's file is so short.
const TOMBSTONE: &[u8] = b"erased\n";
const MAX_KEY_FILE: u64 = 64;
/// Day keys held in memory.
const MAX_CACHED_KEYS: usize = 4096;

#[cfg(test)]
mod tests;
