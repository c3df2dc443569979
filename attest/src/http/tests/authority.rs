//! Who vouches for a server.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};

use super::*;

/// An authority that nobody knows.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let body = STANDARD.encode(own.der());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        Self { params, key, pem }
    }

    /// A server for which it vouches under this name: it has one file.
    fn server(&self, name: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = Arc::new(config);
        std::thread::spawn(move || {
            for mut wire in listener.incoming().map_while(Result::ok) {
                let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
                // A client that believes nothing of it ends the handshake.
                let _ = answer(&mut Stream::new(&mut session, &mut wire));
            }
        });
        format!("https://localhost:{port}")
    }
}

fn answer(wire: &mut (impl io::Read + io::Write)) -> io::Result<()> {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        wire.read_exact(&mut byte)?;
        asked.extend_from_slice(&byte);
    }
    wire.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ngood")?;
    wire.flush()
}

#[test]
fn a_server_is_vouched_for_by_whom_the_caller_names() {
    let (own, other) = (Authority::new(), Authority::new());
    let url = own.server("localhost");
    let read = |url: &str, pem: Option<String>| {
        let roots = pem.map(|pem| Roots::from_pem(pem.as_bytes()).unwrap());
        let options = HttpOptions { roots, answer: Duration::from_secs(5), ..options() };
        HttpSource::new(url, options).unwrap().read("checkpoint", 10)
    };
    assert_eq!(read(&url, Some(own.pem.clone())).unwrap().unwrap(), b"good");
    assert_eq!(read(&url, Some(other.pem.clone() + &own.pem)).unwrap().unwrap(), b"good");
    let elsewhere = own.server("log.example.com");
    for (url, pem) in [(&url, None), (&url, Some(other.pem)), (&elsewhere, Some(own.pem.clone()))] {
        let fault = read(url, pem).unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::InvalidData, "{fault}");
    }
    let options =
        HttpOptions { roots: Some(Roots::from_pem(own.pem.as_bytes()).unwrap()), ..options() };
    let whole = HttpOptions { answer: Duration::from_secs(5), ..options };
    assert_eq!(fetch(&format!("{url}/receipt"), 10, whole).unwrap().unwrap(), b"good");
}

#[test]
fn a_file_without_a_certificate_vouches_for_nobody() {
    let own = Authority::new();
    let cut = own.pem.get(..60).unwrap();
    for pem in ["", "good", cut, &own.pem.replace("CERTIFICATE", "PUBLIC KEY")] {
        Roots::from_pem(pem.as_bytes()).unwrap_err();
    }
}
