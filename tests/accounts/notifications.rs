//! Who is told of a run, and what reaches them: real servers on loopback, time that the test moves.

use std::{net::IpAddr, time::Duration};

use opsconductor_core::{
    Engine, ErrorKind, JobSpec, Secret,
    engine::{Password, Scoped, WorkerSettings},
    id::{NotificationId, RunId, WorkerId},
    notify::{
        Channel, Delivery, EmailNotifier, Means, Message, NewNotification, Notification, NotificationStatus,
        Notifier as _, NotifyOn, Preferences, Rule, SmtpSecurity, SmtpSettings, signature,
    },
    run::TaskStatus,
    store::{Completion, NotificationFilter, Page},
    tenant::Role,
    transport::http::{HttpSettings, Resolve, WebhookNotifier},
};
use opsconductor_tests::service::{Act, Seen, Service, answer, head, redirect};
use serde_json::{Map, Value, json};

use crate::{
    mail::{MailServer, Privacy},
    scene::Scene,
};

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

const ALL: Page = Page { skip: 0, limit: 100 };

/// What must be found nowhere.
const CANARY: &str = "c4nary-smtp-pa55";

crate::on_each_store!(
    a_webhook_is_signed_and_tells_what_happened,
    a_webhook_that_is_not_taken_comes_again_with_the_same_id,
    a_receiver_that_is_gone_is_left_alone_until_someone_says_otherwise,
    a_webhook_reaches_no_address_of_the_inside,
    an_answer_without_end_and_one_that_leads_away_do_no_harm,
    what_was_sent_and_not_recorded_comes_again_as_the_same,
    who_asked_gets_a_mail_unless_they_want_none,
    a_mail_server_that_lets_nobody_in_gets_nothing,
    settings_are_for_admins_and_a_password_is_for_nobody,
    deliveries_stop_and_go_on,
    secrets_of_webhooks_follow_each_other,
);

/// Webhooks to this machine are allowed.
fn inside() -> HttpSettings {
    HttpSettings { allow: vec!["127.0.0.0/8".parse().unwrap()], ..HttpSettings::default() }
}

fn webhook(on: NotifyOn, port: u16, path: &str) -> Rule {
    let dest = format!("http://127.0.0.1:{port}{path}");
    Rule { on, channel: Channel::Webhook, dest, template: None }
}

/// A run that ends so, without a worker.
async fn ended(scene: &Scene, ops: &Scoped, status: TaskStatus) -> RunId {
    let name = format!("job <{}>", ops.scope().actor.name());
    if ops.jobs().get(&name).await.is_err() {
        let spec = json!({"name": name, "version": 1, "steps": [{"type": "sleep", "durationSec": 1}]});
        let admin = scene.engine.local();
        admin.jobs().create(&JobSpec::from_value(spec)).await.unwrap();
    }
    let run = ops.jobs().run(&name, Map::new(), Default::default()).await.unwrap();
    let claimed = scene.store.claim(WorkerId::generate(), 1, Duration::from_secs(15)).await.unwrap();
    scene.clock.advance(Duration::from_secs(2));
    let completion = Completion {
        lease: claimed[0].lease,
        status,
        exit_code: None,
        stdout: String::new(),
        stderr: String::new(),
        reason: (status != TaskStatus::Succeeded).then(|| "it did not".to_owned()),
        metrics: Map::new(),
    };
    scene.store.complete(vec![completion]).await.unwrap();
    run.id()
}

async fn of_run(ops: &Scoped, run: RunId) -> Vec<Notification> {
    let filter = NotificationFilter { run: Some(run), status: None };
    ops.notifications().list(filter, ALL).await.unwrap().items
}

