//! One object as the controller sent it: names as written, values as octets, in order.

use ldap3::asn1::{PL, StructureTag, TagClass};

/// One object with the attributes that were asked for and exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The distinguished name, as the controller writes it.
    pub dn: String,
    attributes: Vec<Attribute>,
}

/// One attribute: a name, perhaps with options (`member;range=0-1499`), and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    pub name: String,
    pub values: Vec<Vec<u8>>,
}

impl Entry {
    /// An entry of the given parts, for tests and tools.
    #[must_use]
    pub fn new(dn: &str, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Self {
        let attributes = attributes
            .into_iter()
            .map(|(name, values)| Attribute { name, values })
            .collect();
        Self {
            dn: dn.to_owned(),
            attributes,
        }
    }

    /// The values of an attribute, in the order of the controller; none when it is absent. Names compare without case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.name.eq_ignore_ascii_case(name))
            .flat_map(|attribute| attribute.values.iter().map(Vec::as_slice))
    }

    /// The first value.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The first value as text; `None` when it is absent or not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// All attributes with their values, in the order of the controller.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &[Vec<u8>])> {
        self.attributes
            .iter()
            .map(|attribute| (attribute.name.as_str(), attribute.values.as_slice()))
    }

    pub(super) const fn attributes_mut(&mut self) -> &mut Vec<Attribute> {
        &mut self.attributes
    }

    /// The octets of names and values.
    pub(super) fn size(&self) -> usize {
        let attributes = self
            .attributes
            .iter()
            .map(|attribute| attribute.name.len() + attribute.values.iter().map(Vec::len).sum::<usize>());
        self.dn.len() + attributes.sum::<usize>()
    }

    /// Takes a `SearchResultEntry` apart (RFC 4511 section 4.5.2). The values are moved, not copied.
    ///
    /// # Errors
    /// With what is wrong, when a part is missing or of another form.
    pub(super) fn take(tag: StructureTag) -> Result<Self, &'static str> {
        let mut parts = constructed(tag, "an entry that is no sequence")?.into_iter();
        let dn = text(parts.next(), "an entry without a name")?;
        let list = parts.next().ok_or("an entry without attributes")?;
        if parts.next().is_some() {
            return Err("an entry with too many parts");
        }
        let attributes = constructed(list, "an attribute list that is no sequence")?
            .into_iter()
            .map(Attribute::take)
            .collect::<Result<_, _>>()?;
        Ok(Self { dn, attributes })
    }
}

impl Attribute {
    fn take(tag: StructureTag) -> Result<Self, &'static str> {
        let mut parts = constructed(tag, "an attribute that is no sequence")?.into_iter();
        let name = text(parts.next(), "an attribute without a name")?;
        let set = parts.next().ok_or("an attribute without a set of values")?;
        if parts.next().is_some() {
            return Err("an attribute with too many parts");
        }
        let values = constructed(set, "an attribute whose values are no set")?
            .into_iter()
            .map(|value| octets(value, "an attribute value that is no octet string"))
            .collect::<Result<_, _>>()?;
        Ok(Self { name, values })
    }
}

fn constructed(tag: StructureTag, wrong: &'static str) -> Result<Vec<StructureTag>, &'static str> {
    tag.expect_constructed().ok_or(wrong)
}

fn octets(tag: StructureTag, wrong: &'static str) -> Result<Vec<u8>, &'static str> {
    match tag {
        StructureTag {
            class: TagClass::Universal,
            id: 4,
            payload: PL::P(octets),
        } => Ok(octets),
        _ => Err(wrong),
    }
}

fn text(tag: Option<StructureTag>, wrong: &'static str) -> Result<String, &'static str> {
    String::from_utf8(octets(tag.ok_or(wrong)?, wrong)?).map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(value: &[u8]) -> StructureTag {
        StructureTag {
            class: TagClass::Universal,
            id: 4,
            payload: PL::P(value.to_vec()),
        }
    }

    fn row(children: Vec<StructureTag>) -> StructureTag {
        StructureTag {
            class: TagClass::Universal,
            id: 16,
            payload: PL::C(children),
        }
    }

    fn attribute(name: &str, values: &[&[u8]]) -> StructureTag {
        row(vec![
            string(name.as_bytes()),
            row(values.iter().map(|value| string(value)).collect()),
        ])
    }

    #[test]
    fn values_keep_their_octets_and_their_order() {
        let sid = b"\x01\x02\x00\x00\x00\x00\x00\x05".as_slice(); // valid UTF-8, yet no text
        let tag = row(vec![
            string(b"CN=a"),
            row(vec![
                attribute("objectSid", &[sid]),
                attribute("Member", &[b"b", b"\xFF", b"a"]),
            ]),
        ]);
        let entry = Entry::take(tag).unwrap();
        assert_eq!(entry.dn, "CN=a");
        assert_eq!(entry.first("OBJECTSID"), Some(sid));
        assert_eq!(
            entry.values("member").collect::<Vec<_>>(),
            [b"b".as_slice(), b"\xFF", b"a"]
        );
        assert_eq!(entry.text("absent"), None);
        assert_eq!(entry.size(), 4 + 9 + 8 + 6 + 3);
    }

    #[test]
    fn r12_unexpected_shapes_are_errors() {
        let good = || string(b"CN=a");
        let wrong = [
            string(b"x"),
            row(vec![]),
            row(vec![good()]),
            row(vec![string(b"\xFF"), row(vec![])]),
            row(vec![row(vec![]), row(vec![])]),
            row(vec![good(), string(b"")]),
            row(vec![good(), row(vec![]), row(vec![])]),
            row(vec![good(), row(vec![string(b"a")])]),
            row(vec![good(), row(vec![row(vec![string(b"a")])])]),
            row(vec![good(), row(vec![row(vec![string(b"a"), string(b"v")])])]),
            row(vec![
                good(),
                row(vec![row(vec![string(b"a"), row(vec![row(vec![])])])]),
            ]),
        ];
        for tag in wrong {
            assert!(Entry::take(tag.clone()).is_err(), "{tag:?}");
        }
    }
}
