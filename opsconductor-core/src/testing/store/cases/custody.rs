//! Sealed records wherever they rest, over all tenants.

use std::{collections::BTreeSet, time::Duration};

use super::credentials;
use crate::{
    id::CredentialId,
    store::{
        KeyPurpose, KeyUse, NewCredential, NewRun, NewSigningKey, SealedAt, SealedChange, SealedParameter,
        SealedRecord,
    },
    testing::store::{Fixture, PlanSketch},
    vault::RecordContext,
};

/// What begins as a record under a key does.
fn under(key: &str, rest: &[u8]) -> Vec<u8> {
    [b"OAV1\x01", &[key.len() as u8][..], key.as_bytes(), rest].concat()
}

async fn credential(f: &Fixture, name: &str, sealed: Vec<u8>) -> CredentialId {
    let new = NewCredential { sealed, ..credentials::new(f, name).await };
    f.store.insert_credential(f.tenant, new).await.unwrap().id
}

/// A run with the secret parameters `a` and `b`.
async fn run(f: &Fixture, sealed: [Vec<u8>; 2]) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).secret("a").secret("b").build();
    let [a, b] = sealed;
    let parameter = |name: &str, sealed| SealedParameter {
        name: name.to_owned(),
        id: format!("{name}-of-{}", job.id),
        version: 1,
        sealed,
    };
    f.enqueue(NewRun { secrets: vec![parameter("a", a), parameter("b", b)], ..f.new_run(&job, plan) }).await;
}

async fn all(f: &Fixture, page: usize) -> Vec<SealedRecord> {
    let (mut all, mut after): (Vec<SealedRecord>, Option<SealedAt>) = (Vec::new(), None);
    loop {
        let part = f.store.sealed_records(after.as_ref(), page).await.unwrap();
        assert!(part.len() <= page);
        let Some(last) = part.last() else { return all };
        after = Some(last.at.clone());
        all.extend(part);
    }
}

fn change(record: &SealedRecord, new: &[u8]) -> SealedChange {
    SealedChange { at: record.at.clone(), old: record.sealed.clone(), new: new.to_vec() }
}

pub async fn records_of_all_tenants_come_once_with_what_they_are_bound_to(f: Fixture) {
    let other = f.other_tenant().await;
    let mut credentials = BTreeSet::new();
    for (fixture, name) in [(&f, "a"), (&other, "a"), (&f, "b"), (&other, "b")] {
        let id = credential(fixture, name, under("k", name.as_bytes())).await;
        credentials.insert((fixture.tenant, id.to_string()));
    }
    run(&f, [under("k", b"1"), vec![0, 255]]).await;
    run(&other, [under("k", b"3"), under("k", &[7; 70_000])]).await;
    let whole = all(&f, 100).await;
    assert_eq!(whole.len(), 8, "{whole:?}");
    assert!(whole.is_sorted_by(|one, next| one.at < next.at));
    for page in [1, 2, 3, 8] {
        assert!(all(&f, page).await == whole, "in parts of {page}");
    }
    let found: BTreeSet<_> = whole
        .iter()
        .filter(|record| record.kind == "credential")
        .map(|record| {
            let bound = (record.field.as_str(), record.record_type.as_str(), record.version);
            assert_eq!(bound, ("data", "winrm", 1));
            (record.tenant, record.id.clone())
        })
        .collect();
    assert_eq!(found, credentials);
    let parameters: Vec<_> = whole.iter().filter(|record| record.kind == "parameter").collect();
    assert_eq!(parameters.len(), 4);
    for record in parameters {
        assert!(record.id.starts_with(&format!("{}-of-", record.field)), "{record:?}");
        assert_eq!((record.record_type.as_str(), record.version), ("string", 1));
    }
    let largest = whole.iter().max_by_key(|record| record.sealed.len()).unwrap();
    assert!(largest.tenant == other.tenant && largest.sealed == under("k", &[7; 70_000]));
}

pub async fn a_record_is_replaced_while_it_is_as_it_was_and_nothing_else_changes(f: Fixture) {
    let id = credential(&f, "c", under("old", b"1")).await;
    run(&f, [under("old", b"2"), under("old", b"3")]).await;
    let before = f.store.credential(f.tenant, id).await.unwrap();
    let records = all(&f, 10).await;
    let changes: Vec<_> =
        records.iter().map(|record| change(record, &under("new", &record.sealed))).collect();
    assert_eq!(f.store.replace_sealed(changes.clone()).await.unwrap(), [true; 3]);
    for (now, was) in all(&f, 10).await.iter().zip(&records) {
        assert!(*now == SealedRecord { sealed: under("new", &was.sealed), ..was.clone() }, "{now:?}");
    }
    let after = f.store.credential(f.tenant, id).await.unwrap();
    assert!(after.sealed != before.sealed);
    let sealed = before.sealed.clone();
    assert!(crate::store::CredentialRecord { sealed, ..after } == before, "the version stays, and all else");
    assert_eq!(f.store.replace_sealed(changes).await.unwrap(), [false; 3], "it is not as it was any more");
    assert!(f.store.replace_sealed(Vec::new()).await.unwrap().is_empty());
}

