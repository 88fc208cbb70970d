//! Signing keys, and families of refresh tokens.

use std::time::Duration;

use super::{accounts, kind};
use crate::{
    ErrorKind,
    store::{FAMILIES_MAX, KeyPurpose, NewFamily, NewSigningKey, Turn, Turned, UserChange, UserRecord},
    tenant::Role,
    testing::store::Fixture,
};

const GRACE: Duration = Duration::from_secs(10);
const TOKEN_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
const FAMILY_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

fn key(id: &str, purpose: KeyPurpose) -> NewSigningKey {
    NewSigningKey { id: id.to_owned(), purpose, sealed: vec![0, 1, 2, 255] }
}

async fn rotate(f: &Fixture, id: &str, expected: Option<&str>) -> crate::Result<()> {
    f.store.rotate_signing_key(key(id, KeyPurpose::Access), expected, Duration::from_secs(60)).await
}

fn token(family: &str, generation: u64) -> [u8; 32] {
    let mut digest = [generation as u8; 32];
    digest[..family.len()].copy_from_slice(family.as_bytes());
    digest
}

pub(crate) fn new(user: &UserRecord, id: &str) -> NewFamily {
    NewFamily {
        id: id.to_owned(),
        user: user.id,
        token_version: user.token_version,
        token: token(id, 0),
        token_life: TOKEN_LIFE,
        family_life: FAMILY_LIFE,
    }
}

async fn family(f: &Fixture, id: &str) -> UserRecord {
    let user = accounts::user(f, Role::Viewer).await;
    f.store.begin_family(f.tenant, new(&user, id)).await.unwrap();
    user
}

async fn turn(f: &Fixture, id: &str, generation: u64) -> Turned {
    let turn = Turn {
        family: id.to_owned(),
        generation,
        token: token(id, generation),
        next: token(id, generation + 1),
        grace: GRACE,
        token_life: TOKEN_LIFE,
    };
    f.store.turn(turn).await.unwrap()
}

pub async fn a_key_is_current_until_another_is(f: Fixture) {
    assert!(f.store.signing_keys().await.unwrap().is_empty());
    rotate(&f, "first", None).await.unwrap();
    f.store.rotate_signing_key(key("other", KeyPurpose::Refresh), None, TOKEN_LIFE).await.unwrap();
    f.clock.advance(Duration::from_secs(1));
    rotate(&f, "second", Some("first")).await.unwrap();
    let keys = f.store.signing_keys().await.unwrap();
    assert_eq!(keys[0].id, "second", "the newest comes first");
    let of = |id: &str| keys.iter().find(|key| key.id == id).unwrap();
    assert_eq!((of("second").ends_at, of("other").ends_at), (None, None));
    assert_eq!(of("first").ends_at, Some(of("second").created_at + Duration::from_secs(60)));
    assert_eq!((of("other").purpose, of("first").purpose), (KeyPurpose::Refresh, KeyPurpose::Access));
    assert_eq!(of("first").sealed, [0, 1, 2, 255]);
    f.clock.advance(Duration::from_secs(60));
    let left: Vec<_> = f.store.signing_keys().await.unwrap().into_iter().map(|key| key.id).collect();
    assert!(left.len() == 2 && !left.contains(&"first".to_owned()), "{left:?}");
}

pub async fn of_two_that_make_a_key_one_does(f: Fixture) {
    let (one, two) = tokio::join!(rotate(&f, "a", None), rotate(&f, "b", None));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert_eq!(kind(one.and(two)), ErrorKind::Conflict);
    let current = f.store.signing_keys().await.unwrap().remove(0).id;
    assert_eq!(kind(rotate(&f, "c", None).await), ErrorKind::Conflict);
    assert_eq!(kind(rotate(&f, "c", Some("nobody's")).await), ErrorKind::Conflict);
    assert_eq!(kind(rotate(&f, &current, Some(&current)).await), ErrorKind::Conflict);
    let (one, two) = tokio::join!(rotate(&f, "c", Some(&current)), rotate(&f, "d", Some(&current)));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert_eq!(kind(one.and(two)), ErrorKind::Conflict);
    assert_eq!(f.store.signing_keys().await.unwrap().len(), 2);
}

pub async fn a_token_has_one_successor(f: Fixture) {
    let user = family(&f, "family").await;
    assert_eq!(turn(&f, "family", 0).await, Turned::Rotated(user.clone()));
    f.clock.advance(GRACE);
    assert_eq!(turn(&f, "family", 0).await, Turned::Repeated(user.clone()));
    assert_eq!(turn(&f, "family", 1).await, Turned::Rotated(user));
    assert_eq!(turn(&f, "nobody's", 0).await, Turned::Gone);
}

