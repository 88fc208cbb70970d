//! Files from the host: whole or not at all.

use std::{fs, path::Path, time::Duration};

use super::files::{content, place, sha256};
use crate::{
    ErrorKind, Result,
    testing::transport::{Fixture, HostFiles, LocalFolder, Recorder},
    transport::{FetchOutcome, FetchRequest, Session},
};

pub async fn a_file_is_brought_as_it_is(f: Fixture) {
    let Some((mut session, files)) = able(&f).await else { return };
    let folder = LocalFolder::new();
    for length in [0, 1, 300, 1024 * 1024 + 3] {
        let (bytes, path) = (content(length), place(&f, &format!("source {length}.bin")));
        files.write(&path, &bytes);
        let dest = folder.path(&format!("{length}.bin"));
        let outcome = fetch(&mut *session, request(&path, &dest)).await.unwrap();
        assert_eq!((outcome.length, outcome.sha256), (length as u64, sha256(&bytes)));
        assert!(fs::read(&dest).unwrap() == bytes, "{length} bytes were brought as other ones");
    }
    assert_eq!(folder.names().len(), 4, "nothing else is left: {:?}", folder.names());
}

pub async fn odd_names_are_taken_as_they_are(f: Fixture) {
    let Some((mut session, files)) = able(&f).await else { return };
    let folder = LocalFolder::new();
    let dest = folder.path("dest");
    for name in files.odd_names() {
        let path = files.join(&files.directory(), &name);
        files.write(&path, name.as_bytes());
        if let Err(error) = fetch(&mut *session, request(&path, &dest)).await {
            panic!("{name:?} is a name that the host allows, yet: {error:?}");
        }
        assert_eq!(fs::read(&dest).unwrap(), name.as_bytes());
    }
}

pub async fn a_local_file_is_replaced_only_when_told(f: Fixture) {
    let Some((mut session, files)) = able(&f).await else { return };
    let folder = LocalFolder::new();
    let dest = folder.file("dest", b"old");
    let path = place(&f, "replacing.bin");
    files.write(&path, b"new");
    let keep = FetchRequest { overwrite: false, ..request(&path, &dest) };
    let error = fetch(&mut *session, keep).await.expect_err("the local file is there");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(fs::read(&dest).unwrap(), b"old", "nothing is touched");
    fetch(&mut *session, request(&path, &dest)).await.unwrap();
    assert_eq!(fs::read(&dest).unwrap(), b"new");
    assert_eq!(folder.names().len(), 1, "nothing else is left: {:?}", folder.names());
}

pub async fn a_file_that_is_too_large_is_refused(f: Fixture) {
    let Some((mut session, files)) = able(&f).await else { return };
    let folder = LocalFolder::new();
    let (path, dest) = (place(&f, "large.bin"), folder.path("dest"));
    files.write(&path, &content(5_000));
    let limited = |bytes_max| FetchRequest { bytes_max, ..request(&path, &dest) };
    let error = fetch(&mut *session, limited(4_999)).await.expect_err("the file is larger");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(folder.names().is_empty(), "nothing is left of it: {:?}", folder.names());
    assert_eq!(fetch(&mut *session, limited(5_000)).await.unwrap().length, 5_000);
}

pub async fn a_file_that_is_not_there_is_not_found(f: Fixture) {
    let Some((mut session, _)) = able(&f).await else { return };
    let folder = LocalFolder::new();
    let dest = folder.path("dest");
    let missing = fetch(&mut *session, request(&place(&f, "nothing.bin"), &dest)).await;
    let error = missing.expect_err("there is no such file");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(folder.names().is_empty(), "nothing is left of it: {:?}", folder.names());
}

pub async fn a_refused_dispatch_brings_nothing(f: Fixture) {
    let Some((mut session, files)) = able(&f).await else { return };
    let folder = LocalFolder::new();
    let (path, dest) = (place(&f, "refused.bin"), folder.path("dest"));
    files.write(&path, b"x");
    let recorder = Recorder::refusing_dispatch();
    let ended = session.fetch(request(&path, &dest), &mut recorder.clone(), &Fixture::control()).await;
    assert_eq!(ended.unwrap_err().kind(), Recorder::REFUSAL, "the observer's own error comes back");
    assert_eq!(recorder.heard().handles.len(), 1, "how often the dispatch was announced");
    assert!(folder.names().is_empty(), "nothing is left of it: {:?}", folder.names());
    fetch(&mut *session, request(&path, &dest)).await.unwrap();
}

pub async fn an_interrupted_fetch_leaves_the_old_or_the_new(f: Fixture) {
    let Some((_, files)) = able(&f).await else { return };
    let (path, new) = (place(&f, "interrupted.bin"), content(1024 * 1024));
    files.write(&path, &new);
    for (delay, cancels) in [(0, true), (5, false), (20, true), (60, false), (150, true)] {
        let folder = LocalFolder::new();
        let dest = folder.file("dest", b"old");
        let mut session = f.session().await;
        let (recorder, control) = (Recorder::default(), Fixture::control());
        let mut observer = recorder.clone();
        let interrupt = async {
            recorder.until(f.patience(), |heard| heard.dispatched).await;
            tokio::time::sleep(Duration::from_millis(delay)).await;
            if cancels {
                control.cancel.cancel();
            } else {
                f.host.break_connections();
            }
        };
        let call = session.fetch(request(&path, &dest), &mut observer, &control);
        let (ended, ()) = tokio::join!(call, interrupt);
        let found = fs::read(&dest).unwrap();
        match ended {
            Ok(_) => assert!(found == new, "the fetch says that it is done, {} bytes are there", found.len()),
            Err(error) => assert!(found == b"old", "{} bytes are there after {error:?}", found.len()),
        }
        assert_eq!(folder.names().len(), 1, "nothing else is left: {:?}", folder.names());
    }
}

/// A session that can fetch from a host whose files can be made; `None` when that is no capability, which has been
/// checked then, or when they cannot.
async fn able(f: &Fixture) -> Option<(Box<dyn Session>, &dyn HostFiles)> {
    let mut session = f.session().await;
    if f.capabilities().fetch {
        return Some((session, f.files()?));
    }
    let (recorder, started) = (Recorder::default(), f.host.commands_started());
    let folder = LocalFolder::new();
    let wanted = request(&place(f, "unsupported.txt"), &folder.path("dest"));
    let result = session.fetch(wanted, &mut recorder.clone(), &Fixture::control()).await;
    f.unsupported(result, &recorder, started, "fetch");
    None
}

fn request(path: &str, dest: &Path) -> FetchRequest {
    let bytes_max = 64 * 1024 * 1024;
    FetchRequest { src_path: path.to_owned(), dest: dest.to_owned(), overwrite: true, bytes_max }
}

async fn fetch(session: &mut dyn Session, request: FetchRequest) -> Result<FetchOutcome> {
    let recorder = Recorder::default();
    let outcome = session.fetch(request, &mut recorder.clone(), &Fixture::control()).await;
    let heard = recorder.heard();
    assert_eq!(heard.pieces, 0, "a fetch says nothing of its own");
    assert!(heard.handles.len() <= 1, "the dispatch was announced {} times", heard.handles.len());
    outcome
}
