//! Answers the service's requests, one at a time.

mod requests;

use std::{
    io::{BufRead as _, Read as _, Write as _},
    sync::{Arc, mpsc},
};

use openvm_circuit::arch::instructions::exe::VmExe;
use openvm_stark_sdk::config::baby_bear_poseidon2::F;
use sha2::{Digest as _, Sha256};

use super::{
    aggregation::{Circuit, NodeProver},
    failure,
    guard::guarded,
    internal,
    keys::{KeyId, Store, segment_keys},
    segment::{Plan, SegmentProver},
    usage,
};
use crate::{
    protocol::{Failure, FailureKind, MAX_LINE_BYTES, Outcome, Reply, Request},
    verify::VerifyingKey,
};

/// Proves one program. Holds the keys of one layer at a time, so that the process stays small.
#[derive(Debug)]
pub struct Engine {
    image: u32,
    exe: Arc<VmExe<F>>,
    id: KeyId,
    store: Store,
    key: VerifyingKey,
    loaded: Loaded,
    plan: Option<([u8; 32], Plan)>,
}

/// What is in memory.
#[derive(Debug)]
enum Loaded {
    Nothing,
    Segments(Box<SegmentProver>),
    Nodes(Circuit, Box<NodeProver>),
}

impl Engine {
    /// An engine for a program whose keys are open.
    ///
    /// # Errors
    /// [`FailureKind::Storage`] when the verifying key cannot be read.
    pub fn new(image: u32, exe: Arc<VmExe<F>>, id: KeyId, store: Store) -> Result<Self, Failure> {
        let key = store.verifying_key()?;
        Ok(Self {
            image,
            exe,
            id,
            store,
            key,
            loaded: Loaded::Nothing,
            plan: None,
        })
    }

    /// The key that this engine's final proofs are verified with.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The keys.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The prover of segments.
    fn segments(&mut self) -> Result<&mut SegmentProver, Failure> {
        if !matches!(self.loaded, Loaded::Segments(_)) {
            // What was loaded goes before the next comes.
            self.loaded = Loaded::Nothing;
            let prover = SegmentProver::new(&segment_keys()?, Arc::clone(&self.exe))?;
            self.loaded = Loaded::Segments(Box::new(prover));
        }
        match &mut self.loaded {
            Loaded::Segments(prover) => Ok(prover),
            Loaded::Nothing | Loaded::Nodes(..) => Err(internal("the segment prover is gone")),
        }
    }

    /// The prover of a circuit.
    fn nodes(&mut self, circuit: Circuit) -> Result<&NodeProver, Failure> {
        if !matches!(self.loaded, Loaded::Nodes(loaded, _) if loaded == circuit) {
            self.loaded = Loaded::Nothing;
            let prover = self.store.prover(circuit)?;
            self.loaded = Loaded::Nodes(circuit, Box::new(prover));
        }
        match &self.loaded {
            Loaded::Nodes(_, prover) => Ok(prover),
            Loaded::Nothing | Loaded::Segments(_) => Err(internal("the node prover is gone")),
        }
    }

    /// The plan for an input; the last one is kept, since segments of one batch come in a row.
    fn plan(&mut self, input: &[u8]) -> Result<([u8; 32], Plan), Failure> {
        let digest: [u8; 32] = Sha256::digest(input).into();
        if let Some((of, plan)) = &self.plan
            && *of == digest
        {
            return Ok((digest, plan.clone()));
        }
        let plan = self.segments()?.plan(input)?;
        self.plan = Some((digest, plan.clone()));
        Ok((digest, plan))
    }
}

/// Reads requests from standard input and answers them until it ends.
///
/// # Errors
/// [`Failure`] when a line is longer than the protocol allows or standard output is closed.
pub fn serve(engine: &mut Engine) -> Result<(), Failure> {
    let (sender, lines) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("requests".to_owned())
        .spawn(move || read_requests(&sender))
        .map_err(internal)?;
    for line in lines {
        let line = line.map_err(|error| failure(FailureKind::BadRequest, error))?;
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => answer(engine, request),
            Err(error) => Reply {
                id: 0,
                outcome: Outcome::Failed(failure(FailureKind::BadRequest, error)),
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

/// Does one piece of work. A panic inside OpenVM fails the request, not the engine.
#[must_use]
pub fn answer(engine: &mut Engine, request: Request) -> Reply {
    let meter = usage::Meter::start();
    let result = guarded(|| engine.perform(request.work)).unwrap_or_else(|panic| {
        // What was half done is not to be trusted.
        engine.loaded = Loaded::Nothing;
        engine.plan = None;
        Err(internal(format_args!("OpenVM broke off: {panic}")))
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
