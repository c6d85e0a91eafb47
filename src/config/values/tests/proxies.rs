use super::*;

#[test]
fn every_usual_form_is_brought_to_one_that_the_library_knows() {
    for (text, known) in [
        ("", ""),
        ("localhost", "localhost"),
        ("localhost,127.0.0.1", "localhost,127.0.0.1"),
        (
            "localhost 127.0.0.1\t.corp.example",
            "localhost,127.0.0.1,corp.example",
        ),
        (" a.example , ,b.example,", "a.example,b.example"),
        (".Example.COM", "example.com"),
        ("*.example.com", "example.com"),
        ("gateway.example.", "gateway.example"),
        ("::1,[::1]", "::1,::1"),
        ("10.0.0.0/8,fd00::/8,[fd00::]/8", "10.0.0.0/8,fd00::/8,fd00::/8"),
        ("*", "*,0.0.0.0/0,::/0"),
        // With a port: that of the gateway, or another one.
        ("gateway.example:443", "gateway.example"),
        ("gateway.example:8443", ""),
        (
            "[::1]:443,127.0.0.1:443,[::1]:80,.x.example:443",
            "::1,127.0.0.1,x.example",
        ),
    ] {
        assert_eq!(no_proxy::exceptions(443)(text).as_deref(), Ok(known), "{text}");
    }
    assert_eq!(
        no_proxy::exceptions(8443)("a:443,a:8443").as_deref(),
        Ok("a"),
        "the gateway's port"
    );
}

#[test]
fn any_other_form_is_refused_by_its_name() {
    for item in [
        "10.*",
        "192.168.",
        "192.168.1.*",
        "gateway*.example",
        "*example.com",
        "**",
        "<local>",
        "https://gateway.example",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/255.0.0.0",
        "example.com/8",
        "example.com:https",
        "example.com:",
        "a;b",
        "a|b",
    ] {
        let cause = format!("`{item}` is in no form");
        refused(no_proxy::exceptions(443), &[(item, &cause, "10.0.0.0/8")]);
        refused(
            no_proxy::exceptions(443),
            &[(&format!("localhost,{item}"), &cause, "`*` for every host")],
        );
    }
}
