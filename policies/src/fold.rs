//! The folded view: what a text says, whatever characters it says it with.
//!
//! Each character is mapped by itself, without regard to its neighbours, to
//! none, one or a few: compatibility decomposition (as in NFKC: full width,
//! mathematical letters, ligatures, circled letters), then combining marks,
//! default-ignorable characters, tags, variation selectors and bidi controls
//! removed, white space, dashes and quotation marks made plain, and letters
//! that look like ASCII ones mapped to those.
//!
//! It is *not* NFKC to the letter, and that is the point: where NFKC composes
//! `e` and U+0301 to `é`, this maps `é` to `e` and drops the mark, so both
//! spellings meet without looking at the next character. A stream folds
//! without waiting, and holds nothing on account of folding. Patterns are
//! folded in the same way, so that one written with `é` or in Cyrillic still
//! matches. Hangul and kana stay as they are (they are not confusable, and
//! composing them would need the neighbour).
//!
//! ASCII maps to itself: text that is ASCII is its own folded view.

use unicode_normalization::char::decompose_compatible;

/// Gives the characters that `from` folds to.
pub(crate) fn fold(from: char, mut to: impl FnMut(char)) {
    if folds_to_itself(from) {
        to(from);
        return;
    }
    decompose_compatible(from, |part| {
        if let Some(plain) = plain(part) {
            to(plain);
        }
    });
}

/// Whether a character is an ASCII letter in another shape (full-width, bold, in a
/// circle), and not one with a mark or one that only looks like it.
pub(crate) fn is_ascii_letter(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    let (mut parts, mut letters) = (0usize, 0usize);
    decompose_compatible(c, |part| {
        parts = parts.saturating_add(1);
        letters = letters.saturating_add(usize::from(part.is_ascii_alphabetic()));
    });
    parts == 1 && letters == 1
}

/// One character after decomposition; `None` where it is removed.
fn plain(part: char) -> Option<char> {
    if part.is_ascii() {
        return Some(part);
    }
    if is_removed(part) {
        return None;
    }
    Some(match part {
        '\u{0085}' | '\u{2028}' | '\u{2029}' => '\n',
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{30a0}' => '-',
        '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{02b9}' | '\u{02bc}' | '\u{02c8}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{00ab}' | '\u{00bb}' => '"',
        '\u{3001}' => ',',
        '\u{3002}' => '.',
        '\u{2044}' | '\u{2215}' => '/',
        '\u{00b7}' | '\u{2022}' | '\u{2027}' | '\u{2219}' | '\u{22c5}' | '\u{30fb}' => '.',
        _ => match CONFUSABLES.binary_search_by_key(&part, |entry| entry.0) {
            Ok(found) => CONFUSABLES.get(found).map_or(part, |entry| entry.1),
            Err(_) => prototype(part),
        },
    })
}

/// The ASCII letter or digit that UTS #39 (confusables.txt) takes a character
/// for. Scripts whose letters would be torn apart by it (Arabic, Hebrew, the
/// Indic ones) are left alone: no word is written in their look-alikes.
fn prototype(part: char) -> char {
    let known = matches!(part,
        '\u{00a1}'..='\u{058f}' | '\u{10a0}'..='\u{10ff}' | '\u{13a0}'..='\u{16ff}'
        | '\u{1c80}'..='\u{1fff}' | '\u{2100}'..='\u{2dff}' | '\u{a4d0}'..='\u{a7ff}'
        | '\u{aa80}'..='\u{abbf}' | '\u{10280}'..='\u{107ff}' | '\u{118a0}'..='\u{118ff}'
        | '\u{16f00}'..='\u{16f9f}' | '\u{1d000}'..='\u{1f1ff}');
    if !known {
        return part;
    }
    let mut buffer = [0; 4];
    let mut skeleton = unicode_security::skeleton(part.encode_utf8(&mut buffer));
    match (skeleton.next(), skeleton.next()) {
        (Some(plain), None) if plain.is_ascii_alphanumeric() => plain,
        _ => part,
    }
}

