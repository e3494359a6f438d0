//! The bytes of a proof.

use super::{Digest, Reason, Val, demand, extension, refuse};
use cloister_wrap::config::Challenge;

/// What is opened of a tree: rows, salts and siblings.
pub(crate) struct Opening<T> {
    /// By query, then by matrix.
    pub(crate) rows: Vec<Vec<Vec<T>>>,
    /// By query, then by matrix.
    pub(crate) salts: Vec<Vec<Vec<Val>>>,
    pub(crate) siblings: Vec<Digest>,
}

/// What is opened of a table at the out-of-domain point and the one after it.
pub(crate) struct TableOpening {
    pub(crate) trace: [Vec<Challenge>; 2],
    pub(crate) chunks: Vec<Vec<Challenge>>,
    pub(crate) random: Vec<Challenge>,
    pub(crate) buses: [Vec<Challenge>; 2],
}

/// A proof.
pub(crate) struct Proof {
    pub(crate) main: Vec<Digest>,
    pub(crate) buses: Vec<Digest>,
    pub(crate) quotient: Vec<Digest>,
    pub(crate) random: Vec<Digest>,
    pub(crate) tables: Vec<TableOpening>,
    /// By round, matrix and point.
    pub(crate) masks: Vec<Vec<Vec<Vec<Challenge>>>>,
    pub(crate) batch_witness: Val,
    pub(crate) fold_commitments: Vec<Vec<Digest>>,
    pub(crate) fold_witnesses: Vec<Val>,
    pub(crate) inputs: Vec<Opening<Val>>,
    /// Siblings of folded values, without matrices: by query.
    pub(crate) folds: Vec<Opening<Challenge>>,
    pub(crate) last: Vec<Challenge>,
    pub(crate) query_witness: Val,
    pub(crate) totals: Vec<Challenge>,
    pub(crate) heights: Vec<usize>,
    pub(crate) lookup_witness: Val,
    pub(crate) point_witness: Val,
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            refuse(Reason::Length);
        };
        self.0 = rest;
        *first
    }
    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn length(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                demand(Reason::Length, byte != 0 || shift == 0);
                return value;
            }
            shift += 7;
            demand(Reason::Length, shift < 32);
        }
    }
    fn some(&mut self) {
        demand(Reason::Length, self.byte() == 1);
    }
    fn none(&mut self) {
        demand(Reason::Length, self.byte() == 0);
    }
    /// A number in Montgomery form.
    fn value(&mut self) -> Val {
        let number = u32::from_le_bytes(std::array::from_fn(|_| self.byte()));
        demand(Reason::Range, number < cloister_wrap::circuit::MODULUS);
        // The inverse of 2^32.
        Val::new(number) * Val::new(943_718_400)
    }
    fn extension(&mut self) -> Challenge {
        extension(&std::array::from_fn(|_| self.value()))
    }
    fn digest(&mut self) -> Digest {
        std::array::from_fn(|_| self.byte())
    }
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.length();
        (0..length).map(|_| item(self)).collect()
    }
    fn digests(&mut self) -> Vec<Digest> {
        self.list(Self::digest)
    }
    fn values(&mut self) -> Vec<Val> {
        self.list(Self::value)
    }
    fn extensions(&mut self) -> Vec<Challenge> {
        self.list(Self::extension)
    }
    fn table(&mut self) -> TableOpening {
        let local = self.extensions();
        self.some();
        let next = self.extensions();
        self.none();
        self.none();
        let chunks = self.list(Self::extensions);
        self.some();
        TableOpening {
            trace: [local, next],
            chunks,
            random: self.extensions(),
            buses: [self.extensions(), self.extensions()],
        }
    }
    fn input(&mut self) -> Opening<Val> {
        Opening {
            rows: self.list(|reader| reader.list(Self::values)),
            salts: self.list(|reader| reader.list(Self::values)),
            siblings: self.digests(),
        }
    }
    fn fold(&mut self) -> Opening<Challenge> {
        Opening {
            rows: self.list(|reader| vec![reader.extensions()]),
            salts: self.list(|reader| reader.list(Self::values)),
            siblings: self.digests(),
        }
    }
}

/// Reads a proof.
pub(crate) fn read(bytes: &[u8]) -> Proof {
    let Some(bytes) = bytes.strip_prefix(b"cloister-wrap-p2") else {
        refuse(Reason::Length);
    };
    let mut reader = Reader(bytes);
    let main = reader.digests();
    reader.some();
    let buses = reader.digests();
    let quotient = reader.digests();
    reader.some();
    let random = reader.digests();
    let proof = Proof {
        main,
        buses,
        quotient,
        random,
        tables: reader.list(Reader::table),
        masks: reader.list(|reader| reader.list(|reader| reader.list(Reader::extensions))),
        batch_witness: reader.value(),
        fold_commitments: reader.list(Reader::digests),
        fold_witnesses: reader.values(),
        inputs: reader.list(Reader::input),
        folds: reader.list(Reader::fold),
        last: reader.extensions(),
        query_witness: reader.value(),
        totals: reader.list(|reader| {
            reader.some();
            reader.extension()
        }),
        heights: reader.list(Reader::length),
        lookup_witness: {
            reader.some();
            reader.value()
        },
        point_witness: reader.value(),
    };
    demand(Reason::Length, reader.0.is_empty());
    proof
}
