//! `opsconductor serve`: the API over HTTP, with a worker in the same process.

mod audit;
mod auth;
mod caller;
mod config;
mod credentials;
mod input;
mod jobs;
mod live;
mod notifications;
mod ports;
mod preferences;
mod refusal;
mod runs;
mod status;
mod targets;
mod tokens;
mod users;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use clap::Args;
use opsconductor_core::{
    Engine, Error, ErrorKind,
    engine::WorkerSettings,
    notify::EmailNotifier,
    transport::{
        http::{HttpConnector, HttpSettings, Network, WebhookNotifier},
        ssh::SshConnector,
        winrm::WinrmConnector,
    },
    vault::Keyring,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::refusal::Refusal;
use crate::{
    exit::{Ended, say},
    interrupt::Interrupt,
    runtime,
    store::StoreOptions,
};

/// The largest body of a request, in bytes: a definition with its scripts.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How long a request may take until its answer begins. Streams may take longer after that.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// How many event streams are open at once.
const STREAMS_MAX: usize = 4_000;

/// What `serve` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Signals:\n  \
    SIGTERM or Ctrl-C  take no more requests and tasks, let those that run end within --drain, and exit with 0\n  \
    a second one       exit at once with 1")]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    store: StoreOptions,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Listen for the services of the Python system as well, each at its port: 3001, 3002, 3004 to 3009. A value is what stands in
    /// place of 3000 in these; with 0 each takes a port that is free.
    #[arg(long, value_name = "BASE", num_args = 0..=1, require_equals = true, default_missing_value = "3000",
        value_parser = clap::value_parser!(u16).range(..=ports::BASE_MAX))]
    service_ports: Option<u16>,
    /// Listen beyond this machine, because a proxy in front of it does TLS.
    #[arg(long)]
    behind_proxy: bool,
    /// The file with the key that opens credentials; without it the environment variable OPSCONDUCTOR_KEY holds the key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Leave the work to `opsconductor worker` in other processes.
    #[arg(long)]
    no_worker: bool,
    /// A network that HTTP requests and webhooks may not go to, whatever else is said; may be given again.
    #[arg(long, value_name = "NETWORK")]
    http_deny: Vec<Network>,
    /// A network that HTTP requests may go to although it is refused otherwise, such as 127.0.0.0/8; may be given again.
    #[arg(long, value_name = "NETWORK")]
    http_allow: Vec<Network>,
    /// A network that webhooks may go to although it is not public, such as 10.1.0.0/16; may be given again.
    #[arg(long, value_name = "NETWORK")]
    webhook_allow: Vec<Network>,
    /// How many tasks to run at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// How many seconds running tasks have to end when the server is told to stop; then they are stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
}

/// What every handler has at hand.
pub(crate) struct App {
    engine: Engine,
    has_worker: bool,
    status: status::Seen,
    streams: Arc<Semaphore>,
    closing: CancellationToken,
}

type Shared = Arc<App>;

/// Serves until it is told to stop.
pub(crate) fn serve(options: ServeOptions) -> Result<Ended, Error> {
    runtime::run(async move {
        // Before anything is begun, so that no signal cuts it off in the middle.
        let mut interrupt = Interrupt::listen()?;
        if !options.listen.ip().is_loopback() && !options.behind_proxy {
            let message = "beyond this machine the API is served behind a proxy that does TLS alone; say so with --behind-proxy";
            return Err(Error::new(ErrorKind::InvalidInput, message).with("listen", options.listen));
        }
        let engine = tokio::select! {
            engine = engine(&options) => engine?,
            () = interrupt.received() => return Ok(Ended::Well),
        };
        let (address, listener) = bind(options.listen).await?;
        let settings = WorkerSettings::default()
            .with_concurrency(options.concurrency.into())
            .with_drain(Duration::from_secs(options.drain));
        let worker = match options.no_worker {
            true => None,
            false => Some(engine.worker(settings)?),
        };
        let closing = CancellationToken::new();
        let app = Arc::new(App {
            engine: engine.clone(),
            has_worker: worker.is_some(),
            status: status::Seen::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            closing: closing.clone(),
        });
        let mut listeners = match options.service_ports {
            Some(base) => ports::listen(address.ip(), base, &app).await?,
            None => Vec::new(),
        };
        listeners.push((listener, router(app)));
        let mut served = JoinSet::new();
        for (listener, router) in listeners {
            let until = closing.clone().cancelled_owned();
            served.spawn(axum::serve(listener, router).with_graceful_shutdown(until).into_future());
        }
        say(&format!("serving on http://{address}/api"));
        interrupt.received().await;
        say("stopping; a second signal ends at once");
        closing.cancel();
        let stopped = async {
            if let Some(worker) = worker {
                worker.shutdown().await;
            }
            // Who is still being answered after that has had the time.
            let _ = tokio::time::timeout(Duration::from_secs(5), served.join_all()).await;
            engine.close().await;
        };
        tokio::select! {
            biased;
            () = stopped => Ok(Ended::Well),
            () = interrupt.received() => Ok(Ended::RunFailed),
        }
    })
}

/// Listens at `address`, and says which that is when any free port would do.
async fn bind(address: SocketAddr) -> Result<(SocketAddr, TcpListener), Error> {
    let bound = TcpListener::bind(address).await.and_then(|bound| Ok((bound.local_addr()?, bound)));
    bound.map_err(|source| {
        let message = "the address cannot be listened on; another program may have it";
        Error::new(ErrorKind::InvalidInput, message).with("listen", address).with_source(source)
    })
}

async fn engine(options: &ServeOptions) -> Result<Engine, Error> {
    // The key first: without it no store need be made.
    let keys = match &options.key {
        Some(file) => Keyring::from_file(file)?,
        None => Keyring::from_environment()?,
    };
    let reach = HttpSettings { allow: options.http_allow.clone(), deny: options.http_deny.clone() };
    let hooks = HttpSettings { allow: options.webhook_allow.clone(), deny: options.http_deny.clone() };
    Engine::builder()
        .shared_store(options.store.open(true).await?)
        .keys(keys)
        .connector(WinrmConnector::new())
        .connector(SshConnector::new()?)
        .connector(HttpConnector::builder().with_settings(reach).build()?)
        .notifier(WebhookNotifier::new(hooks))
        .notifier(EmailNotifier::new())
        .build()
}

/// Every route, below `/api` and, as the old gateway had them, without it.
fn router(app: Shared) -> Router {
    let api = Router::new()
        .merge(auth::routes())
        .merge(users::routes())
        .merge(preferences::routes())
        .merge(tokens::routes())
        .merge(credentials::routes())
        .merge(targets::routes())
        .merge(jobs::routes())
        .merge(config::routes())
        .merge(runs::routes())
        .merge(live::routes())
        .merge(notifications::routes())
        .merge(audit::routes())
        .merge(status::routes());
    guarded(Router::new().nest("/api", api.clone()).merge(api).merge(status::root()), app)
}

/// The routes with what holds for every request.
fn guarded(routes: Router<Shared>, app: Shared) -> Router {
    routes
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not take the method; Allow names those it takes",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(guard))
        .with_state(app)
}

/// Bounds the time until an answer begins, and puts on each what keeps browsers from making more of it.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(REQUEST_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the request took too long; try it again")
            .into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
