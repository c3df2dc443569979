//! Where a log is: a directory, or an address.

use std::path::Path;

use anyhow::Context as _;
use troth_attest::{DirectorySource, HttpOptions, HttpSource, LogSource, Roots, fetch, is_url};

use super::args::LogArg;
use super::{Usage, read_file};

/// Opens the log that the command line names. Of an address nothing is asked
/// yet.
pub(crate) fn open(arg: &LogArg) -> anyhow::Result<Box<dyn LogSource>> {
    if is_url(&arg.log) {
        let source = HttpSource::new(&arg.log, options(arg.ca.as_deref())?);
        return Ok(Box::new(source.map_err(|fault| Usage(fault.to_string()))?));
    }
    let path = Path::new(&arg.log);
    if !path.is_dir() {
        return Err(anyhow::anyhow!("`{}` is not a directory that can be read", arg.log));
    }
    Ok(Box::new(DirectorySource::new(path)))
}

/// How an address is read, with these authorities.
fn options(ca: Option<&Path>) -> anyhow::Result<HttpOptions> {
    let Some(path) = ca else { return Ok(HttpOptions::default()) };
    let roots = Roots::from_pem(&read_file(path)?);
    let roots = roots.map_err(|fault| Usage(format!("`{}`: {fault}", path.display())))?;
    Ok(HttpOptions { roots: Some(roots), ..HttpOptions::default() })
}

/// Threads that read it, where nobody says how many: those of a server mostly
/// wait, and those of a directory mostly hash.
pub(crate) fn threads(arg: &LogArg) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    if is_url(&arg.log) { cores.max(8) } else { cores }
}

/// Reads a receipt: a file, standard input, or what is at an address.
pub(crate) fn read_receipt(name: &Path, ca: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let Some(url) = name.to_str().filter(|name| is_url(name)) else { return read_file(name) };
    let bytes = fetch(url, MAX_RECEIPT_BYTES, options(ca)?);
    let bytes = match bytes {
        Err(fault) if fault.kind() == std::io::ErrorKind::InvalidInput => {
            return Err(Usage(fault.to_string()).into());
        }
        bytes => bytes.context("cannot read the receipt")?,
    };
    bytes.with_context(|| {
        format!("no receipt at `{url}`: the exchange is not known there, or not published yet")
    })
}

/// No receipt that is read is longer.
const MAX_RECEIPT_BYTES: u64 = 1024 * 1024;
