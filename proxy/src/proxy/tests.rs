use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use troth_attest::{Heartbeat, LogConfig, Publishing, Record, Signer, SystemClock};

use super::*;
use crate::{config, testing::ORIGIN};

fn log(directory: &Path, records: usize) -> Log {
    let mut config = LogConfig::new(directory, ORIGIN, Signer::generate(ORIGIN, [1; 32]).unwrap());
    config.publish = Publishing::External;
    let log = Log::open(config, Arc::new(SystemClock)).unwrap();
    for _ in 0..records {
        log.append(Record::Heartbeat(Heartbeat::default())).unwrap().wait().unwrap();
    }
    log
}

/// A witness that has cosigned `note`, as far as one can tell who asks it.
async fn witness(note: Vec<u8>, tasks: &Tasks) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn("witness", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            if stream.read(&mut asked).await.is_err() {
                continue;
            }
            let length = note.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &note].concat()).await.unwrap();
        }
    });
    format!("http://{address}")
}

/// The bytes of every file below `directory`.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

/// A configuration of a log in `home` whose witness is at `url`.
fn configured(home: &Path, url: &str) -> Config {
    let own = Signer::generate(ORIGIN, [1; 32]).unwrap();
    let witness = Signer::generate("w", [2; 32]).unwrap().witness_verifier();
    std::fs::write(home.join("log.key"), own.to_private_text().as_str()).unwrap();
    let policy = format!("log {}\nwitness w {witness} {url}\nquorum w\n", own.verifier());
    std::fs::write(home.join("log.policy"), policy).unwrap();
    let text = format!(
        r#"
version = 1
[[route]]
name = "chat"
path = "/v1"
upstream = "http://127.0.0.1:1"
dialect = "openai"
log = "main"
[classifiers]
dangerous_off = true
[[log]]
name = "main"
directory = "log"
origin = "{ORIGIN}"
key = "log.key"
witnesses = "log.policy"
"#
    );
    config::read(&home.join("troth.toml"), &text, &|_| None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_where_a_witness_has_seen_more() {
    let tasks = Tasks::default();
    let elsewhere = tempfile::tempdir().unwrap();
    let later = log(elsewhere.path(), 9).candidate().unwrap().note;
    for (what, records, refused) in
        [("rolled back", Some(3), true), ("begun anew", None, true), ("as it was", Some(9), false)]
    {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("log");
        let mut seen = later.clone();
        if let Some(records) = records {
            let log = log(&directory, records);
            if !refused {
                seen = log.candidate().unwrap().note;
            }
            // It ends without order, so that opening it has something to write.
        }
        let before = if directory.exists() { files(&directory) } else { BTreeMap::new() };
        let config = configured(home.path(), &witness(seen, &tasks).await);
        let settings = config.logs.first().unwrap();
        let opened = open(settings, &config).await;
        match opened {
            Err(BootFault::Witness { .. }) if refused => {}
            Ok(_) if !refused => continue,
            other => panic!("{what}: {other:?}"),
        }
        let after = if directory.exists() { files(&directory) } else { BTreeMap::new() };
        assert!(before == after, "{what}: something was written");
    }
}
