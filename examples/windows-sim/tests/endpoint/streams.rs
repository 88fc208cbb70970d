//! Standard input and output: order, pieces, blocking, and who may wait.

use crate::client::{Client, LIMIT, builder};

/// A command that neither reads nor writes for a long time.
const SILENT: &str = "powershell -NoProfile -Command \"Start-Sleep -Seconds 600\"";

#[tokio::test]
async fn output_is_cut_where_the_host_is_told_to_cut_it() {
    let host = builder().output_split(3).start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    client.send(&shell, &command, b"abcdefgh\r\n", true).await.unwrap();
    let mut pieces = Vec::new();
    loop {
        let answer = client.receive(&shell, &command).await.unwrap();
        pieces.extend(answer.pieces("stdout"));
        if answer.exit_code().is_some() {
            break;
        }
    }
    assert!(pieces.iter().all(|piece| piece.len() <= 3));
    assert!(pieces.concat().starts_with(b"abcdefgh\r\n"));
}

#[tokio::test]
async fn a_response_fits_the_envelope_the_client_asked_for() {
    let host = builder().start().await.unwrap();
    let mut sender = Client::connect(&host).await;
    let shell = sender.open().await;
    let command = sender.start(&shell, "more").await;
    let line = [&b"x".repeat(98)[..], b"\r\n"].concat();
    let data = line.repeat(2000);
    let mut client = Client::connect(&host).await.envelope_max(16 * 1024);
    let receive = async {
        let (mut output, mut largest) = (Vec::new(), 0);
        loop {
            let answer = client.receive(&shell, &command).await.unwrap();
            largest = largest.max(answer.text.len());
            output.extend(answer.pieces("stdout").concat());
            if answer.exit_code().is_some() {
                return (output, largest);
            }
        }
    };
    let (sent, (output, largest)) = tokio::join!(sender.send(&shell, &command, &data, true), receive);
    assert_eq!(sent.unwrap().status, 200);
    assert!(largest <= 16 * 1024, "{largest}");
    assert!(output.starts_with(&data) && output.len() <= data.len() + 2, "{}", output.len());
}

#[tokio::test]
async fn a_receive_without_output_times_out_and_the_next_one_goes_on() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await.timeout("PT0.1S");
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    assert_eq!(client.receive(&shell, &command).await.unwrap().fault(), 2_150_858_793);
    client.send(&shell, &command, b"late\r\n", true).await.unwrap();
    let mut client = client.timeout("PT30S");
    assert!(client.finish(&shell, &command).await.0.starts_with(b"late\r\n"));
}

#[tokio::test]
async fn a_second_receive_is_busy_and_a_dropped_one_frees_the_command() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    let mut waiting = Client::connect(&host).await;
    {
        let messages = host.counters().messages;
        let mut first = Box::pin(waiting.receive(&shell, &command));
        let arrived = async {
            while host.counters().messages == messages {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            answer = &mut first => panic!("{}", answer.unwrap().text),
            () = arrived => {}
        }
        assert_eq!(client.receive(&shell, &command).await.unwrap().fault(), 170);
    }
    drop(waiting);
    client.send(&shell, &command, b"free\r\n", true).await.unwrap();
    let freed = async {
        loop {
            let answer = client.receive(&shell, &command).await.unwrap();
            if answer.status == 200 {
                return answer.pieces("stdout").concat();
            }
            assert_eq!(answer.fault(), 170);
        }
    };
    let output = tokio::time::timeout(LIMIT, freed).await.unwrap();
    assert!(output.starts_with(b"free\r\n"), "nothing was taken by the dropped Receive");
}

#[tokio::test]
async fn a_send_to_a_full_pipe_times_out_with_the_data_taken_and_the_next_is_busy() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await.timeout("PT0.2S");
    let shell = client.open().await;
    let command = client.start(&shell, SILENT).await;
    let data = vec![b'x'; 200 * 1024];
    assert_eq!(client.send(&shell, &command, &data, false).await.unwrap().fault(), 2_150_858_793);
    assert_eq!(client.send(&shell, &command, b"more", false).await.unwrap().fault(), 170);
    assert_eq!(client.signal(&shell, &command, "terminate").await.unwrap().status, 200);
    assert_eq!(client.send(&shell, &command, b"more", false).await.unwrap().fault(), 2_147_942_487);
}

#[tokio::test]
async fn input_after_the_end_of_input_is_refused() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    client.send(&shell, &command, b"", true).await.unwrap();
    assert_eq!(client.send(&shell, &command, b"late", false).await.unwrap().fault(), 232);
}

#[tokio::test]
async fn ctrl_c_ends_a_command_and_its_exit_code_is_received() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    assert_eq!(client.signal(&shell, &command, "ctrl_c").await.unwrap().status, 200);
    assert_eq!(client.finish(&shell, &command).await.1 as u32, 0xC000_013A);
}
