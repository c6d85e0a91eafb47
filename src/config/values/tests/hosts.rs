use super::*;

#[test]
fn hosts() {
    let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    taken(
        host::hosts,
        &[
            ("dc1", list(&["dc1"])),
            (
                "dc1.corp.example.com, dc_2.corp.example.com.",
                list(&["dc1.corp.example.com", "dc_2.corp.example.com."]),
            ),
            (
                "10.0.0.1,[2001:db8::1],2001:DB8:0::2",
                list(&["10.0.0.1", "2001:db8::1", "2001:db8::2"]),
            ),
            ("::1", list(&["::1"])),
            ("3com.example", list(&["3com.example"])),
        ],
    );
    refused(
        host::hosts,
        &[
            ("dc1,,dc2", "empty item", "one comma"),
            ("dc1,", "empty item", "one comma"),
            ("ldaps://dc1", "is a URL", "AD_TRANSPORT"),
            ("dc1:636", "`dc1:636` has a port", "AD_PORT"),
            ("[::1]:636", "has a port", "AD_PORT"),
            ("10.0.0.1:389", "has a port", "AD_PORT"),
            ("10.0.0.256", "neither an IPv4 address nor a name", "host name"),
            ("[10.0.0.1]", "`[` does not belong", "host name"),
            ("fe80::1%eth0", "does not belong", "IP address"),
            ("dc 1", "` ` does not belong", "host name"),
            ("-dc1", "begins", "host name"),
            ("dc1..corp", "part between dots", "host name"),
            ("dömäne.example", "`ö` does not belong", "host name"),
            (&"a".repeat(64), "1 to 63", "host name"),
            (&"a.".repeat(200), "1 to 253", "host name"),
        ],
    );
}

#[test]
fn listen_addresses() {
    taken(
        host::listen,
        &[
            ("off", None),
            ("127.0.0.1:8080", Some("127.0.0.1:8080".parse().unwrap())),
            ("[::]:0", Some("[::]:0".parse().unwrap())),
            ("localhost:9", Some("127.0.0.1:9".parse().unwrap())),
        ],
    );
    refused(
        host::listen,
        &[
            ("127.0.0.1", "has no port", "127.0.0.1:8080"),
            ("8080", "not an address with a port", "`off`"),
            (":8080", "not an address with a port", "`off`"),
            ("OFF", "not an address", "`off`"),
            ("localhost:99999", "not an address", "`off`"),
        ],
    );
}

/// SHA-256 of the empty text, in the three notations.
const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

#[test]
fn pins_in_every_notation_are_the_same() {
    use sha2::Digest as _;
    let sha256: [u8; 32] = sha2::Sha256::digest(b"").into();
    let colons = HEX
        .to_uppercase()
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap())
        .collect::<Vec<_>>()
        .join(":");
    let url_safe = BASE64.replace('+', "-").replace('/', "_");
    for text in [HEX, &colons, BASE64, BASE64.trim_end_matches('='), &url_safe] {
        let pins = pin::pins(text).unwrap();
        assert_eq!(
            (pins.len(), pins[0].sha256, pins[0].host.as_deref()),
            (1, sha256, None),
            "{text}"
        );
        let pins = pin::pins(&format!("{HEX}, DC1.corp.example={text}")).unwrap();
        assert_eq!(pins.len(), 2, "{text}");
        assert_eq!(
            (pins[1].sha256, pins[1].host.as_deref()),
            (sha256, Some("dc1.corp.example")),
            "{text}"
        );
    }
}

#[test]
fn pins_of_another_form_are_refused() {
    refused(
        pin::pins,
        &[
            (&HEX[1..], "is not a SHA-256", "openssl x509"),
            (
                "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                "is not a SHA-256, but a SHA-1",
                "64 hexadecimal digits",
            ),
            (&format!("{HEX},"), "empty item", "64 hexadecimal"),
            ("dc1=abc", "`abc` is not a SHA-256", "HOST="),
            (&format!("={HEX}"), "is not a host", "host name"),
            (&format!("d c={HEX}"), "is not a host", "host name"),
            (&HEX.replace('e', "g"), "is not a SHA-256", "openssl"),
            (&format!("{}+5", &HEX[2..]), "is not a SHA-256", "openssl"),
            // The last character carries bits beyond the 256th.
            (&BASE64.replace("U=", "V="), "is not a SHA-256", "base64"),
        ],
    );
}
