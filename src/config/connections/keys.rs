//! The keys of the file: the variables in lower case, and a few that the file alone has.

use crate::config::variables::{self as v, VariableDefinition};

/// A table of one directory.
pub(in crate::config) const CONNECTION: &str = "connection";
/// A table of one profile, within a connection.
pub(in crate::config) const PROFILE: &str = "profile";

/// A schedule of any form, in a `[[connection]]` and in a `[[connection.profile]]`.
pub(in crate::config) const SCHEDULE: &str = "schedule";

/// Baselines with a zone of their own, in the same places.
pub(in crate::config) const BASELINE: &str = "baseline";

/// Identity of a connection, in the same places.
pub(in crate::config) const UUID: &str = "uuid";

/// Short names of keys, in a `[[connection]]` and in a `[[connection.profile]]`.
pub(in crate::config) const SHORT: [(&str, &VariableDefinition); 3] = [
    ("name", &v::CONNECTION_NAME),
    ("description", &v::CONNECTION_DESCRIPTION),
    ("member_of", &v::AD_MEMBER_OF),
];

/// Variables that can only be meant for one connection, and so have no place at the top level, nor
/// beside the file.
pub(super) const PER_CONNECTION: [&VariableDefinition; 2] = [&v::CONNECTION_NAME, &v::CONNECTION_DESCRIPTION];

/// Variables that may be written as a list.
pub(in crate::config) const LISTS: [&VariableDefinition; 9] = [
    &v::AD_HOST,
    &v::AD_CERTIFICATE_SHA256,
    &v::AD_ASSETS,
    &v::NO_PROXY,
    &v::REVIEW_MATCH,
    &v::REVIEW_ALLOW,
    &v::HTTP_TARGET_PORTS,
    &v::HTTP_TARGET_HOSTS,
    &v::LOG_LEVEL,
];

/// The groups of the settings that exist once in a process, whatever the number of connections.
pub(in crate::config) const PROCESS: [&str; 2] = ["Review of Qualys accounts", "State, HTTP and log"];

/// Read in lower case as well, as by other programs.
const LOWER_CASE_TOO: [&VariableDefinition; 2] = [&v::HTTPS_PROXY, &v::NO_PROXY];

/// Place of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPlace {
    /// The top level of the file.
    Top,
    /// A `[[connection]]` or a `[[connection.profile]]`.
    Inner,
}

/// Returns the variable that a key sets, by its name: `AD_HOST`, or `AD_PASSWORD_FILE`. `None` for
/// a key that is not known.
pub(super) fn variable(key: &str, place: KeyPlace) -> Option<(&'static VariableDefinition, String)> {
    if place == KeyPlace::Inner
        && let Some((_, variable)) = SHORT.iter().find(|(short, _)| *short == key)
    {
        return Some((variable, variable.name.to_owned()));
    }
    v::all().find_map(|variable| {
        let names = [Some(variable.name.to_owned()), variable.file_name()];
        let name = names
            .into_iter()
            .flatten()
            .find(|name| name.to_ascii_lowercase() == key)?;
        Some((variable, name))
    })
}

/// Returns every key that may stand in this place.
pub(super) fn known(place: KeyPlace) -> Vec<String> {
    let short = SHORT.iter().map(|(short, _)| (*short).to_owned());
    let all = v::all()
        .filter(|variable| misplaced(variable, place).is_none())
        .flat_map(|variable| [Some(variable.name.to_owned()), variable.file_name()])
        .flatten()
        .map(|name| name.to_ascii_lowercase());
    match place {
        KeyPlace::Top => all.chain([CONNECTION.to_owned()]).collect(),
        KeyPlace::Inner => all
            .chain(short)
            .chain([PROFILE, SCHEDULE, BASELINE, UUID].map(str::to_owned))
            .collect(),
    }
}

/// Returns cause and advice when a variable cannot be set in this place.
pub(super) fn misplaced(
    variable: &VariableDefinition,
    place: KeyPlace,
) -> Option<(&'static str, &'static str)> {
    if *variable == v::CONNECTIONS_FILE {
        return Some(("names this very file", "set it in the environment alone"));
    }
    match place {
        KeyPlace::Top if PER_CONNECTION.contains(&variable) => Some((
            "is of one connection",
            "write name and description in each [[connection]]",
        )),
        KeyPlace::Inner if is_of_the_process(variable) => Some((
            "is of the whole service, not of one connection",
            "write it above the first [[connection]], or set it in the environment",
        )),
        KeyPlace::Top | KeyPlace::Inner => None,
    }
}

fn is_of_the_process(variable: &VariableDefinition) -> bool {
    v::GROUPS
        .iter()
        .any(|group| PROCESS.contains(&group.title) && group.variables.contains(variable))
}

/// Returns every form of a variable: itself, as a file, in the lower case of the proxy variables. A
/// layer that sets one of the forms sets them all.
pub(super) fn forms(name: &str) -> Vec<String> {
    let same = |variable: &&VariableDefinition| {
        variable.name == name
            || variable.file_name().as_deref() == Some(name)
            || (LOWER_CASE_TOO.contains(variable) && variable.name.to_ascii_lowercase() == name)
    };
    let Some(variable) = v::all().find(same) else {
        return vec![name.to_owned()];
    };
    let lower = LOWER_CASE_TOO
        .contains(&variable)
        .then(|| variable.name.to_ascii_lowercase());
    [Some(variable.name.to_owned()), variable.file_name(), lower]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns a text of the program in the file's spelling: names of variables in lower case, but for
/// what is quoted.
pub(super) fn in_lower_case(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| {
        if index % 2 == 1 {
            return part.to_owned();
        }
        part.split_inclusive(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .map(|word| {
                let name = word.trim_end_matches(|character: char| {
                    !character.is_ascii_alphanumeric() && character != '_'
                });
                if v::position(name).is_some() {
                    word.to_ascii_lowercase()
                } else {
                    word.to_owned()
                }
            })
            .collect()
    });
    parts.collect::<Vec<String>>().join("`")
}
