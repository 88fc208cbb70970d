//! What of people's accounts and of secrets stands in the audit record.

use opsconductor_core::{
    ErrorKind, Secret,
    audit::Outcome,
    engine::{NewAccount, TokenRequest},
    store::{AuditFilter, Page},
    tenant::Role,
    vault::credential::Credential,
};

use crate::scene::{PASSWORD, Scene};

crate::on_each_store!(
    what_happens_to_accounts_is_recorded,
    who_reads_a_secret_is_recorded,
    what_a_token_does_names_its_account_and_the_token,
);

/// What the record says, the oldest first: action, who, how it came out, of which thing.
async fn record(scene: &Scene) -> Vec<(String, String, Outcome, Option<i64>)> {
    let list = scene.engine.local().audit().list(&AuditFilter::default(), Page::default()).await.unwrap();
    let text = format!("{:?}", list.items);
    assert!(!text.contains(PASSWORD) && !text.contains("s3cret"), "{text}");
    let records = list.items.into_iter().rev().map(|chained| chained.record);
    records.map(|record| (record.action, record.actor, record.outcome, record.resource_id)).collect()
}

async fn what_happens_to_accounts_is_recorded(scene: Scene) {
    let (local, password) = (scene.engine.local(), Secret::from(PASSWORD));
    let account =
        |name: &str, role| NewAccount { name: name.into(), email: format!("{name}@example.com"), role };
    let ann = local.users().create(account("ann", Role::Admin), &password).await.unwrap().id;
    let bob = local.users().create(account("bob", Role::Viewer), &password).await.unwrap().id;
    assert!(scene.engine.login("bob", &Secret::from("wrong s3cret")).await.is_err());
    assert!(scene.engine.login("s3cret as a name", &password).await.is_err());
    let logged_in = scene.engine.login("bob", &password).await.unwrap();
    let ops = scene.engine.scope(logged_in.scope());
    let request = TokenRequest { name: "ci".into(), role: Role::Viewer, only: None, life: None };
    let token = ops.api_tokens().create(request).await.unwrap();
    ops.api_tokens().revoke(token.info.id).await.unwrap();
    assert_eq!(ops.users().set_role(bob, Role::Admin).await.unwrap_err().kind(), ErrorKind::Forbidden);
    ops.users().set_password(bob, &password).await.unwrap();
    local.users().set_role(bob, Role::Operator).await.unwrap();
    local.users().delete(bob).await.unwrap();
    use Outcome::{Done, Refused};
    let expected = [
        ("users.create", "local", Done, Some(ann.get())),
        ("users.create", "local", Done, Some(bob.get())),
        ("auth.login", "bob", Refused, Some(bob.get())),
        ("auth.login", "unknown", Refused, None),
        ("auth.login", "bob", Done, Some(bob.get())),
        ("tokens.create", "bob", Done, Some(token.info.id.get())),
        ("tokens.revoke", "bob", Done, Some(token.info.id.get())),
        ("users.role", "bob", Refused, None),
        ("users.password", "bob", Done, Some(bob.get())),
        ("users.role", "local", Done, Some(bob.get())),
        ("users.delete", "local", Done, Some(bob.get())),
    ];
    let expected =
        expected.map(|(action, actor, outcome, id)| (action.to_owned(), actor.to_owned(), outcome, id));
    assert_eq!(record(&scene).await, expected);
}

async fn who_reads_a_secret_is_recorded(scene: Scene) {
    let local = scene.engine.local();
    let made = local.credentials().create("c", &Credential::winrm("a", "s3cret".into())).await.unwrap();
    local.credentials().reveal("c").await.unwrap();
    scene.user("eve", Role::Operator).await;
    let operator = scene.acting_as("eve").await;
    assert_eq!(operator.credentials().reveal("c").await.unwrap_err().kind(), ErrorKind::Forbidden);
    local.keys().rewrap(|_| {}).await.unwrap();
    let records = record(&scene).await;
    let of = |wanted: &str| -> Vec<_> {
        let found = records.iter().filter(|(action, ..)| action == wanted);
        found.map(|(_, _, outcome, id)| (*outcome, *id)).collect()
    };
    assert_eq!(of("credentials.reveal"), [(Outcome::Done, Some(made.id.get())), (Outcome::Refused, None)]);
    assert_eq!(of("keys.rewrap"), [(Outcome::Done, None)]);
}

async fn what_a_token_does_names_its_account_and_the_token(scene: Scene) {
    let ann = scene.user("ann", Role::Operator).await;
    let request = TokenRequest { name: "ci".into(), role: Role::Operator, only: None, life: None };
    let made = scene.acting_as("ann").await.api_tokens().create(request).await.unwrap();
    let token = scene.engine.scope(scene.engine.verify_access(made.token.expose()).await.unwrap());
    token.credentials().create("c", &Credential::winrm("a", "s3cret".into())).await.unwrap();
    let filter = AuditFilter { action: Some("credentials.create".into()), ..AuditFilter::default() };
    let list = scene.engine.local().audit().list(&filter, Page::default()).await.unwrap();
    let record = &list.items[0].record;
    assert_eq!((record.actor_id, record.actor.as_str()), (Some(ann.id), "ann"));
    assert_eq!(record.details["token"], made.info.id.get());
}
