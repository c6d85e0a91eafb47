//! Conditions of the scope that an object does not meet, in words.

use super::TracedObject;
use crate::identity::Kind;
use crate::sync::inspection::{FilterPart, KindMatch, ObjectPlace, PartResult, PresentObject};

impl TracedObject {
    /// Names every condition of the scope that the object does not meet.
    pub(super) fn scope_reason(&self, object: &PresentObject) -> String {
        let base = self.inspection().map_or("", |found| found.base.as_str());
        let mut causes = Vec::new();
        match object.place {
            ObjectPlace::InScope => {}
            ObjectPlace::NoBase => causes.push(format!(
                "the base context {base} does not exist, or the account may not see it"
            )),
            ObjectPlace::OutsideBase => causes.push(format!("it is not below the base context {base}")),
            ObjectPlace::OutsideSearchScope => causes.push(format!(
                "it is below the base context {base}, but deeper than AD_SEARCH_SCOPE reaches"
            )),
        }
        match object.kind {
            KindMatch::Read(_) => {}
            KindMatch::NotRead(kind) => {
                causes.push(format!(
                    "it is a {kind}, and AD_ASSETS does not name {}",
                    kind.plural()
                ));
            }
            KindMatch::None => causes.push(format!(
                "its object class is {}, which is no user, group, computer or role",
                object.class
            )),
        }
        causes.extend(object.filter.iter().filter_map(unmet));
        if causes.is_empty() {
            causes.push(
                "each condition matches by itself, and the search with all of them does not return it"
                    .to_owned(),
            );
        }
        causes.join(" and ")
    }
}

/// Names a part of the extra filter that does not match.
fn unmet(part: &FilterPart) -> Option<String> {
    let FilterPart { text, variable, .. } = part;
    match part.result {
        PartResult::Matches => None,
        PartResult::Refuses => Some(format!("it does not match {text} of {variable}")),
        PartResult::Undefined => Some(format!(
            "neither {text} of {variable} nor its opposite matches, so the account may not read what it tests"
        )),
    }
}

impl PresentObject {
    /// Advises on the first condition of the scope that the object does not meet.
    pub(super) fn scope_remedy(&self) -> Option<String> {
        let remedy = match (self.place, self.kind) {
            (ObjectPlace::NoBase, _) => "correct AD_BASE_CONTEXT, or let the account see it".to_owned(),
            (ObjectPlace::OutsideBase, _) => {
                "nothing; or another AD_BASE_CONTEXT, if it is to be read".to_owned()
            }
            (ObjectPlace::OutsideSearchScope, _) => {
                "nothing; or AD_SEARCH_SCOPE=subtree, if it is to be read".to_owned()
            }
            (ObjectPlace::InScope, KindMatch::NotRead(kind)) => {
                format!(
                    "nothing; or add {} to AD_ASSETS, if it is to be read",
                    kind.plural()
                )
            }
            (ObjectPlace::InScope, KindMatch::None) => return None,
            (ObjectPlace::InScope, KindMatch::Read(kind)) => filter_remedy(kind, &self.filter)?,
        };
        Some(remedy)
    }
}

fn filter_remedy(kind: Kind, filter: &[FilterPart]) -> Option<String> {
    let part = filter.iter().find(|part| part.result != PartResult::Matches)?;
    Some(match part.result {
        PartResult::Undefined => format!("grant the account Read Property on {}", kind.plural()),
        _ => format!(
            "nothing; or change {} or the object, if it is to be read",
            part.variable
        ),
    })
}
