//! Row-level security: the second wall between tenants, looked at as a plain role, because an administrator climbs it.

use opsconductor_core::{
    ErrorKind,
    audit::{Entry, staging::Staged},
    id::{TenantId, WorkerId},
    run::{RunStatus, TaskStatus},
    store::Store,
    testing::store::{Fixture, StoreBuilder},
};
use opsconductor_store_pg::{
    PgStore,
    sqlx::{Connection, PgConnection},
    testing::{Place, STRANGER, Server, TENANT_ROLE, WORKER_ROLE},
};

use crate::support::{Shared, number, options, outsider, place, run, try_run};

/// Tables that hold rows of tenants.
const WALLED: &str = "FROM pg_class WHERE relnamespace = ':schema'::regnamespace AND relkind = 'r' AND relname <> 'opsconductor_migrations'";

/// Two tenants with a run each, of which one went on; the second tenant's fixture.
async fn two_tenants(place: &Place) -> (Fixture, Fixture) {
    let (first, ()) = Fixture::build(&Shared(place)).await;
    let second = first.other_tenant().await;
    for fixture in [&first, &second] {
        fixture.wide(2).await;
        let claimed = fixture.claim(2).await.remove(0);
        fixture.store.append_output(vec![Fixture::piece(claimed.lease, 1, "x")]).await.unwrap();
        fixture.end(claimed.lease, TaskStatus::Succeeded).await;
        let (store, tenant) = (&fixture.store, fixture.tenant);
        let entry = |strict| Staged { entry: Entry::by(tenant, None, "eve", "a.b", "thing"), strict };
        store.append_audit(vec![entry(true), entry(false)]).await.unwrap();
        let head = store.audit_state(tenant).await.unwrap().head;
        store.add_checkpoint(tenant, head, "note").await.unwrap();
        store.keep_audit_key(tenant, b"sealed").await.unwrap();
    }
    while first.store.number_events(100).await.unwrap() > 0 {}
    (first, second)
}

