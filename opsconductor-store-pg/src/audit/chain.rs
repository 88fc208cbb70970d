//! Staging and chaining.

use std::collections::BTreeMap;

use opsconductor_core::{
    audit::{Chained, Entry, Hash, Head, staging},
    clock::Timestamp,
    id::{TenantId, UserId},
};
use sqlx::PgConnection;

use crate::{PgStore, columns, error::DbResult, sql::Statements};

const STAGE: &str = "INSERT INTO :schema.audit_staged (tenant_id, at, entry)
    SELECT e.tenant_id, coalesce($1::timestamptz, clock_timestamp()), e.entry
    FROM unnest($2::bigint[], $3::text[]) WITH ORDINALITY AS e (tenant_id, entry, place) ORDER BY e.place";

/// In the order of the tenants, as everywhere.
const LOCK: &str = "SELECT tenant_id, size, hash, coalesce($2::timestamptz, clock_timestamp())
    FROM :schema.audit_heads WHERE tenant_id = ANY ($1) ORDER BY tenant_id FOR NO KEY UPDATE";

const BEGIN: &str = "INSERT INTO :schema.audit_heads (tenant_id)
    SELECT t FROM unnest($1::bigint[]) AS t ORDER BY t ON CONFLICT DO NOTHING";

const APPEND: &str = "INSERT INTO :schema.audit_log
        (tenant_id, seq, ts, actor_id, actor, action, resource_type, resource_id, outcome, ip, user_agent, details, prev_hash, record_hash)
    SELECT r.tenant_id, r.seq, r.ts, r.actor_id, r.actor, r.action, r.resource_type, r.resource_id, r.outcome, r.ip, r.user_agent,
        r.details::jsonb, r.prev_hash, r.record_hash
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[], $14::bytea[])
        AS r (tenant_id, seq, ts, actor_id, actor, action, resource_type, resource_id, outcome, ip, user_agent, details, prev_hash,
            record_hash)";

const MOVE: &str = "UPDATE :schema.audit_heads AS h SET size = n.size, hash = n.hash
    FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS n (tenant_id, size, hash) WHERE h.tenant_id = n.tenant_id";

/// The tenant is the one that the wall let it in for. A time that no program can have written is none.
macro_rules! waiting {
    ($which:literal) => {
        concat!(
            "SELECT s.id, s.tenant_id, EXISTS (SELECT 1 FROM :schema.tenants AS t WHERE t.id = s.tenant_id),
                CASE WHEN s.at BETWEEN '0001-01-02' AND '9999-12-30' THEN s.at END, s.entry
            FROM :schema.audit_staged AS s ",
            $which,
            " ORDER BY s.id LIMIT $1"
        )
    };
}

const WAITING: &str = waiting!("");
const WAITING_OF: &str = waiting!("WHERE s.tenant_id = $2");

const SET_ASIDE: &str = "INSERT INTO :schema.audit_set_aside (id, tenant_id, at, entry, why)
    SELECT s.id, s.tenant_id, s.at, s.entry, w.why
    FROM unnest($1::bigint[], $2::text[]) AS w (id, why) JOIN :schema.audit_staged AS s ON s.id = w.id";

type Waiting = (i64, i64, bool, Option<Timestamp>, String);

/// Leaves entries to be chained.
pub(super) async fn stage(
    statements: &Statements,
    tx: &mut PgConnection,
    moment: Option<Timestamp>,
    entries: &[Entry],
) -> DbResult<u64> {
    if entries.is_empty() {
        return Ok(0);
    }
    let tenants: Vec<i64> = entries.iter().map(|entry| entry.tenant().get()).collect();
    let texts = entries.iter().map(columns::to_json).collect::<opsconductor_core::Result<Vec<_>>>()?;
    let staged = sqlx::query(statements.of(STAGE)).bind(moment).bind(tenants).bind(texts).execute(tx).await?;
    Ok(staged.rows_affected())
}

