//! The clock that leases and due times go by: the machine's time, but steady.
//!
//! The wall clock may be set, by an hour or a year, while workers run. A lease that went by it would run out at once or not
//! for an hour, and what is queued would not be due. So both go by the monotonic clock of the machine, which all processes
//! on a data file share, because its log needs shared memory. It counts from the start of the machine: the file keeps the
//! name of that start, and what has to be added so that times look like those of the wall clock when the machine started to
//! use the file. After another start every lease is over, since no process that held one can be alive.

use std::{sync::Arc, time::Duration};

use opsconductor_core::clock::Clock;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::{error::DbResult, options::SqliteOptions};

/// The steady clock.
#[derive(Debug, Clone)]
pub(crate) struct Steady {
    clock: Arc<dyn Clock>,
    /// Steady microseconds less monotonic ones; none where the machine has no clock that its processes share.
    ahead: Option<i64>,
}

/// A start of the machine, and how long ago it was.
struct Boot {
    id: String,
    /// Microseconds of the machine's monotonic clock.
    since: i64,
}

impl Steady {
    /// Reads what the file says of this start of the machine, or writes it down if it is the first to use it.
    pub(crate) fn begin(connection: &mut Connection, options: &SqliteOptions) -> DbResult<Self> {
        let clock = options.clock.clone();
        let Some(boot) = boot(options) else { return Ok(Self { clock, ahead: None }) };
        let own = micros(clock.monotonic());
        let ahead = match known(connection, &boot)? {
            Some(ahead) => ahead,
            None => first_since(connection, &boot, clock.now().timestamp_micros())?,
        };
        Ok(Self { clock, ahead: Some(ahead + boot.since - own) })
    }

    /// Microseconds by the steady clock.
    pub(crate) fn now(&self) -> i64 {
        match self.ahead {
            Some(ahead) => ahead + micros(self.clock.monotonic()),
            None => self.clock.now().timestamp_micros(),
        }
    }
}

fn known(connection: &Connection, boot: &Boot) -> DbResult<Option<i64>> {
    let sql = "SELECT ahead FROM machine WHERE boot_id = ?1";
    Ok(connection.query_row(sql, [&boot.id], |row| row.get(0)).optional()?)
}

/// Writes down a start of the machine that the file does not know.
fn first_since(connection: &mut Connection, boot: &Boot, wall: i64) -> DbResult<i64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been quicker.
    if let Some(ahead) = known(&transaction, boot)? {
        return Ok(ahead);
    }
    // Not before any lease or due time there is, whatever the wall clock says: what held a lease is gone, and what was
    // queued is due.
    let latest: Option<i64> = transaction.query_row(
        "SELECT max(CASE state WHEN 'running' THEN lease_until WHEN 'queued' THEN due_at END) FROM queue
        WHERE state = 'running' OR attempt = 0",
        [],
        |row| row.get(0),
    )?;
    let ahead = wall.max(latest.unwrap_or(i64::MIN)) - boot.since;
    let sql = "INSERT INTO machine (id, boot_id, ahead) VALUES (1, ?1, ?2)
        ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, ahead = excluded.ahead";
    transaction.execute(sql, params![boot.id, ahead])?;
    transaction.commit()?;
    Ok(ahead)
}

fn boot(options: &SqliteOptions) -> Option<Boot> {
    if let Some(id) = &options.boot {
        return Some(Boot { id: id.clone(), since: micros(options.clock.monotonic()) });
    }
    this_boot()
}

#[cfg(target_os = "linux")]
fn this_boot() -> Option<Boot> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let since = now.tv_sec.checked_mul(1_000_000)?.checked_add(now.tv_nsec / 1_000)?;
    Some(Boot { id: id.trim().to_owned(), since })
}

/// Elsewhere the start of the machine has no name that can be read without `unsafe`: leases go by the wall clock.
#[cfg(not(target_os = "linux"))]
fn this_boot() -> Option<Boot> {
    None
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
