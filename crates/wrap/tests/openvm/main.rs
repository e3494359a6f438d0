//! The released circuit against `OpenVM` and a real final proof. For optimised builds: with others
//! it takes hours.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../common/forge.rs"]
mod forge;
mod serve;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

use cloister_prove::{image, protocol::Hash, verify::VerifyingKey as ProgramKey};
use cloister_wrap::{
    check::{Report, check},
    config::Val,
    key::VerifyingKey,
    openvm::{Wrapper, release},
    release::{CIRCUIT_V1, Release},
    statement::Statement,
    trace::TableTrace,
    verify::{Refusal, Verifier},
};
use openvm_continuations::{CommitBytes, RootSC, circuit::Circuit as _};
use openvm_stark_backend::{
    air_builders::debug::{AirProofRawInput, debug_constraints_and_interactions},
    keygen::types::StarkProvingKey,
    p3_field::{PrimeCharacteristicRing as _, PrimeField32 as _},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::F;
use openvm_verify_stark_host::VmStarkProof;
use p3_field::{PrimeCharacteristicRing, PrimeField32};

use forge::{Forger, Part, Patience};

/// The golden batch's final proof, made with the released guest.
const GOLDEN: &[u8] = include_bytes!("../../../prove/tests/data/golden.proof");

/// What all tests need.
struct World {
    program: ProgramKey,
    batch_hash: Hash,
    proof: VmStarkProof,
    wrapper: Wrapper,
    tables: Vec<TableTrace>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let program = ProgramKey::decode(image::verifying_key(image::CURRENT).unwrap()).unwrap();
        let batch_hash = Hash(GOLDEN[12..44].try_into().unwrap());
        let proof = program.open(GOLDEN, batch_hash).unwrap();
        let wrapper = Wrapper::new(program.openvm()).unwrap();
        let tables = wrapper.traces(&proof).unwrap();
        World {
            program,
            batch_hash,
            proof,
            wrapper,
            tables,
        }
    })
}

impl World {
    fn statement(&self) -> Statement {
        release(&self.program)
            .unwrap()
            .statement(&self.batch_hash.0)
    }

    fn check(&self, tables: &[TableTrace]) -> Report {
        check(self.wrapper.key().circuit(), tables)
    }
}

/// Traces as `OpenVM`'s own checker takes them.
fn inputs(world: &World) -> Vec<AirProofRawInput<F>> {
    let context = world.wrapper.root().context(&world.proof).unwrap();
    context
        .per_trace
        .into_iter()
        .map(|(_, context)| AirProofRawInput {
            cached_mains: Vec::new(),
            common_main: Some(Arc::new(
                openvm_stark_backend::p3_matrix::dense::RowMajorMatrix::new(
                    context.common_main.values.clone(),
                    context.common_main.width,
                ),
            )),
            public_values: context.public_values,
        })
        .collect()
}

/// Whether `OpenVM`'s own checker accepts traces.
fn openvm_accepts(world: &World, inputs: &[AirProofRawInput<F>]) -> bool {
    let prover = world.wrapper.root().prover();
    let airs = prover.get_circuit().airs();
    let key = world.wrapper.root().key();
    let keys: Vec<&StarkProvingKey<RootSC>> = key.per_air.iter().collect();
    let check = || debug_constraints_and_interactions::<RootSC>(&airs, &keys, inputs);
    catch_unwind(AssertUnwindSafe(check)).is_ok()
}

/// The same cell of an AIR's trace, where it stands in the tables.
fn place(world: &World, air: &str) -> (usize, usize) {
    let tables = &world.wrapper.key().circuit().tables;
    for (number, table) in tables.iter().enumerate() {
        let mut column = 0;
        for candidate in &table.airs {
            if candidate.name == air {
                return (number, column);
            }
            column += candidate.width as usize;
        }
    }
    (usize::MAX, usize::MAX)
}

#[test]
fn the_released_circuit_is_derived_again() {
    let world = world();

    assert!(world.wrapper.key().encode() == CIRCUIT_V1);
}

#[test]
fn a_release_names_what_openvm_s_root_circuit_reveals() {
    let world = world();
    let release = release(&world.program).unwrap();
    let numbers = |digest: [F; 8]| digest.map(|number| number.as_canonical_u32());
    let machine = CommitBytes::try_new(world.program.machine().0).unwrap();

    let baseline = &world.program.openvm().baseline;
    assert_eq!(release.program, numbers(baseline.app_exe_commit));
    assert_eq!(release.machine, numbers(machine.into()));
    // And the traces' public values are the statement's.
    let expected = world
        .statement()
        .public_values(world.wrapper.key().circuit())
        .unwrap();
    for (table, values) in world.tables.iter().zip(expected) {
        let made: Vec<u32> = table
            .public_values
            .iter()
            .map(PrimeField32::as_canonical_u32)
            .collect();
        assert_eq!(made, values);
    }
    let again = Release::decode(&release.encode()).unwrap();
    assert_eq!(again.encode(), release.encode());
}

#[test]
fn both_checkers_accept_real_traces() {
    let world = world();

    let report = world.check(&world.tables);

    assert_eq!(report.faults, vec![]);
    assert!(report.constraints > 40_000_000, "{report:?}");
    assert!(openvm_accepts(world, &inputs(world)));
}

