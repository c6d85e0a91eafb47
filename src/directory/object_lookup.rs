//! Reading of one object.

use super::entry::Entry;
use super::error::DirectoryError;
use super::operation::SearchOperation;
use super::ranges;
use super::result_code::LdapResult;
use super::session_line::SessionLine;
use crate::config;

impl SessionLine {
    /// Asks for at most one entry and gives the result with it, where it came.
    ///
    /// # Errors
    /// As any operation, but not for a result that is no success.
    pub async fn one(
        &self,
        question: SearchOperation<'_>,
    ) -> Result<(LdapResult, Option<Entry>), DirectoryError> {
        let mut answer = self.begin(question).await?;
        let mut entries = Vec::new();
        while !answer.has_ended() {
            entries.extend(self.more(&mut answer).await?);
        }
        let outcome = self.end(answer).await?.outcome;
        Ok((outcome, entries.pop()))
    }

    /// Reads one object; `None` for "no such object".
    ///
    /// # Errors
    /// As [`Session::lookup`](super::Session::lookup).
    pub async fn object(
        &self,
        dn: &str,
        attributes: &[&str],
        show_deleted: bool,
    ) -> Result<Option<Entry>, DirectoryError> {
        let Some(mut entry) = self.shown(dn, attributes, show_deleted).await? else {
            return Ok(None);
        };
        if ranges::is_partial(&entry) {
            let whole = ranges::complete(self, entry, show_deleted).await?;
            entry = whole.ok_or_else(|| self.unsound(format!("\"{dn}\" vanished while it was read")))?;
        }
        match entry.incomplete() {
            None => Ok(Some(entry)),
            Some(reason) => Err(self.unsound(format!("\"{}\": {reason}", entry.dn))),
        }
    }

    /// Reads one object as [`SessionLine::object`] does, but with ranges as the server gives them.
    ///
    /// # Errors
    /// As [`Session::lookup`](super::Session::lookup).
    pub async fn shown(
        &self,
        dn: &str,
        attributes: &[&str],
        show_deleted: bool,
    ) -> Result<Option<Entry>, DirectoryError> {
        let (outcome, entry) = self.answer_about(dn, attributes, show_deleted).await?;
        match (outcome.code, entry) {
            (0, Some(entry)) => Ok(Some(entry)),
            (0, None) => Err(self.unsound(format!(
                "the server gives neither \"{dn}\" nor says that there is no such object"
            ))),
            (32, _) => Ok(None),
            _ => Err(self.refused(dn, outcome)),
        }
    }

    /// Asks for one object and gives the result with the object, where it came.
    ///
    /// # Errors
    /// As any operation, but not for a result that is no success.
    pub async fn answer_about(
        &self,
        dn: &str,
        attributes: &[&str],
        show_deleted: bool,
    ) -> Result<(LdapResult, Option<Entry>), DirectoryError> {
        let question = SearchOperation {
            base: dn,
            scope: config::SearchScope::Base,
            filter: "(objectClass=*)",
            attributes: attributes.iter().map(|&name| name.to_owned()).collect(),
            controls: self
                .deleted_control(show_deleted)
                .into_iter()
                // A name in rootDSE is used as a base, which has the plain form.
                .chain(self.extended_names_control().filter(|_| !dn.is_empty()))
                .collect(),
            most: 1,
        };
        self.one(question).await
    }
}
