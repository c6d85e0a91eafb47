//! Synthetic people, groups and computers: every attribute of object `i` is computed from the seed when asked for, so that
//! a directory of a million objects holds none of them.
//!
//! Kinds are spread evenly over the indices, as in a directory that grew over years. One in ten users has a name that is
//! awkward in one of ten ways ([`Quirk`]); 5 % have no `mail`, 3 % no `displayName`, 2 % a `pwdLastSet` of 0 and 1 % one of
//! 0x7FFFFFFFFFFFFFFF.

mod words;

use super::schema::{Known, Values};
use super::time;

/// 2014-01-06 08:00 UTC, when the first synthetic object was created; each later one follows 97 seconds after.
const FIRST_CREATED: i64 = 1_388_995_200;
/// Seconds between the creations of two neighbours.
const CREATED_EVERY: i64 = 97;
/// "Never" in a FILETIME attribute (MS-ADTS 2.2.21 and others).
const NEVER: i64 = i64::MAX;
/// How many organizational units hold users, how many groups and how many computers.
pub const UNITS: [usize; 3] = [words::CITIES.len(), 3, 2];
/// Odd, thus invertible modulo 2^32.
const SCATTER: u32 = 0x9E37_79B1;

/// How many objects of each kind, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct People {
    /// Decides every name and value.
    pub seed: u64,
    /// Number of users.
    pub users: u32,
    /// Number of groups.
    pub groups: u32,
    /// Number of computers.
    pub computers: u32,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A computer.
    Computer,
    /// An organizational unit.
    Unit,
    /// Anything else: containers, the domain, configuration.
    Other,
}

/// What is awkward in a user's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Quirk {
    Comma,
    Plus,
    Quote,
    Backslash,
    LeadingSpace,
    Newline,
    Emoji,
    RightToLeft,
    Cjk,
    Signs,
}

const QUIRKS: [Quirk; 10] = [
    Quirk::Comma,
    Quirk::Plus,
    Quirk::Quote,
    Quirk::Backslash,
    Quirk::LeadingSpace,
    Quirk::Newline,
    Quirk::Emoji,
    Quirk::RightToLeft,
    Quirk::Cjk,
    Quirk::Signs,
];

impl People {
    /// Nobody.
    pub const NONE: Self = Self {
        seed: 0,
        users: 0,
        groups: 0,
        computers: 0,
    };

    /// `count` objects: 80 % users, 15 % groups, 5 % computers.
    #[must_use]
    pub const fn of(count: u32, seed: u64) -> Self {
        let (groups, computers) = ((count as u64 * 15 / 100) as u32, count / 20);
        Self {
            seed,
            users: count - groups - computers,
            groups,
            computers,
        }
    }

