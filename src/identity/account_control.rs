//! `userAccountControl`: the switches of an account.

/// Bits of `userAccountControl` (MS-ADTS 2.2.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountControl(u32);

impl AccountControl {
    /// `ADS_UF_ACCOUNT_DISABLE`: no log-on is possible with the account.
    pub const DISABLED: u32 = 0x0000_0002;
    /// `ADS_UF_LOCKOUT`: too many wrong passwords. Found in `msDS-User-Account-Control-Computed`
    /// alone (MS-ADTS 3.1.1.4.5.17).
    pub const LOCKED_OUT: u32 = 0x0000_0010;
    /// `ADS_UF_PASSWORD_EXPIRED`: the password has to be changed first. Found in the same attribute
    /// alone.
    pub const PASSWORD_EXPIRED: u32 = 0x0080_0000;

    /// Switches that have a name: MS-ADTS 2.2.16, and those that it leaves to the schema's
    /// description of the attribute (`ADS_UF_SCRIPT`, `ADS_UF_TEMP_DUPLICATE_ACCOUNT`,
    /// `ADS_UF_MNS_LOGON_ACCOUNT`), by rising bit.
    const NAMES: [(u32, &str); 23] = [
        (0x0000_0001, "ADS_UF_SCRIPT"),
        (Self::DISABLED, "ADS_UF_ACCOUNT_DISABLE"),
        (0x0000_0008, "ADS_UF_HOMEDIR_REQUIRED"),
        (Self::LOCKED_OUT, "ADS_UF_LOCKOUT"),
        (0x0000_0020, "ADS_UF_PASSWD_NOTREQD"),
        (0x0000_0040, "ADS_UF_PASSWD_CANT_CHANGE"),
        (0x0000_0080, "ADS_UF_ENCRYPTED_TEXT_PASSWORD_ALLOWED"),
        (0x0000_0100, "ADS_UF_TEMP_DUPLICATE_ACCOUNT"),
        (0x0000_0200, "ADS_UF_NORMAL_ACCOUNT"),
        (0x0000_0800, "ADS_UF_INTERDOMAIN_TRUST_ACCOUNT"),
        (0x0000_1000, "ADS_UF_WORKSTATION_TRUST_ACCOUNT"),
        (0x0000_2000, "ADS_UF_SERVER_TRUST_ACCOUNT"),
        (0x0001_0000, "ADS_UF_DONT_EXPIRE_PASSWD"),
        (0x0002_0000, "ADS_UF_MNS_LOGON_ACCOUNT"),
        (0x0004_0000, "ADS_UF_SMARTCARD_REQUIRED"),
        (0x0008_0000, "ADS_UF_TRUSTED_FOR_DELEGATION"),
        (0x0010_0000, "ADS_UF_NOT_DELEGATED"),
        (0x0020_0000, "ADS_UF_USE_DES_KEY_ONLY"),
        (0x0040_0000, "ADS_UF_DONT_REQUIRE_PREAUTH"),
        (Self::PASSWORD_EXPIRED, "ADS_UF_PASSWORD_EXPIRED"),
        (0x0100_0000, "ADS_UF_TRUSTED_TO_AUTHENTICATE_FOR_DELEGATION"),
        (0x0200_0000, "ADS_UF_NO_AUTH_DATA_REQUIRED"),
        (0x0400_0000, "ADS_UF_PARTIAL_SECRETS_ACCOUNT"),
    ];

    /// Returns the switches with these bits. LDAP gives the value as a signed decimal number.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns `true` when the account is not disabled.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        !self.has(Self::DISABLED)
    }

    /// Returns `true` when any of `bits` is set.
    #[must_use]
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// Returns the names of the bits that are set, by rising bit. A bit without a name is left out.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(bit, _)| self.has(*bit))
            .map(|(_, name)| name)
    }

    /// Returns all bits.
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

    #[test]
    fn every_named_bit_is_one_bit_and_they_rise() {
        for pair in AccountControl::NAMES.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{pair:?}");
        }
        for (bit, name) in AccountControl::NAMES {
            assert_eq!(bit.count_ones(), 1, "{name}");
            assert_eq!(AccountControl::new(bit).names().collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn names_of_a_usual_account() {
        let names: Vec<_> = AccountControl::new(66_050).names().collect();
        assert_eq!(
            names,
            [
                "ADS_UF_ACCOUNT_DISABLE",
                "ADS_UF_NORMAL_ACCOUNT",
                "ADS_UF_DONT_EXPIRE_PASSWD"
            ]
        );
        assert_eq!(AccountControl::new(0x8000_4004).names().count(), 0);
    }
}
