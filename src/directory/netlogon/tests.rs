use super::*;

/// Answer of a controller of Windows, as the tests of a public LDAP library hold it.
const WINDOWS: &str = "17000000FDF307001AEB7668C6B2CA4BB69CFEDA682E82FD06646F6D61696E047465737400C0180444433031C01806444F\
                       4D41494E00044443303100001744656661756C742D46697273742D536974652D4E616D6500C03D05000000FFFFFFFF";

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// Returns a value up to its first name: response, flags, GUID of zeros.
fn head(opcode: u8, flags: u32) -> Vec<u8> {
    let mut value = vec![opcode, 0, 0, 0];
    value.extend(flags.to_le_bytes());
    value.extend([0; 16]);
    value
}

/// Returns a value with these names, one label each, and this end.
fn value_of(opcode: u8, flags: u32, names: [&[u8]; 8], end: &[u8]) -> Vec<u8> {
    let mut value = head(opcode, flags);
    for name in names {
        if !name.is_empty() {
            value.push(u8::try_from(name.len()).unwrap());
            value.extend(name);
        }
        value.push(0);
    }
    value.extend(end);
    value
}

const NAMES: [&[u8]; 8] = [b"f", b"d", b"h", b"D", b"H", b"", b"Near", b"Here"];
const PLAIN_END: [u8; 8] = [5, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];

/// Returns the entry that answers with `value`, as Active Directory writes lengths.
fn message(id: u8, value: &[u8]) -> Vec<u8> {
    let long = |tag: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84][..], &length, content].concat()
    };
    let attribute = [
        long(OCTET_STRING, b"Netlogon"),
        long(SET, &long(OCTET_STRING, value)),
    ];
    let entry = [
        long(OCTET_STRING, b""),
        long(SEQUENCE, &long(SEQUENCE, &attribute.concat())),
    ];
    let message = [vec![INTEGER, 1, id], long(ENTRY, &entry.concat())];
    long(SEQUENCE, &message.concat())
}

#[test]
fn an_answer_of_windows_is_decoded() {
    let answer = decode(&octets(WINDOWS)).unwrap();
    assert_eq!(
        answer,
        NetlogonAnswer {
            is_paused: false,
            domain: "domain.test".to_owned(),
            host: "DC01.domain.test".to_owned(),
            controller_site: "Default-First-Site-Name".to_owned(),
            client_site: "Default-First-Site-Name".to_owned(),
            next_closest_site: None,
            flags: 0x0007_F3FD,
        }
    );
    assert!(answer.is_closest() && answer.is_pdc());
    assert!(!answer.is_read_only() && !answer.is_non_domain());
    assert_eq!(answer.roles(), ["PDC emulator", "global catalog", "writable"]);
    assert!(answer.is_of("Domain.Test.") && !answer.is_of("domain.tes") && !answer.is_of("other.test"));
}

/// A datagram of Samba 4.17, with the result of the search behind the entry.
const SAMBA: &[u8] = include_bytes!("../../../tests/fuzz/corpus/netlogon/samba-datagram");

#[test]
fn a_datagram_of_samba_is_decoded() {
    let answer = response(SAMBA, 1).unwrap();
    assert_eq!(
        (answer.domain.as_str(), answer.host.as_str()),
        ("corp.example", "dc71.corp.example")
    );
    assert_eq!(answer.controller_site, "Default-First-Site-Name");
    assert_eq!(answer.client_site, answer.controller_site);
    assert_eq!((answer.flags, answer.next_closest_site), (0x11BD, None));
    // So it answers about a domain that it does not have.
    let result = &SAMBA[SAMBA.len() - 14..];
    assert_eq!(result[..2], [SEQUENCE, 12]);
    assert!(response(result, 1).is_err());
}

#[test]
fn the_request_is_as_rfc_4511_writes_it() {
    let expected = "304e020101634904000a01000a0100020100020100010100a02aa3190409446e73446f6d61696e040c636f72702e6578616d\
                    706c65a30d04054e74566572040416000000300a04086e65746c6f676f6e";
    assert_eq!(request(1, "corp.example"), octets(expected));
    assert_eq!(request(1, "corp.example."), octets(expected), "a final dot");
    for id in [0, 1, 127, 128, 255, 256, 65_535, 0x0080_0000, 0x7FFF_FFFF] {
        let octets = request(id, "corp.example");
        let mut parts = BerElements::new(BerElements::new(&octets).expect(SEQUENCE, "").unwrap());
        assert_eq!(ber::number(parts.expect(INTEGER, "").unwrap(), ""), Ok(id));
    }
    assert_eq!(
        filter("corp.example."),
        "(&(DnsDomain=corp.example)(NtVer=\\16\\00\\00\\00))"
    );
}

#[test]
fn the_optional_parts_are_those_that_the_answer_names() {
    let end = |version: u8, parts: &[u8]| [parts, &[version, 0, 0, 0], &PLAIN_END[4..]].concat();
    let address = [&[16_u8][..], &[9; 16]].concat();
    for (end, next) in [
        (end(5, b""), None),
        (end(0x15, b"\x03Far\0"), Some("Far")),
        (end(0x15, b"\0"), None),
        (end(0x0D, &address), None),
        (end(0x1D, &[&address[..], b"\x03Far\0"].concat()), Some("Far")),
    ] {
        let answer = decode(&value_of(0x17, 0x180, NAMES, &end)).unwrap();
        assert_eq!(answer.next_closest_site.as_deref(), next);
        assert_eq!(
            (answer.controller_site.as_str(), answer.client_site.as_str()),
            ("Near", "Here")
        );
    }
}