/// The notification once it is as it should be. Time goes on only while nobody is about to deliver it.
async fn until(scene: &Scene, id: NotificationId, is_so: impl Fn(&Notification) -> bool) -> Notification {
    let ops = scene.engine.local();
    let wait = async {
        loop {
            let shown = ops.notifications().get(id).await.unwrap();
            if is_so(&shown) {
                return shown;
            }
            use opsconductor_core::clock::Clock as _;
            if shown.due_at <= scene.clock.now() {
                scene.clock.advance(Duration::from_secs(1));
            }
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect("it becomes so long before")
}

fn is(status: NotificationStatus) -> impl Fn(&Notification) -> bool {
    move |notification| notification.status == status
}

fn deliverer(scene: &Scene, settings: HttpSettings) -> Engine {
    scene.delivering_engine(WebhookNotifier::new(settings))
}

fn holds(secret: &Secret<String>, seen: &Seen) -> bool {
    let header = |name: &str| seen.header(name).unwrap().to_owned();
    let at = header("webhook-timestamp").parse().unwrap();
    let (id, given) = (header("webhook-id"), header("webhook-signature"));
    signature::verify(secret, &id, at, seen.body.as_bytes(), &given).unwrap()
}

async fn a_webhook_is_signed_and_tells_what_happened(scene: Scene) {
    let service = Service::start(|_| answer("204 No Content", &[], "")).await;
    let engine = deliverer(&scene, inside());
    let ops = engine.local();
    let text = r#"{"text": {{ job_name | quote }}, "ok": {{ steps_summary.succeeded }}}"#;
    let rules = vec![
        webhook(NotifyOn::Success, service.port(), "/plain?a=b"),
        Rule { template: Some(text.to_owned()), ..webhook(NotifyOn::Success, service.port(), "/made") },
        webhook(NotifyOn::Failure, service.port(), "/never"),
    ];
    ops.notifications().set_rules(rules).await.unwrap();
    let secret = ops.notifications().webhook_secret().await.unwrap();
    let run = ended(&scene, &ops, TaskStatus::Succeeded).await;
    let told = of_run(&ops, run).await;
    assert_eq!(told.len(), 2);
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    for notification in &told {
        let sent = until(&scene, notification.id, is(NotificationStatus::Sent)).await;
        assert!(sent.sent_at.is_some() && sent.retries == 0);
    }
    worker.shutdown().await;
    let mut seen = service.seen();
    seen.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(seen.len(), 2);
    assert_eq!([seen[0].path.as_str(), &seen[1].path], ["/made", "/plain?a=b"]);
    for one in &seen {
        assert!(holds(&secret, one), "{one:?}");
        assert_eq!((one.method.as_str(), one.header("content-type")), ("POST", Some("application/json")));
    }
    let made: Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(made, json!({"text": "job <local>", "ok": 1}));
    let plain: Value = serde_json::from_str(&seen[1].body).unwrap();
    assert_eq!(
        (&plain["status"], &plain["run_id"], &plain["duration"]),
        (&json!("succeeded"), &json!(run.get()), &json!(2.0))
    );
}

async fn a_webhook_that_is_not_taken_comes_again_with_the_same_id(scene: Scene) {
    let service = Service::start(|_| answer("503 Busy", &[("retry-after", "120")], "later")).await;
    let engine = deliverer(&scene, inside());
    let ops = engine.local();
    ops.notifications().set_rules(vec![webhook(NotifyOn::Lost, service.port(), "/")]).await.unwrap();
    let run = ended(&scene, &ops, TaskStatus::Lost).await;
    let id = of_run(&ops, run).await[0].id;
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let first = until(&scene, id, |one| one.retries == 1).await;
    assert!(first.error.as_deref().unwrap().contains("503"), "{first:?}");
    use opsconductor_core::clock::Clock as _;
    let waits = first.due_at - scene.clock.now();
    assert!(waits > chrono::TimeDelta::seconds(60), "the receiver asked for two minutes: {waits}");
    scene.clock.advance(Duration::from_secs(120));
    until(&scene, id, |one| one.retries == 2).await;
    worker.shutdown().await;
    let seen = service.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert!(seen[0].header("webhook-timestamp") != seen[1].header("webhook-timestamp"));
}

async fn a_receiver_that_is_gone_is_left_alone_until_someone_says_otherwise(scene: Scene) {
    let service = Service::start(|_| answer("410 Gone", &[], "")).await;
    let engine = deliverer(&scene, inside());
    let ops = engine.local();
    ops.notifications().set_rules(vec![webhook(NotifyOn::Always, service.port(), "/")]).await.unwrap();
    let run = ended(&scene, &ops, TaskStatus::Failed).await;
    let id = of_run(&ops, run).await[0].id;
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let failed = until(&scene, id, is(NotificationStatus::Failed)).await;
    assert!(failed.error.unwrap().contains("410"));
    assert_eq!(ops.notifications().status().await.unwrap().failed_notifications, 1);
    ops.notifications().redrive(id).await.unwrap();
    until(&scene, id, is(NotificationStatus::Failed)).await;
    worker.shutdown().await;
    assert_eq!(service.seen().len(), 2);
}

/// A name server that leads to the inside, among other places.
#[derive(Debug)]
struct LeadsInside;

#[async_trait::async_trait]
impl Resolve for LeadsInside {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(["192.0.2.1", "127.0.0.1"].map(|address| address.parse().unwrap()).to_vec())
    }
}

async fn a_webhook_reaches_no_address_of_the_inside(scene: Scene) {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let port = service.port();
    let engine = scene.delivering_engine(WebhookNotifier::new(HttpSettings::default()));
    let ops = engine.local();
    let run = ended(&scene, &ops, TaskStatus::Succeeded).await;
    let mut ids = Vec::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "0x7f.1",
        "169.254.169.254",
        "10.0.0.1",
        "[64:ff9b::7f00:1]",
    ] {
        let dest = format!("http://{host}:{port}/");
        let new =
            NewNotification { run, channel: Channel::Webhook, dest, payload: json!({}), template: None };
        ids.push(ops.notifications().create(new).await.unwrap().id);
    }
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    for id in ids {
        let tried = until(&scene, id, |one| one.retries > 0).await;
        assert!(tried.error.is_some(), "{tried:?}");
    }
    worker.shutdown().await;
    let engine =
        scene.delivering_engine(WebhookNotifier::new(HttpSettings::default()).with_resolver(LeadsInside));
    let dest = format!("http://hooks.example.com:{port}/");
    let new = NewNotification { run, channel: Channel::Webhook, dest, payload: json!({}), template: None };
    let id = ops.notifications().create(new).await.unwrap().id;
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let tried = until(&scene, id, |one| one.retries > 0).await;
    assert!(tried.error.unwrap().contains("127.0.0.1"), "one address of a name is enough to refuse it");
    worker.shutdown().await;
    assert!(service.seen().is_empty());
}

