use super::*;

/// Computed three times: with Python's `hmac` and `hashlib`, HKDF written out
/// after RFC 5869; with `HKDF` of Python's `cryptography`; the first secret with
/// OpenSSL's `kdf`.
#[test]
fn vectors() {
    let counting: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let (one, other) =
        ("019aabcd-0000-7000-8000-000000000001", "019aabcd-0000-7000-8000-0000000000ff");
    let cases = [
        (counting, one, "qKLDF9n7zi2ycVep_HDhMFgTTnG0iwt_VUMFZqcz81w", VECTORS),
        ([0xa5; 32], other, "ZJeeGUexUDuGu6g173hVG63rUMwqGdczUej6e0Y8j88", OTHER_VECTORS),
    ];
    for (day_key, id, secret, vectors) in cases {
        let committer = Committer::new(&day_key, id);
        assert_eq!(URL_SAFE_NO_PAD.encode(committer.secret.as_slice()), secret, "{id}");
        for (field, content, opening, commitment) in vectors {
            assert_eq!(*committer.opening(field).to_text(), *opening, "{id} {field}");
            assert_eq!(committer.commit(field, content).to_string(), *commitment, "{id} {field}");
        }
    }
}

#[test]
fn pieces_make_the_same_commitment() {
    let committer = Committer::new(&[5; 32], "id");
    let mut mac = committer.begin("response.released");
    mac.update(b"one ");
    mac.update(b"");
    mac.update(b"two");
    assert_eq!(mac.finish(), committer.commit("response.released", b"one two"));
}

#[test]
fn an_opening_confirms_its_own_content_only() {
    let committer = Committer::new(&[5; 32], "id");
    let commitment = committer.commit("request", b"hello");
    let opening = Opening::parse(&committer.opening("request").to_text()).unwrap();
    assert!(opening.confirms(&commitment, b"hello"));
    assert!(!opening.confirms(&commitment, b"hello "));
    assert!(!committer.opening("arguments/0").confirms(&commitment, b"hello"));
    assert!(!Committer::new(&[5; 32], "id2").opening("request").confirms(&commitment, b"hello"));
    assert!(!Committer::new(&[6; 32], "id").opening("request").confirms(&commitment, b"hello"));
    assert_eq!(format!("{opening:?} {committer:?}"), "Opening(..) Committer(..)");
    assert_eq!(Opening::parse("AA"), None);
}

/// Field, content, opening, commitment.
type Vector = (&'static str, &'static [u8], &'static str, &'static str);

const VECTORS: &[Vector] = &[
    (
        "request",
        b"",
        "1PFChccvuyH46nVI2OfK7qQPu76KwGfdFpI6TuVETkE",
        "iq-wu1Cdav-Rjw9CEdttMgZSZ3hfce9aPy2Fd420E3Q",
    ),
    (
        "response.upstream",
        b"hello",
        "g-2cvnyMxqEyJFcWUg6WKenuQ5gifk8XTGah2wgqWKw",
        "wF0XPBi0sjvPJNeR_PnyEny8TaZE_VdKXp-KaEYIZ50",
    ),
    (
        "response.released",
        &[b'x'; 200],
        "OnQSjXvl962tBB9_kH3rSIhA_b_dIyoDbm--Tivw3I8",
        "1eMj7mQZIOWeQCXmDbyTIPMZ0Mekz6k4uDd5g9iclc8",
    ),
    (
        "arguments/0",
        b"{\"to\":\"bob\"}",
        "PbjBynLK36T0YdPx9mDbHLuhfmI4JqCxrZTMeYgBVBA",
        "Tp7Scl-BMO_vx7zrrt509CKWXKq5aFaUM-ET524bADo",
    ),
    (
        "arguments/10",
        "你好".as_bytes(),
        "bEnS-kx2WSfMGjxALsZefVeCF_d1izvKAoWjDgHToTQ",
        "0buYG81likaX_bP7iwm7hbAhJ4hd0JQqsIecdmjn0lg",
    ),
];

const OTHER_VECTORS: &[Vector] = &[
    (
        "request",
        b"",
        "Ccd9Q1mwo0BrsWVXC6-JB7MqppfiP23ajydWMXubT7o",
        "RniGBjkOuZHGd2qt4TTKeWe3RDeM8rgPmKBboYPX_-U",
    ),
    (
        "response.upstream",
        b"hello",
        "r_2H2HSwyB5UMbExmQ3VS1XQu7YCH_agaeJjc23wP5Q",
        "8WZOtNmaaHaWbJ89mJctqlANQQcAXeczTtcNjRAHSrs",
    ),
    (
        "response.released",
        &[b'x'; 200],
        "ohiAtV10b3U-F-wzgnpm8DsC-XYqeZs3yPUo9hA5HgE",
        "Jpmj4rVhvsQxLu8IBc4ngwS6Ss7k1cpb9GneC6Ga4xs",
    ),
    (
        "arguments/0",
        b"{\"to\":\"bob\"}",
        "z1jkEwaP_Y7DBLkwK09SaVEyhBUf7enx9GzERediuRw",
        "VLz73069v3bBNfIarU-px11x-9k0YWhRLAS-5Nu_MlQ",
    ),
];
