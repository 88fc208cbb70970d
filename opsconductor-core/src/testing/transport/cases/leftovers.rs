//! Nothing stays open on a host.

use crate::{
    testing::transport::{Fixture, Recorder},
    transport::STOP_GRACE,
};

pub async fn a_closed_session_leaves_nothing(f: Fixture) {
    for dialect in f.dialects() {
        let mut session = f.session().await;
        f.say(&mut *session, Fixture::request(&*dialect, &[dialect.exit(0)])).await;
        session.close().await.unwrap();
        if f.host.sessions_open().is_some() {
            let gone =
                super::super::fixture::eventually(STOP_GRACE, || f.host.sessions_open() == Some(0)).await;
            assert!(gone, "a closed session leaves {:?} open", f.host.sessions_open());
        }
    }
    f.nothing_left("a closed session").await;
}

pub async fn a_dropped_session_leaves_nothing_after_shutdown(f: Fixture) {
    for dialect in f.dialects() {
        let mut session = f.session().await;
        f.say(&mut *session, Fixture::request(&*dialect, &[dialect.exit(0)])).await;
        drop(session);
    }
    drop(f.session().await);
    f.nothing_left("a dropped session").await;
}

pub async fn a_failed_call_leaves_nothing_after_shutdown(f: Fixture) {
    for dialect in f.dialects() {
        for recorder in [Recorder::refusing_dispatch(), Recorder::refusing_output()] {
            let mut session = f.session().await;
            let request = Fixture::request(&*dialect, &[dialect.print("x")]);
            f.fail(&mut *session, request, &recorder).await;
        }
    }
    f.nothing_left("a failed call").await;
}

pub async fn a_lost_connection_leaves_nothing_after_shutdown(f: Fixture) {
    for dialect in f.dialects() {
        let mark = f.fresh(&*dialect);
        let running = f.begin(f.long(&*dialect, &mark), &Recorder::default()).await;
        running.announces().await;
        if !f.host.break_connections() {
            running.abandon().await;
            continue;
        }
        running.cancel();
        let _ = running.returns(f.patience(), "the connections broke").await;
    }
    f.nothing_left("a lost connection").await;
}
