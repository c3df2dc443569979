//! C2SP signed notes: text, a blank line, signature lines.
//!
//! The text of a note means nothing until a key that came from outside has
//! verified it, so outside this crate [`Note::parse`] gives no access to
//! it: only [`Note::verify`] does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::keys::{KeyKind, VerifierKey, check_name, cosigned_message};

/// Why a note is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Larger than [`MAX_NOTE_BYTES`].
    #[error("the note is too large")]
    TooLarge,
    /// Not UTF-8, or a control character other than a newline.
    #[error("the note is not plain text")]
    Text,
    /// No blank line, no signature line, or one that cannot be read.
    #[error("the note has no well-formed signature lines")]
    Form,
    /// More than [`MAX_SIGNATURES`] signature lines.
    #[error("the note has too many signatures")]
    TooManySignatures,
    /// A signature by a known key does not verify.
    #[error("a signature by a known key does not verify")]
    BadSignature,
    /// No known log key signed the note.
    #[error("no known key signed the note")]
    NoKnownKey,
}

/// Signature lines that a note may have (C2SP asks for at least 16).
pub const MAX_SIGNATURES: usize = 64;

/// Bytes that a note may have: 64 post-quantum signatures fit.
pub const MAX_NOTE_BYTES: usize = 512 * 1024;

/// A note whose signatures nobody has checked yet.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    text: &'a str,
    signatures: &'a str,
}

/// One signature line.
struct Line<'a> {
    name: &'a str,
    id: u32,
    signature: Vec<u8>,
}

/// A note that at least one known log key signed, and no known key signed
/// wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedNote<'a> {
    /// The text, its last newline included.
    pub text: &'a str,
    /// Which of the log keys signed, by their place in the list given.
    pub logs: Vec<usize>,
    /// Which of the witness keys cosigned, and when (Unix seconds).
    pub witnesses: Vec<(usize, u64)>,
}

impl<'a> Note<'a> {
    /// Takes a note apart without believing it.
    ///
    /// # Errors
    /// The bytes are not a signed note.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge);
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        if whole.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::Text);
        }
        // The text may hold blank lines of its own: the last one divides.
        let blank = whole.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, rest) = whole.split_at_checked(blank + 1).ok_or(NoteError::Form)?;
        let signatures = rest.strip_prefix('\n').ok_or(NoteError::Form)?;
        let note = Self { text, signatures };
        let mut count = 0;
        for line in note.lines() {
            line?;
            count += 1;
            if count > MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
        }
        if count == 0 { Err(NoteError::Form) } else { Ok(note) }
    }

    /// The text, believed by nobody.
    pub(crate) fn unverified_text(&self) -> &'a str {
        self.text
    }

    fn lines(&self) -> impl Iterator<Item = Result<Line<'a>, NoteError>> + use<'a> {
        self.signatures.split_inclusive('\n').map(|line| {
            let line = line.strip_suffix('\n').ok_or(NoteError::Form)?;
            let line = line.strip_prefix("\u{2014} ").ok_or(NoteError::Form)?;
            let (name, encoded) = line.split_once(' ').ok_or(NoteError::Form)?;
            check_name(name).map_err(|_| NoteError::Form)?;
            let bytes = STANDARD.decode(encoded).map_err(|_| NoteError::Form)?;
            let (id, signature) = bytes.split_first_chunk().ok_or(NoteError::Form)?;
            if signature.is_empty() {
                return Err(NoteError::Form);
            }
            Ok(Line { name, id: u32::from_be_bytes(*id), signature: signature.to_vec() })
        })
    }

    /// The note with one signature line of each of these keys, and no others. The
    /// signatures are not checked here.
    pub(crate) fn signed_by(&self, keys: &[VerifierKey]) -> String {
        let mut note = format!("{}\n", self.text);
        for key in keys {
            let of = |line: &&str| {
                let name = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' '));
                name.is_some_and(|(name, encoded)| {
                    let bytes = STANDARD.decode(encoded.trim_end_matches('\n'));
                    let id = bytes.ok().and_then(|bytes| bytes.first_chunk().copied());
                    name == key.name() && id.map(u32::from_be_bytes) == Some(key.id())
                })
            };
            note.extend(self.signatures.split_inclusive('\n').find(of));
        }
        note
    }

    /// Which of the witness keys cosigned, each once, and when: of several
    /// cosignatures of one witness the latest counts.
    ///
    /// # Errors
    /// A known witness's signature does not verify.
    pub(crate) fn cosigned(
        &self,
        witnesses: &[VerifierKey],
    ) -> Result<Vec<(usize, u64)>, NoteError> {
        let mut cosigned: Vec<(usize, u64)> = Vec::new();
        for line in self.lines() {
            let line = line?;
            let known = |key: &VerifierKey| key.name() == line.name && key.id() == line.id;
            for (place, key) in witnesses.iter().enumerate().filter(|(_, key)| known(key)) {
                let time = cosignature_time(self.text, key, &line.signature)
                    .ok_or(NoteError::BadSignature)?;
                match cosigned.iter_mut().find(|(seen, _)| *seen == place) {
                    Some((_, latest)) => *latest = time.max(*latest),
                    None => cosigned.push((place, time)),
                }
            }
        }
        Ok(cosigned)
    }

    /// Checks every signature of a known key; unknown pairs of name and key id
    /// are ignored, as C2SP asks.
    ///
    /// # Errors
    /// A known key's signature does not verify, or no log key signed.
    pub fn verify(
        &self,
        logs: &[VerifierKey],
        witnesses: &[VerifierKey],
    ) -> Result<VerifiedNote<'a>, NoteError> {
        let mut verified =
            VerifiedNote { text: self.text, logs: Vec::new(), witnesses: Vec::new() };
        for line in self.lines() {
            let line = line?;
            let known = |key: &VerifierKey| key.name() == line.name && key.id() == line.id;
            for (place, key) in logs.iter().enumerate().filter(|(_, key)| known(key)) {
                if key.kind() != KeyKind::Note || !key.holds(self.text.as_bytes(), &line.signature)
                {
                    return Err(NoteError::BadSignature);
                }
                if !verified.logs.contains(&place) {
                    verified.logs.push(place);
                }
            }
        }
        verified.witnesses = self.cosigned(witnesses)?;
        if verified.logs.is_empty() { Err(NoteError::NoKnownKey) } else { Ok(verified) }
    }
}

/// When this witness cosigned, if it did: 8 bytes of time, then the signature.
fn cosignature_time(text: &str, key: &VerifierKey, payload: &[u8]) -> Option<u64> {
    let (time, signature) = payload.split_first_chunk()?;
    let time = u64::from_be_bytes(*time);
    let message = cosigned_message(text, time);
    (key.kind() == KeyKind::Cosignature && key.holds(message.as_bytes(), signature)).then_some(time)
}

#[cfg(test)]
mod tests;
