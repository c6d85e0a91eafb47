//! Accounts and asset groups, and the documents that show them.

use std::fmt::Write as _;

use super::Options;

/// Account of the console. An element whose text is `None` is left out.
#[derive(Debug, Clone, Default)]
pub struct ConsoleUser {
    /// `USER_LOGIN`.
    pub login: Option<String>,
    /// `USER_ID`.
    pub id: Option<String>,
    /// `EXTERNAL_ID`.
    pub external_id: Option<String>,
    /// `FIRSTNAME`.
    pub first: String,
    /// `LASTNAME`.
    pub last: String,
    /// `TITLE`.
    pub title: String,
    /// `EMAIL`.
    pub email: String,
    /// Titles of `ASSIGNED_ASSET_GROUPS`.
    pub groups: Vec<String>,
    /// `USER_STATUS`.
    pub status: String,
    /// `CREATION_DATE`.
    pub created: String,
    /// `LAST_LOGIN_DATE`; left out where the options say so.
    pub last_login: Option<String>,
    /// `USER_ROLE`.
    pub role: Option<String>,
    /// `BUSINESS_UNIT`.
    pub unit: Option<String>,
    /// `MANAGER_POC`.
    pub is_primary: bool,
    /// Elements of `PERMISSIONS` that are 1.
    pub permissions: Vec<String>,
}

/// Asset group of the console.
#[derive(Debug, Clone, Default)]
pub struct ConsoleGroup {
    /// `ID`.
    pub id: u64,
    /// `TITLE`.
    pub title: String,
    /// Owner's `USER_ID`.
    pub owner: String,
    /// `OWNER_USER_NAME`.
    pub owner_name: String,
    /// Unit of the owner; 0 is none.
    pub unit: String,
    /// `BUSINESS_IMPACT`.
    pub impact: String,
    /// Assigned users.
    pub users: Vec<String>,
    /// Assigned units.
    pub units: Vec<String>,
    /// Hosts.
    pub hosts: Vec<String>,
}

/// `text` as CDATA, whatever it holds.
fn cdata(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

fn element(document: &mut String, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        let _ = write!(document, "<{name}>{}</{name}>", cdata(text));
    }
}

/// The user list.
pub(super) fn user_list(options: &Options) -> String {
    let mut document = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<!DOCTYPE USER_LIST_OUTPUT SYSTEM \
         \"https://qualysapi.qualys.example/user_list_output.dtd\">\n<USER_LIST_OUTPUT>\n<USER_LIST>\n",
    );
    for user in &options.users {
        document.push_str("<USER>\n");
        element(&mut document, "USER_LOGIN", user.login.as_deref());
        element(&mut document, "USER_ID", user.id.as_deref());
        element(&mut document, "EXTERNAL_ID", user.external_id.as_deref());
        document.push_str("<CONTACT_INFO>");
        for (name, text) in [
            ("FIRSTNAME", &user.first),
            ("LASTNAME", &user.last),
            ("TITLE", &user.title),
            ("EMAIL", &user.email),
        ] {
            element(&mut document, name, Some(text));
        }
        document.push_str("<PHONE>+49 30 1</PHONE><ADDRESS1/></CONTACT_INFO>\n");
        if !user.groups.is_empty() {
            document.push_str("<ASSIGNED_ASSET_GROUPS>");
            for group in &user.groups {
                element(&mut document, "ASSET_GROUP_TITLE", Some(group));
            }
            document.push_str("</ASSIGNED_ASSET_GROUPS>");
        }
        let _ = write!(
            document,
            "<USER_STATUS>{}</USER_STATUS><CREATION_DATE>{}</CREATION_DATE>",
            user.status, user.created
        );
        if options.shows_last_login {
            element(&mut document, "LAST_LOGIN_DATE", user.last_login.as_deref());
        }
        element(&mut document, "USER_ROLE", user.role.as_deref());
        element(&mut document, "BUSINESS_UNIT", user.unit.as_deref());
        let _ = write!(
            document,
            "<MANAGER_POC>{}</MANAGER_POC><PERMISSIONS>",
            u8::from(user.is_primary)
        );
        for permission in &user.permissions {
            let _ = write!(document, "<{permission}>1</{permission}>");
        }
        document.push_str("</PERMISSIONS></USER>\n");
    }
    document.push_str("</USER_LIST>\n</USER_LIST_OUTPUT>\n");
    document
}

