//! What went wrong in Plonky3 before, held against the release that the wrap uses, in the way that
//! the wrap uses it. Each test says why a release without the fix would fail it. Pull requests are
//! named as in Plonky3's change logs. What only concerns the proof's file (lengths: GHSA-m23j-cj9m-ppg9;
//! ranges; grinding of no bits: pull request 2106) is in `mutations.rs`, what concerns lower matrices of
//! a tree (pull request 1921) in `salted.rs`.

use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
};

use cloister_wrap::{
    circuit::{BadCircuit, Circuit, MODULUS, Parameters, PublicValues},
    config::{Challenge, ChallengeMmcs, Challenger, Commitment, Val, ValMmcs, config, rows},
    evm::replay,
    key::VerifyingKey,
    proof::{decode, encode},
    release::{self, CIRCUIT_V1},
};
use p3_commit::{Mmcs, OpeningRequest, Pcs};
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use p3_fri::{TwoAdicFriFolding, TwoAdicFriFoldingForMmcs, verifier::fold_query};
use p3_matrix::{Dimensions, dense::RowMajorMatrix};
use p3_symmetric::MerkleCap;
use p3_uni_stark::StarkGenericConfig;
use rand_core::{SeedableRng, rngs::StdRng};

use crate::{
    reference,
    sample::{PARAMETERS, circuit, statement, world},
};

/// Opened values were once not absorbed before the challenge that combines them was drawn
/// (GHSA-vrmm-4mm5-38vm): a forger who knows the challenge changes two values so that their
/// combination stays. Here two random columns' values change, which no constraint reads, so a
/// verifier that does not absorb them computes the same of the changed proof as of the true one,
/// and accepts it. All matrices, at all points.
#[test]
fn values_that_combine_to_the_same_are_not_the_same() {
    let world = world();
    let combine = replay::replay(&world.verifier, &statement(), &world.proof)
        .unwrap()
        .combine;
    let proof = decode(&world.proof).unwrap();
    let mut tried = 0;
    for (round, matrices) in proof.opening_proof.0.iter().enumerate() {
        for (matrix, points) in matrices.iter().enumerate() {
            for point in 0..points.len() {
                let mut changed = decode(&world.proof).unwrap();
                let values = &mut changed.opening_proof.0[round][matrix][point];
                let before = values[0] + combine * values[1];
                values[0] += combine;
                values[1] -= Challenge::ONE;
                assert_eq!(values[0] + combine * values[1], before);
                let bytes = encode(&changed).unwrap();
                let verdict = world.verifier.verify(&statement(), &bytes);
                assert!(verdict.is_err(), "{round} {matrix} {point}");
                tried += 1;
            }
        }
    }
    // A random matrix, a trace and one of buses a table, the last two at two points, and quotient
    // chunks.
    let tables = &world.verifier.shape().tables;
    let chunks: usize = tables.iter().map(|table| table.quotient_chunks).sum();
    assert_eq!(tried, 2 + 4 + chunks + 4);
}

/// Whatever a prover chooses must be absorbed: commitments, totals of buses (pull request 1385),
/// opened values, heights, public values. The reference verifier absorbs what the specification
/// lists and accepts what Plonky3 proves; if it leaves out any one thing, it no longer does. So
/// Plonky3 absorbs each.
#[test]
fn the_prover_absorbs_everything_that_the_specification_lists() {
    let world = world();
    let accepts =
        |deaf| reference::verify_deaf(&world.verifier, &statement(), &world.proof, deaf).is_ok();
    assert!(accepts(None));

    for what in [
        "seed of p3-batch-stark",
        "height",
        "commitment to the traces",
        "public values",
        "lookup grinding",
        "commitment to the buses",
        "total of a table",
        "commitment to the quotients",
        "commitment to the random polynomials",
        "point grinding",
        "seed of p3-fri-pcs",
        "claimed values",
        "opening grinding",
        "seed of p3-fri",
        "commitment to a fold",
        "fold grinding",
        "last polynomial",
        "query grinding",
    ] {
        assert!(!accepts(Some(what)), "{what}");
    }
}

