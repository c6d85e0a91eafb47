//! `uuid` of a connection in the file: its identity, which a new name does not change.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::DeValue;
use uuid::Uuid;

use super::keys::{KeyPlace, UUID};
use super::reading::TableReading;
use super::table::{GivenUuid, in_words};
use super::value::EnvironmentReferences;
use crate::config::environment::Variables;
use crate::config::refused::{ValueFault, quoted};

impl<V: Variables> TableReading<'_, V> {
    /// Reads the identity of a connection or a profile.
    pub(super) fn uuid(
        &mut self,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        place: KeyPlace,
        label: &str,
    ) -> Option<GivenUuid> {
        let line = self.line(&key.span());
        let said = in_words(label, UUID);
        if place == KeyPlace::Top {
            let fault = ValueFault::new("is of one connection", "write it in each [[connection]]");
            self.push(line, &said, fault);
            return None;
        }
        let uuid = self.uuid_of(value.get_ref());
        let uuid = uuid.map_err(|fault| self.push(line, &said, fault)).ok();
        Some(GivenUuid { uuid, line })
    }

    fn uuid_of(&mut self, value: &DeValue<'_>) -> Result<Uuid, ValueFault> {
        const ADVICE: &str =
            "write one such as `uuidgen` prints, or as `ad-connector connections export` does";
        let DeValue::String(text) = value else {
            return Err(ValueFault::new("is not a text", ADVICE));
        };
        let mut references = EnvironmentReferences::new(self.environment);
        let text = references.replaced(text);
        self.file.references.append(&mut references.names);
        let text = text?;
        // The form of RFC 9562 section 4 alone: hexadecimal digits and hyphens.
        let uuid = Uuid::try_parse(&text)
            .ok()
            .filter(|uuid| uuid.to_string().eq_ignore_ascii_case(&text) && !uuid.is_nil());
        uuid.ok_or_else(|| ValueFault::new(format!("{} is not a UUID", quoted(&text)), ADVICE))
    }
}
