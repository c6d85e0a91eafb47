//! Element of an answer.

/// Element with what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// Its name, without a prefix.
    pub name: String,
    /// Its own text, without space around it.
    pub text: String,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// The elements in it, in order, without records.
    pub children: Vec<Element>,
}

impl Element {
    /// Returns the first child of this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns the text of the first child of this name; `None` where there is no such child.
    #[must_use]
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// Returns the text of the first child of this name, where it holds any.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<String> {
        let text = self.text_of(name).filter(|text| !text.is_empty());
        text.map(str::to_owned)
    }

    /// Returns the value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}
