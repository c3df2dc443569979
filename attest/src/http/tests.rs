mod authority;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::testing::web::{Reply, Web};
use crate::testing::*;
use crate::*;

use super::*;

/// Patience that a test has.
fn options() -> HttpOptions {
    HttpOptions {
        connect: Duration::from_secs(5),
        answer: Duration::from_millis(400),
        stall: Duration::from_millis(400),
        whole: Duration::from_secs(5),
        retries: 2,
        pause: Duration::from_millis(5),
        roots: None,
    }
}

/// What a request ends in.
#[derive(Debug, PartialEq)]
enum End {
    Body(&'static str),
    Absent,
    Withheld,
    /// This kind, and a message that names the address and holds this.
    Fault(io::ErrorKind, &'static str),
}

#[test]
fn what_a_server_may_do() {
    use End::{Absent, Body, Fault, Withheld as Hidden};
    use io::ErrorKind::{FileTooLarge, Other, TimedOut, UnexpectedEof};
    type Case = (&'static str, fn(&str, usize) -> Reply, End, usize);
    // What it does, what comes of it, and how often it was asked.
    let cases: [Case; 27] = [
        ("a file", |_, _| Reply::ok(b"good"), Body("good"), 1),
        ("an empty file", |_, _| Reply::ok(b""), Body(""), 1),
        ("a file of the largest size", |_, _| Reply::ok(b"0123456789"), Body("0123456789"), 1),
        (
            "one byte more",
            |_, _| Reply::ok(b"0123456789a"),
            Fault(FileTooLarge, "longer than 10 bytes"),
            1,
        ),
        ("no end", |_, _| Reply::Endless, Fault(FileTooLarge, "longer than 10 bytes"), 1),
        (
            "a promise of too much",
            |_, _| Reply::Promise(u64::MAX / 2),
            Fault(FileTooLarge, "longer than 10 bytes"),
            1,
        ),
        ("404", |_, _| Reply::status(404), Absent, 1),
        ("410", |_, _| Reply::status(410), Absent, 1),
        ("403", |_, _| Reply::status(403), Hidden, 1),
        ("401", |_, _| Reply::status(401), Hidden, 1),
        ("400", |_, _| Reply::status(400), Fault(Other, "answered 400"), 1),
        ("206", |_, _| Reply::status(206), Fault(Other, "answered 206"), 1),
        ("500 for ever", |_, _| Reply::status(500), Fault(Other, "answered 500"), 3),
        (
            "500, then good",
            |_, n| if n < 2 { Reply::status(500) } else { Reply::ok(b"good") },
            Body("good"),
            3,
        ),
        (
            "429, then good",
            |_, n| {
                if n == 0 {
                    Reply::Status(429, vec![("retry-after", "0".to_owned())], Vec::new())
                } else {
                    Reply::ok(b"good")
                }
            },
            Body("good"),
            2,
        ),
        ("503, then gone", |_, n| Reply::status(if n == 0 { 503 } else { 404 }), Absent, 2),
        ("501", |_, _| Reply::status(501), Fault(Other, "answered 501"), 1),
        ("no more than a greeting", |_, _| Reply::Stall, Fault(TimedOut, "no answer in time"), 3),
        ("silence", |_, _| Reply::Silence, Fault(TimedOut, "no answer in time"), 3),
        (
            "silence, then good",
            |_, n| if n == 0 { Reply::Silence } else { Reply::ok(b"good") },
            Body("good"),
            2,
        ),
        ("half a body", |_, _| Reply::Short(b"abc".to_vec()), Fault(UnexpectedEof, ""), 3),
        (
            "half a body, then all",
            |_, n| if n == 0 { Reply::Short(b"go".to_vec()) } else { Reply::ok(b"good") },
            Body("good"),
            2,
        ),
        (
            "a connection that breaks, then good",
            |_, n| if n == 0 { Reply::Close } else { Reply::ok(b"good") },
            Body("good"),
            2,
        ),
        ("what is no HTTP", |_, _| Reply::Noise, Fault(Other, ""), 1),
        (
            "a redirect to itself",
            |_, _| Reply::redirect(302, "/file"),
            Fault(Other, "more than 5 redirects"),
            6,
        ),
        ("a redirect to nowhere", |_, _| Reply::redirect(301, ""), Fault(Other, "nowhere"), 1),
        (
            "a redirect to a file of this machine",
            |_, _| Reply::redirect(307, "file:///etc/passwd"),
            Fault(Other, "no plain HTTP address"),
            1,
        ),
    ];
    for (name, answer, end, asked) in cases {
        let web = Web::start(answer);
        let source = HttpSource::new(&web.url, options()).unwrap();
        let read = source.read("file", 10);
        match (&read, &end) {
            (Ok(Some(bytes)), Body(body)) => assert_eq!(bytes, body.as_bytes(), "{name}"),
            (Ok(None), Absent) => {}
            (Err(fault), Hidden) => {
                assert!(crate::Withheld::is_cause_of(fault), "{name}");
                assert!(fault.to_string().contains(&web.url), "{name}");
            }
            (Err(fault), Fault(kind, what)) => {
                assert!(!crate::Withheld::is_cause_of(fault), "{name}");
                assert_eq!(fault.kind(), *kind, "{name}: {fault}");
                let text = fault.to_string();
                assert!(text.contains(&web.url) && text.contains(what), "{name}: {text}");
                assert!(!text.contains('\n'), "{name}: {text}");
            }
            _ => panic!("{name}: {read:?} is not {end:?}"),
        }
        assert_eq!(web.asked()["/file"], asked, "{name}");
    }
}

#[test]
fn redirects_lead_where_they_may() {
    let cases = [
        ("https://a.example/log/tile", "https://b.example/x", Ok("https://b.example/x")),
        ("https://a.example/log/tile", "//b.example/x", Ok("https://b.example/x")),
        ("https://a.example/log/tile?q=/", "/x?y#z", Ok("https://a.example/x?y")),
        ("https://a.example/log/tile", "x", Ok("https://a.example/log/x")),
        ("https://a.example", "x", Ok("https://a.example/x")),
        ("http://a.example/tile", "https://a.example/tile", Ok("https://a.example/tile")),
        ("http://a.example/tile", "http://[::1]:8/x", Ok("http://[::1]:8/x")),
        ("https://a.example/t", "http://a.example/t", Err("a redirect from https to http")),
        ("HTTPS://a.example/t", "HTTP://a.example/t", Err("a redirect from https to http")),
        (
            "https://a.example/t",
            "https://me:secret@b.example/",
            Err("a redirect to what is no plain HTTP address"),
        ),
        ("https://a.example/t", "", Err("a redirect that leads nowhere")),
        ("https://a.example/t", "#x", Err("a redirect that leads nowhere")),
    ];
    for (from, location, to) in cases {
        assert_eq!(follow(from, location), to.map(str::to_owned), "{from} -> {location}");
    }
    let long = format!("/{}", "x".repeat(5000));
    assert_eq!(follow("https://a.example/t", &long), Err("a redirect that leads nowhere"));
    // And one that is followed, to another host and back.
    let target = Web::start(|path, _| Reply::ok(path.as_bytes()));
    let url = target.url.clone();
    let web = Web::start(move |_, _| Reply::redirect(308, format!("{url}/there")));
    let source = HttpSource::new(&web.url, options()).unwrap();
    assert_eq!(source.read("here", 10).unwrap().unwrap(), b"/there");
}

#[test]
fn addresses() {
    for (url, fault) in [
        ("https://log.example.com", None),
        ("http://127.0.0.1:8080/logs/prod/", None),
        ("http://[::1]:8080", None),
        ("https://me:secret@log.example.com/x", Some("holds a user's name or password")),
        ("https://log.example.com/?x=1", Some("has a query")),
        ("https://log.example.com/#x", Some("has a fragment")),
        ("ftp://log.example.com", Some("is no HTTP address")),
        ("https://", Some("is no address")),
        ("https:///x", Some("is no address")),
        ("log.example.com", Some("is no HTTP address")),
        ("https://log.example.com/a b", Some("is no address")),
    ] {
        let made = HttpSource::new(url, options()).map(drop).map_err(|fault| fault.to_string());
        match fault {
            None => assert_eq!(made, Ok(()), "{url}"),
            Some(what) => {
                let text = made.unwrap_err();
                assert!(text.contains(what) && !text.contains("secret"), "{url}: {text}");
            }
        }
    }
    assert!(is_url("HTTPS://x") && is_url("http://x") && !is_url("http:/x") && !is_url("./http"));
    assert!(is_loopback("http://[::1]:1/") && is_loopback("http://localhost/"));
    assert!(!is_loopback("http://10.0.0.1/") && !is_loopback("https://localhost.example/"));
}

#[test]
fn nobody_there_and_no_tls_there() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 what\r\n\r\n").unwrap();
        }
    });
    for (url, what) in [
        (format!("http://{closed}"), "refused"),
        ("http://no-such-host.invalid".to_owned(), "no-such-host.invalid"),
        (plain, "TLS"),
    ] {
        let fault = HttpSource::new(&url, options()).unwrap().read("checkpoint", 10).unwrap_err();
        let text = fault.to_string().to_lowercase();
        assert!(text.contains(&url) && text.contains(&what.to_lowercase()), "{text}");
    }
}

