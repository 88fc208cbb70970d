//! Former versions of credentials, and when one expires.

use std::time::Duration;

use super::{credentials, kind};
use crate::{
    ErrorKind,
    clock::Clock as _,
    id::CredentialId,
    store::{CredentialRecord, NewCredential},
    testing::store::Fixture,
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn stored(f: &Fixture, name: &str) -> CredentialRecord {
    let new = credentials::new(f, name).await;
    f.store.insert_credential(f.tenant, new).await.unwrap()
}

async fn rotated(f: &Fixture, present: &CredentialRecord, sealed: &[u8]) -> CredentialRecord {
    let next = NewCredential {
        id: present.id,
        version: present.version + 1,
        sealed: sealed.to_vec(),
        ..credentials::new(f, &present.name).await
    };
    f.store.update_credential(f.tenant, present.version, next).await.unwrap()
}

async fn kept(f: &Fixture, id: CredentialId) -> Vec<i32> {
    f.store.former_versions(f.tenant, id).await.unwrap().iter().map(|former| former.version).collect()
}

pub async fn what_was_rotated_is_kept_as_it_was(f: Fixture) {
    let first = stored(&f, "c").await;
    assert_eq!(kept(&f, first.id).await, [0; 0]);
    f.clock.advance(DAY);
    let second = rotated(&f, &first, &[2, 0]).await;
    let third = rotated(&f, &second, &[3]).await;
    assert_eq!(third.version, 3);
    let former = f.store.former_versions(f.tenant, first.id).await.unwrap();
    assert_eq!(former.len(), 2);
    for (former, was) in former.iter().zip([&second, &first]) {
        assert!(former.credential == was.id && former.version == was.version);
        assert!(former.credential_type == was.credential_type && former.sealed == was.sealed);
    }
    assert_eq!(Some(former[1].replaced_at), second.updated_at);
    assert_eq!(kind(f.store.former_versions(f.tenant, CredentialId::new(999)).await), ErrorKind::NotFound);
}

pub async fn what_was_not_rotated_keeps_nothing(f: Fixture) {
    let first = stored(&f, "c").await;
    let same = NewCredential { id: first.id, sealed: vec![9], ..credentials::new(&f, "renamed").await };
    f.store.update_credential(f.tenant, 1, same).await.unwrap();
    let late = NewCredential { id: first.id, version: 3, ..credentials::new(&f, "c").await };
    assert_eq!(kind(f.store.update_credential(f.tenant, 2, late).await), ErrorKind::Conflict);
    assert_eq!(kept(&f, first.id).await, [0; 0]);
}

pub async fn old_versions_go_in_small_parts_and_the_present_one_stays(f: Fixture) {
    let other = f.other_tenant().await;
    let (mine, theirs) = (stored(&f, "c").await, stored(&other, "c").await);
    let second = rotated(&f, &mine, &[2]).await;
    f.clock.advance(Duration::from_secs(1));
    rotated(&other, &theirs, &[2]).await;
    f.clock.advance(Duration::from_secs(1));
    let third = rotated(&f, &second, &[3]).await;
    f.clock.advance(DAY - Duration::from_secs(2));
    assert_eq!(f.store.remove_versions(DAY, 10).await.unwrap(), 0, "it is just old enough to stay");
    f.clock.advance(DAY);
    assert_eq!(f.store.remove_versions(DAY, 2).await.unwrap(), 2, "of every tenant");
    assert_eq!((kept(&f, mine.id).await, kept(&other, theirs.id).await), (vec![2], vec![]));
    assert_eq!(f.store.remove_versions(DAY, 2).await.unwrap(), 1);
    assert_eq!(f.store.remove_versions(Duration::ZERO, 2).await.unwrap(), 0);
    assert!(f.store.credential(f.tenant, mine.id).await.unwrap() == third);
}

pub async fn versions_go_with_their_credential(f: Fixture) {
    let first = stored(&f, "c").await;
    rotated(&f, &first, &[2]).await;
    f.store.delete_credential(f.tenant, first.id).await.unwrap();
    assert_eq!(kind(f.store.former_versions(f.tenant, first.id).await), ErrorKind::NotFound);
    assert!(f.store.sealed_records(None, 10).await.unwrap().is_empty(), "nothing of it is left");
}

pub async fn former_versions_are_in_custody(f: Fixture) {
    let first = stored(&f, "c").await;
    rotated(&f, &first, &[2]).await;
    let records = f.store.sealed_records(None, 10).await.unwrap();
    let mut bound: Vec<_> = records
        .iter()
        .map(|record| (record.kind, record.id.as_str(), record.record_type.as_str(), record.version))
        .collect();
    bound.sort_unstable();
    let id = first.id.to_string();
    assert_eq!(bound, [("credential", id.as_str(), "winrm", 1), ("credential", id.as_str(), "winrm", 2)]);
    let former = records.iter().find(|record| record.version == 1).unwrap();
    let change =
        crate::store::SealedChange { at: former.at.clone(), old: former.sealed.clone(), new: vec![8, 8] };
    assert_eq!(f.store.replace_sealed(vec![change]).await.unwrap(), [true]);
    assert_eq!(f.store.former_versions(f.tenant, first.id).await.unwrap()[0].sealed, [8, 8]);
}

pub async fn an_expiry_is_set_shown_and_goes_with_its_secret(f: Fixture) {
    let (first, at) = (stored(&f, "c").await, f.clock.now() + DAY);
    assert_eq!(first.expires_at, None);
    let set = f.store.set_expiry(f.tenant, first.id, Some(at)).await.unwrap();
    assert!(set == CredentialRecord { expires_at: set.expires_at, ..first.clone() }, "nothing else changes");
    assert_eq!(set.expires_at.map(|at| at.timestamp_micros()), Some(at.timestamp_micros()));
    assert!(f.store.credential(f.tenant, first.id).await.unwrap() == set);
    assert!(f.store.list_credentials(f.tenant, Fixture::ALL).await.unwrap().items == [set.clone()]);
    assert_eq!(f.store.set_expiry(f.tenant, first.id, None).await.unwrap().expires_at, None);
    f.store.set_expiry(f.tenant, first.id, Some(at)).await.unwrap();
    assert_eq!(rotated(&f, &set, &[2]).await.expires_at, None, "it was that of the former secret");
    assert_eq!(kind(f.store.set_expiry(f.tenant, CredentialId::new(999), None).await), ErrorKind::NotFound);
}

pub async fn what_expires_soon_is_found_over_all_tenants(f: Fixture) {
    let other = f.other_tenant().await;
    let now = f.clock.now();
    let expires = async |f: &Fixture, name: &str, days: u32| {
        let id = stored(f, name).await.id;
        f.store.set_expiry(f.tenant, id, Some(now + DAY * days)).await.unwrap()
    };
    let third = expires(&f, "third", 3).await;
    let first = expires(&other, "first", 1).await;
    expires(&f, "later", 9).await;
    let second = expires(&f, "second", 2).await;
    stored(&f, "never").await;
    let found = f.store.expiring(now + DAY * 5, 10).await.unwrap();
    assert!(found == [(other.tenant, first.clone()), (f.tenant, second), (f.tenant, third)]);
    assert!(f.store.expiring(now + DAY * 5, 1).await.unwrap() == [(other.tenant, first)]);
    assert!(f.store.expiring(now, 10).await.unwrap().is_empty());
}
