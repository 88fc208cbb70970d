//! Tokens, from the login to their end.

use std::{collections::BTreeSet, time::Duration};

use opsconductor_core::{
    Engine, Error, ErrorKind, Secret,
    engine::TokenPair,
    tenant::{Actor, Role},
};

use crate::{
    on_each_store,
    scene::{PASSWORD, Scene, settings},
};

const MINUTE: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(10);

on_each_store!(
    an_access_token_says_who_calls_until_it_ends,
    what_is_no_token_of_ours_is_refused_with_one_word,
    a_refresh_token_is_good_once,
    a_thousand_refreshes_at_once_have_one_successor,
    a_family_ends_by_itself,
    what_changes_the_account_ends_its_tokens,
    the_role_is_the_present_one,
    keys_are_rotated_under_living_tokens,
    two_processes_share_their_keys,
    nothing_of_it_is_found_in_the_store,
);

async fn tokens(scene: &Scene) -> TokenPair {
    scene.login("ann", PASSWORD).await.unwrap().tokens().await.unwrap()
}

fn is_refused<T>(result: Result<T, Error>) {
    let error = result.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert_eq!(error.report(), "the token is not valid, or is not valid any more");
}

async fn verify(engine: &Engine, pair: &TokenPair) -> Result<(), Error> {
    engine.verify_access(pair.access_token.expose()).await.map(drop)
}

async fn an_access_token_says_who_calls_until_it_ends(scene: Scene) {
    let ann = scene.user("ann", Role::Operator).await;
    let logged_in = scene.login("ann", PASSWORD).await.unwrap();
    let pair = logged_in.tokens().await.unwrap();
    assert_eq!(pair.expires_in, 15 * MINUTE);
    let scope = scene.engine.verify_access(pair.access_token.expose()).await.unwrap();
    assert_eq!(scope, logged_in.scope());
    assert_eq!(scope.actor.user_id(), Some(ann.id));
    scene.clock.advance(15 * MINUTE + Duration::from_secs(29));
    verify(&scene.engine, &pair).await.unwrap();
    scene.clock.advance(Duration::from_secs(1));
    is_refused(verify(&scene.engine, &pair).await);
    // A clock that is minutes behind believes no token of later.
    let later = tokens(&scene).await;
    scene.clock.set_wall(opsconductor_core::clock::Clock::now(&*scene.clock) - Duration::from_secs(300));
    is_refused(verify(&scene.engine, &later).await);
}

async fn what_is_no_token_of_ours_is_refused_with_one_word(scene: Scene) {
    scene.user("ann", Role::Admin).await;
    let pair = tokens(&scene).await;
    let (access, refresh) = (pair.access_token.expose(), pair.refresh_token.expose());
    let (header, rest) = access.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    // {"alg":"none","typ":"JWT","kid":"x"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoieCJ9";
    // {"alg":"HS256","typ":"JWT","kid":"x"}
    let unknown = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IngifQ";
    let foreign = Scene::memory();
    foreign.user("ann", Role::Admin).await;
    let foreign = tokens(&foreign).await;
    for text in [
        String::new(),
        "x".repeat(1_000_000),
        refresh.clone(),
        format!("{header}.{body}"),
        format!("{header}.{body}."),
        format!("{none}.{body}."),
        format!("{none}.{body}.{signature}"),
        format!("{unknown}.{body}.{signature}"),
        format!("{header}.{body}.{}", &signature[1..]),
        access[..access.len() - 1].to_owned(),
        format!("{access}A"),
        format!("Bearer {access}"),
        foreign.access_token.expose().clone(),
    ] {
        is_refused(scene.engine.verify_access(&text).await);
    }
    for text in [
        String::new(),
        "x".repeat(1_000_000),
        access.clone(),
        refresh[..refresh.len() - 1].to_owned(),
        refresh.replace(".0.", ".1."),
        foreign.refresh_token.expose().clone(),
    ] {
        is_refused(scene.engine.refresh(&Secret::from(text.as_str())).await);
        is_refused(scene.engine.logout(&Secret::from(text)).await);
    }
    verify(&scene.engine, &pair).await.unwrap();
    scene.engine.refresh(&pair.refresh_token).await.unwrap();
}

