//! Sources that a delta cannot follow (R31), and forms that the syntax of an attribute does not
//! fit.

use super::{Form, Mapping, RowSource, TableRow, computed_source};
use crate::identity::Kind;
use crate::schema::{self, AttributeDefinition, AttributeSyntax, Untracked};

/// Number of octets of a GUID.
const GUID_OCTETS: i64 = 16;

impl Mapping {
    /// Returns the sources of a kind's rows that a delta cannot follow, by the published schema.
    pub fn find_untracked_sources(
        &self,
        kind: Kind,
    ) -> impl Iterator<Item = (&TableRow, &RowSource, Untracked)> {
        self.rows(kind)
            .iter()
            .flat_map(|row| row.sources().iter().map(move |source| (row, source)))
            .filter(|(_, source)| !source.is_tracked_otherwise())
            .filter_map(|(row, source)| Some((row, source, schema::classify(&source.name)?)))
    }
}

impl RowSource {
    /// Returns `true` when a delta follows the row although the attribute itself does not show its
    /// changes: of an account's status, a change other than by the clock changes
    /// `userAccountControl`, `lockoutTime`, `pwdLastSet` or `accountExpires` of the object itself;
    /// `memberOf` follows the groups that hold it.
    #[must_use]
    pub fn is_tracked_otherwise(&self) -> bool {
        self.form == Form::AccountStatus || self.is_member_of()
    }

    /// Returns `true` for `memberOf`, which a delta follows through the groups of the domain.
    #[must_use]
    pub fn is_member_of(&self) -> bool {
        self.name.eq_ignore_ascii_case("memberOf")
            && matches!(self.form, Form::Text | Form::List | Form::DnName)
    }

    /// Returns `true` for an attribute to request from the directory, and not for a name of a value
    /// that is computed from several.
    #[must_use]
    pub fn is_of_the_directory(&self) -> bool {
        !self.is_dn() && computed_source::named(&self.name).is_none()
    }

    /// Returns the name of a form that fits the definition better than the one of this source, or
    /// an empty text where no form does; `None` where the form fits.
    #[must_use]
    pub fn suggest_form(&self, definition: &AttributeDefinition) -> Option<&'static str> {
        if self.form.fits(definition.syntax) {
            return None;
        }
        let natural = Form::natural(&definition.name);
        if natural != Form::Text && natural.fits(definition.syntax) {
            return Some(natural.name());
        }
        Some(match definition.syntax {
            AttributeSyntax::Sid => Form::Sid.name(),
            AttributeSyntax::Octets if definition.length == Some(GUID_OCTETS) => Form::Guid.name(),
            AttributeSyntax::Octets | AttributeSyntax::SecurityDescriptor => "",
            AttributeSyntax::Boolean => Form::Boolean.name(),
            AttributeSyntax::Integer => Form::Integer.name(),
            AttributeSyntax::LargeInteger | AttributeSyntax::Time => Form::Iso8601.name(),
            AttributeSyntax::Name | AttributeSyntax::Text => Form::Text.name(),
        })
    }
}

impl Form {
    /// Returns `true` when values of the syntax can be decoded in this form. Text accepts any
    /// syntax that is written as text.
    const fn fits(self, syntax: AttributeSyntax) -> bool {
        match self {
            Self::AccountStatus => true,
            Self::Text | Self::List => !matches!(
                syntax,
                AttributeSyntax::Octets | AttributeSyntax::SecurityDescriptor | AttributeSyntax::Sid
            ),
            Self::Integer | Self::GroupType | Self::AccountEnabled | Self::UacFlags => {
                matches!(
                    syntax,
                    AttributeSyntax::Integer | AttributeSyntax::LargeInteger | AttributeSyntax::Text
                )
            }
            Self::Boolean => matches!(syntax, AttributeSyntax::Boolean | AttributeSyntax::Text),
            Self::Sid => matches!(syntax, AttributeSyntax::Sid | AttributeSyntax::Octets),
            Self::Guid => matches!(syntax, AttributeSyntax::Octets),
            Self::Iso8601 | Self::EpochMs => {
                matches!(
                    syntax,
                    AttributeSyntax::Time | AttributeSyntax::LargeInteger | AttributeSyntax::Text
                )
            }
            Self::DnName => matches!(syntax, AttributeSyntax::Name | AttributeSyntax::Text),
        }
    }
}
