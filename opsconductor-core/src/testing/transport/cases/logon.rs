//! Credentials that are refused, and secrets that stay secret.

use crate::{
    Error, ErrorKind,
    error::Layer,
    testing::transport::{Fixture, Recorder},
    transport::Protocol,
    vault::credential::Credential,
};

pub async fn a_refused_credential_is_an_auth_error_that_names_host_and_user(f: Fixture) {
    let error = f.refused(&f.host.endpoint(), &f.host.wrong_credential()).await;
    expect_refusal(&f, &error);
}

pub async fn a_refused_credential_is_tried_once(f: Fixture) {
    let before = f.host.failed_logons();
    f.refused(&f.host.endpoint(), &f.host.wrong_credential()).await;
    if let (Some(before), Some(now)) = (before, f.host.failed_logons()) {
        assert_eq!(now - before, 1, "how often the refused credential was tried");
    }
    let mut session = f.session().await;
    let dialect = f.dialect();
    f.say(&mut *session, Fixture::request(&*dialect, &[dialect.exit(0)])).await;
}

pub async fn a_warm_session_lets_no_other_credential_in(f: Fixture) {
    let mut session = f.session().await;
    let dialect = f.dialect();
    f.say(&mut *session, Fixture::request(&*dialect, &[dialect.exit(0)])).await;
    drop(session);
    let error = f.refused(&f.host.endpoint(), &f.host.wrong_credential()).await;
    expect_refusal(&f, &error);
}

pub async fn a_credential_of_another_kind_is_refused_unsent(f: Fixture) {
    let credential = match f.connector.protocol() {
        Protocol::Http => Credential::winrm("someone", "something".to_owned().into()),
        _ => Credential::ApiKey { api_key: "something".to_owned().into(), header: None },
    };
    let before = f.host.failed_logons();
    let error = f.refused(&f.host.endpoint(), &credential).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert_eq!(f.host.failed_logons(), before, "it was tried on the host");
}

pub async fn no_password_is_shown(f: Fixture) {
    f.keeps_secrets(&format!("{:?}", f.connector), "the connector");
    let mut session = f.session().await;
    let dialect = f.dialect();
    f.say(&mut *session, Fixture::request(&*dialect, &[dialect.exit(0)])).await;
    f.keeps_secrets(&format!("{:?}", f.connector), "the connector in use");
    let error = f.refused(&f.host.endpoint(), &f.host.wrong_credential()).await;
    f.keeps_secrets(&Fixture::shown(&error), "the error about the refused credential");
    let mut away = f.host.endpoint();
    away.port = super::reach::closed_port();
    let error = f.refused(&away, &f.host.credential()).await;
    f.keeps_secrets(&Fixture::shown(&error), "the error about a closed port");
    let recorder = Recorder::default();
    let mark = f.fresh(&*dialect);
    let running = f.begin(f.long(&*dialect, &mark), &recorder).await;
    running.announces().await;
    running.cancel();
    let (_, error) = running.fails(Fixture::stopped_within(), "the cancel").await;
    f.keeps_secrets(&Fixture::shown(&error), "the error about a canceled command");
}

fn expect_refusal(f: &Fixture, error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
    assert_eq!(error.layer(), Some(Layer::Authentication), "{error:?}");
    assert!(!error.is_retryable(), "a second try can lock the account: {error:?}");
    assert!(!error.is_outcome_unknown(), "nothing was dispatched: {error:?}");
    let (shown, endpoint, user) = (error.to_string(), f.host.endpoint(), f.host.user());
    let named = shown.contains(&endpoint.target) || shown.contains(&endpoint.host);
    assert!(named, "the error does not name the host: {shown}");
    assert!(shown.contains(&user), "the error does not name the user {user}: {shown}");
}
