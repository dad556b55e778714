//! Secrets that stand in files of their own, as orchestrators mount them.

use std::fs::File;
use std::io::{self, Read};

/// The longest secret taken, in bytes; a certificate chain is shorter.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// The file's text, without the line end that editors put there.
///
/// # Errors
///
/// Says in its text why the file cannot be read; never what it holds.
pub(super) fn read_secret_file(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_SECRET_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(io::Error::other("longer than 64 KiB"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
