//! Connections that break, hosts that restart, quotas that are used up.

use opsconductor_core::{ErrorKind, error::Layer, transport::Connector as _};
use windows_sim::{Action, Fault, Quotas};

use crate::support::{
    Recorder, builder, cmd, control, credential, endpoint, eventually, host, powershell, run, session,
};

#[tokio::test]
async fn a_cmd_command_whose_start_is_in_doubt_is_not_started_again() {
    let host = host().await;
    let (connector, mut session) = session(&host).await;
    host.faults().on_next(Action::Command, Fault::DropAfter);
    let mut recorder = Recorder::default();
    let error = session.exec(cmd("echo once"), &mut recorder, &control()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
    assert!(error.is_outcome_unknown() && !error.is_retryable(), "{error:?}");
    assert_eq!(host.counters().commands, 1, "nothing is sent twice");
    drop(session);
    connector.shutdown().await;
    assert_eq!(host.counters().shells_open, 0);
}

#[tokio::test]
async fn a_running_command_outlives_the_connection() {
    for fault in
        [Fault::DropBefore, Fault::DropAfter, Fault::TruncatedBody, Fault::Unauthorized, Fault::Unavailable]
    {
        for request in [
            cmd("echo begun& ping -n 2 127.0.0.1 >nul & exit 7"),
            powershell("'begun'; Start-Sleep -Milliseconds 300; exit 7"),
        ] {
            let host = host().await;
            let (connector, mut session) = session(&host).await;
            host.faults().on_next(Action::Receive, fault);
            let mut recorder = Recorder::default();
            let outcome = session.exec(request, &mut recorder, &control()).await.unwrap();
            assert_eq!(outcome.exit_code, 7, "{fault:?}");
            // What was not received cannot have been answered.
            let certain = matches!(fault, Fault::Unauthorized | Fault::Unavailable);
            assert_eq!(recorder.gaps.is_empty(), certain, "{fault:?}: {:?}", recorder.gaps);
            assert!(!certain || recorder.said().starts_with("begun"), "{fault:?}");
            assert_eq!(host.counters().commands, 1, "{fault:?}");
            drop(session);
            connector.shutdown().await;
            assert_eq!(host.counters().shells_open, 0, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_restart_in_mid_command_leaves_the_outcome_unknown_and_is_named() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    host.faults().on_next(Action::Receive, Fault::Reboot);
    let mut recorder = Recorder::default();
    let error =
        session.exec(powershell("Start-Sleep -Seconds 300"), &mut recorder, &control()).await.unwrap_err();
    assert!(error.is_outcome_unknown() && error.to_string().contains("restarted"), "{error:?}");
    assert_eq!(error.layer(), Some(Layer::Shell));
    assert_eq!(run(&mut *session, cmd("exit 4")).await.exit_code, 4, "the next command runs");
}

#[tokio::test]
async fn a_host_that_stays_away_is_given_up() {
    let host = host().await;
    let mut settings = opsconductor_core::transport::winrm::WinrmSettings::default();
    settings.reconnect_max = std::time::Duration::from_millis(300);
    let connector = opsconductor_core::transport::winrm::WinrmConnector::builder()
        .with_settings(settings)
        .build()
        .unwrap();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    let mut recorder = Recorder::default();
    let heard = recorder.heard.clone();
    let away = async move {
        heard.notified().await;
        drop(host);
    };
    let script = powershell("'begun'; Start-Sleep -Seconds 300");
    let control = control();
    let (result, ()) = tokio::join!(session.exec(script, &mut recorder, &control), away);
    let error = result.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert_eq!(error.layer(), Some(Layer::Connect));
}

#[tokio::test]
async fn a_script_whose_delivery_is_in_doubt_runs_once() {
    let script = "Add-Content C:\\temp\\ran.txt x; 'done'; exit 7";
    let big = format!("{}{script}", "# filler filler filler\n".repeat(40_000));
    for (script, own_input) in [(script, false), (script, true), (big.as_str(), false)] {
        for fault in [
            Fault::DropBefore,
            Fault::DropAfter,
            Fault::TruncatedBody,
            Fault::Unauthorized,
            Fault::Refuse(995),
            Fault::Refuse(170),
        ] {
            let host = host().await;
            let (connector, mut session) = session(&host).await;
            host.faults().on_next(Action::Send, fault);
            let mut recorder = Recorder::default();
            let mut request = powershell(script);
            request.stdin = own_input.then(|| "input".into());
            let outcome = session.exec(request, &mut recorder, &control()).await.unwrap();
            assert_eq!((outcome.exit_code, recorder.said().trim_end()), (7, "done"), "{fault:?}");
            assert_eq!(
                host.machine().read_file("C:\\temp\\ran.txt").unwrap(),
                b"x\r\n",
                "{fault:?}: it ran once"
            );
            let commands = host.counters().commands;
            assert_eq!(commands, 1 + recorder.renamed.len() as u64, "{fault:?}: each start is written down");
            drop(session);
            connector.shutdown().await;
            assert_eq!(host.counters().shells_open, 0, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn input_of_a_cmd_command_whose_delivery_is_in_doubt_stops_it() {
    let host = host().await;
    let (connector, mut session) = session(&host).await;
    host.faults().on_next(Action::Send, Fault::DropAfter);
    let mut request = cmd("more");
    request.stdin = Some("first\r\n".into());
    let mut recorder = Recorder::default();
    let error = session.exec(request, &mut recorder, &control()).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    drop(session);
    connector.shutdown().await;
    assert_eq!(host.counters().shells_open, 0);
}

#[tokio::test]
async fn a_stale_shell_is_replaced_for_a_cmd_command() {
    for fault in [
        Fault::Refuse(2_150_858_843),
        Fault::RefuseWmi(2_150_859_174),
        Fault::Refuse(170),
        Fault::Unauthorized,
        Fault::Unavailable,
    ] {
        let host = host().await;
        let (_connector, mut session) = session(&host).await;
        assert_eq!(run(&mut *session, cmd("exit 1")).await.exit_code, 1);
        host.faults().on_next(Action::Command, fault);
        let mut recorder = Recorder::default();
        let outcome = session.exec(cmd("exit 2"), &mut recorder, &control()).await.unwrap();
        assert_eq!(outcome.exit_code, 2, "{fault:?}");
        assert_eq!(host.counters().commands, 2, "{fault:?}: it was started once");
        let named = recorder.handle();
        assert!(named.0.contains_key("command_id"), "{fault:?}");
        session.close().await.unwrap();
        assert_eq!(host.counters().shells_open, 0, "{fault:?}");
    }
}

#[tokio::test]
async fn a_warm_session_outlives_a_restart_of_the_host() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    assert_eq!(run(&mut *session, cmd("exit 1")).await.exit_code, 1);
    host.reboot();
    assert_eq!(run(&mut *session, powershell("exit 2")).await.exit_code, 2);
    host.reboot();
    // A cmd command is not sent twice, so the end of the connection has to be known: the host lets go, and this side sees it
    // as soon as it waits for anything.
    eventually("the connections are closed", || host.counters().connections_open == 0).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(run(&mut *session, cmd("exit 3")).await.exit_code, 3);
}

#[tokio::test]
async fn a_connection_that_was_hung_up_on_is_opened_anew() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    assert_eq!(run(&mut *session, cmd("exit 1")).await.exit_code, 1);
    host.drop_connections();
    tokio::task::yield_now().await;
    assert_eq!(run(&mut *session, powershell("exit 2")).await.exit_code, 2);
    session.close().await.unwrap();
    eventually("no shell is left", || host.counters().shells_open == 0).await;
}

#[tokio::test]
async fn a_full_host_is_waited_for() {
    let mut quotas = Quotas::default();
    quotas.shells_per_user_max = 1;
    let host = builder().quotas(quotas).start().await.unwrap();
    let (connector, mut first) = session(&host).await;
    assert_eq!(run(&mut *first, cmd("exit 1")).await.exit_code, 1);
    let mut second = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    let (said, closed) = tokio::join!(run(&mut *second, cmd("exit 2")), first.close());
    closed.unwrap();
    assert_eq!(said.exit_code, 2);
}

#[tokio::test]
async fn a_host_that_stays_full_is_an_error_with_its_number() {
    let mut quotas = Quotas::default();
    quotas.shells_per_user_max = 0;
    let host = builder().quotas(quotas).start().await.unwrap();
    let mut settings = opsconductor_core::transport::winrm::WinrmSettings::default();
    settings.quota_retries_max = 1;
    let connector = opsconductor_core::transport::winrm::WinrmConnector::builder()
        .with_settings(settings)
        .build()
        .unwrap();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    let mut recorder = Recorder::default();
    let error = session.exec(cmd("echo x"), &mut recorder, &control()).await.unwrap_err();
    assert_eq!((error.layer(), error.code()), (Some(Layer::Shell), Some(2_150_859_173)));
    assert!(error.is_retryable() && recorder.handles.is_empty());
}

#[tokio::test]
async fn used_up_operations_are_met_with_a_new_shell() {
    let mut quotas = Quotas::default();
    quotas.operations_per_user_max = 4;
    let host = builder().quotas(quotas).start().await.unwrap();
    let (_connector, mut session) = session(&host).await;
    for n in 0..12 {
        assert_eq!(run(&mut *session, powershell("exit 3")).await.exit_code, 3, "command {n}");
    }
    assert!(host.counters().shells_opened > 1);
    session.close().await.unwrap();
    assert_eq!(host.counters().shells_open, 0);
}
