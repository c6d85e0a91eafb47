//! Variables of the service that its connections of the API share.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use super::body::is_inherited;
use super::environment::Variables;

/// Variables of the service that its connections of the API share: the gateway with its
/// credentials, and what an operator decides for every connection. They hold secrets.
#[derive(Clone, Default)]
pub struct InheritedVariables(BTreeMap<String, OsString>);

impl InheritedVariables {
    /// Takes them from the variables of the process.
    pub(super) fn of(variables: &impl Variables) -> Self {
        let names = variables.names();
        let inherited = names
            .iter()
            .filter(|name| is_inherited(name))
            .filter_map(|name| Some((name.clone(), variables.get(name)?)))
            .filter(|(_, value)| !value.is_empty());
        Self(inherited.collect())
    }

    /// Returns the value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&OsString> {
        self.0.get(name)
    }

    /// Returns the names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

impl fmt::Debug for InheritedVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