async fn an_answer_without_end_and_one_that_leads_away_do_no_harm(scene: Scene) {
    let elsewhere = Service::start(|_| answer("200 OK", &[], "")).await;
    let away = format!("http://127.0.0.1:{}/", elsewhere.port());
    let service = Service::start(move |seen| match seen.path.as_str() {
        "/flood" => {
            let head = head("200 OK", &[("content-length", "10000000000")], &[]);
            vec![Act::Say(head), Act::Flood(vec![b'x'; 64 * 1024])]
        }
        "/cut" => Vec::new(),
        _ => redirect(307, &away),
    })
    .await;
    let engine = deliverer(&scene, inside());
    let ops = engine.local();
    let rules = ["/flood", "/cut", "/away"].map(|path| webhook(NotifyOn::Always, service.port(), path));
    ops.notifications().set_rules(rules.to_vec()).await.unwrap();
    let run = ended(&scene, &ops, TaskStatus::Succeeded).await;
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    for told in of_run(&ops, run).await {
        if told.dest.ends_with("/flood") {
            until(&scene, told.id, is(NotificationStatus::Sent)).await;
        } else {
            until(&scene, told.id, |one| one.retries > 0).await;
        }
    }
    service.left(1).await;
    worker.shutdown().await;
    assert!(elsewhere.seen().is_empty(), "no redirect is followed");
}

