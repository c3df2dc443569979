//! Receipts for the applications themselves.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};

use crate::{gateway::Gateway, stack::Admission};

/// Puts the receipt into `Troth-Receipt`, where it fits.
pub(crate) fn inline(gateway: &Gateway, admission: &Admission, headers: &mut HeaderMap) {
    let Some(encoded) = encoded(gateway, admission) else { return };
    if encoded.len() <= INLINE_BYTES
        && let Ok(value) = HeaderValue::from_str(&encoded)
    {
        headers.insert("troth-receipt", value);
    }
}

/// The receipt as a comment of a stream.
pub(crate) fn comment(gateway: &Gateway, admission: &Admission) -> Option<Vec<u8>> {
    let encoded = encoded(gateway, admission)?;
    Some(format!(": troth-receipt {encoded}\n\n").into_bytes())
}

fn encoded(gateway: &Gateway, admission: &Admission) -> Option<String> {
    let evidence = gateway.evidence(&admission.route)?;
    let receipt = evidence.log.receipt(&admission.exchange, true).ok()?;
    Some(URL_SAFE_NO_PAD.encode(receipt.to_string()))
}

/// Proxies and clients cut longer headers off.
const INLINE_BYTES: usize = 4096;
