//! A conversation with a host that answers as the test says.

use std::{fs, future::pending};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    hosts::Hosts,
    script::{End, Received, Reply},
    sent::What,
};
use crate::{
    Error, ErrorKind, Result,
    clock::Clock,
    error::Layer,
    transport::{
        Control, CopyOutcome, CopyRequest, CopySource, CopyStatus, ExecOutcome, ExecRequest, FetchOutcome,
        FetchRequest, FileSource, HttpAnswer, HttpCall, Observer, Protocol, RemoteHandle, Session, Stream,
    },
};

/// Why an answer did not come to its end.
enum Broken {
    Canceled,
    TimedOut,
    Lost,
    /// The caller does not want the output.
    Refused(Error),
}

impl Broken {
    fn error(self) -> Error {
        match self {
            Self::Canceled => Error::new(ErrorKind::Canceled, "it was stopped on its host"),
            Self::TimedOut => Error::new(ErrorKind::Timeout, "it did not end in its time and was stopped"),
            Self::Lost => Error::transport(Layer::Protocol, "the connection was lost").with_outcome_unknown(),
            Self::Refused(error) => error,
        }
    }
}

/// A session with one target.
pub(super) struct Host {
    pub(super) hosts: Hosts,
    pub(super) protocol: Protocol,
    pub(super) target: String,
}

impl Host {
    /// Gives an answer: its output, then, when its time has come, its end.
    async fn play(
        &self,
        reply: &Reply,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<i64, Broken> {
        for (stream, text) in &reply.output {
            observer.output(*stream, Bytes::from(text.clone())).await.map_err(Broken::Refused)?;
        }
        let clock = &self.hosts.clock;
        let end = async {
            clock.sleep(reply.takes).await;
            match reply.end {
                End::Code(code) => Ok(code),
                End::Lost => Err(Broken::Lost),
                End::Never => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = control.cancel.cancelled() => Err(Broken::Canceled),
            ended = end => ended,
            () = clock.sleep(control.timeout) => Err(Broken::TimedOut),
        }
    }

    /// The files of a copy, by their paths on the host.
    fn files(&self, request: CopyRequest) -> Result<Vec<(String, Bytes)>> {
        let content = |source: FileSource| match source {
            FileSource::Bytes(bytes) => Ok(bytes),
            FileSource::Path(path) => fs::read(&path).map(Bytes::from).map_err(|error| {
                Error::new(ErrorKind::InvalidInput, "the file to copy cannot be read").with_source(error)
            }),
        };
        let separator = if self.protocol == Protocol::Winrm { "\\" } else { "/" };
        match request.source {
            CopySource::One(source) => Ok(vec![(request.dest_path, content(source)?)]),
            CopySource::Many(entries) => {
                let below = request.dest_path.trim_end_matches(separator);
                let placed = entries.into_iter().map(|entry| {
                    let path = entry.path.replace('/', separator);
                    Ok((format!("{below}{separator}{path}"), content(entry.source)?))
                });
                placed.collect()
            }
        }
    }
}

#[async_trait]
impl Session for Host {
    async fn exec(
        &mut self,
        request: ExecRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let reply = self.hosts.reply(&self.target, Received::Command(&request.script))?;
        observer.dispatching(&RemoteHandle::default()).await?;
        let text = |text: &str| self.hosts.shown(text);
        let what = What::Command {
            shell: request.shell,
            command: text(&request.script),
            env: request.env.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            stdin: request.stdin.as_ref().map(|stdin| self.hosts.text(stdin)),
            working_directory: request.working_directory.as_deref().map(text),
            sudo: request.sudo.map(|sudo| sudo.user.unwrap_or_else(|| "root".to_owned())),
        };
        self.hosts.note(&self.target, what);
        self.play(&reply, observer, control).await.map(ExecOutcome::new).map_err(Broken::error)
    }

    async fn copy(
        &mut self,
        request: CopyRequest,
        observer: &mut dyn Observer,
        _: &Control,
    ) -> Result<CopyOutcome> {
        observer.dispatching(&RemoteHandle::default()).await?;
        let (overwrite, is_one) = (request.overwrite, matches!(request.source, CopySource::One(_)));
        let files = self.files(request)?;
        let (count, mut written, mut length, mut sha256) = (files.len() as u64, 0, 0, String::new());
        for (path, content) in files {
            length += content.len() as u64;
            sha256 = hash(&content);
            let what = What::Copy { path: path.clone(), content: self.hosts.text(&content) };
            self.hosts.note(&self.target, what);
            let mut seen = self.hosts.lock();
            let key = (self.target.clone(), path);
            match seen.files.get(&key) {
                Some(present) if *present == content => continue,
                Some(_) if !overwrite => {
                    let message = "the file exists and overwrite is false; nothing was touched";
                    return Err(Error::new(ErrorKind::Conflict, message).with("path", key.1));
                }
                _ => seen.files.insert(key, content),
            };
            written += 1;
        }
        Ok(match (is_one, written) {
            (true, 0) => CopyOutcome::one(CopyStatus::Unchanged, length, sha256),
            (true, _) => CopyOutcome::one(CopyStatus::Copied, length, sha256),
            (false, written) => CopyOutcome::many(count, written, length),
        })
    }

    async fn fetch(
        &mut self,
        request: FetchRequest,
        observer: &mut dyn Observer,
        _: &Control,
    ) -> Result<FetchOutcome> {
        observer.dispatching(&RemoteHandle::default()).await?;
        let path = request.src_path;
        self.hosts.note(&self.target, What::Fetch { path: self.hosts.shown(&path) });
        let content = self.hosts.lock().files.get(&(self.target.clone(), path.clone())).cloned();
        let Some(content) = content else {
            let message = "the host has no such file; a test puts one there with `kit.on(target).has_file(path, content)`";
            return Err(Error::new(ErrorKind::NotFound, message).with("path", path));
        };
        if content.len() as u64 > request.bytes_max {
            let message =
                format!("the file has {} bytes, more than the {} allowed", content.len(), request.bytes_max);
            return Err(Error::new(ErrorKind::InvalidInput, message).with("path", path));
        }
        if !request.overwrite && request.dest.exists() {
            let message = "the local file exists and overwrite is false; nothing was touched";
            return Err(Error::new(ErrorKind::Conflict, message).with("dest", request.dest.display()));
        }
        fs::write(&request.dest, &content).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the local file cannot be written").with_source(error)
        })?;
        Ok(FetchOutcome::new(content.len() as u64, hash(&content)))
    }

