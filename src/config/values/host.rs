//! Hosts, ports and listen addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::refused::{ValueFault, quoted};
use crate::config::{SitePolicy, TargetHost};

/// Reads `AD_HOST`: hosts separated by commas, in order, each as [`host`] gives it.
pub fn hosts(text: &str) -> Result<Vec<String>, ValueFault> {
    text.split(',')
        .map(str::trim)
        .map(|item| {
            if item.is_empty() {
                return Err(ValueFault::new(
                    format!("{} has an empty item", quoted(text)),
                    "write host names or addresses with one comma between them",
                ));
            }
            host(item)
        })
        .collect()
}

/// Reads `HTTP_TARGET_HOSTS`: names, addresses, and domains that begin with a dot or `*.`,
/// separated by commas.
pub fn target_hosts(text: &str) -> Result<Vec<TargetHost>, ValueFault> {
    let item = |item: &str| {
        let below = item.strip_prefix('*').unwrap_or(item).strip_prefix('.');
        let name = host(below.unwrap_or(item))?;
        let plain = name.trim_end_matches('.').to_ascii_lowercase();
        match (plain.parse(), below) {
            (Ok(_), Some(_)) => Err(ValueFault::new(
                format!("{} is no domain", quoted(item)),
                "write an address without `*.`",
            )),
            (Ok(address), None) => Ok(TargetHost::Address(address)),
            (Err(_), Some(_)) => Ok(TargetHost::Below(plain)),
            (Err(_), None) => Ok(TargetHost::Name(plain)),
        }
    };
    text.split(',').map(|part| item(part.trim())).collect()
}

/// Reads a host name (RFC 1123, with the underscore that AD allows) or an IP address; IPv6 with or
/// without brackets, returned without.
pub fn host(text: &str) -> Result<String, ValueFault> {
    let advice = "write a host name such as dc1.corp.example.com, or an IP address";
    if text.contains("://") {
        return Err(ValueFault::new(
            format!("{} is a URL", quoted(text)),
            "write the host alone; AD_TRANSPORT and AD_PORT say the rest",
        ));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<Ipv6Addr>() {
        return Ok(address.to_string());
    }
    if bare.is_none() && text.parse::<Ipv4Addr>().is_ok() {
        return Ok(text.to_owned());
    }
    if let Some((name, port)) = text.rsplit_once(':')
        && !name.is_empty()
        && (!name.contains(':') || name.ends_with(']'))
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(ValueFault::new(
            format!("{} has a port", quoted(text)),
            "write the host alone, and the port in AD_PORT",
        ));
    }
    match name_fault(text) {
        None => Ok(text.to_owned()),
        Some(cause) => Err(ValueFault::new(
            format!("{} is not a host: {cause}", quoted(text)),
            advice,
        )),
    }
}

fn name_fault(name: &str) -> Option<String> {
    // RFC 1035 section 2.3.4: 253 characters in text form, 63 a label. One final dot says that the
    // name is complete.
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > 253 {
        return Some("a name has 1 to 253 characters".to_owned());
    }
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Some("a part between dots has 1 to 63 characters".to_owned());
        }
        if let Some(character) = label.chars().find(|character| !fits(*character)) {
            return Some(format!(
                "{} does not belong in a name",
                quoted(&character.to_string())
            ));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some("a part between dots neither begins nor ends with `-`".to_owned());
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    last.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| "it is neither an IPv4 address nor a name".to_owned())
}

/// Reads `AD_DOMAIN`: a host name, no address.
pub fn domain(text: &str) -> Result<String, ValueFault> {
    let name = host(text)?;
    if name.parse::<IpAddr>().is_ok() {
        let cause = format!("{} is an address", quoted(text));
        return Err(ValueFault::new(
            cause,
            "write the DNS name of the domain, such as corp.example.com",
        ));
    }
    Ok(name)
}

/// Reads `AD_SITE`: `auto`, `off`, or the name of a site, which is one label of a DNS name: 1 to 63
/// octets (MS-ADTS 6.3.2.3).
pub fn site(text: &str) -> Result<SitePolicy, ValueFault> {
    let fault = |cause: String| {
        Err(ValueFault::new(
            cause,
            "write `auto`, `off`, or a name as Active Directory Sites and Services shows it",
        ))
    };
    match text {
        "auto" => return Ok(SitePolicy::Auto),
        "off" => return Ok(SitePolicy::Off),
        _ => {}
    }
    if let Some(word) = ["auto", "off"]
        .into_iter()
        .find(|word| word.eq_ignore_ascii_case(text))
    {
        return fault(format!("{} is written in small letters: `{word}`", quoted(text)));
    }
    if text.len() > 63 {
        return fault(format!("{} is longer than 63 octets", quoted(text)));
    }
    if let Some(character) = text
        .chars()
        .find(|character| character.is_control() || ".,/\\\"".contains(*character))
    {
        return fault(format!(
            "{} does not belong in the name of a site",
            quoted(&character.to_string())
        ));
    }
    Ok(SitePolicy::Named(text.to_owned()))
}

/// Reads `AD_DNS_SERVER`: an address, with a port when it is not 53 (RFC 1035 section 4.2).
pub fn dns_server(text: &str) -> Result<SocketAddr, ValueFault> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    address.or_else(|_| text.parse()).map_err(|_| {
        let cause = format!("{} is not an IP address", quoted(text));
        ValueFault::new(
            cause,
            "write it like 10.0.0.53, 10.0.0.53:5353 or [2001:db8::53]:5353",
        )
    })
}

/// Reads `HTTP_LISTEN`: an address with a port, `localhost:PORT`, or `off` (`None`). Port 0 lets
/// the system choose.
pub fn listen(text: &str) -> Result<Option<SocketAddr>, ValueFault> {
    if text == "off" {
        return Ok(None);
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)));
    }
    text.parse().map(Some).map_err(|_| {
        let cause = if text.parse::<IpAddr>().is_ok() {
            format!("{} has no port", quoted(text))
        } else {
            format!("{} is not an address with a port", quoted(text))
        };
        ValueFault::new(cause, "write it like 127.0.0.1:8080 or [::1]:8080, or `off`")
    })
}
