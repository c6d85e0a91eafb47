//! Form that an attribute has where its row names none.

use super::computed_source;
use super::form::Form;

/// Attributes with a natural form other than text, in lower case (MS-ADA1 to MS-ADA3 give their
/// syntaxes).
const NATURAL: &[(&str, Form)] = &[
    ("accountexpires", Form::Iso8601),
    ("badpasswordtime", Form::Iso8601),
    ("createtimestamp", Form::Iso8601),
    ("grouptype", Form::GroupType),
    ("lastlogoff", Form::Iso8601),
    ("lastlogon", Form::Iso8601),
    ("lastlogontimestamp", Form::Iso8601),
    ("lockouttime", Form::Iso8601),
    ("modifytimestamp", Form::Iso8601),
    ("ms-ds-consistencyguid", Form::Guid),
    ("ms-ds-creatorsid", Form::Sid),
    ("msds-lastfailedinteractivelogontime", Form::Iso8601),
    ("msds-lastsuccessfulinteractivelogontime", Form::Iso8601),
    ("msds-userpasswordexpirytimecomputed", Form::Iso8601),
    ("objectguid", Form::Guid),
    ("objectsid", Form::Sid),
    ("parentguid", Form::Guid),
    ("pwdlastset", Form::Iso8601),
    ("sidhistory", Form::Sid),
    ("whenchanged", Form::Iso8601),
    ("whencreated", Form::Iso8601),
];

impl Form {
    /// Returns the form that an attribute has when its row names none: that of its syntax in AD,
    /// else text.
    #[must_use]
    pub fn natural(attribute: &str) -> Self {
        let known = NATURAL
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        let pseudo = || computed_source::named(attribute).map_or(Self::Text, |pseudo| pseudo.form);
        known.map_or_else(pseudo, |(_, form)| *form)
    }
}
