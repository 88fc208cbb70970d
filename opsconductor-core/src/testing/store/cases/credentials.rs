//! Credentials, sealed.

use std::time::Duration;

use super::{kind, refusal};
use crate::{
    ErrorKind,
    id::{CredentialId, TenantId},
    store::NewCredential,
    target::TargetSpec,
    testing::store::Fixture,
};

pub(crate) async fn new(f: &Fixture, name: &str) -> NewCredential {
    NewCredential {
        id: f.store.reserve_credential_id().await.unwrap(),
        name: name.to_owned(),
        description: Some("for tests".to_owned()),
        credential_type: "winrm".to_owned(),
        version: 1,
        sealed: vec![0, 1, 2, 255],
    }
}

pub async fn a_reserved_id_is_never_given_again(f: Fixture) {
    let first = f.store.reserve_credential_id().await.unwrap();
    let second = new(&f, "c").await;
    let id = second.id;
    assert_ne!(first, id);
    f.store.insert_credential(f.tenant, second).await.unwrap();
    f.store.delete_credential(f.tenant, id).await.unwrap();
    let third = f.store.reserve_credential_id().await.unwrap();
    assert!(third != first && third != id, "an id that was used and removed is not used again");
}

pub async fn what_was_stored_is_read(f: Fixture) {
    let given = new(&f, "c").await;
    let stored = f.store.insert_credential(f.tenant, given.clone()).await.unwrap();
    assert!(stored.id == given.id && stored.name == given.name && stored.description == given.description);
    assert!(stored.credential_type == given.credential_type && stored.version == 1);
    assert!(stored.sealed == given.sealed && stored.updated_at.is_none());
    assert!(f.store.credential(f.tenant, given.id).await.unwrap() == stored);
    assert!(f.store.credential_by_name(f.tenant, "c").await.unwrap() == stored);
    assert_eq!(kind(f.store.credential(f.tenant, CredentialId::new(999)).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.credential_by_name(f.tenant, "d").await), ErrorKind::NotFound);
}

pub async fn a_name_or_an_id_is_used_once(f: Fixture) {
    let first = new(&f, "c").await;
    f.store.insert_credential(f.tenant, first.clone()).await.unwrap();
    let same_name = new(&f, "c").await;
    assert_eq!(kind(f.store.insert_credential(f.tenant, same_name).await), ErrorKind::Conflict);
    let same_id = NewCredential { name: "d".to_owned(), ..first };
    assert_eq!(kind(f.store.insert_credential(f.tenant, same_id).await), ErrorKind::Conflict);
    assert_eq!(f.store.list_credentials(f.tenant, Fixture::ALL).await.unwrap().total, 1);
    let nowhere = new(&f, "e").await;
    assert_eq!(kind(f.store.insert_credential(TenantId::new(999), nowhere).await), ErrorKind::NotFound);
}

pub async fn an_update_needs_the_version_it_has_seen(f: Fixture) {
    let given = new(&f, "c").await;
    let before = f.store.insert_credential(f.tenant, given.clone()).await.unwrap();
    f.clock.advance(Duration::from_secs(1));
    let next = NewCredential { name: "d".to_owned(), version: 2, sealed: vec![9], ..given.clone() };
    let after = f.store.update_credential(f.tenant, 1, next.clone()).await.unwrap();
    assert!(after.name == "d" && after.version == 2 && after.sealed == [9]);
    assert!(
        after.created_at == before.created_at && after.updated_at.is_some_and(|at| at > before.created_at)
    );
    let late = NewCredential { version: 2, sealed: vec![7], ..given.clone() };
    assert_eq!(kind(f.store.update_credential(f.tenant, 1, late).await), ErrorKind::Conflict);
    assert!(f.store.credential(f.tenant, given.id).await.unwrap() == after, "nothing changed");
    let absent = NewCredential { id: CredentialId::new(999), ..next };
    assert_eq!(kind(f.store.update_credential(f.tenant, 2, absent).await), ErrorKind::NotFound);
}

pub async fn an_update_keeps_names_apart_and_the_type(f: Fixture) {
    let (first, second) = (new(&f, "c").await, new(&f, "d").await);
    f.store.insert_credential(f.tenant, first).await.unwrap();
    let before = f.store.insert_credential(f.tenant, second.clone()).await.unwrap();
    let renamed = NewCredential { name: "c".to_owned(), version: 2, ..second.clone() };
    assert_eq!(kind(f.store.update_credential(f.tenant, 1, renamed).await), ErrorKind::Conflict);
    let retyped = NewCredential { credential_type: "ssh".to_owned(), version: 2, ..second.clone() };
    assert_eq!(kind(f.store.update_credential(f.tenant, 1, retyped).await), ErrorKind::InvalidInput);
    assert!(f.store.credential(f.tenant, second.id).await.unwrap() == before, "nothing changed");
    let same_name = NewCredential { version: 2, ..second };
    assert!(f.store.update_credential(f.tenant, 1, same_name).await.is_ok());
}

pub async fn a_credential_in_use_stays(f: Fixture) {
    let given = new(&f, "c").await;
    let id = given.id;
    f.store.insert_credential(f.tenant, given).await.unwrap();
    let target = f.store.insert_target(f.tenant, TargetSpec::winrm("web-1", "192.0.2.1", id)).await.unwrap();
    let error = refusal(f.store.delete_credential(f.tenant, id).await);
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("web-1"), "it names a target: {error}");
    f.store.delete_target(f.tenant, target.id).await.unwrap();
    f.store.delete_credential(f.tenant, id).await.unwrap();
    assert_eq!(kind(f.store.credential(f.tenant, id).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.delete_credential(f.tenant, id).await), ErrorKind::NotFound);
}

pub async fn a_target_and_the_end_of_its_credential_do_not_both_come_through(f: Fixture) {
    for round in 0..10 {
        let credential = new(&f, &format!("c{round}")).await;
        f.store.insert_credential(f.tenant, credential.clone()).await.unwrap();
        let spec = TargetSpec { credential_ref: Some(credential.id), ..f.new_target() };
        let name = spec.name.clone();
        let (stored, gone) = tokio::join!(
            f.store.insert_target(f.tenant, spec),
            f.store.delete_credential(f.tenant, credential.id)
        );
        match (stored, gone) {
            (Ok(_), Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                assert!(error.to_string().contains(&name), "{error}");
            }
            (Err(error), Ok(())) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}"),
            (stored, gone) => panic!("one of the two comes through: {stored:?}, {gone:?}"),
        }
    }
}

pub async fn the_types_of_many_are_read_at_once(f: Fixture) {
    let windows = new(&f, "w").await;
    let service = NewCredential { credential_type: "api_key".to_owned(), ..new(&f, "s").await };
    let elsewhere = f.other_tenant().await;
    let theirs = new(&elsewhere, "t").await;
    for (tenant, credential) in [(f.tenant, &windows), (f.tenant, &service), (elsewhere.tenant, &theirs)] {
        f.store.insert_credential(tenant, credential.clone()).await.unwrap();
    }
    let asked = [service.id, CredentialId::new(999_999), theirs.id, windows.id];
    let mut types = f.store.credential_types(f.tenant, &asked).await.unwrap();
    types.sort();
    assert_eq!(types, [(windows.id, "winrm".to_owned()), (service.id, "api_key".to_owned())]);
    assert!(f.store.credential_types(f.tenant, &[]).await.unwrap().is_empty());
}
