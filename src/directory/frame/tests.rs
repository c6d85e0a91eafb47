use proptest::prelude::*;

use super::*;
use crate::directory::ber::{OCTET_STRING, write};

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, tag, content);
    out
}

/// Feeds `bytes` in steps of `step` octets, as a socket would.
fn scan(bytes: &[u8], step: usize) -> Result<Option<WholeMessage>, FrameFault> {
    let mut scan = FrameScan::default();
    for end in (1..bytes.len()).step_by(step) {
        if let Some(whole) = scan.advance(&bytes[..end])? {
            return Ok(Some(whole));
        }
    }
    scan.advance(bytes)
}

/// Applies the same rules, written down a second time, recursively and to the whole message.
fn strict(bytes: &[u8]) -> Option<usize> {
    fn element(bytes: &[u8], depth: usize) -> Option<usize> {
        let tag = *bytes.first()?;
        let first = *bytes.get(1)?;
        let (size, length) = match first {
            0..=0x7F => (2, usize::from(first)),
            0x81..=0x84 => {
                let octets = usize::from(first - 0x80);
                let mut length = 0;
                for octet in bytes.get(2..2 + octets)? {
                    length = length * 256 + usize::from(*octet);
                }
                (2 + octets, length)
            }
            _ => return None,
        };
        let content = bytes.get(size..size + length)?;
        if tag & 0x1F == 0x1F {
            return None;
        }
        if tag & 0x20 != 0 {
            if depth == MAX_DEPTH {
                return None;
            }
            let mut at = 0;
            while at < content.len() {
                at += element(&content[at..], depth + 1)?;
            }
        }
        Some(size + length)
    }
    if bytes.first() != Some(&0x30) {
        return None;
    }
    element(bytes, 0)
}

#[test]
fn a_message_is_whole_exactly_at_its_last_octet() {
    let inner = [element(0x02, &[1]), element(0x61, &element(OCTET_STRING, b"abc"))].concat();
    let message = element(SEQUENCE, &inner);
    for cut in 0..message.len() {
        assert_eq!(FrameScan::default().advance(&message[..cut]), Ok(None), "{cut}");
    }
    for step in 1..6 {
        let two = [message.clone(), message.clone()].concat();
        assert_eq!(
            scan(&two, step),
            Ok(Some(WholeMessage {
                length: message.len(),
                elements: 4
            }))
        );
    }
}

#[test]
fn an_empty_sequence_is_whole() {
    assert_eq!(
        FrameScan::default().advance(&[0x30, 0x00]),
        Ok(Some(WholeMessage {
            length: 2,
            elements: 1
        }))
    );
}

#[test]
fn r12_a_gigabyte_is_refused_by_its_header_alone() {
    let header = [0x30, 0x84, 0x40, 0x00, 0x00, 0x00];
    assert_eq!(
        FrameScan::default().advance(&header),
        Err(FrameFault::TooLong(0x4000_0006))
    );
}

#[test]
fn r12_nesting_is_refused_at_the_first_level_too_many() {
    let deep = [0x30, 0x83, 0x01, 0x00, 0x00].repeat(MAX_DEPTH + 1);
    let outer = [0x30, 0x83, 0x10, 0x00, 0x00];
    let message = [outer.as_slice(), &deep].concat();
    assert_eq!(
        scan(&message, 1),
        Err(FrameFault::Ber(BerFault::Overrun)),
        "equal lengths cannot nest"
    );
    let mut message = Vec::new();
    for _ in 0..MAX_DEPTH {
        message = element(SEQUENCE, &message);
    }
    assert_eq!(
        scan(&message, 1).map(|whole| whole.map(|whole| whole.elements)),
        Ok(Some(MAX_DEPTH))
    );
    let message = element(SEQUENCE, &message);
    assert_eq!(scan(&message, 1), Err(FrameFault::TooDeep));
}

#[test]
fn r12_an_inner_element_beyond_its_outer_is_refused_before_it_arrives() {
    assert_eq!(
        FrameScan::default().advance(&[0x30, 0x05, 0x04, 0x10]),
        Err(BerFault::Overrun.into())
    );
    assert_eq!(
        FrameScan::default()
            .advance(&[0x30, 0x03, 0x02, 0x01, 0x01])
            .map(|whole| whole.is_some()),
        Ok(true)
    );
    assert_eq!(
        FrameScan::default().advance(&[0x30, 0x01, 0x04]),
        Err(BerFault::Overrun.into()),
        "half a header at the end"
    );
}

#[test]
fn r12_a_message_of_empty_elements_is_refused() {
    let message = element(SEQUENCE, &[0x04, 0x00].repeat(MAX_ELEMENTS));
    assert_eq!(scan(&message, 4096), Err(FrameFault::TooMany));
}

#[test]
fn another_protocol_is_named_by_its_first_octet() {
    assert_eq!(FrameScan::default().advance(b"H"), Err(FrameFault::NotLdap));
    assert_eq!(
        FrameScan::default().advance(&[0x15, 0x03]),
        Err(FrameFault::NotLdap)
    );
}

/// Generates random trees, sometimes damaged: close enough to LDAP that both outcomes occur.
fn nearly_ber() -> impl Strategy<Value = Vec<u8>> {
    let leaf = (
        prop::sample::select(vec![0x02_u8, 0x04, 0x0A, 0x80, 0x1F]),
        prop::collection::vec(any::<u8>(), 0..9),
    )
        .prop_map(|(tag, content)| element(tag, &content));
    let tree = leaf.prop_recursive(16, 64, 5, |inner| {
        (
            prop::sample::select(vec![0x30_u8, 0x31, 0x64, 0xA0]),
            prop::collection::vec(inner, 0..5),
        )
            .prop_map(|(tag, children)| element(tag, &children.concat()))
    });
    (
        tree,
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    )
        .prop_map(|(tree, damage)| {
            let mut message = element(0x30, &tree);
            for (at, octet) in damage {
                let at = at.index(message.len());
                message[at] = octet;
            }
            message
        })
}

proptest! {
    #[test]
    fn r12_any_octets_are_taken_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1_usize..9) {
        let outcome = scan(&bytes, step);
        prop_assert_eq!(outcome.ok().flatten().map(|whole| whole.length), strict(&bytes));
    }

    #[test]
    fn r12_what_passes_is_what_a_strict_check_of_the_whole_passes(bytes in nearly_ber(), step in 1_usize..9) {
        let outcome = scan(&bytes, step);
        prop_assert_eq!(outcome.ok().flatten().map(|whole| whole.length), strict(&bytes));
    }
}

#[test]
fn r12_a_length_that_has_no_room_for_its_octets_is_refused_before_they_come() {
    // A message of 4 octets with an element whose length would take 4 more.
    let cut = [0x30, 0x04, 0x04, 0x00, 0x04, 0x84];
    assert_eq!(FrameScan::default().advance(&cut), Err(BerFault::Overrun.into()));
}
