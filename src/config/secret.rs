//! Secret values, and the files from which some are read again while the program runs.

use std::fmt;
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use secrecy::{ExposeSecret, SecretString};

use super::refused::{ConfigProblem, ValueFault, quoted};
use super::variables::{DefaultValue, VariableDefinition};

/// Value that cannot be printed: its `Debug` says `[REDACTED]`, and it has no `Display` (R27).
///
/// All clones share it, so that each part of the program sees when it is replaced. A value that was
/// replaced stays in memory as long as they do, since an operation may be in the middle of using
/// it.
#[derive(Clone, Default)]
pub struct Secret(Arc<SecretVersion>);

#[derive(Default)]
struct SecretVersion {
    value: SecretString,
    next: OnceLock<Box<Self>>,
}

impl Secret {
    /// Replaces the value in all clones.
    fn replace(&self, value: SecretString) {
        let mut next = Box::new(SecretVersion {
            value,
            next: OnceLock::new(),
        });
        // Where another thread adds a value first, this one is placed after it.
        while let Err(refused) = self.last().next.set(next) {
            next = refused;
        }
    }

    fn last(&self) -> &SecretVersion {
        let mut last = &*self.0;
        while let Some(next) = last.next.get() {
            last = next;
        }
        last
    }
}

impl ExposeSecret<str> for Secret {
    fn expose_secret(&self) -> &str {
        self.last().value.expose_secret()
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(Arc::new(SecretVersion {
            value: SecretString::from(text.into()),
            next: OnceLock::new(),
        }))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([REDACTED])")
    }
}

/// Requirement on a secret beyond [`validate`].
pub(super) type SecretCheck = fn(&str) -> Result<(), ValueFault>;

/// File that holds a secret (`NAME_FILE`).
#[derive(Debug, Clone)]
pub struct SecretFile {
    variable: &'static VariableDefinition,
    path: String,
    secret: Secret,
    check: SecretCheck,
}

impl SecretFile {
    pub(super) fn new(
        variable: &'static VariableDefinition,
        path: &str,
        secret: Secret,
        check: SecretCheck,
    ) -> Self {
        Self {
            variable,
            path: path.to_owned(),
            secret,
            check,
        }
    }

    /// Returns the name of the variable that names the file.
    #[must_use]
    pub fn variable(&self) -> String {
        self.variable.file_name().unwrap_or_default()
    }

    /// Reads the file again, and replaces the secret where it holds another one. Returns whether it
    /// does.
    ///
    /// # Errors
    /// When the file cannot be read, or holds nothing that can be used; the secret stays as it is.
    pub fn renew(&self) -> Result<bool, ConfigProblem> {
        let text = read(&self.path).map_err(|fault| fault.of(&self.variable()))?;
        let place = format!(" in {}", quoted(&self.path));
        validate(self.variable, &text, &place, self.check).map_err(|fault| fault.of(self.variable.name))?;
        let is_new = self.secret.expose_secret() != text;
        if is_new {
            self.secret.replace(SecretString::from(text));
        }
        Ok(is_new)
    }
}

/// Reads the secret that a file holds, without the end of its line.
pub(super) fn read(path: &str) -> Result<String, ValueFault> {
    // Far above any password or token; it stops a path such as /dev/zero.
    const LARGEST: u64 = 64 << 10;
    let bad = |cause: &str| {
        ValueFault::new(
            format!("{} {cause}", quoted(path)),
            "give the path of a readable file that holds the secret alone",
        )
    };
    let mut bytes = Vec::new();
    let length = std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| bad(&format!("cannot be read: {error}")))?;
    if u64::try_from(length).is_ok_and(|length| length > LARGEST) {
        return Err(bad("is larger than 64 KiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("is not UTF-8 text"))?;
    // Editors on Windows begin a file with a byte order mark, and most editors end it with a
    // newline.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text
        .strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(bad("is empty"));
    }
    Ok(text.to_owned())
}

/// Checks a secret without showing it (R27). `place` says where it was found.
pub(super) fn validate(
    variable: &VariableDefinition,
    text: &str,
    place: &str,
    check: SecretCheck,
) -> Result<(), ValueFault> {
    if let DefaultValue::RequiredFor { example, .. } = variable.unset
        && example == text
    {
        let advice = match variable.file_name() {
            Some(file) => format!("set it to your own, or {file} to the path of a file that holds it"),
            None => "set it to your own".to_owned(),
        };
        let cause = format!("is still the {} of the example{place}", quoted(example));
        return Err(ValueFault::new(cause, advice));
    }
    if text.chars().any(char::is_control) {
        let cause = format!("holds a control character{place} (a line break, a tab)");
        return Err(ValueFault::new(cause, "give the secret alone, on one line"));
    }
    check(text)
}

/// Checks a secret that goes into an HTTP header, so it is of visible ASCII characters (RFC 9110
/// section 5.5).
pub(super) fn check_header(text: &str) -> Result<(), ValueFault> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(ValueFault::new(
        "holds a space or a character beyond ASCII",
        "copy it again, without spaces around",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::variables as v;

    #[test]
    fn a_replaced_secret_is_seen_by_every_clone() {
        let secret = Secret::from("first");
        let (clone, before) = (secret.clone(), secret.expose_secret());
        for value in ["second", "third"] {
            clone.replace(SecretString::from(value));
            assert_eq!(secret.expose_secret(), value);
        }
        assert_eq!(before, "first", "what is in use stays");
        assert_eq!(format!("{secret:?}"), "Secret([REDACTED])");
    }

    #[test]
    fn r27_a_file_is_read_again_and_a_bad_one_changes_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let secret = Secret::from("first");
        let of = |variable, check| SecretFile::new(variable, path, secret.clone(), check);
        let password = of(&v::AD_PASSWORD, |_| Ok(()));
        std::fs::write(path, "hunter 2\n").unwrap();
        assert_eq!(password.renew(), Ok(true));
        assert_eq!(secret.expose_secret(), "hunter 2");
        assert_eq!(password.renew(), Ok(false));
        for (content, cause) in [
            ("", "is empty"),
            ("hunter\n2\n", "control character"),
            ("change-me", "example"),
        ] {
            std::fs::write(path, content).unwrap();
            let problem = password.renew().unwrap_err().to_string();
            assert!(
                problem.contains(cause) && !problem.contains("hunter"),
                "{problem}"
            );
        }
        std::fs::write(path, "hunter 3").unwrap();
        let problem = of(&v::QUALYS_CLIENT_SECRET, check_header).renew().unwrap_err();
        assert_eq!(problem.name, "QUALYS_CLIENT_SECRET");
        assert_eq!(secret.expose_secret(), "hunter 2");
    }
}
