use std::io::{Read, Write};
use std::net::TcpStream;

use lab::simulator::{Directory, Kind, Options, PASSWORD, People, READER, Simulator};
use ldap3::asn1::{PL, StructureTag, TagClass, parse_tag};
use ldap3::{ResultEntry, SearchEntry};
use proptest::prelude::*;

use super::*;
use crate::directory::ber::{INTEGER, write};
use crate::directory::frame::FrameScan;
use crate::directory::replay;

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, tag, content);
    out
}

fn string(value: &[u8]) -> Vec<u8> {
    element(OCTET_STRING, value)
}

fn row(children: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &children.concat())
}

fn set(values: &[&[u8]]) -> Vec<u8> {
    let values: Vec<_> = values.iter().map(|value| string(value)).collect();
    element(SET, &values.concat())
}

fn read(parts: &[Vec<u8>]) -> Result<Entry, BerFault> {
    Entry::read(parts.concat().into())
}

#[test]
fn values_keep_their_octets_and_their_order() {
    let sid = b"\x01\x02\x00\x00\x00\x00\x00\x05".as_slice(); // valid UTF-8, yet no text
    let entry = read(&[
        string(b"CN=a"),
        row(&[
            row(&[string(b"objectSid"), set(&[sid])]),
            row(&[string(b"Member"), set(&[b"b", b"\xFF", b"a"])]),
        ]),
    ])
    .unwrap();
    assert_eq!(entry.dn, "CN=a");
    assert_eq!(entry.first("OBJECTSID"), Some(sid));
    assert_eq!(
        entry.values("member").collect::<Vec<_>>(),
        [b"b".as_slice(), b"\xFF", b"a"]
    );
    assert_eq!(entry.text("absent"), None);
    assert_eq!(entry.copied(), entry);
}

#[test]
fn r12_unexpected_shapes_are_errors() {
    let good = || string(b"CN=a");
    let attribute = |parts: &[Vec<u8>]| vec![good(), row(&[row(parts)])];
    let wrong = [
        vec![],
        vec![good()],
        vec![row(&[]), row(&[])],
        vec![good(), string(b"")],
        vec![good(), set(&[])],
        vec![good(), row(&[]), row(&[])],
        vec![good(), row(&[string(b"a")])],
        vec![good(), row(&[set(&[])])],
        attribute(&[]),
        attribute(&[string(b"a")]),
        attribute(&[row(&[]), set(&[])]),
        attribute(&[string(b"\xFF"), set(&[])]),
        attribute(&[string(b"a"), string(b"v")]),
        attribute(&[string(b"a"), row(&[])]),
        attribute(&[string(b"a"), set(&[]), set(&[])]),
        attribute(&[string(b"a"), element(SET, &row(&[]))]),
        attribute(&[string(b"a"), element(SET, &element(INTEGER, &[1]))]),
        attribute(&[string(b"a"), element(SET, &[0x24, 0x00])]),
        attribute(&[string(b"a"), element(SET, &[0x04, 0x05, b'v'])]),
        vec![good(), vec![0x30, 0x7F]],
    ];
    for parts in wrong {
        assert!(read(&parts).is_err(), "{parts:x?}");
    }
}

#[test]
fn parts_that_were_joined_take_the_place_of_the_first() {
    let mut entry = Entry::new(
        "CN=g",
        vec![
            ("name".to_owned(), vec![b"g".to_vec()]),
            ("member".to_owned(), vec![]),
            ("member;range=0-0".to_owned(), vec![b"a".to_vec()]),
        ],
    );
    let emptied = entry.copied_but(|name| name.contains("range"));
    assert_eq!(emptied.attributes().count(), 3);
    assert_eq!(emptied.values("member;range=0-0").count(), 0);
    assert_eq!(emptied.text("name"), Some("g"));
    entry.remove(|name| name.starts_with("member"));
    entry.join("member".to_owned(), [string(b"a"), string(b"b")].concat());
    let whole = vec![
        ("name".to_owned(), vec![b"g".to_vec()]),
        ("member".to_owned(), vec![b"a".to_vec(), b"b".to_vec()]),
    ];
    assert_eq!(entry, Entry::new("CN=g", whole));
    assert_eq!(entry.copied(), entry);
}

