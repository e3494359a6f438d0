//! Real proofs by the real engine, as the prover service asks for them. Takes minutes: run it by
//! `cargo xtask engine --test`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers may panic"
)]

mod constraints;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use cloister_prove::{
    client::{ClientError, Engine, Options},
    image,
    protocol::{Answer, FailureKind, Hash, Usage, Work},
    tree::layers,
    verify::verify,
};

/// Long enough for any stage on a busy machine.
const LIMIT: Duration = Duration::from_hours(1);

/// Memory that a worker may take (issue 3), in bytes.
const MEMORY: u64 = 10_000_000_000;

/// Rounds of the counting program for three segments.
const ROUNDS: u32 = 1_500_000;

/// A folder of this test, and engines that keep their keys in it.
struct Bench {
    folder: tempfile::TempDir,
    elf: Option<PathBuf>,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            elf: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn engine(&self) -> Engine {
        let options = Options {
            program: PathBuf::from(env!("CARGO_BIN_EXE_cloister-prover-engine")),
            key_cache: Some(self.path("keys")),
            threads: None,
            memory_limit_bytes: None,
            elf: self.elf.clone(),
        };
        Engine::start(&options, Box::new(|line| eprintln!("engine: {line}"))).unwrap()
    }
}

/// The golden vectors' batch: its input and its hash.
fn golden() -> (Vec<u8>, Hash) {
    let vectors = include_str!("../../../../tests/vectors/chain.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let input = vectors["batch_input"].as_str().unwrap();
    let input = hex::decode(input.strip_prefix("0x").unwrap()).unwrap();
    let hash = vectors["batch"]["hash"].as_str().unwrap().parse().unwrap();
    (input, hash)
}

/// A program that counts down from `rounds` in three instructions a round, then reveals zeros and
/// ends: the smallest that has several segments. Written in machine words, for want of a compiler
/// in this test.
fn counting_program(rounds: u32) -> Vec<u8> {
    let reveal = |at: u32| (at << 20) | (6 << 15) | (2 << 12) | (5 << 7) | 0x0b;
    let mut words = vec![
        // lui s0, rounds[31:12]; addi s0, s0, rounds[11:0]
        (rounds & 0xffff_f000) | (8 << 7) | 0x37,
        ((rounds & 0x7ff) << 20) | (8 << 15) | (8 << 7) | 0x13,
        // addi t2, t2, 1; addi s0, s0, -1; bne s0, x0, two words back
        (1 << 20) | (7 << 15) | (7 << 7) | 0x13,
        (0xfff << 20) | (8 << 15) | (8 << 7) | 0x13,
        0xfe04_1ce3,
    ];
    words.extend((0..32).step_by(4).map(reveal));
    words.push(0x0b);
    let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let base: u32 = 0x0020_0800;
    let length = u32::try_from(code.len()).unwrap();
    let mut elf = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [2_u16, 243] {
        elf.extend_from_slice(&half.to_le_bytes());
    }
    for word in [1, base, 52, 0, 0] {
        elf.extend_from_slice(&word.to_le_bytes());
    }
    for half in [52_u16, 32, 1, 40, 0, 0] {
        elf.extend_from_slice(&half.to_le_bytes());
    }
    for word in [1, 84, base, base, length, length, 5, 4] {
        elf.extend_from_slice(&word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// Asks and prints what it took.
fn ask(engine: &mut Engine, stage: &str, work: Work) -> Answer {
    let (answer, usage) = engine.call(work, LIMIT).unwrap();
    let Usage {
        cpu_ms,
        wall_ms,
        peak_bytes,
    } = usage;
    eprintln!("{cpu_ms:>8} ms CPU {wall_ms:>8} ms, peak {peak_bytes} bytes: {stage}");
    assert!(peak_bytes < MEMORY, "{stage} took {peak_bytes} bytes");
    answer
}

/// Runs the tree over `segments` artefacts, engines in turn, and gives the root.
fn climb(bench: &Bench, engines: &mut [Engine], mut below: Vec<PathBuf>) -> PathBuf {
    let mut next = 0;
    for layer in layers(u32::try_from(below.len()).unwrap()).unwrap() {
        let mut nodes = Vec::new();
        for node in &layer.nodes {
            let output = bench.path(&format!("{:?}-{}", layer.kind, nodes.len()));
            let children = below[node.start as usize..node.end as usize].to_vec();
            let stage = format!("{:?} over {}", layer.kind, children.len());
            let work = Work::Aggregate {
                layer: layer.kind,
                children,
                output: output.clone(),
            };
            let turn = next % engines.len();
            next += 1;
            ask(&mut engines[turn], &stage, work);
            nodes.push(output);
        }
        below = nodes;
    }
    assert_eq!(below.len(), 1);
    below.remove(0)
}

/// Executes, proves every segment by the engines in turn, and finishes.
fn prove(bench: &Bench, engines: &mut [Engine], input: &[u8]) -> (usize, Hash, Vec<u8>) {
    let file = bench.path("input");
    std::fs::write(&file, input).unwrap();
    let work = Work::Execute {
        input: file.clone(),
    };
    let Answer::Executed {
        batch_hash,
        segments,
        ..
    } = ask(&mut engines[0], "execute", work)
    else {
        panic!("another answer");
    };
    let mut proofs = Vec::new();
    for index in 0..segments.len() {
        let output = bench.path(&format!("segment-{index}"));
        let last = index + 1 == segments.len();
        let work = Work::Segment {
            input: file.clone(),
            index: u32::try_from(index).unwrap(),
            output: output.clone(),
            public_values: last.then(|| bench.path("public-values")),
        };
        let turn = index % engines.len();
        ask(&mut engines[turn], &format!("segment {index}"), work);
        proofs.push(output);
    }
    let work = Work::Finish {
        root: climb(bench, engines, proofs),
        public_values: bench.path("public-values"),
        batch_hash,
        output: bench.path("final"),
    };
    ask(&mut engines[0], "finish", work);
    let proof = std::fs::read(bench.path("final")).unwrap();
    (segments.len(), batch_hash, proof)
}

/// The failure of a request that must fail.
fn refused(engine: &mut Engine, work: Work) -> FailureKind {
    match engine.call(work, LIMIT) {
        Err(ClientError::Failed(failure)) => failure.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_real_batch_becomes_a_proof_that_holds() {
    let bench = Bench::new();
    let (input, hash) = golden();
    let mut engines = [bench.engine()];
    let (_, revealed, proof) = prove(&bench, &mut engines, &input);
    assert_eq!(revealed, hash);
    let verified = verify(&proof, hash).unwrap();
    assert_eq!(
        (verified.image, verified.batch_hash),
        (image::CURRENT, hash)
    );
    refuses_what_does_not_fit(&bench, &mut engines[0], hash);
}

/// Requests that must fail after a batch was proved, and leave the engine at work (SPV-5).
fn refuses_what_does_not_fit(bench: &Bench, engine: &mut Engine, batch_hash: Hash) {
    let finish = |root: &Path, batch_hash| Work::Finish {
        root: root.to_owned(),
        public_values: bench.path("public-values"),
        batch_hash,
        output: bench.path("never"),
    };
    let root = bench.path("InternalFirst-0");
    let other = Hash([7; 32]);
    assert_eq!(refused(engine, finish(&root, other)), FailureKind::Invalid);
    let leaf = bench.path("Leaf-0");
    assert_eq!(
        refused(engine, finish(&leaf, batch_hash)),
        FailureKind::BadArtefact
    );
    let whole = std::fs::read(&root).unwrap();
    let cut = bench.path("cut");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(
        refused(engine, finish(&cut, batch_hash)),
        FailureKind::BadArtefact
    );
    let verify = |batch_hash| Work::Verify {
        proof: bench.path("final"),
        batch_hash,
    };
    assert_eq!(refused(engine, verify(other)), FailureKind::Invalid);
    let wrap = Work::Wrap {
        proof: bench.path("final"),
        batch_hash,
        output: bench.path("never"),
    };
    assert_eq!(refused(engine, wrap), FailureKind::BadRequest);
    assert!(!bench.path("never").exists());
    // A batch that the program refuses, and a request for a segment that is not there.
    let broken = bench.path("broken");
    std::fs::write(&broken, [0; 100]).unwrap();
    let execute = Work::Execute { input: broken };
    assert_eq!(refused(engine, execute), FailureKind::Rejected);
    let (answer, _) = engine.call(verify(batch_hash), LIMIT).unwrap();
    assert_eq!(answer, Answer::Verified {});
}

#[test]
fn two_engines_share_the_segments_of_a_batch() {
    let mut bench = Bench::new();
    let elf = bench.path("counting.elf");
    std::fs::write(&elf, counting_program(ROUNDS)).unwrap();
    bench.elf = Some(elf);
    let mut engines = [bench.engine(), bench.engine()];
    let (segments, revealed, _) = prove(&bench, &mut engines, b"");
    assert!(segments > 1, "{segments} segments");
    assert_eq!(revealed, Hash([0; 32]));
}

/// What an engine says that may take so many bytes and is to prove a segment.
fn with_little_memory(bench: &Bench, bytes: u64) -> ClientError {
    let (file, elf) = (bench.path("input"), bench.path("program.elf"));
    std::fs::write(&file, b"").unwrap();
    std::fs::write(&elf, counting_program(ROUNDS)).unwrap();
    let options = Options {
        program: PathBuf::from(env!("CARGO_BIN_EXE_cloister-prover-engine")),
        key_cache: Some(bench.path("keys")),
        threads: None,
        memory_limit_bytes: Some(bytes),
        elf: Some(elf),
    };
    let mut engine = Engine::start(&options, Box::new(|_| ())).unwrap();
    let work = Work::Segment {
        input: file,
        index: 0,
        output: bench.path("segment"),
        public_values: None,
    };
    let error = engine.call(work, LIMIT).unwrap_err();
    assert!(!bench.path("segment").exists());
    error
}

#[test]
fn an_engine_without_memory_dies_alone() {
    // A full segment takes 3.9 GB, what comes before it 1.9.
    let error = with_little_memory(&Bench::new(), 2_500_000_000);
    assert!(matches!(error, ClientError::Died(_)), "{error}");
    assert!(
        error.to_string().contains("probably out of memory"),
        "{error}"
    );
}

#[test]
fn a_machine_whose_memory_cannot_be_had_is_not_the_programs_fault() {
    // Enough for the keys, but not for the memory of the machine that runs the program.
    let error = with_little_memory(&Bench::new(), 1_500_000_000);
    let ClientError::Failed(failure) = error else {
        panic!("{error}");
    };
    assert_eq!(failure.kind, FailureKind::Internal, "{failure}");
    assert!(failure.message.contains("give workers more"), "{failure}");
}
