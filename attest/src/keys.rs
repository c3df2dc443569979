//! Keys of signed notes (C2SP signed-note, tlog-cosignature): `Signer` holds a
//! private key, `VerifierKey` is what the world gets.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// What is wrong with the text of a key. It never quotes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not `name+hash+base64` (or `PRIVATE+KEY+name+hash+base64`).
    #[error("not a note key: expected `name+hash+key`")]
    Form,
    /// The name is empty, or holds a space, a control character or a plus sign.
    #[error("the key's name is empty or holds a space, a control character or `+`")]
    Name,
    /// The hash does not belong to this name and key.
    #[error("the key's hash does not belong to its name and key")]
    Hash,
    /// An algorithm other than Ed25519 (1) and cosignature/v1 (4).
    #[error("the key has an algorithm that is not supported here")]
    Algorithm,
    /// The bytes are no valid Ed25519 key.
    #[error("the key's bytes are not a valid Ed25519 key")]
    Point,
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Notes as they are (type 01): logs.
    Note,
    /// `cosignature/v1` (type 04): witnesses.
    Cosignature,
}

impl KeyKind {
    fn byte(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }
}

/// A public key with its name: `example.com/log+443cd582+AQOh...`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, kind: KeyKind, key: VerifyingKey) -> Result<Self, KeyError> {
        check_name(name)?;
        let id = key_id(name, kind, key.as_bytes());
        Ok(Self { name: name.to_owned(), kind, id, key })
    }

    /// The key's name; for a log, its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of the key's hash, big-endian.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What the key signs.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The 32 bytes of the public key, by which a policy file finds duplicates.
    #[must_use]
    pub fn public_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        self.key.verify_strict(message, &signature).is_ok()
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, hash, bytes) = split_key(text)?;
        let (algorithm, public) = bytes.split_first().ok_or(KeyError::Form)?;
        let kind = match algorithm {
            1 => KeyKind::Note,
            4 => KeyKind::Cosignature,
            _ => return Err(KeyError::Algorithm),
        };
        let public: [u8; 32] = public.try_into().map_err(|_| KeyError::Form)?;
        let key = VerifyingKey::from_bytes(&public).map_err(|_| KeyError::Point)?;
        let key = Self::new(name, kind, key)?;
        if key.id == hash { Ok(key) } else { Err(KeyError::Hash) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(33);
        bytes.push(self.kind.byte());
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// A private Ed25519 key with its name. Wiped from memory when dropped, and
/// never shown by `Debug`.
#[derive(Clone)]
pub struct Signer {
    name: String,
    id: u32,
    key: SigningKey,
}

impl Signer {
    /// The key that this seed makes, as `name`.
    ///
    /// # Errors
    /// The name is empty or holds a space, a control character or `+`.
    pub fn generate(name: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        let key = SigningKey::from_bytes(&Zeroizing::new(seed));
        let id = key_id(name, KeyKind::Note, key.verifying_key().as_bytes());
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What verifies this signer's notes.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey {
            name: self.name.clone(),
            kind: KeyKind::Note,
            id: self.id,
            key: self.key.verifying_key(),
        }
    }

    /// What verifies this signer's cosignatures, when it serves as a witness.
    #[must_use]
    pub fn witness_verifier(&self) -> VerifierKey {
        let key = self.key.verifying_key();
        let id = key_id(&self.name, KeyKind::Cosignature, key.as_bytes());
        VerifierKey { name: self.name.clone(), kind: KeyKind::Cosignature, id, key }
    }

    /// `PRIVATE+KEY+name+hash+seed`, the form of the key's file (0600).
    #[must_use]
    pub fn to_private_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(33));
        bytes.push(KeyKind::Note.byte());
        bytes.extend_from_slice(self.key.as_bytes());
        let seed = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
        Zeroizing::new(format!("PRIVATE+KEY+{}+{:08x}+{}", self.name, self.id, seed.as_str()))
    }

    /// This key's signature over a message that is no note's text.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// The signature line of this key under a note's text.
    #[must_use]
    pub fn signature_line(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        line(&self.name, self.id, &[&signature])
    }

    /// The `cosignature/v1` line of this key, seen at `time_seconds` (Unix).
    #[must_use]
    pub fn cosignature_line(&self, text: &str, time_seconds: u64) -> String {
        let message = cosigned_message(text, time_seconds);
        let signature = self.key.sign(message.as_bytes()).to_bytes();
        let id = self.witness_verifier().id;
        line(&self.name, id, &[&time_seconds.to_be_bytes(), &signature])
    }
}

impl FromStr for Signer {
    type Err = KeyError;

    /// Reads the text of a private key; white space around it is ignored.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim().strip_prefix("PRIVATE+KEY+").ok_or(KeyError::Form)?;
        let (name, hash, bytes) = split_key(text)?;
        let bytes = Zeroizing::new(bytes);
        let (algorithm, seed) = bytes.split_first().ok_or(KeyError::Form)?;
        if *algorithm != KeyKind::Note.byte() {
            return Err(KeyError::Algorithm);
        }
        let seed: Zeroizing<[u8; 32]> =
            Zeroizing::new(seed.try_into().map_err(|_| KeyError::Form)?);
        let signer = Self::generate(name, *seed)?;
        if signer.id == hash { Ok(signer) } else { Err(KeyError::Hash) }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}+{:08x})", self.name, self.id)
    }
}

/// What a witness signs: the note's text under a line with the time.
pub(crate) fn cosigned_message(text: &str, time_seconds: u64) -> String {
    format!("cosignature/v1\ntime {time_seconds}\n{text}")
}

/// Whether a note may carry this name.
pub(crate) fn check_name(name: &str) -> Result<(), KeyError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(bad) {
        return Err(KeyError::Name);
    }
    Ok(())
}

fn key_id(name: &str, kind: KeyKind, public: &[u8; 32]) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', kind.byte()]);
    hasher.update(public);
    let hash: [u8; 32] = hasher.finalize().into();
    hash.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn line(name: &str, id: u32, parts: &[&[u8]]) -> String {
    let mut bytes = id.to_be_bytes().to_vec();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    format!("\u{2014} {name} {}\n", STANDARD.encode(bytes))
}

/// Takes `name+hex8+base64` apart.
fn split_key(text: &str) -> Result<(&str, u32, Vec<u8>), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    if hash.len() != 8 || !hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(KeyError::Form);
    }
    let hash = u32::from_str_radix(hash, 16).map_err(|_| KeyError::Form)?;
    let bytes = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
    Ok((name, hash, bytes))
}

/// No key name is longer; it is repeated in every checkpoint.
const MAX_NAME_BYTES: usize = 256;
