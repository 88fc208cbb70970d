//! Cancel, time-out, and callers that go away.

use std::time::{Duration, Instant};

use crate::{
    Error, ErrorKind,
    testing::transport::{Dialect, Fixture, Recorder},
};

/// Enough for a command to begin on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(3);

pub async fn a_cancel_stops_the_remote_command(f: Fixture) {
    for dialect in f.dialects() {
        let mark = f.fresh(&*dialect);
        let recorder = Recorder::default();
        let mut running = f.begin(f.long(&*dialect, &mark), &recorder).await;
        running.announces().await;
        if f.capabilities().streaming {
            running.says("ready").await;
        }
        let since = Instant::now();
        running.cancel();
        let (_, error) = running.fails(Fixture::stopped_within(), "the cancel").await;
        assert_eq!(error.kind(), ErrorKind::Canceled, "{}: {error:?}", dialect.shell().as_str());
        judge(&f, &*dialect, &mark, since, &error, "a cancel").await;
        if f.capabilities().streaming {
            assert_eq!(recorder.stdout().trim_end(), "ready", "what was said before the cancel is kept");
        }
    }
}

pub async fn a_timeout_stops_the_remote_command(f: Fixture) {
    for dialect in f.dialects() {
        let mark = f.fresh(&*dialect);
        let recorder = Recorder::default();
        let mut session = f.session().await;
        // What a first command waits for is there by then.
        f.say(&mut *session, Fixture::request(&*dialect, &[dialect.exit(0)])).await;
        let begun = Instant::now();
        let running = f.start_on(session, f.long(&*dialect, &mark), &recorder, TIMEOUT);
        let (_, error) = running.fails(TIMEOUT + Fixture::stopped_within(), "its time-out").await;
        assert_eq!(error.kind(), ErrorKind::Timeout, "{}: {error:?}", dialect.shell().as_str());
        assert!(begun.elapsed() >= TIMEOUT, "{}: the time was not up yet", dialect.shell().as_str());
        judge(&f, &*dialect, &mark, begun + TIMEOUT, &error, "a time-out").await;
    }
}

pub async fn a_command_that_ends_in_time_is_left_alone(f: Fixture) {
    let dialect = f.dialect();
    let parts = [dialect.print("one"), dialect.wait(Duration::from_secs(1)), dialect.print("two")];
    let mut session = f.session().await;
    let said = f.say(&mut *session, Fixture::request(&*dialect, &parts)).await;
    let end = dialect.line_end();
    assert_eq!(said.stdout, format!("one{end}two{end}"));
}

pub async fn a_caller_that_goes_away_leaves_nothing_behind(f: Fixture) {
    for dialect in f.dialects() {
        let mark = f.fresh(&*dialect);
        let recorder = Recorder::default();
        let mut running = f.begin(f.long(&*dialect, &mark), &recorder).await;
        running.announces().await;
        if f.capabilities().streaming {
            running.says("ready").await;
        }
        let since = Instant::now();
        running.abandon().await;
        if f.capabilities().stop {
            f.stopped(&*dialect, &mark, since, "its caller went away").await;
        }
    }
    f.nothing_left("a caller that goes away").await;
}

pub async fn a_session_goes_on_after_a_stop(f: Fixture) {
    for dialect in f.dialects() {
        let mark = f.fresh(&*dialect);
        let recorder = Recorder::default();
        let running = f.begin(f.long(&*dialect, &mark), &recorder).await;
        running.announces().await;
        running.cancel();
        let (mut session, _) = running.fails(Fixture::stopped_within(), "the cancel").await;
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[dialect.print("goes on")])).await;
        assert_eq!(said.stdout.trim_end(), "goes on", "{}", dialect.shell().as_str());
    }
}

/// An error after a stop tells what is known: that the command runs no more, or that nobody knows.
async fn judge(f: &Fixture, dialect: &dyn Dialect, mark: &str, since: Instant, error: &Error, what: &str) {
    let shell = dialect.shell().as_str();
    assert!(!error.is_retryable(), "{shell}: what was stopped is not retried: {error:?}");
    if f.capabilities().stop {
        f.stopped(dialect, mark, since, what).await;
    } else {
        assert!(
            error.is_outcome_unknown(),
            "{shell}: after {what} the command may go on, and the error hides it"
        );
    }
}
