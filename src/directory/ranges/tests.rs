use super::*;

/// Returns an entry with one attribute of this name and so many values.
fn part(name: &str, count: usize) -> Entry {
    Entry::new("CN=a", vec![(name.to_owned(), vec![b"v".to_vec(); count])])
}

impl GatheredValues {
    fn take_part(&mut self, part: Entry) -> Result<RangeStep, String> {
        let (name, values) = part.attributes().next().unwrap();
        self.take(name, values)
    }
}

#[test]
fn r11_a_range_option_is_told_from_other_names() {
    assert_eq!(RangePart::read("member"), None);
    assert_eq!(RangePart::read("userCertificate;binary"), None);
    let part = RangePart {
        name: "member",
        from: 0,
        to: Some(1499),
    };
    assert_eq!(RangePart::read("member;range=0-1499"), Some(Some(part)));
    assert_eq!(
        RangePart::read("member;Range=1500-*"),
        Some(Some(RangePart {
            name: "member",
            from: 1500,
            to: None
        }))
    );
    for wrong in [
        "m;range=",
        "m;range=5",
        "m;range=-5",
        "m;range=a-b",
        "m;range=*-5",
        "m;range=99999999999999999999-*",
    ] {
        assert_eq!(RangePart::read(wrong), Some(None), "{wrong}");
    }
}

#[test]
fn r11_parts_join_without_gap_or_overlap() {
    let mut gathered = GatheredValues::default();
    assert_eq!(
        gathered.take_part(part("m;range=0-1499", 1500)),
        Ok(RangeStep::From(1500))
    );
    assert_eq!(
        gathered.take_part(part("m;range=1500-2999", 1500)),
        Ok(RangeStep::From(3000))
    );
    assert!(gathered.take_part(part("m;range=3001-*", 1)).is_err());
    assert!(gathered.take_part(part("m;range=2999-*", 1)).is_err());
    assert_eq!(
        gathered.take_part(part("m;range=3000-*", 1)),
        Ok(RangeStep::Complete)
    );
    assert_eq!(gathered.count, 3001);
}

#[test]
fn r12_a_range_that_lies_about_its_values_is_refused() {
    for lie in [
        part("m;range=0-1499", 1499),
        part("m;range=0-1499", 0),
        part("m;range=0-0", 0),
    ] {
        assert!(GatheredValues::default().take_part(lie).is_err());
    }
    let huge = format!("m;range=0-{}", usize::MAX);
    assert!(GatheredValues::default().take_part(part(&huge, 1)).is_err());
}

#[test]
fn r12_ranges_without_end_end() {
    let mut many = GatheredValues::default();
    for number in 0..MAX_PARTS as usize {
        let name = format!("m;range={number}-{number}");
        assert_eq!(many.take_part(part(&name, 1)), Ok(RangeStep::From(number + 1)));
    }
    assert!(
        many.take_part(part(&format!("m;range={MAX_PARTS}-{MAX_PARTS}"), 1))
            .is_err()
    );
}

#[test]
fn r12_an_attribute_with_too_many_values_is_told_from_a_fault() {
    let mut large = GatheredValues {
        octets: MAX_OCTETS,
        ..GatheredValues::default()
    };
    assert_eq!(large.take_part(part("m;range=0-0", 1)), Ok(RangeStep::TooMuch));
    let mut many = GatheredValues {
        count: MAX_VALUES,
        ..GatheredValues::default()
    };
    let last = format!("m;range={MAX_VALUES}-*");
    assert_eq!(many.take_part(part(&last, 1)), Ok(RangeStep::TooMuch));
}

#[test]
fn an_object_is_addressed_by_its_guid_where_it_is_known() {
    let mut entry = Entry::new("CN=a", vec![]);
    assert_eq!(address(&entry), "CN=a");
    entry = Entry::new("CN=a", vec![("objectGUID".to_owned(), vec![vec![0xAB; 16]])]);
    assert_eq!(address(&entry), "<GUID=abababab-abab-abab-abab-abababababab>");
}
