//! Commands: what goes in, what comes out, and how they are stopped.

use std::time::{Duration, Instant};

use opsconductor_core::{
    ErrorKind,
    error::Layer,
    testing::transport::Recorder,
    transport::{Connector as _, Shell, Sudo},
    vault::credential::Credential,
};
use opsconductor_tests::openssh::{OpenSsh, User, run as program};

use crate::support::{connector, control, run, sh};

#[tokio::test]
async fn hostile_values_arrive_byte_for_byte() {
    let server = OpenSsh::start(&[]);
    let connector = connector();
    let mut session = connector.connect(&server.endpoint(), &server.credential()).await.unwrap();
    for value in [
        "'; touch /tmp/owned; '",
        "$(id)",
        "`id`",
        "a\nb\n",
        "\\",
        "\"",
        "!",
        "-n",
        "é 日本 🦀",
        "\u{1}\u{7f}\t",
        "oc0123 1\n",
        " ",
        "%s%n",
        "~",
        "*",
    ] {
        let mut request = sh("printf '%s|' \"$VALUE\"; cat");
        request.env.insert("VALUE".to_owned(), value.to_owned());
        request.stdin = Some(value.to_owned().into());
        let said = run(&mut *session, request).await.unwrap();
        assert_eq!((said.stdout, said.stderr.as_str()), (format!("{value}|{value}"), ""), "{value:?}");
    }
    let arguments = program(std::process::Command::new("ps").args(["-eo", "args"]), "procps");
    assert!(!arguments.contains("touch /tmp/owned"), "a value is in the list of processes");
}

#[tokio::test]
async fn what_cannot_be_run_is_said_and_never_begins() {
    let server = OpenSsh::start(&[]);
    let connector = connector();
    let mut session = connector.connect(&server.endpoint(), &server.credential()).await.unwrap();
    let mut elsewhere = sh("echo ran");
    elsewhere.working_directory = Some("/no such 'folder".to_owned());
    let error = run(&mut *session, elsewhere).await.unwrap_err();
    assert_eq!(error.layer(), Some(Layer::Script), "{error:?}");
    assert!(error.to_string().contains("no such"), "{error}");
    assert!(!error.is_outcome_unknown(), "{error:?}");
    let mut named = sh("echo ran");
    named.env.insert("A B".to_owned(), String::new());
    for request in
        [named, sh(" "), sh("a\0b"), opsconductor_core::transport::ExecRequest::new(Shell::Cmd, "dir")]
    {
        assert_eq!(run(&mut *session, request).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let said = run(&mut *session, sh("echo goes on")).await.unwrap();
    assert_eq!(said.stdout, "goes on\n");
}

#[tokio::test]
async fn a_signal_is_told_and_a_process_left_behind_does_not_hold_up_the_end() {
    let server = OpenSsh::start(&[]);
    let connector = connector();
    let mut session = connector.connect(&server.endpoint(), &server.credential()).await.unwrap();
    let said = run(&mut *session, sh("kill -KILL $$")).await.unwrap();
    assert_eq!((said.outcome.exit_code, said.outcome.signal.as_deref()), (137, Some("KILL")));
    let begun = Instant::now();
    let said = run(&mut *session, sh("sleep 60 & echo left")).await.unwrap();
    assert_eq!((said.outcome.exit_code, said.stdout.as_str()), (0, "left\n"));
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

/// The server heeds signals of the protocol for such a user, and not for root.
#[tokio::test]
async fn a_cancel_ends_every_process_of_a_user_without_rights() {
    let user = User::create();
    let server = OpenSsh::start(&["PasswordAuthentication yes"]);
    let connector = connector();
    let mut session = connector.connect(&server.endpoint(), &user.credential()).await.unwrap();
    let recorder = Recorder::default();
    let control = control();
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; sleep 300' & echo ready; sleep 300; sleep 300";
    let cancel = async {
        assert!(recorder.until(Duration::from_secs(60), |heard| heard.stdout.starts_with(b"ready")).await);
        control.cancel.cancel();
        Instant::now()
    };
    let mut observer = recorder.clone();
    let (ended, since) = tokio::join!(session.exec(sh(script), &mut observer, &control), cancel);
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled, "{error:?}");
    assert!(!error.is_outcome_unknown(), "{error:?}");
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    assert_eq!(server.processes(), 0);
}

#[tokio::test]
async fn sudo_gets_the_password_when_it_asks_and_once() {
    let user = User::create();
    let rule = std::path::PathBuf::from(format!("/etc/sudoers.d/{}", user.name));
    opsconductor_tests::openssh::program("sudo", "sudo");
    std::fs::write(&rule, format!("{} ALL=(ALL) ALL\n", user.name)).unwrap();
    let server = OpenSsh::start(&["PasswordAuthentication yes", "AuthorizedKeysFile @/authorized_keys"]);
    let connector = connector();
    let mut session = connector.connect(&server.endpoint(), &user.credential()).await.unwrap();
    let sudo = |script: &str| {
        let mut request = sh(script);
        request.sudo = Some(Sudo::default());
        request.stdin = Some("the input".into());
        request.env.insert("VALUE".to_owned(), "it's here".to_owned());
        request
    };
    let said = run(&mut *session, sudo("id -un; echo \"$VALUE\"; cat; exit 3")).await;
    let said = said.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("root\nit's here\nthe input", ""));
    assert_eq!(said.outcome.exit_code, 3);
    let said = run(&mut *session, sh("id -un")).await.unwrap();
    assert_eq!(said.stdout.trim(), user.name, "without sudo nothing changes");

    // A key lets the user in whose password is wrong.
    let Credential::Ssh { private_key, .. } = server.credential() else { unreachable!() };
    let wrong = Credential::Ssh {
        username: user.name.clone(),
        password: Some("not the pa55word".into()),
        private_key,
        passphrase: None,
        certificate: None,
    };
    let mut session = connector.connect(&server.endpoint(), &wrong).await.unwrap();
    let error = run(&mut *session, sudo("echo ran")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::Auth, false), "{error:?}");
    assert!(!format!("{error:?}").contains("pa55word"), "{error:?}");
    std::fs::remove_file(rule).unwrap();
}