async fn what_was_sent_and_not_recorded_comes_again_as_the_same(scene: Scene) {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let engine = deliverer(&scene, inside());
    let ops = engine.local();
    ops.notifications().set_rules(vec![webhook(NotifyOn::Always, service.port(), "/")]).await.unwrap();
    let run = ended(&scene, &ops, TaskStatus::Succeeded).await;
    let id = of_run(&ops, run).await[0].id;
    let secret = ops.notifications().webhook_secret().await.unwrap();
    // A worker that sends it and dies before it can say so.
    let lease = Duration::from_secs(30);
    let claimed = scene.store.claim_notifications(&[Channel::Webhook], 1, lease).await.unwrap().remove(0);
    use opsconductor_core::clock::Clock as _;
    let delivery = Delivery {
        tenant: claimed.tenant,
        id,
        attempt: claimed.attempt,
        dest: claimed.notification.dest,
        message: Message::new(claimed.notification.payload, None),
        at: scene.clock.now(),
        means: Means::Webhook(vec![secret.clone()]),
    };
    WebhookNotifier::new(inside()).deliver(&delivery).await;
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    scene.clock.advance(lease);
    until(&scene, id, is(NotificationStatus::Sent)).await;
    worker.shutdown().await;
    let seen = service.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert_eq!(seen[0].body, seen[1].body);
    assert!(holds(&secret, &seen[1]));
}

fn smtp(server: &MailServer, security: SmtpSecurity) -> SmtpSettings {
    SmtpSettings {
        host: "localhost".to_owned(),
        port: server.port,
        username: (security != SmtpSecurity::None).then(|| "ops".to_owned()),
        security,
        from_email: "ops@example.com".to_owned(),
        from_name: Some("Öps, \"us\"".to_owned()),
        ca_pem: Some(server.ca_pem.clone()),
    }
}

async fn who_asked_gets_a_mail_unless_they_want_none(scene: Scene) {
    let engine = scene.delivering_engine(EmailNotifier::new());
    let ops = engine.local();
    let ann = scene.user("ann", Role::Operator).await;
    let as_ann = engine.scope(scene.login("ann", crate::scene::PASSWORD).await.unwrap().scope());
    let run = ended(&scene, &as_ann, TaskStatus::Succeeded).await;
    assert!(of_run(&ops, run).await.is_empty(), "there is no mail server");
    for (security, privacy) in [
        (SmtpSecurity::Starttls, Privacy::Starttls),
        (SmtpSecurity::Tls, Privacy::Tls),
        (SmtpSecurity::None, Privacy::None),
    ] {
        let server = MailServer::start(privacy, "ops", CANARY).await;
        let password = match security {
            SmtpSecurity::None => Password::Remove,
            _ => Password::Set(Secret::from(CANARY)),
        };
        ops.smtp().set(smtp(&server, security), password).await.unwrap();
        ops.smtp().test("someone@example.com").await.unwrap();
        let run = ended(&scene, &as_ann, TaskStatus::Failed).await;
        let told = of_run(&ops, run).await;
        assert_eq!((told.len(), told[0].dest.as_str()), (1, "ann@example.com"));
        assert_eq!(told[0].payload["requested_by"], "ann");
        let worker = engine.worker(WorkerSettings::default()).unwrap();
        until(&scene, told[0].id, is(NotificationStatus::Sent)).await;
        worker.shutdown().await;
        let mails = server.mails();
        assert_eq!(mails.len(), 2, "the test and the run");
        assert!(mails[0].contains("To: someone@example.com"), "{}", mails[0]);
        let mail = &mails[1];
        for part in [
            "To: ann@example.com\r\n".to_owned(),
            format!("Subject: job <ann>: failed (run {run})\r\n"),
            "Content-Type: text/plain".to_owned(),
            "Content-Type: text/html".to_owned(),
            "it did not".to_owned(),
            "&lt;ann&gt;".to_owned(),
            format!("Message-ID: <msg_{}.", told[0].id),
        ] {
            assert!(mail.contains(&part), "{part}: {mail}");
        }
        let plain = server.plain_lines().join("\n");
        assert!(!plain.contains("AUTH") && (privacy == Privacy::None || !plain.contains("MAIL")), "{plain}");
    }
    let wants = Preferences {
        email_address: Some("else@example.com".to_owned()),
        notify_on_success: false,
        ..Preferences::default()
    };
    as_ann.users().set_notification_preferences(ann.id, &wants).await.unwrap();
    let run = ended(&scene, &as_ann, TaskStatus::Succeeded).await;
    assert!(of_run(&ops, run).await.is_empty());
    let run = ended(&scene, &as_ann, TaskStatus::Failed).await;
    assert_eq!(of_run(&ops, run).await[0].dest, "else@example.com");
    let none = Preferences { email_enabled: false, ..wants };
    as_ann.users().set_notification_preferences(ann.id, &none).await.unwrap();
    let run = ended(&scene, &as_ann, TaskStatus::Failed).await;
    assert!(of_run(&ops, run).await.is_empty());
}

