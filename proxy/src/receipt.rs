//! Receipts for the applications themselves.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};

use crate::{gateway::Gateway, stack::Admission};

/// Puts the receipt into `Troth-Receipt`, where it fits.
pub(crate) async fn inline(gateway: &Gateway, admission: &Admission, headers: &mut HeaderMap) {
    let Some(encoded) = encoded(gateway, admission).await else { return };
    if encoded.len() <= INLINE_BYTES
        && let Ok(value) = HeaderValue::from_str(&encoded)
    {
        headers.insert("troth-receipt", value);
    }
}

/// The receipt as a comment of a stream.
pub(crate) async fn comment(gateway: &Gateway, admission: &Admission) -> Option<Vec<u8>> {
    let encoded = encoded(gateway, admission).await?;
    Some(format!(": troth-receipt {encoded}\n\n").into_bytes())
}

async fn encoded(gateway: &Gateway, admission: &Admission) -> Option<String> {
    let log = &gateway.evidence(&admission.route)?.log;
    let receipt = match log.receipt_at_hand(&admission.exchange, true) {
        Some(receipt) => receipt,
        // Tiles are read from disk: not on a thread that others wait for.
        None => {
            let (log, exchange) = (log.clone(), admission.exchange.clone());
            tokio::task::spawn_blocking(move || log.receipt(&exchange, true)).await.ok()?
        }
    };
    Some(URL_SAFE_NO_PAD.encode(receipt.ok()?.to_string()))
}

/// Proxies and clients cut longer headers off.
const INLINE_BYTES: usize = 4096;