/// The public files of a log with 613 entries.
fn public() -> (tempfile::TempDir, BTreeMap<String, Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(config(&directory.path().join("log")), StoppedClock::at(NOW)).unwrap();
    let first = begin(&log);
    for part in 0..38 {
        complete_many(&log, part * 60..(part + 1) * 60, first);
    }
    log.close().unwrap();
    let source = DirectorySource::new(directory.path().join("log"));
    let public = directory.path().join("public");
    export(&source, &public, |_| {}).unwrap();
    let files = MemorySource::load(&public).files;
    (directory, Arc::unwrap_or_clone(files))
}

#[test]
fn an_audit_over_http_is_the_audit_of_the_directory() {
    let (directory, files) = public();
    let own = DirectorySource::new(directory.path().join("public"));
    let web = Web::files(files.clone());
    let source = HttpSource::new(&format!("{}/", web.url), options()).unwrap();
    for threads in [1, 6] {
        let options = VerifyOptions { threads, ..VerifyOptions::default() };
        let expected = verify(&own, &policy(), &options, |_| {});
        assert!(expected.is_ok() && expected.size > 4000, "{expected:#?}");
        assert_eq!(verify(&source, &policy(), &options, |_| {}), expected);
    }
    // Two audits asked for each file once each, over few connections.
    assert!(web.asked().values().all(|asked| *asked == 2), "{:?}", web.asked());
    assert!(web.connections() <= 8, "{}", web.connections());
    // An export, a proof and a record come out the same.
    let again = directory.path().join("again");
    export(&source, &again, |_| {}).unwrap();
    assert_eq!(*MemorySource::load(&again).files, files);
    let cached = CachedSource::new(&source);
    let (near, far) = (LogView::open(&own).unwrap(), LogView::open(&cached).unwrap());
    assert_eq!(far.prove(700).unwrap(), near.prove(700).unwrap());
    let before: usize = web.asked().values().sum();
    assert_eq!(far.prove(701).unwrap(), near.prove(701).unwrap());
    // The second proof of a tile needs no tile again: only its entry.
    assert_eq!(web.asked().values().sum::<usize>(), before + 1);
}

