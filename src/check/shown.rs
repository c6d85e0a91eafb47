//! Description by `check` of the certificates that controllers showed, accepted or refused. A
//! person can compare one with the statement of the controller's administrator, and pin it.

use crate::tls::{PeerCertificate, date};

/// Returns the lines about one certificate.
pub(super) fn certificate(shown: &PeerCertificate) -> Vec<String> {
    let or_none = |text: &str| if text.is_empty() { "none" } else { text }.to_owned();
    vec![
        format!("subject     {}", or_none(&shown.subject)),
        format!("names       {}", or_none(&shown.names.join(", "))),
        format!("issuer      {}", or_none(&shown.issuer)),
        format!(
            "valid       {} to {}",
            date(shown.not_before),
            date(shown.not_after)
        ),
        format!("SHA-256     {}", shown.sha256),
        format!("in base64   {}", shown.sha256_base64),
        format!("public key  {} (SHA-256)", shown.spki_sha256),
    ]
}

/// Returns the lines that say how to pin these certificates, each with the host that showed it.
pub(super) fn pin(shown: &[(&str, &PeerCertificate)]) -> Vec<String> {
    let pins: Vec<String> = shown
        .iter()
        .map(|(host, certificate)| format!("{host}={}", certificate.sha256))
        .collect();
    vec![
        "to trust exactly this, whoever issued it, first ask the controller's administrator for its SHA-256; if that is the same, set"
            .to_owned(),
        format!("  AD_CERTIFICATE_SHA256={}", pins.join(",")),
    ]
}
