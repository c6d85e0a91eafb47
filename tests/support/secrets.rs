//! Looks for secrets where they must not be, in every form in which a careless program lets one out (R27).

use std::path::Path;

/// As it is, quoted, as JSON, as bytes, in hex, in a URL, in a form, in base 64.
pub fn forms(secret: &str) -> Vec<String> {
    let bytes: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    let percent = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let in_url: String = secret.bytes().map(percent).collect();
    let escaped = secret.as_bytes().escape_ascii().to_string();
    let unquoted = |text: String| text.trim_matches('"').to_owned();
    vec![
        secret.to_owned(),
        unquoted(format!("{secret:?}")),
        unquoted(serde_json::to_string(secret).unwrap()),
        unquoted(format!("{escaped:?}")),
        escaped,
        bytes.join(", "),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        in_url.replace("%20", "+"),
        in_url,
        base64(secret.as_bytes()),
    ]
}

/// Without the last group, whose letters depend on what follows the secret.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[bits >> shift & 63]))
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

/// Checks that `text` holds none of the secrets in any form.
#[track_caller]
pub fn assert_none(what: &str, text: &str, secrets: &[String]) {
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        if let Some(at) = text.find(&form) {
            let line = text[..at].lines().last().unwrap_or_default();
            panic!("{what} holds a secret as {form}, after: {line}");
        }
    }
}

/// Checks every file of a folder.
#[track_caller]
pub fn assert_none_in_files(folder: &Path, secrets: &[String]) {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            seen += 1;
            let bytes = std::fs::read(&path).unwrap();
            assert_none(
                &path.display().to_string(),
                &String::from_utf8_lossy(&bytes),
                secrets,
            );
        }
    }
    assert!(seen > 0, "{} is empty", folder.display());
}
