//! Certificate pins (`AD_CERTIFICATE_SHA256`).

use super::host::host;
use crate::config::CertificatePin;
use crate::config::refused::{ValueFault, quoted};

/// Reads pins separated by commas: SHA-256 in hex (with or without colons) or base64, optionally
/// with `HOST=` before it.
pub fn pins(text: &str) -> Result<Vec<CertificatePin>, ValueFault> {
    text.split(',').map(str::trim).map(pin).collect()
}

fn pin(text: &str) -> Result<CertificatePin, ValueFault> {
    // The padding of base64 is a `=` too, so a digest alone is tried first.
    if let Some(sha256) = digest(text) {
        return Ok(CertificatePin { host: None, sha256 });
    }
    let advice = "write the SHA-256 of the server certificate as 64 hexadecimal digits (colons allowed) or base64, \
                  as `ad-connector check` and `openssl x509 -noout -fingerprint -sha256` print it, optionally HOST= before it";
    if text.is_empty() {
        return Err(ValueFault::new("has an empty item", advice));
    }
    let Some((name, value)) = text.split_once('=') else {
        return Err(ValueFault::new(no_sha256(text), advice));
    };
    let Some(sha256) = digest(value.trim()) else {
        return Err(ValueFault::new(no_sha256(value.trim()), advice));
    };
    let host = host(name.trim())?.to_ascii_lowercase();
    Ok(CertificatePin {
        host: Some(host),
        sha256,
    })
}

fn no_sha256(text: &str) -> String {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let thumbprint = digits == 40
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || b": ".contains(&byte));
    let what = if thumbprint {
        ", but a SHA-1, such as a thumbprint of Windows"
    } else {
        ""
    };
    format!("{} is not a SHA-256{what}", quoted(text))
}

fn digest(text: &str) -> Option<[u8; 32]> {
    hexadecimal(text).or_else(|| base64(text))
}

/// Reads 64 digits, or 32 pairs with a colon between each two.
fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digits: String = if text.contains(':') {
        let pairs: Vec<&str> = text.split(':').collect();
        if pairs.iter().any(|pair| pair.len() != 2) {
            return None;
        }
        pairs.concat()
    } else {
        text.to_owned()
    };
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        if pair.starts_with('+') {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

/// Reads base64 by RFC 4648 section 4, or section 5 (`-`, `_`): 43 characters carry 258 bits, so
/// the last two must be 0; then `=`, which may be left out.
fn base64(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_suffix('=').unwrap_or(text);
    if text.len() != 43 {
        return None;
    }
    let mut bytes = Vec::with_capacity(32);
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.bytes() {
        let six = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    if bits != 0 {
        return None;
    }
    bytes.try_into().ok()
}
