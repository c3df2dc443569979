//! Words that are distinctive by themselves: addresses, links, hosts, account
//! numbers, ids, file names. One such word that reappears says where an
//! argument came from, short as it is.

use super::forms::is_wide;

/// What a distinctive word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An e-mail address.
    Email,
    /// A link without its scheme.
    Link,
    /// The host of the link before it.
    Host,
    /// An account, card or telephone number, its groups joined.
    Number,
    /// Anything else that is not a word of a language.
    Other,
}

/// Gives the distinctive words of a text in lower case. What has no letter,
/// like a date or a time, is distinctive only if it is long.
pub(crate) fn tokens(text: &str, mut put: impl FnMut(Kind, &str)) {
    let lower = text.to_lowercase();
    for chunk in lower.split(between).filter(|chunk| chunk.len() >= LEAST_BYTES) {
        chunk_tokens(chunk, &mut put);
    }
    numbers(&lower, &mut put);
}

/// The addresses of a text: what a message or a request can be sent to.
pub(crate) fn addresses(text: &str) -> Vec<(Kind, String)> {
    let lower = text.to_lowercase();
    let mut found: Vec<(Kind, String)> = Vec::new();
    for chunk in lower.split(between) {
        chunk_tokens(chunk, &mut |kind, word| {
            if matches!(kind, Kind::Email | Kind::Link | Kind::Host) {
                found.push((kind, word.to_owned()));
            }
        });
    }
    found
}

/// Whether this character stands between words, never inside an address.
fn between(c: char) -> bool {
    c.is_whitespace()
        || is_wide(c)
        || matches!(
            c,
            '"' | '\''
                | '<'
                | '>'
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | ','
                | ';'
                | '|'
                | '`'
                | '，'
                | '。'
                | '；'
                | '、'
                | '（'
                | '）'
                | '《'
                | '》'
                | '「'
                | '」'
                | '“'
                | '”'
                | '：'
                | '！'
                | '？'
        )
}

fn chunk_tokens(chunk: &str, put: &mut impl FnMut(Kind, &str)) {
    let chunk = chunk.trim_matches(['.', ':', '!', '?', '*', '=', '&']);
    let chunk = chunk.strip_prefix("mailto:").unwrap_or(chunk);
    if let Some(from) = link_start(chunk) {
        let link = chunk.get(from..).unwrap_or_default().trim_end_matches('/');
        let host = host_of(link);
        if !host.is_empty() {
            put(Kind::Link, link);
            put(Kind::Host, host);
        }
        return;
    }
    if let Some((before, after)) = chunk.split_once('@') {
        let local = before.rsplit(|c| !is_local(c)).next().unwrap_or_default();
        let domain = after.split(|c| !is_domain(c)).next().unwrap_or_default();
        let domain = domain.trim_matches(['.', '-']);
        if !local.is_empty() && domain.contains('.') {
            put(Kind::Email, &format!("{local}@{domain}"));
            return;
        }
    }
    let letter = chunk.chars().any(char::is_alphabetic);
    let digit = chunk.chars().any(|c| c.is_ascii_digit());
    let joined = chunk.contains(['.', '/', '_', '-', '#', ':', '@', '\\']);
    if letter && chunk.len() >= LEAST_BYTES && (digit || (joined && chunk.len() > LEAST_BYTES)) {
        if !is_date(chunk) {
            put(Kind::Other, chunk);
        }
        let last = chunk.rsplit(['/', '\\']).next().unwrap_or_default();
        if last.len() < chunk.len() && last.len() > LEAST_BYTES && last.contains('.') {
            put(Kind::Other, last);
        }
    }
}

/// Where what stands after the scheme begins.
fn link_start(chunk: &str) -> Option<usize> {
    if let Some(at) = chunk.find("://") {
        return Some(at.saturating_add(3));
    }
    chunk.find("www.").filter(|at| *at == 0)
}

/// The distinctive word that a value is as a whole, as texts are searched for
/// it; nothing where it is more than one word.
pub(crate) fn only_word(value: &str) -> Option<String> {
    let value = value.trim().to_lowercase();
    if value.contains(between) {
        return None;
    }
    let word = value.trim_matches(['.', ':', '!', '?', '*', '=', '&']);
    let word = match link_start(word) {
        Some(from) => word.get(from..).unwrap_or_default().trim_end_matches('/'),
        None => word,
    };
    Some(word.to_owned())
}

