//! Grammar of RFC 4514 section 3.

use super::Rdn;

/// Error in the text, with its place in bytes.
pub(super) struct DnFault {
    pub(super) at: usize,
    pub(super) reason: &'static str,
}

/// Pair of `type=value`.
struct DnPair {
    kind: String,
    value: String,
}

/// Returns the steps of `text`, in the order written.
pub(super) fn rdns(text: &str) -> Result<Vec<Rdn>, DnFault> {
    let mut rdns = Vec::new();
    let mut rest = DnCursor { text, at: 0 };
    rest.spaces();
    if rest.peek().is_none() {
        return Ok(rdns);
    }
    loop {
        let start = rest.at;
        let mut pairs = vec![rest.pair()?];
        while rest.take('+') {
            rest.spaces();
            pairs.push(rest.pair()?);
        }
        rdns.push(step(start, pairs));
        if !rest.take(',') {
            return Ok(rdns);
        }
        rest.spaces();
    }
}

fn step(start: usize, pairs: Vec<DnPair>) -> Rdn {
    // The pairs of a multi-valued step are a set (X.501), so their order does not count.
    let mut folded: Vec<String> = pairs
        .iter()
        .map(|pair| format!("{}={}", fold(&pair.kind), escape(&fold(&pair.value))))
        .collect();
    folded.sort();
    let (kind, value) = pairs
        .into_iter()
        .next()
        .map(|pair| (pair.kind, pair.value))
        .unwrap_or_default();
    Rdn {
        start,
        kind,
        value,
        folded: folded.join("+"),
    }
}

/// Folds case, the same for every way to write a name and for the folded name itself. Through upper
/// case: some letters have two lower-case forms (sigma) that are equal only there. From lower case:
/// some have two upper-case forms (ẞ and SS).
fn fold(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Escapes a value for [`super::DistinguishedName::escape_value`]. Control characters are written
/// as hex pairs, as AD writes them.
pub(super) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => escaped.extend(['\\', character]),
            '#' if at == 0 => escaped.push_str("\\#"),
            ' ' if at == 0 || at == last => escaped.push_str("\\ "),
            '\0'..='\u{1f}' | '\u{7f}' => escaped.push_str(&format!("\\{:02X}", u32::from(character))),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Rest of the text.
struct DnCursor<'a> {
    text: &'a str,
    at: usize,
}

impl DnCursor<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn spaces(&mut self) {
        while self.take(' ') {}
    }

    fn fault<T>(&self, reason: &'static str) -> Result<T, DnFault> {
        Err(DnFault { at: self.at, reason })
    }

    fn pair(&mut self) -> Result<DnPair, DnFault> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
        {
            self.next();
        }
        let kind = self.text.get(start..self.at).unwrap_or_default().to_owned();
        if kind.is_empty() {
            return self.fault("an attribute type such as CN, OU or DC is missing");
        }
        self.spaces();
        if !self.take('=') {
            return self.fault("`=` is missing after the attribute type");
        }
        self.spaces();
        Ok(DnPair {
            kind,
            value: self.value()?,
        })
    }

    /// Reads the value up to the next separator, which is left in place; spaces before the
    /// separator are not part of it.
    fn value(&mut self) -> Result<String, DnFault> {
        let start = self.at;
        let mut bytes = Vec::new();
        // Length up to the last character that is not a bare space.
        let mut kept = 0;
        while let Some(character) = self.peek() {
            match character {
                ',' | '+' => break,
                '"' | ';' | '<' | '>' => {
                    return self.fault("one of `\"`, `;`, `<`, `>` stands without a `\\` before it");
                }
                '\\' => {
                    self.next();
                    self.escaped(&mut bytes)?;
                    kept = bytes.len();
                }
                _ => {
                    self.next();
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    if character != ' ' {
                        kept = bytes.len();
                    }
                }
            }
        }
        bytes.truncate(kept);
        String::from_utf8(bytes).map_err(|_| DnFault {
            at: start,
            reason: "the escaped bytes of the value are not UTF-8",
        })
    }

    /// Reads the characters after a backslash: two hexadecimal digits (one octet), or else any one
    /// character, which then stands for itself. RFC 4514 section 2.4 requires a backslash before a
    /// few characters; Samba writes one before `?`, and Windows before every `#`.
    fn escaped(&mut self, bytes: &mut Vec<u8>) -> Result<(), DnFault> {
        let Some(first) = self.next() else {
            return self.fault("nothing follows the `\\`");
        };
        let second = self.peek().and_then(|second| second.to_digit(16));
        let pair = first.to_digit(16).zip(second);
        if let Some(octet) = pair.and_then(|(high, low)| u8::try_from(high << 4 | low).ok()) {
            self.next();
            bytes.push(octet);
        } else {
            bytes.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn no_character_is_folded_differently_twice() {
        for character in '\0'..=char::MAX {
            let once = fold(&character.to_string());
            assert_eq!(fold(&once), once, "{character}");
            let upper: String = character.to_uppercase().collect();
            assert_eq!(fold(&upper), once, "{character}");
        }
    }
}
