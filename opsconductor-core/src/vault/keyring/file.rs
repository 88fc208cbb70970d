//! Key files: read only when nobody else can.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::vault::key::generate_key;
use crate::{Error, ErrorKind, Result};

/// Room for [`KEYS_MAX`](super::KEYS_MAX) keys with long ids and some remarks.
const KEY_FILE_BYTES_MAX: u64 = 32 * 1024;

/// Writes a new file with one new key, readable by its owner only. A file that is there is never overwritten: the
/// key in it may be the only one that opens a database.
///
/// # Errors
/// [`ErrorKind::Vault`] when the file exists or cannot be written.
pub fn create_key_file(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let key = generate_key()?;
    let failed = |error| {
        Error::new(ErrorKind::Vault, "the key file cannot be written")
            .with("file", path.display())
            .with_source(error)
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let mut line = Zeroizing::new(Vec::with_capacity(key.expose().len() + 1));
    line.extend_from_slice(key.expose().as_bytes());
    line.push(b'\n');
    file.write_all(&line).and_then(|()| file.sync_all()).map_err(failed)
}

/// Takes the key of this id out of a key file, which is replaced whole or not at all and keeps its owner; remarks and the
/// other keys stay. Ask `engine::Keys::retire` first whether it may go.
///
/// # Errors
/// [`ErrorKind::NotFound`] when the file has no such key; [`ErrorKind::Conflict`] when it is the first, which is the
/// current one; [`ErrorKind::Vault`] when the file cannot be read or written, or does not hold keys. It is then as it was.
pub fn remove_from_key_file(path: impl AsRef<Path>, id: &str) -> Result<()> {
    let named = path.as_ref();
    let failed = |error| {
        Error::new(ErrorKind::Vault, "the key file cannot be written")
            .with("file", named.display())
            .with_source(error)
    };
    let text = read(named)?;
    let kept = without(&text, id).map_err(|error| error.with("file", named.display()))?;
    // A link stays a link: what it leads to is replaced.
    let path = std::fs::canonicalize(named).map_err(failed)?;
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let replaced = replace(&path, Path::new(&beside), kept.as_bytes());
    if replaced.is_err() {
        // What was begun beside it holds keys. When even this fails, the first error says why.
        let _ = std::fs::remove_file(&beside);
    }
    replaced.map_err(failed)
}

/// The lines of a key file without that of one key.
fn without(text: &str, id: &str) -> Result<Zeroizing<String>> {
    let mut kept = Zeroizing::new(String::with_capacity(text.len()));
    let (mut keys, mut found) = (0, false);
    for line in text.split_inclusive('\n') {
        let entry = line.trim();
        if !entry.is_empty() && !entry.starts_with('#') {
            keys += 1;
            if super::entry_key(entry)?.id() == id {
                found = true;
                if keys == 1 {
                    let message = "it is the first key of the file, which seals new records";
                    return Err(Error::new(ErrorKind::Conflict, message).with("key", id));
                }
                continue;
            }
        }
        kept.push_str(line);
    }
    if found {
        Ok(kept)
    } else {
        Err(Error::new(ErrorKind::NotFound, "the key file has no such key").with("key", id))
    }
}

/// Puts `text` into the place of the file at `path`, through a file beside it.
fn replace(path: &Path, beside: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(beside)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let owner = std::fs::metadata(path)?;
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(beside, path)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The text of a key file that only its owner can read.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>> {
    let refused = |why: &str| Error::new(ErrorKind::Vault, why).with("file", path.display());
    let unreadable = |error| refused("the key file cannot be read").with_source(error);

    // Looked at by name first, because opening a pipe waits for its writer; then through the open file, because
    // the name may lead elsewhere by now.
    check(&std::fs::metadata(path).map_err(unreadable)?).map_err(refused)?;
    let file = File::open(path).map_err(unreadable)?;
    check(&file.metadata().map_err(unreadable)?).map_err(refused)?;

    let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX as usize + 1));
    file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(refused(TOO_LARGE));
    }
    Ok(text)
}

fn check(metadata: &Metadata) -> Result<(), &'static str> {
    if !metadata.is_file() {
        return Err("the key file is not a regular file");
    }
    if metadata.len() > KEY_FILE_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        return Err(
            "the key file is open to group or world: `chmod 600` it, and change the key if others may have read it",
        );
    }
    Ok(())
}

const TOO_LARGE: &str = "the key file is too large to hold keys only";
