//! Runs a true proof's verification again and keeps what it draws and computes on the way.

use std::{collections::BTreeMap, marker::PhantomData};

use p3_batch_stark::{BatchVerifierTranscript, verifier::commitments_with_opening_points};
use p3_field::PrimeField32;
use p3_fri::{
    FriShape, PcsShape, PcsVerifierTranscript, TwoAdicFriFoldingForMmcs, VerifierTranscript,
    verifier::{fold_query, open_inputs},
};
use p3_lookup::LogUpGadget;
use p3_symmetric::CryptographicHasher as _;
use p3_uni_stark::StarkGenericConfig;
use rand_core::{SeedableRng, rngs::StdRng};

use crate::{
    config::{
        Challenge, ChallengeMmcs, Challenger, Config, DIGEST_BYTES, Val, ValMmcs, fri_parameters,
        rows,
    },
    evm::image::{batch_shape, fold_shape},
    proof::{self, Inner},
    security,
    statement::Statement,
    verify::Verifier,
};

/// A digest.
pub type Digest = [u8; DIGEST_BYTES];

type Claims = Vec<
    p3_commit::CommitmentWithOpeningPoints<
        Challenge,
        p3_symmetric::MerkleCap<Val, Digest>,
        p3_field::coset::TwoAdicMultiplicativeCoset<Val>,
    >,
>;

/// What a verification draws and computes.
pub struct Replay {
    /// The proof.
    pub proof: Inner,
    /// Challenges: of constraints, out-of-domain point, of openings, of each fold.
    pub constraint: Challenge,
    /// The out-of-domain point.
    pub zeta: Challenge,
    /// Combines openings.
    pub combine: Challenge,
    /// One for each fold.
    pub folds: Vec<Challenge>,
    /// Positions, in the order in which they were drawn.
    pub positions: Vec<usize>,
    /// All opened values, random ones counted, in the order in which they are absorbed.
    pub opened: Vec<Challenge>,
    /// The rows of each fold, for each query.
    pub rows: Vec<Vec<Vec<Challenge>>>,
    /// All known nodes of each tree by level and place: four of values, then one for each fold.
    pub trees: Vec<BTreeMap<(usize, usize), Digest>>,
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Replay")
            .field("zeta", &self.zeta)
            .field("positions", &self.positions)
            .finish_non_exhaustive()
    }
}

/// Runs the verification of a proof again. Nothing unless the proof holds.
#[must_use]
pub fn replay(verifier: &Verifier, statement: &Statement, bytes: &[u8]) -> Option<Replay> {
    verifier.verify(statement, bytes).ok()?;
    replay_openings(verifier, statement, bytes)
}

/// Runs only what the openings need: the constraints may not hold. For tests of what refuses them.
#[must_use]
pub fn replay_openings(verifier: &Verifier, statement: &Statement, bytes: &[u8]) -> Option<Replay> {
    let proof = proof::decode(bytes)?;
    let numbers = statement.public_values(verifier.key().circuit()).ok()?;
    let public: Vec<Vec<Val>> = numbers
        .into_iter()
        .map(|table| table.into_iter().map(Val::new).collect())
        .collect();
    let mut challenger = verifier.config.initialise_challenger();
    let mut transcript = BatchVerifierTranscript::<Challenger, Val, Challenge, _>::new(
        &mut challenger,
        batch_shape(verifier),
    );
    let commitments = &proof.commitments;
    transcript.instance_bindings(&proof.degree_bits);
    transcript.main_phase(commitments.main.clone(), &public);
    transcript.preprocessed_phase(None);
    transcript
        .lookup_phase(
            &verifier.common.lookups,
            &LogUpGadget::new(),
            proof.lookup_pow_witness,
        )
        .ok()?;
    let totals: Vec<Challenge> = proof
        .lookup_terminals
        .iter()
        .flatten()
        .map(|t| t.0)
        .collect();
    let constraint = transcript.permutation_phase(commitments.permutation.clone(), &totals);
    transcript.quotient_phase(
        commitments.quotient_chunks.clone(),
        commitments.random.clone(),
    );
    let zeta = transcript.ood_phase(proof.ood_pow_witness).ok()?;
    let claims = claims(verifier, &proof, zeta)?;
    let opened = claims
        .iter()
        .flat_map(|claim| &claim.matrices)
        .flat_map(|matrix| &matrix.points)
        .flat_map(|point| point.values.iter().copied())
        .collect();
    let openings =
        transcript.delegate(|challenger| openings(verifier, &proof, &claims, challenger));
    transcript.finish();
    let (combine, folds, positions, rows) = openings?;
    let mut replay = Replay {
        proof,
        constraint,
        zeta,
        combine,
        folds,
        positions,
        opened,
        rows,
        trees: Vec::new(),
    };
    replay.grow_trees(verifier);
    Some(replay)
}

