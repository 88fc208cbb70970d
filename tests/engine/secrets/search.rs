//! Where a secret could be found that is to be nowhere: traces, and whatever a store keeps.

use std::{
    fmt::{Debug, Write as _},
    sync::{Mutex, OnceLock, PoisonError},
};

use opsconductor_core::{Secret, run::redact::Redactor};
use opsconductor_store_pg::sqlx::{self, AssertSqlSafe, Connection, PgConnection};
use opsconductor_tests::fleet::Fleet;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The traces of all threads of this process, those of other tests among them.
static HEARD: OnceLock<Mutex<String>> = OnceLock::new();

/// Begins to listen to everything that is traced, at every level.
pub(super) fn listen() {
    HEARD.get_or_init(|| {
        tracing::subscriber::set_global_default(Listener).unwrap();
        Mutex::default()
    });
    tracing::trace!("listening");
}

/// Everything that was traced.
pub(super) fn heard() -> String {
    HEARD.get().unwrap().lock().unwrap_or_else(PoisonError::into_inner).clone()
}

struct Listener;

impl Listener {
    fn write(&self, name: &str, record: impl FnOnce(&mut Fields<'_>)) {
        let Some(heard) = HEARD.get() else { return };
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push_str(name);
        record(&mut Fields(&mut heard));
        heard.push('\n');
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.write(attributes.metadata().name(), |fields| attributes.record(fields));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        self.write("", |fields| values.record(fields));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.write(event.metadata().target(), |fields| event.record(fields));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Everything that the fleet's store has written down: the bytes of its files, or the rows of its tables as text.
pub(super) async fn dump(fleet: &Fleet) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(folder) = &fleet.folder {
        for file in std::fs::read_dir(folder.path()).unwrap() {
            all.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
    }
    if let Some(place) = &fleet.place {
        let mut connection = PgConnection::connect(place.url()).await.unwrap();
        sqlx::raw_sql("SET opsconductor.all_tenants = 'on'").execute(&mut connection).await.unwrap();
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = $1";
        let tables: Vec<String> =
            sqlx::query_scalar(tables).bind(place.schema()).fetch_all(&mut connection).await.unwrap();
        assert!(tables.iter().any(|table| table == "run_secrets"));
        for table in tables {
            let rows = format!("SELECT x::text FROM {}.{table} AS x", place.schema());
            let rows: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
            all.extend(rows.join("\n").into_bytes());
        }
    }
    all
}

/// Panics where `secret` stands in `text`, as it is or in any form that the redactor knows; its last word is looked for alone too,
/// which no quoting changes.
pub(super) fn assert_not_in(text: &[u8], secret: &str, place: &str) {
    let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let word = secret.rsplit(' ').next().unwrap();
    for form in [secret, word, &hexadecimal] {
        assert!(!text.windows(form.len()).any(|window| window == form.as_bytes()), "{form} is in {place}");
    }
    let redactor = Redactor::new([&Secret::from(secret)]).unwrap();
    assert!(redactor.redact_bytes(text) == text, "a form of {secret} is in {place}");
}
