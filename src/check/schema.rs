//! The step of `check` and of `mapping check` that asks the schema of the forest for every
//! attribute that mapping and extra filters name (R31).

use std::collections::BTreeMap;

use crate::config::{self, DeltaMethod, SearchScope};
use crate::directory::{Entry, LdapSearch, Session};
use crate::exit_code::USAGE;
use crate::mapping::{Mapping, RowSource};
use crate::schema::{self, AttributeDefinition, AttributeSyntax};

use super::failure::StepFailure;

/// Names in one filter, as few as keep it small.
const NAMES_PER_FILTER: usize = 50;

/// Result of the comparison of the attributes in use with the schema.
#[derive(Debug)]
pub struct SchemaReport {
    /// One line.
    pub summary: String,
    /// Lines on attributes that work, but not as one may expect.
    pub notes: Vec<String>,
}

/// One place that names an attribute.
struct AttributeUse<'a> {
    /// The name without options.
    name: &'a str,
    /// The place in words.
    place: String,
    /// The source of a row; `None` in a filter.
    source: Option<&'a RowSource>,
}

/// Asks the schema for every attribute that the mapping and the extra filters of `connection` name.
///
/// # Errors
/// Every attribute that the schema does not know, that a delta cannot follow, or that its form does
/// not fit, each with what to use instead; and as any search.
pub async fn check_schema(
    session: &mut Session,
    connection: &config::ConnectionSettings,
    mapping: &Mapping,
) -> Result<SchemaReport, StepFailure> {
    let uses = collect_uses(connection, mapping);
    let Some(context) = read_naming_context(session).await? else {
        return Ok(report_not_shown());
    };
    let names: BTreeMap<String, &str> = uses
        .iter()
        .map(|named| (named.name.to_ascii_lowercase(), named.name))
        .collect();
    let names: Vec<&str> = names.into_values().collect();
    let mut known = Vec::new();
    for chunk in names.chunks(NAMES_PER_FILTER) {
        known.extend(read_definitions(session, &context, &build_filter(chunk)).await?);
    }
    let is_missing = |named: &&AttributeUse<'_>| find_definition(&known, named.name).is_none();
    let mut all = Vec::new();
    if uses.iter().any(|named| is_missing(&named)) {
        all = read_definitions(session, &context, "(objectClass=attributeSchema)").await?;
        if all.is_empty() {
            return Ok(report_not_shown());
        }
    }
    let mut report = SchemaFindings::default();
    for named in &uses {
        match find_definition(&known, named.name) {
            None => report.faults.push(describe_unknown(named, &all)),
            Some(definition) => report.judge(named, definition, connection.directory.delta),
        }
    }
    report.conclude(names.len())
}

/// Returns the report for a schema that the account cannot read. Every account of a new forest can
/// read it.
fn report_not_shown() -> SchemaReport {
    SchemaReport {
        summary: "not shown to the account, so the names of attributes were not looked up".to_owned(),
        notes: Vec::new(),
    }
}

/// Collects every place that names an attribute of the directory: rows, then filters.
fn collect_uses<'a>(
    connection: &'a config::ConnectionSettings,
    mapping: &'a Mapping,
) -> Vec<AttributeUse<'a>> {
    let mut uses = Vec::new();
    for (kind, extra) in &connection.profile.assets {
        for row in mapping.rows(*kind) {
            let sources = row.sources().iter().filter(|source| source.is_of_the_directory());
            uses.extend(sources.map(|source| AttributeUse {
                name: schema::strip_options(&source.name),
                place: format!("[[{kind}]] {}", row.target),
                source: Some(source),
            }));
        }
        let terms = extra.iter().flat_map(|extra| config::split_filter(extra));
        let named = terms.map(|(attribute, _)| schema::strip_options(attribute));
        uses.extend(named.filter(|name| !name.is_empty()).map(|name| AttributeUse {
            name,
            place: format!("the extra filter for {}", kind.plural()),
            source: None,
        }));
    }
    uses
}

/// Returns the DN of the schema, from rootDSE (MS-ADTS 3.1.1.3.2).
async fn read_naming_context(session: &mut Session) -> Result<Option<String>, StepFailure> {
    const ATTRIBUTE: &str = "schemaNamingContext";
    let root = session.lookup("", &[ATTRIBUTE], false).await?;
    let context = root.as_ref().and_then(|root| root.text(ATTRIBUTE));
    Ok(context.map(str::to_owned))
}

fn build_filter(names: &[&str]) -> String {
    let term = |name: &&str| {
        let attribute = if is_oid(name) {
            "attributeID"
        } else {
            "lDAPDisplayName"
        };
        format!("({attribute}={})", ldap3::ldap_escape(*name))
    };
    let terms: String = names.iter().map(term).collect();
    format!("(&(objectClass=attributeSchema)(|{terms}))")
}

fn is_oid(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_digit())
}

