use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::*;

/// Special ranges of RFC 6890 and of the registries that it began, each with the kind for which it
/// is refused; `None` is a range that companies may give their controllers, or that is routed
/// nowhere.
const RANGES: &[(&str, u8, Option<SpecialAddress>)] = &[
    ("0.0.0.0", 8, Some(SpecialAddress::Unspecified)),
    ("10.0.0.0", 8, None),
    ("100.64.0.0", 10, None),
    ("127.0.0.0", 8, Some(SpecialAddress::Loopback)),
    ("169.254.0.0", 16, Some(SpecialAddress::LinkLocal)),
    ("172.16.0.0", 12, None),
    ("192.0.0.0", 24, None),
    ("192.0.2.0", 24, None),
    ("192.88.99.0", 24, None),
    ("192.168.0.0", 16, None),
    ("198.18.0.0", 15, None),
    ("198.51.100.0", 24, None),
    ("203.0.113.0", 24, None),
    ("224.0.0.0", 4, Some(SpecialAddress::Multicast)),
    ("240.0.0.0", 4, Some(SpecialAddress::Broadcast)),
    ("255.255.255.255", 32, Some(SpecialAddress::Broadcast)),
    ("::", 128, Some(SpecialAddress::Unspecified)),
    ("::1", 128, Some(SpecialAddress::Loopback)),
    ("::ffff:127.0.0.0", 104, Some(SpecialAddress::Loopback)),
    ("::ffff:10.0.0.0", 104, None),
    ("::127.0.0.0", 104, Some(SpecialAddress::Loopback)),
    ("::ffff:0:169.254.0.0", 112, Some(SpecialAddress::LinkLocal)),
    ("64:ff9b::a00:0", 104, None),
    ("64:ff9b::7f00:0", 104, Some(SpecialAddress::Loopback)),
    ("64:ff9b:1::a9fe:0", 112, Some(SpecialAddress::LinkLocal)),
    ("2002:7f00::", 24, Some(SpecialAddress::Loopback)),
    ("2002:a9fe::", 32, Some(SpecialAddress::LinkLocal)),
    ("100::", 64, None),
    ("2001:2::", 48, None),
    ("2001:db8::", 32, None),
    ("2001:10::", 28, None),
    ("fc00::", 7, None),
    ("fe80::", 10, Some(SpecialAddress::LinkLocal)),
    ("ff00::", 8, Some(SpecialAddress::Multicast)),
];

fn restricted(change: impl Fn(&mut ReachLimits)) -> ReachPolicy {
    let mut limits = ReachLimits::default();
    change(&mut limits);
    ReachPolicy::Restricted(limits)
}

/// Returns the address of `range` whose other bits are those of `bits`.
fn within(range: &str, prefix: u8, bits: u128) -> IpAddr {
    match range.parse().unwrap() {
        IpAddr::V4(base) => {
            let free = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(base.to_bits() | (bits as u32 & free)))
        }
        IpAddr::V6(base) => {
            let free = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(base.to_bits() | (bits & free)))
        }
    }
}

#[test]
fn r35_special_addresses_are_refused_from_the_first_to_the_last() {
    let policy = restricted(|_| {});
    let lenient = restricted(|limits| limits.allow_loopback = true);
    let mut random = fastrand::Rng::with_seed(6890);
    for (range, prefix, kind) in RANGES {
        let inside = std::iter::repeat_with(|| random.u128(..)).take(2000);
        for bits in [0, u128::MAX].into_iter().chain(inside) {
            let address = within(range, *prefix, bits);
            let checked = |policy: &ReachPolicy| policy.check("dc1", SocketAddr::new(address, 636)).err();
            // Broadcast ends the range that is reserved.
            let refusal = kind.map(|kind| ReachRefusal::Address { address, kind });
            assert_eq!(checked(&policy), refusal, "{address} of {range}/{prefix}");
            assert_eq!(
                policy.check_host(&address.to_string()).err(),
                refusal,
                "{address} in place of a name"
            );
            let refusal = refusal.filter(|_| *kind != Some(SpecialAddress::Loopback));
            assert_eq!(checked(&lenient), refusal, "{address} with loopback allowed");
            assert_eq!(checked(&ReachPolicy::Unrestricted), None);
        }
    }
}

#[test]
fn r35_addresses_of_no_special_range_are_refused_only_as_ipv4_inside_of_ipv6() {
    let policy = restricted(|_| {});
    let mut random = fastrand::Rng::with_seed(35);
    for _ in 0..20_000 {
        let v4 = Ipv4Addr::from_bits(random.u32(..));
        let special = v4.is_loopback()
            || v4.is_link_local()
            || v4.is_multicast()
            || v4.octets()[0] == 0
            || v4.octets()[0] >= 240;
        let refused = |ip: IpAddr| policy.check("dc1", SocketAddr::new(ip, 389)).is_err();
        assert_eq!(refused(v4.into()), special, "{v4}");
        assert_eq!(refused(v4.to_ipv6_mapped().into()), special, "{v4} mapped");
        // 2000::/3 is what is routed in the Internet.
        let v6 = Ipv6Addr::from_bits(random.u128(..) >> 3 | 1 << 125);
        let embeds = matches!(v6.segments(), [0x2002, ..] | [0x2001, 0, ..]);
        assert!(embeds || !refused(v6.into()), "{v6}");
    }
}