/// What is claimed of a lower table joins the folding under a random factor. It was once added as it
/// is (GHSA-f69f-5fx9-w9r9): then what two tables say can be made to cancel out, so that words of any
/// degree fold down to the last polynomial.
#[test]
fn a_lower_table_joins_the_folding_under_a_random_factor() {
    let proof = decode(&world().proof).unwrap();
    let openings = &proof.opening_proof.1.commit_phase_openings[..1];
    let arity = openings[0].sibling_values[0].len() + 1;
    let (levels, log) = (16, arity.ilog2() as usize);
    let folding: TwoAdicFriFoldingForMmcs<Val, ValMmcs> = TwoAdicFriFolding(PhantomData);
    let beta = Challenge::from_basis_coefficients_fn(|i| Val::from_usize(7 * i + 3));
    let high = Challenge::from_basis_coefficients_fn(|i| Val::from_usize(i + 11));
    let low = Challenge::from_basis_coefficients_fn(|i| Val::from_usize(5 * i + 2));
    let fold = |low: Challenge| {
        let mut position = 12_345;
        fold_query::<_, Val, Challenge, ChallengeMmcs>(
            &folding,
            0,
            &mut position,
            &[beta],
            &[log],
            openings,
            vec![(levels, high), (levels - log, low)],
            levels,
            levels - log,
            &mut [Vec::new()],
            &mut [Vec::new()],
        )
        .unwrap()
    };
    let joined = fold(low) - fold(Challenge::ZERO);
    assert_eq!(joined, beta.exp_power_of_2(log) * low);
}

/// Two matrices of one height, opened at two positions.
struct Opened {
    checker: ValMmcs,
    cap: MerkleCap<Val, [u8; 32]>,
    dimensions: Vec<Dimensions>,
    positions: Vec<usize>,
    rows: Vec<Vec<Vec<Val>>>,
    proof: <ValMmcs as Mmcs<Val>>::MultiProof,
}

impl Opened {
    fn new(positions: Vec<usize>) -> Self {
        let checker = rows(&PARAMETERS, StdRng::seed_from_u64(1));
        let matrix = |width: u32| {
            let values = (0..8 * width).map(Val::from_u32).collect();
            RowMajorMatrix::new(values, width as usize)
        };
        let (cap, data) = checker.commit(vec![matrix(3), matrix(2)]);
        let (rows, proof) = checker.open_multi_batch(&positions, &data);
        let dimensions = [3, 2].map(|width| Dimensions { width, height: 8 });
        Self {
            checker,
            cap,
            dimensions: dimensions.to_vec(),
            positions,
            rows,
            proof,
        }
    }

    fn holds(&self) -> bool {
        self.checker
            .verify_multi_batch(
                &self.cap,
                &self.dimensions,
                &self.positions,
                &self.rows,
                &self.proof,
            )
            .is_ok()
    }
}

