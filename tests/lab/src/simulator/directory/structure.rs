//! The containers and configuration objects that every domain has from its first day.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::names;
use super::super::people::{Kind, People, UNITS, unit_names};
use super::super::schema::{Attribute, Known};
use super::{Domain, FIRST_SYNTHETIC, Object, State, view};

/// Number of the domain's head.
pub(in super::super) const DOMAIN: u32 = 0;
/// Number of the configuration's head.
pub(super) const CONFIGURATION: u32 = 1;
/// Number of the schema's head.
pub(super) const SCHEMA: u32 = 2;
/// Number of `CN=Deleted Objects`.
pub(super) const DELETED: u32 = 3;
/// Name of the site and of the directory service objects that a client follows from rootDSE.
const SITE: &str = "Default-First-Site-Name";
/// 2014-01-05 12:00 UTC, when the domain was made.
const CREATED: i64 = 1_388_923_200;

/// The state of a new domain with its people.
pub(super) fn build(domain: Domain, people: People) -> State {
    let mut builder = Builder {
        state: empty(domain, people),
        next: 0,
    };
    builder.heads();
    for name in [
        "Users",
        "Computers",
        "Builtin",
        "System",
        "ForeignSecurityPrincipals",
        "Managed Service Accounts",
    ] {
        builder.add(DOMAIN, "CN", name, "container");
    }
    let parents = [
        ("People", Kind::User),
        ("Groups", Kind::Group),
        ("Workstations", Kind::Computer),
    ];
    for (at, (parent, kind)) in parents.into_iter().enumerate() {
        if people.count() == 0 {
            break;
        }
        let parent = builder.unit(DOMAIN, parent);
        builder.state.units[at] = unit_names(kind)
            .into_iter()
            .map(|name| builder.unit(parent, name))
            .collect();
        assert_eq!(
            builder.state.units[at].len(),
            UNITS[at],
            "as many units as people are spread over"
        );
    }
    builder.configuration();
    assert!(builder.next < FIRST_SYNTHETIC);
    builder.state
}

fn empty(domain: Domain, people: People) -> State {
    State {
        domain,
        people,
        stored: HashMap::new(),
        by_sequence: BTreeMap::new(),
        children: BTreeMap::new(),
        units: [Vec::new(), Vec::new(), Vec::new()],
        back_links: BTreeMap::new(),
        hidden: BTreeSet::new(),
        recycled: BTreeSet::new(),
        without_guid: BTreeSet::new(),
        next_id: FIRST_SYNTHETIC + people.count(),
        next_sequence: u64::from(FIRST_SYNTHETIC + people.count()) + 1,
        clock: None,
        replication: None,
    }
}

struct Builder {
    state: State,
    next: u32,
}

impl Builder {
    fn heads(&mut self) {
        let domain = self.state.domain.clone();
        self.insert(None, "", &domain.dn, "domainDNS", Kind::Other);
        let head = self.state.stored.get_mut(&DOMAIN).unwrap();
        head.rid = Some(0);
        let label = domain.dns.split('.').next().unwrap_or_default();
        head.attributes
            .insert(Attribute::Known(Known::Dc), vec![label.as_bytes().to_vec()]);
        self.insert(None, "", &domain.configuration(), "configuration", Kind::Other);
        self.insert(None, "", &domain.schema(), "dMD", Kind::Other);
        let deleted = self.add(DOMAIN, "CN", "Deleted Objects", "container");
        assert_eq!(deleted, DELETED);
        let object = self.state.stored.get_mut(&deleted).unwrap();
        object
            .attributes
            .insert(Attribute::Known(Known::IsDeleted), vec![b"TRUE".to_vec()]);
    }

    fn configuration(&mut self) {
        let sites = self.add(CONFIGURATION, "CN", "Sites", "sitesContainer");
        let site = self.add(sites, "CN", SITE, "site");
        self.add(site, "CN", "Servers", "serversContainer");
        let services = self.add(CONFIGURATION, "CN", "Services", "container");
        let windows = self.add(services, "CN", "Windows NT", "container");
        let service = self.add(windows, "CN", "Directory Service", "nTDSService");
        let lifetime = vec![b"180".to_vec()];
        let attributes = &mut self.state.stored.get_mut(&service).unwrap().attributes;
        attributes.insert(Attribute::Known(Known::TombstoneLifetime), lifetime);
        let partitions = self.add(CONFIGURATION, "CN", "Partitions", "crossRefContainer");
        let domain = self.state.domain.clone();
        let partition = self.add(partitions, "CN", &domain.netbios, "crossRef");
        let attributes = &mut self.state.stored.get_mut(&partition).unwrap().attributes;
        attributes.insert(Attribute::Known(Known::NcName), vec![domain.dn.into_bytes()]);
        attributes.insert(Attribute::Known(Known::DnsRoot), vec![domain.dns.into_bytes()]);
        attributes.insert(
            Attribute::Known(Known::NetBiosName),
            vec![domain.netbios.into_bytes()],
        );
    }

    fn unit(&mut self, parent: u32, name: &str) -> u32 {
        self.insert(Some(parent), "OU", name, "organizationalUnit", Kind::Unit)
    }

    fn add(&mut self, parent: u32, rdn_kind: &'static str, name: &str, class: &str) -> u32 {
        self.insert(Some(parent), rdn_kind, name, class, Kind::Other)
    }

    fn insert(
        &mut self,
        parent: Option<u32>,
        rdn_kind: &'static str,
        name: &str,
        class: &str,
        kind: Kind,
    ) -> u32 {
        let id = self.next;
        self.next += 1;
        let object = structural(&self.state.domain, id, parent, rdn_kind, name, class, kind);
        self.state.by_sequence.insert(object.sequence, id);
        if let Some(parent) = parent {
            self.state
                .children
                .insert((parent, names::key(rdn_kind, name)), id);
        }
        self.state.stored.insert(id, object);
        id
    }
}

/// An object that is neither person nor group.
fn structural(
    domain: &Domain,
    id: u32,
    parent: Option<u32>,
    rdn_kind: &'static str,
    name: &str,
    class: &str,
    kind: Kind,
) -> Object {
    let mut guid = *b"\x00\x00\x00\x00structural\x00\x00";
    guid[..4].copy_from_slice(&id.to_be_bytes());
    let mut object = Object {
        guid,
        rid: None,
        kind,
        parent,
        rdn_kind,
        name: name.to_owned(),
        attributes: BTreeMap::new(),
        members: BTreeSet::new(),
        created: CREATED,
        changed: CREATED,
        created_sequence: u64::from(id) + 1,
        sequence: u64::from(id) + 1,
        deleted: None,
    };
    if kind == Kind::Other {
        set_class(&mut object, class, &domain.schema());
    }
    object
}

/// Gives an object class and category of its own.
pub(super) fn set_class(object: &mut Object, class: &str, schema_dn: &str) {
    let classes = vec![b"top".to_vec(), class.as_bytes().to_vec()];
    object
        .attributes
        .insert(Attribute::Known(Known::ObjectClass), classes);
    let category = vec![view::stored_category(class, schema_dn)];
    object
        .attributes
        .insert(Attribute::Known(Known::ObjectCategory), category);
}
