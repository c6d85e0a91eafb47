//! What arrives.

use lab::samba::{Change, kerberos};

use crate::support::{Assets, assert_arrives, changed, people, secrets};
use crate::world::{ACCOUNT, world};

/// The whole domain at the default page size, then one OU, then what changed, with the keytab alone.
async fn assert_everything_arrives_over(transport: &str) {
    let Some(world) = world().await else { return };
    let (domain, receiver) = (&world.domain, &world.receiver);
    let connector = world.connector(transport);
    let unit = domain.fresh_unit(&format!("kerberos {transport}"));
    domain.apply(&people(&unit, &format!("k{transport}")));
    let everything = domain.expected(&domain.root());
    assert!(everything.len() > 2_250, "{}", everything.len());
    connector.succeed(&["check"]).await;
    assert_arrives(&connector, receiver, &everything).await;
    assert_arrives(&connector, receiver, &Assets::new()).await;

    domain.apply(&[Change::set(
        &format!("CN=Person 0,{unit}"),
        "mail",
        "new@corp.example",
    )]);
    let one = changed(&everything, &domain.expected(&domain.root()));
    assert_eq!(one.len(), 1);
    assert_arrives(&connector, receiver, &one).await;

    let odd = domain.expected(&domain.odd_unit());
    let connector = world
        .connector(transport)
        .with("AD_BASE_CONTEXT", &domain.odd_unit());
    assert_arrives(&connector, receiver, &odd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_with_a_keytab_over_ldaps() {
    assert_everything_arrives_over("ldaps").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_with_a_keytab_over_starttls() {
    assert_everything_arrives_over("starttls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_with_a_keytab_sealed_on_389() {
    assert_everything_arrives_over("ldap").await;
}

/// A person's ticket, the account named, and the controller found by its address.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_does_as_well_as_a_keytab() {
    let Some(world) = world().await else { return };
    let place = world.domain.place();
    let cache = world.file("cache");
    kerberos::ticket(place, ACCOUNT, &world.keytab, "10m", &cache);
    let odd = world.domain.expected(&world.domain.odd_unit());
    for transport in ["ldaps", "ldap"] {
        let connector = world
            .connector(transport)
            .without("KRB5_CLIENT_KTNAME")
            .with("KRB5CCNAME", cache.to_str().unwrap())
            .with("AD_BIND_DN", &place.connector().principal)
            .with("AD_HOST", &place.address().to_string())
            .with("AD_SERVER_NAME", &place.host())
            .with("AD_BASE_CONTEXT", &world.domain.odd_unit());
        assert_arrives(&connector, &world.receiver, &odd).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_no_secret_comes_out_at_the_most_talkative_log_level() {
    let Some(world) = world().await else { return };
    let keytab = std::fs::read(&world.keytab).unwrap();
    // The last 16 octets of the keytab are a key.
    let key = &keytab[keytab.len() - 16..];
    let hexadecimal: String = key.iter().map(|octet| format!("{octet:02x}")).collect();
    let listed = format!("{key:?}");
    let leaks = [
        world.domain.place().connector().password.to_owned(),
        listed.trim_matches(['[', ']']).to_owned(),
        hexadecimal.clone(),
        hexadecimal.to_uppercase(),
    ];
    for transport in ["ldaps", "ldap"] {
        let connector = world
            .connector(transport)
            .with("LOG_LEVEL", "trace")
            .with("AD_BASE_CONTEXT", &world.domain.odd_unit());
        let mut said = String::new();
        for command in [&["check"][..], &["sync"], &["status", "--json"]] {
            said += &connector.succeed(command).await.text();
        }
        assert!(
            said.contains("Kerberos proved the account"),
            "no log at all? {said}"
        );
        secrets::assert_none("the output", &said, &leaks);
        secrets::assert_none_in_files(connector.folder(), &leaks);
    }
}
