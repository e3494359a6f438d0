//! `serve`: wraps final proofs of the released guest for the prover service, over the proof engine's
//! protocol.

use std::path::Path;

use cloister_prove::{
    artefact::{read_limited, write_whole},
    protocol::{Answer, Failure, FailureKind, Hash, Work},
    serve::{Perform, usage::Meter},
    verify::{MAX_FILE_BYTES, VerifyingKey as ProgramKey},
};

use crate::{
    openvm::{WrapError, Wrapper},
    release::Release,
    verify::Verifier,
};

/// Wraps final proofs of one program.
#[derive(Debug)]
pub struct Server {
    program: ProgramKey,
    /// Made when the first wrap is asked for: who only asks for a description need not wait.
    wrapper: Option<(Wrapper, Release)>,
}

impl Server {
    /// A server for final proofs that this key verifies.
    #[must_use]
    pub fn new(program: ProgramKey) -> Self {
        Self {
            program,
            wrapper: None,
        }
    }

    /// Checks the final proof, wraps it, and checks the wrap before anybody sees it (SPV-25).
    fn wrap(&mut self, proof: &Path, batch_hash: Hash, output: &Path) -> Result<Answer, Failure> {
        let file = read_limited(proof, MAX_FILE_BYTES)?;
        let proof = self.program.open(&file, batch_hash).map_err(|error| {
            let reason = format!("the final proof: {error}");
            Failure::new(FailureKind::BadArtefact, reason)
        })?;
        let (wrapper, release) = self.wrapper()?;
        let tables = wrapper.traces(&proof).map_err(|error| failed(&error))?;
        // What is done with goes before the next comes: proving takes all the memory there is.
        drop(proof);
        let proved = wrapper.prover().prove(tables);
        let wrap = proved.map_err(|error| failed(&error.into()))?;
        let verifier = Verifier::new(release.key.clone()).map_err(internal)?;
        let meter = Meter::start();
        verifier
            .verify(&release.statement(&batch_hash.0), &wrap)
            .map_err(|refusal| internal(format_args!("the wrap does not hold: {refusal}")))?;
        let verify_wall_ms = meter.stop().wall_ms;
        write_whole(output, &wrap)?;
        Ok(Answer::Wrapped {
            bytes: wrap.len() as u64,
            verify_wall_ms,
        })
    }

    /// What wraps, and the release that the wraps are of.
    fn wrapper(&mut self) -> Result<&(Wrapper, Release), Failure> {
        let made = match self.wrapper.take() {
            Some(made) => made,
            None => Wrapper::released(&self.program).map_err(|error| failed(&error))?,
        };
        Ok(self.wrapper.insert(made))
    }
}

impl Perform for Server {
    fn perform(&mut self, work: Work) -> Result<Answer, Failure> {
        match work {
            Work::Describe {} => Ok(Answer::Description {
                image: self.program.image(),
                program: self.program.program(),
                machine: self.program.machine(),
            }),
            Work::Wrap {
                proof,
                batch_hash,
                output,
            } => self.wrap(&proof, batch_hash, &output),
            Work::Execute { .. }
            | Work::Segment { .. }
            | Work::Aggregate { .. }
            | Work::Finish { .. }
            | Work::Verify { .. } => Err(Failure::new(
                FailureKind::BadRequest,
                "the wrapper only wraps; `cloister-prover-engine` does the rest",
            )),
        }
    }

    fn reset(&mut self) {
        self.wrapper = None;
    }
}

/// Why there is no wrap. Only of a proof that is too large can it be said that no other try helps.
fn failed(error: &WrapError) -> Failure {
    let kind = match error {
        WrapError::TooLarge => FailureKind::TooLarge,
        WrapError::Unfit(_) | WrapError::Key(_) | WrapError::Unreleased | WrapError::Prove(_) => {
            FailureKind::Internal
        }
    };
    Failure::new(kind, error)
}

/// A failure that trying again may mend.
fn internal(reason: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Internal, reason)
}