/// Returns the definitions that `filter` selects, page by page.
async fn read_definitions(
    session: &Session,
    context: &str,
    filter: &str,
) -> Result<Vec<AttributeDefinition>, StepFailure> {
    let attributes = [
        "lDAPDisplayName",
        "attributeID",
        "attributeSyntax",
        "linkID",
        "systemFlags",
        "searchFlags",
        "rangeLower",
        "rangeUpper",
    ];
    let search = LdapSearch {
        base: context.to_owned(),
        scope: SearchScope::OneLevel,
        filter: filter.to_owned(),
        attributes: attributes.map(str::to_owned).to_vec(),
        show_deleted: false,
    };
    let mut found = Vec::new();
    let take = |entry: &Entry| found.extend(parse_definition(entry));
    session.each_entry(search, take).await?;
    Ok(found)
}

/// An attribute that is absent has the value 0, of `linkID` none.
fn parse_definition(entry: &Entry) -> Option<AttributeDefinition> {
    let number = |name: &str| entry.text(name).and_then(|text| text.parse::<i64>().ok());
    let (lower, upper) = (number("rangeLower"), number("rangeUpper"));
    Some(AttributeDefinition {
        name: entry.text("lDAPDisplayName")?.to_owned(),
        oid: entry.text("attributeID").unwrap_or_default().to_owned(),
        link_id: number("linkID"),
        system_flags: number("systemFlags").unwrap_or(0),
        search_flags: number("searchFlags").unwrap_or(0),
        syntax: AttributeSyntax::from_oid(entry.text("attributeSyntax").unwrap_or_default()),
        length: lower.filter(|lower| Some(*lower) == upper),
    })
}

fn find_definition<'a>(known: &'a [AttributeDefinition], name: &str) -> Option<&'a AttributeDefinition> {
    known
        .iter()
        .find(|definition| definition.name.eq_ignore_ascii_case(name) || definition.oid == name)
}

fn describe_unknown(named: &AttributeUse<'_>, all: &[AttributeDefinition]) -> String {
    let names = all.iter().map(|definition| definition.name.as_str());
    let hint = match config::nearest(named.name, names) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "leave it out, or extend the schema first".to_owned(),
    };
    format!("`{}` ({}) is not in the schema; {hint}", named.name, named.place)
}

/// Faults, and notes worth knowing; each line once.
#[derive(Default)]
struct SchemaFindings {
    faults: Vec<String>,
    notes: Vec<String>,
}

impl SchemaFindings {
    fn judge(&mut self, named: &AttributeUse<'_>, definition: &AttributeDefinition, delta: DeltaMethod) {
        let name = &definition.name;
        let of = format!("`{name}` ({})", named.place);
        let followed = named.source.is_some_and(RowSource::is_tracked_otherwise);
        match definition.classify().filter(|_| !followed) {
            Some(reason) if delta != DeltaMethod::Off => {
                let instead = match named.source {
                    Some(_) => schema::suggest_for_source(name),
                    None => schema::suggest_for_filter(name),
                };
                self.faults
                    .push(format!("{of} {reason}; {}", schema::describe_remedy(instead)));
                return;
            }
            Some(schema::Untracked::Constructed) if named.source.is_none() => self.notes.push(format!(
                "{of} is constructed, and a search by it may find nothing"
            )),
            _ => {}
        }
        if definition.is_confidential() {
            self.notes.push(format!(
                "{of} is confidential: the account needs the right Control Access on it beside Read Property, else it counts as \
                 absent"
            ));
        }
        if let Some(source) = named.source {
            self.judge_source(&of, source, definition);
        }
    }

    fn judge_source(&mut self, of: &str, source: &RowSource, definition: &AttributeDefinition) {
        let name = &definition.name;
        if !schema::strip_options(&source.name).eq_ignore_ascii_case(name) {
            self.faults.push(format!(
                "`{}` is the OID of {of}, and a controller answers by name; write source = \"{name}\"",
                source.name
            ));
        }
        if source.is_member_of() {
            self.notes.push(format!(
                "{of} is a back-link, which follows the groups of the own domain alone; `@groups` has the primary group as well"
            ));
        }
        if definition.differs_by_controller() {
            self.notes.push(format!(
                "{of} has another value on each controller: after a change of controller every object is sent again"
            ));
        }
        let holds = format!("{of} holds {}", definition.syntax.describe());
        match source.suggest_form(definition) {
            None => {}
            Some("") => self.notes.push(format!(
                "{holds}, and the form {} leaves out every value that is no text",
                source.form.name()
            )),
            Some(better) => self.faults.push(format!(
                "{holds}, which the form {} cannot read; write form = \"{better}\"",
                source.form.name()
            )),
        }
    }

    fn conclude(mut self, count: usize) -> Result<SchemaReport, StepFailure> {
        for lines in [&mut self.faults, &mut self.notes] {
            let mut said = std::collections::BTreeSet::new();
            lines.retain(|line| said.insert(line.clone()));
        }
        if self.faults.is_empty() {
            return Ok(SchemaReport {
                summary: format!("has all {count} attributes of mapping and extra filters"),
                notes: self.notes,
            });
        }
        let lines = self.faults.into_iter().chain(self.notes);
        Err(StepFailure::new(
            USAGE,
            lines.collect::<Vec<_>>().join("\n"),
            "correct the rows and filters that are named (docs/mapping.md)",
        ))
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
