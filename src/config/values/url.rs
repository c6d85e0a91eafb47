//! The gateway, the ingestion path and the proxy.

use reqwest::Url;

use crate::config::refused::{ValueFault, quoted};

/// Reads `QUALYS_GATEWAY_URL` without a trailing slash: https, or http to loopback; a path before
/// the API's is allowed.
///
/// A message shows the value only where it holds no `@`: somebody may have written a password into
/// it.
pub fn gateway(text: &str) -> Result<String, ValueFault> {
    server(
        text,
        "write it like https://gateway.qg1.apps.qualys.com",
        "take them out, and set QUALYS_CLIENT_ID and QUALYS_CLIENT_SECRET",
    )
}

/// Reads the base URL of a server of Qualys: `advice` shows one, `instead` says where credentials
/// go.
pub fn server(text: &str, advice: &'static str, instead: &'static str) -> Result<String, ValueFault> {
    let shown = if text.contains('@') {
        "the value".to_owned()
    } else {
        quoted(text)
    };
    if !text.contains("://") {
        return Err(ValueFault::new(format!("{shown} has no scheme"), advice));
    }
    let url = Url::parse(text)
        .map_err(|error| ValueFault::new(format!("{shown} is not a URL: {error}"), advice))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ValueFault::new("the URL holds credentials", instead));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ValueFault::new(
            format!("{shown} has a query or a fragment"),
            advice,
        ));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(ValueFault::new(
                format!("{shown} would send credentials unencrypted"),
                "write https://; plain http is only for loopback",
            ));
        }
        _ => return Err(ValueFault::new(format!("{shown} is not https"), advice)),
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Checks `NOTIFY_URL`: https, or http to loopback. It is a secret, so no message shows it.
pub fn webhook(text: &str) -> Result<(), ValueFault> {
    let advice = "copy the URL of the incoming webhook from Slack or Teams";
    let url = Url::parse(text)
        .map_err(|error| ValueFault::new(format!("the value is not a URL: {error}"), advice))?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err(ValueFault::new(
            "the value would go out unencrypted",
            "write https://; plain http is only for loopback",
        )),
        _ => Err(ValueFault::new("the value is not https", advice)),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Returns the port of a URL that was checked, or that of its scheme.
pub fn port(url: &str) -> Option<u16> {
    Url::parse(url).ok()?.port_or_known_default()
}

/// Reads `QUALYS_INGEST_PATH`: what follows the gateway, beginning with `/`.
pub fn ingest_path(text: &str) -> Result<String, ValueFault> {
    let advice = "write it like /rest/2.0/am/connector/asset/data/sync";
    if !text.starts_with('/') || text.starts_with("//") {
        return Err(ValueFault::new(
            format!("{} does not begin with one `/`", quoted(text)),
            advice,
        ));
    }
    let fits = |character: char| character.is_ascii_graphic() && !"#\\\"<>^`{|}".contains(character);
    match text.chars().find(|character| !fits(*character)) {
        Some(character) => Err(ValueFault::new(
            format!(
                "{} holds {}, which does not belong in a path",
                quoted(text),
                quoted(&character.to_string())
            ),
            advice,
        )),
        None => Ok(text.to_owned()),
    }
}

/// Checks `HTTPS_PROXY`; it is never shown, because it may hold a password. As with curl, `http://`
/// may be left out.
pub fn proxy(text: &str) -> Result<String, ValueFault> {
    let advice = "write it like http://proxy.example.com:3128";
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    match Url::parse(&whole) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => {
            Ok(text.to_owned())
        }
        Ok(_) => Err(ValueFault::new(
            "the scheme of the proxy is neither http nor https",
            advice,
        )),
        Err(error) => Err(ValueFault::new(
            format!("the value is not a URL: {error}"),
            advice,
        )),
    }
}
