//! The dispatch is announced once and first, and what was sent is never sent again.

use crate::{
    ErrorKind,
    testing::transport::{Fixture, Recorder},
};

pub async fn nothing_acts_before_the_dispatch_has_returned(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let mark = f.fresh(&*dialect);
        let recorder = Recorder::holding_dispatch();
        let running =
            f.begin(Fixture::request(&*dialect, &[dialect.append(&mark, "acted")]), &recorder).await;
        running.announces().await;
        assert_eq!(
            f.lines(&*dialect, &mark).await,
            0,
            "{shell}: the command acted while the dispatch was held"
        );
        recorder.open();
        let (_, result) = running.returns(f.patience(), "the dispatch").await;
        assert_eq!(result.unwrap().exit_code, 0, "{shell}");
        assert_eq!(f.lines(&*dialect, &mark).await, 1, "{shell}: how often the command acted");
    }
}

pub async fn the_dispatch_is_announced_once(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let mut session = f.session().await;
        for _ in 0..3 {
            let recorder = Recorder::default();
            let request = Fixture::request(&*dialect, &[dialect.print("x")]);
            f.exec(&mut *session, request, &recorder).await.unwrap();
            let heard = recorder.heard();
            assert_eq!(heard.handles.len(), 1, "{shell}: how often the dispatch was announced");
            assert!(!heard.early, "{shell}: output came before the dispatch was announced");
        }
    }
}

pub async fn a_handle_keeps_no_secret(f: Fixture) {
    for dialect in f.dialects() {
        let mut session = f.session().await;
        let recorder = Recorder::default();
        let mut request = Fixture::request(&*dialect, &[dialect.print("script text")]);
        if f.capabilities().environment {
            request.env.insert("SUITE_VALUE".to_owned(), "variable text".to_owned());
        }
        f.exec(&mut *session, request, &recorder).await.unwrap();
        let handle = recorder.heard().handles.remove(0);
        let shown = serde_json::to_string(&handle).unwrap();
        f.keeps_secrets(&shown, "the handle");
        for text in ["script text", "variable text"] {
            assert!(!shown.contains(text), "the handle shows the {text}");
        }
        assert_eq!(serde_json::from_str::<crate::transport::RemoteHandle>(&shown).unwrap(), handle);
    }
}

pub async fn a_refused_dispatch_runs_nothing(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let mark = f.fresh(&*dialect);
        let mut session = f.session().await;
        let recorder = Recorder::refusing_dispatch();
        let request = Fixture::request(&*dialect, &[dialect.append(&mark, "acted")]);
        let error = f.fail(&mut *session, request, &recorder).await;
        assert_eq!(
            error.kind(),
            Recorder::REFUSAL,
            "{shell}: the observer's own error comes back: {error:?}"
        );
        assert!(!error.is_outcome_unknown(), "{shell}: nothing was sent, so nothing is unknown");
        assert_eq!(recorder.heard().handles.len(), 1, "{shell}: how often the dispatch was announced");
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[dialect.print("goes on")])).await;
        assert_eq!(said.stdout.trim_end(), "goes on", "{shell}: the session goes on");
        assert_eq!(f.lines(&*dialect, &mark).await, 0, "{shell}: the refused command ran");
    }
}

pub async fn what_was_canceled_before_is_not_sent(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let mark = f.fresh(&*dialect);
        let mut session = f.session().await;
        let control = Fixture::control();
        control.cancel.cancel();
        let request = Fixture::request(&*dialect, &[dialect.append(&mark, "acted")]);
        let mut recorder = Recorder::default();
        let error = session.exec(request, &mut recorder, &control).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Canceled, "{shell}: {error:?}");
        assert!(!error.is_outcome_unknown(), "{shell}: nothing was sent, so nothing is unknown");
        assert_eq!(f.lines(&*dialect, &mark).await, 0, "{shell}: the canceled command ran");
    }
}

pub async fn a_connection_lost_while_it_runs_sends_nothing_again(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let mark = f.fresh(&*dialect);
        let parts = [dialect.append(&mark, "acted"), dialect.print("ready"), dialect.wait(WHILE)];
        let recorder = Recorder::default();
        let mut running = f.begin(Fixture::request(&*dialect, &parts), &recorder).await;
        running.announces().await;
        if f.capabilities().streaming {
            running.says("ready").await;
        }
        if !f.host.break_connections() {
            running.returns(f.patience(), "its end").await.1.unwrap();
            continue;
        }
        let (_, result) = running.returns(f.patience(), "the connections broke").await;
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Transport, "{shell}: {error:?}");
            let unknown = error.is_outcome_unknown();
            // What comes through again is told, and only what did not begin may be said to have done nothing.
            let marks = f.lines(&*dialect, &mark).await;
            assert!(
                unknown || marks == 0,
                "{shell}: the command acted, and the error knows of nothing: {error:?}"
            );
            assert!(
                !(unknown && error.is_retryable()),
                "{shell}: what may have acted is not retried: {error:?}"
            );
        }
        assert_eq!(recorder.heard().handles.len(), 1, "{shell}: how often the dispatch was announced");
        assert!(f.lines(&*dialect, &mark).await <= 1, "{shell}: the command was sent again");
    }
}

/// Long enough for the connections to break before the command ends.
const WHILE: std::time::Duration = std::time::Duration::from_secs(3);

pub async fn a_connection_lost_at_the_dispatch_sends_once_at_most(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let mark = f.fresh(&*dialect);
        let recorder = Recorder::holding_dispatch();
        let request = Fixture::request(&*dialect, &[dialect.append(&mark, "acted")]);
        let running = f.begin(request, &recorder).await;
        running.announces().await;
        f.host.break_connections();
        recorder.open();
        let (_, result) = running.returns(f.patience(), "the connections broke").await;
        let marks = f.lines(&*dialect, &mark).await;
        match result {
            Ok(_) => assert_eq!(marks, 1, "{shell}: the command ended well, so it acted once"),
            Err(error) if !error.is_outcome_unknown() => {
                assert_eq!(marks, 0, "{shell}: the command acted, and the error knows of nothing: {error:?}");
            }
            Err(_) => assert!(marks <= 1, "{shell}: the command was sent again"),
        }
        assert_eq!(recorder.heard().handles.len(), 1, "{shell}: how often the dispatch was announced");
    }
}
