//! A run that comes and goes with the host's own rows.

use std::sync::Arc;

use async_trait::async_trait;
use opsconductor_core::{
    ErrorKind, Result,
    id::JobId,
    run::RunStatus,
    store::{Enqueued, History, NewRun, Notice, Store},
    tenant::DEFAULT_TENANT,
    testing::store::join::{self, Ends, JoinHost, Meanwhile},
};
use opsconductor_store_pg::{
    PgStore,
    sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction, query, query_scalar},
    testing::{Place, STRANGER, Server, TENANT_ROLE, WORKER_ROLE},
};

use crate::support::{external, hear, number, open, options, outsider, place, run, try_run};

/// A host with a table of its own beside our schema.
struct Host {
    place: Place,
    store: Arc<PgStore>,
    pool: PgPool,
}

impl Host {
    async fn new() -> Self {
        let place = place();
        let store = Arc::new(open(&place).await);
        let mut owner = outsider(&place).await;
        run(&mut owner, &place, "CREATE TABLE :schema.orders (id BIGSERIAL PRIMARY KEY)").await;
        let pool = PgPool::connect(place.url()).await.unwrap();
        Self { place, store, pool }
    }

    async fn new_run(&self) -> NewRun {
        join::new_run(&join::job(&*self.store).await)
    }

    /// A transaction of the host's, in which it has written a row.
    async fn begun(&self) -> Transaction<'static, Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        run(&mut tx, &self.place, "INSERT INTO :schema.orders DEFAULT VALUES").await;
        tx
    }

    /// How many runs are queued, and how many rows the host has.
    async fn standing(&mut self) -> (u64, u64) {
        (self.store.queue_depth().await.unwrap().0, self.orders().await)
    }
}

#[async_trait(?Send)]
impl JoinHost for Host {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn order(
        &mut self,
        new: Vec<NewRun>,
        meanwhile: Meanwhile<'_>,
        ends: Ends,
    ) -> Vec<Result<Enqueued>> {
        let mut tx = self.begun().await;
        let mut answers = Vec::new();
        for new in new {
            answers.push(self.store.enqueue_in(&mut tx, DEFAULT_TENANT, new).await);
        }
        meanwhile.await;
        match ends {
            Ends::Committed => tx.commit().await.unwrap(),
            Ends::RolledBack => tx.rollback().await.unwrap(),
        }
        answers
    }

    async fn orders(&mut self) -> u64 {
        let sql = "SELECT count(*) FROM :schema.orders";
        number(&mut outsider(&self.place).await, &self.place, sql).await as u64
    }
}

opsconductor_core::join_suite!(Host::new());

async fn setting(tx: &mut PgConnection, name: &str) -> Option<String> {
    query_scalar("SELECT nullif(current_setting($1, true), '')").bind(name).fetch_one(tx).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_hear_of_it_when_the_host_commits() {
    let mut host = Host::new().await;
    let new = host.new_run().await;
    let mut heard = host.store.notices().unwrap();
    // Only a listener that is there already hears of it.
    let listens =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = ':schema' AND query LIKE 'LISTEN%'";
    let mut owner = outsider(&host.place).await;
    while number(&mut owner, &host.place, listens).await == 0 {}
    host.order(vec![new], Box::pin(std::future::ready(())), Ends::Committed).await.remove(0).unwrap();
    hear(&mut heard, Notice::Ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_transaction_that_was_dropped() {
    let mut host = Host::new().await;
    let new = host.new_run().await;
    let mut tx = host.begun().await;
    host.store.enqueue_in(&mut tx, DEFAULT_TENANT, new).await.unwrap();
    drop(tx);
    assert_eq!(host.standing().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_of_the_host_is_found_as_it_was() {
    let mut host = Host::new().await;
    let new = host.new_run().await;
    let mut tx = host.begun().await;
    query("SET LOCAL search_path = pg_catalog").execute(&mut *tx).await.unwrap();
    query("SET LOCAL opsconductor.tenant = '77'").execute(&mut *tx).await.unwrap();
    query("SET LOCAL statement_timeout = '12s'").execute(&mut *tx).await.unwrap();
    host.store.enqueue_in(&mut tx, DEFAULT_TENANT, new.clone()).await.unwrap();
    let refused = NewRun { job: JobId::new(999_999), ..new };
    let error = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, refused).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    for (name, value) in
        [("search_path", "pg_catalog"), ("opsconductor.tenant", "77"), ("statement_timeout", "12s")]
    {
        assert_eq!(setting(&mut tx, name).await.as_deref(), Some(value), "{name}");
    }
    tx.commit().await.unwrap();
    assert_eq!(host.standing().await, (1, 1), "what was refused undid nothing");
    let mut connection = host.pool.acquire().await.unwrap();
    assert_eq!(setting(&mut connection, "opsconductor.tenant").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgresql_cannot_hold_leaves_the_transaction_as_it_stood() {
    let mut host = Host::new().await;
    let new = host.new_run().await;
    let unstorable = NewRun { correlation_id: Some("a\0b".to_owned()), ..new.clone() };
    let nothing = Box::pin(std::future::ready(()));
    let answers = host.order(vec![unstorable, new], nothing, Ends::Committed).await;
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!((error.kind(), answers[1].is_ok()), (ErrorKind::InvalidInput, true), "{error:?}");
    assert_eq!(host.standing().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_role_may_enqueue_for_its_tenant() {
    let (Some(admin), Some(url)) = (Server::shared().admin_url(), Server::shared().url_of(STRANGER, "ops"))
    else {
        return external();
    };
    let host = Host::new().await;
    let roles = options(&host.place).with_worker_role(WORKER_ROLE).with_tenant_role(TENANT_ROLE);
    PgStore::migrate(host.place.url(), &roles).await.unwrap();
    let mut admin = PgConnection::connect(&admin).await.unwrap();
    run(&mut admin, &host.place, &format!("GRANT {TENANT_ROLE} TO {STRANGER}")).await;
    let new = host.new_run().await;
    let pool = PgPool::connect(&url).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let enqueued = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, new).await.unwrap();
    assert!(try_run(&mut tx, &host.place, "SELECT 1 FROM :schema.job_runs").await.is_ok());
    tx.commit().await.unwrap();
    assert_eq!(host.store.run(DEFAULT_TENANT, enqueued.run.id).await.unwrap().status, RunStatus::Queued);
}

#[tokio::test]
async fn a_run_with_a_key_needs_to_see_who_has_it() {
    let host = Host::new().await;
    let keyed = NewRun { concurrency_key: Some("deploy".to_owned()), ..host.new_run().await };
    let mut tx = host.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let refused = host.store.enqueue_in(&mut tx, DEFAULT_TENANT, keyed).await;
    assert_eq!(refused.map(|enqueued| enqueued.run.id).unwrap_err().kind(), ErrorKind::InvalidInput);
    tx.rollback().await.unwrap();
}
