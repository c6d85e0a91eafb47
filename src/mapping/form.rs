//! Forms: conversions of the octets of an attribute into a JSON value.

use std::borrow::Cow;
use std::fmt;

use super::source::ObjectSource;
use crate::identity::{
    AccountControl, DistinguishedName, DnError, GroupType, Guid, GuidError, Sid, SidError, TimeError,
    Timestamp,
};

/// Conversion of the values of an attribute into a JSON value.
///
/// An empty value counts as none. Of several values, all forms but [`Form::List`] take the
/// smallest, octet by octet: LDAP values are a set (RFC 4511 section 4.1.7), and two controllers
/// return them in different orders, which must not change the asset (R16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// UTF-8 text, unchanged.
    Text,
    /// A whole number of 64 bits, from decimal digits (LDAP INTEGER, AD LargeInteger).
    Integer,
    /// `TRUE` or `FALSE` (RFC 4517 section 3.3.3).
    Boolean,
    /// A binary SID as `S-1-5-21-…` (R14).
    Sid,
    /// A binary GUID as lower-case text with hyphens (R14).
    Guid,
    /// A FILETIME or a generalized time as `2026-11-22T02:10:34Z`; "never" is no value (R13).
    Iso8601,
    /// The moments of [`Form::Iso8601`] as milliseconds since the Unix epoch, a number.
    EpochMs,
    /// `groupType` as `Security Group - Global`.
    GroupType,
    /// `userAccountControl` as true when the account is not disabled.
    AccountEnabled,
    /// State of an account: `enabled`, `disabled`, `locked`, `expired` or `password_expired`. It is
    /// computed from several attributes ([`Form::reads`]).
    AccountStatus,
    /// The switches of `userAccountControl` by name (MS-ADTS 2.2.16), a list.
    UacFlags,
    /// The first name of a distinguished name: `Jane Doe` for `CN=Jane Doe,OU=Staff,…`.
    DnName,
    /// All values as a list of texts, sorted and without repetitions: LDAP values have no order
    /// (RFC 4511 section 4.1.7), and the order of another controller must not look like a change
    /// (R16).
    List,
}

/// Type of the JSON value that a form gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonType {
    /// A JSON string.
    Text,
    /// A JSON number without a fraction.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A JSON array of strings.
    List,
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
            Self::List => "a list",
        })
    }
}

impl Form {
    /// All forms, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::Text,
        Self::Integer,
        Self::Boolean,
        Self::Sid,
        Self::Guid,
        Self::Iso8601,
        Self::EpochMs,
        Self::GroupType,
        Self::AccountEnabled,
        Self::AccountStatus,
        Self::UacFlags,
        Self::DnName,
        Self::List,
    ];

    /// Returns the name in the mapping file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Sid => "sid",
            Self::Guid => "guid",
            Self::Iso8601 => "iso8601",
            Self::EpochMs => "epoch_ms",
            Self::GroupType => "group_type",
            Self::AccountEnabled => "account_enabled",
            Self::AccountStatus => "account_status",
            Self::UacFlags => "uac_flags",
            Self::DnName => "dn_name",
            Self::List => "list",
        }
    }

    /// Returns the form with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }

    /// Returns the type of the JSON value that the form gives.
    #[must_use]
    pub const fn output(self) -> JsonType {
        match self {
            Self::Text
            | Self::Sid
            | Self::Guid
            | Self::Iso8601
            | Self::GroupType
            | Self::AccountStatus
            | Self::DnName => JsonType::Text,
            Self::Integer | Self::EpochMs => JsonType::Integer,
            Self::Boolean | Self::AccountEnabled => JsonType::Boolean,
            Self::UacFlags | Self::List => JsonType::List,
        }
    }

    /// Returns the attributes that the form always reads, whichever of them the row names; none for
    /// a form that reads the source of its row alone.
    #[must_use]
    pub const fn reads(self) -> &'static [&'static str] {
        match self {
            Self::AccountStatus => &ACCOUNT_STATUS,
            _ => &[],
        }
    }

    /// Returns `true` when the raw value is binary, so that it is shown in hexadecimal.
    pub(super) const fn is_binary(self) -> bool {
        matches!(self, Self::Sid | Self::Guid)
    }

    /// Decodes `values` in this form; `None` when there is no value.
    pub(super) fn decode<'a>(
        self,
        values: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<FormedValue<'a>>, DecodeFault> {
        let values = values.filter(|value| !value.is_empty());
        if self == Self::List {
            // By octets, before they are decoded: of several bad values the same one is named each
            // time.
            let mut values: Vec<_> = values.collect();
            values.sort_unstable();
            values.dedup();
            let texts = values.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
            return Ok((!texts.is_empty()).then_some(FormedValue::List(texts)));
        }
        let Some(value) = values.min() else {
            return Ok(None);
        };
        Ok(match self {
            // A list was returned above, and a status needs more than these values.
            Self::Text | Self::List | Self::AccountStatus => {
                Some(FormedValue::Text(Cow::Borrowed(text(value)?)))
            }
            Self::Integer => Some(FormedValue::Integer(integer(value)?)),
            Self::Boolean => Some(FormedValue::Boolean(boolean(value)?)),
            Self::Sid => Some(FormedValue::Sid(Sid::from_bytes(value)?)),
            Self::Guid => Some(FormedValue::Guid(Guid::from_bytes(value)?)),
            Self::Iso8601 => moment(value)?.map(FormedValue::Moment),
            Self::EpochMs => moment(value)?.map(|moment| FormedValue::Integer(moment.epoch_ms())),
            Self::GroupType => {
                let kind = GroupType::new(bits(value)?.cast_signed());
                Some(FormedValue::Text(Cow::Borrowed(
                    kind.text().ok_or(DecodeFault::GroupType(kind))?,
                )))
            }
            Self::AccountEnabled => Some(FormedValue::Boolean(
                AccountControl::new(bits(value)?).is_enabled(),
            )),
            Self::UacFlags => {
                let names: Vec<_> = AccountControl::new(bits(value)?).names().collect();
                (!names.is_empty()).then_some(FormedValue::List(names))
            }
            Self::DnName => DistinguishedName::parse(text(value)?)?
                .rdn_value()
                .filter(|name| !name.is_empty())
                .map(|name| FormedValue::Text(Cow::Owned(name.to_owned()))),
        })
    }
}

