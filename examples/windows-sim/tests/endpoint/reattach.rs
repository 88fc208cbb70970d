//! A client that died, and another that goes on where it stopped.

use std::time::Duration;

use crate::client::{Client, OTHER_USER, builder};

#[tokio::test]
async fn a_command_is_fed_read_and_stopped_over_another_connection_of_the_same_user() {
    let host = builder().start().await.unwrap();
    let mut first = Client::connect(&host).await;
    let shell = first.open().await;
    let command = first.start(&shell, "more").await;
    assert_eq!(first.send(&shell, &command, b"one\r\n", false).await.unwrap().status, 200);
    drop(first);

    let mut second = Client::connect(&host).await;
    assert_eq!(second.send(&shell, &command, b"two\r\n", true).await.unwrap().status, 200);
    let (output, code) = second.finish(&shell, &command).await;
    assert_eq!((output.trim_ascii(), code), (&b"one\r\ntwo"[..], 0));

    let command = second.start(&shell, "more").await;
    drop(second);
    let mut third = Client::connect(&host).await;
    assert_eq!(third.signal(&shell, &command, "ctrl_c").await.unwrap().status, 200);
    assert_eq!(third.finish(&shell, &command).await.1 as u32, 0xC000_013A);
    assert_eq!(host.counters().duplicates, 0);
}

#[tokio::test]
async fn another_user_cannot_go_on_with_a_command() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    let mut other = Client::connect_as(&host, OTHER_USER).await;
    assert_eq!(other.receive(&shell, &command).await.unwrap().fault(), 5);
    assert_eq!(other.send(&shell, &command, b"x", true).await.unwrap().fault(), 5);
    assert_eq!(other.signal(&shell, &command, "terminate").await.unwrap().fault(), 5);
    client.send(&shell, &command, b"mine\r\n", true).await.unwrap();
    assert!(client.finish(&shell, &command).await.0.starts_with(b"mine"));
}

#[tokio::test]
async fn output_waits_for_whoever_comes_and_a_command_that_wrote_too_much_blocks_until_then() {
    let host = builder().start().await.unwrap();
    let mut first = Client::connect(&host).await;
    let shell = first.open().await;
    let script = "1..1500 | ForEach-Object { 'x' * 998 }; Set-Content C:\\temp\\done.txt yes";
    let command = first.start(&shell, &format!("powershell -NoProfile -Command \"{script}\"")).await;
    let taken = first.receive(&shell, &command).await.unwrap().pieces("stdout").concat();
    drop(first);
    // One answer and the pipe hold far less than the command has to say, so it cannot have come to its end.
    assert_eq!(host.machine().read_file("C:\\temp\\done.txt"), None);
    assert_eq!(host.machine().running_processes(), 1);

    let mut second = Client::connect(&host).await;
    let rest = second.finish(&shell, &command);
    let (rest, code) = tokio::time::timeout(Duration::from_secs(60), rest).await.unwrap();
    assert_eq!((taken.len() + rest.len(), code), (1500 * 1000, 0));
    assert!(host.machine().read_file("C:\\temp\\done.txt").is_some());
}

#[tokio::test]
async fn what_was_executed_and_what_was_asked_for_twice_is_remembered() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "echo once").await;
    let executed = host.executed();
    assert_eq!(executed.len(), 1);
    assert_eq!((&*executed[0].line, &executed[0].command_id), ("echo once", &command));
    assert_eq!(executed[0].shell_id, shell);
    assert_eq!(host.counters().duplicates, 0);

    let mut careless = Client::connect(&host).await.message_id("uuid:again");
    careless.start(&shell, "echo twice").await;
    careless.start(&shell, "echo twice").await;
    assert!(host.executed()[1..].iter().all(|executed| executed.message_id == "uuid:again"));
    assert_eq!((host.counters().commands, host.counters().duplicates), (3, 1));
}