#[test]
fn what_an_audit_makes_of_a_server() {
    let (_directory, files) = public();
    type Case = (&'static str, fn(&str, usize) -> Option<Reply>, u8, &'static str);
    let cases: [Case; 8] = [
        ("all is served", |_, _| None, 0, ""),
        ("each answer fails once", |_, n| (n == 0).then(|| Reply::status(503)), 0, ""),
        (
            "entries are withheld",
            |path, _| path.contains("entries").then(|| Reply::status(403)),
            5,
            "does not publish its entries",
        ),
        (
            "entries are missing",
            |path, _| path.contains("entries").then(|| Reply::status(404)),
            2,
            "is missing",
        ),
        (
            "a tile is missing",
            |path, _| (path == "/tile/0/003").then(|| Reply::status(404)),
            2,
            "`tile/0/003` is missing",
        ),
        (
            "a tile never ends",
            |path, _| (path == "/tile/0/003").then_some(Reply::Endless),
            1,
            "longer than any of its kind",
        ),
        (
            "a bundle breaks off for ever",
            |path, _| (path == "/tile/entries/005").then(|| Reply::Short(vec![0; 9])),
            74,
            "/tile/entries/005",
        ),
        ("there is nothing", |_, _| Some(Reply::status(404)), 74, "no log here"),
    ];
    for (name, misbehave, code, what) in cases {
        let files = files.clone();
        let web = Web::start(move |path, n| {
            let file = || files.get(path.trim_start_matches('/'));
            misbehave(path, n)
                .unwrap_or_else(|| file().map_or(Reply::status(404), |b| Reply::ok(b)))
        });
        for threads in [1, 4] {
            let source = HttpSource::new(&web.url, options()).unwrap();
            let options = VerifyOptions { threads, ..VerifyOptions::default() };
            let report = verify(&source, &policy(), &options, |_| {});
            assert_eq!(report.exit_code, code, "{name}: {:?}", report.faults);
            if code != 0 {
                assert!(report.faults[0].what.contains(what), "{name}: {:?}", report.faults);
            }
            assert_eq!(report.withheld > 0, name.contains("withheld"), "{name}");
        }
    }
}
