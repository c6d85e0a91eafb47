use super::*;
use std::collections::BTreeMap;

const SCHEMA: &str = "CN=Schema,CN=Configuration,DC=corp,DC=example";

struct Sample(BTreeMap<Attribute, Vec<Vec<u8>>>);

impl Source for Sample {
    fn values(&self, attribute: &Attribute, out: &mut Values) {
        self.0
            .get(attribute)
            .into_iter()
            .flatten()
            .for_each(|value| out.push(value));
    }
}

fn sample() -> Sample {
    let fields: [(&str, &[&[u8]]); 8] = [
        (
            "objectClass",
            &[b"top", b"person", b"organizationalPerson", b"user"],
        ),
        (
            "objectCategory",
            &[b"CN=Person,CN=Schema,CN=Configuration,DC=corp,DC=example"],
        ),
        ("cn", &["Zoë Müller".as_bytes()]),
        ("mail", &[b"zoe.mueller@corp.example"]),
        ("userAccountControl", &[b"66048"]),
        ("uSNChanged", &[b"12345"]),
        ("objectGUID", &[&[0x41, 0x00, 0xFF, 0x28]]),
        (
            "memberOf",
            &[b"CN=Sales,DC=corp,DC=example", b"CN=All,DC=corp,DC=example"],
        ),
    ];
    let fields = fields.map(|(name, values)| {
        (
            Attribute::named(name),
            values.iter().map(|v| v.to_vec()).collect(),
        )
    });
    Sample(BTreeMap::from(fields))
}

fn matches(text: &str) -> bool {
    let filter = Filter::parse(text).unwrap().prepared(SCHEMA);
    filter.matches(&sample(), &mut Values::default())
}

#[test]
fn class_and_category_match_by_short_and_by_full_name() {
    assert!(matches("(&(objectCategory=person)(objectClass=user))"));
    assert!(matches("(objectCategory=PERSON)"));
    assert!(
        matches("(objectCategory=user)"),
        "the category of class user is Person"
    );
    assert!(matches(
        "(objectCategory=CN=Person,CN=Schema,CN=Configuration,DC=corp,DC=example)"
    ));
    assert!(!matches("(objectCategory=group)"));
    assert!(!matches("(objectClass=users)"));
}

#[test]
fn text_compares_without_case_also_beyond_ascii() {
    assert!(matches("(cn=zoë müller)"));
    assert!(matches("(CN=ZOË MÜLLER)"));
    assert!(!matches("(cn=zoe muller)"));
    assert!(matches("(cn~=Zoë Müller)"));
    assert!(matches("(cn>=Zo)"));
    assert!(!matches("(cn<=A)"));
}

#[test]
fn substrings_match_in_order_without_overlap() {
    assert!(matches("(mail=zoe*)"));
    assert!(matches("(mail=*example)"));
    assert!(matches("(mail=z*muel*corp*example)"));
    assert!(!matches("(mail=z*corp*muel*)"));
    assert!(!matches("(mail=zoe.mueller@corp.example*example)"));
}

#[test]
fn integers_compare_as_numbers_and_bit_rules_apply() {
    assert!(matches("(uSNChanged>=9999)"), "as text 9999 would be greater");
    assert!(matches("(&(uSNChanged>=12345)(uSNChanged<=12345))"));
    assert!(!matches("(uSNChanged<=12344)"));
    assert!(matches("(userAccountControl:1.2.840.113556.1.4.803:=512)"));
    assert!(!matches("(userAccountControl:1.2.840.113556.1.4.803:=514)"));
    assert!(matches("(userAccountControl:1.2.840.113556.1.4.804:=514)"));
    assert!(!matches("(userAccountControl:1.2.840.113556.1.4.804:=2)"));
    assert!(
        !matches("(!(uSNChanged=abc))"),
        "undefined stays undefined when negated"
    );
}

#[test]
fn bytes_are_compared_as_bytes() {
    assert!(matches("(objectGUID=\\41\\00\\ff\\28)"));
    assert!(
        !matches("(objectGUID=\\61\\00\\ff\\28)"),
        "no case folding in bytes"
    );
}

#[test]
fn every_value_of_a_multi_valued_attribute_counts() {
    assert!(matches("(memberOf=cn=all,dc=corp,dc=example)"));
    assert!(!matches("(memberOf=CN=None,DC=corp,DC=example)"));
}

#[test]
fn absence_negates_to_a_match_but_an_unknown_attribute_does_not() {
    assert!(matches("(!(title=Engineer))"));
    assert!(matches("(!(title=*))"));
    assert!(matches("(mail=*)"));
    assert!(!matches("(nonsense=1)"));
    assert!(!matches("(!(nonsense=1))"));
    assert!(matches("(|(nonsense=1)(cn=*))"));
}

#[test]
fn empty_conjunctions_are_true_and_empty_disjunctions_false() {
    assert!(matches("(&)"));
    assert!(!matches("(|)"));
}

#[test]
fn text_is_read_back_as_written() {
    for text in [
        "(&(objectCategory=person)(objectClass=user)(!(mail=*)))",
        "(|(cn=a*b*c)(uSNChanged>=5)(uSNChanged<=7))",
        "(userAccountControl:1.2.840.113556.1.4.803:=2)",
        "(memberOf:1.2.840.113556.1.4.1941:=CN=Sales,DC=corp)",
        "(cn=\\28x\\29)",
    ] {
        let filter = Filter::parse(text).unwrap();
        assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter, "{text}");
    }
    for text in ["", "cn=a", "(cn=a", "(cn)", "(&(cn=a)", "(cn=a))", "(cn=\\4)"] {
        assert!(Filter::parse(text).is_err(), "{text}");
    }
}

#[test]
fn bounds_are_found_in_the_outermost_conjunction_only() {
    let bounds = |text: &str| Filter::parse(text).unwrap().bounds(Known::UsnChanged);
    assert_eq!(
        bounds("(&(a=b)(uSNChanged>=5)(&(uSNChanged<=9)(uSNChanged>=6)))"),
        (Some(6), Some(9))
    );
    assert_eq!(bounds("(|(uSNChanged>=5)(a=b))"), (None, None));
    assert_eq!(bounds("(uSNChanged=5)"), (Some(5), Some(5)));
    let filter = Filter::parse("(&(a=b)(objectGUID=\\01))").unwrap();
    assert_eq!(filter.wanted(Known::ObjectGuid), Some([1].as_slice()));
}

#[test]
fn decoding_is_bounded() {
    let mut nested = vec![0x87, 1, b'a'];
    for _ in 0..=DEEPEST {
        let mut writer = super::super::ber::Writer::default();
        writer.octets(0xA2, &nested);
        nested = writer.take();
    }
    assert_eq!(Filter::decode(&mut Reader::new(&nested)), Err(BerError::Depth));
    let mut present = Reader::new(&[0x87, 2, b'c', b'n']);
    assert_eq!(
        Filter::decode(&mut present),
        Ok(Filter::Present(Attribute::Known(Known::Cn)))
    );
}
