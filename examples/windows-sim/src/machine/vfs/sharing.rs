//! Open handles: what each does with its file, and what it lets others do meanwhile.

/// What an open handle does, and lets others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sharing {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) share_read: bool,
    pub(crate) share_write: bool,
}

impl Sharing {
    /// What `[IO.File]::ReadAllBytes` and `Get-Content` ask for.
    pub(crate) const READ: Self = Self { read: true, write: false, share_read: true, share_write: true };
    /// What a plain writer asks for.
    pub(crate) const WRITE: Self = Self { read: false, write: true, share_read: true, share_write: false };

    pub(super) fn conflicts(self, other: Self) -> bool {
        (self.read && !other.share_read)
            || (self.write && !other.share_write)
            || (other.read && !self.share_read)
            || (other.write && !self.share_write)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) id: u64,
    pub(super) sharing: Sharing,
}
