//! The lists that a review is made of, as the Qualys API gives them: whole, or with the reason why
//! not.
//!
//! Invariant (R36): a list is [`Listed::is_complete`] only when its last page ended and the account
//! that asked is shown everything. [`Listed::gaps`] has everything that was cut, restricted or
//! replaced.

use std::time::Duration;

use super::account::{ConsoleAccount, LastLogin};
use super::asset_group::AssetGroup;
use super::call::{ApiCall, Caller};
use super::error::ReviewError;
use super::role;
use super::xml::Element;
use crate::upstream::ApiServer;

/// Content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The user list.
pub const USER_LIST: ApiCall = ApiCall {
    path: "/msp/user_list.php",
    record: "USER",
    content_type: FORM,
};

/// The list of asset groups, in pages.
pub const ASSET_GROUP_LIST: ApiCall = ApiCall {
    path: "/api/2.0/fo/asset/group/",
    record: "ASSET_GROUP",
    content_type: FORM,
};

/// The search for users of the administration module, in pages.
pub const RBAC_SEARCH: ApiCall = ApiCall {
    path: "/qps/rest/2.0/search/am/user/",
    record: "User",
    content_type: "text/xml",
};

/// First page of asset groups, with the attributes that are used.
const FIRST_GROUPS: &str = "action=list&show_attributes=TITLE,OWNER,OWNER_USER_NAME,LAST_UPDATE,BUSINESS_IMPACT,USER_IDS,\
                            UNIT_IDS,HOST_IDS";

/// Most pages of one list.
const MOST_PAGES: usize = 10_000;

/// Most records of one list.
const MOST_RECORDS: usize = 200_000;

/// List with what is known to be missing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// Records that were read.
    pub records: Vec<T>,
    /// Gaps with their cause, a sentence each; none where the list is complete.
    pub gaps: Vec<String>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            gaps: Vec::new(),
        }
    }
}

impl<T> Listed<T> {
    /// Returns `true` when nothing is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// Reads the lists of the API server.
pub struct ConsoleReader(Caller);

impl ConsoleReader {
    /// Returns a reader of the lists of `server`. `give_up_after` bounds the waits of one call.
    #[must_use]
    pub const fn new(server: ApiServer, give_up_after: Duration) -> Self {
        Self(Caller::new(server, give_up_after))
    }

    /// Reads all accounts: the user list, or where the account may not use it the RBAC search.
    ///
    /// # Errors
    /// When neither gives a list.
    pub async fn accounts(&mut self) -> Result<Listed<ConsoleAccount>, ReviewError> {
        match self.user_list().await {
            Err(ReviewError::Denied { reason, .. }) => {
                let mut found = self.rbac_search().await?;
                found.gaps.insert(
                    0,
                    format!(
                        "the account may not use {} ({reason}), so the RBAC search was asked instead: it shows active \
                         accounts alone, no other Managers, no status, last login, external id, business unit and asset \
                         groups",
                        USER_LIST.path
                    ),
                );
                Ok(found)
            }
            listed => listed,
        }
    }

    async fn user_list(&mut self) -> Result<Listed<ConsoleAccount>, ReviewError> {
        let make: fn(&Element) -> ConsoleAccount = ConsoleAccount::of_user_list;
        let answered = self.0.call(USER_LIST, "", make).await?;
        let mut listed = Listed {
            records: answered.records,
            gaps: Vec::new(),
        };
        match answered.rest {
            Err(fault) => listed.gaps.push(format!("the user list is not whole: {fault}")),
            Ok(root) if root.name != "USER_LIST_OUTPUT" => return Err(self.unexpected(USER_LIST, &root)),
            Ok(_) => {}
        }
        let username = self.0.server().username();
        listed.gaps.extend(restrictions(&listed.records, username));
        Ok(listed)
    }

    async fn rbac_search(&mut self) -> Result<Listed<ConsoleAccount>, ReviewError> {
        let mut listed = Listed::default();
        let mut after: u64 = 0;
        for _ in 0..MOST_PAGES {
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ServiceRequest><preferences><limitResults>1000</limitResults>\
                 </preferences><filters><Criteria field=\"id\" operator=\"GREATER\">{after}</Criteria></filters></ServiceRequest>"
            );
            let make: fn(&Element) -> ConsoleAccount = ConsoleAccount::of_rbac_search;
            let answered = self.0.call(RBAC_SEARCH, &body, make).await?;
            listed.records.extend(answered.records);
            let root = match answered.rest {
                Ok(root) if root.name == "ServiceResponse" => root,
                Ok(root) => return Err(self.unexpected(RBAC_SEARCH, &root)),
                Err(fault) => {
                    listed.gaps.push(format!("the RBAC search is not whole: {fault}"));
                    return Ok(listed);
                }
            };
            if root.text_of("hasMoreRecords") != Some("true") {
                return Ok(listed);
            }
            let last = root.text_of("lastId").and_then(|id| id.parse().ok());
            match last.filter(|last| *last > after && listed.records.len() < MOST_RECORDS) {
                Some(last) => after = last,
                None => break,
            }
        }
        listed
            .gaps
            .push("the RBAC search is not whole: its pages do not end".to_owned());
        Ok(listed)
    }

