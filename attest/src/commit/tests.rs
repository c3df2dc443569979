use super::*;

/// Computed with Python's `hmac` and `hashlib`, HKDF written out after RFC 5869.
#[test]
fn vectors() {
    let day_key: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let id = "019aabcd-0000-7000-8000-000000000001";
    let committer = Committer::new(&day_key, id);
    for (field, content, opening, commitment) in VECTORS {
        assert_eq!(*committer.opening(field).to_text(), *opening, "{field}");
        assert_eq!(committer.commit(field, content).to_string(), *commitment, "{field}");
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

const VECTORS: &[(&str, &[u8], &str, &str)] = &[
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
];