#[test]
fn r35_other_ports_are_refused_unless_they_are_listed() {
    let policy = restricted(|_| {});
    for port in [0, 22, 80, 88, 388, 390, 443, 3268, 6379, 65535] {
        let refusal = policy.check_port(port).unwrap_err();
        assert_eq!(refusal, ReachRefusal::Port { port });
        assert!(
            refusal.to_string().contains("HTTP_TARGET_PORTS")
                && refusal.advice().contains("HTTP_TARGET_PORTS")
        );
        assert!(ReachPolicy::Unrestricted.check_port(port).is_ok());
    }
    assert!(policy.check_port(389).is_ok() && policy.check_port(636).is_ok());
    let other = restricted(|limits| limits.ports = vec![1636]);
    assert!(other.check_port(1636).is_ok() && other.check_port(636).is_err());
    let address = "10.0.0.1:22".parse().unwrap();
    assert!(policy.check("dc1", address).is_err());
}

#[test]
fn r35_hosts_are_limited_by_name_by_domain_and_by_address() {
    let policy = restricted(|limits| {
        limits.hosts = Some(vec![
            TargetHost::Name("dc1.other.example".to_owned()),
            TargetHost::Below("corp.example".to_owned()),
            TargetHost::Address("10.0.0.7".parse().unwrap()),
            TargetHost::Address("fd00::7".parse().unwrap()),
        ]);
    });
    for host in [
        "dc1.other.example",
        "DC1.Other.Example.",
        "dc2.corp.example",
        "a.b.corp.example",
        "10.0.0.7",
        "fd00::7",
        "[fd00:0::7]",
    ] {
        assert_eq!(policy.check_host(host), Ok(()), "{host}");
    }
    for host in [
        "corp.example",
        ".corp.example",
        "evilcorp.example",
        "corp.example.evil",
        "dc2.other.example",
        "10.0.0.8",
        "fd00::8",
        "",
    ] {
        let refusal = policy.check_host(host).unwrap_err();
        assert!(refusal.to_string().contains("HTTP_TARGET_HOSTS"), "{refusal}");
    }
    // A name on the list is no permission for the address that it leads to.
    let address = "127.0.0.1:636".parse().unwrap();
    assert!(policy.check("dc2.corp.example", address).is_err());
    // A good address is no permission for a name that is not on the list.
    let address = "10.0.0.7:636".parse().unwrap();
    assert!(policy.check("dc9.evil.example", address).is_err());
}

#[test]
fn the_limits_are_read_from_their_variables() {
    let read = |changes: &[(&str, &str)]| {
        let least = [
            ("AD_HOST", "dc1.corp.example.com"),
            ("AD_BIND_DN", "svc@corp.example.com"),
            ("AD_PASSWORD", "pa ss"),
            ("QUALYS_GATEWAY_URL", "https://gateway.example"),
            ("QUALYS_CLIENT_ID", "id"),
            ("QUALYS_CLIENT_SECRET", "secret"),
            ("QUALYS_CONNECTOR_UUID", "a1b2c3d4-0000-4000-8000-00000000abcd"),
        ];
        let given: std::collections::BTreeMap<String, String> = least
            .iter()
            .chain(changes)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        crate::config::parse(&given)
    };
    let config = read(&[]).unwrap();
    assert_eq!(config.http.reach, ReachLimits::default());
    assert_eq!(config.connections[0].directory.reach, ReachPolicy::Unrestricted);
    let given = [
        ("HTTP_ALLOW_LOOPBACK_TARGETS", "true"),
        ("HTTP_TARGET_PORTS", "636, 1636"),
        (
            "HTTP_TARGET_HOSTS",
            "DC1.Corp.example., *.other.example,.third.example, 10.0.0.7,[fd00::7]",
        ),
    ];
    let reach = read(&given).unwrap().http.reach;
    assert_eq!((reach.allow_loopback, reach.ports), (true, vec![636, 1636]));
    let hosts: Vec<String> = reach.hosts.unwrap().iter().map(ToString::to_string).collect();
    let expected = [
        "dc1.corp.example",
        "*.other.example",
        "*.third.example",
        "10.0.0.7",
        "fd00::7",
    ];
    assert_eq!(hosts, expected);
    for (name, value) in [
        ("HTTP_ALLOW_LOOPBACK_TARGETS", "yes"),
        ("HTTP_TARGET_PORTS", "636,"),
        ("HTTP_TARGET_PORTS", "0"),
        ("HTTP_TARGET_HOSTS", "*"),
        ("HTTP_TARGET_HOSTS", "dc1,,dc2"),
        ("HTTP_TARGET_HOSTS", "*.10.0.0.7"),
        ("HTTP_TARGET_HOSTS", "dc*.corp.example"),
        ("HTTP_TARGET_HOSTS", "ldap://dc1"),
    ] {
        let refused = read(&[(name, value)]).unwrap_err();
        let names: Vec<&str> = refused
            .problems()
            .iter()
            .map(|problem| problem.name.as_str())
            .collect();
        assert_eq!(names, [name], "{value}");
    }
}