    /// Reads all asset groups, page by page.
    ///
    /// # Errors
    /// When the first page gives no list. A later one that fails is a gap.
    pub async fn asset_groups(&mut self) -> Result<Listed<AssetGroup>, ReviewError> {
        let mut listed = Listed::default();
        let mut page = FIRST_GROUPS.to_owned();
        let mut asked = std::collections::BTreeSet::new();
        while asked.len() < MOST_PAGES && listed.records.len() < MOST_RECORDS && asked.insert(page.clone()) {
            let make: fn(&Element) -> AssetGroup = AssetGroup::of_list;
            let answered = match self.0.call(ASSET_GROUP_LIST, &page, make).await {
                Ok(answered) => answered,
                Err(error) if asked.len() == 1 => return Err(error),
                Err(error) => {
                    listed
                        .gaps
                        .push(format!("the list of asset groups is not whole: {error}"));
                    return Ok(listed);
                }
            };
            listed.records.extend(answered.records);
            let root = match answered.rest {
                Ok(root) if root.name == "ASSET_GROUP_LIST_OUTPUT" => root,
                Ok(root) => return Err(self.unexpected(ASSET_GROUP_LIST, &root)),
                Err(fault) => {
                    listed
                        .gaps
                        .push(format!("the list of asset groups is not whole: {fault}"));
                    return Ok(listed);
                }
            };
            match self.next_page(&root) {
                Ok(None) => return Ok(listed),
                Ok(Some(next)) => page = next,
                Err(reason) => {
                    listed
                        .gaps
                        .push(format!("the list of asset groups is not whole: {reason}"));
                    return Ok(listed);
                }
            }
        }
        listed
            .gaps
            .push("the list of asset groups is not whole: its pages do not end".to_owned());
        Ok(listed)
    }

    /// Returns the form of the next page, where `WARNING/URL` names one. It is followed only to the
    /// same call of the same server: the credentials go with it.
    fn next_page(&self, root: &Element) -> Result<Option<String>, String> {
        let response = root.child("RESPONSE").unwrap_or(root);
        let Some(warning) = response.child("WARNING") else {
            return Ok(None);
        };
        let Some(url) = warning.filled("URL") else {
            let text = warning.filled("TEXT").unwrap_or_default();
            return Err(format!(
                "it has a warning and no next page: {}",
                self.shown(&text)
            ));
        };
        let own = self.0.server().path_of(&url);
        match own.filter(|(path, _)| path == ASSET_GROUP_LIST.path) {
            Some((_, query)) if query.split('&').any(|pair| pair == "action=list") => Ok(Some(query)),
            _ => Err(format!(
                "its next page is not followed, since it is not {} of {}: {}",
                ASSET_GROUP_LIST.path,
                self.0.server().url(),
                self.shown(&url)
            )),
        }
    }

    fn shown(&self, text: &str) -> String {
        self.0.server().shown(text, 200)
    }

    fn unexpected(&self, call: ApiCall, root: &Element) -> ReviewError {
        ReviewError::NotUnderstood {
            call: call.path,
            reason: format!("its root is <{}>", self.shown(&root.name)),
        }
    }
}

/// Returns what the user list does not show to the account `username`.
fn restrictions(accounts: &[ConsoleAccount], username: &str) -> Vec<String> {
    let count = |is: fn(&ConsoleAccount) -> bool| accounts.iter().filter(|account| is(account)).count();
    let mut gaps = Vec::new();
    if accounts.is_empty() {
        gaps.push("the user list shows no account, not even that of the API".to_owned());
    }
    let own = accounts.iter().find(|account| {
        let login = account.login.as_deref();
        login.is_some_and(|login| login.eq_ignore_ascii_case(username))
    });
    if let Some(role) = own.and_then(|own| own.role.as_deref())
        && !matches!(
            role::find(role).map(|role| role.name),
            Some("Manager" | "User Administrator")
        )
    {
        gaps.push(format!(
            "the API account has the role {role}, to which Qualys shows the accounts of its own business unit alone"
        ));
    }
    let hidden = count(|account| account.login.is_none());
    if hidden > 0 {
        gaps.push(format!(
            "{hidden} of {} accounts come without a login: the API account sees them in part",
            accounts.len()
        ));
    }
    let unseen = count(|account| account.last_login == LastLogin::NotVisible);
    if unseen > 0 {
        gaps.push(format!(
            "the last login of {unseen} of {} accounts is not shown: Qualys shows it to Managers",
            accounts.len()
        ));
    }
    let unknown = count(|account| account.role.is_none());
    if unknown > 0 {
        gaps.push(format!(
            "the role of {unknown} of {} accounts is not shown",
            accounts.len()
        ));
    }
    gaps
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
