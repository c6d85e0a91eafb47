//! `userAccountControl`: the switches of an account.

/// The `userAccountControl` bits of an account (MS-ADTS 2.2.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountControl(u32);

impl AccountControl {
    /// `ADS_UF_ACCOUNT_DISABLE`: nobody can log on with the account.
    pub const DISABLED: u32 = 0x0000_0002;

    /// The switches with these bits. LDAP gives the value as a signed decimal number.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether the account is switched on.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        self.0 & Self::DISABLED == 0
    }

    /// All bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_disable_bit_switches_off() {
        for (bits, enabled) in [
            (512, true),
            (514, false),
            (66_048, true),
            (66_050, false),
            (0, true),
            (2, false),
        ] {
            assert_eq!(AccountControl::new(bits).is_enabled(), enabled, "{bits}");
            assert_eq!(AccountControl::new(bits).bits(), bits);
        }
    }
}
