//! `NO_PROXY`: hosts that are reached without the proxy.
//!
//! No standard says what the list may hold. Every form of curl, Go, Python and the libraries of
//! Rust is taken and brought to those that the HTTP library knows; anything else is refused, rather
//! than a request sent where it was not to go.

use std::net::IpAddr;

use super::host;
use crate::config::refused::{ValueFault, quoted};

/// Longest list, in characters.
const LONGEST: usize = 8192;

/// Reads hosts separated by commas or spaces, as a list that the HTTP library knows. An item with
/// another port than `port`, that of the gateway, is left out.
pub fn exceptions(port: u16) -> impl Fn(&str) -> Result<String, ValueFault> {
    move |text| {
        let text = super::plain::text(LONGEST)(text)?;
        let items = text.split(|character: char| character == ',' || character.is_whitespace());
        let mut known = Vec::new();
        for item in items.filter(|item| !item.is_empty()) {
            known.extend(exception(item, port)?);
        }
        Ok(known.join(","))
    }
}

fn exception(item: &str, port: u16) -> Result<Option<String>, ValueFault> {
    let refused = || {
        ValueFault::new(
            format!("{} is in no form that is taken", quoted(item)),
            "write names, `.example.com`, `*.example.com`, addresses or networks such as 10.0.0.0/8, each also with a port, or `*` \
             for every host",
        )
    };
    if item == "*" {
        // To the library, `*` is every name and no address.
        return Ok(Some("*,0.0.0.0/0,::/0".to_owned()));
    }
    if let Some((address, bits)) = item.split_once('/') {
        let address: IpAddr = bare(address).parse().map_err(|_| refused())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= longest);
        let bits = bits.ok_or_else(refused)?;
        return Ok(Some(format!("{address}/{bits}")));
    }
    let (name, wanted) = match item.rsplit_once(':') {
        // An address of version 6 without brackets has several colons, and no port.
        Some((name, wanted)) if !name.contains(':') || name.ends_with(']') => {
            (name, Some(wanted.parse::<u16>().map_err(|_| refused())?))
        }
        _ => (item, None),
    };
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    let name = host::host(name.strip_prefix('.').unwrap_or(name)).map_err(|_| refused())?;
    let is_met = wanted.is_none_or(|wanted| wanted == port);
    Ok(is_met.then(|| name.trim_end_matches('.').to_lowercase()))
}

/// Returns an address without the brackets of version 6.
fn bare(text: &str) -> &str {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(text)
}
