//! Binding, rootDSE, and being one controller among several.

use super::client::{Ask, Client};
use super::{PEOPLE, USERS, empty};
use lab::simulator::{Account, Controller, Directory, Options, People, Refusal, Simulator};

#[tokio::test(flavor = "multi_thread")]
async fn refused_binds_say_why() {
    let refused = Account::refused("locked", Refusal::LockedOut);
    let accounts = vec![Account::reader(), refused];
    let simulator = Simulator::start(Options {
        accounts,
        ..Options::default()
    });
    let mut client = Client::connect(simulator.addr());
    let (code, message) = client.bind("svc-reader@corp.example", "wrong");
    let text = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580\0";
    assert_eq!((code, message.as_str()), (49, text));
    let (code, message) = client.bind("CORP\\locked", lab::simulator::PASSWORD);
    assert!(code == 49 && message.contains("data 775,"), "{code} {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_binds_are_refused_where_signing_is_required() {
    let simulator = Simulator::start(Options {
        require_signing: true,
        ..Options::default()
    });
    let mut client = Client::connect(simulator.addr());
    let (code, message) = client.bind("svc-reader@corp.example", lab::simulator::PASSWORD);
    assert!(
        code == 8 && message.starts_with("00002028: LdapErr"),
        "{code} {message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bind_only_the_root_dse_is_told() {
    let simulator = empty();
    let mut client = Client::connect(simulator.addr());
    let root = client.search(&Ask {
        base: "",
        scope: 0,
        attributes: &[],
        ..Ask::default()
    });
    let usn = root.entries[0].text("highestCommittedUSN").unwrap();
    assert_eq!(usn, simulator.highest_usn().to_string());
    assert_eq!(
        root.entries[0].text("defaultNamingContext").as_deref(),
        Some("DC=corp,DC=example")
    );
    let found = client.search(&Ask::default());
    assert_eq!(found.code, 1);
    assert!(
        found.message.contains("a successful bind must be completed"),
        "{}",
        found.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_invocation_id_stands_at_the_object_that_the_root_dse_names() {
    let simulator = empty();
    let mut client = Client::reader(simulator.addr());
    let invocation_id = |client: &mut Client| {
        let root = client.search(&Ask {
            base: "",
            scope: 0,
            attributes: &["dsServiceName"],
            ..Ask::default()
        });
        let service = root.entries[0].text("dsServiceName").unwrap();
        let found = client.search(&Ask {
            base: &service,
            scope: 0,
            attributes: &["invocationId"],
            ..Ask::default()
        });
        found.entries[0].attributes["invocationId"][0].clone()
    };
    assert_eq!(invocation_id(&mut client), Controller::numbered(1).invocation_id);
    let usn = simulator.highest_usn();
    simulator.swap_controller(Controller::numbered(2));
    assert_eq!(invocation_id(&mut client), Controller::numbered(2).invocation_id);
    assert!(simulator.highest_usn() != usn);
    let lifetime = Ask {
        base: "CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration,DC=corp,DC=example",
        scope: 0,
        attributes: &["tombstoneLifetime"],
        ..Ask::default()
    };
    assert_eq!(
        client.search(&lifetime).entries[0]
            .text("tombstoneLifetime")
            .as_deref(),
        Some("180")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_controllers_serve_one_directory_with_usns_of_their_own() {
    let directory = Directory::new("corp.example", People::NONE);
    let user = directory.create_user(USERS, "Ada", &[]);
    let start = |number| {
        let controller = Controller::numbered(number);
        Simulator::start(Options {
            directory: directory.clone(),
            controller,
            ..Options::default()
        })
    };
    let ask = Ask {
        filter: PEOPLE,
        attributes: &["uSNChanged"],
        ..Ask::default()
    };
    let usns = [start(1), start(2)].map(|simulator| {
        let found = Client::reader(simulator.addr()).search(&ask);
        found.entries[0].text("uSNChanged").unwrap()
    });
    assert_ne!(usns[0], usns[1]);
    assert!(directory.text(user, "uSNChanged").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_usns_that_holds_nothing_ends_at_once() {
    let simulator = Simulator::start(Options {
        directory: Directory::new("corp.example", People::of(20, 1)),
        ..Options::default()
    });
    let mut client = Client::connect(simulator.addr());
    client.bind("svc-reader@corp.example", lab::simulator::PASSWORD);
    let found = client.search(&Ask {
        filter: "(&(uSNChanged>=0)(uSNChanged<=1))",
        ..Ask::default()
    });
    assert_eq!((found.code, found.entries.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_answers_no_such_object_until_the_object_arrives() {
    let directory = Directory::new("corp.example", People::NONE);
    let behind = directory.replica();
    let user = directory.create_user(USERS, "Ada", &[]);
    let simulator = Simulator::start(Options {
        directory: behind.clone(),
        controller: Controller::numbered(2),
        ..Options::default()
    });
    let mut client = Client::reader(simulator.addr());
    let guid: String = directory
        .guid(user)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let base = format!("<GUID={guid}>");
    let ask = Ask {
        base: &base,
        scope: 0,
        ..Ask::default()
    };
    assert_eq!(client.search(&ask).code, 32);
    directory.replicate_object(user, &behind);
    let found = client.search(&ask);
    assert_eq!((found.code, found.entries.len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_is_synchronized_unless_it_is_to_say_otherwise() {
    let simulator = empty();
    let mut client = Client::connect(simulator.addr());
    let mut is_synchronized = || {
        let root = client.search(&Ask {
            base: "",
            scope: 0,
            attributes: &["isSynchronized"],
            ..Ask::default()
        });
        root.entries[0].text("isSynchronized").unwrap()
    };
    assert_eq!(is_synchronized(), "TRUE");
    simulator.set_synchronized(false);
    assert_eq!(is_synchronized(), "FALSE");
}