#[test]
fn r15_a_name_that_is_not_utf_8_is_written_with_escapes_and_makes_the_object_unfit() {
    for (name, written) in [
        (b"CN=Z\xFCrich".as_slice(), "CN=Z\\fcrich"),
        (b"CN=\xC3", "CN=\\c3"),
        (b"CN=\xE2\x82\xC3\xBC", "CN=\\e2\\82ü"),
        (b"CN=a\\,b\xFF,OU=\xFE", "CN=a\\,b\\ff,OU=\\fe"),
        // A surrogate, which CESU-8 writes.
        (b"CN=\xED\xA0\x80", "CN=\\ed\\a0\\80"),
    ] {
        let attributes = row(&[row(&[string(b"objectGUID"), set(&[&[7; 16]])])]);
        let entry = read(&[string(name), attributes]).unwrap();
        assert_eq!(entry.dn, written);
        assert!(entry.unfit().unwrap().contains("not UTF-8"));
        assert_eq!(entry.incomplete(), None, "all its values are there");
        assert_eq!(entry.first("objectGUID"), Some([7; 16].as_slice()));
        assert_eq!((entry.copied().unfit(), &entry.copied()), (entry.unfit(), &entry));
    }
    let good = read(&[string("CN=Zürich".as_bytes()), row(&[])]).unwrap();
    assert_eq!(good.unfit(), None);
    assert!(read(&[string(&[0xFF; MAX_UNREADABLE_NAME + 1]), row(&[])]).is_err());
    assert!(read(&[string(&[b'a'; MAX_UNREADABLE_NAME + 1]), row(&[])]).is_ok());
}

/// A name, and attributes with their values.
type Parts = (String, Vec<(String, Vec<Vec<u8>>)>);

/// Returns the entry that the LDAP library decodes from the octets of a message; `None` where it
/// cannot be an entry.
fn library(message: &[u8]) -> Option<Parts> {
    let (_, tag) = parse_tag(message).ok()?;
    let operation = tag.expect_constructed()?.into_iter().nth(1)?;
    let mut parts = operation.expect_constructed()?.into_iter();
    let dn = crate::directory::message::readable(&octets_of(parts.next()?)?).into_owned();
    let list = parts.next()?.expect_constructed()?;
    let attributes = list.into_iter().map(|attribute| {
        let mut parts = attribute.expect_constructed()?.into_iter();
        let name = text_of(parts.next()?)?;
        let values = parts.next()?.expect_constructed()?.into_iter().map(octets_of);
        Some((name, values.collect::<Option<_>>()?))
    });
    Some((dn, attributes.collect::<Option<_>>()?))
}

fn octets_of(tag: StructureTag) -> Option<Vec<u8>> {
    match tag {
        StructureTag {
            class: TagClass::Universal,
            id: 4,
            payload: PL::P(octets),
        } => Some(octets),
        _ => None,
    }
}

fn text_of(tag: StructureTag) -> Option<String> {
    String::from_utf8(octets_of(tag)?).ok()
}

/// Returns a message with an entry, lengths in four octets as Active Directory writes them, or as
/// short as can be.
fn encoded(dn: &str, attributes: &[(String, Vec<Vec<u8>>)], long: bool) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        if !long {
            return element(tag, content);
        }
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84], length.as_slice(), content].concat()
    };
    let list: Vec<u8> = attributes
        .iter()
        .flat_map(|(name, values)| {
            let values: Vec<u8> = values.iter().flat_map(|value| element(4, value)).collect();
            element(
                0x30,
                &[element(4, name.as_bytes()), element(0x31, &values)].concat(),
            )
        })
        .collect();
    let operation = [element(4, dn.as_bytes()), element(0x30, &list)].concat();
    element(0x30, &[element(2, &[7]), element(0x64, &operation)].concat())
}

/// Returns the entry that this program reads from the octets of a message.
fn ours(message: &[u8]) -> Option<Entry> {
    let octets = Bytes::copy_from_slice(message);
    let mut parts = BerElements::new(BerElements::new(&octets).expect(SEQUENCE, "").ok()?);
    parts.expect(INTEGER, "").ok()?;
    let content = parts.expect(0x64, "").ok()?;
    Entry::read(octets.slice_ref(content)).ok()
}