async fn a_mail_server_that_lets_nobody_in_gets_nothing(scene: Scene) {
    let engine = scene.delivering_engine(EmailNotifier::new());
    let ops = engine.local();
    let server = MailServer::start(Privacy::Starttls, "ops", "another").await;
    let set = async |settings: SmtpSettings| {
        ops.smtp().set(settings, Password::Set(Secret::from(CANARY))).await.unwrap();
    };
    set(smtp(&server, SmtpSecurity::Starttls)).await;
    let refused = ops.smtp().test("a@example.com").await.unwrap_err().report();
    assert!(refused.contains("password") && !refused.contains(CANARY), "{refused}");
    // Who does not trust the server says nothing to it, nor to one that has no TLS.
    set(SmtpSettings { ca_pem: None, ..smtp(&server, SmtpSecurity::Starttls) }).await;
    assert!(ops.smtp().test("a@example.com").await.is_err());
    let plain = MailServer::start(Privacy::None, "ops", CANARY).await;
    set(smtp(&plain, SmtpSecurity::Starttls)).await;
    assert!(ops.smtp().test("a@example.com").await.is_err());
    assert!(!plain.plain_lines().join("\n").contains("AUTH"));
    assert!(server.mails().is_empty() && plain.mails().is_empty());
    let known = MailServer::start(Privacy::Tls, "ops", CANARY).await;
    set(smtp(&known, SmtpSecurity::Tls)).await;
    let run = ended(&scene, &ops, TaskStatus::Succeeded).await;
    let dest = "nobody@example.com".to_owned();
    let new = NewNotification { run, channel: Channel::Email, dest, payload: json!({}), template: None };
    let id = ops.notifications().create(new).await.unwrap().id;
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let failed = until(&scene, id, is(NotificationStatus::Failed)).await;
    worker.shutdown().await;
    assert!(failed.error.unwrap().contains("no such mailbox"));
}