#[tokio::test]
async fn every_table_has_its_wall() {
    let place = place();
    let _store = crate::support::open(&place).await;
    let mut owner = outsider(&place).await;
    let all = number(&mut owner, &place, &format!("SELECT count(*) {WALLED}")).await;
    let walled = format!("SELECT count(*) {WALLED} AND relrowsecurity AND relforcerowsecurity");
    assert_eq!(number(&mut owner, &place, &walled).await, all);
    let policies = "SELECT count(*) FROM pg_policies WHERE schemaname = ':schema'";
    // Workers, attempts to log in and signing keys are of no tenant: theirs is the policy of those who serve all.
    assert_eq!(number(&mut owner, &place, policies).await, 2 * all - 3);
    let other = format!("{policies} AND policyname = 'one_tenant' AND qual NOT LIKE '%opsconductor.tenant%'");
    assert_eq!(
        number(&mut owner, &place, &other).await,
        0,
        "each looks at the tenant that the session names"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_sees_the_tenant_that_it_names_and_no_other() {
    let place = place();
    let (_first, second) = two_tenants(&place).await;
    let mut owner = outsider(&place).await;
    for table in [
        "job_runs",
        "job_run_steps",
        "queue",
        "run_events",
        "output_chunks",
        "task_attempts",
        "run_steps",
        "run_plans",
        "jobs",
        "job_versions",
        "targets",
        "tenants",
        "job_run_summary",
        "audit_log",
        "audit_staged",
        "audit_heads",
        "audit_checkpoints",
        "audit_keys",
        "tenant_events",
        "event_heads",
    ] {
        let count = format!("SELECT count(*) FROM :schema.{table}");
        run(&mut owner, &place, "RESET opsconductor.tenant; RESET opsconductor.all_tenants").await;
        assert_eq!(
            number(&mut owner, &place, &count).await,
            0,
            "{table}: without a name not even the owner sees a row"
        );
        run(&mut owner, &place, &format!("SET opsconductor.tenant = '{}'", second.tenant)).await;
        let mine = number(&mut owner, &place, &count).await;
        run(&mut owner, &place, "RESET opsconductor.tenant; SET opsconductor.all_tenants = 'on'").await;
        let all = number(&mut owner, &place, &count).await;
        assert!(mine > 0 && all >= 2 * mine, "{table}: {mine} of {all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_role_cannot_climb_the_wall() {
    let (Some(mut admin), Some(url)) = (admin().await, Server::shared().url_of(STRANGER, "ops")) else {
        return;
    };
    let place = place();
    let (first, second) = two_tenants(&place).await;
    let roles = options(&place).with_worker_role(WORKER_ROLE).with_tenant_role(TENANT_ROLE);
    PgStore::migrate(place.url(), &roles).await.unwrap();
    run(&mut admin, &place, &format!("GRANT {TENANT_ROLE} TO {STRANGER}")).await;
    let mut stranger = PgConnection::connect(&url).await.unwrap();
    let runs = "SELECT count(*) FROM :schema.job_runs";
    run(&mut stranger, &place, "SET opsconductor.all_tenants = 'on'").await;
    assert_eq!(number(&mut stranger, &place, runs).await, 0, "saying that one serves all is not enough");
    run(&mut stranger, &place, &format!("SET opsconductor.tenant = '{}'", second.tenant)).await;
    assert_eq!(number(&mut stranger, &place, runs).await, 1);
    let plant = format!(
        "INSERT INTO :schema.targets (tenant_id, name, hostname) VALUES ({}, 'planted', 'x')",
        first.tenant
    );
    assert!(try_run(&mut stranger, &place, &plant).await.is_err(), "nor can a row be planted");
    let steal = format!(
        "UPDATE :schema.job_runs SET tenant_id = {} WHERE tenant_id = {}",
        second.tenant, first.tenant
    );
    run(&mut stranger, &place, &steal).await;
    assert_eq!(number(&mut stranger, &place, runs).await, 1, "nor one taken");
    assert!(try_run(&mut stranger, &place, &format!("SET ROLE {WORKER_ROLE}")).await.is_err());
    assert!(try_run(&mut stranger, &place, "DELETE FROM :schema.opsconductor_migrations").await.is_err());
    // It adds to the audit record of its tenant, and neither changes nor removes anything of it.
    for (table, column) in [
        ("audit_log", "actor = 'x'"),
        ("audit_staged", "entry = 'x'"),
        ("audit_heads", "begins = 1"),
        ("audit_checkpoints", "note = 'x'"),
        ("audit_keys", "sealed = ''"),
        ("audit_set_aside", "entry = 'x'"),
    ] {
        let all = format!("SELECT count(*) FROM :schema.{table}");
        if table != "audit_set_aside" {
            assert!(number(&mut stranger, &place, &all).await > 0, "{table}: there is something");
        }
        for sql in [format!("DELETE FROM :schema.{table}"), format!("UPDATE :schema.{table} SET {column}")] {
            assert!(try_run(&mut stranger, &place, &sql).await.is_err(), "{sql}");
        }
    }
    run(&mut stranger, &place, "UPDATE :schema.audit_heads SET size = size, hash = hash").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roles_suffice_for_a_run_from_end_to_end() {
    if Server::shared().admin_url().is_none() {
        return;
    }
    let place = place();
    let (fixture, ()) = Fixture::build(&WithRoles(&place)).await;
    let other = fixture.other_tenant().await;
    for fixture in [&fixture, &other] {
        let job = fixture.job().await;
        assert_eq!(fixture.store.job_by_name(fixture.tenant, &job.name).await.unwrap(), job);
        let run = fixture.single().await;
        let lease = fixture.claim_one().await.lease;
        fixture.store.record_dispatch(&lease, &Fixture::handle("a")).await.unwrap();
        fixture.store.append_output(vec![Fixture::piece(lease, 1, "x")]).await.unwrap();
        fixture.store.renew(&[lease], Fixture::TTL).await.unwrap();
        assert_eq!(fixture.end(lease, TaskStatus::Succeeded).await, Some(RunStatus::Succeeded));
        assert_eq!(fixture.run(run.id).await.status, RunStatus::Succeeded);
        assert_eq!(fixture.events(run.id).await.len(), 6);
        fixture.wide(2).await;
        let held = fixture.claim(1).await;
        fixture.store.cancel_run(fixture.tenant, held[0].lease.run, "enough").await.unwrap();
        fixture.clock.advance(Fixture::TTL);
        let expired = fixture.store.take_expired(WorkerId::generate(), 9, Fixture::TTL).await.unwrap();
        fixture.end(expired[0].claimed.lease, TaskStatus::Aborted).await;
    }
    let nowhere = fixture.store.insert_job(TenantId::new(9_999), fixture.new_job()).await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_role_that_is_not_there_or_not_ours_is_refused() {
    let place = place();
    for role in ["nobody_has_this_role", "pg_x", "a b"] {
        let error = PgStore::connect(place.url(), options(&place).with_worker_role(role)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Store | ErrorKind::InvalidInput), "{role}: {error:?}");
        assert!(!error.is_retryable());
    }
    // Also where nothing is migrated, and at once: not after waiting for a connection.
    PgStore::migrate(place.url(), &options(&place)).await.unwrap();
    let apart = options(&place).with_migrate(false).with_worker_role("nobody_has_this_role");
    let error = PgStore::connect(place.url(), apart).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Store, false), "{error:?}");
    let alone = options(&place).with_tenant_role("ops_tenant");
    assert_eq!(PgStore::connect(place.url(), alone).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

async fn admin() -> Option<PgConnection> {
    match Server::shared().admin_url() {
        Some(url) => Some(PgConnection::connect(&url).await.unwrap()),
        None => {
            eprintln!("left out: OPSCONDUCTOR_TEST_PG names a server whose administrator we are not");
            None
        }
    }
}

/// A store that serves the queue as one role and people as another.
struct WithRoles<'a>(&'a Place);

#[async_trait::async_trait]
impl StoreBuilder for WithRoles<'_> {
    type Guard = ();

    async fn build(
        &self,
        clock: std::sync::Arc<opsconductor_core::testing::ManualClock>,
    ) -> (std::sync::Arc<dyn Store>, ()) {
        let options =
            options(self.0).with_clock(clock).with_worker_role(WORKER_ROLE).with_tenant_role(TENANT_ROLE);
        (std::sync::Arc::new(PgStore::connect(self.0.url(), options).await.unwrap()), ())
    }
}
