//! Events as they happen: Server-Sent Events of a run and of a tenant.
//!
//! A stream is read from the store as fast as its client takes it, so that a slow client holds back nothing but itself. The token is
//! looked at when the stream begins and every few seconds after that: where it is good no more, the stream ends.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::Stream;
use opsconductor_core::{
    Result, Secret,
    engine::{RunEvent, RunEvents, Scoped, TenantEvent},
    id::RunId,
    run::EventKind,
    store::Notice,
};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, broadcast};

use super::{
    Shared,
    caller::Caller,
    input::At,
    refusal::{Answer, Refusal},
};

/// How often a comment is sent where nothing happens, so that nobody in between takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How often the token of a stream is looked at.
const TOKEN_EVERY: Duration = Duration::from_secs(15);

/// How often news are looked for without being told of any: other processes may be at work.
const POLL: Duration = Duration::from_millis(250);

/// How many events of a tenant are read at a time.
const EVENTS_MAX: usize = 200;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/runs/{id}/events", get(of_run)).route("/events", get(of_tenant))
}

/// What a stream is until it ends.
struct Open<S> {
    app: Shared,
    token: Secret<String>,
    looked: tokio::time::Instant,
    source: S,
    over: bool,
    _place: OwnedSemaphorePermit,
}

/// Where the events of a stream come from. A call that is dropped and made again goes on where it was.
trait Source: Send + 'static {
    fn next(&mut self) -> impl Future<Output = Result<Option<Event>>> + Send;
}

struct OfRun {
    run: RunId,
    events: RunEvents,
}

struct OfTenant {
    ops: Scoped,
    after: u64,
    read: std::vec::IntoIter<TenantEvent>,
    notices: Option<broadcast::Receiver<Notice>>,
}

impl Source for OfRun {
    async fn next(&mut self) -> Result<Option<Event>> {
        Ok(self.events.next().await?.map(|event| shown(event.seq, self.run, &event)))
    }
}

impl Source for OfTenant {
    async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.read.next() {
                self.after = event.seq;
                return Ok(Some(shown(event.seq, event.run, &event.event)));
            }
            let read = self.ops.runs().events_after(self.after, EVENTS_MAX).await?;
            if read.is_empty() {
                tokio::select! {
                    () = told(&mut self.notices) => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            self.read = read.into_iter();
        }
    }
}

async fn told(notices: &mut Option<broadcast::Receiver<Notice>>) {
    let Some(from) = notices else { return std::future::pending().await };
    match from.recv().await {
        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
        Err(broadcast::error::RecvError::Closed) => *notices = None,
    }
}

fn shown(seq: u64, run: RunId, event: &RunEvent) -> Event {
    let mut data = json!({"run_id": run, "at": event.at});
    if let Some(step) = &event.step {
        data["step"] = json!(step);
    }
    if let Some(target) = &event.target {
        data["target"] = json!(target);
    }
    match &event.kind {
        EventKind::RunFinished { status } => data["status"] = json!(status),
        EventKind::StepFinished { status, reason } => {
            data["status"] = json!(status);
            if let Some(reason) = reason {
                data["text"] = json!(reason);
            }
        }
        EventKind::StepOutput { stream, text } => {
            data["stream"] = json!(stream.as_str());
            data["text"] = json!(text);
        }
        EventKind::StepRequeued { reason } => data["text"] = json!(reason),
        _ => {}
    }
    // In JSON no line ends, so this is one line of the stream.
    Event::default().id(seq.to_string()).event(event.kind.as_str()).data(data.to_string())
}

/// The number after which the client goes on.
fn last_seen(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(last) = headers.get("Last-Event-ID") else { return Ok(None) };
    let last = last.to_str().ok().and_then(|last| last.trim().parse().ok());
    last.map(Some).ok_or_else(|| {
        Refusal::new(StatusCode::BAD_REQUEST, "Last-Event-ID is the id of an event of this stream")
    })
}

async fn of_run(
    State(app): State<Shared>,
    caller: Caller,
    At(id): At<i64>,
    headers: HeaderMap,
) -> Answer<Response> {
    let run = caller.ops.runs().get(RunId::new(id)).await?;
    let events = run.events_after(last_seen(&headers)?.unwrap_or(0));
    open(app, caller.token, OfRun { run: run.id(), events })
}

async fn of_tenant(State(app): State<Shared>, caller: Caller, headers: HeaderMap) -> Answer<Response> {
    let notices = app.engine.store().notices();
    let after = match last_seen(&headers)? {
        Some(last) => last,
        None => caller.ops.runs().last_event().await?,
    };
    // Whoever may not read is told so now.
    let read = caller.ops.runs().events_after(after, EVENTS_MAX).await?.into_iter();
    open(app, caller.token, OfTenant { ops: caller.ops, after, read, notices })
}

fn open(app: Shared, token: Secret<String>, source: impl Source) -> Answer<Response> {
    let place = app.streams.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many event streams are open; close some, or come again",
        )
    })?;
    let looked = tokio::time::Instant::now();
    let stream = events(Open { app, token, looked, source, over: false, _place: place });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

fn events<S: Source>(open: Open<S>) -> impl Stream<Item = Result<Event, Infallible>> {
    futures_util::stream::unfold(open, |mut open| async move {
        if open.over {
            return None;
        }
        loop {
            let look = open.looked + TOKEN_EVERY;
            tokio::select! {
                biased;
                () = open.app.closing.cancelled() => return None,
                () = tokio::time::sleep_until(look) => {
                    open.app.engine.verify_access(open.token.expose()).await.ok()?;
                    open.looked = tokio::time::Instant::now();
                }
                next = open.source.next() => match next {
                    Ok(Some(event)) => return Some((Ok(event), open)),
                    Ok(None) => return None,
                    Err(error) => {
                        // The client comes again and goes on where it was.
                        tracing::warn!(error = %error.report(), "an event stream was cut");
                        return None;
                    }
                },
            }
        }
    })
}
