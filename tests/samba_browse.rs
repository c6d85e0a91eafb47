//! The containers of a real Active Directory (Samba), and the number of objects that a profile
//! would read there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use ad_connector::check::{self, ContainerKind};
use ad_connector::directory::BindGuard;
use lab::receiver::{Options, Receiver};
use lab::samba::Change;
use support::Connector;

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_a_real_domain_lead_to_a_base_context() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let unit = domain.fresh_unit("browse");
    let odd = format!("OU=Odd\\, \\\"Deep\\\" \u{e4}\\+\u{f6},{unit}");
    domain.apply(&[
        Change::add(&format!("OU=zeta,{unit}"), "organizationalUnit", &[]),
        Change::add(&odd, "organizationalUnit", &[]),
        Change::add(&format!("CN=Plain,{unit}"), "container", &[]),
        Change::add(&format!("CN=Card,{unit}"), "contact", &[]),
        Change::user(&odd, "Anna", "browseanna"),
        Change::user(&unit, "Berta", "browseberta"),
    ]);
    let connector = Connector::new(&domain, &receiver)
        .with("AD_BASE_CONTEXT", &unit)
        .with("AD_ASSETS", "users,groups");
    let settings = connector.settings();
    let guard = BindGuard::default();
    let top = check::browse(&settings, &guard, None).await.unwrap();
    assert_eq!(top.dn, domain.root());
    let kind = |name: &str| {
        let found = top.containers.iter().find(|container| container.name == name);
        found.unwrap_or_else(|| panic!("{name}: {top:?}")).kind
    };
    assert_eq!(kind("Domain Controllers"), ContainerKind::OrganizationalUnit);
    assert_eq!(kind("Builtin"), ContainerKind::Container);
    assert_eq!(kind("Users"), ContainerKind::Container);
    let counts: Vec<(u64, bool)> = top
        .counts
        .iter()
        .map(|one| (one.count, one.is_complete))
        .collect();
    assert_eq!(
        counts,
        [(2, true), (0, true)],
        "of the profile, wherever one browses"
    );

    let below = check::browse(&settings, &guard, Some(&unit)).await.unwrap();
    let names: Vec<&str> = below.containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["Odd, \"Deep\" \u{e4}+\u{f6}", "Plain", "zeta"]);
    assert!(below.is_complete);
    // Each name leads further, as it came.
    for container in &below.containers {
        let inside = check::browse(&settings, &guard, Some(&container.dn))
            .await
            .unwrap();
        assert_eq!((inside.containers.len(), inside.is_complete), (0, true));
    }
    let gone = check::browse(&settings, &guard, Some(&format!("OU=Gone,{unit}")))
        .await
        .unwrap_err();
    assert!(gone.message.contains("does not exist"), "{gone}");
}
