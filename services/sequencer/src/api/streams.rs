//! Streams of answers: bounded, counted, and ended at shutdown.

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::Status;

use super::Api;
use crate::error::{Refusal as _, RequestError};

/// Answers that wait for a slow caller, at most.
const BUFFER: usize = 8;

/// A stream of answers.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

/// Where answers of a stream go; holds the stream's place among those served.
#[derive(Debug)]
pub(super) struct Sender<T> {
    sender: mpsc::Sender<Result<T, Status>>,
    _place: OwnedSemaphorePermit,
}

impl<T> Sender<T> {
    /// Sends one answer; false when the caller has gone away.
    pub(super) async fn send(&self, answer: Result<T, Status>) -> bool {
        self.sender.send(answer).await.is_ok()
    }

    /// Returns when the caller has gone away.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// Opens a stream that `produce` fills until it ends, the caller goes away or the service stops.
pub(super) fn open<T, F>(
    api: &Api,
    produce: impl FnOnce(Arc<Sender<T>>) -> F,
) -> Result<Answers<T>, Status>
where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let place = Arc::clone(&api.streams)
        .try_acquire_owned()
        .map_err(|_| RequestError::TooManyStreams.status())?;
    let (sender, receiver) = mpsc::channel(BUFFER);
    let sender = Arc::new(Sender {
        sender,
        _place: place,
    });
    let work = produce(Arc::clone(&sender));
    let shutdown = api.shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            () = sender.closed() => {}
            () = shutdown.stopping() => {
                // Best effort: a caller that does not read is cut off anyway.
                let _ = sender.sender.try_send(Err(RequestError::Stopping.status()));
            }
        }
    });
    Ok(Box::pin(ReceiverStream::new(receiver).map(|answer| answer)))
}
