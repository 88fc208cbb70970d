//! Large files: through several shells at once where the way is long, and never as a whole in memory.

use std::{net::SocketAddr, process::Command, time::Duration};

use opsconductor_core::transport::{
    Connector as _, CopyRequest, CopyStatus, Endpoint, FetchRequest, Session,
    winrm::{WinrmConnector, WinrmSettings},
};

use crate::{
    copy_faults::noise,
    support::{Recorder, builder, control, credential, endpoint},
};

const MIB: usize = 1024 * 1024;
const PATH: &str = "C:\\temp\\large.bin";

async fn copy(session: &mut dyn Session, request: CopyRequest) {
    let outcome = session.copy(request, &mut Recorder::default(), &control()).await.unwrap();
    assert_eq!(outcome.status, CopyStatus::Copied);
}

#[tokio::test]
async fn a_large_file_goes_through_several_shells_where_the_way_is_long() {
    let host = builder().latency(Duration::from_millis(20)).start().await.unwrap();
    let mut settings = WinrmSettings::default();
    settings.parallel_copy_bytes_min = MIB as u64;
    let connector = WinrmConnector::builder().with_settings(settings).build().unwrap();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    let content = noise(2 * MIB + 1);
    copy(&mut *session, CopyRequest::bytes(PATH, content.clone())).await;
    assert!(host.machine().read_file(PATH).unwrap() == content);
    assert_eq!(host.counters().shells_opened, 4);
    let strays: Vec<_> =
        host.machine().files("C:\\temp").into_iter().filter(|path| path.contains(".part")).collect();
    assert!(strays.is_empty(), "{strays:?}");
    drop(session);
    connector.shutdown().await;
    assert_eq!(host.counters().shells_open, 0);
}

/// Much more than what is under way at a time.
const LARGE: usize = 24 * MIB;

const ADDRESS: &str = "OPSCONDUCTOR_TEST_ADDRESS";
const FOLDER: &str = "OPSCONDUCTOR_TEST_FOLDER";

/// The greatest memory that this process has ever had, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Not a test by itself: the client's half of the test below, which starts this program once more to run it, and tells it by
/// its environment where the host is. It needs a process of its own, for the simulated host keeps its files in the memory
/// of this one, and the most memory a process had is what is measured. Run by hand, it has no host and does nothing.
#[tokio::test]
#[ignore = "the client's half of a_large_file_is_never_in_memory_as_a_whole, which runs it in a process of its own"]
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
    assert!(grown < LARGE as u64 / 2, "{LARGE} bytes both ways took {grown} bytes of memory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_is_never_in_memory_as_a_whole() {
    if peak().is_none() {
        return;
    }
    let host = builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.bin"), noise(LARGE)).unwrap();
    let mut client = Command::new(std::env::current_exe().unwrap());
    client.args(["--exact", "copy_large::client", "--ignored", "--nocapture"]);
    client.env(ADDRESS, host.http_addr().unwrap().to_string()).env(FOLDER, folder.path());
    let output = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read(folder.path().join("back.bin")).unwrap() == noise(LARGE));
}
