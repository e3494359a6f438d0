//! What the contracts are given: written to `tests/vectors/wrap` when asked to, read by forge.

use std::{env, fs, path::PathBuf};

use cloister_wrap::{
    circuit::{Air, Circuit, Interaction, Node, PublicValues},
    config::Val,
    evm::{calldata, image, replay},
    merge::{Place, merge},
    prove::Prover,
    release,
    trace::AirTrace,
    verify::Verifier,
};
use p3_field::PrimeCharacteristicRing;

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

/// Rows of the wide circuit's tables, as powers of two. The real one's have 2^9 and 2^15.
const WIDE: [u32; 2] = [9, 12];

/// Numbers that look random and are always the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

/// An AIR of half the real circuit's size that all zeros satisfy: no node has a constant.
fn wide(draw: &mut Draw) -> Air {
    let width = 1045;
    let mut nodes: Vec<(Node, u32)> = (0..width).map(|column| (Node::Local(column), 1)).collect();
    nodes.extend((0..390).map(|column| (Node::Next(2 * column), 1)));
    let columns = nodes.len();
    while nodes.len() < columns + 7_950 {
        let of = [0; 2].map(|_: usize| draw.below(nodes.len()));
        let [left, right] = of.map(|index| nodes[index].1);
        let [a, b] = of.map(|index| index as u32);
        let kind = draw.below(100);
        if kind < 47 && left + right <= 4 {
            nodes.push((Node::Mul(a, b), left + right));
        } else if kind < 80 {
            nodes.push((Node::Add(a, b), left.max(right)));
        } else {
            nodes.push((Node::Sub(a, b), left.max(right)));
        }
    }
    let inner = nodes.len() - columns;
    let constraints = (0..1_300).map(|index| (columns + inner - 1 - 5 * index) as u32);
    let interactions = (0..303)
        .map(|index| Interaction {
            bus: 1 + index as u32 % 41,
            count: draw.below(1000) as u32,
            weight: 1,
            fields: (0..[2, 3, 4, 6, 9, 11][index % 6])
                .map(|_| draw.below(1000) as u32)
                .collect(),
        })
        .collect();
    Air {
        name: "Wide".to_owned(),
        width,
        public_values: PublicValues::None,
        constraints: constraints.collect(),
        interactions,
        nodes: nodes.into_iter().map(|(node, _)| node).collect(),
    }
}

/// Public values that no constraint reads.
fn publics(public_values: PublicValues) -> Air {
    Air {
        name: "Publics".to_owned(),
        width: 1,
        public_values,
        nodes: vec![Node::Local(0)],
        constraints: vec![0],
        interactions: vec![Interaction {
            bus: 50,
            count: 0,
            weight: 1,
            fields: vec![0],
        }],
    }
}

fn wide_circuit() -> (Circuit, Vec<Place>) {
    let mut draw = Draw(7);
    let airs = vec![
        publics(PublicValues::Commitments),
        publics(PublicValues::Bytes(32)),
        wide(&mut draw),
        wide(&mut draw),
    ];
    let place = |log: u32| Place {
        log_height: log,
        log_table: log,
    };
    let places = vec![
        place(WIDE[0]),
        place(WIDE[0]),
        place(WIDE[0]),
        place(WIDE[1]),
    ];
    let circuit = merge(
        airs,
        &places,
        release::PARAMETERS,
        release::MESSAGE_LENGTHS.to_vec(),
    );
    (circuit, places)
}

#[test]
#[ignore = "a minute and 4 GB; for gas figures"]
fn a_proof_as_wide_as_the_real_one_is_written() {
    let (circuit, places) = wide_circuit();
    let prover = Prover::new(circuit, places.clone()).unwrap();
    let verifier = Verifier::new(prover.key().clone()).unwrap();
    let shape = verifier.shape();
    println!("opened per query {}", shape.opened_per_query());
    println!("opened at the point {}", shape.opened_at_point());
    let statement = statement();
    let public: [Vec<u32>; 4] = [
        statement
            .program
            .iter()
            .chain(&statement.machine)
            .copied()
            .collect(),
        statement
            .public_values
            .iter()
            .copied()
            .map(u32::from)
            .collect(),
        vec![],
        vec![],
    ];
    let widths = [1, 1, 1045, 1045];
    let traces: Vec<AirTrace> = (0..4)
        .map(|air| AirTrace {
            width: widths[air],
            values: vec![Val::ZERO; widths[air] << places[air].log_height],
            public_values: public[air].iter().copied().map(Val::from_u32).collect(),
        })
        .collect();
    let proof = prover.prove(&prover.tables(&traces).unwrap()).unwrap();
    println!("proof {} bytes", proof.len());
    verifier.verify(&statement, &proof).unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/wrap");
    let image = image::image(&verifier, &statement.program, &statement.machine).unwrap();
    let replay = replay::replay(&verifier, &statement, &proof).unwrap();
    let head = calldata::head(&replay);
    println!("image {} head {}", image.len(), head.len());
    fs::write(folder.join("wide.image"), image).unwrap();
    fs::write(folder.join("wide.head"), head).unwrap();
    for (part, [first, count]) in [[0, 11], [11, 11], [22, 11]].into_iter().enumerate() {
        let range = calldata::range(&verifier, &replay, first, count);
        println!("queries {first}+{count} {}", range.len());
        fs::write(folder.join(format!("wide.queries{part}")), range).unwrap();
    }
}