/// The claims that the openings prove, random values joined.
fn claims(verifier: &Verifier, proof: &Inner, zeta: Challenge) -> Option<Claims> {
    let circuit = verifier.key().circuit();
    let chunks: Vec<usize> = circuit
        .tables
        .iter()
        .zip(&verifier.airs)
        .zip(&verifier.common.lookups)
        .map(|((table, air), lookups)| {
            security::quotient_chunks(table.log_height, air, lookups, &verifier.config)
        })
        .collect();
    let (mut claims, _, _) = commitments_with_opening_points::<Config, _>(
        &verifier.config,
        &verifier.airs,
        zeta,
        &proof.commitments,
        &proof.opened_values,
        &verifier.common,
        &proof.degree_bits,
        &vec![0; circuit.tables.len()],
        &chunks,
    )
    .ok()?;
    for (claim, masks) in claims.iter_mut().zip(&proof.opening_proof.0) {
        for (matrix, masks) in claim.matrices.iter_mut().zip(masks) {
            for (point, mask) in matrix.points.iter_mut().zip(masks) {
                point.values.extend(mask);
            }
        }
    }
    Some(claims)
}

type Openings = (
    Challenge,
    Vec<Challenge>,
    Vec<usize>,
    Vec<Vec<Vec<Challenge>>>,
);

/// The openings' part: the challenge that combines, those that fold, positions, folds' rows.
fn openings(
    verifier: &Verifier,
    proof: &Inner,
    claims: &Claims,
    challenger: &mut Challenger,
) -> Option<Openings> {
    let circuit = verifier.key().circuit();
    let fri = &proof.opening_proof.1;
    // Nothing is committed to here, so the generator is never asked.
    let checker = rows(&circuit.parameters, StdRng::seed_from_u64(0));
    let rules = fri_parameters(&circuit.parameters, checker.clone());
    let mut transcript = PcsVerifierTranscript::<Challenger, Val, Challenge>::new(
        challenger,
        PcsShape::from_claims(&rules, claims),
    );
    transcript.claimed_openings(claims).ok()?;
    let combine = transcript.batch_phase(Some(fri.batch_pow_witness)).ok()?;
    let shape = fold_shape(circuit, verifier.shape());
    let drawn = transcript.delegate(|challenger| folds(fri, shape, challenger));
    transcript.finish();
    let (factors, positions) = drawn?;
    let reduced = open_inputs::<Val, Challenge, ValMmcs, _>(
        &fri_parameters(&circuit.parameters, ChallengeMmcs::new(checker.clone())),
        verifier.shape().levels,
        &positions,
        &fri.input_openings,
        combine,
        &checker,
        claims,
    )
    .ok()?;
    let arities = &verifier.shape().folds;
    let folding: TwoAdicFriFoldingForMmcs<Val, ValMmcs> = p3_fri::TwoAdicFriFolding(PhantomData);
    let mut groups = vec![Vec::new(); arities.len()];
    let mut rows = vec![Vec::new(); arities.len()];
    for (query, (position, reduced)) in positions.iter().zip(reduced).enumerate() {
        let mut index = *position;
        let parameters = &circuit.parameters;
        let _folded = fold_query::<_, Val, Challenge, ChallengeMmcs>(
            &folding,
            query,
            &mut index,
            &factors,
            arities,
            &fri.commit_phase_openings,
            reduced,
            verifier.shape().levels,
            (parameters.log_blowup + parameters.log_final_length) as usize,
            &mut groups,
            &mut rows,
        )
        .ok()?;
    }
    let rows = rows
        .into_iter()
        .map(|round: Vec<Vec<Vec<Challenge>>>| round.into_iter().flatten().collect())
        .collect();
    Some((combine, factors, positions, rows))
}

type Fri =
    p3_fri::FriProof<Challenge, ChallengeMmcs, Val, Vec<p3_fri::BatchMultiOpening<Val, ValMmcs>>>;

/// The challenges that fold, and the positions.
fn folds(
    fri: &Fri,
    shape: FriShape,
    challenger: &mut Challenger,
) -> Option<(Vec<Challenge>, Vec<usize>)> {
    let mut transcript = VerifierTranscript::<Challenger, Val, Challenge>::new(challenger, shape);
    let factors = transcript
        .commit_rounds(&fri.commit_phase_commits, &fri.commit_pow_witnesses)
        .ok()?;
    let positions = transcript
        .query_phase(&fri.final_poly, Some(fri.query_pow_witness))
        .ok()?;
    transcript.finish();
    Some((factors, positions))
}

