use super::*;

#[test]
fn a_pin_that_can_never_speak_is_refused() {
    let pin = "00".repeat(32);
    let refused = |host: &str, pins: &str, transport: &str| {
        refused_names(&[
            ("AD_HOST", host),
            ("AD_CERTIFICATE_SHA256", pins),
            ("AD_TRANSPORT", transport),
            ("AD_ALLOW_PLAINTEXT", "true"),
        ])
    };
    let of = |host: &str| format!("{host}={pin}");
    assert_eq!(refused("dc1", &of("dc2"), "ldaps"), ["AD_CERTIFICATE_SHA256"]);
    assert_eq!(
        refused("dc1,dc2", &format!("{},{}", of("dc1"), of("dc3")), "starttls"),
        ["AD_CERTIFICATE_SHA256"]
    );
    assert_eq!(refused("dc1", &pin, "ldap"), ["AD_CERTIFICATE_SHA256"]);
}

#[test]
fn a_pin_speaks_about_its_host_in_every_notation() {
    let pin = "00".repeat(32);
    for (host, pinned) in [
        ("DC1.corp.example", "dc1.corp.example"),
        ("dc1.corp.example.", "dc1.corp.example"),
        ("dc1.corp.example", "DC1.corp.example."),
        ("[fe80::0:1]", "fe80::1"),
    ] {
        let directory = connection(&[
            ("AD_HOST", host),
            ("AD_CERTIFICATE_SHA256", &format!("{pinned}={pin}")),
        ])
        .directory;
        assert_eq!(directory.pins_for(&directory.hosts[0]).count(), 1, "{host}");
        assert_eq!(directory.pins_for("dc2").count(), 0);
    }
}
