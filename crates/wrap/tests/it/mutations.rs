//! Changes of a true proof, one at a time, that three verifiers refuse: this crate's, the reference
//! and the contracts'. The last two must give the same reason; the contracts read the same list
//! (`tests/vectors/wrap/bare.mutations`; with `CLOISTER_WRITE_VECTORS` set these tests make it and
//! its proof again). Nothing is ground in this proof, so no change is refused by luck: what refuses
//! it is the check that it is about.
//!
//! A line of the list has nine bytes: what is done (0: one more, 1: the modulus more), where (0: head,
//! 1: queries), from which byte (four, big-endian), how many bytes (4: a number, 32: a digest), the
//! reason, and the reason by Plonky3's order of checks, which opens before it looks at constraints.

mod layout;

use std::{fs, path::PathBuf};

use cloister_wrap::{
    circuit::{MODULUS, Parameters},
    config::Challenge,
    evm::{calldata, image, replay},
    key::VerifyingKey,
    proof::{decode, encode},
    statement::Statement,
    verify::{Refusal, Verifier},
};

use p3_field::PrimeCharacteristicRing;

use crate::{
    reference::{self, Reason},
    sample::{PARAMETERS, World, circuit, statement},
};
use layout::{DIGEST, Layout, NUMBER, Run, atoms};

/// No grinding at all.
const BARE: Parameters = Parameters {
    query_pow_bits: 0,
    batch_pow_bits: 0,
    fold_pow_bits: 0,
    lookup_pow_bits: 0,
    point_pow_bits: 0,
    ..PARAMETERS
};

/// Bytes of a line.
const LINE: usize = 9;

/// What is done to a number or digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// One more: modulo the modulus, or in a digest's first byte.
    One = 0,
    /// The modulus more: the same number, not canonical.
    Modulus = 1,
}

impl Change {
    fn apply(self, bytes: &mut [u8], run: Run) {
        let place = &mut bytes[run.from..run.from + run.item];
        if run.item == DIGEST {
            place[0] = place[0].wrapping_add(1);
            return;
        }
        let number = u32::from_le_bytes(place.try_into().unwrap());
        let changed = match self {
            Self::One => (number + 1) % MODULUS,
            Self::Modulus => number + MODULUS,
        };
        place.copy_from_slice(&changed.to_le_bytes());
    }
}

/// A frozen proof without grinding.
struct Frozen {
    verifier: Verifier,
    proof: Vec<u8>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/wrap")
}

fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

impl Frozen {
    fn read() -> Self {
        Self {
            verifier: Verifier::new(VerifyingKey::new(circuit(BARE)).unwrap()).unwrap(),
            proof: read("bare.proof"),
        }
    }

    /// Where the numbers and digests of the contracts' head and queries stand in the proof's file.
    fn places(&self) -> [Vec<Run>; 2] {
        let replay = replay::replay(&self.verifier, &statement(), &self.proof).unwrap();
        let layout = Layout::of(&self.proof);
        let queries = layout.queries(self.verifier.shape(), &replay.positions);
        [atoms(&layout.head()), atoms(&queries)]
    }

    /// Why this crate's verifier refuses bytes.
    fn refusal(&self, bytes: &[u8]) -> Reason {
        reason(&self.verifier.verify(&statement(), bytes).unwrap_err())
    }

    /// Why the reference does.
    fn reference(&self, bytes: &[u8]) -> Reason {
        reference::verify(&self.verifier, &statement(), bytes).unwrap_err()
    }

