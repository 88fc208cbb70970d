//! `ipconfig`, `ping` and `timeout`.

use std::time::Duration;

use crate::machine::surroundings::Surroundings;

pub(super) async fn ipconfig(surroundings: &Surroundings) -> i32 {
    surroundings
        .print(
            "\r\nWindows IP Configuration\r\n\r\n\r\nEthernet adapter Ethernet:\r\n\r\n   \
             Connection-specific DNS Suffix  . : \r\n   IPv4 Address. . . . . . . . . . . : 10.0.0.4\r\n   \
             Subnet Mask . . . . . . . . . . . : 255.255.255.0\r\n   \
             Default Gateway . . . . . . . . . : 10.0.0.1\r\n",
        )
        .await;
    0
}

/// Answers for the machine itself, a second apart; it is what scripts use to sleep.
pub(super) async fn ping(surroundings: &Surroundings, arguments: &[String]) -> i32 {
    let mut count = 4_u32;
    let mut target = None;
    let mut i = 0;
    while i < arguments.len() {
        match arguments[i].to_ascii_lowercase().as_str() {
            "-n" | "/n" => {
                i += 1;
                count = arguments.get(i).and_then(|n| n.parse().ok()).unwrap_or(4);
            }
            "-w" | "/w" | "-l" | "/l" => i += 1,
            option if option.starts_with('-') || option.starts_with('/') => {}
            _ => target = Some(arguments[i].clone()),
        }
        i += 1;
    }
    let Some(target) = target else {
        surroundings.print("\r\nUsage: ping [-n count] target_name\r\n\r\n").await;
        return 1;
    };
    let local = ["localhost", "127.0.0.1", "::1", surroundings.machine.name(), "10.0.0.4"];
    if !local.iter().any(|l| l.eq_ignore_ascii_case(&target)) {
        surroundings
            .print(&format!(
                "Ping request could not find host {target}. Please check the name and try again.\r\n"
            ))
            .await;
        return 1;
    }
    surroundings.print(&format!("\r\nPinging {target} with 32 bytes of data:\r\n")).await;
    for round in 0..count {
        if round > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        surroundings.print(&format!("Reply from {target}: bytes=32 time<1ms TTL=128\r\n")).await;
    }
    surroundings
        .print(&format!(
            "\r\nPing statistics for {target}:\r\n    Packets: Sent = {count}, Received = {count}, Lost = 0 (0% loss),\r\n\
             Approximate round trip times in milli-seconds:\r\n    Minimum = 0ms, Maximum = 0ms, Average = 0ms\r\n"
        ))
        .await;
    0
}

/// `timeout` wants a console, which a remote shell never has.
pub(super) async fn timeout(surroundings: &Surroundings, _arguments: &[String]) -> i32 {
    surroundings
        .complain("ERROR: Input redirection is not supported, exiting the process immediately.\r\n")
        .await;
    1
}
