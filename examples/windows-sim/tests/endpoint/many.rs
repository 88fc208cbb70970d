//! Many hosts in one process.

use crate::client::{Client, builder};

#[tokio::test]
async fn a_thousand_hosts_run_side_by_side_and_each_answers() {
    let mut hosts = Vec::new();
    for _ in 0..1000 {
        hosts.push(builder().start().await.unwrap());
    }
    for host in hosts.iter().step_by(100) {
        Client::connect(host).await.open().await;
        assert_eq!(host.counters().shells_open, 1);
    }
    hosts[0].machine().write_file("C:\\temp\\own.txt", b"own".to_vec());
    assert_eq!(hosts[1].machine().read_file("C:\\temp\\own.txt"), None);
}
