use tokio::io::AsyncWriteExt;

use super::*;
use crate::directory::recorded;

#[test]
fn without_tls_only_confidentiality_is_chosen_and_inside_tls_no_layer() {
    assert_eq!(
        choose(&[7, 0x01, 0x00, 0x00], true).unwrap(),
        ([4, 0xFF, 0xFF, 0xFF], 65_536)
    );
    assert_eq!(choose(&[7, 0xFF, 0xFF, 0xFF], false).unwrap().0, [1, 0, 0, 0]);
    assert_eq!(
        choose(&[3, 1, 0, 0], true).unwrap_err().problem(),
        &KerberosProblem::Weak
    );
    assert_eq!(
        choose(&[6, 1, 0, 0], false).unwrap_err().problem(),
        &KerberosProblem::Weak
    );
    for malformed in [&[][..], &[4, 0, 0], &[4, 0, 0, 0, 0]] {
        assert_eq!(
            choose(malformed, true).unwrap_err().problem(),
            &KerberosProblem::Other
        );
    }
}

#[test]
fn a_step_is_a_bind_with_the_token_and_its_answer_has_one() {
    assert_eq!(message::request(&request(3, Some(b"token"))).unwrap().0, 3);
    assert_eq!(
        request(1, None),
        b"\x30\x14\x02\x01\x01\x60\x0F\x02\x01\x03\x04\x00\xA3\x08\x04\x06GSSAPI"
    );
    let answer = b"\x30\x11\x02\x01\x01\x61\x0C\x0A\x01\x0E\x04\x00\x04\x00\x87\x03abc";
    let (outcome, token) = outcome_and_token(answer).unwrap();
    assert_eq!((outcome.code, token.as_slice()), (IN_PROGRESS, b"abc".as_slice()));
    assert!(
        outcome_and_token(b"\x30\x0C\x02\x01\x01\x65\x07\x0A\x01\x00\x04\x00\x04\x00").is_err(),
        "a search's end"
    );
}

#[tokio::test]
async fn r12_recorded_answers_to_a_bind_come_out_with_their_tokens() {
    let files = recorded::all();
    let answers = files.iter().filter(|file| {
        let message = file.messages().first();
        message.is_some_and(|message| message["operation"] == "bindResponse")
    });
    let mut count = 0;
    for file in answers {
        for size in [1, 7, 1460, 1 << 20] {
            let (mut ours, mut theirs) = tokio::io::duplex(1 << 16);
            for chunk in recorded::with_id(&file.octets, 2).chunks(size) {
                theirs.write_all(chunk).await.unwrap();
            }
            let Ok((outcome, token)) = step(&mut ours, 2, Some(b"token")).await else {
                panic!("{}", file.name);
            };
            let expected = &file.messages()[0];
            assert_eq!(expected["code"], outcome.code, "{}", file.name);
            let credentials = &expected["sasl_credentials"];
            let wanted = match credentials {
                serde_json::Value::Null => Vec::new(),
                some => recorded::octets(some),
            };
            assert_eq!(token, wanted, "{}", file.name);
        }
        count += 1;
    }
    assert_eq!(count, 14);
}
