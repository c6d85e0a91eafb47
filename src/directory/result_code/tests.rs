use super::*;

fn refused(code: u32, diagnostic: &str) -> LdapResult {
    LdapResult::new(code, "", diagnostic, vec![])
}

#[test]
fn r27_a_password_that_the_server_repeats_is_hidden() {
    let secret = Secret::from("Geheim\n7");
    let outcome = LdapResult::new(
        1,
        "CN=Geheim\n7",
        "bound with Geheim\n7!\0",
        vec!["ldap://Geheim\n7/".to_owned()],
    );
    let told = format!("{:?}", outcome.hiding(&secret));
    assert!(
        !told.contains("Geheim") && told.matches("[hidden]").count() == 3,
        "{told}"
    );
    assert_eq!(without("a bad day", &Secret::from("a")), "a bad day");
}

#[test]
fn the_sub_code_is_read_from_the_message_of_active_directory() {
    let message = "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v4563\0";
    assert_eq!(refused(49, message).sub_code().as_deref(), Some("52e"));
    let none = "00002020: Operation unavailable without authentication, data 0, v1db1";
    assert_eq!(refused(1, none).sub_code(), None);
    assert_eq!(refused(49, "data ").sub_code(), None);
    assert_eq!(refused(49, "Data 0000052E").sub_code().as_deref(), Some("52e"));
}

#[test]
fn every_sub_code_has_its_own_sentence() {
    let codes = [
        "525", "52e", "52f", "530", "531", "532", "533", "568", "569", "701", "773", "775", "0",
    ];
    let mut causes: Vec<_> = codes
        .iter()
        .map(|code| bind_meaning(&refused(49, &format!("data {code}, v1"))).cause)
        .collect();
    causes.sort_unstable();
    causes.dedup();
    assert_eq!(causes.len(), codes.len());
}

#[test]
fn a_bind_without_tls_points_to_the_transport() {
    let message =
        "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking";
    assert!(
        bind_meaning(&refused(8, message))
            .advice
            .contains("AD_TRANSPORT=ldaps or starttls")
    );
}

#[test]
fn an_anonymous_search_is_told_from_another_operations_error() {
    let message = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563";
    assert!(search_meaning(&refused(1, message)).cause.contains("bind"));
    assert!(!search_meaning(&refused(1, "")).cause.contains("bind"));
}

#[test]
fn a_result_is_one_line_with_its_name() {
    let outcome = LdapResult::new(32, "DC=corp,DC=example", "0000208D: NameErr\0", vec![]);
    assert_eq!(
        outcome.to_string(),
        "result 32 (noSuchObject), nearest object \"DC=corp,DC=example\", \"0000208D: NameErr\""
    );
}
