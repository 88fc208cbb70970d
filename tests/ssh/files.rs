//! Files: permissions and links.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use opsconductor_core::{
    ErrorKind,
    testing::transport::Recorder,
    transport::{Connector as _, CopyRequest, CopyStatus},
};
use opsconductor_tests::openssh::OpenSsh;

use crate::support::{connector, control};

#[tokio::test]
async fn permissions_stay_or_are_set_and_a_link_stays_a_link() {
    let server = OpenSsh::start(&[]);
    let folder = server.folder().join("files");
    let (file, link) = (folder.join("file"), folder.join("link"));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o751)).unwrap();
    symlink(&file, &link).unwrap();
    let connector = connector();
    let mut session = connector.connect(&server.endpoint(), &server.credential()).await.unwrap();
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
    let to_link = |content: &str| CopyRequest::bytes(link.display().to_string(), content.to_owned());
    let mut copy = async |request| {
        session.copy(request, &mut Recorder::default(), &control()).await.map(|outcome| outcome.status)
    };
    assert_eq!(copy(to_link("new")).await.unwrap(), CopyStatus::Copied);
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), mode()), ("new", 0o751));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        copy(CopyRequest { mode: Some(0o600), ..to_link("newer") }).await.unwrap(),
        CopyStatus::Copied
    );
    assert_eq!(mode(), 0o600);
    assert_eq!(
        copy(CopyRequest { mode: Some(0o640), ..to_link("newer") }).await.unwrap(),
        CopyStatus::Copied
    );
    assert_eq!(mode(), 0o640);
    assert_eq!(
        copy(CopyRequest { mode: Some(0o640), ..to_link("newer") }).await.unwrap(),
        CopyStatus::Unchanged
    );
    let missing = folder.join("none/at/all").display().to_string();
    assert_eq!(copy(CopyRequest::bytes(missing, "x")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing else is left");
}
