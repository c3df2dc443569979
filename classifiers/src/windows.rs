//! How a long text is cut into windows so that no token is unseen.

use std::ops::Range;

/// The windows over `tokens` tokens: each at most `window` long, each beginning
/// `stride` after the one before, the last one ending at the last token.
///
/// The last window is moved back to be full rather than left short: a handful of
/// tokens alone is text that the model never met in training, and its score is noise.
///
/// `stride` must be in `1..=window`, which the manifest's check guarantees; a wrong
/// one is brought into that range rather than allowed to skip a token.
pub(crate) fn windows(
    tokens: usize,
    window: usize,
    stride: usize,
) -> impl Iterator<Item = Range<usize>> {
    let window = window.max(1);
    let stride = stride.clamp(1, window);
    let mut next = (tokens > 0).then_some(0_usize);
    std::iter::from_fn(move || {
        let begin = next?;
        let end = begin.saturating_add(window).min(tokens);
        next = (end < tokens).then(|| begin.saturating_add(stride));
        Some(end.saturating_sub(window)..end)
    })
}

/// How many tokens `count` windows cover.
pub(crate) fn covered(count: usize, window: usize, stride: usize) -> usize {
    match count.checked_sub(1) {
        None => 0,
        Some(more) => more.saturating_mul(stride.clamp(1, window.max(1))).saturating_add(window),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_token_is_in_a_window(tokens in 0_usize..5_000, window in 1_usize..600, stride in 0_usize..700) {
            let mut seen = vec![false; tokens];
            let mut last = None;
            for range in windows(tokens, window, stride) {
                prop_assert!(range.len() <= window);
                prop_assert!(range.len() == window.min(tokens));
                prop_assert!(last.is_none_or(|last: Range<usize>| last.end < range.end));
                for token in range.clone() {
                    seen[token] = true;
                }
                last = Some(range);
            }
            prop_assert!(seen.into_iter().all(|seen| seen));
        }

        #[test]
        fn a_count_of_windows_covers_what_it_says(count in 0_usize..40, window in 1_usize..300, stride in 1_usize..300) {
            let tokens = covered(count, window, stride);
            prop_assert_eq!(windows(tokens, window, stride).count(), count);
            prop_assert_eq!(windows(tokens + 1, window, stride).count(), count + 1);
        }
    }

    #[test]
    fn neighbouring_windows_overlap() {
        let all: Vec<_> = windows(10, 4, 3).collect();
        assert_eq!(all, [0..4, 3..7, 6..10]);
        let all: Vec<_> = windows(11, 4, 3).collect();
        assert_eq!(all, [0..4, 3..7, 6..10, 7..11]);
    }
}
