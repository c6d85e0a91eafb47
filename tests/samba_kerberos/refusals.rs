//! What is said when it cannot work: the exit code, the reason, the next step.

use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use lab::samba::kerberos;

use crate::support::Connector;
use crate::world::{ACCOUNT, World, world};

/// Checks that both `sync` and `check` end with `code` and say `words`, and that nothing was posted.
async fn assert_refused(connector: &Connector, world: &World, code: i32, words: &[&str]) {
    for command in ["sync", "check"] {
        connector.run(&[command]).await.ended_with(code).said(words);
    }
    assert_eq!(world.receiver.summary().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credentials_at_all_are_77() {
    let Some(world) = world().await else { return };
    let words = ["no Kerberos credentials", "KRB5_CLIENT_KTNAME", "KRB5CCNAME"];
    let nothing = world
        .connector("ldaps")
        .without("KRB5_CLIENT_KTNAME")
        .with("KRB5CCNAME", "FILE:/no/such/cache");
    assert_refused(&nothing, &world, 77, &words).await;
    let missing = world
        .connector("ldap")
        .with("KRB5_CLIENT_KTNAME", "/no/such.keytab");
    assert_refused(&missing, &world, 77, &words).await;
    let of_another = world
        .connector("ldaps")
        .with("AD_BIND_DN", "somebody-else@CORP.EXAMPLE");
    assert_refused(
        &of_another,
        &world,
        77,
        &["somebody-else@CORP.EXAMPLE", "AD_BIND_DN"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keytab_with_a_wrong_key_is_77() {
    let Some(world) = world().await else { return };
    let wrong = world.file("wrong.keytab");
    kerberos::invent_keytab(ACCOUNT, &wrong);
    let connector = world
        .connector("ldaps")
        .with("KRB5_CLIENT_KTNAME", wrong.to_str().unwrap());
    assert_refused(
        &connector,
        &world,
        77,
        &["key is not that of", "make the keytab anew"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_there_is_77() {
    let Some(world) = world().await else { return };
    let unknown = world.file("unknown.keytab");
    kerberos::invent_keytab("nobody-here", &unknown);
    let connector = world
        .connector("ldaps")
        .with("KRB5_CLIENT_KTNAME", unknown.to_str().unwrap());
    let words = [
        "does not know the account",
        "nobody-here@CORP.EXAMPLE",
        "AD_BIND_DN",
    ];
    assert_refused(&connector, &world, 77, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_past_its_end_is_77() {
    let Some(world) = world().await else { return };
    let cache = world.file("cache");
    kerberos::ticket(world.domain.place(), ACCOUNT, &world.keytab, "1s", &cache);
    let begun = Instant::now();
    while kerberos::is_valid(world.domain.place(), &cache) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "a ticket of a second lasts a minute"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let connector = world
        .connector("ldaps")
        .without("KRB5_CLIENT_KTNAME")
        .with("KRB5CCNAME", cache.to_str().unwrap());
    assert_refused(
        &connector,
        &world,
        77,
        &["has expired", "kinit", "KRB5_CLIENT_KTNAME"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_under_a_name_that_the_realm_does_not_know_is_69() {
    let Some(world) = world().await else { return };
    // The certificate bears it, so that TLS has nothing against it.
    let connector = world
        .connector("ldaps")
        .with("AD_HOST", &world.domain.place().address().to_string())
        .with("AD_SERVER_NAME", "corp.example");
    let words = ["no LDAP service under this name", "AD_HOST", "setspn"];
    assert_refused(&connector, &world, 69, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_distribution_centers_that_refuse_or_stay_silent_are_69() {
    let Some(world) = world().await else { return };
    // Both are bound, so no other program answers there; one listens, the other does not.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let _deaf = UdpSocket::bind(address).unwrap();
    let krb5_conf = world.write("silent.conf", &kerberos::configuration(&address.to_string()));
    // Without TLS the ticket comes first: nothing else can be too slow.
    let connector = world
        .connector("ldap")
        .with("KRB5_CONFIG", &krb5_conf)
        .with("AD_TIMEOUT", "2s");
    assert_refused(&connector, &world, 69, &["Kerberos ticket within 2 s", "port 88"]).await;

    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let krb5_conf = world.write("closed.conf", &kerberos::configuration(&closed.to_string()));
    let connector = world.connector("ldaps").with("KRB5_CONFIG", &krb5_conf);
    let words = ["no key distribution center", "CORP.EXAMPLE", "port 88"];
    assert_refused(&connector, &world, 69, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kerberos_cannot_have_is_64() {
    let Some(world) = world().await else { return };
    let address = world.domain.place().address().to_string();
    let connector = world
        .connector("ldap")
        .with("AD_HOST", &address)
        .with("AD_BIND_DN", "CORP\\svc-connector")
        .with("AD_PASSWORD", "unused-but-secret");
    let words = [
        &address,
        "AD_SERVER_NAME",
        "AD_BIND_DN: `CORP\\svc-connector` is no Kerberos principal",
        "AD_PASSWORD: is not used by AD_AUTH=kerberos",
    ];
    assert_refused(&connector, &world, 64, &words).await;

    // The library does not read .env, where the program finds the rest.
    let connector = world.connector("ldap").without("KRB5_CLIENT_KTNAME");
    std::fs::write(
        connector.folder().join(".env"),
        format!("KRB5_CLIENT_KTNAME={}\n", world.keytab.display()),
    )
    .unwrap();
    assert_refused(
        &connector,
        &world,
        64,
        &["KRB5_CLIENT_KTNAME", "does not know .env"],
    )
    .await;
}