#[test]
fn operation_codes_and_flags_are_told_apart() {
    let of = |opcode, flags| decode(&value_of(opcode, flags, NAMES, &PLAIN_END));
    assert!(!of(0x17, 0).unwrap().is_paused && !of(0x19, 0).unwrap().is_paused);
    assert!(of(0x18, 0).unwrap().is_paused);
    for opcode in [0, 0x13, 0x15, 0x16, 0x1A, 0xFF] {
        assert_eq!(of(opcode, 0), Err(NetlogonFault::UnknownOpcode));
    }
    for (flags, read_only) in [(0x100, false), (0x900, true), (0x800, true), (0, true)] {
        assert_eq!(of(0x17, flags).unwrap().is_read_only(), read_only, "{flags:#x}");
    }
    assert!(of(0x17, 0x400).unwrap().is_non_domain());
    assert!(
        of(0x17, u32::MAX).unwrap().is_closest(),
        "unknown flags are ignored"
    );
}

#[test]
fn r12_a_value_that_ends_anywhere_is_an_error() {
    let whole = octets(WINDOWS);
    // The last eight octets are the trailer; without all of them another end is read as one.
    for length in 0..whole.len() - 8 {
        let cut = decode(&whole[..length]);
        assert!(cut.is_err(), "{length}: {cut:?}");
    }
    for length in whole.len() - 8..whole.len() {
        let _ = decode(&whole[..length]);
    }
    let message = message(7, &whole);
    assert_eq!(response(&message, 7), decode(&whole));
    for length in 0..message.len() {
        assert!(response(&message[..length], 7).is_err(), "{length}");
    }
}

#[test]
fn r12_names_that_never_end_or_are_too_long_are_refused() {
    let with = |name: &[u8]| {
        let mut value = head(0x17, 0);
        value.extend(name);
        // Names that follow, so that nothing else is the cause.
        value.extend([0; 64]);
        decode(&value)
    };
    for (name, fault) in [
        // To itself, forward, in a circle with the labels before, to the start of the same labels.
        (&[0xC0, 24][..], NetlogonFault::PointerLoop),
        (&[0xC0, 60], NetlogonFault::PointerLoop),
        (&[1, b'a', 0xC0, 24], NetlogonFault::PointerLoop),
        (&[1, b'a', 0xC0, 26], NetlogonFault::PointerLoop),
        (&[0xFF, 0xFF], NetlogonFault::PointerLoop),
        // Label types that RFC 1035 reserves, which is what a label above 63 octets is.
        (&[64], NetlogonFault::MalformedName),
        (&[0x80, 1], NetlogonFault::MalformedName),
        (&[1, 0xFF, 0], NetlogonFault::MalformedName),
        (&[1, 0x1B, 0], NetlogonFault::MalformedName),
    ] {
        assert_eq!(with(name), Err(fault), "{name:?}");
    }
    let label = [&[63_u8][..], &[b'a'; 63]].concat();
    let long = [label.repeat(4), vec![0]].concat();
    assert!(with(&long).is_ok(), "255 octets");
    let longer = [label.repeat(4), vec![1, b'a', 0]].concat();
    assert_eq!(with(&longer), Err(NetlogonFault::MalformedName));
    // Each name points to the one before and adds a label: together they are too long.
    let mut value = head(0x17, 0);
    let mut last = 0;
    for number in 0..8 {
        let at = u8::try_from(value.len()).unwrap();
        value.extend([&[40_u8][..], &[b'a'; 40]].concat());
        if number == 0 {
            value.push(0);
        } else {
            value.extend([0xC0, last]);
        }
        last = at;
        if value.len() > 200 {
            break;
        }
    }
    value.extend([0; 64]);
    assert!(decode(&value).is_ok(), "five names of up to 205 octets");
}

#[test]
fn r12_a_message_that_is_no_answer_is_refused() {
    let value = octets(WINDOWS);
    let good = message(7, &value);
    assert_eq!(response(&good, 8), Err(NetlogonFault::OtherRequest));
    let with_result = [&good[..], &[0x30, 0x0C, 2, 1, 7, 0x65, 7, 10, 1, 0, 4, 0, 4, 0]].concat();
    assert_eq!(response(&with_result, 7), decode(&value), "both in one datagram");
    let result_alone = [0x30, 0x0C, 2, 1, 7, 0x65, 7, 10, 1, 0, 4, 0, 4, 0];
    assert!(matches!(
        response(&result_alone, 7),
        Err(NetlogonFault::Message(_))
    ));
    let no_attribute = [0x30, 9, 2, 1, 7, 0x64, 4, 4, 0, 0x30, 0];
    assert_eq!(response(&no_attribute, 7), Err(NetlogonFault::NoValue));
    let two_values = [
        &[0x30, 29, 2, 1, 7, 0x64, 24, 4, 0, 0x30, 20, 0x30, 18, 4, 8][..],
        b"netlogon",
        &[0x31, 6, 4, 1, 1, 4, 1, 2],
    ]
    .concat();
    assert_eq!(response(&two_values, 7), Err(NetlogonFault::NoValue));
}
