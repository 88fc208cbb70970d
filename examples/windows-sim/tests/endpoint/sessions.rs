//! Shells that are left for a while: Disconnect, Reconnect and Connect.

use windows_sim::WindowsHost;

use crate::client::{Client, LIMIT, builder};

const SESSION: &str = "11111111-1111-1111-1111-111111111111";
const OTHER_SESSION: &str = "22222222-2222-2222-2222-222222222222";

const DISCONNECTED: u64 = 2_150_859_204;
const MISMATCH: u64 = 2_150_859_206;

async fn connect(host: &WindowsHost) -> Client {
    Client::connect(host).await.session(SESSION)
}

#[tokio::test]
async fn a_shell_that_was_left_takes_no_command_until_somebody_comes_back_and_its_output_waits() {
    let host = builder().start().await.unwrap();
    let mut client = connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    assert_eq!(client.send(&shell, &command, b"kept\r\n", true).await.unwrap().status, 200);
    assert_eq!(client.disconnect(&shell, "").await.unwrap().status, 200);
    assert_eq!(client.get(&shell).await.unwrap().element("State"), "Disconnected");

    assert_eq!(client.command(&shell, "ver").await.unwrap().fault(), DISCONNECTED);
    assert_eq!(client.receive(&shell, &command).await.unwrap().fault(), DISCONNECTED);
    assert_eq!(client.send(&shell, &command, b"x", false).await.unwrap().fault(), DISCONNECTED);
    assert_eq!(client.signal(&shell, &command, "terminate").await.unwrap().fault(), DISCONNECTED);
    assert_eq!(host.counters().commands, 1);

    let mut back = connect(&host).await;
    assert_eq!(back.reconnect(&shell).await.unwrap().status, 200);
    assert_eq!(back.get(&shell).await.unwrap().element("State"), "Connected");
    assert!(back.finish(&shell, &command).await.0.starts_with(b"kept\r\n"));
}

#[tokio::test]
async fn a_receive_that_waits_ends_when_the_shell_is_left() {
    let host = builder().start().await.unwrap();
    let mut client = connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    let mut waiting = connect(&host).await;
    let (answer, left) = tokio::join!(waiting.receive(&shell, &command), client.disconnect(&shell, ""));
    assert_eq!(left.unwrap().status, 200);
    assert_eq!(answer.unwrap().fault(), DISCONNECTED);
}

#[tokio::test]
async fn leaving_and_coming_back_take_the_session_that_opened_the_shell() {
    let host = builder().start().await.unwrap();
    let mut client = connect(&host).await;
    let shell = client.open().await;
    let mut other = Client::connect(&host).await.session(OTHER_SESSION);
    let mut without = Client::connect(&host).await;

    assert_eq!(other.disconnect(&shell, "").await.unwrap().fault(), MISMATCH);
    assert_eq!(without.disconnect(&shell, "").await.unwrap().fault(), 2_150_858_769);
    assert_eq!(client.reconnect(&shell).await.unwrap().fault(), 2_150_859_216);
    assert_eq!(client.disconnect(&shell, "").await.unwrap().status, 200);
    assert_eq!(client.disconnect(&shell, "").await.unwrap().fault(), 2_150_859_215);
    assert_eq!(other.reconnect(&shell).await.unwrap().fault(), MISMATCH);
    assert_eq!(client.reconnect(&shell).await.unwrap().status, 200);

    let plain = without.open().await;
    assert_eq!(client.disconnect(&plain, "").await.unwrap().fault(), 2_150_859_205);
}

#[tokio::test]
async fn a_shell_that_was_left_can_be_taken_over_by_another_session_and_a_busy_one_cannot() {
    let host = builder().start().await.unwrap();
    let mut client = connect(&host).await;
    let shell = client.open().await;
    let mut other = Client::connect(&host).await.session(OTHER_SESSION);
    assert_eq!(other.take_over(&shell).await.unwrap().fault(), 2_150_859_213);
    assert_eq!(client.disconnect(&shell, "").await.unwrap().status, 200);
    assert_eq!(other.take_over(&shell).await.unwrap().status, 200);
    assert_eq!(client.disconnect(&shell, "").await.unwrap().fault(), MISMATCH);
    let command = other.start(&shell, "exit 3").await;
    assert_eq!(other.finish(&shell, &command).await.1, 3);
}

#[tokio::test]
async fn a_shell_that_was_left_closes_after_the_idle_time_out_it_was_left_with() {
    let host = builder().start().await.unwrap();
    let mut client = connect(&host).await;
    let kept = client.open().await;
    let shell = client.open().await;
    let idle = "<rsp:IdleTimeOut>PT0.1S</rsp:IdleTimeOut>";
    assert_eq!(client.disconnect(&shell, idle).await.unwrap().status, 200);
    let closed = async {
        while host.counters().shells_open > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, closed).await.unwrap();
    assert_eq!(client.reconnect(&shell).await.unwrap().fault(), 2_150_858_843);
    assert_eq!(client.get(&kept).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_buffer_that_drops_output_is_not_modelled_and_refused() {
    let host = builder().start().await.unwrap();
    let mut client = connect(&host).await;
    let shell = client.open().await;
    let drops = "<rsp:BufferMode>Drop</rsp:BufferMode>";
    assert_eq!(client.disconnect(&shell, drops).await.unwrap().fault(), 2_147_942_487);
    let blocks = "<rsp:BufferMode>Block</rsp:BufferMode>";
    assert_eq!(client.disconnect(&shell, blocks).await.unwrap().status, 200);
}
