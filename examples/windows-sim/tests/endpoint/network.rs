//! A slow network, with and without TLS, and what is counted of it.

use std::time::{Duration, Instant};

use windows_sim::{Action, Fault, WindowsHost};

use crate::client::{Client, LIMIT, builder};

const LATENCY: Duration = Duration::from_millis(40);

async fn elapsed<T>(work: impl Future<Output = T>) -> Duration {
    let start = Instant::now();
    work.await;
    start.elapsed()
}

/// Connects and asks once.
async fn first_answer(host: &WindowsHost, tls: bool) {
    let mut client = if tls { Client::connect_tls(host).await } else { Client::connect(host).await };
    client.identify(false).await.unwrap();
}

#[tokio::test]
async fn connecting_costs_the_round_trips_it_would_cost() {
    let host = builder().latency(LATENCY).https("127.0.0.1:0").start().await.unwrap();
    // TCP and the question; TLS 1.3 takes one more.
    assert!(elapsed(first_answer(&host, false)).await >= 2 * LATENCY);
    assert!(elapsed(first_answer(&host, true)).await >= 3 * LATENCY);
}

#[tokio::test]
async fn each_exchange_costs_one_round_trip_under_tls_as_without() {
    let host = builder().latency(LATENCY).https("127.0.0.1:0").start().await.unwrap();
    for mut client in [Client::connect(&host).await, Client::connect_tls(&host).await] {
        client.open().await;
        // The quickest of several, for a busy machine adds what it likes.
        let mut quickest = Duration::MAX;
        for _ in 0..10 {
            quickest = quickest.min(elapsed(client.open()).await);
            assert!(quickest >= LATENCY, "{quickest:?}");
            if quickest < 2 * LATENCY {
                break;
            }
        }
        assert!(quickest < 10 * LATENCY, "{quickest:?}");
    }
}

#[tokio::test]
async fn bytes_take_their_time_in_both_directions() {
    let host = builder().bandwidth(200_000.try_into().unwrap()).https("127.0.0.1:0").start().await.unwrap();
    for mut client in [Client::connect(&host).await, Client::connect_tls(&host).await] {
        let shell = client.open().await;
        let command = client.start(&shell, "more").await;
        // 15,000 bytes are 20,000 in base64: 100 ms.
        let data = [b'x'; 15_000];
        let takes = elapsed(client.send(&shell, &command, &data, true)).await;
        assert!(takes >= Duration::from_millis(100), "in: {takes:?}");
        let takes = elapsed(client.finish(&shell, &command)).await;
        assert!(takes >= Duration::from_millis(100), "out: {takes:?}");
    }
}

#[tokio::test]
async fn several_messages_share_the_wait_but_not_the_bandwidth() {
    // One after the other they would take 30 s.
    let (latency, count) = (Duration::from_millis(600), 50);
    let mut quotas = windows_sim::Quotas::default();
    quotas.shells_per_user_max = count;
    let host = builder().latency(latency).quotas(quotas).start().await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(Client::connect(&host).await);
    }
    let start = Instant::now();
    let tasks: Vec<_> =
        clients.into_iter().map(|mut client| tokio::spawn(async move { client.open().await })).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(start.elapsed() < 25 * latency, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_truncated_answer_arrives_in_part_over_a_slow_link_too() {
    let host = builder().latency(LATENCY).start().await.unwrap();
    let mut client = Client::connect(&host).await;
    host.faults().on_next(Action::Create, Fault::TruncatedBody);
    let error = client.create("").await.err().unwrap();
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
    assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::UnexpectedEof), "{error:?}");
}

#[tokio::test]
async fn connections_and_bytes_are_counted() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    let before = host.counters();
    assert_eq!((before.connections, before.connections_open), (1, 1));
    client.send(&shell, &command, &[b'x'; 30_000], true).await.unwrap();
    client.finish(&shell, &command).await;
    let after = host.counters();
    assert!(after.bytes_in - before.bytes_in > 40_000, "{after:?}");
    assert!(after.bytes_out - before.bytes_out > 40_000, "{after:?}");
    assert_eq!(after.stdin_bytes, 30_000);
    drop(client);
    let closed = async {
        while host.counters().connections_open > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, closed).await.unwrap();
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_a_body_is_given_up() {
    let mut quotas = windows_sim::Quotas::default();
    quotas.connection_idle_timeout = Duration::from_millis(500);
    let host = builder().quotas(quotas).start().await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(host.http_addr().unwrap()).await.unwrap();
    let head = b"POST /wsman HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n<half";
    tokio::io::AsyncWriteExt::write_all(&mut stream, head).await.unwrap();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await;
    assert!(closed.is_ok());
}
