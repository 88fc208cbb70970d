//! Who is told what the host is.

use windows_sim::Fault;

use crate::client::{Client, builder};

#[tokio::test]
async fn who_is_logged_on_is_told_the_version_and_a_stranger_is_not() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let answer = client.identify(false).await.unwrap();
    assert_eq!(answer.element("ProductVersion"), "OS: 10.0.20348 SP: 0.0 Stack: 3.0");
    let answer = client.identify(true).await.unwrap();
    assert_eq!(
        (answer.status, answer.element("ProductVersion")),
        (200, "OS: 0.0.0 SP: 0.0 Stack: 3.0".into())
    );
    assert_eq!(answer.element("ProductVendor"), "Microsoft Corporation");
}

#[tokio::test]
async fn a_host_can_be_told_to_answer_no_stranger() {
    let host = builder().unauthenticated_identify(false).start().await.unwrap();
    let mut client = Client::connect(&host).await;
    assert_eq!(client.identify(true).await.unwrap().status, 401);
    assert_eq!(client.identify(false).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_stranger_meets_the_faults_of_identify_too() {
    let host = builder().start().await.unwrap();
    host.faults().plan("identify=unavailable".parse().unwrap());
    assert_eq!(Client::connect(&host).await.identify(true).await.unwrap().status, 503);
    host.faults().on_message(1, Fault::DropBefore);
    assert!(Client::connect(&host).await.identify(true).await.is_err());
}