fn parts(entry: &Entry) -> Parts {
    let attributes = entry
        .attributes()
        .map(|(name, values)| (name.to_owned(), values.map(<[u8]>::to_vec).collect()));
    (entry.dn.clone(), attributes.collect())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("member".to_owned()),
        Just("Member".to_owned()),
        Just("member;range=0-1499".to_owned()),
        Just("userCertificate;binary".to_owned()),
        "[a-zA-Z;=-]{0,12}",
        "\\PC{0,6}",
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        2 => "\\PC{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 120..300),
        1 => (65_500_usize..65_600).prop_map(|length| vec![b'x'; length]),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<(String, Vec<Vec<u8>>)>> {
    prop::collection::vec((name(), prop::collection::vec(value(), 0..6)), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_entry_is_read_as_the_library_reads_it(dn in "\\PC{0,30}", attributes in attributes(), long: bool) {
        let message = encoded(&dn, &attributes, long);
        let entry = ours(&message).unwrap();
        prop_assert_eq!(parts(&entry), (dn.clone(), attributes.clone()));
        prop_assert_eq!(library(&message).unwrap(), (dn.clone(), attributes.clone()));
        prop_assert_eq!(entry.copied(), entry.clone());
        prop_assert_eq!(Entry::new(&dn, attributes), ours(&encoded(&dn, &parts(&entry).1, false)).unwrap());
    }

    /// Compares with the library's own reader of an attribute that comes once; it covers neither
    /// others nor their order.
    #[test]
    fn values_are_those_of_search_entry(values in prop::collection::vec(value(), 0..6)) {
        let message = encoded("CN=a", &[("one".to_owned(), values.clone())], true);
        let (_, tag) = parse_tag(&message).unwrap();
        let operation = tag.expect_constructed().unwrap().remove(1);
        let theirs = SearchEntry::construct(ResultEntry::new(operation));
        let mut all: Vec<Vec<u8>> = theirs.attrs.get("one").into_iter().flatten().map(|text| text.clone().into_bytes()).collect();
        all.extend(theirs.bin_attrs.get("one").into_iter().flatten().cloned());
        let entry = ours(&message).unwrap();
        let mut found: Vec<Vec<u8>> = entry.values("ONE").map(<[u8]>::to_vec).collect();
        prop_assert_eq!(&found, &values);
        all.sort();
        found.sort();
        prop_assert_eq!(found, all);
    }

    #[test]
    fn r12_a_damaged_entry_is_refused_or_read_as_the_library_reads_it(
        attributes in attributes(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut message = encoded("CN=a", &attributes, false);
        for (at, octet) in damage {
            let at = at.index(message.len().min(400));
            message[at] = octet;
        }
        // The guard lets nothing else come this far.
        let whole = FrameScan::default().advance(&message);
        if matches!(whole, Ok(Some(whole)) if whole.length == message.len())
            && let Some(entry) = ours(&message)
        {
            prop_assert_eq!(Some(parts(&entry)), library(&message));
        }
    }
}

/// Returns the answer of the simulator, which encodes entries as Active Directory does, to a search
/// for everything.
fn captured() -> Vec<u8> {
    let people = People {
        seed: 7,
        users: 220,
        groups: 30,
        computers: 10,
    };
    let directory = Directory::new("corp.example", people);
    let users = directory.all(Kind::User);
    let group = directory.all(Kind::Group)[0];
    directory.add_members(group, &users);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let simulator = Simulator::start(Options {
        directory,
        ..Options::default()
    });
    let number = |tag: u8, value: u8| element(tag, &[value]);
    let name = format!("{READER}@corp.example");
    let bind = [
        number(INTEGER, 3),
        string(name.as_bytes()),
        element(0x80, PASSWORD.as_bytes()),
    ];
    let search = [
        string(b"DC=corp,DC=example"),
        number(0x0A, 2),
        number(0x0A, 0),
        number(INTEGER, 0),
        number(INTEGER, 0),
        number(0x01, 0),
        element(0x87, b"objectClass"),
        row(&[]),
    ];
    let mut stream = TcpStream::connect(simulator.addr()).unwrap();
    let mut ask = |id: u8, tag: u8, parts: &[Vec<u8>], last: u8| {
        let message = row(&[number(INTEGER, id), element(tag, &parts.concat())]);
        stream.write_all(&message).unwrap();
        let mut octets = Vec::new();
        let mut chunk = [0; 65_536];
        loop {
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the simulator has gone");
            octets.extend_from_slice(&chunk[..count]);
            if messages(&octets).is_some_and(|all| all.last().is_some_and(|one| operation(one) == last)) {
                return octets;
            }
        }
    };
    ask(1, 0x60, &bind, 0x61);
    ask(2, 0x63, &search, 0x65)
}

/// Returns the messages that `octets` consist of; `None` when the last one is not whole.
fn messages(octets: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = octets;
    let mut all = Vec::new();
    while !rest.is_empty() {
        let whole = FrameScan::default().advance(rest).unwrap()?;
        let (message, after) = rest.split_at(whole.length);
        all.push(message);
        rest = after;
    }
    Some(all)
}

/// Returns the tag of the operation of a message.
fn operation(message: &[u8]) -> u8 {
    let mut parts = BerElements::new(BerElements::new(message).expect(SEQUENCE, "").unwrap());
    parts.expect(INTEGER, "").unwrap();
    parts.peek().unwrap()
}

#[test]
fn entries_of_a_directory_are_read_as_the_library_reads_them() {
    let octets = captured();
    let all = messages(&octets).unwrap();
    let entries: Vec<&[u8]> = all.into_iter().filter(|one| operation(one) == 0x64).collect();
    assert!(entries.len() > 260, "{}", entries.len());
    for message in &entries {
        assert_eq!(Some(parts(&ours(message).unwrap())), library(message));
    }
    let heard = replay([octets.as_slice()], 10_000);
    assert_eq!((heard.entries.len(), heard.fault), (entries.len(), None));
    assert!(heard.outcome.is_some());
    let most = heard
        .entries
        .iter()
        .map(|entry| entry.values("member").count())
        .max();
    assert_eq!(most, Some(220));
}
