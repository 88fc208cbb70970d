//! The network between a client and the host: it counts what passes and may be slow.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    num::NonZeroU64,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use crate::host::Host;

/// How much may be on its way in one direction, like the window of a TCP connection.
const WINDOW_BYTES_MAX: usize = 1024 * 1024;
/// How much is put on its way at once.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// What a network does to what passes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Network {
    /// The round-trip time.
    pub(crate) latency: Duration,
    /// How many bytes a second one connection carries each way; without limit when absent.
    pub(crate) bandwidth: Option<NonZeroU64>,
}

impl Network {
    /// Whether it does anything.
    fn is_slow(self) -> bool {
        !self.latency.is_zero() || self.bandwidth.is_some()
    }

    /// How long the link is taken by so many bytes.
    pub(crate) fn carries(self, bytes: usize) -> Duration {
        self.bandwidth.map_or(Duration::ZERO, |per_second| {
            Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / per_second)
        })
    }
}

/// A connection as the host sees it, under TLS and HTTP.
pub(crate) struct Link<S> {
    stream: S,
    host: Arc<Host>,
    slow: Option<Box<Slow>>,
}

/// Both directions of a slow link.
struct Slow {
    inward: Lane,
    outward: Lane,
    /// The client has closed its side.
    ended: bool,
}

/// One direction: what is on its way, and when each piece arrives.
struct Lane {
    network: Network,
    pieces: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    /// When the link has carried all that was put on it.
    free_at: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Lane {
    fn new(network: Network, free_at: Instant) -> Self {
        let alarm = Box::pin(tokio::time::sleep_until(free_at));
        Self { network, pieces: VecDeque::new(), bytes: 0, free_at, alarm }
    }

    fn has_room(&self) -> bool {
        self.bytes < WINDOW_BYTES_MAX
    }

    fn put(&mut self, piece: Bytes) {
        self.free_at = self.free_at.max(Instant::now()) + self.network.carries(piece.len());
        self.bytes += piece.len();
        self.pieces.push_back((self.free_at + self.network.latency / 2, piece));
    }

    /// The piece at the front, once it has arrived; none when nothing is on its way.
    fn poll_arrived(&mut self, context: &mut Context<'_>) -> Poll<Option<&mut Bytes>> {
        let Some((arrives, _)) = self.pieces.front() else { return Poll::Ready(None) };
        if *arrives > Instant::now() {
            self.alarm.as_mut().reset(*arrives);
            ready!(self.alarm.as_mut().poll(context));
        }
        Poll::Ready(self.pieces.front_mut().map(|(_, piece)| piece))
    }

    /// So many bytes of the piece at the front were taken.
    fn took(&mut self, bytes: usize) {
        self.bytes -= bytes;
        if let Some((_, piece)) = self.pieces.front_mut() {
            piece.advance(bytes);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}

impl<S> Link<S> {
    /// A connection that has just been accepted.
    pub(crate) fn new(stream: S, host: Arc<Host>) -> Self {
        let network = host.network;
        let slow = network.is_slow().then(|| {
            let now = Instant::now();
            // A client believes itself connected at once; over a real link it could send only after a round trip.
            let inward = Lane::new(network, now + network.latency);
            Box::new(Slow { inward, outward: Lane::new(network, now), ended: false })
        });
        Self { stream, host, slow }
    }
}

impl<S: AsyncRead + Unpin> Link<S> {
    /// Takes from the socket what is there while it may be on its way.
    fn collect(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(slow) = &mut self.slow else { return Ok(()) };
        let mut space = [0; PIECE_BYTES_MAX];
        while !slow.ended && slow.inward.has_room() {
            let mut piece = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut piece) {
                Poll::Pending => break,
                Poll::Ready(result) => result?,
            }
            slow.ended = piece.filled().is_empty();
            if !slow.ended {
                self.host.tally.bytes_in.add(piece.filled().len());
                slow.inward.put(Bytes::copy_from_slice(piece.filled()));
            }
        }
        Ok(())
    }
}

impl<S: AsyncWrite + Unpin> Link<S> {
    /// Gives to the socket what has arrived; ready when nothing is left on its way.
    fn poll_deliver(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(slow) = &mut self.slow else { return Poll::Ready(Ok(())) };
        while let Some(piece) = ready!(slow.outward.poll_arrived(context)) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, piece))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.host.tally.bytes_out.add(written);
            slow.outward.took(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Link<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let link = &mut *self;
        if link.slow.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut link.stream).poll_read(context, buffer))?;
            link.host.tally.bytes_in.add(buffer.filled().len() - before);
            return Poll::Ready(Ok(()));
        }
        // Who waits for an answer may have forgotten to flush the question: it is on its way all the same.
        if let Poll::Ready(Err(error)) = link.poll_deliver(context) {
            return Poll::Ready(Err(error));
        }
        link.collect(context)?;
        let Some(slow) = &mut link.slow else { return Poll::Ready(Ok(())) };
        match ready!(slow.inward.poll_arrived(context)) {
            Some(piece) => {
                let taken = piece.len().min(buffer.remaining());
                buffer.put_slice(&piece[..taken]);
                slow.inward.took(taken);
                Poll::Ready(Ok(()))
            }
            None if slow.ended => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Link<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let link = &mut *self;
        if link.slow.is_none() {
            let written = ready!(Pin::new(&mut link.stream).poll_write(context, data))?;
            link.host.tally.bytes_out.add(written);
            return Poll::Ready(Ok(written));
        }
        if let Poll::Ready(Err(error)) = link.poll_deliver(context) {
            return Poll::Ready(Err(error));
        }
        match &mut link.slow {
            Some(slow) if slow.outward.has_room() => {
                let piece = &data[..data.len().min(PIECE_BYTES_MAX)];
                slow.outward.put(Bytes::copy_from_slice(piece));
                Poll::Ready(Ok(piece.len()))
            }
            _ => Poll::Pending,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.slow.is_none() {
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
            self.host.tally.bytes_out.add(written);
            return Poll::Ready(Ok(written));
        }
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        self.poll_write(context, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.slow.is_none() && self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_deliver(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_deliver(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