    /// The list.
    fn list(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for (part, places) in (0..).zip(self.places()) {
            let mut offset = 0_u32;
            for run in places {
                for change in [Change::One, Change::Modulus] {
                    // A witness that must be zero is refused as any other number, whatever it is.
                    let zero = self.proof[run.from..run.from + run.item] == [0; NUMBER];
                    if change == Change::Modulus && (run.item != NUMBER || zero) {
                        continue;
                    }
                    let mut bytes = self.proof.clone();
                    change.apply(&mut bytes, run);
                    lines.extend([change as u8, part]);
                    lines.extend(offset.to_be_bytes());
                    lines.push(u8::try_from(run.item).unwrap());
                    lines.push(self.reference(&bytes) as u8);
                    lines.push(self.refusal(&bytes) as u8);
                }
                offset += u32::try_from(run.item).unwrap();
            }
        }
        lines
    }
}

/// A refusal in the reference's words. Plonky3's errors have no codes for this.
fn reason(refusal: &Refusal) -> Reason {
    let Refusal::NotProved(text) = refusal else {
        return match refusal {
            Refusal::Malformed => Reason::Range,
            Refusal::Shape(_) => Reason::Length,
            other => panic!("{other}"),
        };
    };
    let reasons = [
        ("PowWitness", Reason::Grinding),
        ("PoW witness", Reason::Grinding),
        ("FinalPolyMismatch", Reason::Fold),
        ("OpeningPointMatchesQueryPoint", Reason::Position),
        ("InputError(", Reason::Commitment),
        ("CommitPhaseMmcsError(", Reason::Commitment),
        ("evaluation mismatch", Reason::Constraints),
        ("terminal sum", Reason::Balance),
    ];
    let found = reasons.iter().find(|(part, _)| text.contains(part));
    found
        .unwrap_or_else(|| panic!("an error of another kind: {text}"))
        .1
}

#[test]
fn a_proof_without_grinding_is_written_for_the_contracts() {
    let world = World::new(BARE);
    let statement = statement();
    let replay = replay::replay(&world.verifier, &statement, &world.proof).unwrap();
    let image = image::image(&world.verifier, &statement.program, &statement.machine).unwrap();
    let head = calldata::head(&replay);
    let queries = calldata::range(&world.verifier, &replay, 0, BARE.queries as usize);
    let frozen = Frozen {
        verifier: world.verifier,
        proof: world.proof,
    };
    same(&frozen, &head, &queries);
    if std::env::var_os("CLOISTER_WRITE_VECTORS").is_some() {
        let folder = folder();
        fs::write(folder.join("bare.image"), image).unwrap();
        fs::write(folder.join("bare.proof"), &frozen.proof).unwrap();
        fs::write(folder.join("bare.head"), head).unwrap();
        fs::write(folder.join("bare.queries"), queries).unwrap();
        fs::write(folder.join("bare.mutations"), frozen.list()).unwrap();
    }
}

/// What the contracts take is the proof's file in another order, without a byte more.
fn same(frozen: &Frozen, head: &[u8], queries: &[u8]) {
    let parts = [head, queries];
    for (places, part) in frozen.places().iter().zip(parts) {
        let bytes: Vec<u8> = places
            .iter()
            .flat_map(|run| &frozen.proof[run.from..run.from + run.item])
            .copied()
            .collect();
        assert!(bytes == part);
    }
}

/// SWR-3.
#[test]
fn every_number_and_digest_is_refused_for_the_listed_reason() {
    let frozen = Frozen::read();
    let list = read("bare.mutations");
    same(&frozen, &read("bare.head"), &read("bare.queries"));
    let Statement {
        program, machine, ..
    } = statement();
    let image = image::image(&frozen.verifier, &program, &machine).unwrap();
    assert!(image == read("bare.image"));
    assert_eq!(frozen.verifier.verify(&statement(), &frozen.proof), Ok(()));

    let made = frozen.list();

    assert_eq!(made.len(), list.len());
    for (line, (made, listed)) in made.chunks(LINE).zip(list.chunks(LINE)).enumerate() {
        assert_eq!(made, listed, "line {line}");
    }
    // Nothing is left out.
    let bytes: usize = list
        .chunks(LINE)
        .filter(|line| line[0] == 0)
        .map(|line| usize::from(line[6]))
        .sum();
    assert_eq!(bytes, read("bare.head").len() + read("bare.queries").len());
    assert!(list.len() / LINE > 9_000, "{}", list.len() / LINE);
    for reason in [
        Reason::Range,
        Reason::Grinding,
        Reason::Balance,
        Reason::Constraints,
        Reason::Fold,
        Reason::Commitment,
    ] {
        let lines = list.chunks(LINE).filter(|line| line[7] == reason as u8);
        assert!(lines.count() > 0, "{reason:?}");
    }
}