/// Chains entries at once. The transaction has taken every other lock that it needs.
pub(super) async fn append(
    statements: &Statements,
    tx: &mut PgConnection,
    moment: Option<Timestamp>,
    entries: Vec<Entry>,
) -> DbResult<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut heads = Heads::lock(statements, tx, moment, entries.iter().map(Entry::tenant).collect()).await?;
    let now = heads.now;
    let chained = entries.into_iter().map(|entry| heads.link(now, entry)).collect::<Vec<_>>();
    heads.write(statements, tx, &chained).await
}

/// Chains what was staged: of all tenants at once, and where that fails of each by itself, so that a chain that cannot go on holds up
/// no other.
pub(super) async fn sequence(store: &PgStore, limit: usize) -> DbResult<u64> {
    if let Ok(chained) = sequence_of(store, None, limit).await {
        return Ok(chained);
    }
    let sql = "SELECT DISTINCT tenant_id FROM :schema.audit_staged ORDER BY tenant_id";
    let mut tx = store.pools.queue_transaction().await?;
    let tenants: Vec<i64> = sqlx::query_scalar(store.statements.of(sql)).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    let (mut chained, mut failed) = (0, None);
    for tenant in tenants {
        match sequence_of(store, Some(tenant), limit).await {
            Ok(some) => chained += some,
            Err(failure) => failed = Some(failure),
        }
    }
    failed.map_or(Ok(chained), Err)
}

async fn sequence_of(store: &PgStore, tenant: Option<i64>, limit: usize) -> DbResult<u64> {
    let mut tx = store.pools.queue_transaction().await?;
    // Who finds another at work leaves it to that one. What keeps numbers apart is the lock on each chain's end.
    let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7322))")
        .bind(format!("opsconductor audit of {}", store.channel))
        .fetch_one(&mut *tx)
        .await?;
    if !alone {
        tx.rollback().await?;
        return Ok(0);
    }
    let find = sqlx::query_as(store.statements.of(if tenant.is_some() { WAITING_OF } else { WAITING }));
    let find = find.bind(columns::count(limit));
    let find = tenant.into_iter().fold(find, |find, tenant| find.bind(tenant));
    let waiting: Vec<Waiting> = find.fetch_all(&mut *tx).await?;
    if waiting.is_empty() {
        tx.rollback().await?;
        return Ok(0);
    }
    let mut entries = Vec::with_capacity(waiting.len());
    let (mut aside, mut reasons) = (Vec::new(), Vec::new());
    for (id, tenant, is_there, at, entry) in &waiting {
        let tenant = TenantId::new(*tenant);
        let read = match is_there {
            true => staging::read(tenant, *at, entry.as_bytes()),
            false => Err("its tenant is not there"),
        };
        match read {
            Ok((at, entry)) => entries.push((Some(at), entry)),
            Err(why) => {
                aside.push(*id);
                reasons.push(why);
                entries.extend(is_there.then(|| (None, staging::set_aside(tenant, *id, why))));
            }
        }
    }
    if !aside.is_empty() {
        tracing::warn!(
            rows = aside.len(),
            "staged audit entries have no place in a chain and were set aside"
        );
        sqlx::query(store.statements.of(SET_ASIDE)).bind(&aside).bind(&reasons).execute(&mut *tx).await?;
    }
    if !entries.is_empty() {
        let tenants = entries.iter().map(|(_, entry)| entry.tenant()).collect();
        let mut heads = Heads::lock(&store.statements, &mut tx, None, tenants).await?;
        let now = heads.now;
        let chained = entries.into_iter().map(|(at, entry)| heads.link(at.unwrap_or(now), entry));
        let chained = chained.collect::<Vec<_>>();
        heads.write(&store.statements, &mut tx, &chained).await?;
    }
    let ids: Vec<i64> = waiting.iter().map(|(id, ..)| *id).collect();
    let sql = "DELETE FROM :schema.audit_staged WHERE id = ANY ($1)";
    let gone = sqlx::query(store.statements.of(sql)).bind(&ids).execute(&mut *tx).await?;
    if gone.rows_affected() != ids.len() as u64 {
        // Nobody else takes them away while this is done; if someone did, they are chained by that one.
        tx.rollback().await?;
        return Ok(0);
    }
    tx.commit().await?;
    Ok(ids.len() as u64)
}

