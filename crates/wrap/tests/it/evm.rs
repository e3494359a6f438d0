//! What the contracts are given: written to `tests/vectors/wrap` when asked to, read by forge.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use cloister_wrap::{
    config::Val,
    evm::{calldata, image, replay},
    key::VerifyingKey,
    statement::Statement,
    verify::Verifier,
};
use p3_field::PrimeCharacteristicRing;

use crate::sample::{PARAMETERS, column, statement, world};

#[test]
fn the_image_is_the_one_that_the_contracts_are_tested_with() {
    let (world, statement) = (world(), statement());

    let image = image::image(&world.verifier, &statement.program, &statement.machine).unwrap();

    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/wrap");
    assert_eq!(fs::read(folder.join("sample.image")).unwrap(), image);
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

#[test]
#[ignore = "needs a real proof: wrap.key, wrap.proof and statement.json in CLOISTER_WRAP_FOLDER"]
fn a_real_proof_is_written_for_the_contracts() {
    let source = PathBuf::from(env::var_os("CLOISTER_WRAP_FOLDER").unwrap());
    let key = VerifyingKey::decode(&fs::read(source.join("wrap.key")).unwrap()).unwrap();
    let proof = fs::read(source.join("wrap.proof")).unwrap();
    let text = fs::read_to_string(source.join("statement.json")).unwrap();
    let (commitments, public) = text.split_once("\"public_values\"").unwrap();
    let numbers: Vec<u32> = commitments
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let hex: Vec<u8> = public
        .bytes()
        .filter_map(|digit| (digit as char).to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    let statement = Statement {
        program: std::array::from_fn(|index| numbers[index]),
        machine: std::array::from_fn(|index| numbers[8 + index]),
        public_values: hex.chunks(2).map(|pair| 16 * pair[0] + pair[1]).collect(),
    };
    let verifier = Verifier::new(key).unwrap();
    verifier.verify(&statement, &proof).unwrap();
    write_parts("real", &verifier, &statement, &proof, &[[0, 17], [17, 16]]);
}

/// Writes all that a test in Solidity needs.
fn write_parts(
    name: &str,
    verifier: &Verifier,
    statement: &Statement,
    proof: &[u8],
    ranges: &[[usize; 2]],
) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/wrap");
    let image = image::image(verifier, &statement.program, &statement.machine).unwrap();
    let replay = replay::replay(verifier, statement, proof).unwrap();
    let head = calldata::head(&replay);
    fs::write(folder.join(format!("{name}.image")), image).unwrap();
    fs::write(folder.join(format!("{name}.head")), head).unwrap();
    fs::write(
        folder.join(format!("{name}.public")),
        &statement.public_values,
    )
    .unwrap();
    for (part, [first, count]) in ranges.iter().enumerate() {
        let range = calldata::range(verifier, &replay, *first, *count);
        fs::write(folder.join(format!("{name}.queries{part}")), range).unwrap();
    }
}
