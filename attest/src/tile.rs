//! C2SP tlog-tiles: paths of tiles and entry bundles, and their bytes.

use std::fmt;

use crate::checkpoint::parse_decimal;
use crate::hash::Hash;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// The highest level that a tree below 2^62 entries can have.
pub(crate) const MAX_LEVEL: u8 = 7;

/// A tile or bundle, full (`width` 256) or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// `None` for an entry bundle, else the level (0 holds leaf hashes).
    pub level: Option<u8>,
    /// Its place in its level.
    pub index: u64,
    /// 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The tile of hashes at this place, full.
    #[must_use]
    pub fn hashes(level: u8, index: u64) -> Self {
        Self { level: Some(level), index, width: 256 }
    }

    /// The entry bundle at this place, full.
    #[must_use]
    pub fn bundle(index: u64) -> Self {
        Self { level: None, index, width: 256 }
    }

    /// The same tile cut to `width`.
    #[must_use]
    pub fn cut(self, width: u16) -> Self {
        Self { width, ..self }
    }

    /// Whether all its hashes are there.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.width == 256
    }

    /// The size that the tree must have for this tile to exist.
    #[must_use]
    pub fn needs_size(self) -> u64 {
        let shift = 8 * u32::from(self.level.unwrap_or(0));
        let hashes = self.index.saturating_mul(TILE_WIDTH).saturating_add(u64::from(self.width));
        if hashes > u64::MAX >> shift { u64::MAX } else { hashes << shift }
    }

    /// Every tile of a tree of this size, level by level, and its bundles.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        let levels = (0..=MAX_LEVEL).map(Some).chain([None]);
        levels.flat_map(move |level| {
            let hashes = size >> (8 * u32::from(level.unwrap_or(0)));
            let full = hashes / TILE_WIDTH;
            let width = u16::try_from(hashes % TILE_WIDTH).unwrap_or(0);
            let partial = (width > 0).then_some(Self { level, index: full, width });
            (0..full).map(move |index| Self { level, index, width: 256 }).chain(partial)
        })
    }

    /// Reads `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`, in the one
    /// spelling that C2SP gives each.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = match level {
            "entries" => None,
            level => {
                let level = u8::try_from(parse_decimal(level)?).ok()?;
                Some(level).filter(|level| *level <= MAX_LEVEL)
            }
        };
        let (groups, width) = match rest.split_once(".p/") {
            None => (rest, 256),
            Some((groups, width)) => {
                let width = u16::try_from(parse_decimal(width)?).ok()?;
                (groups, Some(width).filter(|width| (1..256).contains(width))?)
            }
        };
        let mut index = 0_u64;
        let mut groups = groups.split('/').peekable();
        while let Some(group) = groups.next() {
            let last = groups.peek().is_none();
            let digits = if last { group } else { group.strip_prefix('x')? };
            if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self { level, index, width };
        // `x000/001` and its like spell an index a second time.
        (index < 1 << 54 && tile.to_string() == path).then_some(tile)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            None => f.write_str("tile/entries/")?,
            Some(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = [0_u64; 7];
        let mut count = 0;
        let mut rest = self.index;
        for group in &mut groups {
            *group = rest % 1000;
            rest /= 1000;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        for (place, group) in groups.iter().take(count).enumerate().rev() {
            if place == 0 { write!(f, "{group:03}")? } else { write!(f, "x{group:03}/")? }
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// The hashes of a tile's bytes, if they are `width` whole ones.
pub(crate) fn split_hashes(bytes: &[u8], width: u16) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let whole = rest.is_empty() && hashes.len() == usize::from(width);
    whole.then(|| hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// The root over the hashes of a full tile (a power of two of them).
pub(crate) fn tile_root(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        let (pairs, _) = level.as_chunks::<2>();
        level = pairs.iter().map(|[left, right]| Hash::node(left, right)).collect();
    }
    level.first().copied()
}

/// Adds `u16 length || entry`; `false` when the entry is too long for it.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> bool {
    let Ok(length) = u16::try_from(entry.len()) else { return false };
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    true
}

/// The entries of a bundle, one after another. Ends with `None` inside `Some`
/// where a length leads past the end.
pub(crate) struct Entries<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = self.0.split_first_chunk().and_then(|(length, rest)| {
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        });
        let (entry, rest) = entry.unzip();
        self.0 = rest.unwrap_or(&[]);
        Some(entry)
    }
}

/// Bytes that a bundle of full-length entries would have.
pub(crate) const MAX_BUNDLE_BYTES: usize = 256 * (2 + 65_535);

#[cfg(test)]
mod tests;