async fn settings_are_for_admins_and_a_password_is_for_nobody(scene: Scene) {
    let server = MailServer::start(Privacy::Tls, "ops", CANARY).await;
    let admin = scene.engine.local();
    let settings = smtp(&server, SmtpSecurity::Tls);
    admin.smtp().set(settings.clone(), Password::Set(Secret::from(CANARY))).await.unwrap();
    let shown = admin.smtp().settings().await.unwrap().unwrap();
    assert!(shown.has_password && shown.settings == settings && !format!("{shown:?}").contains(CANARY));
    admin.smtp().set(SmtpSettings { from_name: None, ..settings.clone() }, Password::Keep).await.unwrap();
    assert!(admin.smtp().settings().await.unwrap().unwrap().has_password);
    let elsewhere = SmtpSettings { host: "evil.example.com".to_owned(), ..settings.clone() };
    let kept = admin.smtp().set(elsewhere, Password::Keep).await.unwrap_err();
    assert_eq!(kept.kind(), ErrorKind::InvalidInput, "the password goes to no other host");
    for name in ["viewer", "operator"] {
        let role = if name == "viewer" { Role::Viewer } else { Role::Operator };
        scene.user(name, role).await;
        let ops = scene.acting_as(name).await;
        assert_eq!(ops.smtp().settings().await.unwrap_err().kind(), ErrorKind::Forbidden);
        let set = ops.smtp().set(settings.clone(), Password::Keep).await;
        assert_eq!(set.unwrap_err().kind(), ErrorKind::Forbidden);
        assert_eq!(ops.smtp().test("a@example.com").await.unwrap_err().kind(), ErrorKind::Forbidden);
        assert_eq!(ops.notifications().set_rules(Vec::new()).await.unwrap_err().kind(), ErrorKind::Forbidden);
        assert_eq!(ops.notifications().stop().await.unwrap_err().kind(), ErrorKind::Forbidden);
        assert_eq!(ops.notifications().webhook_secret().await.unwrap_err().kind(), ErrorKind::Forbidden);
        assert!(ops.notifications().list(NotificationFilter::default(), ALL).await.is_ok());
    }
    let run = ended(&scene, &admin, TaskStatus::Succeeded).await;
    let new = |dest: &str, channel| NewNotification {
        run,
        channel,
        dest: dest.to_owned(),
        payload: json!({"x": 1}),
        template: None,
    };
    let viewer = scene.acting_as("viewer").await;
    let refused = viewer.notifications().create(new("a@example.com", Channel::Email)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Forbidden);
    let operator = scene.acting_as("operator").await;
    operator.notifications().create(new("a@example.com", Channel::Email)).await.unwrap();
    for bad in [
        new("a@b\r\nBcc: c@d", Channel::Email),
        new("ftp://a", Channel::Webhook),
        new("https://u:p@a/", Channel::Webhook),
    ] {
        assert_eq!(operator.notifications().create(bad).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    // Preferences are one's own, or an admin's to change.
    let other = scene.user("other", Role::Viewer).await.id;
    assert_eq!(
        operator.users().notification_preferences(other).await.unwrap_err().kind(),
        ErrorKind::Forbidden
    );
    assert!(admin.users().notification_preferences(other).await.unwrap().email_enabled);
    // What is stored opens with the key alone, and what was done is in the record.
    if let Some(folder) = &scene.folder {
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
        }
    }
    scene.engine.close().await;
    let filter = opsconductor_core::store::AuditFilter {
        resource_type: Some("smtp".to_owned()),
        ..Default::default()
    };
    let records = admin.audit().list(&filter, ALL).await.unwrap();
    assert!(records.total >= 6, "changes and refusals: {}", records.total);
}

async fn deliveries_stop_and_go_on(scene: Scene) {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let engine = deliverer(&scene, inside());
    let ops = engine.local();
    assert!(!ops.notifications().status().await.unwrap().worker_running, "there is no worker");
    ops.notifications().stop().await.unwrap();
    assert_eq!(ops.notifications().stop().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    ops.notifications().set_rules(vec![webhook(NotifyOn::Always, service.port(), "/")]).await.unwrap();
    let run = ended(&scene, &ops, TaskStatus::Succeeded).await;
    let id = of_run(&ops, run).await[0].id;
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let status = ops.notifications().status().await.unwrap();
    assert_eq!((status.worker_running, status.pending_notifications), (false, 1));
    ops.notifications().start().await.unwrap();
    assert_eq!(ops.notifications().start().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    until(&scene, id, is(NotificationStatus::Sent)).await;
    let status = ops.notifications().status().await.unwrap();
    assert!(status.worker_running && status.pending_notifications == 0 && status.last_check.is_some());
    worker.shutdown().await;
    assert_eq!(service.seen().len(), 1);
}

async fn secrets_of_webhooks_follow_each_other(scene: Scene) {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let engine = deliverer(&scene, inside());
    let ops = engine.local();
    let first = ops.notifications().webhook_secret().await.unwrap();
    let given = signature::generate().unwrap();
    ops.notifications().rotate_webhook_secret(Some(given.clone())).await.unwrap();
    assert_eq!(ops.notifications().webhook_secret().await.unwrap().expose(), given.expose());
    let bad = ops.notifications().rotate_webhook_secret(Some(Secret::from("whsec_short"))).await;
    assert_eq!(bad.unwrap_err().kind(), ErrorKind::InvalidInput);
    ops.notifications().set_rules(vec![webhook(NotifyOn::Always, service.port(), "/")]).await.unwrap();
    let send = async || {
        let run = ended(&scene, &ops, TaskStatus::Succeeded).await;
        let worker = engine.worker(WorkerSettings::default()).unwrap();
        until(&scene, of_run(&ops, run).await[0].id, is(NotificationStatus::Sent)).await;
        worker.shutdown().await;
        service.seen().pop().unwrap()
    };
    let seen = send().await;
    assert!(holds(&first, &seen) && holds(&given, &seen), "both, while receivers follow");
    scene.clock.advance(Duration::from_secs(25 * 3_600));
    let seen = send().await;
    assert!(!holds(&first, &seen) && holds(&given, &seen));
}
