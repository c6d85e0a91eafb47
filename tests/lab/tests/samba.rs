//! The Samba domain is what its documentation says: contents, accounts, changes.

use lab::samba::{Account, Change, Domain, ldap};

const USERS_AND_GROUPS: &str = "(|(&(objectCategory=person)(objectClass=user))(objectCategory=group))";

/// What the connector's account sees over LDAPS: the number of objects.
fn count(domain: &Domain, base: &str, filter: &str) -> usize {
    let account = domain.place().connector();
    let ldif = ldap::search(domain.place(), &account, base, filter, &["dn"]).unwrap();
    // A DN that is not plain ASCII is in base 64, after two colons (RFC 2849).
    ldif.lines().filter(|line| line.starts_with("dn:")).count()
}

#[test]
fn it_holds_thousands_of_users_and_hundreds_of_groups_that_a_plain_account_sees() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let root = domain.root();
    let expected = domain.expected(&root);
    let kind = |name| {
        expected
            .values()
            .filter(|it| it["asset"]["assetDetail"][name].is_object())
            .count()
    };
    assert!(kind("userAssetClass") >= 2_000 && kind("groupAssetClass") >= 250);
    assert_eq!(count(&domain, &root, USERS_AND_GROUPS), expected.len());
    assert_eq!(
        count(&domain, &domain.odd_unit(), USERS_AND_GROUPS),
        domain.expected(&domain.odd_unit()).len()
    );
    // There to be left out.
    assert!(count(&domain, &root, "(objectClass=contact)") >= 5);
    assert!(count(&domain, &root, "(objectCategory=computer)") >= 5);
}

#[test]
fn every_form_of_name_binds_and_a_wrong_password_does_not() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    for right in [domain.place().connector(), domain.place().administrator()] {
        let search =
            |account: &Account| ldap::search(domain.place(), account, &domain.root(), "(cn=nobody)", &[]);
        for name in [&right.dn, &right.principal, &right.down_level] {
            assert_eq!(
                search(&Account {
                    dn: name.clone(),
                    ..right.clone()
                }),
                Ok(String::new()),
                "{name}"
            );
        }
        let refused = search(&Account {
            password: "wrong",
            ..right.clone()
        })
        .unwrap_err();
        assert!(refused.contains("Invalid credentials (49)"), "{refused}");
    }
}

#[test]
fn changes_are_seen_at_once_by_the_expectation_and_over_ldap() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let unit = domain.fresh_unit("harness");
    assert!(domain.expected(&unit).is_empty());
    let [person, renamed] = ["Person", "Renamed\\, Jr."].map(|name| format!("CN={name},{unit}"));
    domain.apply(&[
        Change::user(&unit, "Person", "harness1"),
        Change::group(&unit, "Team", "harness2"),
    ]);
    assert_eq!(domain.expected(&unit).len(), 2);
    domain.apply(&[
        Change::clear(&person, "mail"),
        Change::set(&person, "displayName", "שלום\n"),
        Change::set(&person, "pwdLastSet", "133485408000000001"),
        Change::rename(&person, &renamed),
        Change::delete(&format!("CN=Team,{unit}")),
        Change::delete(&format!("CN=Never there,{unit}")),
    ]);
    let expected = domain.expected(&unit);
    let detail = &expected.values().next().unwrap()["asset"]["assetDetail"]["userAssetClass"];
    assert_eq!(detail["name"], "Renamed, Jr.");
    assert_eq!(detail["displayName"], "שלום\n");
    assert_eq!(detail["passwordLastChangedAt"], "2024-01-01T00:00:00Z");
    assert!(expected.len() == 1 && detail.get("email").is_none(), "{detail}");
    assert_eq!(count(&domain, &unit, "(pwdLastSet=133485408000000001)"), 1);
    assert_eq!(count(&domain, &unit, "(objectCategory=group)"), 0);
}

#[test]
fn a_refused_change_undoes_the_others_of_its_call() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let unit = domain.fresh_unit("refused");
    let changes = [
        Change::user(&unit, "First", "refused1"),
        Change::user(&unit, "First", "refused2"),
    ];
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| domain.apply(&changes)));
    let message = *refused.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.contains("cannot add CN=First,OU=Test refused"),
        "{message}"
    );
    assert!(domain.expected(&unit).is_empty());
}
