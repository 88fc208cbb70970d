//! Every fault at every message.

use std::time::{Duration, Instant};

use windows_sim::{Action, Fault, WindowsHost};

use crate::client::{Answer, Client, SHELL, builder};

/// The first token of an NTLM handshake: what a client offers, and no names.
const NEGOTIATE: &[u8] =
    b"NTLMSSP\0\x01\0\0\0\x37\x82\x08\xe2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\0\x63\x45\0\0\0\x0f";

const MESSAGES: [Action; 14] = [
    Action::Identify,
    Action::Create,
    Action::Get,
    Action::Delete,
    Action::Command,
    Action::Send,
    Action::Receive,
    Action::Signal,
    Action::Disconnect,
    Action::Reconnect,
    Action::Connect,
    Action::Enumerate,
    Action::Pull,
    Action::Release,
];

const FAULTS: [Fault; 12] = [
    Fault::DropBefore,
    Fault::DropAfter,
    Fault::Unauthorized,
    Fault::TruncatedBody,
    Fault::Garbage,
    Fault::BadSeal,
    Fault::Delay(Duration::from_millis(20)),
    Fault::Reboot,
    Fault::Unavailable,
    Fault::TooLarge,
    Fault::Refuse(170),
    Fault::RefuseWmi(995),
];

/// A shell with a command that has ended.
struct Ready {
    client: Client,
    shell: String,
    command: String,
}

async fn ready(host: &WindowsHost) -> Ready {
    let mut client = Client::connect(host).await.session("11111111-1111-1111-1111-111111111111");
    let shell = client.open().await;
    let command = client.start(&shell, "exit 7").await;
    Ready { client, shell, command }
}

impl Ready {
    async fn message(&mut self, action: Action) -> hyper::Result<Answer> {
        let (client, shell, command) = (&mut self.client, self.shell.as_str(), self.command.as_str());
        match action {
            Action::Identify => client.identify(false).await,
            Action::Create => client.create("").await,
            Action::Get => client.get(shell).await,
            Action::Delete => client.delete(shell).await,
            Action::Command => client.command(shell, "ver").await,
            Action::Send => client.send(shell, command, b"x", true).await,
            Action::Receive => client.receive(shell, command).await,
            Action::Signal => client.signal(shell, command, "terminate").await,
            Action::Disconnect => client.disconnect(shell, "").await,
            Action::Reconnect => client.reconnect(shell).await,
            Action::Connect => client.take_over(shell).await,
            Action::Enumerate => client.enumerate(SHELL, "").await,
            Action::Pull => client.pull(SHELL, "uuid:/", 5).await,
            Action::Release => client.release(SHELL, "uuid:/").await,
            _ => panic!("no message"),
        }
    }
}

#[tokio::test]
async fn every_fault_can_happen_to_every_message() {
    for action in MESSAGES {
        for fault in FAULTS {
            let host = builder().start().await.unwrap();
            let mut ready = ready(&host).await;
            host.faults().on_nth(action, 1, fault);
            let start = Instant::now();
            let answer = ready.message(action).await;
            assert_eq!(host.faults().remaining(), 0, "{action:?} {fault:?}");
            let about = format!("{action:?} {fault:?}");
            match fault {
                Fault::DropBefore | Fault::DropAfter | Fault::TruncatedBody | Fault::Reboot => {
                    assert!(answer.is_err(), "{about}");
                }
                Fault::Unauthorized => assert_eq!(answer.unwrap().status, 401, "{about}"),
                Fault::Unavailable => assert_eq!(answer.unwrap().status, 503, "{about}"),
                Fault::TooLarge => assert_eq!(answer.unwrap().status, 413, "{about}"),
                // Nothing is sealed here, so what is wrong with the seal is wrong with all of it.
                Fault::Garbage | Fault::BadSeal => {
                    assert!(roxmltree::Document::parse(&answer.unwrap().text).is_err(), "{about}");
                }
                Fault::Delay(delay) => {
                    answer.unwrap();
                    assert!(start.elapsed() >= delay, "{about}");
                }
                Fault::Refuse(number) => assert_eq!(answer.unwrap().fault(), u64::from(number), "{about}"),
                Fault::RefuseWmi(number) => {
                    assert_eq!(answer.unwrap().element("error_Code"), number.to_string(), "{about}");
                }
                _ => panic!("unknown fault"),
            }
        }
    }
}

#[tokio::test]
async fn faults_before_a_message_leave_no_trace_of_it_and_those_after_it_do() {
    for fault in FAULTS {
        let host = builder().start().await.unwrap();
        let mut ready = ready(&host).await;
        host.faults().on_next(Action::Command, fault);
        let _ = ready.message(Action::Command).await;
        let acted = matches!(
            fault,
            Fault::DropAfter | Fault::TruncatedBody | Fault::Garbage | Fault::BadSeal | Fault::Delay(_)
        );
        assert_eq!(host.counters().commands, 1 + u64::from(acted), "{fault:?}");
    }
}

#[tokio::test]
async fn the_first_leg_of_the_handshake_has_its_faults() {
    for fault in FAULTS {
        let host = builder().start().await.unwrap();
        let mut client = Client::connect(&host).await;
        host.faults().on_next(Action::Negotiate, fault);
        let answer = client.token(NEGOTIATE).await;
        assert_eq!(host.faults().remaining(), 0, "{fault:?}");
        let token = answer.as_ref().ok().and_then(|answer| answer.asks.clone()).unwrap_or_default();
        match (fault, answer.map(|answer| answer.status)) {
            (Fault::DropBefore | Fault::DropAfter | Fault::TruncatedBody | Fault::Reboot, Err(_)) => {}
            (Fault::Unauthorized, Ok(401)) => assert_eq!(token, "Negotiate"),
            // The token is there, but it is no challenge: that would begin like this.
            (Fault::Garbage | Fault::BadSeal, Ok(401)) => {
                assert!(token.starts_with("Negotiate ") && !token.contains("TlRMTVNTUAAC"), "{token}");
            }
            (Fault::Delay(_), Ok(401)) => assert!(token.contains("TlRMTVNTUAAC"), "{token}"),
            (Fault::Unavailable, Ok(503)) | (Fault::TooLarge, Ok(413)) => {}
            (Fault::Refuse(_) | Fault::RefuseWmi(_), Ok(500)) => {}
            (fault, answer) => panic!("{fault:?}: {answer:?}"),
        }
        assert_eq!(host.counters().messages, 0);
    }
}

#[tokio::test]
async fn a_fault_for_each_message_stays_until_it_is_cleared() {
    let host = builder().start().await.unwrap();
    host.faults().on_each(Action::Create, Fault::Refuse(2_150_859_173));
    let mut client = Client::connect(&host).await;
    for _ in 0..3 {
        assert_eq!(client.create("").await.unwrap().fault(), 2_150_859_173);
    }
    host.faults().clear();
    client.open().await;
}

#[tokio::test]
async fn a_fault_written_as_text_is_the_same_fault() {
    let host = builder().start().await.unwrap();
    host.faults().plan("create:2=too-large".parse().unwrap());
    let mut client = Client::connect(&host).await;
    client.open().await;
    assert_eq!(client.create("").await.unwrap().status, 413);
    assert!("create:2=too-larg".parse::<windows_sim::PlannedFault>().is_err());
}
