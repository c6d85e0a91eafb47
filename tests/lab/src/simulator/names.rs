//! Distinguished names, written and read as Active Directory does (RFC 4514 and MS-ADTS 3.1.1.3.1.2.1).

/// One component of a name: attribute type and unescaped value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rdn {
    /// `CN`, `OU`, `DC`, as written.
    pub kind: String,
    /// The value without escapes.
    pub value: String,
}

impl Rdn {
    /// The form under which two components that mean the same are equal.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.kind, &self.value)
    }
}

/// The form under which two components that mean the same are equal: as on Windows, case and marks
/// over and under letters do not count (MS-UCODEREF 3.1.5.2.3.1, NORM_IGNORENONSPACE).
#[must_use]
pub fn key(kind: &str, value: &str) -> String {
    let letters = value.to_lowercase();
    let letters = letters.chars().filter(|letter| !is_mark(*letter)).map(unmarked);
    format!("{}={}", kind.to_ascii_lowercase(), letters.collect::<String>())
}

/// Combining diacritical marks.
const fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}')
}

/// The letter without its mark, of those of Latin-1.
const fn unmarked(letter: char) -> char {
    match letter {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        letter => letter,
    }
}

/// Appends `value` to `out`, escaped as a component of a distinguished name.
pub fn escape_into(value: &str, out: &mut Vec<u8>) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' | b'=' => out.extend([b'\\', byte]),
            b'#' if at == 0 => out.extend(*b"\\#"),
            b' ' if at == 0 || at == last => out.extend(*b"\\ "),
            b'\n' => out.extend(*b"\\0A"),
            b'\r' => out.extend(*b"\\0D"),
            0 => out.extend(*b"\\00"),
            _ => out.push(byte),
        }
    }
}

/// `kind=value` with the value escaped.
#[must_use]
pub fn escaped(kind: &str, value: &str) -> String {
    let mut out = format!("{kind}=").into_bytes();
    escape_into(value, &mut out);
    String::from_utf8(out).unwrap()
}

/// The components of a name, leaf first; `None` when it is no distinguished name.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<Rdn>> {
    let mut components = Vec::new();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let equals = rest.iter().position(|&byte| byte == b'=')?;
        let kind = std::str::from_utf8(&rest[..equals]).ok()?.trim().to_owned();
        if kind.is_empty()
            || !kind
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
        {
            return None;
        }
        let (value, after) = value(&rest[equals + 1..])?;
        components.push(Rdn { kind, value });
        rest = match after {
            [] => after,
            [b',', more @ ..] if !more.is_empty() => more,
            _ => return None,
        };
    }
    Some(components)
}

/// The byte that two hexadecimal digits mean.
#[must_use]
pub fn hex_pair(digits: &[u8]) -> Option<u8> {
    match digits {
        &[high, low] => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(high)? << 4 | digit(low)?).ok()
        }
        _ => None,
    }
}

/// The unescaped value at the start of `bytes` and what follows it.
fn value(bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut value = Vec::new();
    let mut at = 0;
    let mut significant = 0;
    while at < bytes.len() && bytes[at] != b',' {
        if bytes[at] == b'\\' {
            if let Some(byte) = bytes.get(at + 1..at + 3).and_then(hex_pair) {
                value.push(byte);
                at += 3;
            } else {
                value.push(*bytes.get(at + 1)?);
                at += 2;
            }
            significant = value.len();
            continue;
        }
        if bytes[at] != b' ' {
            value.push(bytes[at]);
            significant = value.len();
        } else if !value.is_empty() {
            value.push(b' ');
        }
        at += 1;
    }
    value.truncate(significant);
    Some((String::from_utf8(value).ok()?, &bytes[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_values_survive_escaping() {
        for value in [
            "Doe, Jane",
            "a+b",
            "say \"hi\"",
            "back\\slash",
            " leading",
            "trailing ",
            "#1",
            "x\nDEL:y",
            "日本",
            "a=b",
        ] {
            let text = format!("{},DC=corp,DC=example", escaped("CN", value));
            let parsed = parse(&text).unwrap();
            assert_eq!(parsed.len(), 3, "{text}");
            assert_eq!(parsed[0].value, value, "{text}");
        }
    }

    #[test]
    fn forms_that_mean_the_same_have_one_key() {
        let one = parse("CN=Jane\\2C Doe, OU=Sales ,dc=corp").unwrap();
        let other = parse("cn=jane\\, doe,ou=SALES,DC=Corp").unwrap();
        let keys = |rdns: &[Rdn]| rdns.iter().map(Rdn::key).collect::<Vec<_>>();
        assert_eq!(keys(&one), keys(&other));
    }

    #[test]
    fn marks_do_not_count_and_letters_do() {
        let of = |value| key("OU", value);
        assert_eq!(of("Zürich"), of("ZURICH"));
        assert_eq!(of("Zürich"), of("Zu\u{308}rich"));
        assert_ne!(of("Straße"), of("Strasse"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["corp", "CN=a,", "=a", "CN=a\\", "C N=a,b"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(""), Some(Vec::new()));
    }
}
