//! Answers the service's requests, one at a time: what the engine and the wrapper have in common.

pub mod guard;
pub mod limits;
pub mod usage;

use std::{
    io::{BufRead as _, Read as _, Write as _},
    sync::mpsc,
};

use crate::protocol::{
    Answer, Failure, FailureKind, MAX_LINE_BYTES, Outcome, Reply, Request, Work,
};

/// Does what the service asks.
pub trait Perform {
    /// Does one piece of work.
    ///
    /// # Errors
    /// [`Failure`]; work that is another program's is a [`FailureKind::BadRequest`].
    fn perform(&mut self, work: Work) -> Result<Answer, Failure>;

    /// Lets go of what was half done when the work panicked; it is not to be trusted.
    fn reset(&mut self);
}

/// Reads requests from standard input and answers them until it ends.
///
/// # Errors
/// [`Failure`] when a line is longer than the protocol allows or standard output is closed.
pub fn serve(performer: &mut impl Perform) -> Result<(), Failure> {
    let (sender, lines) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("requests".to_owned())
        .spawn(move || read_requests(&sender))
        .map_err(internal)?;
    for line in lines {
        let line = line.map_err(|error| Failure::new(FailureKind::BadRequest, error))?;
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => answer(performer, request),
            Err(error) => Reply {
                id: 0,
                outcome: Outcome::Failed(Failure::new(FailureKind::BadRequest, error)),
                usage: usage::Meter::start().stop(),
            },
        };
        let mut line = serde_json::to_vec(&reply).map_err(internal)?;
        line.push(b'\n');
        let mut output = std::io::stdout().lock();
        output
            .write_all(&line)
            .and_then(|()| output.flush())
            .map_err(internal)?;
    }
    Ok(())
}

/// Does one piece of work. A panic inside a library fails the request, not the process.
#[must_use]
pub fn answer(performer: &mut impl Perform, request: Request) -> Reply {
    let meter = usage::Meter::start();
    let result = guard::guarded(|| performer.perform(request.work)).unwrap_or_else(|panic| {
        performer.reset();
        Err(internal(format_args!("it broke off: {panic}")))
    });
    Reply {
        id: request.id,
        outcome: match result {
            Ok(answer) => Outcome::Done(answer),
            Err(failure) => Outcome::Failed(failure),
        },
        usage: meter.stop(),
    }
}

/// Reads lines from standard input. When it is closed the service is gone, so the process ends at
/// once, whatever it is at.
fn read_requests(lines: &mpsc::SyncSender<Result<Vec<u8>, String>>) {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let read = (&mut input)
            .take(MAX_LINE_BYTES as u64)
            .read_until(b'\n', &mut line);
        let line = match read {
            Ok(0) => std::process::exit(0),
            Ok(_) if line.ends_with(b"\n") => Ok(line),
            Ok(length) if length < MAX_LINE_BYTES => std::process::exit(0),
            Ok(_) => Err(format!("a request longer than {MAX_LINE_BYTES} bytes")),
            Err(error) => Err(error.to_string()),
        };
        let broken = line.is_err();
        if lines.send(line).is_err() || broken {
            return;
        }
    }
}

/// A failure that trying again may mend.
fn internal(reason: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Internal, reason)
}
