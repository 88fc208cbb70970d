//! `opsconductor notification`: who was told, the rules for it, and the mail server.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use opsconductor_core::{
    Engine, Error, ErrorKind, Secret,
    engine::{Password, SmtpInfo},
    id::{NotificationId, RunId},
    notify::{Notification, NotificationStatus, Rule, SmtpSecurity, SmtpSettings},
    store::{NotificationFilter, Page},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    exit::{Ended, answer, say},
    key::KeysWhenNeeded,
    runtime,
    show::columns,
    store::StoreOptions,
};

/// The longest file that is read.
const READ_MAX: u64 = 1024 * 1024;

/// What is shown in place of a password, and keeps it when it is sent back.
const MASK: &str = "********";

#[derive(Debug, Subcommand)]
pub(crate) enum NotificationCommand {
    /// List notifications, newest first.
    List(ListOptions),
    /// Send again what was given up.
    Redrive {
        /// The notification.
        id: NotificationId,
        #[command(flatten)]
        options: Options,
    },
    /// Show how deliveries stand.
    Status(Options),
    /// Let deliveries go on.
    Start(Options),
    /// Stop deliveries until they are started again.
    Stop(Options),
    /// Show the rules for every run, or put others in their place.
    #[command(after_help = "The file is a JSON list such as\n  \
        [{\"on\": \"failure\", \"channel\": \"email\", \"dest\": \"ops@example.com\"}]\n\
        `on` is failure, success, always or lost; `channel` is email or webhook. A webhook may have a `template` for its body.")]
    Rules {
        /// The file with the new rules, or `-` for standard input.
        file: Option<PathBuf>,
        #[command(flatten)]
        options: Options,
    },
    /// Show the mail server, or set it.
    #[command(after_help = "The file is a JSON object such as\n  \
        {\"host\": \"mail.example.com\", \"port\": 587, \"security\": \"starttls\", \"username\": \"ops\", \"password\": \"...\",\n   \
        \"from_email\": \"ops@example.com\", \"from_name\": \"Operations\"}\n\
        `security` is starttls, tls or none. Without `password`, or with the mask that is shown, the password stays; null removes it.")]
    Smtp {
        /// The file with the settings, or `-` for standard input.
        file: Option<PathBuf>,
        #[command(flatten)]
        options: Options,
    },
    /// Print the secret that webhooks are signed with. It is made when there is none.
    WebhookSecret {
        /// Make another one first; the former signs beside it for a day.
        #[arg(long)]
        rotate: bool,
        #[command(flatten)]
        options: Options,
    },
}

/// What every command can be told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    store: StoreOptions,
    /// The file with the key that seals secrets; without it the environment variable OPSCONDUCTOR_KEY holds the key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// What `notification list` can be told.
#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    options: Options,
    /// Only those of this run.
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    /// Only those that stand so: pending, sent or failed.
    #[arg(long, value_name = "STATUS")]
    status: Option<NotificationStatus>,
    /// How many of the newest to leave out.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Does what was asked.
pub(crate) fn obey(command: NotificationCommand) -> Result<Ended, Error> {
    runtime::run(async {
        match command {
            NotificationCommand::List(options) => list(&options).await?,
            NotificationCommand::Redrive { id, options } => {
                let again = engine(&options).await?.local().notifications().redrive(id).await?;
                match options.json {
                    true => answer(&as_json(&again).to_string())?,
                    false => say(&format!("notification {id} is sent again")),
                }
            }
            NotificationCommand::Status(options) => status(&options).await?,
            NotificationCommand::Start(options) => {
                engine(&options).await?.local().notifications().start().await?;
                done(&options, "deliveries go on")?;
            }
            NotificationCommand::Stop(options) => {
                engine(&options).await?.local().notifications().stop().await?;
                done(&options, "deliveries are stopped")?;
            }
            NotificationCommand::Rules { file, options } => rules(file.as_deref(), &options).await?,
            NotificationCommand::Smtp { file, options } => smtp(file.as_deref(), &options).await?,
            NotificationCommand::WebhookSecret { rotate, options } => {
                let ops = engine(&options).await?.local();
                let secret = match rotate {
                    true => ops.notifications().rotate_webhook_secret(None).await?,
                    false => ops.notifications().webhook_secret().await?,
                };
                match options.json {
                    true => answer(&json!({"secret": secret.expose()}).to_string())?,
                    false => answer(secret.expose())?,
                }
            }
        }
        Ok(Ended::Well)
    })
}

async fn engine(options: &Options) -> Result<Engine, Error> {
    let store = options.store.open(false).await?;
    Engine::builder().shared_store(store).keys(KeysWhenNeeded::new(options.key.clone())).build()
}

fn done(options: &Options, message: &str) -> Result<(), Error> {
    match options.json {
        true => answer(&json!({"message": message}).to_string()),
        false => {
            say(message);
            Ok(())
        }
    }
}

