//! The side store: the keys of commitments, one for each tenant and day, and
//! the key of pseudonyms. Never published, never read by a verifier; whoever
//! owns it can confirm guessed content, and can forge nothing.

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
    days: Mutex<HashMap<(String, Day), Secret>>,
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
            Some(key) => key,
            None => create_key(disk.as_ref(), PSEUDONYMS)?,
        };
        Ok(Self { disk, pseudonyms: Secret(Arc::new(pseudonyms)), days: Mutex::default() })
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
    pub(crate) fn committer(&self, tenant: &str, id: &str) -> Result<Committer, VaultError> {
        let day = day_of(id)?;
        let key = match self.day_key(tenant, day)? {
            Some(key) => key,
            None => self.new_day_key(tenant, day)?,
        };
        Ok(Committer::new(&key.0, id))
    }

    /// The committer of an exchange whose key still exists.
    pub(crate) fn opener(&self, tenant: &str, id: &str) -> Result<Option<Committer>, VaultError> {
        let key = self.day_key(tenant, day_of(id)?)?;
        Ok(key.map(|key| Committer::new(&key.0, id)))
    }

    fn day_key(&self, tenant: &str, day: Day) -> Result<Option<Secret>, VaultError> {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (tenant.to_owned(), day);
        if let Some(key) = days.get(&place) {
            return Ok(Some(key.clone()));
        }
        let Some(key) = read_key(self.disk.as_ref(), &day_path(tenant, day))? else {
            return Ok(None);
        };
        let key = Secret(Arc::new(key));
        if days.len() >= MAX_CACHED_KEYS {
            days.clear();
        }
        days.insert(place, key.clone());
        Ok(Some(key))
    }

    fn new_day_key(&self, tenant: &str, day: Day) -> Result<Secret, VaultError> {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (tenant.to_owned(), day);
        // Two exchanges may have found it missing together: one key per day.
        if let Some(key) = days.get(&place) {
            return Ok(key.clone());
        }
        disk::ensure_directory(self.disk.as_ref(), &format!("{KEYS}/{tenant}"))?;
        let path = day_path(tenant, day);
        let key = match read_key(self.disk.as_ref(), &path)? {
            Some(key) => key,
            None => create_key(self.disk.as_ref(), &path)?,
        };
        let key = Secret(Arc::new(key));
        days.insert(place, key.clone());
        Ok(key)
    }
}

fn day_of(id: &str) -> Result<Day, VaultError> {
    uuid7_millis(id).map(Day::of_millis).ok_or(VaultError::Exchange)
}

/// `tenant` is a pseudonym: base64url of 16 bytes, so no path can hide in it.
fn day_path(tenant: &str, day: Day) -> String {
    format!("{KEYS}/{tenant}/{day}")
}

/// A key's file is 32 bytes and their CRC: a damaged key would make openings
/// that confirm nothing.
fn read_key(disk: &dyn Disk, path: &str) -> Result<Option<Key>, VaultError> {
    let Some(bytes) = disk.read(path, 64)? else { return Ok(None) };
    let bytes = Zeroizing::new(bytes);
    let (key, crc) = bytes.split_first_chunk::<32>().ok_or(VaultError::Damaged)?;
    if crc != crc32c::crc32c(key).to_be_bytes() {
        return Err(VaultError::Damaged);
    }
    Ok(Some(Zeroizing::new(*key)))
}

/// A new random key, durable with its directory before anybody uses it.
fn create_key(disk: &dyn Disk, path: &str) -> Result<Key, VaultError> {
    let mut key = Zeroizing::new([0_u8; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(|_| VaultError::Random)?;
    let mut bytes = Zeroizing::new(key.to_vec());
    bytes.extend_from_slice(&crc32c::crc32c(key.as_slice()).to_be_bytes());
    disk::write_durably(disk, path, &bytes)?;
    Ok(key)
}

const KEYS: &str = "vault/keys";
const PSEUDONYMS: &str = "vault/pseudonyms";
/// Day keys held in memory.
const MAX_CACHED_KEYS: usize = 4096;
