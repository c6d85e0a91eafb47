use super::*;
use crate::directory::ber::{BerElements, SET, write};
use crate::directory::frame::{FrameScan, MAX_MESSAGE};

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, tag, content);
    out
}

fn attribute(name: &str, value: &[u8]) -> Vec<u8> {
    let values = element(SET, &element(OCTET_STRING, value));
    element(
        SEQUENCE,
        &[element(OCTET_STRING, name.as_bytes()), values].concat(),
    )
}

fn message(tag: u8, name: &[u8], attributes: &[Vec<u8>], controls: &[u8]) -> Vec<u8> {
    let list = element(SEQUENCE, &attributes.concat());
    let entry = element(tag, &[element(OCTET_STRING, name), list].concat());
    element(
        SEQUENCE,
        &[element(INTEGER, &[0x12, 0x34]), entry, controls.to_vec()].concat(),
    )
}

/// Reads `message` in chunks of `size`. Gives what was made of it, or the fault.
fn read(message: &[u8], size: usize) -> Result<Vec<u8>, FrameFault> {
    let mut arrived = Vec::new();
    let mut oversized = None;
    for chunk in message.chunks(size) {
        arrived.extend_from_slice(chunk);
        if oversized.is_none() {
            let Err(fault) = FrameScan::default().advance(&arrived) else {
                continue;
            };
            let OversizedBeginning::Entry(entry, start) = OversizedEntry::begin(&arrived, fault)? else {
                continue;
            };
            assert_eq!((entry.id, entry.length), (0x1234, message.len()));
            arrived.drain(..start);
            oversized = Some(entry);
        }
        let entry = oversized.as_mut().unwrap();
        let step = entry.advance(&arrived)?;
        arrived.drain(..step.consumed);
        assert!(entry.held() <= MAX_NAME + MAX_KEPT);
        if step.ended {
            assert!(arrived.is_empty(), "nothing is left");
            return Ok(entry.finish().0);
        }
    }
    panic!("it did not end");
}

#[test]
fn r15_of_an_entry_that_is_too_large_the_name_and_the_small_attributes_are_kept() {
    let guid = attribute("objectGUID", &[7; 16]);
    let large = attribute("info", &vec![b'x'; MAX_MESSAGE]);
    let class = attribute("objectClass", b"user");
    for attributes in [
        [guid.clone(), large.clone(), class.clone()],
        [large.clone(), guid.clone(), class.clone()],
        [guid.clone(), class.clone(), large.clone()],
    ] {
        for controls in [vec![], element(0xA0, &[])] {
            let whole = message(message::ENTRY, b"CN=\xFC", &attributes, &controls);
            for size in [4096, 1 << 20, whole.len()] {
                let made = read(&whole, size).unwrap();
                let mut parts = BerElements::new(BerElements::new(&made).expect(SEQUENCE, "").unwrap());
                assert_eq!(ber::number(parts.expect(INTEGER, "").unwrap(), ""), Ok(0x1234));
                let kept = [
                    element(OCTET_STRING, b"CN=\xFC"),
                    element(SEQUENCE, &[&guid[..], &class].concat()),
                ];
                assert_eq!(parts.expect(message::ENTRY, "").unwrap(), kept.concat());
            }
        }
    }
}

#[test]
fn r15_an_entry_of_too_many_elements_is_read_alike() {
    let many = element(OCTET_STRING, b"").repeat(500_000);
    let many = element(
        SEQUENCE,
        &[element(OCTET_STRING, b"member"), element(SET, &many)].concat(),
    );
    let guid = attribute("objectGUID", &[7; 16]);
    let whole = message(message::ENTRY, b"CN=g", &[many, guid], &[]);
    for size in [100_000, whole.len()] {
        assert!(read(&whole, size).unwrap().ends_with(&[7; 16]));
    }
}

#[test]
fn r12_many_small_attributes_are_kept_up_to_a_bound() {
    let attributes = vec![attribute("a", &[b'x'; 1000]); 20_000];
    let whole = message(message::ENTRY, b"CN=a", &attributes, &[]);
    let made = read(&whole, 1 << 16).unwrap();
    assert!(made.len() > MAX_KEPT - 2000 && made.len() < MAX_KEPT + 100);
}

#[test]
fn r12_what_is_no_such_entry_is_refused_as_ever() {
    let large = attribute("info", &vec![b'x'; MAX_MESSAGE]);
    let fault = |message: &[u8]| read(message, message.len()).unwrap_err();
    let result = message(0x65, b"CN=a", std::slice::from_ref(&large), &[]);
    assert_eq!(fault(&result), FrameFault::TooLong(result.len()));
    let name = message(message::ENTRY, &vec![b'n'; MAX_MESSAGE], &[], &[]);
    assert_eq!(fault(&name), FrameFault::TooLong(name.len()));
    let longest = [0x30, 0x84, 0x10, 0x00, 0x00, 0x00];
    let Err(longer) = FrameScan::default().advance(&longest) else {
        panic!("longer than is skipped");
    };
    assert_eq!(OversizedEntry::begin(&longest, longer).unwrap_err(), longer);
    let other = FrameFault::TooDeep;
    assert_eq!(OversizedEntry::begin(&longest, other).unwrap_err(), other);
    for cut in 0..12 {
        let head = &message(message::ENTRY, b"CN=a", std::slice::from_ref(&large), &[])[..cut];
        let fault = FrameFault::TooLong(MAX_MESSAGE + 1);
        assert!(
            matches!(
                OversizedEntry::begin(head, fault),
                Ok(OversizedBeginning::Unknown)
            ),
            "{cut}"
        );
    }
}

#[test]
fn r12_parts_that_do_not_fit_into_each_other_are_refused() {
    let large = attribute("info", &vec![b'x'; MAX_MESSAGE]);
    let fault = |parts: &[Vec<u8>]| {
        let entry = element(message::ENTRY, &parts.concat());
        let whole = element(SEQUENCE, &[element(INTEGER, &[0x12, 0x34]), entry].concat());
        read(&whole, 1 << 20).unwrap_err()
    };
    let name = || element(OCTET_STRING, b"CN=a");
    let list = || element(SEQUENCE, &large);
    let unexpected = |what| FrameFault::Ber(BerFault::Unexpected(what));
    assert_eq!(fault(&[list()]), unexpected("an entry without a name"));
    assert_eq!(
        fault(&[name(), element(SET, &large)]),
        unexpected("an entry without attributes")
    );
    assert_eq!(
        fault(&[name(), list(), list()]),
        unexpected("an entry with too many parts")
    );
    assert_eq!(
        fault(&[name(), element(SEQUENCE, &element(OCTET_STRING, &large))]),
        unexpected("an attribute that is no sequence")
    );
    let overrun = [&large[..], &[0x30, 0x7F]].concat();
    assert_eq!(
        fault(&[name(), element(SEQUENCE, &overrun)]),
        FrameFault::Ber(BerFault::Overrun)
    );
}
