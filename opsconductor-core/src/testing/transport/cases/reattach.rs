//! Going on with a command after the worker that started it has died.

use std::{
    mem,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    ErrorKind,
    testing::transport::{Dialect, Fixture, Recorder},
    transport::{ExecRequest, RemoteHandle, Session},
};

pub async fn another_worker_goes_on_with_the_command(f: Fixture) {
    let Some(dialects) = dialects(&f).await else { return };
    for (dialect, gate, wait) in dialects {
        let handle = orphan(&f, Fixture::request(&*dialect, &script(&*dialect, wait)), "one").await;
        let connector = f.host.connector();
        let mut session = f.session_through(&*connector).await;
        let recorder = Recorder::default();
        let mut observer = recorder.clone();
        let control = Fixture::control();
        let (ended, ()) = tokio::join!(
            session.reattach(&handle, &mut observer, &control),
            // The command ends when somebody listens again.
            f.open(&*dialect, &gate),
        );
        expect_end(&*dialect, ended, &recorder);
        drop(session);
        connector.shutdown().await;
        f.nothing_left("a command that was reattached to").await;
    }
}

pub async fn a_command_that_ended_meanwhile_tells_its_end(f: Fixture) {
    let Some(dialects) = dialects(&f).await else { return };
    for (dialect, gate, wait) in dialects {
        let handle = orphan(&f, Fixture::request(&*dialect, &script(&*dialect, wait)), "one").await;
        f.open(&*dialect, &gate).await;
        let gone = || f.host.commands_running().unwrap_or(0) == 0;
        assert!(super::super::fixture::eventually(f.patience(), gone).await, "the command ends by itself");
        let connector = f.host.connector();
        let mut session = f.session_through(&*connector).await;
        let recorder = Recorder::default();
        let ended = session.reattach(&handle, &mut recorder.clone(), &Fixture::control()).await;
        expect_end(&*dialect, ended, &recorder);
    }
}

pub async fn a_cancel_stops_a_command_that_was_reattached_to(f: Fixture) {
    if dialects(&f).await.is_none() || !f.capabilities().stop {
        return;
    }
    for dialect in f.dialects().into_iter().filter(|dialect| dialect.reattaches()) {
        let mark = f.fresh(&*dialect);
        let handle = orphan(&f, f.long(&*dialect, &mark), "ready").await;
        let connector = f.host.connector();
        let mut session = f.session_through(&*connector).await;
        let (mut recorder, control) = (Recorder::default(), Fixture::control());
        let cancel = async {
            // Time for the call to begin, so that the cancel meets it while it listens.
            tokio::time::sleep(Duration::from_millis(300)).await;
            control.cancel.cancel();
            Instant::now()
        };
        let call = timeout(Fixture::stopped_within(), session.reattach(&handle, &mut recorder, &control));
        let (ended, since) = tokio::join!(call, cancel);
        let error = ended.expect("the call returns in time after the cancel").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Canceled, "{error:?}");
        f.stopped(&*dialect, &mark, since, "a cancel of the second worker").await;
    }
}

pub async fn an_unknown_handle_is_not_found(f: Fixture) {
    let Some(dialects) = dialects(&f).await else { return };
    for (dialect, ..) in dialects {
        let mut session = f.session().await;
        let recorder = Recorder::default();
        let request = Fixture::request(&*dialect, &[dialect.exit(0)]);
        f.exec(&mut *session, request, &recorder).await.unwrap();
        session.close().await.unwrap();
        let handle = recorder.heard().handles.remove(0);
        let mut session = f.session().await;
        let recorder = Recorder::default();
        let ended = session.reattach(&handle, &mut recorder.clone(), &Fixture::control()).await;
        let error = ended.expect_err("the host knows nothing of the command any more");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert_eq!(recorder.heard().pieces, 0, "nothing was said");
        // And the session goes on.
        f.say(&mut *session, Fixture::request(&*dialect, &[dialect.exit(0)])).await;
    }
}

/// The dialects whose commands can be reattached to, each with a gate; `None` when that is no capability, which has been
/// checked then.
async fn dialects(f: &Fixture) -> Option<Vec<(Arc<dyn Dialect>, String, String)>> {
    if f.capabilities().reattach {
        let able = f.dialects().into_iter().filter(|dialect| dialect.reattaches());
        let able = able.filter_map(|dialect| {
            let gate = f.fresh(&*dialect);
            let wait = dialect.wait_for(&gate)?;
            Some((dialect, gate, wait))
        });
        return Some(able.collect());
    }
    let mut session = f.session().await;
    let (recorder, started) = (Recorder::default(), f.host.commands_started());
    let handle = RemoteHandle([("command".to_owned(), "1".to_owned())].into());
    let result = session.reattach(&handle, &mut recorder.clone(), &Fixture::control()).await;
    f.unsupported(result, &recorder, started, "reattach");
    None
}

fn script(dialect: &dyn Dialect, wait: String) -> [String; 4] {
    [dialect.print("one"), wait, dialect.print("two"), dialect.exit(7)]
}

fn expect_end(
    dialect: &dyn Dialect,
    ended: crate::Result<crate::transport::ExecOutcome>,
    recorder: &Recorder,
) {
    let shell = dialect.shell().as_str();
    match ended {
        Ok(outcome) => assert_eq!(outcome.exit_code, 7, "{shell}"),
        Err(error) => panic!("{shell}: the command is there and can be gone on with, yet: {error:?}"),
    }
    // What the first worker had taken may be told again or not.
    let (said, end) = (recorder.stdout(), dialect.line_end());
    assert!(said.ends_with(&format!("two{end}")), "{shell}: the rest of the output: {said:?}");
}

/// Starts a command in a worker that dies once standard output has said `word`: in the middle of the call, without a
/// word to the host, and its connections break.
async fn orphan(f: &Fixture, request: ExecRequest, word: &str) -> RemoteHandle {
    let recorder = Recorder::default();
    let (die, death) = oneshot::channel::<()>();
    let (connector, endpoint, credential) = (f.host.connector(), f.host.endpoint(), f.host.credential());
    let mut observer = recorder.clone();
    // A thread and a runtime of its own, so that what the connector does in the background dies too.
    let worker = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut work = Box::pin(async move {
            let mut session: Box<dyn Session> = connector.connect(&endpoint, &credential).await?;
            let ended = session.exec(request, &mut observer, &Fixture::control()).await;
            drop((session, connector));
            ended
        });
        let ended = runtime.block_on(async {
            tokio::select! {
                ended = &mut work => Some(ended),
                _ = death => None,
            }
        });
        // What is dropped says goodbye to the host; the dead do not.
        mem::forget(work);
        runtime.shutdown_background();
        ended
    });
    let word = word.as_bytes();
    let streaming = f.capabilities().streaming;
    let begun = recorder
        .until(f.patience(), |heard| {
            heard.dispatched && (!streaming || heard.stdout.windows(word.len()).any(|window| window == word))
        })
        .await;
    // The worker may have ended by itself, and then nobody hears this.
    let _ = die.send(());
    let ended = tokio::task::spawn_blocking(move || worker.join()).await.unwrap();
    let ended = ended.expect("the worker does not panic");
    assert!(begun && ended.is_none(), "the command should run until its worker dies: {ended:?}");
    f.host.break_connections();
    recorder.heard().handles.remove(0)
}
