//! A Merkle tree over matrices that hides what is not opened: beside the rows of each height stand
//! random numbers, hashed with them (section 3 of Ben-Sasson, Chiesa, Spooner: Interactive oracle
//! proofs, eprint 2016/116).
//!
//! Plonky3's `MerkleTreeHidingMmcs` salts every matrix. A leaf is the hash of all rows of one
//! height, so one salt hides them all: with 16 quotient chunks to a table that is half a gigabyte
//! less to hold and 120 numbers less to open in each query. The tree, its multiproofs and their
//! checks are Plonky3's.

use std::sync::{Mutex, MutexGuard, PoisonError};

use p3_commit::{BatchOpening, BatchOpeningRef, Mmcs};
use p3_matrix::{Dimensions, Matrix, dense::RowMajorMatrix, stack::HorizontalPair};
use p3_merkle_tree::{MerkleTree, MerkleTreeError, MerkleTreeMmcs};
use rand_core::{SeedableRng, rngs::StdRng};

use crate::config::{Compress, DIGEST_BYTES, FieldHash, SALT_ELEMENTS, Val};

/// The tree under the salts.
type Tree = MerkleTreeMmcs<Val, u8, FieldHash, Compress, 2, DIGEST_BYTES>;

/// A matrix with what stands beside it.
type Salted<M> = HorizontalPair<M, Salts>;

/// The salts of a height, beside the matrix that bears them; no columns beside the others.
#[derive(Clone, Debug)]
pub struct Salts {
    height: usize,
    values: Vec<Val>,
}

impl Matrix<Val> for Salts {
    fn width(&self) -> usize {
        self.values.len().checked_div(self.height).unwrap_or(0)
    }

    fn height(&self) -> usize {
        self.height
    }

    #[expect(unsafe_code, reason = "the trait says so; nothing here relies on it")]
    unsafe fn row_unchecked(
        &self,
        row: usize,
    ) -> impl IntoIterator<Item = Val, IntoIter = impl Iterator<Item = Val> + Send + Sync> {
        let width = self.width();
        let values = self.values.iter().skip(row * width);
        values.take(width).copied()
    }
}

/// Commits to matrices and hides what is not opened.
#[derive(Debug)]
pub struct SaltedMmcs {
    tree: Tree,
    random: Mutex<StdRng>,
}

impl SaltedMmcs {
    /// A commitment whose salts come from this generator, which nobody else may know. Of each tree
    /// the level of 2^`cap_height` digests is the commitment.
    #[must_use]
    pub fn new(hash: FieldHash, compress: Compress, cap_height: usize, random: StdRng) -> Self {
        Self {
            tree: Tree::new(hash, compress, cap_height),
            random: Mutex::new(random),
        }
    }

    fn random(&self) -> MutexGuard<'_, StdRng> {
        // A generator that somebody panicked with is as good as before.
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The copy has a generator of its own, so that no salt is drawn twice.
impl Clone for SaltedMmcs {
    fn clone(&self) -> Self {
        Self {
            tree: self.tree.clone(),
            random: Mutex::new(StdRng::from_rng(&mut *self.random())),
        }
    }
}

/// Which matrices bear the salts of their height: the last of each height.
fn bearers(heights: &[usize]) -> Vec<bool> {
    heights
        .iter()
        .zip(1..)
        .map(|(height, next)| !heights.iter().skip(next).any(|later| later == height))
        .collect()
}

/// The matrices as a verifier sees them: those that were committed to, then the salts of each height
/// as one more. A leaf is the hash of its height's rows in that order, and each width is checked, so
/// nothing moves between a row and the salt.
fn with_salts(dimensions: &[Dimensions]) -> Vec<Dimensions> {
    let heights: Vec<usize> = dimensions.iter().map(|matrix| matrix.height).collect();
    let salts = heights
        .iter()
        .zip(bearers(&heights))
        .filter(|(_, bears)| *bears)
        .map(|(height, _)| Dimensions {
            width: SALT_ELEMENTS,
            height: *height,
        });
    dimensions.iter().copied().chain(salts).collect()
}

/// Takes the salts off the rows of one query.
fn without_salts(rows: Vec<Vec<Val>>, bears: &[bool]) -> (Vec<Vec<Val>>, Vec<Vec<Val>>) {
    let mut salts = Vec::new();
    let mut bare = rows;
    for (row, _) in bare.iter_mut().zip(bears).filter(|(_, bears)| **bears) {
        salts.push(row.split_off(row.len().saturating_sub(SALT_ELEMENTS)));
    }
    (bare, salts)
}

impl Mmcs<Val> for SaltedMmcs {
    type ProverData<M> = MerkleTree<Val, u8, Salted<M>, 2, DIGEST_BYTES>;
    type Commitment = <Tree as Mmcs<Val>>::Commitment;
    /// The salt of each height, in the order of the matrices that bear them; siblings.
    type Proof = (Vec<Vec<Val>>, <Tree as Mmcs<Val>>::Proof);
    /// The same for each query; siblings.
    type MultiProof = (Vec<Vec<Vec<Val>>>, <Tree as Mmcs<Val>>::MultiProof);
    type Error = MerkleTreeError;