async fn a_refresh_token_is_good_once(scene: Scene) {
    scene.user("ann", Role::Viewer).await;
    let first = tokens(&scene).await;
    let other_device = tokens(&scene).await;
    let second = scene.engine.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(second.refresh_token.expose(), first.refresh_token.expose());
    verify(&scene.engine, &second).await.unwrap();
    scene.clock.advance(GRACE);
    let again = scene.engine.refresh(&first.refresh_token).await.unwrap();
    assert_eq!(again.refresh_token.expose(), second.refresh_token.expose(), "two tabs get the same");
    scene.clock.advance(Duration::from_micros(1));
    is_refused(scene.engine.refresh(&first.refresh_token).await);
    is_refused(scene.engine.refresh(&second.refresh_token).await);
    // What is not of the family goes on.
    scene.engine.refresh(&other_device.refresh_token).await.unwrap();
}

async fn a_thousand_refreshes_at_once_have_one_successor(scene: Scene) {
    scene.user("ann", Role::Viewer).await;
    let pair = tokens(&scene).await;
    let mut refreshes = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (engine, token) = (scene.engine.clone(), pair.refresh_token.clone());
        refreshes.spawn(async move { engine.refresh(&token).await.unwrap().refresh_token.expose().clone() });
    }
    let successors: BTreeSet<_> = refreshes.join_all().await.into_iter().collect();
    assert_eq!(successors.len(), 1);
    let successor = Secret::from(successors.into_iter().next().unwrap());
    let next = scene.engine.refresh(&successor).await.unwrap();
    is_refused(scene.engine.refresh(&pair.refresh_token).await);
    is_refused(scene.engine.refresh(&next.refresh_token).await);
}

async fn a_family_ends_by_itself(scene: Scene) {
    scene.user("ann", Role::Viewer).await;
    let day = Duration::from_secs(24 * 3600);
    let (unused, out) = (tokens(&scene).await, tokens(&scene).await);
    scene.engine.logout(&out.refresh_token).await.unwrap();
    scene.engine.logout(&out.refresh_token).await.unwrap();
    is_refused(scene.engine.refresh(&out.refresh_token).await);
    scene.clock.advance(7 * day);
    is_refused(scene.engine.refresh(&unused.refresh_token).await);
    let mut used = tokens(&scene).await;
    for _ in 0..4 {
        scene.clock.advance(6 * day);
        used = scene.engine.refresh(&used.refresh_token).await.unwrap();
    }
    scene.clock.advance(6 * day);
    is_refused(scene.engine.refresh(&used.refresh_token).await);
}

async fn what_changes_the_account_ends_its_tokens(scene: Scene) {
    scene.user("root", Role::Admin).await;
    let id = scene.user("ann", Role::Viewer).await.id;
    let local = scene.engine.local();
    let (users, password) = (local.users(), Secret::from(PASSWORD));
    for change in ["revoke_all", "set_password", "set_role", "deactivate"] {
        let stale = scene.login("ann", PASSWORD).await.unwrap();
        let pair = stale.tokens().await.unwrap();
        verify(&scene.engine, &pair).await.unwrap();
        match change {
            "revoke_all" => users.revoke_all(id).await.unwrap(),
            "set_password" => users.set_password(id, &password).await.unwrap(),
            "set_role" => users.set_role(id, Role::Operator).await.unwrap(),
            _ => users.deactivate(id).await.unwrap(),
        };
        is_refused(verify(&scene.engine, &pair).await);
        is_refused(scene.engine.refresh(&pair.refresh_token).await);
        is_refused(stale.tokens().await);
    }
    users.activate(id).await.unwrap();
    let pair = tokens(&scene).await;
    users.delete(id).await.unwrap();
    is_refused(verify(&scene.engine, &pair).await);
    is_refused(scene.engine.refresh(&pair.refresh_token).await);
}