/// SWR-3: each list without any item, with its last item left out, and with it twice.
#[test]
fn every_list_of_another_length_is_refused_as_such() {
    let frozen = Frozen::read();
    let lists = Layout::of(&frozen.proof).lists;
    assert!(lists.len() > 300, "{}", lists.len());

    for list in lists {
        let part = |from: usize, to: usize| &frozen.proof[from..to];
        let (before, after) = (part(0, list.at), part(list.end, frozen.proof.len()));
        let (items, last) = (part(list.first, list.last), part(list.last, list.end));
        let fewer = [before, &leb(list.length - 1), items, after].concat();
        let longer = [before, &leb(list.length + 1), items, last, last, after].concat();
        let none = [before, &leb(0), after].concat();
        for bytes in [none, fewer, longer] {
            let refusal = frozen.verifier.verify(&statement(), &bytes).unwrap_err();
            let fits = match &refusal {
                // Commitments of three digests, for example, have no encoding.
                Refusal::Malformed | Refusal::Shape(_) => true,
                Refusal::NotProved(text) => text.contains("SiblingCountMismatch"),
                _ => false,
            };
            assert!(fits, "byte {}: {refusal}", list.at);
            assert_eq!(frozen.reference(&bytes), Reason::Length, "byte {}", list.at);
        }
    }
}

/// SWR-1: heights are the key's, whatever the proof says.
#[test]
fn every_other_height_is_refused() {
    let frozen = Frozen::read();
    let heights = Layout::of(&frozen.proof).heights;
    assert_eq!(
        &frozen.proof[heights.first..heights.end],
        [8, 11],
        "the sample's, with random rows between"
    );

    for place in heights.first..heights.end {
        for height in (0..0x80).filter(|height| *height != frozen.proof[place]) {
            let mut bytes = frozen.proof.clone();
            bytes[place] = height;
            assert_eq!(frozen.refusal(&bytes), Reason::Length, "{height}");
            assert_eq!(frozen.reference(&bytes), Reason::Length, "{height}");
        }
    }
}

/// Totals that still cancel out are held by each table's own constraints.
#[test]
fn totals_cannot_move_from_one_table_to_the_other() {
    let frozen = Frozen::read();
    let mut proof = decode(&frozen.proof).unwrap();
    for (table, change) in [Challenge::ONE, Challenge::NEG_ONE].into_iter().enumerate() {
        proof.lookup_terminals[table].as_mut().unwrap().0 += change;
    }
    let bytes = encode(&proof).unwrap();

    assert_eq!(frozen.reference(&bytes), Reason::Constraints);
    assert!(frozen.verifier.verify(&statement(), &bytes).is_err());
}

/// A length as it is written.
fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// SWR-3: the three say the same of whole statements, too.
#[test]
fn a_changed_statement_is_refused_for_its_constraints() {
    let frozen = Frozen::read();

    for index in 0..48 {
        let mut changed: Statement = statement();
        match index {
            0..8 => changed.program[index] += 1,
            8..16 => changed.machine[index - 8] += 1,
            _ => changed.public_values[index - 16] ^= 1,
        }
        let verdict = reference::verify(&frozen.verifier, &changed, &frozen.proof);
        assert_eq!(verdict.unwrap_err(), Reason::Constraints, "{index}");
        assert!(frozen.verifier.verify(&changed, &frozen.proof).is_err());
    }
}