    /// How many objects there are; their indices are `0..count`.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.users + self.groups + self.computers
    }

    /// Kind of object `index`, and its number among those of its kind.
    #[must_use]
    pub fn at(&self, index: u32) -> (Kind, u32) {
        let groups = spread(index, self.groups, self.count());
        if spread(index + 1, self.groups, self.count()) > groups {
            return (Kind::Group, groups);
        }
        let other = index - groups;
        let computers = spread(other, self.computers, self.users + self.computers);
        if spread(other + 1, self.computers, self.users + self.computers) > computers {
            return (Kind::Computer, computers);
        }
        (Kind::User, other - computers)
    }

    /// The index of the `number`th object of a kind; the opposite of [`People::at`].
    #[must_use]
    pub fn index(&self, kind: Kind, number: u32) -> Option<u32> {
        let before = |index: u32| {
            let groups = spread(index, self.groups, self.count());
            let computers = spread(index - groups, self.computers, self.users + self.computers);
            match kind {
                Kind::Group => groups,
                Kind::Computer => computers,
                _ => index - groups - computers,
            }
        };
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle + 1) > number {
                high = middle
            } else {
                low = middle + 1
            }
        }
        (low < self.count() && self.at(low) == (kind, number)).then_some(low)
    }

    /// The object's GUID, as bytes on the wire. The first four bytes are the scattered index.
    #[must_use]
    pub fn guid(&self, index: u32) -> [u8; 16] {
        let mut guid = [0; 16];
        guid[..4].copy_from_slice(&(index ^ self.key()).wrapping_mul(SCATTER).to_be_bytes());
        guid[4..12].copy_from_slice(&self.hash(index, 1).to_be_bytes());
        guid[12..].copy_from_slice(&self.hash(index, 2).to_be_bytes()[..4]);
        guid[7] = guid[7] & 0x0F | 0x40;
        guid
    }

    /// The index of the object with this GUID.
    #[must_use]
    pub fn by_guid(&self, guid: &[u8; 16]) -> Option<u32> {
        let scattered = u32::from_be_bytes([guid[0], guid[1], guid[2], guid[3]]);
        let index = scattered.wrapping_mul(inverse(SCATTER)) ^ self.key();
        (index < self.count() && self.guid(index) == *guid).then_some(index)
    }

    /// The index of the object whose name ends in this one's number and is the same but for case.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<u32> {
        let digits = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let number = name[digits..].parse().ok()?;
        let wanted = name.to_lowercase();
        [Kind::User, Kind::Group, Kind::Computer]
            .into_iter()
            .filter_map(|kind| self.index(kind, number))
            .find(|&index| self.name(index).to_lowercase() == wanted)
    }

    /// In which of its kind's [`UNITS`] the object lives.
    #[must_use]
    pub fn unit(&self, index: u32) -> (Kind, usize) {
        let (kind, number) = self.at(index);
        let unit = match kind {
            Kind::Group => number as usize % UNITS[1],
            Kind::Computer => number as usize % UNITS[2],
            _ => self.pick(index, 3, UNITS[0]),
        };
        (kind, unit)
    }

    /// The numbers of the users in group `number`: a team of neighbours. Groups without a team are empty.
    #[must_use]
    pub fn team(&self, group: u32) -> std::ops::Range<u32> {
        let size = self.team_size();
        let start = u64::from(group) * u64::from(size);
        let clamp = |user: u64| u32::try_from(user.min(u64::from(self.users))).unwrap_or(self.users);
        clamp(start)..clamp(start + u64::from(size))
    }

    /// The number of the group that user `number` is a member of.
    #[must_use]
    pub const fn team_of(&self, user: u32) -> Option<u32> {
        if self.groups == 0 {
            None
        } else {
            Some(user / self.team_size())
        }
    }

    /// When the object was created, seconds since 1970.
    #[must_use]
    pub fn created(&self, index: u32) -> i64 {
        FIRST_CREATED + i64::from(index) * CREATED_EVERY % (300 * 86_400 * 12)
    }

    /// What is awkward in the user's name, if anything.
    #[must_use]
    pub fn quirk(&self, index: u32) -> Option<Quirk> {
        QUIRKS.get(self.pick(index, 4, 100)).copied()
    }

    /// The common name, unescaped. Its last digits are the object's number among those of its kind.
    #[must_use]
    pub fn name(&self, index: u32) -> String {
        let (kind, number) = self.at(index);
        match kind {
            Kind::Group => {
                format!(
                    "{} {} {number}",
                    self.word(index, 5, &words::DEPARTMENTS),
                    self.word(index, 6, &words::CITIES)
                )
            }
            Kind::Computer => format!("WS-{number:06}"),
            _ => {
                let (first, last) = self.person(index);
                match self.quirk(index) {
                    Some(Quirk::Comma) => format!("{last}, {first} {number}"),
                    Some(Quirk::Plus) => format!("{first}+{last} {number}"),
                    Some(Quirk::Quote) => format!("{first} \"{last}\" {number}"),
                    Some(Quirk::Backslash) => format!("{first}\\{last} {number}"),
                    Some(Quirk::LeadingSpace) => format!(" {first} {last} {number}"),
                    Some(Quirk::Signs) => format!("#{first} <{last}>; a=b {number}"),
                    _ => format!("{first} {last} {number}"),
                }
            }
        }
    }

    /// Given name and surname.
    #[must_use]
    pub fn person(&self, index: u32) -> (&'static str, &'static str) {
        match self.quirk(index) {
            Some(Quirk::Emoji) => ("Ana 🦀", "Crăciun"),
            Some(Quirk::RightToLeft) => ("יעל", "כהן"),
            Some(Quirk::Cjk) => ("美咲", "山田"),
            _ => (
                self.word(index, 7, &words::FIRST),
                self.word(index, 8, &words::LAST),
            ),
        }
    }

    /// Appends the values of an attribute that needs no other object: `domain` is the DNS name.
    pub fn values(&self, index: u32, attribute: Known, domain: &str, out: &mut Values) {
        let (kind, number) = self.at(index);
        match kind {
            Kind::User => self.user(index, number, attribute, domain, out),
            Kind::Group => self.group(index, number, attribute, out),
            _ => self.computer(index, number, attribute, domain, out),
        }
    }

    fn user(&self, index: u32, number: u32, attribute: Known, domain: &str, out: &mut Values) {
        let (first, last) = self.person(index);
        match attribute {
            Known::Sn => out.push(last.as_bytes()),
            Known::GivenName => out.push(first.as_bytes()),
            Known::DisplayName if self.pick(index, 9, 100) >= 3 => {
                out.push_with(|bytes| bytes.extend(format!("{first} {last}").bytes()));
            }
            Known::SamAccountName => out.push(format!("u{number:07}").as_bytes()),
            Known::UserPrincipalName => out.push(format!("u{number:07}@{domain}").as_bytes()),
            Known::Mail if self.pick(index, 10, 100) >= 5 => {
                out.push(format!("user.{number}@{domain}").as_bytes());
            }
            Known::ProxyAddresses if self.pick(index, 10, 100) >= 50 => {
                out.push(format!("SMTP:user.{number}@{domain}").as_bytes());
                out.push(format!("smtp:u{number:07}@{domain}").as_bytes());
            }
            Known::Description if self.quirk(index) == Some(Quirk::Newline) => {
                out.push(b"first line\r\nsecond line")
            }
            Known::Description if self.pick(index, 11, 4) == 0 => out.push(b"Employee"),
            Known::Title => out.push(self.word(index, 12, &words::TITLES).as_bytes()),
            Known::Department => out.push(self.word(index, 5, &words::DEPARTMENTS).as_bytes()),
            Known::Company => out.push(b"Corp Example Ltd"),
            Known::L => out.push(words::CITIES[self.unit(index).1].as_bytes()),
            Known::TelephoneNumber => out.push(format!("+49 30 555 {:07}", number).as_bytes()),
            Known::EmployeeId => out.push_number(100_000 + i64::from(number)),
            Known::UserAccountControl => out.push_number(match self.pick(index, 13, 100) {
                0..4 => 514,     // NORMAL_ACCOUNT | ACCOUNTDISABLE (MS-ADTS 2.2.16)
                4..24 => 66_048, // NORMAL_ACCOUNT | DONT_EXPIRE_PASSWORD
                _ => 512,
            }),
            Known::PwdLastSet => out.push_number(match self.pick(index, 14, 100) {
                0..2 => 0,
                2 => NEVER,
                _ => time::filetime(self.created(index) + i64::from(number % 9_000)) + 1_234_567,
            }),
            Known::AccountExpires => out.push_number(if number.is_multiple_of(2) { 0 } else { NEVER }),
            Known::LastLogonTimestamp if self.pick(index, 15, 10) > 0 => {
                out.push_number(time::filetime(self.created(index) + 86_400) + 7_654_321);
            }
            Known::PrimaryGroupId => out.push_number(513),
            Known::SamAccountType => out.push_number(805_306_368),
            _ => {}
        }
    }

    fn group(&self, index: u32, number: u32, attribute: Known, out: &mut Values) {
        // Group types by MS-ADTS 2.2.12: global, domain local, universal; the sign bit says security group.
        const TYPES: [i64; 6] = [-2_147_483_646, -2_147_483_644, -2_147_483_640, 2, 4, 8];
        match attribute {
            Known::SamAccountName => out.push(format!("g{number:07}").as_bytes()),
            Known::Description if !number.is_multiple_of(3) => {
                let department = self.word(index, 5, &words::DEPARTMENTS);
                out.push(format!("Members of {department}").as_bytes());
            }
            Known::GroupType => out.push_number(TYPES[number as usize % 6]),
            Known::SamAccountType => out.push_number(if number % 6 < 3 { 268_435_456 } else { 268_435_457 }),
            _ => {}
        }
    }

    fn computer(&self, index: u32, number: u32, attribute: Known, domain: &str, out: &mut Values) {
        match attribute {
            Known::SamAccountName => out.push(format!("WS-{number:06}$").as_bytes()),
            Known::DnsHostName => out.push(format!("ws-{number:06}.{domain}").as_bytes()),
            Known::OperatingSystem => out.push(b"Windows 11 Enterprise"),
            Known::OperatingSystemVersion => out.push(b"10.0 (26100)"),
            Known::UserAccountControl => out.push_number(4096),
            Known::PwdLastSet => out.push_number(time::filetime(self.created(index))),
            Known::PrimaryGroupId => out.push_number(515),
            Known::SamAccountType => out.push_number(805_306_369),
            _ => {}
        }
    }

    const fn team_size(&self) -> u32 {
        let groups = if self.groups == 0 { 1 } else { self.groups };
        let size = self.users.div_ceil(groups);
        if size == 0 { 1 } else { size }
    }

    const fn key(&self) -> u32 {
        (self.seed ^ self.seed >> 32) as u32 ^ 0x5EED_CAFE
    }

    /// 64 bits that depend on seed, object and purpose only (the finalizer of SplitMix64).
    const fn hash(&self, index: u32, purpose: u64) -> u64 {
        let mut bits = self
            .seed
            .wrapping_add((index as u64) << 8 | purpose)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ bits >> 31
    }

    fn pick(&self, index: u32, purpose: u64, of: usize) -> usize {
        usize::try_from(self.hash(index, purpose) % of as u64).unwrap()
    }

    fn word(&self, index: u32, purpose: u64, words: &[&'static str]) -> &'static str {
        words[self.pick(index, purpose, words.len())]
    }
}

/// Names of the organizational units below which each kind lives.
#[must_use]
pub fn unit_names(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::User => words::CITIES.to_vec(),
        Kind::Group => vec!["Security", "Mail", "Projects"],
        _ => vec!["Offices", "Home"],
    }
}

