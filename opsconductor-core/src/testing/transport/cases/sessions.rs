//! Several sessions, and several commands on one.

use tokio::time::timeout;

use crate::testing::transport::{Fixture, Recorder};

pub async fn two_sessions_run_side_by_side(f: Fixture) {
    for dialect in f.dialects() {
        let gate = f.fresh(&*dialect);
        let Some(wait) = dialect.wait_for(&gate) else { continue };
        let recorder = Recorder::default();
        let running =
            f.begin(Fixture::request(&*dialect, &[wait, dialect.print("through")]), &recorder).await;
        running.announces().await;
        // The first one ends only when a second one has run beside it.
        let opened = timeout(f.patience(), f.open(&*dialect, &gate)).await;
        assert!(opened.is_ok(), "a second session waits until the first one is done");
        let why = "a second session opened its gate";
        let (_, result) = running.returns(f.patience(), why).await;
        assert_eq!(result.unwrap().exit_code, 0);
        assert_eq!(recorder.stdout().trim_end(), "through");
    }
}

pub async fn eight_at_once_each_hear_their_own(f: Fixture) {
    for dialect in f.dialects() {
        let mut all = Vec::new();
        for number in 0..8 {
            let word = format!("number {number}");
            let parts = [dialect.print(&word), dialect.print_error(&word), dialect.exit(number)];
            let recorder = Recorder::default();
            let running = f.begin(Fixture::request(&*dialect, &parts), &recorder).await;
            all.push((number, word, recorder, running));
        }
        for (number, word, recorder, running) in all {
            let (_, result) = running.returns(f.patience(), "its start among eight").await;
            let shell = dialect.shell().as_str();
            assert_eq!(result.unwrap().exit_code, number, "{shell}");
            assert_eq!(
                (recorder.stdout().trim_end(), recorder.stderr().trim_end()),
                (&*word, &*word),
                "{shell}"
            );
        }
    }
}

pub async fn one_session_runs_one_command_after_another(f: Fixture) {
    let mut session = f.session().await;
    for number in 0..6 {
        for dialect in f.dialects() {
            let parts = [dialect.print("x"), dialect.exit(number)];
            let said = f.say(&mut *session, Fixture::request(&*dialect, &parts)).await;
            assert_eq!((said.exit_code, said.stdout.trim_end()), (number, "x"));
        }
    }
}

pub async fn a_session_goes_on_after_an_error(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let mut session = f.session().await;
        let failing = Fixture::request(&*dialect, &[dialect.exit(9)]);
        assert_eq!(f.say(&mut *session, failing).await.exit_code, 9, "{shell}");
        let parts = [dialect.print("refused"), dialect.print("refused")];
        let recorder = Recorder::refusing_output();
        let error = f.fail(&mut *session, Fixture::request(&*dialect, &parts), &recorder).await;
        assert_eq!(error.kind(), Recorder::REFUSAL, "{shell}: {error:?}");
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[dialect.print("goes on")])).await;
        assert_eq!(said.stdout.trim_end(), "goes on", "{shell}: the session goes on");
    }
}

pub async fn a_warm_session_outlives_its_connections(f: Fixture) {
    for dialect in f.dialects() {
        let mut session = f.session().await;
        let request = || Fixture::request(&*dialect, &[dialect.print("goes on")]);
        f.say(&mut *session, request()).await;
        drop(session);
        if !f.host.break_connections() {
            continue;
        }
        // What nobody had sent may fail once, and must not fail for good.
        let mut session = f.session().await;
        let recorder = Recorder::default();
        if let Err(error) = f.exec(&mut *session, request(), &recorder).await {
            assert!(error.is_retryable() || error.is_outcome_unknown(), "{error:?}");
            drop(session);
            session = f.session().await;
            f.say(&mut *session, request()).await;
        }
    }
}
