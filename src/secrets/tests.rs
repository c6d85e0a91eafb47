//! Tests of sealing (R35).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const CONNECTION: Uuid = Uuid::from_u128(7);

const PLACE: SecretPlace<'_> = SecretPlace {
    connection: CONNECTION,
    field: "directory.password",
};

fn key() -> SecretKey {
    SecretKey::generate().unwrap()
}

fn alone(key: &SecretKey) -> SecretKeys {
    SecretKeys::new(key.clone(), Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r35_any_text_opens_in_its_place_and_in_no_other(
        text in ".{0,200}", field in "[a-z.]{1,12}", other in "[a-z.]{1,12}", bit in any::<prop::sample::Index>(),
    ) {
        let key = key();
        let keys = alone(&key);
        let place = SecretPlace { connection: CONNECTION, field: &field };
        let sealed = SealedSecret::seal(&key, place, &text).unwrap();
        prop_assert_eq!(sealed.open(&keys, place).map(|text| text.as_str().to_owned()), Ok(text.clone()));
        // Another field, another connection.
        if other != field {
            let moved = SecretPlace { field: &other, ..place };
            prop_assert_eq!(sealed.open(&keys, moved), Err(SealError::DoesNotOpen(key.id())));
        }
        let moved = SecretPlace { connection: Uuid::from_u128(8), ..place };
        prop_assert_eq!(sealed.open(&keys, moved), Err(SealError::DoesNotOpen(key.id())));
        // One bit of it.
        let mut octets = sealed.as_octets().to_vec();
        let bit = bit.index(octets.len() * 8);
        octets[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(SealedSecret::from(octets).open(&keys, place).is_err());
    }
}

#[test]
fn r35_each_bit_is_authenticated() {
    let key = key();
    let sealed = SealedSecret::seal(&key, PLACE, "hunter2").unwrap();
    for bit in 0..sealed.as_octets().len() * 8 {
        let mut octets = sealed.as_octets().to_vec();
        octets[bit / 8] ^= 1 << (bit % 8);
        let opened = SealedSecret::from(octets).open(&alone(&key), PLACE);
        match bit / 8 {
            0..8 => assert!(matches!(opened, Err(SealError::UnknownKey(_))), "bit {bit}"),
            _ => assert_eq!(opened, Err(SealError::DoesNotOpen(key.id())), "bit {bit}"),
        }
    }
    for length in 0..sealed.as_octets().len() {
        let cut = SealedSecret::from(sealed.as_octets()[..length].to_vec());
        assert!(cut.open(&alone(&key), PLACE).is_err(), "{length} octets");
    }
}

#[test]
fn r35_the_key_is_named_where_it_is_missing() {
    let (first, second) = (key(), key());
    let sealed = SealedSecret::seal(&first, PLACE, "hunter2").unwrap();
    let error = sealed.open(&alone(&second), PLACE).unwrap_err();
    assert_eq!(error, SealError::UnknownKey(first.id()));
    let id = first.id().to_string();
    assert!(id.len() == 16 && error.to_string().contains(&id), "{error}");
    assert!(error.advice().contains("SECRETS_KEY_OLD"));
    // An older key opens.
    let keys = SecretKeys::new(second, vec![key(), first]);
    assert_eq!(sealed.open(&keys, PLACE).unwrap().as_str(), "hunter2");
}

#[test]
fn r35_a_key_id_is_authenticated_with_the_secret() {
    // The same key under another name would open it, were the name not authenticated.
    let key = key();
    let sealed = SealedSecret::seal(&key, PLACE, "hunter2").unwrap();
    let renamed = [&[0; 8], &sealed.as_octets()[8..]].concat();
    assert_eq!(
        SealedSecret::from(renamed).open(&alone(&key), PLACE),
        Err(SealError::UnknownKey(KeyId([0; 8])))
    );
}

#[test]
fn r35_the_length_says_little_and_no_sealing_is_like_another() {
    let key = key();
    let sealed = |length: usize| SealedSecret::seal(&key, PLACE, &"x".repeat(length)).unwrap();
    let length = |of: usize| sealed(of).as_octets().len();
    assert_eq!((length(0), length(28)), (80, 80));
    assert_eq!((length(29), length(60)), (112, 112));
    assert_eq!(length(61), 144);
    assert_ne!(sealed(5), sealed(5), "each has a nonce of its own");
}

#[test]
fn r35_keys_are_32_random_octets_in_base64() {
    let key = key();
    let text = key.expose_text();
    assert_eq!(text.len(), 44);
    assert_eq!(SecretKey::parse(&text).unwrap().id(), key.id());
    assert_ne!(SecretKey::generate().unwrap().id(), key.id());
    for (text, fault) in [
        ("not base64!".to_owned(), SecretKeyFault::NotBase64),
        (STANDARD.encode([1; 31]), SecretKeyFault::WrongLength(31)),
        (STANDARD.encode([1; 33]), SecretKeyFault::WrongLength(33)),
        (STANDARD.encode([0; 32]), SecretKeyFault::Guessable),
        (STANDARD.encode([0xAA; 32]), SecretKeyFault::Guessable),
        (String::new(), SecretKeyFault::WrongLength(0)),
    ] {
        assert_eq!(SecretKey::parse(&text).unwrap_err(), fault, "{text}");
    }
}

#[test]
fn r27_neither_keys_nor_secrets_are_printed() {
    let key = key();
    let keys = SecretKeys::new(key.clone(), vec![key.clone()]);
    let printed = format!("{keys:?} {key:?}");
    assert!(!printed.contains(key.expose_text().as_str()), "{printed}");
    let hex: String = key.octets.iter().map(|octet| format!("{octet:02x}")).collect();
    assert!(!printed.contains(&hex), "{printed}");
}
