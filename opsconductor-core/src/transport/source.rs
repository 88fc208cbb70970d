//! A content on this machine: in memory, or in a file that is read piece by piece.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::PathBuf,
    sync::Arc,
};
#[cfg(feature = "ssh")]
use std::{path::Path, time::SystemTime};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use crate::{Error, ErrorKind, Result, transport::FileSource};

/// How much of a file is read at a time to hash it.
const PIECE_BYTES: usize = 256 * 1024;

/// A content whose length is known, and its hash once it was read.
#[derive(Clone)]
pub(super) struct Source {
    content: Content,
    /// Where it begins in what holds it.
    start: u64,
    pub(super) length: u64,
    pub(super) sha256: String,
    /// When the file was last written to, for one that is read once only.
    #[cfg(feature = "ssh")]
    modified: Option<SystemTime>,
}

#[derive(Clone)]
enum Content {
    Bytes(Bytes),
    Path(Arc<PathBuf>),
}

impl Source {
    /// Measures a content: one pass over all of it.
    pub(super) async fn measure(source: FileSource) -> Result<Self> {
        Self::measure_content(Content::from(source)).await
    }

    async fn measure_content(content: Content) -> Result<Self> {
        let measured = content.clone();
        let hashed = blocking(move || measured.hash(0..u64::MAX)).await;
        let (length, sha256) = hashed.map_err(|error| content.unreadable(error))?;
        Ok(Self {
            content,
            start: 0,
            length,
            sha256,
            #[cfg(feature = "ssh")]
            modified: None,
        })
    }

    /// A content that is not hashed yet, for whoever does so while sending it. What is not a plain file has no length until it
    /// is read, so it is measured.
    #[cfg(feature = "ssh")]
    pub(super) async fn size(source: FileSource) -> Result<Self> {
        let content = Content::from(source);
        let path = match &content {
            Content::Bytes(bytes) => {
                let length = bytes.len() as u64;
                return Ok(Self { content, start: 0, length, sha256: String::new(), modified: None });
            }
            Content::Path(path) => Arc::clone(path),
        };
        let sized = blocking(move || stand(&path)).await.map_err(|error| content.unreadable(error))?;
        match sized {
            Some((length, modified)) => {
                Ok(Self { content, start: 0, length, sha256: String::new(), modified: Some(modified) })
            }
            None => Self::measure_content(content).await,
        }
    }

    /// Whether a file is no longer as long or as old as it was when its [size](Self::size) was taken.
    #[cfg(feature = "ssh")]
    pub(super) fn has_changed(&self) -> bool {
        match (&self.content, self.modified) {
            (Content::Path(path), Some(modified)) => {
                !matches!(stand(path), Ok(Some(now)) if now == (self.length, modified))
            }
            _ => false,
        }
    }

    /// A part of the content, not measured yet.
    pub(super) fn slice(&self, range: Range<u64>) -> Self {
        let start = self.start + range.start;
        let length = range.end - range.start;
        Self {
            content: self.content.clone(),
            start,
            length,
            sha256: String::new(),
            #[cfg(feature = "ssh")]
            modified: None,
        }
    }

    /// The same with its hash.
    pub(super) async fn measured(mut self) -> Result<Self> {
        self.sha256 = self.prefix_sha256(self.length).await?;
        Ok(self)
    }

    /// The hash of the first `length` bytes.
    pub(super) async fn prefix_sha256(&self, length: u64) -> Result<String> {
        let (content, range) = (self.content.clone(), self.start..self.start + length);
        let hashed = blocking(move || content.hash(range)).await;
        hashed.map(|(_, sha256)| sha256).map_err(|error| self.content.unreadable(error))
    }

    /// Opens the content at `range`, to be read on a thread that may block.
    pub(super) fn open(&self, range: Range<u64>) -> io::Result<Reader> {
        self.content.open(self.start + range.start..self.start + range.end)
    }

    /// What to say of a content that cannot be read, or not to its end.
    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        self.content.unreadable(error)
    }
}

/// How long a plain file is, and when it was last written to.
#[cfg(feature = "ssh")]
fn stand(path: &Path) -> io::Result<Option<(u64, SystemTime)>> {
    let found = File::open(path)?.metadata()?;
    if !found.is_file() {
        return Ok(None);
    }
    Ok(Some((found.len(), found.modified()?)))
}

