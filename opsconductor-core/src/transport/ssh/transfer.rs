//! What every transfer of files holds on to.

use super::{hash::Hasher, session::SshSession, sftp::Sftp};
use crate::{
    Error, ErrorKind, Result,
    transport::{Observer, RemoteHandle, limits::Limits},
};

/// The longest path that systems know.
const PATH_BYTES_MAX: usize = 4096;

/// The conversation, and the command that hashes.
pub(super) struct Transfer {
    pub(super) sftp: Sftp,
    pub(super) hasher: Hasher,
}

impl Transfer {
    /// Announces the dispatch and opens both.
    pub(super) async fn open(
        session: &mut SshSession,
        observer: &mut dyn Observer,
        limits: &Limits<'_>,
    ) -> Result<Self> {
        let (link, channel) = limits.within(session.channel()).await?;
        let announced = limits.within(observer.dispatching(&RemoteHandle::default())).await;
        if let Err(error) = announced {
            let _ = channel.close().await;
            return Err(error);
        }
        let open = async {
            let sftp = Sftp::open(channel).await?;
            let hasher = Hasher::start(link.channel().await.ok()).await;
            Ok(Self { sftp, hasher })
        };
        limits.within(open).await
    }
}

/// What a path must be before a host is asked.
pub(super) fn check_path(path: &str, what: &str) -> Result<()> {
    let complain = |why: &str| Err(Error::new(ErrorKind::InvalidInput, format!("the {what} path {why}")));
    if path.trim().is_empty() {
        return complain("is empty");
    }
    if path.contains('\0') {
        return complain("holds a NUL character");
    }
    if path.len() > PATH_BYTES_MAX {
        return complain("is longer than 4,096 bytes");
    }
    if path.starts_with("~/") || path == "~" {
        return complain(
            "begins with ~, which no shell reads here; a relative path begins in the user's own folder",
        );
    }
    Ok(())
}