/// How many of `part` marks, spread evenly over `whole` places, stand before place `index`.
fn spread(index: u32, part: u32, whole: u32) -> u32 {
    if whole == 0 {
        0
    } else {
        (u64::from(index) * u64::from(part) / u64::from(whole)) as u32
    }
}

/// The multiplicative inverse of an odd number modulo 2^32, by Newton's iteration (each step doubles the right bits).
const fn inverse(odd: u32) -> u32 {
    let mut inverse = odd;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const SAMPLE: People = People::of(2_000, 7);

    #[test]
    fn kinds_are_spread_and_numbered_without_gaps() {
        assert_eq!((SAMPLE.users, SAMPLE.groups, SAMPLE.computers), (1_600, 300, 100));
        let mut next = [0; 3];
        for index in 0..SAMPLE.count() {
            let (kind, number) = SAMPLE.at(index);
            assert_eq!(number, next[kind as usize], "{index}");
            next[kind as usize] += 1;
            assert_eq!(SAMPLE.index(kind, number), Some(index));
        }
        assert_eq!(next, [1_600, 300, 100]);
        assert_eq!(SAMPLE.index(Kind::User, 1_600), None);
    }

    #[test]
    fn guids_and_names_are_unique_and_lead_back() {
        let mut seen = BTreeSet::new();
        for index in 0..SAMPLE.count() {
            assert!(seen.insert(SAMPLE.guid(index)));
            assert_eq!(SAMPLE.by_guid(&SAMPLE.guid(index)), Some(index));
            assert_eq!(
                SAMPLE.by_name(&SAMPLE.name(index).to_ascii_uppercase()),
                Some(index),
                "{}",
                SAMPLE.name(index)
            );
        }
        assert_eq!(SAMPLE.by_guid(&[0; 16]), None);
        assert_eq!(SAMPLE.by_name("Nobody 17"), None);
    }

    #[test]
    fn a_million_objects_have_unique_guids_without_being_held() {
        let million = People::of(1_000_000, 1);
        for index in [0, 1, 499_999, 999_999] {
            assert_eq!(million.by_guid(&million.guid(index)), Some(index));
        }
        assert_eq!(million.at(999_999).0, Kind::Group);
        assert_eq!(million.team(149_999).end, 800_000);
    }

    #[test]
    fn awkward_names_occur_at_their_rate() {
        let awkward = (0..SAMPLE.count())
            .filter(|&index| SAMPLE.quirk(index).is_some())
            .count();
        assert!((120..280).contains(&awkward), "{awkward} of 2000");
        for quirk in QUIRKS {
            assert!(
                (0..SAMPLE.count()).any(|index| SAMPLE.quirk(index) == Some(quirk)),
                "{quirk:?}"
            );
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        let mail = |people: &People, index| {
            let mut out = Values::default();
            people.values(index, Known::Title, "corp.example", &mut out);
            (
                people.name(index),
                people.guid(index),
                out.iter().map(<[u8]>::to_vec).collect::<Vec<_>>(),
            )
        };
        assert_eq!(mail(&SAMPLE, 5), mail(&SAMPLE.clone(), 5));
        assert_ne!(mail(&SAMPLE, 5), mail(&People { seed: 8, ..SAMPLE }, 5));
    }

    #[test]
    fn teams_cover_every_user_once() {
        let mut covered = 0;
        for group in 0..SAMPLE.groups {
            for user in SAMPLE.team(group) {
                assert_eq!(SAMPLE.team_of(user), Some(group));
                covered += 1;
            }
        }
        assert_eq!(covered, SAMPLE.users);
    }
}