/// The ends of some chains, locked.
struct Heads {
    heads: BTreeMap<TenantId, Head>,
    now: Timestamp,
}

impl Heads {
    async fn lock(
        statements: &Statements,
        tx: &mut PgConnection,
        moment: Option<Timestamp>,
        mut tenants: Vec<TenantId>,
    ) -> DbResult<Self> {
        tenants.sort_unstable();
        tenants.dedup();
        let wanted: Vec<i64> = tenants.into_iter().map(TenantId::get).collect();
        loop {
            let found: Vec<(i64, i64, Vec<u8>, Timestamp)> =
                sqlx::query_as(statements.of(LOCK)).bind(&wanted).bind(moment).fetch_all(&mut *tx).await?;
            if let (true, Some((.., now))) = (found.len() == wanted.len(), found.last()) {
                let now = *now;
                let head = |size: i64, hash: &[u8]| -> opsconductor_core::Result<Head> {
                    Ok(Head { size: size as u64, hash: Hash::from_slice(hash)? })
                };
                let heads = found
                    .iter()
                    .map(|(tenant, size, hash, _)| Ok((TenantId::new(*tenant), head(*size, hash)?)))
                    .collect::<opsconductor_core::Result<_>>()?;
                return Ok(Self { heads, now });
            }
            sqlx::query(statements.of(BEGIN)).bind(&wanted).execute(&mut *tx).await?;
        }
    }

    fn link(&mut self, at: Timestamp, entry: Entry) -> Chained {
        self.heads.entry(entry.tenant()).or_default().link(at, entry)
    }

    async fn write(
        self,
        statements: &Statements,
        tx: &mut PgConnection,
        chained: &[Chained],
    ) -> DbResult<()> {
        let all = |column: fn(&Chained) -> i64| chained.iter().map(column).collect::<Vec<_>>();
        let some = |column: fn(&Chained) -> Option<i64>| chained.iter().map(column).collect::<Vec<_>>();
        let texts = |column: fn(&Chained) -> &str| chained.iter().map(column).collect::<Vec<_>>();
        let maybe = |column: fn(&Chained) -> Option<&str>| chained.iter().map(column).collect::<Vec<_>>();
        let hashes = |column: fn(&Chained) -> &[u8]| chained.iter().map(column).collect::<Vec<_>>();
        let details = chained.iter().map(|one| columns::to_json(&one.record.details));
        sqlx::query(statements.of(APPEND))
            .bind(all(|one| one.record.tenant.get()))
            .bind(all(|one| one.record.seq as i64))
            .bind(chained.iter().map(|one| one.record.at).collect::<Vec<_>>())
            .bind(some(|one| one.record.actor_id.map(UserId::get)))
            .bind(texts(|one| &one.record.actor))
            .bind(texts(|one| &one.record.action))
            .bind(texts(|one| &one.record.resource_type))
            .bind(some(|one| one.record.resource_id))
            .bind(texts(|one| one.record.outcome.as_str()))
            .bind(maybe(|one| one.record.ip.as_deref()))
            .bind(maybe(|one| one.record.user_agent.as_deref()))
            .bind(details.collect::<opsconductor_core::Result<Vec<_>>>()?)
            .bind(hashes(|one| one.record.prev.as_bytes()))
            .bind(hashes(|one| one.hash.as_bytes()))
            .execute(&mut *tx)
            .await?;
        let tenants: Vec<i64> = self.heads.keys().copied().map(TenantId::get).collect();
        let sizes: Vec<i64> = self.heads.values().map(|head| head.size as i64).collect();
        let ends: Vec<&[u8]> = self.heads.values().map(|head| &head.hash.as_bytes()[..]).collect();
        sqlx::query(statements.of(MOVE)).bind(tenants).bind(sizes).bind(ends).execute(tx).await?;
        Ok(())
    }
}
