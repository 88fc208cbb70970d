//! Faults on demand.

use std::time::{Duration, Instant};

use windows_sim::{Action, Fault};

use crate::client::{Client, builder};

#[tokio::test]
async fn a_connection_dropped_before_a_command_leaves_no_trace_and_one_dropped_after_leaves_the_command() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;

    host.faults().on_next(Action::Command, Fault::DropBefore);
    assert!(client.command(&shell, "echo lost").await.is_err());
    assert_eq!(host.counters().commands, 0);

    host.faults().on_next(Action::Command, Fault::DropAfter);
    let mut client = Client::connect(&host).await;
    assert!(client.command(&shell, "echo run").await.is_err());
    assert_eq!(host.counters().commands, 1);

    let mut client = Client::connect(&host).await;
    let command = client.start(&shell, "echo again").await;
    assert_eq!(client.finish(&shell, &command).await, (b"again\r\n".to_vec(), 0));
}

#[tokio::test]
async fn a_truncated_body_breaks_off_after_the_message_was_acted_on() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    host.faults().on_next(Action::Create, Fault::TruncatedBody);
    let error = client.create("").await.err().unwrap();
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
    assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::UnexpectedEof), "{error:?}");
    assert_eq!(host.counters().shells_open, 1);
}

#[tokio::test]
async fn the_nth_message_from_now_is_the_one_that_is_refused() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    host.faults().on_message(2, Fault::Unauthorized);
    assert_eq!(client.create("").await.unwrap().status, 200);
    assert_eq!(client.create("").await.unwrap().status, 401);
    assert_eq!(client.create("").await.unwrap().status, 200);
    assert_eq!(host.counters().shells_open, 2);
}

#[tokio::test]
async fn a_message_is_refused_with_any_number_in_either_shape() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    host.faults().on_next(Action::Create, Fault::Refuse(2_150_859_173));
    host.faults().on_next(Action::Create, Fault::RefuseWmi(2_150_859_174));
    assert_eq!(client.create("").await.unwrap().fault(), 2_150_859_173);
    assert_eq!(client.create("").await.unwrap().element("error_Code"), "2150859174");
    assert_eq!(host.counters().shells_opened, 0);
}

#[tokio::test]
async fn a_delay_delays_one_message() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    host.faults().on_next(Action::Create, Fault::Delay(Duration::from_millis(80)));
    let start = Instant::now();
    client.open().await;
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_reboot_takes_every_shell_and_connection_but_not_the_listener() {
    let host = builder().start().await.unwrap();
    let mut other = Client::connect(&host).await;
    let other_shell = other.open().await;
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    host.faults().on_next(Action::Command, Fault::Reboot);
    assert!(client.command(&shell, "echo hello").await.is_err());
    assert!(other.command(&other_shell, "echo hello").await.is_err());
    assert_eq!(host.counters().shells_open, 0);

    let mut client = Client::connect(&host).await;
    assert_eq!(client.command(&shell, "echo hello").await.unwrap().fault(), 2_150_858_843);
    client.open().await;
}

#[tokio::test]
async fn dropped_connections_leave_the_shells_open() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    host.drop_connections();
    assert!(client.receive(&shell, &command).await.is_err());
    let mut client = Client::connect(&host).await;
    assert_eq!(client.send(&shell, &command, b"alive\r\n", true).await.unwrap().status, 200);
    let (output, code) = client.finish(&shell, &command).await;
    assert_eq!((output.trim_ascii(), code), (&b"alive"[..], 0));
}