async fn the_role_is_the_present_one(scene: Scene) {
    let id = scene.user("ann", Role::Viewer).await.id;
    scene.engine.local().users().set_role(id, Role::Operator).await.unwrap();
    let pair = tokens(&scene).await;
    let scope = scene.engine.verify_access(pair.access_token.expose()).await.unwrap();
    assert_eq!(scope.actor, Actor::User { id, name: "ann".to_owned(), role: Role::Operator });
}

async fn keys_are_rotated_under_living_tokens(scene: Scene) {
    scene.user("ann", Role::Viewer).await;
    let before = tokens(&scene).await;
    scene.engine.rotate_signing_keys().await.unwrap();
    let after = tokens(&scene).await;
    let header = |pair: &TokenPair| pair.access_token.expose().split_once('.').unwrap().0.to_owned();
    assert_ne!(header(&before), header(&after), "another key signs now");
    verify(&scene.engine, &before).await.unwrap();
    verify(&scene.engine, &after).await.unwrap();
    scene.clock.advance(15 * MINUTE);
    verify(&scene.engine, &before).await.unwrap();
    let next = scene.engine.refresh(&before.refresh_token).await.unwrap();
    assert_eq!(header(&next), header(&after));
    scene.clock.advance(30 * 24 * 60 * MINUTE);
    scene.engine.rotate_signing_keys().await.unwrap();
    let left = scene.store.signing_keys().await.unwrap();
    assert_eq!(
        left.len(),
        4,
        "each purpose has a current key and the one before; older ones are gone: {left:?}"
    );
}

async fn two_processes_share_their_keys(scene: Scene) {
    scene.user("ann", Role::Viewer).await;
    let other = scene.another_engine(settings());
    let (here, there) = tokio::join!(tokens(&scene), async {
        other.login("ann", &Secret::from(PASSWORD)).await.unwrap().tokens().await.unwrap()
    });
    for engine in [&scene.engine, &other] {
        verify(engine, &here).await.unwrap();
        verify(engine, &there).await.unwrap();
    }
    scene.engine.rotate_signing_keys().await.unwrap();
    let new = tokens(&scene).await;
    scene.clock.advance(Duration::from_secs(1));
    verify(&other, &new).await.unwrap();
    other.refresh(&new.refresh_token).await.unwrap();
    scene.clock.advance(MINUTE);
    let header = |pair: &TokenPair| pair.access_token.expose().split_once('.').unwrap().0.to_owned();
    assert_eq!(header(&other.refresh(&there.refresh_token).await.unwrap()), header(&new));
}

async fn nothing_of_it_is_found_in_the_store(scene: Scene) {
    scene.user("ann", Role::Viewer).await;
    let first = tokens(&scene).await;
    let second = scene.engine.refresh(&first.refresh_token).await.unwrap();
    assert!(scene.login("ann", "wr0ng-canary").await.is_err());
    let shown = format!("{first:?} {:?}", scene.store.login("ann").await);
    let hash = scene.store.login("ann").await.unwrap().unwrap().password.expose().clone();
    let mut secrets = vec![PASSWORD.to_owned(), "wr0ng-canary".to_owned()];
    for pair in [&first, &second] {
        secrets.push(pair.access_token.expose().rsplit_once('.').unwrap().1.to_owned());
        secrets.push(pair.refresh_token.expose().rsplit_once('.').unwrap().1.to_owned());
    }
    for secret in secrets.iter().chain([&hash]) {
        assert!(!shown.contains(secret.as_str()), "{shown}");
    }
    let Some(folder) = &scene.folder else { return };
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret is in the database");
        }
    }
}