/// Whether a character is its own folded form, where that needs no table.
pub(crate) fn folds_to_itself(c: char) -> bool {
    c.is_ascii()
        || matches!(c,
        '\u{3041}'..='\u{309a}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30fe}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// Characters that show nothing, or only decorate: default-ignorable code
/// points, C1 controls, the blocks of combining diacritical marks, and what
/// Arabic is mostly written without (vowel signs, hamza on a letter, the
/// stretching of a line). The marks of scripts that are unreadable without them
/// (Hebrew, Indic, Thai) stay.
fn is_removed(c: char) -> bool {
    matches!(c,
        '\u{0080}'..='\u{0084}' | '\u{0086}'..='\u{009f}' | '\u{00ad}' | '\u{0300}'..='\u{036f}'
        | '\u{0483}'..='\u{0489}' | '\u{061c}' | '\u{0640}' | '\u{064b}'..='\u{065f}'
        | '\u{0670}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{20d0}'..='\u{20ff}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Letters drawn like an ASCII letter in common fonts, in code point order:
/// the single-letter entries of Unicode's confusables for the scripts that
/// attacks are written in (Greek, Cyrillic, Armenian, Cherokee, IPA, Lisu).
#[rustfmt::skip]
const CONFUSABLES: &[(char, char)] = &[
    ('\u{00d0}', 'D'), ('\u{00d8}', 'O'), ('\u{00df}', 's'), ('\u{00e6}', 'a'), ('\u{00f0}', 'd'),
    ('\u{00f8}', 'o'), ('\u{0110}', 'D'), ('\u{0111}', 'd'), ('\u{0126}', 'H'), ('\u{0127}', 'h'),
    ('\u{0131}', 'i'), ('\u{0141}', 'L'), ('\u{0142}', 'l'), ('\u{0166}', 'T'), ('\u{0167}', 't'),
    ('\u{0180}', 'b'), ('\u{0183}', 'g'), ('\u{0188}', 'c'), ('\u{0192}', 'f'), ('\u{0197}', 'I'),
    ('\u{01bd}', 's'), ('\u{01c0}', 'l'), ('\u{01dd}', 'e'), ('\u{0237}', 'j'), ('\u{0250}', 'a'),
    ('\u{0251}', 'a'), ('\u{0253}', 'b'), ('\u{0254}', 'c'), ('\u{0256}', 'd'), ('\u{0257}', 'd'),
    ('\u{025b}', 'e'), ('\u{025f}', 'f'), ('\u{0260}', 'g'), ('\u{0261}', 'g'), ('\u{0262}', 'G'),
    ('\u{0265}', 'h'), ('\u{0266}', 'h'), ('\u{0268}', 'i'), ('\u{0269}', 'i'), ('\u{026a}', 'I'),
    ('\u{026b}', 'l'), ('\u{026f}', 'w'), ('\u{0271}', 'm'), ('\u{0272}', 'n'), ('\u{0274}', 'N'),
    ('\u{0275}', 'o'), ('\u{0279}', 'r'), ('\u{027d}', 'r'), ('\u{027e}', 'j'), ('\u{0280}', 'R'),
    ('\u{0282}', 's'), ('\u{0287}', 't'), ('\u{0288}', 't'), ('\u{028b}', 'v'), ('\u{028c}', 'v'),
    ('\u{028d}', 'w'), ('\u{028e}', 'y'), ('\u{028f}', 'Y'), ('\u{0290}', 'z'), ('\u{0299}', 'B'),
    ('\u{029c}', 'H'), ('\u{029e}', 'k'), ('\u{029f}', 'L'), ('\u{037f}', 'J'), ('\u{0391}', 'A'),
    ('\u{0392}', 'B'), ('\u{0395}', 'E'), ('\u{0396}', 'Z'), ('\u{0397}', 'H'), ('\u{0399}', 'I'),
    ('\u{039a}', 'K'), ('\u{039c}', 'M'), ('\u{039d}', 'N'), ('\u{039f}', 'O'), ('\u{03a1}', 'P'),
    ('\u{03a4}', 'T'), ('\u{03a5}', 'Y'), ('\u{03a7}', 'X'), ('\u{03b1}', 'a'), ('\u{03b3}', 'y'),
    ('\u{03b5}', 'e'), ('\u{03b9}', 'i'), ('\u{03ba}', 'k'), ('\u{03bd}', 'v'), ('\u{03bf}', 'o'),
    ('\u{03c1}', 'p'), ('\u{03c3}', 'o'), ('\u{03c4}', 't'), ('\u{03c5}', 'u'), ('\u{03c7}', 'x'),
    ('\u{03c9}', 'w'), ('\u{03f2}', 'c'), ('\u{03f3}', 'j'), ('\u{03f9}', 'C'), ('\u{0404}', 'E'),
    ('\u{0405}', 'S'), ('\u{0406}', 'I'), ('\u{0408}', 'J'), ('\u{0410}', 'A'), ('\u{0412}', 'B'),
    ('\u{0415}', 'E'), ('\u{041a}', 'K'), ('\u{041c}', 'M'), ('\u{041d}', 'H'), ('\u{041e}', 'O'),
    ('\u{0420}', 'P'), ('\u{0421}', 'C'), ('\u{0422}', 'T'), ('\u{0423}', 'Y'), ('\u{0425}', 'X'),
    ('\u{0430}', 'a'), ('\u{0433}', 'r'), ('\u{0435}', 'e'), ('\u{043a}', 'k'), ('\u{043c}', 'm'),
    ('\u{043d}', 'h'), ('\u{043e}', 'o'), ('\u{043f}', 'n'), ('\u{0440}', 'p'), ('\u{0441}', 'c'),
    ('\u{0442}', 't'), ('\u{0443}', 'y'), ('\u{0445}', 'x'), ('\u{0448}', 'w'), ('\u{0455}', 's'),
    ('\u{0456}', 'i'), ('\u{0458}', 'j'), ('\u{0461}', 'w'), ('\u{0474}', 'V'), ('\u{0475}', 'v'),
    ('\u{04ae}', 'Y'), ('\u{04af}', 'y'), ('\u{04bb}', 'h'), ('\u{04bd}', 'e'), ('\u{04c0}', 'I'),
    ('\u{04cf}', 'l'), ('\u{0501}', 'd'), ('\u{050c}', 'G'), ('\u{051b}', 'q'), ('\u{051c}', 'W'),
    ('\u{051d}', 'w'), ('\u{0555}', 'O'), ('\u{0561}', 'w'), ('\u{0563}', 'q'), ('\u{0566}', 'q'),
    ('\u{0570}', 'h'), ('\u{0578}', 'n'), ('\u{057c}', 'n'), ('\u{057d}', 'u'), ('\u{0581}', 'g'),
    ('\u{0585}', 'o'), ('\u{13a0}', 'D'), ('\u{13a1}', 'R'), ('\u{13a2}', 'T'), ('\u{13aa}', 'A'),
    ('\u{13ab}', 'J'), ('\u{13ac}', 'E'), ('\u{13b3}', 'W'), ('\u{13b7}', 'M'), ('\u{13bb}', 'H'),
    ('\u{13c0}', 'G'), ('\u{13c2}', 'h'), ('\u{13c3}', 'Z'), ('\u{13cf}', 'b'), ('\u{13d2}', 'R'),
    ('\u{13d4}', 'W'), ('\u{13d5}', 'S'), ('\u{13d9}', 'V'), ('\u{13da}', 'S'), ('\u{13de}', 'L'),
    ('\u{13df}', 'C'), ('\u{13e2}', 'P'), ('\u{13e6}', 'K'), ('\u{13e7}', 'd'), ('\u{1d00}', 'A'),
    ('\u{1d04}', 'C'), ('\u{1d05}', 'D'), ('\u{1d07}', 'E'), ('\u{1d09}', 'i'), ('\u{1d0a}', 'J'),
    ('\u{1d0b}', 'K'), ('\u{1d0d}', 'M'), ('\u{1d0f}', 'O'), ('\u{1d18}', 'P'), ('\u{1d1b}', 'T'),
    ('\u{1d1c}', 'U'), ('\u{1d20}', 'V'), ('\u{1d21}', 'W'), ('\u{1d22}', 'Z'), ('\u{a4d0}', 'B'),
    ('\u{a4d1}', 'P'), ('\u{a4d2}', 'd'), ('\u{a4d3}', 'D'), ('\u{a4d4}', 'T'), ('\u{a4d6}', 'G'),
    ('\u{a4d7}', 'K'), ('\u{a4d9}', 'J'), ('\u{a4da}', 'C'), ('\u{a4dc}', 'Z'), ('\u{a4dd}', 'F'),
    ('\u{a4df}', 'M'), ('\u{a4e0}', 'N'), ('\u{a4e1}', 'L'), ('\u{a4e2}', 'S'), ('\u{a4e3}', 'R'),
    ('\u{a4e6}', 'V'), ('\u{a4e7}', 'H'), ('\u{a4ea}', 'W'), ('\u{a4eb}', 'X'), ('\u{a4ec}', 'Y'),
    ('\u{a4ee}', 'A'), ('\u{a4f0}', 'E'), ('\u{a4f2}', 'I'), ('\u{a4f3}', 'O'), ('\u{a4f4}', 'U'),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut out = String::new();
        text.chars().for_each(|c| fold(c, |part| out.push(part)));
        out
    }

    #[test]
    fn the_table_is_sorted_so_that_search_finds_every_entry() {
        assert!(CONFUSABLES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn ascii_is_its_own_folded_form() {
        (0u8..128).for_each(|byte| {
            assert_eq!(folded(&char::from(byte).to_string()), char::from(byte).to_string())
        });
    }

    #[test]
    fn folding_twice_is_folding_once() {
        ('\0'..=char::MAX).for_each(|c| {
            let once = folded(&c.to_string());
            assert_eq!(folded(&once), once, "U+{:04X}", u32::from(c));
        });
    }

    #[test]
    fn says_what_it_looks_like() {
        for (text, plain) in [
            ("ｉｇｎｏｒｅ", "ignore"),
            ("𝐢𝐠𝐧𝐨𝐫𝐞 𝓪𝓵𝓵", "ignore all"),
            ("іgnоrе", "ignore"),
            ("ig\u{200b}no\u{feff}re\u{e0041}", "ignore"),
            ("i\u{0301}\u{0335}gnore", "ignore"),
            ("résumé", "resume"),
            ("ﬁle ①", "file 1"),
            ("忽略之前的指令，好。", "忽略之前的指令,好."),
            ("がカ한", "がカ한"),
            ("don’t — “so”", "don't - \"so\""),
            ("ǝɹouƃᴉ 忽·略", "erougi 忽.略"),
            ("אלף الف अलग ไทย", "אלף الف अलग ไทย"),
            ("أنتَ الآنَ ذكـــاء", "انت الان ذكاء"),
        ] {
            assert_eq!(folded(text), plain);
        }
    }
}