pub async fn a_token_that_was_used_before_ends_its_family(f: Fixture) {
    for (spent, later) in [(0, Duration::ZERO), (1, GRACE + Duration::from_micros(1)), (3, Duration::ZERO)] {
        let id = format!("family-{spent}");
        let user = family(&f, &id).await;
        turn(&f, &id, 0).await;
        assert_eq!(turn(&f, &id, 1).await, Turned::Rotated(user.clone()));
        f.clock.advance(later);
        assert_eq!(turn(&f, &id, spent).await, Turned::Reused(user), "{spent}");
        for generation in [2, spent] {
            assert_eq!(turn(&f, &id, generation).await, Turned::Gone);
        }
    }
}

pub async fn many_that_come_together_get_one_successor(f: Fixture) {
    let user = family(&f, "family").await;
    let mut turns = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (store, given) = (
            f.store.clone(),
            Turn {
                family: "family".to_owned(),
                generation: 0,
                token: token("family", 0),
                next: token("family", 1),
                grace: GRACE,
                token_life: TOKEN_LIFE,
            },
        );
        turns.spawn(async move { store.turn(given).await.unwrap() });
    }
    let turned = turns.join_all().await;
    let rotated = turned.iter().filter(|turned| **turned == Turned::Rotated(user.clone())).count();
    let repeated = turned.iter().filter(|turned| **turned == Turned::Repeated(user.clone())).count();
    assert_eq!((rotated, repeated), (1, 63));
}

pub async fn a_family_ends_with_its_time(f: Fixture) {
    family(&f, "unused").await;
    let user = family(&f, "used").await;
    f.clock.advance(TOKEN_LIFE);
    assert_eq!(turn(&f, "unused", 0).await, Turned::Gone);
    assert_eq!(turn(&f, "used", 0).await, Turned::Gone, "also where it would have been used");
    family(&f, "again").await;
    for generation in 0..5 {
        f.clock.advance(TOKEN_LIFE - Duration::from_secs(24 * 3600));
        let turned = turn(&f, "again", generation).await;
        let lives = generation < 4;
        assert_eq!(matches!(turned, Turned::Rotated(_)), lives, "{generation} {turned:?}");
        assert_eq!(turned == Turned::Gone, !lives);
    }
    f.store.begin_family(f.tenant, new(&user, "ended")).await.unwrap();
    f.store.end_family("ended").await.unwrap();
    f.store.end_family("ended").await.unwrap();
    assert_eq!(turn(&f, "ended", 0).await, Turned::Gone);
}

pub async fn a_family_ends_with_what_ends_tokens(f: Fixture) {
    let user = family(&f, "first").await;
    let change = UserChange { end_tokens: true, ..UserChange::default() };
    let changed = f.store.change_user(f.tenant, user.id, change).await.unwrap();
    assert_eq!(turn(&f, "first", 0).await, Turned::Gone);
    assert_eq!(kind(f.store.begin_family(f.tenant, new(&user, "late")).await), ErrorKind::NotFound);
    f.store.begin_family(f.tenant, new(&changed, "second")).await.unwrap();
    let other = f.other_tenant().await;
    assert_eq!(kind(f.store.begin_family(other.tenant, new(&changed, "foreign")).await), ErrorKind::NotFound);
    f.store.delete_user(f.tenant, user.id).await.unwrap();
    assert_eq!(turn(&f, "second", 0).await, Turned::Gone);
    assert_eq!(kind(f.store.begin_family(f.tenant, new(&changed, "third")).await), ErrorKind::NotFound);
    let user = family(&f, "fourth").await;
    let change = UserChange { is_active: Some(false), ..UserChange::default() };
    let inactive = f.store.change_user(f.tenant, user.id, change).await.unwrap();
    assert_eq!(turn(&f, "fourth", 0).await, Turned::Gone);
    assert_eq!(kind(f.store.begin_family(f.tenant, new(&inactive, "fifth")).await), ErrorKind::NotFound);
}

pub async fn an_account_has_so_many_families(f: Fixture) {
    let user = family(&f, "0").await;
    for number in 1..=FAMILIES_MAX {
        f.clock.advance(Duration::from_secs(1));
        f.store.begin_family(f.tenant, new(&user, &number.to_string())).await.unwrap();
    }
    assert_eq!(turn(&f, "0", 0).await, Turned::Gone);
    for number in 1..=FAMILIES_MAX {
        assert_eq!(turn(&f, &number.to_string(), 0).await, Turned::Rotated(user.clone()), "{number}");
    }
}
