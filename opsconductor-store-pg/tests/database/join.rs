//! A run that comes and goes with the host's own rows.

use opsconductor_core::{
    ErrorKind,
    id::JobId,
    run::{RunPlan, RunStatus},
    store::{Catalog, History, Idempotency, JobRecord, NewJob, NewRun, Notice, Queue, Store},
    tenant::DEFAULT_TENANT,
    testing::store::PlanSketch,
};
use opsconductor_store_pg::{
    PgStore,
    sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction, query, query_scalar},
    testing::{Place, STRANGER, Server, TENANT_ROLE, WORKER_ROLE},
};
use serde_json::json;

use crate::support::{hear, number, open, options, outsider, place, run, try_run};

/// A host with a table of its own beside our schema.
struct Host {
    place: Place,
    store: PgStore,
    pool: PgPool,
    job: JobRecord,
}

impl Host {
    async fn new() -> Self {
        let place = place();
        let store = open(&place).await;
        let mut owner = outsider(&place).await;
        run(&mut owner, &place, "CREATE TABLE :schema.orders (id INT PRIMARY KEY)").await;
        let new = NewJob {
            name: "job".to_owned(),
            version: 1,
            definition: json!({"steps": []}),
            created_by: None,
            is_active: true,
        };
        let job = store.insert_job(DEFAULT_TENANT, new).await.unwrap();
        let pool = PgPool::connect(place.url()).await.unwrap();
        Self { place, store, pool, job }
    }

    fn new_run(&self) -> NewRun {
        let plan: std::sync::Arc<RunPlan> = PlanSketch::new(&self.job, &[]).step(&[], &[]).build();
        NewRun {
            job: self.job.id,
            plan,
            if_current: false,
            requested_by: None,
            correlation_id: None,
            idempotency: None,
            priority: 0,
            parent: None,
            concurrency_key: None,
            labels: Default::default(),
        }
    }

    /// A transaction of the host's, in which it has written a row.
    async fn order(&self, id: i64) -> Transaction<'static, Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        run(&mut tx, &self.place, &format!("INSERT INTO :schema.orders VALUES ({id})")).await;
        tx
    }

    async fn orders(&self) -> i64 {
        number(&mut outsider(&self.place).await, &self.place, "SELECT count(*) FROM :schema.orders").await
    }
}

