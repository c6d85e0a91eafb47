//! Views without names of people, for requests without a token.
//!
//! Counts and times contain no names. Sentences may: an error quotes the answer of a controller or
//! the gateway, and a reason names the container that was moved. Every text that could be such a
//! quotation is left out.

use std::sync::LazyLock;

use regex::Regex;

use super::{ConnectionView, RunView};

/// Replacement for the text that was left out.
const LEFT_OUT: &str = "… (in full with a token)";

/// Beginnings of quoted texts; each group precedes one.
///
/// - the gateway's words after `status 400`, and those of a panic;
/// - a quotation mark before a controller's words, a name or a filter;
/// - an attribute with its value, as in a DN, and not a variable, in whose names are underscores;
/// - an account, a mail address or a principal.
static QUOTATION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:\bstatus \d{3}[^:]*|\bpanicked)(: )|(["`“])|(\(?\b[A-Za-z0-9.-]+ ?=)|(\(?[^\s(]*[@\\])"#)
        .ok()
});

/// View that can be shown without names of people.
pub trait WithoutNames {
    /// Returns the view without them.
    #[must_use]
    fn without_names(self) -> Self;
}

impl WithoutNames for ConnectionView {
    fn without_names(self) -> Self {
        Self {
            last_error: self.last_error.map(|error| cut(&error)),
            configuration: None,
            last_run: self.last_run.map(RunView::without_names),
            ..self
        }
    }
}

impl WithoutNames for RunView {
    fn without_names(self) -> Self {
        Self {
            reason: cut(&self.reason),
            error: self.error.map(|error| cut(&error)),
            ..self
        }
    }
}

/// Returns the sentence up to the first quotation. Nothing after that is shown, since it may hold
/// the end of a quotation.
fn cut(sentence: &str) -> String {
    let quotation = QUOTATION.as_ref().map(|quotation| quotation.captures(sentence));
    let begins = match quotation {
        None => 0,
        Some(None) => return sentence.to_owned(),
        Some(Some(found)) => found
            .iter()
            .skip(1)
            .flatten()
            .next()
            .map_or(0, |group| group.start()),
    };
    let kept = sentence.get(..begins).unwrap_or_default();
    format!("{} {LEFT_OUT}", kept.trim_end_matches([' ', '(', ':', ',']))
        .trim_start()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{DirectoryError, LdapResult};
    use crate::sync::RunError;

    #[test]
    fn what_others_wrote_is_left_out() {
        let outcome = LdapResult::new(32, "CN=Anna \"Zo\" Smith,DC=corp", "no Anna here\0", Vec::new());
        let search = DirectoryError::Search {
            host: "dc1.corp.example".to_owned(),
            base: "CN=Anna Smith,OU=Sales,DC=corp".to_owned(),
            outcome: outcome.clone(),
        };
        let bind = |account: &str| DirectoryError::Bind {
            host: "dc1.corp.example".to_owned(),
            account: account.to_owned(),
            outcome: outcome.clone(),
        };
        let panicked = RunError::Panicked {
            task: "stage",
            cause: "Anna Smith".to_owned(),
        };
        let texts = [
            RunError::from(search).to_string(),
            RunError::from(bind("CN=Anna Smith,DC=corp")).to_string(),
            RunError::from(bind("CORP\\anna")).to_string(),
            RunError::from(bind("anna@corp.example")).to_string(),
            "gave up 9 s after the first failure (requests made: 3): status 400: Anna is unknown".to_owned(),
            panicked.to_string(),
            "status 200, but its body is not understood: Anna".to_owned(),
            "CN=Anna,DC=corp was renamed or moved to OU=Sales,DC=corp".to_owned(),
        ];
        for text in texts {
            assert!(text.to_lowercase().contains("anna"), "{text}");
            let shown = cut(&text);
            assert!(!shown.to_lowercase().contains("anna"), "{shown}");
            assert!(!shown.contains("DC=corp"), "{shown}");
            assert!(shown.ends_with(LEFT_OUT), "{shown}");
        }
    }

    #[test]
    fn what_the_program_says_itself_is_kept() {
        for text in [
            "3 objects were rejected",
            "dc1: no connection to port 636 (127.0.0.1:1: Connection refused (os error 111))",
            "gave up 900 s after the first failure (requests made: 7): status 503",
            "8 of 221 users are gone, above REMOVAL_MAX_COUNT=5 or REMOVAL_MAX_PERCENT=10: nothing was removed",
            "baseline schedule",
            "since uSNChanged 4000",
        ] {
            assert_eq!(cut(text), text);
        }
        assert_eq!(
            cut("the gateway refused each of 3 requests in a row, whatever they held: status 400: no"),
            format!(
                "the gateway refused each of 3 requests in a row, whatever they held: status 400 {LEFT_OUT}"
            )
        );
    }
}
