//! What the contracts are given: written to `tests/vectors/wrap` when asked to, read by forge.

use std::{env, fs, path::PathBuf};

use cloister_wrap::evm::{calldata, image, replay};

use crate::sample::{PARAMETERS, statement, world};

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
        fs::write(folder.join("sample.public"), &statement.public_values).unwrap();
        let text = format!(
            "constraint {:?}\nzeta {:?}\ncombine {:?}\nfolds {:?}\npositions {:?}\n",
            replay.constraint, replay.zeta, replay.combine, replay.folds, replay.positions
        );
        fs::write(folder.join("sample.txt"), text).unwrap();
        println!(
            "image {} head {} queries {}",
            image.len(),
            head.len(),
            whole.len()
        );
    }
}