    fn commit<M: Matrix<Val>>(&self, inputs: Vec<M>) -> (Self::Commitment, Self::ProverData<M>) {
        let heights: Vec<usize> = inputs.iter().map(Matrix::height).collect();
        let salted = {
            // The lock ends before anything is hashed: a thread that waits for others while it
            // hashes may be given another commitment to make.
            let mut random = self.random();
            let pair = |(left, bears): (M, bool)| {
                let (height, width) = (left.height(), if bears { SALT_ELEMENTS } else { 0 });
                let values = RowMajorMatrix::rand(&mut *random, height, width).values;
                let right = Salts { height, values };
                HorizontalPair::new(left, right)
            };
            inputs
                .into_iter()
                .zip(bearers(&heights))
                .map(pair)
                .collect()
        };
        self.tree.commit(salted)
    }

    fn open_batch<M: Matrix<Val>>(
        &self,
        index: usize,
        data: &Self::ProverData<M>,
    ) -> BatchOpening<Val, Self> {
        let bears = bearers(&self.get_matrix_heights(data));
        let (rows, siblings) = self.tree.open_batch(index, data).unpack();
        let (rows, salts) = without_salts(rows, &bears);
        BatchOpening::new(rows, (salts, siblings))
    }

    fn get_matrices<'a, M: Matrix<Val>>(&self, data: &'a Self::ProverData<M>) -> Vec<&'a M> {
        let salted = self.tree.get_matrices(data);
        salted.into_iter().map(|pair| &pair.left).collect()
    }

    fn verify_batch(
        &self,
        commitment: &Self::Commitment,
        dimensions: &[Dimensions],
        index: usize,
        opening: BatchOpeningRef<'_, Val, Self>,
    ) -> Result<(), Self::Error> {
        let (rows, (salts, siblings)) = opening.unpack();
        each(dimensions.len(), rows.len())?;
        let rows = [rows, salts].concat();
        let opening = BatchOpeningRef::new(&rows, siblings);
        let dimensions = with_salts(dimensions);
        self.tree
            .verify_batch(commitment, &dimensions, index, opening)
    }

    fn open_multi_batch<M: Matrix<Val>>(
        &self,
        indices: &[usize],
        data: &Self::ProverData<M>,
    ) -> (Vec<Vec<Vec<Val>>>, Self::MultiProof) {
        let bears = bearers(&self.get_matrix_heights(data));
        let (queries, paths) = self.tree.open_multi_batch(indices, data);
        let queries = queries.into_iter();
        let (rows, salts) = queries.map(|rows| without_salts(rows, &bears)).unzip();
        (rows, (salts, paths))
    }

    fn verify_multi_batch<R: AsRef<[Val]> + PartialEq>(
        &self,
        commitment: &Self::Commitment,
        dimensions: &[Dimensions],
        indices: &[usize],
        opened: &[Vec<R>],
        (salts, paths): &Self::MultiProof,
    ) -> Result<(), Self::Error> {
        each(opened.len(), salts.len())?;
        let mut queries = Vec::with_capacity(opened.len());
        for (rows, salts) in opened.iter().zip(salts) {
            // Otherwise a row could stand in a salt's place.
            each(dimensions.len(), rows.len())?;
            let rows = rows.iter().map(AsRef::as_ref);
            queries.push(rows.chain(salts.iter().map(Vec::as_slice)).collect());
        }
        let dimensions = with_salts(dimensions);
        let queries: &[Vec<&[Val]>] = &queries;
        self.tree
            .verify_multi_batch(commitment, &dimensions, indices, queries, paths)
    }
}

/// A fault unless there are as many as expected.
fn each(expected: usize, got: usize) -> Result<(), MerkleTreeError> {
    if expected == got {
        return Ok(());
    }
    Err(MerkleTreeError::WrongBatchSize { expected, got })
}