impl From<FileSource> for Content {
    fn from(source: FileSource) -> Self {
        match source {
            FileSource::Bytes(bytes) => Self::Bytes(bytes),
            FileSource::Path(path) => Self::Path(Arc::new(path)),
        }
    }
}

impl Content {
    fn open(&self, range: Range<u64>) -> io::Result<Reader> {
        Ok(match self {
            Self::Bytes(bytes) => {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                Reader::Bytes(bytes.slice(place(range.start)..place(range.end)))
            }
            Self::Path(path) => {
                let mut file = File::open(path.as_path())?;
                if range.start > 0 {
                    file.seek(SeekFrom::Start(range.start))?;
                }
                Reader::File { file, left: range.end.saturating_sub(range.start) }
            }
        })
    }

    fn hash(&self, range: Range<u64>) -> io::Result<(u64, String)> {
        let mut reader = self.open(range)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; PIECE_BYTES];
        let mut length = 0;
        loop {
            let count = reader.read_full(&mut buffer)?;
            hasher.update(&buffer[..count]);
            length += count as u64;
            if count < buffer.len() {
                return Ok((length, hex(&hasher.finalize())));
            }
        }
    }

    fn unreadable(&self, error: io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::InvalidInput,
        };
        let error = Error::new(kind, "the file to copy cannot be read").with_source(error);
        match self {
            Self::Bytes(_) => error,
            Self::Path(path) => error.with("source", path.display()),
        }
    }
}

/// A content that is being read.
pub(super) enum Reader {
    Bytes(Bytes),
    File { file: File, left: u64 },
}

impl Reader {
    /// Fills `buffer` as far as there is content.
    pub(super) fn read_full(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Bytes(bytes) => {
                let count = buffer.len().min(bytes.len());
                buffer[..count].copy_from_slice(&bytes.split_to(count));
                Ok(count)
            }
            Self::File { file, left } => {
                let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                let mut count = 0;
                while count < wanted {
                    match file.read(&mut buffer[count..wanted]) {
                        Ok(0) => break,
                        Ok(more) => count += more,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                *left -= count as u64;
                Ok(count)
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Source, hex};
    use crate::{ErrorKind, transport::FileSource};

    #[test]
    fn hexadecimal_is_lower_case_and_padded() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }

    #[tokio::test]
    async fn a_file_and_the_same_bytes_in_memory_read_alike() {
        let path = std::env::current_exe().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = Source::measure(FileSource::Path(path)).await.unwrap();
        let memory = Source::measure(FileSource::Bytes(bytes.clone().into())).await.unwrap();
        assert_eq!((file.length, &file.sha256), (memory.length, &memory.sha256));
        assert_eq!(file.prefix_sha256(1000).await.unwrap(), memory.prefix_sha256(1000).await.unwrap());
        for source in [file, memory] {
            let mut reader = source.open(10..300_010).unwrap();
            let mut buffer = vec![0; 400_000];
            let expected = bytes.len().clamp(10, 300_010) - 10;
            assert_eq!(reader.read_full(&mut buffer).unwrap(), expected);
            assert!(buffer[..expected] == bytes[10..10 + expected]);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_missing_is_named() {
        let path = || FileSource::Path(std::path::PathBuf::from("no-such-folder/no-such-file"));
        let errors = [
            Source::measure(path()).await.err(),
            #[cfg(feature = "ssh")]
            Source::size(path()).await.err(),
        ];
        for error in errors.into_iter().flatten() {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.to_string().contains("no-such-file"), "{error}");
        }
    }

    #[cfg(feature = "ssh")]
    #[tokio::test]
    async fn what_is_not_hashed_yet_tells_whether_it_has_changed() {
        let folder =
            std::env::temp_dir().join(format!("opsconductor-source-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("file");
        std::fs::write(&path, "content").unwrap();
        let sized = Source::size(FileSource::Path(path.clone())).await.unwrap();
        assert_eq!((sized.length, sized.sha256.as_str(), sized.has_changed()), (7, "", false));
        std::fs::write(&path, "longer content").unwrap();
        assert!(sized.has_changed());
        std::fs::remove_file(&path).unwrap();
        assert!(sized.has_changed());
        let error = Source::size(FileSource::Path(folder.clone())).await.err().unwrap();
        assert!(error.to_string().contains("cannot be read"), "a folder: {error}");
        std::fs::remove_dir(&folder).unwrap();
        let memory = Source::size(FileSource::Bytes("content".into())).await.unwrap();
        assert_eq!((memory.length, memory.has_changed()), (7, false));
    }
}
