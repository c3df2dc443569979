//! Text into tokens, in pieces of bounded size.

use tokenizers::Tokenizer;

use crate::clock::Deadline;
use crate::scores::ScoreError;

/// A tokenizer that neither truncates nor pads, and reads every text as text.
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
}

/// The tokens of a text, as many as were asked for.
pub(crate) struct Tokenized {
    pub(crate) ids: Vec<i64>,
    /// Bytes at the text's end that no token stands for, because the limit was reached.
    pub(crate) unseen_bytes: usize,
}

/// Bytes that are tokenised at once. A tokenizer needs some 50 bytes of memory for
/// each byte of its input, and a text may be megabytes long; in pieces, memory is
/// bounded and the deadline is looked at on the way. A cut is made at white space
/// where there is any.
const PIECE_BYTES: usize = 8 * 1024;

impl Tokens {
    pub(crate) fn load(json: &[u8]) -> Result<Self, String> {
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
        // Published tokenizers cut at 128 or 512 tokens by themselves: the tail of a
        // text would be unseen, and nobody would know.
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        // A text that spells a special token (`[PAD]`, `</s>`) is text; read as the
        // token it could hide what follows or end the sequence.
        tokenizer.set_encode_special_tokens(true);
        Ok(Self { tokenizer })
    }

    /// The first `limit` tokens of `text`.
    pub(crate) fn tokenize(
        &self,
        text: &str,
        limit: usize,
        deadline: &Deadline,
    ) -> Result<Tokenized, ScoreError> {
        let mut ids = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if deadline.passed() {
                return Err(ScoreError::Deadline);
            }
            let (piece, after) = split(rest, PIECE_BYTES);
            let encoding = self.tokenizer.encode_fast(piece, false).map_err(failed)?;
            let left = limit.saturating_sub(ids.len());
            ids.extend(encoding.get_ids().iter().take(left).map(|id| i64::from(*id)));
            if encoding.len() > left {
                let unseen = self.after_token(piece, left)?;
                let unseen_bytes = unseen.saturating_add(after.len());
                return Ok(Tokenized { ids, unseen_bytes });
            }
            rest = after;
        }
        Ok(Tokenized { ids, unseen_bytes: 0 })
    }

    /// Bytes of `piece` from its token number `count` on.
    fn after_token(&self, piece: &str, count: usize) -> Result<usize, ScoreError> {
        let encoding = self.tokenizer.encode(piece, false).map_err(failed)?;
        let seen = encoding.get_offsets().get(count).map_or(0, |(begin, _)| *begin);
        Ok(piece.len().saturating_sub(seen))
    }
}

fn failed(error: tokenizers::Error) -> ScoreError {
    // Its text can quote the input.
    drop(error);
    ScoreError::Failed("the tokenizer refused the text".into())
}

/// Cuts `text` after at most `limit` bytes: after the last white space in the second
/// half, else between two characters.
fn split(text: &str, limit: usize) -> (&str, &str) {
    if text.len() <= limit {
        return (text, "");
    }
    let limit = text.floor_char_boundary(limit);
    let (head, _) = text.split_at(limit);
    let cut = head
        .char_indices()
        .rev()
        .take_while(|(at, _)| *at >= limit / 2)
        .find(|(_, c)| c.is_whitespace())
        .map_or(limit, |(at, c)| at.saturating_add(c.len_utf8()));
    text.split_at(cut)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_the_text(text in "[a-z 忽略之前\u{301}😀\n]{0,200}", limit in 4_usize..40) {
            let mut rest = text.as_str();
            let mut whole = String::new();
            while !rest.is_empty() {
                let (piece, after) = split(rest, limit);
                prop_assert!(!piece.is_empty() && piece.len() <= limit);
                whole.push_str(piece);
                rest = after;
            }
            prop_assert_eq!(whole, text);
        }
    }

    #[test]
    fn a_cut_is_made_at_white_space() {
        assert_eq!(split("ab cd ef gh", 8), ("ab cd ", "ef gh"));
        assert_eq!(split("abcdefghij", 8), ("abcdefgh", "ij"));
        assert_eq!(split("a bcdefghij", 8), ("a bcdefg", "hij"));
    }
}
