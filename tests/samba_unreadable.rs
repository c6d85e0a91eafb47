//! Names with octets that are not UTF-8 in a real Active Directory: Samba takes them, and the
//! object alone is rejected (R15).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::Change;
use serde_json::Value;
use support::Connector;

/// Four octets in the form of UTF-8 that stand for no character, beyond U+10FFFF: what Samba takes
/// of such octets.
const BAD: &str = "\\F5\\80\\80\\80";

/// How they are shown.
const SHOWN: &str = "\\f5\\80\\80\\80";

const MANAGER: &str = r#"
[[user]]
source = "manager"
target = "asset.assetDetail.userAssetClass.manager"
form = "dn_name"
"#;

/// The names of what was rejected.
async fn rejected(connector: &Connector) -> Vec<String> {
    let status = connector.status().await;
    let mut names: Vec<String> = status["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert!(one["vendorAssetId"].is_string(), "{one}");
            assert!(one["reason"].as_str().unwrap().contains("not UTF-8"), "{one}");
            one["dn"].as_str().unwrap().to_owned()
        })
        .collect();
    names.sort();
    names
}

/// The names of the assets that arrived.
fn arrived(receiver: &Receiver) -> Vec<String> {
    let name = |asset: &Value| {
        let detail = asset["asset"]["assetDetail"].as_object().unwrap();
        let (_, class) = detail.iter().next().unwrap();
        class["name"].as_str().unwrap().to_owned()
    };
    let mut names: Vec<String> = receiver.assets().values().map(name).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_an_object_with_a_name_that_is_not_utf_8_is_rejected_alone_by_samba_too() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    for method in ["usn", "dirsync"] {
        let receiver = Receiver::start(Options::default()).await;
        let unit = domain.fresh_unit(&format!("octets-{method}"));
        let (inside, outside) = (format!("OU=In,{unit}"), format!("OU=Out,{unit}"));
        let unreadable = format!("CN=Z{BAD}rich,{inside}");
        let leaver = format!("CN=Leaver,{inside}");
        let account = |name: &str| format!("o{}{name}", &method[..1]);
        domain.apply(&[
            Change::add(&inside, "organizationalUnit", &[]),
            Change::add(&outside, "organizationalUnit", &[]),
            Change::user(&inside, &format!("Z{BAD}rich"), &account("z")),
            Change::user(&inside, "Leaver", &account("l")),
            Change::user(&inside, "Report", &account("r")),
            Change::group(&inside, "Team", &account("t")),
            Change::set(&format!("CN=Report,{inside}"), "manager", &unreadable),
            Change::set(&format!("CN=Team,{inside}"), "member", &unreadable),
        ]);
        let table = [include_str!("../config/mapping.toml"), MANAGER].concat();
        let connector = Connector::new(&domain, &receiver);
        std::fs::write(connector.folder().join("mapping.toml"), table).unwrap();
        let connector = connector
            .with("AD_BASE_CONTEXT", &inside)
            .with("AD_DELTA", method)
            .with("MAPPING_FILE", "mapping.toml");
        connector.run(&["sync"]).await.ended_with(2);
        let shown = format!("CN=Z{SHOWN}rich,{inside}");
        assert_eq!(rejected(&connector).await, std::slice::from_ref(&shown));
        assert_eq!(arrived(&receiver), ["Leaver", "Report", "Team"]);

        // A neighbour outside of the scope, a container, and what is in it: seen by the watch
        // alone.
        domain.apply(&[
            Change::add(&format!("OU={BAD}bel,{outside}"), "organizationalUnit", &[]),
            Change::user(&format!("OU={BAD}bel,{outside}"), "Inner", &account("i")),
            Change::user(&outside, &format!("Nachbar {BAD}"), &account("n")),
        ]);
        connector.run(&["sync"]).await.ended_with(2);
        assert_eq!(
            rejected(&connector).await,
            std::slice::from_ref(&shown),
            "what is in scope"
        );

        // One that ETM has is renamed so: rejected, and not removed.
        let renamed = format!("CN=L{BAD}on,{inside}");
        domain.apply(&[Change::rename(&leaver, &renamed)]);
        for arguments in [&["sync"][..], &["sync", "--baseline"]] {
            connector.run(arguments).await.ended_with(2);
            let shown = [format!("CN=L{SHOWN}on,{inside}"), shown.clone()];
            assert_eq!(rejected(&connector).await, shown);
            assert_eq!(connector.succeed(&["removed", "--json"]).await.stdout, "");
        }
        domain.apply(&[
            Change::rename(&renamed, &format!("CN=L\u{e9}on,{inside}")),
            Change::rename(&unreadable, &format!("CN=Z\u{fc}rich,{inside}")),
        ]);
        receiver.reset();
        connector.run(&["sync"]).await.ended_with(0);
        // The report shows the manager, whose name can be read now (R31).
        assert_eq!(arrived(&receiver), ["L\u{e9}on", "Report", "Z\u{fc}rich"]);
        // Other tests read the whole domain.
        domain.apply(&[Change::delete(&unit)]);
    }
}
