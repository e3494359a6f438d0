//! The wrapper as the prover service asks it: a process that speaks the engine's protocol.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use cloister_prove::{
    client::{ClientError, Engine, Options},
    image,
    protocol::{Answer, FailureKind, Hash, Work},
    verify::VerifyingKey as ProgramKey,
};
use cloister_wrap::{key::VerifyingKey, openvm::release, release::CIRCUIT_V1, verify::Verifier};
use tempfile::TempDir;

use crate::GOLDEN;

/// Long enough for a wrap on a busy machine.
const LIMIT: Duration = Duration::from_hours(1);

/// A running wrapper and a folder for its files.
struct Bench {
    folder: TempDir,
    wrapper: Engine,
}

impl Bench {
    fn new() -> Self {
        let options = Options {
            program: PathBuf::from(env!("CARGO_BIN_EXE_cloister-wrapper")),
            key_cache: None,
            threads: None,
            memory_limit_bytes: None,
            elf: None,
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("final"), GOLDEN).unwrap();
        Self {
            folder,
            wrapper: Engine::start(&options, Box::new(|line| eprintln!("{line}"))).unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wrap(&self, proof: &Path, batch_hash: Hash) -> Work {
        Work::Wrap {
            proof: proof.to_owned(),
            batch_hash,
            output: self.path("wrap"),
        }
    }

    fn refused(&mut self, work: Work) -> FailureKind {
        match self.wrapper.call(work, LIMIT) {
            Err(ClientError::Failed(failure)) => failure.kind,
            other => unreachable!("expected a failure, got {other:?}"),
        }
    }
}

fn program() -> ProgramKey {
    ProgramKey::decode(image::verifying_key(image::CURRENT).unwrap()).unwrap()
}

fn golden_hash() -> Hash {
    Hash(GOLDEN[12..44].try_into().unwrap())
}

#[test]
fn says_whose_proofs_it_wraps() {
    let mut bench = Bench::new();
    let program = program();

    let (answer, _) = bench.wrapper.call(Work::Describe {}, LIMIT).unwrap();

    let expected = Answer::Description {
        image: image::CURRENT,
        program: program.program(),
        machine: program.machine(),
    };
    assert_eq!(answer, expected);
}

#[test]
fn refuses_what_is_not_its_work() {
    let mut bench = Bench::new();
    let verify = Work::Verify {
        proof: bench.path("final"),
        batch_hash: golden_hash(),
    };
    let execute = Work::Execute {
        input: bench.path("final"),
    };
    let nothing = bench.wrap(&bench.path("not there"), golden_hash());

    for work in [verify, execute, nothing] {
        assert_eq!(bench.refused(work), FailureKind::BadRequest);
    }
}

/// SPV-25.
#[test]
fn wraps_no_final_proof_that_does_not_hold() {
    let mut bench = Bench::new();
    let damaged = bench.path("damaged");
    let mut bytes = GOLDEN.to_vec();
    bytes[5_000] ^= 1;
    std::fs::write(&damaged, &bytes).unwrap();
    let cut = bench.path("cut");
    std::fs::write(&cut, &GOLDEN[..GOLDEN.len() - 1]).unwrap();

    for work in [
        bench.wrap(&damaged, golden_hash()),
        bench.wrap(&cut, golden_hash()),
        bench.wrap(&bench.path("final"), Hash([7; 32])),
    ] {
        assert_eq!(bench.refused(work), FailureKind::BadArtefact);
    }
    assert!(!bench.path("wrap").exists());
}

/// Takes half a minute of all processors and 13 GB.
#[test]
#[ignore = "takes 13 GB of memory"]
fn wraps_a_final_proof() {
    let mut bench = Bench::new();
    let work = bench.wrap(&bench.path("final"), golden_hash());

    let (answer, usage) = bench.wrapper.call(work, LIMIT).unwrap();

    eprintln!("{usage}  {answer:?}");
    let wrap = std::fs::read(bench.path("wrap")).unwrap();
    assert!(
        matches!(answer, Answer::Wrapped { bytes, .. } if bytes == wrap.len() as u64),
        "{answer:?}"
    );
    let verifier = Verifier::new(VerifyingKey::decode(CIRCUIT_V1).unwrap()).unwrap();
    let statement = release(&program()).unwrap().statement(&golden_hash().0);
    assert_eq!(verifier.verify(&statement, &wrap), Ok(()));
    let left = std::fs::read_dir(bench.folder.path()).unwrap().count();
    assert_eq!(left, 2, "the final proof and the wrap");
}
