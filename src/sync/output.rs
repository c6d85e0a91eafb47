//! NDJSON output of runs (`--output`).

use std::fs::{OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::RunError;
use crate::store::HandedOutVersion;

/// Mode of the file: it holds names and mail addresses.
const MODE: u32 = 0o600;

/// File or standard output to which the assets of one or several runs are written, one `assetData`
/// element a line.
pub struct AssetOutput {
    path: PathBuf,
    writer: Mutex<Option<Box<dyn Write + Send>>>,
}

impl AssetOutput {
    /// Returns an output; `-` is standard output. Nothing is opened before [`Self::begin`].
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            writer: Mutex::default(),
        }
    }

    /// Opens and empties the output, unless an earlier run of this process did. Only a run that
    /// holds its connection does so: one that is refused does not change the file of another run.
    pub(super) fn begin(&self) -> Result<(), RunError> {
        let mut writer = self.writer();
        if writer.is_none() {
            *writer = Some(open(&self.path).map_err(|cause| RunError::OutputFile {
                path: self.path.clone(),
                cause,
            })?);
        }
        Ok(())
    }

    /// Writes the lines, and flushes them to the system.
    fn write_lines<'l>(&self, lines: impl IntoIterator<Item = &'l str>) -> io::Result<()> {
        let mut writer = self.writer();
        let Some(writer) = writer.as_mut() else {
            return Ok(());
        };
        for line in lines {
            writer.write_all(line.as_bytes())?;
            writer.write_all(b"\n")?;
        }
        writer.flush()
    }

    /// Returns the writer. A thread that panicked did so in the middle of a line; the lines of this
    /// one are complete.
    fn writer(&self) -> MutexGuard<'_, Option<Box<dyn Write + Send>>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the assets of these versions to the output of a run, where it has one.
pub(super) fn write_assets<'i>(
    output: Option<&AssetOutput>,
    items: impl IntoIterator<Item = &'i HandedOutVersion>,
) -> Result<(), RunError> {
    match output {
        Some(output) => Ok(output.write_lines(items.into_iter().map(|item| item.asset.as_ref()))?),
        None => Ok(()),
    }
}

fn open(path: &Path) -> io::Result<Box<dyn Write + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .open(path)?;
    // A pipe or a device has neither a length nor readers that the mode would exclude.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.set_len(0)?;
    }
    Ok(Box::new(BufWriter::new(file)))
}
