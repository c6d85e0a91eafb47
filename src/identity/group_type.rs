//! `groupType`: purpose and scope of a group.

use std::fmt;

/// Bits of `groupType` (MS-ADTS 2.2.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupType(i32);

impl GroupType {
    /// `GROUP_TYPE_BUILTIN_LOCAL_GROUP`: made by the system. Such a group has
    /// [`Self::DOMAIN_LOCAL`] too.
    pub const BUILTIN_LOCAL: u32 = 0x0000_0001;
    /// `GROUP_TYPE_ACCOUNT_GROUP`.
    pub const GLOBAL: u32 = 0x0000_0002;
    /// `GROUP_TYPE_RESOURCE_GROUP`.
    pub const DOMAIN_LOCAL: u32 = 0x0000_0004;
    /// `GROUP_TYPE_UNIVERSAL_GROUP`.
    pub const UNIVERSAL: u32 = 0x0000_0008;
    /// `GROUP_TYPE_SECURITY_ENABLED`: without it the group is a distribution list.
    pub const SECURITY_ENABLED: u32 = 0x8000_0000;

    /// Returns the type with these bits. LDAP gives the value as a signed decimal number.
    #[must_use]
    pub const fn new(bits: i32) -> Self {
        Self(bits)
    }

    /// Returns `true` when the group can be given rights, rather than mail alone.
    #[must_use]
    pub const fn is_security(self) -> bool {
        self.0.cast_unsigned() & Self::SECURITY_ENABLED != 0
    }

    /// Returns the text that ETM receives, such as `Security Group - Global`. `None` when no bit
    /// gives the scope, as with the application groups of the authorization manager (bits 0x10 and
    /// 0x20).
    #[must_use]
    pub const fn text(self) -> Option<&'static str> {
        let bits = self.0.cast_unsigned();
        let security = self.is_security();
        // The builtin bit first: MS-ADTS sets it together with the domain local one.
        let text = if bits & Self::BUILTIN_LOCAL != 0 {
            if security {
                "Security Group - Builtin Local"
            } else {
                "Distribution Group - Builtin Local"
            }
        } else if bits & Self::GLOBAL != 0 {
            if security {
                "Security Group - Global"
            } else {
                "Distribution Group - Global"
            }
        } else if bits & Self::DOMAIN_LOCAL != 0 {
            if security {
                "Security Group - Domain Local"
            } else {
                "Distribution Group - Domain Local"
            }
        } else if bits & Self::UNIVERSAL != 0 {
            if security {
                "Security Group - Universal"
            } else {
                "Distribution Group - Universal"
            }
        } else {
            return None;
        };
        Some(text)
    }
}

impl fmt::Display for GroupType {
    /// Writes the text, or the number where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(text),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_that_a_domain_holds() {
        for (bits, text) in [
            (-2_147_483_646, "Security Group - Global"),
            (-2_147_483_644, "Security Group - Domain Local"),
            (-2_147_483_643, "Security Group - Builtin Local"),
            (-2_147_483_640, "Security Group - Universal"),
            (2, "Distribution Group - Global"),
            (4, "Distribution Group - Domain Local"),
            (5, "Distribution Group - Builtin Local"),
            (8, "Distribution Group - Universal"),
        ] {
            assert_eq!(GroupType::new(bits).text(), Some(text), "{bits}");
            assert_eq!(GroupType::new(bits).is_security(), bits < 0, "{bits}");
        }
    }

    #[test]
    fn a_type_without_a_scope_bit_has_no_text_and_shows_its_number() {
        for bits in [0, 0x10, 0x20, i32::MIN] {
            assert_eq!(GroupType::new(bits).text(), None, "{bits}");
            assert_eq!(GroupType::new(bits).to_string(), bits.to_string());
        }
    }
}
