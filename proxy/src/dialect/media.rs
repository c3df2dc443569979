//! What a model is shown and no detector reads: images, audio, video, files, as
//! content or as a link to content.
//!
//! Under a key that means an image everything is one, however it is written:
//! a server that takes `DATA:image/png;BASE64, ...` for an image reads what a
//! stricter proxy took for odd text. What is not plain base64 is read as text
//! besides, since a link says something too.

use std::borrow::Cow;

use super::Opaque;

/// A string that stands for something other than text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Media {
    /// How it is counted.
    pub(super) opaque: Opaque,
    /// It says something as text too.
    pub(super) is_text: bool,
}

/// What the string at `pointer` stands for, where its place or its form says
/// that it is not text alone.
pub(super) fn at(pointer: &str, text: &str) -> Option<Media> {
    // A list under a key is as good as its first item.
    let is_key = |token: &&str| !token.bytes().all(|byte| byte.is_ascii_digit());
    let mut keys = pointer.rsplit('/').filter(is_key);
    let (key, above) = (keys.next()?, keys.next().unwrap_or_default());
    let holds = matches!(key, "url" | "data" | "file_data" | "file_id");
    let kind = kind(key).or_else(|| part(above).filter(|_| holds));
    match kind {
        Some(kind) => shown_as(kind, text),
        None if holds => data(text),
        None => None,
    }
}

/// What the value of `key` is shown as, where the key alone says so.
fn kind(key: &str) -> Option<&'static str> {
    Some(match key {
        "image_url" | "image_embeds" => "image",
        "audio_url" | "audio_embeds" => "audio",
        "video_url" => "video",
        "file_url" => "file",
        _ => return None,
    })
}

/// What the content of an object under `key` is shown as.
fn part(key: &str) -> Option<&'static str> {
    kind(key).or(match key {
        "input_audio" => Some("audio"),
        "file" => Some("file"),
        _ => None,
    })
}

/// What a string is that is shown as `kind`; nothing where it is empty.
fn shown_as(kind: &'static str, text: &str) -> Option<Media> {
    if text.is_empty() {
        return None;
    }
    if let Some(url) = DataUrl::read(text) {
        let media_type = url.media_type().unwrap_or_else(|| kind.to_owned());
        return Some(media(media_type, text, url.is_textual() || !url.is_base64()));
    }
    if is_base64(text) {
        // A word is in that alphabet too, and no image is so short.
        return Some(media(kind.to_owned(), text, text.len() < WORD_BYTES));
    }
    Some(media(format!("{kind}-link"), text, true))
}

/// What a string anywhere is: content only where it is a `data:` URL (RFC 2397)
/// of a type that is not text.
fn data(text: &str) -> Option<Media> {
    let url = DataUrl::read(text).filter(|url| !url.is_textual())?;
    let media_type = url.media_type().unwrap_or_else(|| "application/octet-stream".to_owned());
    Some(media(media_type, text, !url.is_base64()))
}

fn media(media_type: String, text: &str, is_text: bool) -> Media {
    Media { opaque: Opaque { media_type, bytes: text.len() as u64 }, is_text }
}

/// Whether `text` has the alphabet of base64 and nothing else.
fn is_base64(text: &str) -> bool {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    !text.is_empty() && text.bytes().all(in_alphabet)
}

/// A `data:` URL as lenient readers take it (WHATWG URL and Fetch): the scheme
/// and `base64` in any case, blanks around it, line ends inside it, parameters
/// in any order.
struct DataUrl<'a> {
    head: String,
    payload: Cow<'a, str>,
}

