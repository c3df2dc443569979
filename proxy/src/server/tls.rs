//! TLS on the listener, and client certificates where they are wanted.

use std::{path::Path, sync::Arc};

use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// Why the TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFault {
    /// A PEM file that cannot be read, or has nothing in it.
    #[error("cannot read `{path}`: {fault}")]
    Pem {
        /// The file.
        path: String,
        /// Why.
        fault: rustls_pki_types::pem::Error,
    },
    /// Certificate and key that do not belong together, or the like.
    #[error("the certificate, key or client authority cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
    /// Client authorities that cannot be used.
    #[error("the client authorities cannot be used: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// An acceptor from PEM files.
///
/// # Errors
/// Unreadable files, and keys that do not fit.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsFault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|fault| pem(&files.key, fault))?;
    let mut config = builder.with_single_cert(certificates(&files.certificate)?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|fault| pem(path, fault))
}

fn pem(path: &Path, fault: rustls_pki_types::pem::Error) -> TlsFault {
    TlsFault::Pem { path: path.display().to_string(), fault }
}