#[test]
fn both_checkers_refuse_changed_cells() {
    let world = world();
    let key = world.wrapper.root().key();
    let made = inputs(world);
    // One cell in the first row of every AIR: its second column, or its only one.
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (index, air) in key.per_air.iter().enumerate() {
        let column = usize::from(air.vk.params.width.common_main > 1);
        let (table, first) = place(world, &air.air_name);
        let mut tables = world.tables.clone();
        tables[table].matrix.values[first + column] += Val::ONE;
        ours.push(world.check(&tables).faults.is_empty());
        // OpenVM's takes longer, so every third.
        if index % 3 == 0 {
            let main = made[index].common_main.as_ref().unwrap();
            let mut main = main.as_ref().clone();
            main.values[column] += F::ONE;
            let mut changed = inputs(world);
            changed[index].common_main = Some(Arc::new(main));
            theirs.push((index, openvm_accepts(world, &changed)));
        }
    }

    for (index, accepted) in theirs {
        assert_eq!(accepted, ours[index], "AIR {index}");
    }
    let accepted: Vec<usize> = (0..ours.len()).filter(|index| ours[*index]).collect();
    // Rows that are not in use may hold anything.
    assert!(accepted.len() < 8, "{accepted:?}");
}

#[test]
fn every_changed_public_value_is_refused() {
    let world = world();

    for (number, table) in world.tables.iter().enumerate() {
        for index in 0..table.public_values.len() {
            let mut tables = world.tables.clone();
            tables[number].public_values[index] += Val::ONE;
            let report = world.check(&tables);
            assert!(!report.faults.is_empty(), "table {number}, value {index}");
        }
    }
}

#[test]
fn the_released_circuit_has_a_hundred_proven_bits() {
    let verifier = Verifier::new(VerifyingKey::decode(CIRCUIT_V1).unwrap()).unwrap();
    let report =
        cloister_wrap::security::report(verifier.key().circuit(), &verifier.security_shape());

    assert!(report.security_bits() >= 100.0, "{report:?}");
    for term in report.ldr.unwrap().terms() {
        assert!(term.bits.bits() >= 100.0, "{term:?}");
    }
}

/// Takes half a minute of all processors and 13 GB.
#[test]
#[ignore = "takes 13 GB of memory"]
fn a_real_wrap_is_accepted_and_proves_nothing_else() {
    let world = world();
    let wrap = world.wrapper.prover().prove(world.tables.clone()).unwrap();
    let verifier = Verifier::new(VerifyingKey::decode(CIRCUIT_V1).unwrap()).unwrap();

    assert_eq!(verifier.verify(&world.statement(), &wrap), Ok(()));
    for index in 0..48 {
        let mut changed = world.statement();
        match index {
            0..8 => changed.program[index] ^= 1,
            8..16 => changed.machine[index - 8] ^= 1,
            _ => changed.public_values[index - 16] ^= 1,
        }
        let verdict = verifier.verify(&changed, &wrap);
        assert!(matches!(verdict, Err(Refusal::NotProved(_))), "{index}");
    }
}

/// As `without_any_one_part_something_false_passes` does for the sample, on the golden proof's traces:
/// says how many forgeries it finds in each AIR, and lists the parts that it finds none for. Not
/// finding one is no proof that there is none: `OpenVM`'s constraints follow from each other in
/// places, and this forger gives up early. Tries every 97th part, or every n-th as
/// `CLOISTER_FORGE_EVERY` says: 1 takes hours.
#[test]
#[ignore = "takes minutes"]
fn without_a_part_of_the_real_circuit_something_false_passes() {
    const PATIENCE: Patience = Patience {
        starts: 100,
        ways: 2,
        mends: 40,
    };
    let world = world();
    let circuit = world.wrapper.key().circuit();
    let every = std::env::var_os("CLOISTER_FORGE_EVERY")
        .map_or(97, |every| every.to_str().unwrap().parse().unwrap());
    let airs = circuit.tables.iter().flat_map(|table| &table.airs);
    let messages = airs.flat_map(|air| &air.interactions);
    let buses: BTreeSet<u32> = messages.map(|message| message.bus).collect();
    let parts = Forger::parts(circuit).into_iter();
    let buses = buses.into_iter().map(Part::Bus);
    let mut forger = Forger::new(circuit, &world.tables);
    // Of each AIR, and of buses: parts tried, forgeries found.
    let mut tally: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut missing, mut checked) = (Vec::new(), 0);
    for part in parts.chain(buses).step_by(every) {
        let name = match part {
            Part::Constraint(seat, _) | Part::Message(seat, _) => {
                circuit.tables[seat.table].airs[seat.air].name.as_str()
            }
            Part::Bus(_) => "buses",
        };
        let (tried, hits) = tally.entry(name).or_default();
        *tried += 1;
        let Some(changes) = forger.forge(part, PATIENCE) else {
            missing.push((name, part));
            continue;
        };
        *hits += 1;
        // The checker goes through forty million constraints for each.
        if checked < 4 {
            assert!(forger.holds(part, &changes), "{part:?}: {changes:?}");
            checked += 1;
        }
    }

    for (name, (tried, hits)) in &tally {
        println!("{name}: {hits} of {tried}");
    }
    for (name, part) in &missing {
        println!("none found: {name}, {part:?}");
    }
    assert_eq!(checked, 4);
}
