//! The attributes the simulator knows, and how their values compare.

/// How the values of an attribute compare in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Unicode text, compared without case.
    Text,
    /// A 32- or 64-bit integer in decimal text.
    Integer,
    /// Bytes.
    Octets,
    /// A distinguished name, compared without case.
    Name,
    /// `TRUE` or `FALSE`.
    Boolean,
    /// A generalized time: `20261122021034.0Z`, whose text orders as the time does.
    Time,
    /// An object class or category, by name or by distinguished name.
    Class,
}

macro_rules! attributes {
    ($($variant:ident $name:literal $syntax:ident,)*) => {
        /// An attribute of the directory's schema.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each variant is the attribute of its name")]
        pub enum Known { $($variant,)* }

        impl Known {
            /// All of them, in the order in which `*` gives them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name as the schema spells it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How values compare.
            #[must_use]
            pub const fn syntax(self) -> Syntax {
                match self { $(Self::$variant => Syntax::$syntax,)* }
            }
        }
    };
}

attributes! {
    ObjectClass "objectClass" Class,
    Cn "cn" Text,
    Sn "sn" Text,
    C "c" Text,
    L "l" Text,
    Title "title" Text,
    Description "description" Text,
    TelephoneNumber "telephoneNumber" Text,
    GivenName "givenName" Text,
    Ou "ou" Text,
    Dc "dc" Text,
    DistinguishedName "distinguishedName" Name,
    InstanceType "instanceType" Integer,
    WhenCreated "whenCreated" Time,
    WhenChanged "whenChanged" Time,
    DisplayName "displayName" Text,
    UsnCreated "uSNCreated" Integer,
    IsDeleted "isDeleted" Boolean,
    MemberOf "memberOf" Name,
    UsnChanged "uSNChanged" Integer,
    Department "department" Text,
    Company "company" Text,
    ProxyAddresses "proxyAddresses" Text,
    Name "name" Text,
    ObjectGuid "objectGUID" Octets,
    UserAccountControl "userAccountControl" Integer,
    PwdLastSet "pwdLastSet" Integer,
    PrimaryGroupId "primaryGroupID" Integer,
    ObjectSid "objectSid" Octets,
    AccountExpires "accountExpires" Integer,
    SamAccountName "sAMAccountName" Text,
    SamAccountType "sAMAccountType" Integer,
    UserPrincipalName "userPrincipalName" Text,
    ObjectCategory "objectCategory" Class,
    LastLogonTimestamp "lastLogonTimestamp" Integer,
    Mail "mail" Text,
    GroupType "groupType" Integer,
    Member "member" Name,
    Manager "manager" Name,
    ManagedBy "managedBy" Name,
    DnsHostName "dNSHostName" Text,
    OperatingSystem "operatingSystem" Text,
    OperatingSystemVersion "operatingSystemVersion" Text,
    EmployeeId "employeeID" Text,
    ThumbnailPhoto "thumbnailPhoto" Octets,
    LastKnownParent "lastKnownParent" Name,
    LastKnownRdn "msDS-LastKnownRDN" Text,
    InvocationId "invocationId" Octets,
    TombstoneLifetime "tombstoneLifetime" Integer,
    DnsRoot "dnsRoot" Text,
    NcName "nCName" Name,
    NetBiosName "nETBIOSName" Text,
    ExtensionAttribute1 "extensionAttribute1" Text,
    ExtensionAttribute2 "extensionAttribute2" Text,
}

/// The name of an attribute: one of the schema, or another one that a test put on an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// Of the schema.
    Known(Known),
    /// Not of the schema, in lower case; its values compare as text.
    Other(String),
}

impl Attribute {
    /// The attribute of this name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Known::ALL
            .iter()
            .find(|known| known.name().eq_ignore_ascii_case(name))
            .map_or_else(
                || Self::Other(name.to_ascii_lowercase()),
                |&known| Self::Known(known),
            )
    }

    /// The name to show.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Known(known) => known.name(),
            Self::Other(name) => name,
        }
    }

    /// How values compare.
    #[must_use]
    pub const fn syntax(&self) -> Syntax {
        match self {
            Self::Known(known) => known.syntax(),
            Self::Other(_) => Syntax::Text,
        }
    }
}

/// The values of one attribute, one after the other in one buffer that is used again for the next one.
#[derive(Debug, Default)]
pub struct Values {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Values {
    /// Forgets all values.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a value.
    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
    }

    /// Adds a value that `write` appends to the buffer.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Adds a number in decimal.
    pub fn push_number(&mut self, number: i64) {
        use std::io::Write;
        self.push_with(|bytes| write!(bytes, "{number}").unwrap());
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.bytes[start..end])
    }
}
