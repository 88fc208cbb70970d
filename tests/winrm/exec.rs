//! Commands of cmd.exe, and what holds for commands of either kind.

use std::time::Duration;

use opsconductor_core::{
    ErrorKind,
    transport::{
        Connector as _,
        winrm::{WinrmConnector, WinrmSettings},
    },
};

use crate::support::{Recorder, builder, cmd, control, credential, endpoint, host, run, session};

#[tokio::test]
async fn a_command_says_what_it_says_and_ends_as_it_ends() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let said = run(&mut *session, cmd("echo grüße 日本 \"a & <b>\"")).await;
    assert_eq!((said.exit_code, said.stderr.as_str()), (0, ""));
    assert!(said.stdout.starts_with("grüße 日本 \"a & <b>\""), "{said:?}");
    assert_eq!(run(&mut *session, cmd("exit 42")).await.exit_code, 42);
    let said = run(&mut *session, cmd("no-such-program")).await;
    assert_ne!(said.exit_code, 0);
    assert!(said.stderr.contains("no-such-program"), "{said:?}");
    assert_eq!(host.counters().plaintext_bodies, 0);
}

#[tokio::test]
async fn standard_input_reaches_the_command_and_ends() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let mut request = cmd("more");
    request.stdin = Some("first\r\nsecond é\r\n".into());
    let said = run(&mut *session, request).await;
    assert!(said.stdout.contains("first\r\nsecond é"), "{said:?}");
    let said = run(&mut *session, cmd("more")).await;
    assert_eq!(said.exit_code, 0, "a command without input sees its end at once: {said:?}");
}

#[tokio::test]
async fn a_lot_of_input_and_output_flows_at_the_same_time() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let line = "0123456789".repeat(7) + "é\r\n";
    let text = line.repeat(60_000);
    let mut request = cmd("more");
    request.stdin = Some(text.clone().into());
    let said = run(&mut *session, request).await;
    assert!(said.stdout.trim_end() == text.trim_end(), "{} of {} bytes", said.stdout.len(), text.len());
    assert_eq!(host.counters().plaintext_bodies, 0);
}

#[tokio::test]
async fn characters_survive_a_split_anywhere() {
    let host = builder().output_split(1).start().await.unwrap();
    let (_connector, mut session) = session(&host).await;
    let said = run(&mut *session, cmd("echo é日本🦀")).await;
    assert!(said.stdout.starts_with("é日本🦀"), "{said:?}");
}

#[tokio::test]
async fn a_silent_command_outlives_the_operation_timeout() {
    let host = host().await;
    let mut settings = WinrmSettings::default();
    settings.operation_timeout = Duration::from_secs(1);
    let connector = WinrmConnector::builder().with_settings(settings).build().unwrap();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    let said = run(&mut *session, cmd("ping -n 4 127.0.0.1 >nul")).await;
    assert_eq!(said.exit_code, 0, "{said:?}");
}

#[tokio::test]
async fn a_refused_dispatch_sends_nothing() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let mut recorder = Recorder { refuse: true, ..Recorder::default() };
    let error = session.exec(cmd("echo x"), &mut recorder, &control()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    assert_eq!(host.counters().commands, 0);
    assert!(recorder.handles[0].0.contains_key("shell_id"));
    let mut recorder = Recorder { refuse: true, ..Recorder::default() };
    let script = crate::support::powershell("Set-Content C:\\temp\\acted.txt x");
    let error = session.exec(script, &mut recorder, &control()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    assert!(recorder.handles[0].0.contains_key("command_id"));
    assert_eq!(run(&mut *session, cmd("exit 0")).await.exit_code, 0, "the session goes on");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_is_sent() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    for request in [cmd(&"x".repeat(8192)), cmd("a\nb"), cmd(""), cmd("a\0b")] {
        let mut recorder = Recorder::default();
        let error = session.exec(request, &mut recorder, &control()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("web-1"), "{error}");
    }
    assert_eq!(host.counters().commands, 0);
}
