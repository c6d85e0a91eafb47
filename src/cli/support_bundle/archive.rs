//! Archive of a support bundle: tar, compressed with gzip, in a file that its owner alone may read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Octets of a block of tar (POSIX.1-1988, ustar).
const BLOCK: usize = 512;

/// Archive that is written.
pub(super) struct TarArchive {
    gzip: GzEncoder<File>,
    /// Unix seconds, of every file in it.
    now: i64,
}

impl TarArchive {
    /// Creates the file, which must not exist: an existing file might be readable for others.
    pub(super) fn create(path: &Path, now: i64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            gzip: GzEncoder::new(file, Compression::default()),
            now,
        })
    }

    /// Adds a file.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.gzip.write_all(&header(name, content.len(), self.now))?;
        self.gzip.write_all(content)?;
        let rest = content.len().next_multiple_of(BLOCK) - content.len();
        self.gzip.write_all(&vec![0; rest])
    }

    /// Ends the archive, and waits until it is on the disk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.gzip.write_all(&[0; 2 * BLOCK])?;
        self.gzip.finish()?.sync_all()
    }
}

/// Returns the header of a regular file; `name` has at most 100 octets.
fn header(name: &str, size: usize, modified: i64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        for (octet, value) in header.iter_mut().skip(at).zip(text) {
            *octet = *value;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{modified:011o}\0").as_bytes());
    // The sum counts its own field as spaces.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    for (octet, value) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *octet = value;
    }
    header
}
