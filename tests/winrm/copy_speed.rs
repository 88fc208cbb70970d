//! How fast and how lean copies are. Without optimization the figures say nothing, so these run in release builds alone.

use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use opsconductor_core::transport::{
    Connector as _, CopyRequest, CopyStatus, Endpoint, FetchRequest, Session, winrm::WinrmConnector,
};

use crate::{
    copy_faults::noise,
    support::{Recorder, builder, control, credential, endpoint},
};

const MIB: usize = 1024 * 1024;
const PATH: &str = "C:\\temp\\large.bin";

fn rate(length: usize, took: Duration) -> f64 {
    length as f64 / 1e6 / took.as_secs_f64()
}

async fn copy(session: &mut dyn Session, request: CopyRequest) -> Duration {
    let begun = Instant::now();
    let outcome = session.copy(request, &mut Recorder::default(), &control()).await.unwrap();
    assert_eq!(outcome.status, CopyStatus::Copied);
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(debug_assertions, ignore = "says nothing without optimization")]
async fn a_copy_is_fast_nearby_and_over_a_slow_link() {
    for (length, round_trip, least) in [(64 * MIB, 0, 30.0), (16 * MIB, 50, 4.0), (72 * MIB, 50, 8.0)] {
        let host = builder().latency(Duration::from_millis(round_trip)).start().await.unwrap();
        let connector = WinrmConnector::new();
        let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
        let content = noise(length);
        let took = copy(&mut *session, CopyRequest::bytes(PATH, content.clone())).await;
        assert!(host.machine().read_file(PATH).unwrap() == content);
        let rate = rate(length, took);
        println!("copy of {length} bytes at {round_trip} ms: {rate:.1} MB/s");
        assert!(rate > least / 2.0, "{rate:.1} MB/s, far below {least}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(debug_assertions, ignore = "says nothing without optimization")]
async fn a_fetch_is_fast() {
    let host = builder().start().await.unwrap();
    let connector = WinrmConnector::new();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    host.machine().write_file(PATH, noise(64 * MIB));
    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("x");
    let request = FetchRequest { src_path: PATH.to_owned(), dest, overwrite: true, bytes_max: u64::MAX >> 1 };
    let begun = Instant::now();
    session.fetch(request, &mut Recorder::default(), &control()).await.unwrap();
    println!("fetch of 64 MiB: {:.1} MB/s", rate(64 * MIB, begun.elapsed()));
}

const ADDRESS: &str = "OPSCONDUCTOR_TEST_ADDRESS";
const FOLDER: &str = "OPSCONDUCTOR_TEST_FOLDER";

/// The greatest memory that this process has ever had, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The client of the test below, in a process of its own: the host keeps its files in memory.
#[tokio::test]
#[ignore = "a part of another test"]
async fn client() {
    let (Ok(address), Ok(folder)) = (std::env::var(ADDRESS), std::env::var(FOLDER)) else { return };
    let address: SocketAddr = address.parse().unwrap();
    let connector = WinrmConnector::new();
    let endpoint = Endpoint::new("web-1", address.ip().to_string(), address.port());
    let mut session = connector.connect(&endpoint, &credential()).await.unwrap();
    let folder = std::path::PathBuf::from(folder);
    let small = CopyRequest::bytes("C:\\temp\\small.bin", noise(2 * MIB));
    copy(&mut *session, small).await;
    let before = peak().unwrap();
    copy(&mut *session, CopyRequest::path(PATH, folder.join("large.bin"))).await;
    let request = FetchRequest {
        src_path: PATH.to_owned(),
        dest: folder.join("back.bin"),
        overwrite: true,
        bytes_max: 1 << 30,
    };
    session.fetch(request, &mut Recorder::default(), &control()).await.unwrap();
    let grown = peak().unwrap() - before;
    println!("grown by {grown} bytes");
    assert!(grown < 24 * MIB as u64, "64 MiB both ways took {grown} bytes of memory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
async fn a_large_file_is_never_in_memory_as_a_whole() {
    if peak().is_none() {
        return;
    }
    let host = builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.bin"), noise(64 * MIB)).unwrap();
    let mut client = Command::new(std::env::current_exe().unwrap());
    client.args(["--exact", "copy_speed::client", "--ignored", "--nocapture"]);
    client.env(ADDRESS, host.http_addr().unwrap().to_string()).env(FOLDER, folder.path());
    let output = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read(folder.path().join("back.bin")).unwrap() == noise(64 * MIB));
}