/// The host of a link without its scheme. What stands before the last `@` of
/// the authority is a user's name, whatever it looks like.
pub(crate) fn host_of(link: &str) -> &str {
    let authority = link.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => host,
    };
    host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.')
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-')
}

fn is_domain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-')
}

/// Whether a word is a date, or a date and a time, as machines write it.
fn is_date(chunk: &str) -> bool {
    let mut parts = chunk.splitn(3, ['-', '/', '.']);
    let digits = |part: Option<&str>, most: usize| {
        part.is_some_and(|part| {
            !part.is_empty() && part.len() <= most && part.chars().all(|c| c.is_ascii_digit())
        })
    };
    digits(parts.next(), 4) && digits(parts.next(), 2) && parts.next().is_some()
}

/// Numbers whose groups are written apart: `DE89 3704 0044 ...`, `6222-0212-...`.
/// Where a group before the number could belong to it, both are given.
fn numbers(text: &str, put: &mut impl FnMut(Kind, &str)) {
    let mut groups: Vec<&str> = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.')) {
        if word.is_empty() {
            continue;
        }
        let digit = word.chars().any(|c| c.is_ascii_digit());
        // The bank of an account in Great Britain or the Netherlands is four letters.
        let bank = word.len() == 4 && groups.iter().any(|group| is_account_head(group));
        // A word that is no part of a number ends it.
        if is_date(word) || !(digit || bank) {
            joined(&groups, put);
            groups.clear();
            continue;
        }
        groups.extend(word.split(['-', '.']).filter(|group| !group.is_empty()));
        if groups.len() >= GROUPS {
            joined(&groups, put);
            groups.clear();
        }
    }
    joined(&groups, put);
}

/// Country and check digits, with which an international account number begins.
fn is_account_head(group: &str) -> bool {
    let (country, check) = group.split_at_checked(2).unwrap_or_default();
    country.chars().all(|c| c.is_ascii_alphabetic())
        && check.len() == 2
        && check.chars().all(|c| c.is_ascii_digit())
}

fn joined(groups: &[&str], put: &mut impl FnMut(Kind, &str)) {
    for from in 0..groups.len() {
        let mut number = String::new();
        for group in groups.get(from..).unwrap_or_default() {
            number.push_str(group);
            let digits = number.chars().filter(char::is_ascii_digit).count();
            if number.len() > NUMBER_BYTES {
                break;
            }
            if digits >= NUMBER_DIGITS {
                put(Kind::Number, &number);
            }
        }
    }
}

/// Bytes of the shortest distinctive word.
const LEAST_BYTES: usize = 5;
/// Digits of the shortest distinctive number.
const NUMBER_DIGITS: usize = 7;
/// The longest number of an account: a wallet's (an IBAN has 34 characters).
const NUMBER_BYTES: usize = 64;
/// Groups of one number that are looked at together, so that the pairs of
/// beginning and end are few.
const GROUPS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        tokens(text, |_, word| all.push(word.to_owned()));
        all
    }

    #[test]
    fn finds_what_is_distinctive() {
        for (text, word) in [
            ("Write to Bob.Lee@Example.com, please.", "bob.lee@example.com"),
            ("发到mallory@evil.example谢谢", "mallory@evil.example"),
            ("mailto:bob@example.com?subject=x", "bob@example.com"),
            ("see https://www.evil.example/a?b=c.", "www.evil.example/a?b=c"),
            ("see https://good.example@evil.example:80/a", "evil.example"),
            ("IBAN DE89 3704 0044 0532 0130 00 today", "de89370400440532013000"),
            ("invoice 2291 to DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
            ("to GB82 WEST 1234 5698 7654 32.", "gb82west12345698765432"),
            ("卡号6222-0212-3456-7890", "6222021234567890"),
            ("open /home/u/customers.csv now", "customers.csv"),
            ("order W-10293", "w-10293"),
        ] {
            assert!(found(text).iter().any(|token| token == word), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn words_and_dates_are_not() {
        for text in
            ["The meeting is at ten", "on 2026-11-30 at 10:00", "room 12, 3 pm", "会议改到周三"]
        {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
