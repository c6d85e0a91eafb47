use super::*;

fn bind(code: u32) -> DirectoryError {
    let outcome = LdapResult::new(code, "", "", vec![]);
    DirectoryError::Bind {
        host: "dc1".to_owned(),
        account: "svc".to_owned(),
        outcome,
    }
}

#[test]
fn only_judged_credentials_are_77() {
    for (code, exit) in [
        (49, 77),
        (48, 77),
        (34, 77),
        (8, 69),
        (13, 69),
        (51, 69),
        (52, 69),
        (53, 69),
    ] {
        assert_eq!(bind(code).exit_code(), exit, "{code}");
    }
    assert_eq!(
        DirectoryError::AllFailed {
            causes: vec![],
            untried: 0
        }
        .exit_code(),
        69
    );
}

#[test]
fn one_error_names_every_host_and_advises_on_the_first() {
    let resolve = DirectoryError::Resolve {
        host: "dc1".to_owned(),
        cause: "no such name".to_owned(),
    };
    let connect = DirectoryError::Connect {
        host: "dc2".to_owned(),
        port: 636,
        causes: vec!["10.0.0.2:636: refused".to_owned()],
    };
    let all = DirectoryError::AllFailed {
        causes: vec![resolve.clone(), connect],
        untried: 0,
    };
    let text = all.to_string();
    assert!(
        text.contains("dc1: the name cannot be resolved: no such name"),
        "{text}"
    );
    assert!(
        text.contains("dc2: no connection to port 636 (10.0.0.2:636: refused)"),
        "{text}"
    );
    assert!(all.advice().contains(&resolve.advice()));
}
