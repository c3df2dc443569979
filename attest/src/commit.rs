//! Keyed commitments: a record binds content without holding it, and whoever
//! destroys a key makes the binding unprovable without touching the tree.
//!
//! `secret_r = HKDF-SHA256(day key, salt "", "troth/v1/record/" || id)`,
//! `field key = HKDF-SHA256(secret_r, salt "", field)`,
//! `commitment = HMAC-SHA256(field key, content)`; an opening is the field key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::hash::{deserialize_bytes32, serialize_bytes32};

/// What a record says of content: 32 bytes that hide it until they are opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment(pub [u8; 32]);

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({self})")
    }
}

impl Serialize for Commitment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_bytes32(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Commitment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_bytes32(deserializer).map(Self)
    }
}

/// The key of one field of one exchange: whoever holds it can confirm content
/// against the record. Wiped when dropped, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening(Zeroizing<[u8; 32]>);

impl Opening {
    /// Reads unpadded base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        Some(Self(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }

    /// The opening as a receipt carries it.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    /// Whether `commitment` is to this content. Constant-time.
    #[must_use]
    pub fn confirms(&self, commitment: &Commitment, content: &[u8]) -> bool {
        let mut mac = hmac(&self.0);
        mac.update(content);
        mac.verify(&commitment.0.into()).is_ok()
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening(..)")
    }
}

/// Makes the commitments of one exchange.
#[derive(Clone)]
pub struct Committer {
    secret: Zeroizing<[u8; 32]>,
}

impl Committer {
    /// The committer of exchange `id` under the key of its tenant and day.
    pub(crate) fn new(day_key: &[u8; 32], id: &str) -> Self {
        Self { secret: derive(day_key, &[b"troth/v1/record/", id.as_bytes()]) }
    }

    /// Commits to content that is at hand whole.
    #[must_use]
    pub fn commit(&self, field: &str, content: &[u8]) -> Commitment {
        let mut mac = self.begin(field);
        mac.update(content);
        mac.finish()
    }

    /// Commits to content that arrives in pieces.
    #[must_use]
    pub fn begin(&self, field: &str) -> CommitmentMac {
        CommitmentMac(hmac(&self.opening(field).0))
    }

    /// What opens this field's commitment.
    #[must_use]
    pub fn opening(&self, field: &str) -> Opening {
        Opening(derive(&self.secret, &[field.as_bytes()]))
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Committer(..)")
    }
}

/// A commitment in the making.
#[derive(Clone)]
pub struct CommitmentMac(Hmac<Sha256>);

impl CommitmentMac {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The commitment to everything added.
    #[must_use]
    pub fn finish(self) -> Commitment {
        Commitment(self.0.finalize().into_bytes().into())
    }
}

impl fmt::Debug for CommitmentMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommitmentMac(..)")
    }
}

/// HKDF-SHA256 with an empty salt, 32 bytes.
fn derive(key: &[u8; 32], info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0_u8; 32]);
    // Expanding fails only past 255 hashes; 32 bytes are one.
    if Hkdf::<Sha256>::new(None, key).expand_multi_info(info, out.as_mut_slice()).is_err() {
        out.fill(0);
    }
    out
}

/// HMAC-SHA256 under a whole key.
pub(crate) fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new(&key_block(key))
}

/// A key, padded with zeros to the block of SHA-256, as RFC 2104 does.
fn key_block(key: &[u8; 32]) -> hmac::digest::common::Key<Hmac<Sha256>> {
    let mut block = hmac::digest::common::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    block
}

#[cfg(test)]
mod tests;
