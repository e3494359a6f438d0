//! A stream whose first bytes must arrive in time. Hyper limits the time for the headers of HTTP/1,
//! but not the time in which it finds out whether HTTP/1 or HTTP/2 is spoken: a client that connects
//! and says nothing would hold its slot for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Fails to read once `limit` has passed before the first bytes came.
#[derive(Debug)]
pub(crate) struct Preface<S> {
    stream: S,
    /// Bytes still owed, and until when; `None` when nothing is owed.
    owed: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<S> Preface<S> {
    /// `bytes` must be read from `stream` within `limit`.
    pub(crate) fn new(stream: S, bytes: usize, limit: Duration) -> Self {
        let owed = (bytes > 0).then(|| (bytes, Box::pin(tokio::time::sleep(limit))));
        Self { stream, owed }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Preface<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some((_, deadline)) = &mut this.owed
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        match &mut this.owed {
            Some((bytes, _)) if *bytes > read => *bytes -= read,
            owed => *owed = None,
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Preface<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