/// Attributes of an account's state: its switches; those that the directory computes each time they
/// are read (MS-ADTS 3.1.1.4.5.17: a lock-out or a password that expired), which are in no filter
/// and raise no uSNChanged; and the day from which the account cannot be used.
const ACCOUNT_STATUS: [&str; 3] = [
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "accountExpires",
];

/// Returns the value of [`Form::AccountStatus`]. Of several reasons for which an account cannot be
/// used the first counts, in the order of the words: an account is disabled on purpose.
pub(super) fn account_status<S: ObjectSource>(
    source: &S,
) -> Result<Option<FormedValue<'static>>, DecodeFault> {
    let [control, computed, expires] =
        ACCOUNT_STATUS.map(|name| source.values(name).filter(|value| !value.is_empty()).min());
    let Some(control) = control.map(bits).transpose()? else {
        return Ok(None);
    };
    let control = AccountControl::new(control);
    // A value that the account of the connector cannot read proves nothing: such an account counts
    // as neither locked nor expired.
    let computed = AccountControl::new(computed.map(bits).transpose()?.unwrap_or(0));
    let expires = expires.map(moment).transpose()?.flatten();
    let status = if !control.is_enabled() {
        "disabled"
    } else if computed.has(AccountControl::LOCKED_OUT) {
        "locked"
    } else if expires.is_some_and(|expires| expires <= source.at()) {
        "expired"
    } else if computed.has(AccountControl::PASSWORD_EXPIRED) {
        "password_expired"
    } else {
        "enabled"
    };
    Ok(Some(FormedValue::Text(Cow::Borrowed(status))))
}

/// Value in its form, not yet JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FormedValue<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    Boolean(bool),
    Sid(Sid),
    Guid(Guid),
    Moment(Timestamp),
    List(Vec<&'a str>),
}

/// Reason for which a value cannot be decoded in its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFault {
    /// The bytes are no text.
    #[error("its {0} bytes are not UTF-8 text")]
    Utf8(usize),
    /// The value is no decimal number, or one of more than 64 bits.
    #[error("it is not a whole number of 64 bits")]
    Integer,
    /// The number has more than 32 bits where the attribute holds bits.
    #[error("it is not a whole number of 32 bits")]
    Bits,
    /// The value is neither `TRUE` nor `FALSE`.
    #[error("it is neither TRUE nor FALSE")]
    Boolean,
    /// The value is no SID.
    #[error(transparent)]
    Sid(#[from] SidError),
    /// The value is no GUID.
    #[error(transparent)]
    Guid(#[from] GuidError),
    /// The value is neither digits alone nor a generalized time.
    #[error("it is neither a FILETIME number nor a generalized time: {0}")]
    Moment(#[from] TimeError),
    /// The group type has no text.
    #[error("group type {0} is neither global, domain local, universal nor builtin local")]
    GroupType(GroupType),
    /// The value is no distinguished name.
    #[error(transparent)]
    DistinguishedName(#[from] DnError),
}

fn text(value: &[u8]) -> Result<&str, DecodeFault> {
    std::str::from_utf8(value).map_err(|_| DecodeFault::Utf8(value.len()))
}

fn number(value: &[u8]) -> Option<i64> {
    // `parse` accepts a leading plus, which no LDAP syntax has.
    std::str::from_utf8(value)
        .ok()
        .filter(|text| !text.starts_with('+'))?
        .parse()
        .ok()
}

fn integer(value: &[u8]) -> Result<i64, DecodeFault> {
    number(value).ok_or(DecodeFault::Integer)
}

/// Parses the bits of a value. AD writes 32 bits as a signed number; other servers were seen to
/// write them unsigned.
fn bits(value: &[u8]) -> Result<u32, DecodeFault> {
    let number = number(value).ok_or(DecodeFault::Bits)?;
    i32::try_from(number)
        .map(i32::cast_unsigned)
        .or_else(|_| u32::try_from(number))
        .map_err(|_| DecodeFault::Bits)
}

fn boolean(value: &[u8]) -> Result<bool, DecodeFault> {
    if value.eq_ignore_ascii_case(b"TRUE") {
        Ok(true)
    } else if value.eq_ignore_ascii_case(b"FALSE") {
        Ok(false)
    } else {
        Err(DecodeFault::Boolean)
    }
}

/// Parses a moment. Digits alone are a FILETIME: a generalized time always ends with its zone.
fn moment(value: &[u8]) -> Result<Option<Timestamp>, DecodeFault> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        // A number of more than 64 bits is outside the years that R13 accepts, like any other too
        // great one.
        return Ok(number(value).and_then(Timestamp::from_filetime));
    }
    Ok(Timestamp::from_generalized_time(value)?)
}