impl Replay {
    /// Computes every node that the queries meet.
    fn grow_trees(&mut self, verifier: &Verifier) {
        let shape = verifier.shape();
        let fri = &self.proof.opening_proof.1;
        let blowup = verifier.key().circuit().parameters.log_blowup as usize;
        let cap = shape.cap.ilog2() as usize;
        let mut trees = Vec::new();
        for opening in &fri.input_openings {
            let paths = &opening.opening_proof.1;
            let mut rows = Vec::new();
            for (query, position) in self.positions.iter().enumerate() {
                let mut leaves = BTreeMap::new();
                for (number, table) in shape.tables.iter().enumerate() {
                    let bytes = leaf_bytes(verifier, opening, query, number);
                    let level = shape.levels - table.log_height - blowup;
                    leaves.insert(level, keccak(&bytes));
                }
                rows.push((*position, leaves));
            }
            trees.push(tree(&rows, &paths.sibling_hashes, shape.levels - cap));
        }
        let mut levels = shape.levels;
        for ((arity, opening), rows) in shape
            .folds
            .iter()
            .zip(&fri.commit_phase_openings)
            .zip(&self.rows)
        {
            let shift = shape.levels - levels + arity;
            levels -= arity;
            let (salts, paths) = &opening.opening_proof;
            let leaves: Vec<_> = self
                .positions
                .iter()
                .zip(rows)
                .zip(salts)
                .map(|((position, row), salts)| {
                    let mut bytes: Vec<u8> = row.iter().flat_map(extension_bytes).collect();
                    bytes.extend(salts.iter().flatten().copied().flat_map(number_bytes));
                    (position >> shift, BTreeMap::from([(0, keccak(&bytes))]))
                })
                .collect();
            trees.push(tree(
                &leaves,
                &paths.sibling_hashes,
                levels - cap.min(levels),
            ));
        }
        self.trees = trees;
    }
}

/// The bytes of a leaf: a query's rows of one table, then the salt.
pub(crate) fn leaf_bytes(
    verifier: &Verifier,
    opening: &p3_fri::BatchMultiOpening<Val, ValMmcs>,
    query: usize,
    table: usize,
) -> Vec<u8> {
    let rows = opening.opened_values.get(query);
    let places = tables_of_matrices(verifier, rows.map_or(0, Vec::len));
    let salts = opening.opening_proof.0.get(query);
    rows.into_iter()
        .flatten()
        .zip(places)
        .filter(|(_, place)| *place == table)
        .map(|(row, _)| row)
        .chain(salts.and_then(|salts| salts.get(table)))
        .flatten()
        .copied()
        .flat_map(number_bytes)
        .collect()
}

/// The table of each of a commitment's matrices: one for each table, or its quotient chunks.
fn tables_of_matrices(verifier: &Verifier, matrices: usize) -> Vec<usize> {
    let tables = &verifier.shape().tables;
    if matrices == tables.len() {
        return (0..matrices).collect();
    }
    let chunks = tables.iter().map(|table| table.quotient_chunks);
    chunks
        .enumerate()
        .flat_map(|(table, chunks)| vec![table; chunks])
        .collect()
}

/// Walks up a tree from its leaves as the verifier does and keeps every node.
fn tree(
    rows: &[(usize, BTreeMap<usize, Digest>)],
    siblings: &[Digest],
    levels: usize,
) -> BTreeMap<(usize, usize), Digest> {
    let mut nodes = BTreeMap::new();
    let mut siblings = siblings.iter();
    for level in 0..=levels {
        // Rows that join here: at level 0 they are the leaves.
        for (position, leaves) in rows {
            let Some(leaf) = leaves.get(&level) else {
                continue;
            };
            if level == 0 {
                nodes.insert((0, *position), *leaf);
            }
        }
        let places: Vec<usize> = {
            let mut places: Vec<usize> =
                rows.iter().map(|(position, _)| position >> level).collect();
            places.sort_unstable();
            places.dedup();
            places
        };
        if level > 0 {
            for place in &places {
                let child = |side: usize| nodes.get(&(level - 1, 2 * place + side)).copied();
                let pair = [child(0).unwrap_or_default(), child(1).unwrap_or_default()];
                let mut digest = keccak(&pair.concat());
                let joins = rows
                    .iter()
                    .find(|(position, _)| position >> level == *place)
                    .and_then(|(_, leaves)| leaves.get(&level));
                if let Some(leaf) = joins {
                    digest = keccak(&[digest, *leaf].concat());
                }
                nodes.insert((level, *place), digest);
            }
        }
        if level < levels {
            for place in &places {
                let sibling = place ^ 1;
                if !places.contains(&sibling)
                    && let Some(digest) = siblings.next()
                {
                    nodes.insert((level, sibling), *digest);
                }
            }
        }
    }
    nodes
}

/// Keccak-256.
fn keccak(bytes: &[u8]) -> Digest {
    p3_keccak::Keccak256Hash.hash_iter(bytes.iter().copied())
}

/// A number as it is hashed.
pub(crate) fn number_bytes(number: Val) -> [u8; 4] {
    number.to_unique_u32().to_le_bytes()
}

/// An extension element as it is hashed.
pub(crate) fn extension_bytes(element: &Challenge) -> Vec<u8> {
    use p3_field::BasedVectorSpace;
    let numbers: &[Val] = element.as_basis_coefficients_slice();
    numbers.iter().copied().flat_map(number_bytes).collect()
}