impl<'a> DataUrl<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let text = text.trim_matches(|c: char| c <= ' ');
        let (head, payload) = text.split_once(',').unwrap_or((text, ""));
        // A head without a comma is bounded like a media type and its parameters.
        let head: String = head.chars().take(HEAD_CHARS).filter(|c| !is_blank(*c)).collect();
        let head = head.to_ascii_lowercase();
        let head = head.strip_prefix("data:")?.to_owned();
        let payload = if payload.contains(is_blank) {
            Cow::Owned(payload.chars().filter(|c| !is_blank(*c)).collect())
        } else {
            Cow::Borrowed(payload)
        };
        Some(Self { head, payload })
    }

    fn essence(&self) -> &str {
        self.head.split(';').next().unwrap_or_default()
    }

    /// Its media type, where that is one.
    fn media_type(&self) -> Option<String> {
        let media = self.essence();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.+-".contains(&byte);
        let known = media.len() <= 64 && media.contains('/') && media.bytes().all(plain);
        known.then(|| media.to_owned())
    }

    /// Text is not opaque: it is walked and decoded like any other. Without a
    /// type it is plain text, by the standard.
    fn is_textual(&self) -> bool {
        let media = self.essence();
        let textual = ["text", "json", "xml", "svg", "script", "yaml", "html"];
        media.is_empty() || textual.iter().any(|kind| media.contains(kind))
    }

    /// It says that it is base64, and is nothing else.
    fn is_base64(&self) -> bool {
        self.head.split(';').skip(1).any(|parameter| parameter == "base64")
            && is_base64(&self.payload)
    }
}

const fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace()
}

/// Characters of a media type with its parameters.
const HEAD_CHARS: usize = 1024;
const WORD_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(media: Option<Media>) -> Option<(String, bool)> {
        media.map(|media| (media.opaque.media_type, media.is_text))
    }

    #[test]
    fn only_encoded_media_is_opaque() {
        for (text, expected) in [
            ("data:image/PNG;base64,AAAA", Some(("image/png", false))),
            ("DATA:image/png;BASE64,AAAA", Some(("image/png", false))),
            (" data:image/png;base64,AAAA\n", Some(("image/png", false))),
            ("da\nta:image/png;base64,AA\r\nAA", Some(("image/png", false))),
            ("data:image/png;charset=x; base64,AAAA", Some(("image/png", false))),
            ("data:image/png;base64;x=y,AAAA", Some(("image/png", false))),
            ("data:image/png;base64,%41%41%41%41", Some(("image/png", true))),
            ("data:image/png,%89PNG%0D%0A", Some(("image/png", true))),
            ("data:i$g;base64,AA", Some(("application/octet-stream", false))),
            ("data:application/pdf;base64,AAAA", Some(("application/pdf", false))),
            ("data:text/plain;base64,AAAA", None),
            ("data:;base64,AAAA", None),
            ("data:image/svg+xml,<svg/>", None),
            ("https://example.com/a,b", None),
            ("data", None),
        ] {
            let expected = expected.map(|(kind, is_text)| (kind.to_owned(), is_text));
            assert_eq!(told(data(text)), expected, "{text}");
        }
    }

    #[test]
    fn everything_under_the_key_of_an_image_is_one() {
        for (text, expected) in [
            ("https://example.com/a.png", Some(("image-link", true))),
            ("HTTP://example.com", Some(("image-link", true))),
            ("file:///etc/passwd", Some(("image-link", true))),
            ("//example.com/a", Some(("image-link", true))),
            ("iVBORw0KGgo=", Some(("image", true))),
            (&"iVBORw0KGgoA".repeat(30), Some(("image", false))),
            ("data:image/png;base64,AAAA", Some(("image/png", false))),
            ("data:text/plain;base64,AAAA", Some(("text/plain", true))),
            ("data:;base64,AAAA", Some(("image", true))),
            ("data:image/svg+xml,<svg/>", Some(("image/svg+xml", true))),
            ("", None),
        ] {
            let expected = expected.map(|(kind, is_text)| (kind.to_owned(), is_text));
            for pointer in
                ["/messages/0/content/1/image_url/url", "/x/image_url", "delta/image_url/0/url"]
            {
                assert_eq!(told(at(pointer, text)), expected, "{pointer} {text}");
            }
        }
    }

    #[test]
    fn a_place_that_says_nothing_makes_no_image() {
        let link = "https://example.com/a.png";
        for pointer in ["/url", "/messages/0/content", "/image_url/detail", "/file", "/a/data", ""]
        {
            assert_eq!(at(pointer, link), None, "{pointer}");
        }
        assert_eq!(told(at("/0/file/file_id", "file-123")), Some(("file".to_owned(), true)));
        assert_eq!(told(at("/0/input_audio/data", "a b")), Some(("audio-link".to_owned(), true)));
        let anywhere = at("/a/url", "data:image/png;base64,AAAA");
        assert_eq!(told(anywhere), Some(("image/png".to_owned(), false)));
    }
}
