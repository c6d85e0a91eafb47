use super::*;
use crate::directory::ber::write;

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, tag, content);
    out
}

fn ldap_result(code: u8, diagnostic: &[u8], rest: &[u8]) -> Vec<u8> {
    [
        element(ENUMERATED, &[code]),
        element(OCTET_STRING, b""),
        element(OCTET_STRING, diagnostic),
        rest.to_vec(),
    ]
    .concat()
}

fn message(id: u8, operation: &[u8], rest: &[u8]) -> Vec<u8> {
    element(
        SEQUENCE,
        &[element(INTEGER, &[id]), operation.to_vec(), rest.to_vec()].concat(),
    )
}

#[test]
fn each_answer_is_told_by_its_tag() {
    let done = ldap_result(0, b"", &[]);
    for (tag, expected) in [
        (0x61, AnswerOperation::Bind),
        (0x65, AnswerOperation::SearchDone),
        (0x78, AnswerOperation::Extended),
        (0x64, AnswerOperation::Entry),
    ] {
        let bytes = message(7, &element(tag, &done), &[]);
        assert_eq!(
            answer(&bytes),
            Ok(LdapMessage::Answer {
                id: 7,
                answer: expected
            })
        );
    }
}

#[test]
fn r12_operations_that_no_client_receives_are_refused() {
    for tag in [0x60, 0x63, 0x69, 0x79, 0x30, 0x44] {
        let bytes = message(7, &element(tag, &ldap_result(0, b"", &[])), &[]);
        assert!(answer(&bytes).is_err(), "{tag:x}");
    }
}

#[test]
fn r12_a_result_with_missing_or_misshapen_parts_is_refused() {
    let wrong = [
        vec![],
        element(ENUMERATED, &[0]),
        element(INTEGER, &[0]),
        [
            element(ENUMERATED, &[]),
            element(OCTET_STRING, b""),
            element(OCTET_STRING, b""),
        ]
        .concat(),
        ldap_result(10, b"", &element(0x83, b"ldap://x")),
        ldap_result(10, b"", &element(0xA3, &element(INTEGER, &[1]))),
        ldap_result(0, b"", &element(ENUMERATED, &[1])),
    ];
    for content in wrong {
        let bytes = message(1, &element(0x65, &content), &[]);
        assert!(answer(&bytes).is_err(), "{content:x?}");
    }
}

#[test]
fn r15_texts_of_a_result_that_are_not_utf_8_are_written_with_escapes() {
    let referral = element(0xA3, &element(OCTET_STRING, b"ldap://\xFE"));
    let name = element(0x8A, b"1.2\xFD");
    let content = ldap_result(10, b"caf\xE9 d\xC3\xA9j\xC3\xA0", &[referral, name].concat());
    let (outcome, name) = result(&content).unwrap();
    assert_eq!(outcome.diagnostic, "caf\\e9 déjà");
    assert_eq!(outcome.referrals, ["ldap://\\fe"]);
    assert_eq!(name.as_deref(), Some("1.2\\fd"));
    let control = element(0xA0, &element(SEQUENCE, &element(OCTET_STRING, b"1.2.3")));
    let bytes = message(7, &element(0x65, &content), &control);
    let readable = readable_result(&bytes).unwrap();
    assert_eq!(answer(&readable), answer(&bytes));
    assert_eq!(search_outcome(&readable), Some(outcome));
    assert_eq!(
        readable_result(&readable),
        Some(Cow::Borrowed(&*readable)),
        "nothing is left to do"
    );
    // Octets that are no text stay: serverSaslCreds, responseValue.
    let creds = [element(0x87, b"\xFF"), element(0x8B, b"\xFE")].concat();
    let bytes = message(1, &element(0x61, &ldap_result(14, b"\xFF", &creds)), &[]);
    assert!(readable_result(&bytes).unwrap().ends_with(&creds));
}

#[test]
fn r12_controls_must_have_the_shape_that_the_decoder_trusts() {
    let operation = element(0x65, &ldap_result(0, b"", &[]));
    let oid = element(OCTET_STRING, b"1.2.3");
    let with = |control: Vec<u8>| message(1, &operation, &element(0xA0, &element(SEQUENCE, &control)));
    let value = element(OCTET_STRING, b"v");
    let truth = element(BOOLEAN, &[0xFF]);
    for good in [
        oid.clone(),
        [oid.clone(), truth.clone()].concat(),
        [oid.clone(), truth.clone(), value.clone()].concat(),
    ] {
        assert!(answer(&with(good)).is_ok());
    }
    let bad = [
        vec![],
        element(OCTET_STRING, b"\xFF"),
        [oid.clone(), element(BOOLEAN, &[])].concat(),
        [oid.clone(), element(INTEGER, &[1])].concat(),
        [oid.clone(), value.clone(), value.clone()].concat(),
        [oid, truth, element(SEQUENCE, &[])].concat(),
    ];
    for control in bad {
        assert!(answer(&with(control.clone())).is_err(), "{control:x?}");
    }
    assert!(answer(&message(1, &operation, &element(0x80, b""))).is_err());
    assert!(
        answer(&message(
            1,
            &operation,
            &[element(0xA0, &[]), element(0xA0, &[])].concat()
        ))
        .is_err()
    );
}

#[test]
fn a_notice_of_disconnection_is_read_in_both_forms() {
    let name = element(0x8A, NOTICE_OF_DISCONNECTION.as_bytes());
    let standard = message(0, &element(0x78, &ldap_result(52, b"shutting down", &name)), &[]);
    let microsoft = message(0, &element(0x78, &ldap_result(52, b"shutting down", &[])), &name);
    for bytes in [standard, microsoft] {
        match answer(&bytes) {
            Ok(LdapMessage::Notification { name, outcome }) => {
                assert_eq!(name, NOTICE_OF_DISCONNECTION);
                assert_eq!((outcome.code, outcome.diagnostic.as_str()), (52, "shutting down"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(answer(&message(0, &element(0x65, &ldap_result(0, b"", &[])), &[])).is_err());
}

#[test]
fn requests_admit_only_their_own_answers() {
    assert!(
        RequestOperation::Search.admits(AnswerOperation::Entry)
            && RequestOperation::Search.admits(AnswerOperation::SearchDone)
    );
    assert!(
        !RequestOperation::Search.admits(AnswerOperation::Bind)
            && !RequestOperation::Bind.admits(AnswerOperation::Entry)
    );
    assert!(!RequestOperation::Farewell.admits(AnswerOperation::Extended));
    assert_eq!(
        request(&message(3, &element(0x63, &[]), &[])),
        Some((3, RequestOperation::Search))
    );
    assert_eq!(
        request(&message(4, &element(0x42, &[]), &[])),
        Some((4, RequestOperation::Farewell))
    );
    assert_eq!(request(&message(4, &element(0x66, &[]), &[])), None);
}
