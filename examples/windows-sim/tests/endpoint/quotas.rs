//! Quotas, and what may be too long.

use std::time::{Duration, Instant};

use windows_sim::Quotas;

use crate::client::{Client, OTHER_USER, builder};

fn quotas(change: impl FnOnce(&mut Quotas)) -> Quotas {
    let mut quotas = Quotas::default();
    change(&mut quotas);
    quotas
}

#[tokio::test]
async fn shells_are_counted_per_user() {
    let host = builder().quotas(quotas(|quotas| quotas.shells_per_user_max = 2)).start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let first = client.open().await;
    client.open().await;
    assert_eq!(client.create("").await.unwrap().fault(), 2_150_859_173);
    Client::connect_as(&host, OTHER_USER).await.open().await;
    assert_eq!(client.delete(&first).await.unwrap().status, 200);
    client.open().await;
}

#[tokio::test]
async fn operations_come_back_only_when_the_shell_is_closed() {
    let host = builder().quotas(quotas(|quotas| quotas.operations_per_user_max = 2)).start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    for _ in 0..2 {
        let command = client.start(&shell, "echo hello").await;
        client.finish(&shell, &command).await;
        assert_eq!(client.signal(&shell, &command, "terminate").await.unwrap().status, 200);
    }
    assert_eq!(client.command(&shell, "echo hello").await.unwrap().fault(), 2_150_859_174);
    client.delete(&shell).await.unwrap();
    let shell = client.open().await;
    client.start(&shell, "echo hello").await;
}

#[tokio::test]
async fn processes_are_counted_per_shell_until_they_are_ended() {
    let host = builder().quotas(quotas(|quotas| quotas.processes_per_shell_max = 1)).start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    assert_eq!(client.command(&shell, "more").await.unwrap().fault(), 2_150_859_241);
    client.signal(&shell, &command, "terminate").await.unwrap();
    client.start(&shell, "more").await;
}

#[tokio::test]
async fn a_command_line_that_no_process_can_take_is_refused() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let line = format!("echo {}", "x".repeat(32_763));
    assert_eq!(client.command(&shell, &line).await.unwrap().fault(), 2_147_942_606);
    assert_eq!(host.counters().commands, 0);
}

#[tokio::test]
async fn an_envelope_over_the_limit_is_answered_with_413() {
    let host = builder().quotas(quotas(|quotas| quotas.envelope_bytes_max = 8192)).start().await.unwrap();
    let mut client = Client::connect(&host).await;
    assert_eq!(client.create(&" ".repeat(9000)).await.unwrap().status, 413);
}

#[tokio::test]
async fn a_message_waits_no_longer_than_the_host_allows() {
    let limit = Duration::from_millis(100);
    let host = builder().quotas(quotas(|quotas| quotas.operation_timeout_max = limit)).start().await.unwrap();
    let mut client = Client::connect(&host).await.timeout("PT60S");
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    let start = Instant::now();
    assert_eq!(client.receive(&shell, &command).await.unwrap().fault(), 2_150_858_793);
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(Quotas::default().operation_timeout_max, Duration::from_secs(60));
}

#[tokio::test]
async fn a_line_that_is_too_long_for_cmd_gets_its_words_and_ends() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, &format!("echo {}", "x".repeat(8187))).await;
    let answer = client.receive(&shell, &command).await.unwrap();
    assert_eq!(answer.pieces("stderr").concat(), b"The command line is too long.\r\n");
    let command = client.start(&shell, &format!("echo {}", "x".repeat(8186))).await;
    assert_eq!(client.finish(&shell, &command).await.0.len(), 8186 + 2);
}

#[tokio::test]
async fn no_piece_of_output_is_larger_than_windows_makes_it() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await.envelope_max(500 * 1024);
    let shell = client.open().await;
    let command = client.start(&shell, "powershell -NoProfile -Command \"'x' * 300000\"").await;
    let mut pieces = Vec::new();
    loop {
        let answer = client.receive(&shell, &command).await.unwrap();
        pieces.extend(answer.pieces("stdout"));
        if answer.exit_code().is_some() {
            // Both streams end, each in an element of its own, before the state is Done.
            assert_eq!(answer.text.matches("End=\"true\"></rsp:Stream>").count(), 2);
            break;
        }
    }
    assert!(pieces.iter().all(|piece| piece.len() <= 32 * 1024));
    assert_eq!(pieces.concat().len(), 300_002);
}

#[tokio::test]
async fn a_body_that_is_much_too_large_is_answered_too() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    assert_eq!(client.create(&" ".repeat(4_000_000)).await.unwrap().status, 413);
    assert_eq!(host.counters().messages, 0);
}
