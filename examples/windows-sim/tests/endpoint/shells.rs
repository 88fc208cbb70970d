//! Shells: whose they are, how they end, and what is counted.

use std::time::Duration;

use windows_sim::Quotas;

use crate::client::{Client, LIMIT, OTHER_USER, USER, builder};

#[tokio::test]
async fn another_users_shell_is_out_of_reach() {
    let host = builder().start().await.unwrap();
    let shell = Client::connect(&host).await.open().await;
    let mut other = Client::connect_as(&host, OTHER_USER).await;
    assert_eq!(other.command(&shell, "echo hello").await.unwrap().fault(), 5);
    assert_eq!(other.delete(&shell).await.unwrap().fault(), 5);
}

#[tokio::test]
async fn a_shell_that_is_not_there_and_a_command_that_is_not_there_are_told_apart() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    assert_eq!(
        client.command("11111111-1111-1111-1111-111111111111", "ver").await.unwrap().fault(),
        2_150_858_843
    );
    assert_eq!(client.command("", "ver").await.unwrap().fault(), 2_150_858_842);
    let shell = client.open().await;
    assert_eq!(
        client.receive(&shell, "11111111-1111-1111-1111-111111111111").await.unwrap().fault(),
        2_147_942_487
    );
    assert_eq!(client.signal(&shell, "x", "wave").await.unwrap().fault(), 2_147_942_487);
}

#[tokio::test]
async fn an_idle_shell_closes_by_itself_and_a_long_poll_keeps_it_open() {
    let mut quotas = Quotas::default();
    quotas.shell_idle_timeout = Duration::from_millis(500);
    let host = builder().quotas(quotas).start().await.unwrap();
    let mut client = Client::connect(&host).await.timeout("PT1.5S");
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    // The poll outlives the idle time-out three times over.
    assert_eq!(client.receive(&shell, &command).await.unwrap().fault(), 2_150_858_793);
    assert_eq!(host.counters().shells_open, 1);
    let closed = async {
        while host.counters().shells_open > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, closed).await.unwrap();
    assert_eq!(client.receive(&shell, &command).await.unwrap().fault(), 2_150_858_843);
}

#[tokio::test]
async fn deleting_a_shell_aborts_what_waits_in_it() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    let mut waiting = Client::connect(&host).await;
    let (answer, deleted) = tokio::join!(waiting.receive(&shell, &command), client.delete(&shell));
    assert_eq!(deleted.unwrap().status, 200);
    // Whichever of the two arrived first, the Receive does not wait for its time-out.
    assert!(matches!(answer.unwrap().fault(), 995 | 2_150_858_843));
}

#[tokio::test]
async fn what_reached_the_host_is_counted() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "echo hello").await;
    client.finish(&shell, &command).await;
    client.delete(&shell).await.unwrap();
    let counters = host.counters();
    assert_eq!((counters.connections, counters.commands), (1, 1));
    assert_eq!((counters.shells_opened, counters.shells_open), (1, 0));
    assert!(counters.messages >= 4);
    assert_eq!(counters.plaintext_bodies, counters.messages);
    assert_eq!(counters.logons.get(USER).unwrap().ok, counters.requests);
}

#[tokio::test]
async fn a_silent_connection_is_closed_whether_it_was_used_or_not() {
    let mut quotas = Quotas::default();
    quotas.connection_idle_timeout = Duration::from_millis(500);
    let host = builder().quotas(quotas).start().await.unwrap();
    let closed = async {
        let mut fresh = tokio::net::TcpStream::connect(host.http_addr().unwrap()).await.unwrap();
        let mut used = Client::connect(&host).await.timeout("PT1S");
        let shell = used.open().await;
        let command = used.start(&shell, "more").await;
        // A poll that takes longer is no silence.
        assert_eq!(used.receive(&shell, &command).await.unwrap().fault(), 2_150_858_793);
        used.closed().await;
        tokio::io::AsyncReadExt::read_to_end(&mut fresh, &mut Vec::new()).await.unwrap();
    };
    tokio::time::timeout(LIMIT, closed).await.unwrap();
}

#[tokio::test]
async fn a_host_that_is_dropped_closes_its_connections_and_stops_listening() {
    let host = builder().start().await.unwrap();
    let address = host.http_addr().unwrap();
    let mut client = Client::connect(&host).await;
    client.open().await;
    drop(host);
    assert!(client.create("").await.is_err());
    let closed = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(LIMIT, closed).await.unwrap();
}
