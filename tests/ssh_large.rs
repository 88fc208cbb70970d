//! Memory does not grow with a file that goes over SSH. A process of its own: what it takes is what this test takes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, time::Duration};

use opsconductor_core::{
    testing::transport::{LocalFolder, Recorder},
    transport::{Connector as _, Control, CopyRequest, FetchRequest, ssh::SshConnector},
};
use opsconductor_tests::openssh::OpenSsh;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn twenty_four_megabytes_go_and_come_back_in_bounded_memory() {
    const LENGTH: usize = 24 * 1024 * 1024;
    let server = OpenSsh::start(&[]);
    let local = LocalFolder::new();
    let content: Vec<u8> = (0..LENGTH as u64).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let source = local.file("source", &content);
    let there = server.folder().join("files").join("large").display().to_string();
    let connector = SshConnector::new().unwrap();
    let mut session = connector.connect(&server.endpoint(), &server.credential()).await.unwrap();
    let control = Control { timeout: Duration::from_secs(120), cancel: CancellationToken::new() };
    let before = peak();
    let copied =
        session.copy(CopyRequest::path(&there, source), &mut Recorder::default(), &control).await.unwrap();
    assert_eq!(copied.length, LENGTH as u64);
    let dest = local.path("dest");
    let request =
        FetchRequest { src_path: there, dest: dest.clone(), overwrite: false, bytes_max: LENGTH as u64 };
    let fetched = session.fetch(request, &mut Recorder::default(), &control).await.unwrap();
    let grown = peak().saturating_sub(before);
    assert_eq!(Some(fetched.sha256), copied.sha256);
    assert!(fs::read(dest).unwrap() == content);
    assert!(grown < 20 * 1024, "the process grew by {grown} KiB");
}

/// The most memory this process ever had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
