//! HTTPS: which certificate is accepted.

use opsconductor_core::target::TargetSpec;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use windows_sim::{CertificateAuthority, Identity};

use super::{
    scene::{KEY, Scene, local},
    service::{Service, answer, redirect},
};

fn spec(service: &Service) -> TargetSpec {
    TargetSpec::http("api", "api.test").with_port(service.port()).with_metadata("http_use_https", true)
}

fn fingerprint(identity: &Identity) -> String {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let der = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
    Sha256::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn service(identity: &Identity) -> Service {
    Service::tls(identity, |_| answer("200 OK", &[], "safe")).await
}

#[tokio::test]
async fn a_certificate_of_the_targets_own_authority_is_accepted() {
    let authority = CertificateAuthority::new("Own").unwrap();
    let service = service(&authority.host(&["api.test"], 2020..2040).unwrap()).await;
    let scene = Scene::new();
    scene.locked(spec(&service).with_metadata("http_ca_pem", authority.pem()), None).await;
    assert_eq!(scene.request(json!({})).await.succeeded().output, "safe");
    assert_eq!(service.only().header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    scene.end().await;
    let scene = Scene::with(local().with_ca_pem(authority.pem()));
    scene.target(spec(&service)).await;
    scene.request(json!({})).await.succeeded();
    scene.end().await;
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_refused_before_anything_is_sent() {
    let authority = CertificateAuthority::new("Own").unwrap();
    for (names, years, trusted, said) in [
        (["other.test"], 2020..2040, true, "another name"),
        (["api.test"], 2020..2021, true, "has expired"),
        (["api.test"], 2020..2040, false, "http_ca_pem"),
    ] {
        let service = service(&authority.host(&names, years).unwrap()).await;
        let scene = Scene::new();
        let spec = match trusted {
            true => spec(&service).with_metadata("http_ca_pem", authority.pem()),
            false => spec(&service),
        };
        scene.locked(spec, None).await;
        let ended = scene.request(json!({"method": "POST"})).await;
        assert!(ended.failed().contains(said), "{}", ended.failed());
        assert!(service.seen().is_empty());
        scene.end().await;
    }
}

#[tokio::test]
async fn a_pinned_certificate_is_accepted_whatever_its_name_and_no_other_is() {
    let authority = CertificateAuthority::new("Own").unwrap();
    let right = authority.host(&["whatever.test"], 2020..2021).unwrap();
    let wrong = authority.host(&["api.test"], 2020..2040).unwrap();
    for (shown, is_right) in [(&right, true), (&wrong, false)] {
        let service = service(shown).await;
        let scene = Scene::new();
        scene.target(spec(&service).with_metadata("http_cert_sha256", fingerprint(&right))).await;
        let ended = scene.request(json!({})).await;
        match is_right {
            true => assert_eq!(ended.succeeded().output, "safe"),
            false => assert!(ended.failed().contains("not the pinned one"), "{}", ended.failed()),
        }
        scene.end().await;
    }
}

#[tokio::test]
async fn trust_and_credential_do_not_follow_a_redirect_elsewhere() {
    let authority = CertificateAuthority::new("Own").unwrap();
    let elsewhere = service(&authority.host(&["other.test"], 2020..2040).unwrap()).await;
    let plain = Service::start(|_| answer("200 OK", &[], "")).await;
    for (location, said) in [
        (format!("https://other.test:{}/", elsewhere.port()), "not trusted"),
        (format!("http://other.test:{}/", plain.port()), "from HTTPS to plain HTTP"),
    ] {
        let first = Service::tls(&authority.host(&["api.test"], 2020..2040).unwrap(), move |_| {
            redirect(302, &location)
        })
        .await;
        let scene = Scene::new();
        scene.target(spec(&first).with_metadata("http_ca_pem", authority.pem())).await;
        let ended = scene.request(json!({"followRedirects": true})).await;
        assert!(ended.failed().contains(said), "{}", ended.failed());
        scene.end().await;
    }
    assert!(elsewhere.seen().is_empty() && plain.seen().is_empty());
}

#[tokio::test]
async fn https_to_a_port_that_does_not_speak_it_says_so() {
    let service = Service::start(|_| Vec::new()).await;
    let scene = Scene::new();
    scene.target(spec(&service).with_metadata("http_use_https", true)).await;
    // The service waits for a request that TLS never is, so the handshake runs into its own limit or a broken stream.
    let ended = scene.request(json!({"method": "POST", "timeoutSec": 2})).await;
    assert!(!ended.failed().is_empty());
    scene.end().await;
}
