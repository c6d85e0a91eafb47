//! How controllers were reached, and where a DirSync search goes on.

use super::*;

fn end_of_read(controller: u8, scope: u8, cookie: Option<&[u8]>) -> ReadEnd {
    ReadEnd {
        watermark: Watermark {
            controller: guid(controller),
            scope: [scope; 32],
            usn: 100,
            read_at: NOW,
        },
        host: format!("dc{controller}"),
        server: format!("CN=NTDS Settings,CN=DC{controller}"),
        cookie: cookie.map(<[u8]>::to_vec),
        kinds: vec![Kind::User],
        missed: Vec::new(),
        met: None,
        containers: Vec::new(),
        containers_gone: Vec::new(),
    }
}

impl Room {
    fn complete(&self, end: &ReadEnd) {
        let run = self.run();
        self.store.complete_read(run, &[], false, end, NOW).unwrap();
        self.end(run);
    }

    fn hosts(&self) -> Vec<String> {
        let reached = self.store.reached(self.connection).unwrap();
        reached.into_iter().map(|one| one.host).collect()
    }

    fn octets(&self) -> Option<Vec<u8>> {
        let cookie = self.store.cookie(self.connection).unwrap();
        cookie.map(|cookie| cookie.octets)
    }
}

#[test]
fn r02_hosts_are_remembered_as_long_as_their_watermarks() {
    let room = Room::new();
    assert!(room.hosts().is_empty());
    room.complete(&end_of_read(1, 7, None));
    room.complete(&end_of_read(2, 7, None));
    assert_eq!(room.hosts(), ["dc1", "dc2"]);
    let servers = room.store.reached(room.connection).unwrap();
    assert_eq!(servers[1].server, "CN=NTDS Settings,CN=DC2");
    room.complete(&ReadEnd {
        host: "10.0.0.1".to_owned(),
        ..end_of_read(1, 7, None)
    });
    assert_eq!(room.hosts(), ["10.0.0.1", "dc2"], "as it was reached last");
    room.complete(&end_of_read(2, 8, None));
    assert_eq!(room.hosts(), ["dc2"], "of this scope");
}

#[test]
fn r02_r03_a_cookie_commits_with_its_read_and_goes_with_its_scope() {
    let room = Room::new();
    assert_eq!(room.octets(), None);
    room.complete(&end_of_read(1, 7, Some(b"one")));
    room.complete(&end_of_read(2, 7, Some(b"two")));
    assert_eq!(room.octets().unwrap(), b"two", "one, whatever the controller");
    room.complete(&end_of_read(1, 7, None));
    let cookie = room.store.cookie(room.connection).unwrap().unwrap();
    assert_eq!(cookie.octets, b"two", "a read without one leaves it");
    assert_eq!((cookie.scope, cookie.read_at), ([7; 32], NOW));
    room.complete(&end_of_read(1, 8, None));
    assert_eq!(room.octets(), None, "but not in another scope");
}