async fn setting(tx: &mut PgConnection, name: &str) -> Option<String> {
    query_scalar("SELECT nullif(current_setting($1, true), '')").bind(name).fetch_one(tx).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_there_when_the_host_commits() {
    let host = Host::new().await;
    let mut heard = host.store.notices().unwrap();
    let mut tx = host.order(1).await;
    let enqueued = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, host.new_run()).await.unwrap();
    assert!(!enqueued.repeated);
    let early = host.store.run(DEFAULT_TENANT, enqueued.run.id).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::NotFound, "nobody sees it before");
    assert_eq!(host.store.queue_depth().await.unwrap(), (0, 0));
    // Only a listener that is there already hears of it.
    while number(
        &mut outsider(&host.place).await,
        &host.place,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = ':schema' AND query LIKE 'LISTEN%'",
    )
    .await
        == 0
    {}
    tx.commit().await.unwrap();
    let run = host.store.run(DEFAULT_TENANT, enqueued.run.id).await.unwrap();
    assert_eq!((run.status, &run), (RunStatus::Queued, &enqueued.run));
    assert_eq!((host.store.queue_depth().await.unwrap(), host.orders().await), ((1, 0), 1));
    hear(&mut heard, Notice::Ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_gone_when_the_host_rolls_back() {
    let host = Host::new().await;
    let mut tx = host.order(1).await;
    let enqueued = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, host.new_run()).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(
        host.store.run(DEFAULT_TENANT, enqueued.run.id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!((host.store.queue_depth().await.unwrap(), host.orders().await), ((0, 0), 0));
    drop(host.order(2).await);
    let mut tx = host.order(3).await;
    host.store.enqueue_in(&mut tx, DEFAULT_TENANT, host.new_run()).await.unwrap();
    drop(tx);
    assert_eq!(host.orders().await, 0, "nor is anything left of one that was dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_of_the_host_is_found_as_it_was() {
    let host = Host::new().await;
    let mut tx = host.order(1).await;
    query("SET LOCAL search_path = pg_catalog").execute(&mut *tx).await.unwrap();
    query("SET LOCAL opsconductor.tenant = '77'").execute(&mut *tx).await.unwrap();
    query("SET LOCAL statement_timeout = '12s'").execute(&mut *tx).await.unwrap();
    host.store.enqueue_in(&mut tx, DEFAULT_TENANT, host.new_run()).await.unwrap();
    let refused = NewRun { job: JobId::new(999_999), ..host.new_run() };
    let error = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, refused).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    for (name, value) in
        [("search_path", "pg_catalog"), ("opsconductor.tenant", "77"), ("statement_timeout", "12s")]
    {
        assert_eq!(setting(&mut tx, name).await.as_deref(), Some(value), "{name}");
    }
    tx.commit().await.unwrap();
    assert_eq!(
        (host.store.queue_depth().await.unwrap(), host.orders().await),
        ((1, 0), 1),
        "what was refused undid nothing"
    );
    let mut connection = host.pool.acquire().await.unwrap();
    assert_eq!(setting(&mut connection, "opsconductor.tenant").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_leaves_the_transaction_as_it_stood() {
    let host = Host::new().await;
    let mut tx = host.order(1).await;
    let unstorable = NewRun { correlation_id: Some("a\0b".to_owned()), ..host.new_run() };
    let error = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, unstorable).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    host.store.enqueue_in(&mut tx, DEFAULT_TENANT, host.new_run()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((host.store.queue_depth().await.unwrap(), host.orders().await), ((1, 0), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_holds_within_and_across_transactions() {
    let host = Host::new().await;
    let keyed = |digest| NewRun {
        idempotency: Some(Idempotency { key: "k".to_owned(), digest: [digest; 32] }),
        ..host.new_run()
    };
    let mut tx = host.order(1).await;
    let first = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, keyed(7)).await.unwrap();
    let again = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, keyed(7)).await.unwrap();
    assert_eq!((again.repeated, again.run.id), (true, first.run.id));
    tx.commit().await.unwrap();
    let outside = host.store.enqueue(DEFAULT_TENANT, keyed(7)).await.unwrap();
    assert_eq!((outside.repeated, outside.run.id), (true, first.run.id));
    let mut tx = host.order(2).await;
    let other = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, keyed(8)).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_role_may_enqueue_for_its_tenant() {
    let (Some(admin), Some(url)) = (Server::shared().admin_url(), Server::shared().url_of(STRANGER, "ops"))
    else {
        return;
    };
    let host = Host::new().await;
    let roles = options(&host.place).with_worker_role(WORKER_ROLE).with_tenant_role(TENANT_ROLE);
    PgStore::migrate(host.place.url(), &roles).await.unwrap();
    let mut admin = PgConnection::connect(&admin).await.unwrap();
    run(&mut admin, &host.place, &format!("GRANT {TENANT_ROLE} TO {STRANGER}")).await;
    let pool = PgPool::connect(&url).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let enqueued = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, host.new_run()).await.unwrap();
    assert!(try_run(&mut tx, &host.place, "SELECT 1 FROM :schema.job_runs").await.is_ok());
    tx.commit().await.unwrap();
    assert_eq!(host.store.run(DEFAULT_TENANT, enqueued.run.id).await.unwrap().status, RunStatus::Queued);
}

#[tokio::test]
async fn a_run_with_a_key_waits_its_turn_and_needs_to_see_who_has_it() {
    let host = Host::new().await;
    let keyed = || NewRun { concurrency_key: Some("deploy".to_owned()), ..host.new_run() };
    let first = host.store.enqueue(DEFAULT_TENANT, keyed()).await.unwrap().run;
    let mut tx = host.order(1).await;
    let second = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, keyed()).await.unwrap().run;
    tx.commit().await.unwrap();
    let worker = opsconductor_core::id::WorkerId::generate();
    let claimed = host.store.claim(worker, 10, std::time::Duration::from_secs(15)).await.unwrap();
    assert_eq!(claimed.iter().map(|task| task.lease.run).collect::<Vec<_>>(), [first.id]);
    host.store.cancel_run(DEFAULT_TENANT, second.id, "enough").await.unwrap();

    let mut tx = host.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let refused = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, keyed()).await;
    assert_eq!(refused.map(|enqueued| enqueued.run.id).unwrap_err().kind(), ErrorKind::InvalidInput);
    tx.rollback().await.unwrap();
}