/// Rows are hashed one after another without their lengths, then the salt, so a number may be moved
/// over the seam between two rows, or between the last row and the salt, and the hash stays. Widths
/// were once not checked (pull request 1757): then all of these are openings.
#[test]
fn a_number_cannot_move_from_a_row_to_its_neighbour() {
    let opened = || Opened::new(vec![1, 6]);
    assert!(opened().holds());

    let mut longer = opened();
    let number = longer.proof.0[0][0].remove(0);
    longer.rows[0][1].push(number);
    assert!(!longer.holds(), "the first of the salt to the row");

    let mut shorter = opened();
    let number = shorter.rows[1][1].pop().unwrap();
    shorter.proof.0[1][0].insert(0, number);
    assert!(!shorter.holds(), "the last of the row to the salt");

    let mut next = opened();
    let number = next.rows[0][0].pop().unwrap();
    next.rows[0][1].insert(0, number);
    assert!(!next.holds(), "the last of a row to the next");

    let mut gone = opened();
    let row = gone.rows[0].pop().unwrap();
    gone.rows[0][0].extend(row);
    assert!(!gone.holds(), "two rows made one");

    let mut hidden = opened();
    let row = hidden.rows[0].pop().unwrap();
    hidden.proof.0[0].insert(0, row);
    assert!(!hidden.holds(), "a row in a salt's place");
    let mut shown = opened();
    let salt = shown.proof.0[0].pop().unwrap();
    shown.rows[0].push(salt);
    assert!(!shown.holds(), "a salt in a row's place");

    let mut more = opened();
    let salts = more.proof.0[0].clone();
    more.proof.0.push(salts);
    assert!(!more.holds(), "salts of a query that is none");
}

/// A cap with more entries than the tree has nodes there was once accepted, with entries that
/// nothing binds; and what is opened at one position must be one thing.
#[test]
fn an_opening_binds_every_entry_and_every_query() {
    let mut cap = Opened::new(vec![1, 6]);
    let roots = cap.cap.roots().to_vec();
    cap.cap = MerkleCap::new([roots.clone(), roots].concat());
    assert!(!cap.holds(), "a cap twice as long");

    let twice = || Opened::new(vec![5, 5]);
    assert!(twice().holds());
    for query in 0..2 {
        let mut rows = twice();
        rows.rows[query][1][0] += Val::ONE;
        assert!(!rows.holds(), "another row in query {query}");
        let mut salts = twice();
        salts.proof.0[query][0][0] += Val::ONE;
        assert!(!salts.holds(), "another salt in query {query}");
    }

    let mut siblings = Opened::new(vec![1, 6]);
    let last = *siblings.proof.1.sibling_hashes.last().unwrap();
    siblings.proof.1.sibling_hashes.push(last);
    assert!(!siblings.holds(), "a sibling more");

    let mut moved = Opened::new(vec![1, 6]);
    moved.positions = vec![1, 7];
    assert!(!moved.holds(), "another position");
    moved.positions = vec![1, 8];
    assert!(!moved.holds(), "a position outside");
}

/// Plonky3's commitment, for the sample's parameters.
fn commits(log_height: usize, circuit: Circuit) -> bool {
    let key = VerifyingKey::new(circuit).unwrap();
    let config = config(&key, &mut StdRng::seed_from_u64(1));
    let pcs: &Commitment = config.pcs();
    let domain = Pcs::<Challenge, Challenger>::natural_domain_for_degree(pcs, 2 << log_height);
    let matrix = RowMajorMatrix::new(vec![Val::ONE; 3 << log_height], 3);
    Pcs::<Challenge, Challenger>::commit(pcs, [(domain, matrix)]).is_ok()
}

/// Masks must outnumber what is opened: Plonky3 once committed to any table (pull request 2100).
/// With 4 queries and one point it asks for 18 rows; a release without the fix commits to 16.
#[test]
fn plonky3_commits_to_no_table_that_its_masks_do_not_hide() {
    assert!(commits(5, circuit(PARAMETERS)));
    assert!(!commits(4, circuit(PARAMETERS)));
}

/// SWR-4: the same, in the key itself, whatever Plonky3 does: a circuit whose rows, random columns
/// and queries do not fit has no key.
#[test]
fn no_key_has_more_queries_than_its_masks_hide() {
    // 2^7 rows hide 54 queries and two points of five numbers each.
    let with = |queries, random_columns| {
        let parameters = Parameters {
            queries,
            random_columns,
            ..PARAMETERS
        };
        VerifyingKey::new(circuit(parameters)).map(|_| ())
    };

    assert_eq!(with(54, 5), Ok(()));
    assert_eq!(with(55, 5), Err(BadCircuit::Hiding));
    assert_eq!(with(54, 4), Err(BadCircuit::Hiding));
    assert_eq!(with(u32::MAX, 5), Err(BadCircuit::Hiding));
    let released = VerifyingKey::decode(CIRCUIT_V1).unwrap();
    assert_eq!(released.circuit().parameters, release::PARAMETERS);
}

