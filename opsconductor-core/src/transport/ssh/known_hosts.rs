//! Files of known hosts in OpenSSH's form: who a host is, and what was noted of it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hkdf::hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use sha1::Sha1;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What the lines that are about one host say.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) lines: Vec<Line>,
}

/// One line that is about the host.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) marker: Marker,
    pub(super) key: PublicKey,
    /// Where it stands, for messages.
    pub(super) place: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// The key is the host's.
    None,
    /// The key signs the certificates of such hosts.
    CertAuthority,
    /// The key is no good, whoever shows it.
    Revoked,
}

impl Known {
    /// What `files` and `more`, a text in the same form, say of a host. Files that are not there say nothing; lines that
    /// cannot be read are passed over, as OpenSSH does.
    pub(super) fn read(name: &str, port: u16, files: &[PathBuf], more: Option<&str>) -> io::Result<Self> {
        let mut known = Self::default();
        for path in files {
            match File::open(path) {
                Ok(file) => {
                    let mut text = Vec::new();
                    file.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
                    known.take(&String::from_utf8_lossy(&text), &path.display().to_string(), name, port);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(text) = more {
            known.take(text, "ssh_known_hosts of the target's metadata", name, port);
        }
        Ok(known)
    }

    fn take(&mut self, text: &str, source: &str, name: &str, port: u16) {
        let host = written(name, port);
        for (number, line) in text.lines().enumerate() {
            let Some((marker, patterns, key)) = parse(line) else { continue };
            // A revoked key is no good for anyone who is meant by the line, as any other.
            if matches(patterns, &host) {
                let place = format!("{source}, line {}", number + 1);
                self.lines.push(Line { marker, key, place });
            }
        }
    }

    /// The kinds of key that are known of the host, for it to show one of these.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        self.of(Marker::None).map(|line| line.key.algorithm()).collect()
    }

    pub(super) fn of(&self, marker: Marker) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.marker == marker)
    }
}

/// Adds a host to a file that is made when it is not there. One process at a time writes, and a line in one piece. Whoever
/// wrote first is believed: the answer says what the file knew of the host before.
pub(super) fn learn(path: &Path, name: &str, port: u16, key: &PublicKey) -> io::Result<Known> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    file.lock()?;
    let mut text = Vec::new();
    (&mut file).take(FILE_BYTES_MAX).read_to_end(&mut text)?;
    let mut known = Known::default();
    known.take(&String::from_utf8_lossy(&text), &path.display().to_string(), name, port);
    if known.lines.is_empty() {
        let start = if text.last().is_none_or(|last| *last == b'\n') { "" } else { "\n" };
        let key = PublicKey::new(key.key_data().clone(), "").to_openssh().map_err(io::Error::other)?;
        let line = format!("{start}{} {}\n", written(name, port), key.trim_end());
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
    }
    Ok(known)
}

/// A key as OpenSSH shows it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// A host as it stands in such a file.
pub(super) fn written(name: &str, port: u16) -> String {
    let name = name.to_ascii_lowercase();
    if port == 22 { name } else { format!("[{name}]:{port}") }
}

fn parse(line: &str) -> Option<(Marker, &str, PublicKey)> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next().filter(|word| !word.starts_with('#'))?;
    let (marker, patterns) = match first {
        "@cert-authority" => (Marker::CertAuthority, words.next()?),
        "@revoked" => (Marker::Revoked, words.next()?),
        word if word.starts_with('@') => return None,
        word => (Marker::None, word),
    };
    let (algorithm, key) = (words.next()?, words.next()?);
    let key = PublicKey::from_openssh(&format!("{algorithm} {key}")).ok()?;
    Some((marker, patterns, key))
}

/// Whether a list of patterns means a host: one of them does, and none that is negated.
fn matches(patterns: &str, host: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(not) if glob(not.to_ascii_lowercase().as_bytes(), host.as_bytes()) => return false,
            Some(_) => {}
            None if pattern.starts_with("|1|") => found |= hashed(pattern, host),
            None => found |= glob(pattern.to_ascii_lowercase().as_bytes(), host.as_bytes()),
        }
    }
    found
}

fn hashed(pattern: &str, host: &str) -> bool {
    let mut parts = pattern.split('|').skip(2);
    let mut next = || parts.next().and_then(|part| STANDARD.decode(part).ok());
    let (Some(salt), Some(hash)) = (next(), next()) else { return false };
    let Ok(mac) = Hmac::<Sha1>::new_from_slice(&salt) else { return false };
    mac.chain_update(host).verify_slice(&hash).is_ok()
}

/// `*` is any run of characters, `?` any one. It takes time in proportion to both lengths multiplied.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