/// The page of asset groups whose ids begin at `from`, and the URL of the next one.
pub(super) fn group_list(options: &Options, from: u64, base: &str) -> String {
    let mut document = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<ASSET_GROUP_LIST_OUTPUT><RESPONSE><DATETIME>2026-11-29T00:00:00Z</DATETIME>",
    );
    let mut groups: Vec<&super::ConsoleGroup> =
        options.groups.iter().filter(|group| group.id >= from).collect();
    groups.sort_by_key(|group| group.id);
    let (owner, unit, separator) = match options.other_names {
        true => ("OWNER_USER_ID", "OWNER_UNIT_ID", ","),
        false => ("OWNER_ID", "UNIT_ID", ", "),
    };
    let shown = &groups[..groups.len().min(options.page)];
    if !shown.is_empty() {
        document.push_str("<ASSET_GROUP_LIST>");
    }
    for group in shown {
        let _ = write!(document, "<ASSET_GROUP><ID>{}</ID>", group.id);
        element(&mut document, "TITLE", Some(&group.title));
        let _ = write!(
            document,
            "<{owner}>{}</{owner}><{unit}>{}</{unit}><LAST_UPDATE>2026-05-17T08:50:37Z</LAST_UPDATE>",
            group.owner, group.unit
        );
        element(&mut document, "BUSINESS_IMPACT", Some(&group.impact));
        element(&mut document, "OWNER_USER_NAME", Some(&group.owner_name));
        for (name, ids) in [
            ("HOST_IDS", &group.hosts),
            ("ASSIGNED_USER_IDS", &group.users),
            ("ASSIGNED_UNIT_IDS", &group.units),
        ] {
            if !ids.is_empty() {
                element(&mut document, name, Some(&ids.join(separator)));
            }
        }
        document.push_str("</ASSET_GROUP>\n");
    }
    if !shown.is_empty() {
        document.push_str("</ASSET_GROUP_LIST>");
    }
    if let Some(next) = groups.get(options.page) {
        let url = format!(
            "{base}/api/2.0/fo/asset/group/?action=list&truncation_limit={}&id_min={}",
            options.page, next.id
        );
        let _ = write!(
            document,
            "<WARNING><CODE>1980</CODE><TEXT>{} record limit exceeded. Use URL to get next batch of results.</TEXT><URL>{}</URL></WARNING>",
            options.page,
            cdata(&url)
        );
    }
    document.push_str("</RESPONSE></ASSET_GROUP_LIST_OUTPUT>");
    document
}

/// The answer of the RBAC search: active accounts that are no Managers, with ids above `after`.
pub(super) fn rbac(options: &Options, after: u64) -> String {
    let id = |user: &ConsoleUser| user.id.as_deref().and_then(|id| id.parse::<u64>().ok());
    let mut users: Vec<(u64, &ConsoleUser)> = options
        .users
        .iter()
        .filter(|user| user.status == "Active" && user.role.as_deref() != Some("Manager"))
        .filter_map(|user| Some((id(user)?, user)))
        .filter(|(id, _)| *id > after)
        .collect();
    users.sort_by_key(|(id, _)| *id);
    let shown = &users[..users.len().min(options.page)];
    let mut document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ServiceResponse><responseCode>SUCCESS</responseCode><count>{}</count>\
         <hasMoreRecords>{}</hasMoreRecords>",
        shown.len(),
        users.len() > shown.len()
    );
    if let Some((last, _)) = shown.last() {
        let _ = write!(document, "<lastId>{last}</lastId>");
    }
    document.push_str("<data>");
    for (id, user) in shown {
        let _ = write!(document, "<User><id>{id}</id>");
        element(&mut document, "username", user.login.as_deref());
        element(&mut document, "firstName", Some(&user.first));
        element(&mut document, "lastName", Some(&user.last));
        element(&mut document, "emailAddress", Some(&user.email));
        document.push_str("<roleList><list><RoleData><id>1</id>");
        element(&mut document, "name", user.role.as_deref());
        document.push_str("</RoleData></list></roleList></User>");
    }
    document.push_str("</data></ServiceResponse>");
    document
}