pub async fn what_was_rotated_or_removed_meanwhile_stays_as_it_is(f: Fixture) {
    let (first, second) =
        (credential(&f, "a", under("old", b"1")).await, credential(&f, "b", under("old", b"2")).await);
    let third = credential(&f, "c", under("old", b"3")).await;
    let records = all(&f, 10).await;
    let rotated = NewCredential {
        id: first,
        version: 2,
        sealed: under("old", b"4"),
        ..credentials::new(&f, "a").await
    };
    f.store.update_credential(f.tenant, 1, rotated).await.unwrap();
    f.store.delete_credential(f.tenant, second).await.unwrap();
    let changes = records.iter().map(|record| change(record, &under("new", b""))).collect();
    assert_eq!(f.store.replace_sealed(changes).await.unwrap(), [false, false, true]);
    assert!(f.store.credential(f.tenant, first).await.unwrap().sealed == under("old", b"4"));
    assert!(f.store.credential(f.tenant, third).await.unwrap().sealed == under("new", b""));
}

pub async fn of_two_who_replace_at_once_one_does(f: Fixture) {
    for name in 0..8 {
        credential(&f, &name.to_string(), under("old", &[name])).await;
    }
    let records = all(&f, 10).await;
    let to =
        |key: &'static str| records.iter().map(move |record| change(record, &under(key, &record.sealed)));
    let (up, down) = (to("up").collect(), to("down").rev().collect());
    let (up, down) = tokio::join!(f.store.replace_sealed(up), f.store.replace_sealed(down));
    let (up, down) = (up.unwrap(), down.unwrap());
    for ((up, down), now) in up.into_iter().zip(down.into_iter().rev()).zip(all(&f, 10).await) {
        assert!(up != down, "one of the two replaced it");
        assert_eq!(crate::vault::envelope::named_key(&now.sealed), Some(if up { "up" } else { "down" }));
    }
}

pub async fn records_are_counted_by_what_they_are_and_the_key_they_name(f: Fixture) {
    assert_eq!(f.store.sealed_by_key().await.unwrap(), []);
    let other = f.other_tenant().await;
    let long = "\u{e9}".repeat(127);
    credential(&f, "a", under("old", b"1")).await;
    credential(&other, "a", under("old", b"2")).await;
    credential(&f, "b", under(&long, b"3")).await;
    for (name, sealed) in [
        ("nothing", Vec::new()),
        ("text", b"hunter2".to_vec()),
        ("cut", b"OAV1\x01\x09old".to_vec()),
        ("no id", b"OAV1\x01\x00old".to_vec()),
        ("another suite", b"OAV1\x02\x03old".to_vec()),
    ] {
        credential(&f, name, sealed).await;
    }
    run(&other, [under("old", b"4"), under("new", b"5")]).await;
    let count = |kind, key: Option<&str>, records| KeyUse { kind, key: key.map(str::to_owned), records };
    assert_eq!(
        f.store.sealed_by_key().await.unwrap(),
        [
            count("credential", None, 5),
            count("credential", Some("old"), 2),
            count("credential", Some(&long), 1),
            count("parameter", Some("new"), 1),
            count("parameter", Some("old"), 1),
        ]
    );
}

pub async fn keys_that_sign_tokens_are_among_them(f: Fixture) {
    credential(&f, "c", under("old", b"1")).await;
    for (id, purpose) in [("b", KeyPurpose::Access), ("a", KeyPurpose::Refresh)] {
        let new = NewSigningKey { id: id.to_owned(), purpose, sealed: under("old", id.as_bytes()) };
        f.store.rotate_signing_key(new, None, Duration::from_secs(60)).await.unwrap();
    }
    let whole = all(&f, 10).await;
    assert!(all(&f, 1).await == whole && all(&f, 2).await == whole);
    let keys: Vec<_> = whole.iter().filter(|record| record.kind == "signing-key").collect();
    let [a, b] = keys[..] else { panic!("{whole:?}") };
    for (record, id, purpose) in [(a, "a", KeyPurpose::Refresh), (b, "b", KeyPurpose::Access)] {
        assert_eq!(record.context(), RecordContext::signing_key(id, purpose.as_str()));
    }
    assert_eq!(f.store.replace_sealed(vec![change(b, &under("new", b"b"))]).await.unwrap(), [true]);
    assert_eq!(f.store.replace_sealed(vec![change(b, &under("new", b"c"))]).await.unwrap(), [false]);
    let uses = f.store.sealed_by_key().await.unwrap();
    let of = |key: &str, kind| KeyUse { kind, key: Some(key.to_owned()), records: 1 };
    assert_eq!(uses, [of("old", "credential"), of("new", "signing-key"), of("old", "signing-key")]);
    let keys = f.store.signing_keys().await.unwrap();
    assert!(keys.iter().any(|key| key.id == "b" && key.sealed == under("new", b"b")));
}

pub async fn keys_that_sign_the_audit_record_are_among_them(f: Fixture) {
    let other = f.other_tenant().await;
    for fixture in [&f, &other] {
        f.store.keep_audit_key(fixture.tenant, &under("old", b"seed")).await.unwrap();
    }
    let whole = all(&f, 10).await;
    assert!(all(&f, 1).await == whole && whole.len() == 2, "{whole:?}");
    for (record, tenant) in whole.iter().zip([f.tenant, other.tenant]) {
        assert_eq!((record.context(), record.tenant), (RecordContext::audit_key(tenant), tenant));
    }
    assert_eq!(
        f.store.replace_sealed(vec![change(&whole[1], &under("new", b"seed"))]).await.unwrap(),
        [true]
    );
    assert_eq!(f.store.audit_key(other.tenant).await.unwrap(), Some(under("new", b"seed")));
    assert_eq!(f.store.audit_key(f.tenant).await.unwrap(), Some(under("old", b"seed")));
}