async fn list(options: &ListOptions) -> Result<(), Error> {
    let (filter, page) = (
        NotificationFilter { run: options.run, status: options.status },
        Page { skip: options.skip, limit: options.limit },
    );
    let list = engine(&options.options).await?.local().notifications().list(filter, page).await?;
    if options.options.json {
        let items: Vec<_> = list.items.iter().map(as_json).collect();
        return answer(&json!({"notifications": items, "total": list.total}).to_string());
    }
    if list.items.is_empty() {
        say("there is no such notification");
        return Ok(());
    }
    answer(&table(&list.items))?;
    let shown = list.items.len() as u64;
    if shown < list.total {
        say(&format!("{shown} of {}; --skip and --limit show others", list.total));
    }
    Ok(())
}

fn table(notifications: &[Notification]) -> String {
    let mut rows = vec![["ID", "RUN", "CHANNEL", "STATUS", "RETRIES", "TO", "ERROR"].map(str::to_owned)];
    for one in notifications {
        rows.push([
            one.id.to_string(),
            one.run.to_string(),
            one.channel.to_string(),
            one.status.to_string(),
            one.retries.to_string(),
            one.dest.clone(),
            // An error may have several lines, and a table has one for each.
            one.error.as_deref().unwrap_or("-").split_whitespace().collect::<Vec<_>>().join(" "),
        ]);
    }
    columns(&rows)
}

fn as_json(one: &Notification) -> Value {
    json!({
        "id": one.id,
        "job_run_id": one.run,
        "channel": one.channel,
        "dest": one.dest,
        "payload": one.payload,
        "status": one.status,
        "sent_at": one.sent_at,
        "retries": one.retries,
        "error": one.error,
    })
}

async fn status(options: &Options) -> Result<(), Error> {
    let status = engine(options).await?.local().notifications().status().await?;
    if options.json {
        return answer(
            &json!({
                "worker_running": status.worker_running,
                "pending_notifications": status.pending_notifications,
                "failed_notifications": status.failed_notifications,
                "last_check": status.last_check,
            })
            .to_string(),
        );
    }
    let goes_on = if status.worker_running { "go on" } else { "do not go on" };
    answer(&format!(
        "deliveries {goes_on}; {} wait, {} were given up",
        status.pending_notifications, status.failed_notifications
    ))
}

async fn rules(file: Option<&Path>, options: &Options) -> Result<(), Error> {
    let ops = engine(options).await?.local();
    if let Some(file) = file {
        let rules: Vec<Rule> = parse(file)?;
        let count = rules.len();
        ops.notifications().set_rules(rules).await?;
        return done(options, &format!("{count} rules hold for runs that are enqueued from now on"));
    }
    let rules = ops.notifications().rules().await?;
    if options.json {
        return answer(&json!(rules).to_string());
    }
    let mut rows = vec![["ON", "CHANNEL", "TO"].map(str::to_owned)];
    rows.extend(rules.iter().map(|rule| [rule.on.to_string(), rule.channel.to_string(), rule.dest.clone()]));
    answer(&columns(&rows))
}

/// A mail server as it is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: String,
    port: u16,
    security: SmtpSecurity,
    from_email: String,
    #[serde(default)]
    from_name: Option<String>,
    #[serde(default)]
    username: Option<String>,
    /// Not there: it stays. Null: there is none.
    #[serde(default, deserialize_with = "given")]
    password: Option<Option<String>>,
    #[serde(default)]
    ca_pem: Option<String>,
}

fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

async fn smtp(file: Option<&Path>, options: &Options) -> Result<(), Error> {
    let ops = engine(options).await?.local();
    if let Some(file) = file {
        let Written { host, port, security, from_email, from_name, username, password, ca_pem } =
            parse(file)?;
        let password = match password {
            None => Password::Keep,
            Some(None) => Password::Remove,
            Some(Some(mask)) if mask == MASK => Password::Keep,
            Some(Some(password)) => Password::Set(Secret::new(password)),
        };
        let settings = SmtpSettings { host, port, username, security, from_email, from_name, ca_pem };
        ops.smtp().set(settings, password).await?;
        return done(options, "the mail server is set");
    }
    match ops.smtp().settings().await? {
        Some(SmtpInfo { settings, has_password }) => {
            let mut shown = json!(settings);
            shown["password"] = json!(has_password.then_some(MASK));
            answer(&if options.json { shown.to_string() } else { format!("{shown:#}") })
        }
        None if options.json => answer("null"),
        None => {
            say("no mail server is set");
            Ok(())
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, Error> {
    let refuse = |message: &str| Error::new(ErrorKind::InvalidInput, message).with("file", file.display());
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    let read = match file == Path::new("-") {
        true => io::stdin().lock().take(READ_MAX + 1).read_to_end(&mut bytes),
        false => File::open(file).and_then(|opened| opened.take(READ_MAX + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|source| refuse("it cannot be read").with_source(source))?;
    if bytes.len() as u64 > READ_MAX {
        return Err(refuse("it is longer than 1 MiB"));
    }
    // What serde says may show what stands there, and that may be a password.
    serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        refuse("it is not the JSON that is expected; --help shows an example").with("at", place)
    })
}
