//! What the contracts are given: written to `tests/vectors/wrap` when asked to, read by forge.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use cloister_wrap::{
    circuit::MODULUS,
    config::Val,
    evm::{
        calldata,
        image::{self, BadImage},
        replay,
    },
    release::Release,
    verify::Verifier,
};
use p3_field::PrimeCharacteristicRing;
use serde_json::Value;

use crate::sample::{PARAMETERS, column, statement, world};

#[test]
fn the_image_is_the_one_that_the_contracts_are_tested_with() {
    let (world, statement) = (world(), statement());

    let image = image::image(&world.verifier, &statement.program, &statement.machine).unwrap();

    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/wrap");
    assert_eq!(fs::read(folder.join("sample.image")).unwrap(), image);
}

#[test]
fn a_commitment_has_one_name() {
    let (world, statement) = (world(), statement());
    let mut other = statement.program;
    other[3] += MODULUS;

    let images = [(&other, &statement.machine), (&statement.machine, &other)]
        .map(|(program, machine)| image::image(&world.verifier, program, machine));

    assert_eq!(
        images,
        [Err(BadImage::Commitment), Err(BadImage::Commitment)]
    );
}

#[test]
fn a_proof_is_written_for_the_contracts() {
    let world = world();
    let statement = statement();
    let image = image::image(&world.verifier, &statement.program, &statement.machine).unwrap();
    let replay = replay::replay(&world.verifier, &statement, &world.proof).unwrap();
    let head = calldata::head(&replay);
    let queries = PARAMETERS.queries as usize;
    let whole = calldata::range(&world.verifier, &replay, 0, queries);
    let parts: Vec<Vec<u8>> = (0..queries)
        .map(|query| calldata::range(&world.verifier, &replay, query, 1))
        .collect();
    assert!(whole.len() <= parts.iter().map(Vec::len).sum());
    if env::var_os("CLOISTER_WRITE_VECTORS").is_some() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/wrap");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("sample.image"), &image).unwrap();
        fs::write(folder.join("sample.head"), &head).unwrap();
        fs::write(folder.join("sample.queries"), &whole).unwrap();
        for (query, part) in parts.iter().enumerate() {
            fs::write(folder.join(format!("sample.query{query}")), part).unwrap();
        }
        write_false_heads(&folder);
        fs::write(folder.join("sample.public"), &statement.public_values).unwrap();
        let text = format!(
            "constraint {:?}\nzeta {:?}\ncombine {:?}\nfolds {:?}\npositions {:?}\n",
            replay.constraint, replay.zeta, replay.combine, replay.folds, replay.positions
        );
        fs::write(folder.join("sample.txt"), text).unwrap();
    }
}

/// Heads of proofs of false traces, one for each table, whose buses balance: only the constraints
/// tell.
fn write_false_heads(folder: &Path) {
    let world = world();
    let circuit = world.prover.key().circuit();
    // A square that is wrong and not asked for; a number asked for twice in one of its two rows.
    let squares = column(circuit, 0, "Squares");
    let work = column(circuit, 1, "Work");
    let unasked = (0..128).find(|row| {
        let width = world.tables[0].matrix.width;
        world.tables[0].matrix.values[row * width + squares + 2] == Val::ZERO
    });
    let changes = [
        ("low", 0, vec![(unasked.unwrap(), squares + 1, 99_999)]),
        ("high", 1, vec![(2, work, 2), (66, work, 0)]),
    ];
    for (name, table, cells) in changes {
        let mut tables = world.tables.clone();
        let width = tables[table].matrix.width;
        for (row, column, value) in cells {
            tables[table].matrix.values[row * width + column] = Val::from_u32(value);
        }
        let proof = world.prover.prove(tables).unwrap();
        assert!(world.verifier.verify(&statement(), &proof).is_err());
        let replay = replay::replay_openings(&world.verifier, &statement(), &proof).unwrap();
        let head = calldata::head(&replay);
        fs::write(folder.join(format!("sample.false-{name}.head")), head).unwrap();
    }
}

/// The released guest with the circuit, as `guest/image` and `crates/wrap/data` have them.
fn release() -> Release {
    let text = fs::read_to_string(folder("guest/image/v1/image.json")).unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    let commitment = |name: &str| hex(description[name].as_str().unwrap());
    Release::v1(1, commitment("program"), commitment("machine")).unwrap()
}

/// Compares a file with what is made from it, or writes it when asked to.
fn same(path: &str, made: &[u8]) {
    if env::var_os("CLOISTER_WRITE_VECTORS").is_some() {
        fs::write(folder(path), made).unwrap();
    }
    let present = fs::read(folder(path)).unwrap_or_default();
    assert!(present == made, "{path}: set CLOISTER_WRITE_VECTORS");
}

/// SWR-1: what a verifier on Ethereum knows of guest version 1 follows from the circuit and the two
/// commitments.
#[test]
fn the_released_image_is_derived_again() {
    let release = release();
    let verifier = Verifier::new(release.key.clone()).unwrap();

    let image = image::image(&verifier, &release.program, &release.machine).unwrap();

    same("guest/image/v1/verifier.image", &image);
}

/// `real.wrap` is a wrap of the golden batch's final proof, made by `cloister-wrapper wrap`.
#[test]
fn a_real_wrap_holds_and_is_written_for_the_contracts() {
    let text = fs::read_to_string(folder("tests/vectors/chain.json")).unwrap();
    let chain: Value = serde_json::from_str(&text).unwrap();
    let batch_hash: [u8; 32] = hex(chain["batch"]["hash"].as_str().unwrap());
    let release = release();
    let verifier = Verifier::new(release.key.clone()).unwrap();
    let statement = release.statement(&batch_hash);
    let proof = fs::read(folder("tests/vectors/wrap/real.wrap")).unwrap();

    assert_eq!(verifier.verify(&statement, &proof), Ok(()));

    let replay = replay::replay(&verifier, &statement, &proof).unwrap();
    same("tests/vectors/wrap/real.public", &batch_hash);
    same("tests/vectors/wrap/real.head", &calldata::head(&replay));
    for (part, [first, count]) in [[0, 17], [17, 16]].into_iter().enumerate() {
        let range = calldata::range(&verifier, &replay, first, count);
        same(&format!("tests/vectors/wrap/real.queries{part}"), &range);
    }
}

/// A place in the repository.
fn folder(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// 32 bytes from hexadecimal digits.
fn hex(digits: &str) -> [u8; 32] {
    let digits = digits.strip_prefix("0x").unwrap();
    std::array::from_fn(|place| u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).unwrap())
}