    async fn request(
        &mut self,
        call: HttpCall,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<HttpAnswer> {
        let received = Received::Request { method: &call.method, path: &call.path };
        let reply = self.hosts.reply(&self.target, received)?;
        observer.dispatching(&RemoteHandle::default()).await?;
        let text = |text: &str| self.hosts.shown(text);
        let what = What::Request {
            method: call.method.clone(),
            path: text(&call.path),
            headers: call.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            body: call.body.as_ref().map(|body| self.hosts.text(body)),
        };
        self.hosts.note(&self.target, what);
        let status = self.play(&reply, observer, control).await.map_err(|broken| match broken {
            Broken::Refused(error) => error,
            // What a service did with a request that it may have read is known to nobody.
            broken if !call.repeatable => broken.error().with_outcome_unknown(),
            Broken::Lost => Error::transport(Layer::Protocol, "the connection was lost"),
            broken => broken.error(),
        })?;
        let pieces = reply.output.iter().filter(|(stream, _)| *stream == Stream::Stdout);
        let body: String = pieces.map(|(_, text)| text.as_str()).collect();
        let (length, is_cut) = (body.len(), body.len() as u64 > call.body_bytes_max);
        Ok(HttpAnswer {
            headers: reply.headers,
            text: Some(body).filter(|body| !is_cut && body.len() <= call.keep_bytes_max),
            text_bytes: (length as u64).min(call.body_bytes_max),
            is_cut,
            ..HttpAnswer::new(u16::try_from(status).unwrap_or(500))
        })
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// SHA-256 in lower-case hexadecimal.
fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
