//! Asking whether a host can be used.

use opsconductor_core::{
    ErrorKind,
    error::Layer,
    transport::{Connector as _, Endpoint, ProbeReport, winrm::WinrmConnector},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{USER, builder, credential, credential_with, endpoint, host};

#[tokio::test]
async fn a_host_says_who_it_is_and_how_long_each_layer_took() {
    let host = builder().https("127.0.0.1:0").start().await.unwrap();
    let connector = WinrmConnector::builder().with_ca_pem(host.certificate_pem().unwrap()).build().unwrap();
    let mut endpoint = endpoint(&host);
    for https in [false, true] {
        if https {
            endpoint.port = host.https_addr().unwrap().port();
            endpoint.metadata.insert("winrm_use_https".into(), json!(true));
        }
        let report = connector.probe(&endpoint, &credential()).await;
        assert!(report.ok, "{report:?}");
        let details = &report.details;
        assert!(
            details.whoami.as_deref().unwrap().to_lowercase().ends_with("\\administrator"),
            "{details:?}"
        );
        assert_eq!(details.hostname.as_deref(), Some("WEB-1"));
        assert!(details.powershell_version.as_deref().unwrap().starts_with("5.1"), "{details:?}");
        assert_eq!(details.product_vendor.as_deref(), Some("Microsoft Corporation"));
        assert!(details.product_version.as_deref().unwrap().starts_with("OS: 10.0"), "{details:?}");
        assert!(report.message.contains("Microsoft Corporation OS: 10.0"), "{}", report.message);
        assert_eq!(details.port, endpoint.port);
        let (transport, passed) = match https {
            false => ("negotiate (NTLM) over HTTP, sealed", "name connect authentication wsman shell script"),
            true => ("negotiate (NTLM) over HTTPS", "name connect tls authentication wsman shell script"),
        };
        assert_eq!(details.transport.as_deref(), Some(transport));
        assert_eq!(layers(&report), passed);
        assert!(details.timings_ms.iter().all(|(_, took)| *took >= 0.0));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["details"]["productVendor"], "Microsoft Corporation", "{json}");
    }
    assert_eq!(host.counters().shells_open, 0);
}

fn layers(report: &ProbeReport) -> String {
    let names: Vec<_> = report.details.timings_ms.iter().map(|(name, _)| name.as_str()).collect();
    names.join(" ")
}

async fn probe(endpoint: &Endpoint) -> ProbeReport {
    let report = WinrmConnector::new().probe(endpoint, &credential()).await;
    assert!(!report.ok, "{report:?}");
    report
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let report = probe(&Endpoint::new("web-1", "no-such-host.invalid", 5985)).await;
    assert_eq!((report.layer, layers(&report).as_str()), (Some(Layer::Name), "name"));
}

#[tokio::test]
async fn a_port_that_is_closed() {
    let host = host().await;
    let away = endpoint(&host);
    drop(host);
    let report = probe(&away).await;
    assert_eq!((report.layer, layers(&report).as_str()), (Some(Layer::Connect), "name connect"));
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls() {
    let host = host().await;
    let mut endpoint = endpoint(&host);
    endpoint.metadata.insert("winrm_use_https".into(), json!(true));
    let report = probe(&endpoint).await;
    assert_eq!((report.layer, layers(&report).as_str()), (Some(Layer::Tls), "name connect tls"));
    assert!(report.message.contains("winrm_use_https"), "{}", report.message);
}

#[tokio::test]
async fn a_port_that_speaks_tls_alone() {
    let host = builder().https("127.0.0.1:0").start().await.unwrap();
    let mut endpoint = endpoint(&host);
    endpoint.port = host.https_addr().unwrap().port();
    endpoint.metadata.insert("winrm_use_https".into(), json!(false));
    let report = probe(&endpoint).await;
    assert_eq!(report.layer, Some(Layer::Protocol), "{report:?}");
    assert!(report.message.contains("winrm_use_https"), "{}", report.message);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted() {
    let host = builder().https("127.0.0.1:0").start().await.unwrap();
    let mut endpoint = endpoint(&host);
    endpoint.port = host.https_addr().unwrap().port();
    endpoint.metadata.insert("winrm_use_https".into(), json!(true));
    let report = probe(&endpoint).await;
    assert_eq!((report.layer, layers(&report).as_str()), (Some(Layer::Tls), "name connect tls"));
    assert!(report.message.contains("winrm_ca_pem"), "{}", report.message);
    assert!(host.counters().logons.is_empty());
}

#[tokio::test]
async fn a_wrong_password() {
    let host = host().await;
    let wrong = credential_with(USER, "wrong", None);
    let report = WinrmConnector::new().probe(&endpoint(&host), &wrong).await;
    assert_eq!((report.ok, report.layer), (false, Some(Layer::Authentication)));
    assert!(report.message.contains(USER), "{}", report.message);
    assert_eq!(layers(&report), "name connect authentication");
    assert_eq!(host.counters().logons[USER].failed, 1);
}

#[tokio::test]
async fn what_answers_is_not_winrm() {
    for (answer, says) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "/wsman"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "port of WinRM"),
        ("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n", "port of WinRM"),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", "does not speak HTTP"),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", "port of WinRM"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new("web-1", "127.0.0.1", listener.local_addr().unwrap().port());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream
        });
        let report = probe(&endpoint).await;
        assert_eq!(report.layer, Some(Layer::Protocol), "{answer}: {report:?}");
        assert!(report.message.contains(says), "{answer}: {}", report.message);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn a_host_that_offers_no_negotiate() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new("web-1", "127.0.0.1", listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let answer = "HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"WSMAN\"\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    });
    let error = WinrmConnector::new().connect(&endpoint, &credential()).await.err().unwrap();
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Auth, Some(Layer::Authentication)));
    assert!(error.to_string().contains("Negotiate"), "{error}");
    server.await.unwrap();
}