/// Masks hide one opening, not two. Plonky3 once opened a commitment as often as it was asked to
/// (pull request 2100).
#[test]
fn plonky3_opens_a_commitment_once() {
    let key = VerifyingKey::new(circuit(PARAMETERS)).unwrap();
    let config = config(&key, &mut StdRng::seed_from_u64(1));
    let pcs: &Commitment = config.pcs();
    let domain = Pcs::<Challenge, Challenger>::natural_domain_for_degree(pcs, 2 << 7);
    let matrix = RowMajorMatrix::new(vec![Val::ONE; 3 << 7], 3);
    let (_, data) = Pcs::<Challenge, Challenger>::commit(pcs, [(domain, matrix)]).unwrap();
    let open = |point: u32| {
        let request = OpeningRequest {
            prover_data: &data,
            points: vec![vec![Challenge::from_u32(point)]],
        };
        let open = || {
            pcs.open(vec![request], &mut config.initialise_challenger())
                .is_ok()
        };
        catch_unwind(AssertUnwindSafe(open)).unwrap_or(false)
    };

    assert!(open(1_000_003));
    assert!(!open(1_000_033));
}

/// Counts are numbers modulo the field's: if enough rows may ask, so many that they wrap to none
/// need no answer. Plonky3 once did not bound them (pull request 1748); here no such circuit has a
/// key, so the contracts cannot be made for one either.
#[test]
fn no_key_has_counts_that_can_wrap() {
    let with = |weight: u32| {
        let mut circuit = circuit(PARAMETERS);
        let work = &mut circuit.tables[1].airs[0];
        assert_eq!(work.name, "Work");
        work.interactions[0].weight = weight;
        VerifyingKey::new(circuit).map(|_| ())
    };
    let circuit = circuit(PARAMETERS);
    let others: u32 = circuit
        .tables
        .iter()
        .flat_map(|table| table.airs.iter().map(move |air| (table.log_height, air)))
        .flat_map(|(log, air)| air.interactions.iter().map(move |m| m.weight << log))
        .sum::<u32>()
        - 1024;
    let most = (MODULUS - 1 - others) / 1024;

    assert_eq!(with(most), Ok(()));
    assert_eq!(with(most + 1), Err(BadCircuit::Weights));
    assert_eq!(with(u32::MAX), Err(BadCircuit::Weights));
}

/// A circuit that does not read the statement would prove every statement.
#[test]
fn no_key_leaves_a_part_of_the_statement_out() {
    for name in ["Head", "Reveal"] {
        let mut circuit = circuit(PARAMETERS);
        for air in &mut circuit.tables[0].airs {
            if air.name == name {
                let count = air.public_values.count();
                air.public_values = PublicValues::Fixed(vec![0; count]);
            }
        }
        let refused = VerifyingKey::new(circuit).unwrap_err();
        assert_eq!(refused, BadCircuit::Statement, "{name}");
    }
}

/// Queries of no number, folds of no height, codewords of no redundancy prove nothing; Plonky3 once
/// took them (pull requests 1652 and 1735).
#[test]
fn vacuous_parameters_verify_nothing() {
    let changes: [fn(&mut Parameters); 3] = [
        |parameters| parameters.queries = 0,
        |parameters| parameters.log_arity = 0,
        |parameters| parameters.log_blowup = 0,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut parameters = PARAMETERS;
        change(&mut parameters);
        let refused = VerifyingKey::new(circuit(parameters)).unwrap_err();
        assert_eq!(refused, BadCircuit::Vacuous, "{number}");
    }
}
