//! PowerShell scripts.

use std::collections::BTreeMap;

use opsconductor_core::transport::Connector as _;

use crate::support::{builder, credential_with, endpoint, host, powershell, run, session};

#[tokio::test]
async fn scripts_speak_unicode_and_end_with_their_code() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let said = run(&mut *session, powershell("Write-Output 'grüße 日本 🦀'")).await;
    assert_eq!((said.exit_code, said.stdout.trim_end(), said.stderr.as_str()), (0, "grüße 日本 🦀", ""));
    assert_eq!(run(&mut *session, powershell("exit 3")).await.exit_code, 3);
    let said = run(&mut *session, powershell("1..3 | ForEach-Object { \"line $_\" }\nexit 0")).await;
    assert_eq!(said.stdout.replace('\r', ""), "line 1\nline 2\nline 3\n");
    assert_eq!(host.counters().plaintext_bodies, 0);
}

#[tokio::test]
async fn errors_are_text_on_standard_error() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let said = run(&mut *session, powershell("Write-Error 'went wrong: <é>'; 'on'")).await;
    assert_eq!(said.exit_code, 0, "{said:?}");
    assert!(said.stderr.contains("went wrong: <é>") && !said.stderr.contains("CLIXML"), "{said:?}");
    assert_eq!(said.stdout.trim_end(), "on");
    let said = run(&mut *session, powershell("throw 'the end'")).await;
    assert_eq!(said.exit_code, 1);
    assert!(said.stderr.contains("the end"), "{said:?}");
    let said = run(&mut *session, powershell("if (")).await;
    assert_eq!(said.exit_code, 1, "a script that does not parse: {said:?}");
    assert!(!said.stderr.is_empty());
}

#[tokio::test]
async fn a_script_has_input_of_its_own() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let mut request = powershell(
        "$t=[Console]::In.ReadToEnd(); Write-Output ('got ' + $t.Length + ' ' + $t.Substring(0,3))",
    );
    request.stdin = Some("één twee".into());
    assert_eq!(run(&mut *session, request).await.stdout.trim_end(), "got 8 één");
    let mut request = powershell("Write-Output ([Console]::In.ReadToEnd().Length)");
    request.stdin = Some("x".repeat(500_000).into());
    assert_eq!(run(&mut *session, request).await.stdout.trim_end(), "500000");
    // Input that nobody reads is no failure.
    let mut request = powershell("exit 4");
    request.stdin = Some("x".repeat(500_000).into());
    assert_eq!(run(&mut *session, request).await.exit_code, 4);
}

#[tokio::test]
async fn a_script_of_a_megabyte_runs() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let filler = "# 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\n".repeat(15_500);
    assert!(filler.len() > 1_000_000);
    let said = run(&mut *session, powershell(&format!("{filler}Write-Output 'done é'\nexit 7"))).await;
    assert_eq!((said.exit_code, said.stdout.trim_end()), (7, "done é"));
}

#[tokio::test]
async fn a_lot_of_output_arrives_whole() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let said = run(&mut *session, powershell("$l='y'*1000\n1..2000 | ForEach-Object { \"$_ $l\" }")).await;
    assert_eq!(said.stdout.lines().count(), 2000);
    assert!(said.stdout.lines().last().unwrap().starts_with("2000 yyy"));
}

#[tokio::test]
async fn environment_and_directory_are_the_commands_own() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let mut request = powershell("Write-Output $env:OC_VALUE; Write-Output (Get-Location).Path");
    request.env = BTreeMap::from([("OC_VALUE".to_owned(), "a <b> & \"c\" é".to_owned())]);
    request.working_directory = Some("C:\\temp".to_owned());
    let said = run(&mut *session, request).await;
    assert_eq!(said.stdout.replace('\r', ""), "a <b> & \"c\" é\nC:\\temp\n");
    let said = run(&mut *session, powershell("Write-Output \"[$env:OC_VALUE]\"")).await;
    assert_eq!(said.stdout.trim_end(), "[]", "the next command has it no more");
    session.close().await.unwrap();
    assert_eq!(host.counters().shells_open, 0);
}

#[tokio::test]
async fn pieces_split_anywhere_make_the_same_text() {
    let host = builder().output_split(3).start().await.unwrap();
    let (_connector, mut session) = session(&host).await;
    let said = run(&mut *session, powershell("Write-Output 'é日本🦀'; Write-Error 'è <tag> & 本'")).await;
    assert_eq!(said.stdout.trim_end(), "é日本🦀");
    assert!(said.stderr.contains("è <tag> & 本") && !said.stderr.contains("_x000"), "{said:?}");
}

#[tokio::test]
async fn raw_ntlm_and_domain_accounts_work_too() {
    let host = builder().user("CORP\\ada", "pw").start().await.unwrap();
    let connector = opsconductor_core::transport::winrm::WinrmConnector::new();
    for (user, transport) in [
        (r"CORP\ada", Some("ntlm")),
        ("ada@corp", Some("ntlm")),
        ("ada@CORP", None),
        (r"corp\ADA", Some("negotiate")),
    ] {
        let credential = credential_with(user, "pw", transport);
        let mut session = connector.connect(&endpoint(&host), &credential).await.unwrap();
        let said = run(&mut *session, powershell("Write-Output $env:COMPUTERNAME")).await;
        assert_eq!(said.stdout.trim_end(), "WEB-1", "{user} {transport:?}");
    }
    assert_eq!(host.counters().plaintext_bodies, 0);
}
