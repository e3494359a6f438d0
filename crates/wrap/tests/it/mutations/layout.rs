//! Where everything stands: in a proof's file, and in what the contracts take of it.

use cloister_wrap::shape::Shape;

/// Bytes of a number, of an extension element and of a digest.
pub(crate) const NUMBER: usize = 4;
pub(crate) const EXTENSION: usize = 20;
pub(crate) const DIGEST: usize = 32;

/// A list of equal items in a proof's file.
#[derive(Clone, Debug)]
pub(crate) struct List {
    /// Where its length stands.
    pub(crate) at: usize,
    /// Where its items begin.
    pub(crate) first: usize,
    pub(crate) length: usize,
    /// Bytes of an item; 0 for items that are lists.
    item: usize,
    /// Where its last item begins.
    pub(crate) last: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

impl List {
    /// Where its items stand.
    pub(crate) fn items(&self) -> Vec<Run> {
        (0..self.length)
            .map(|number| Run {
                from: self.first + number * self.item,
                item: self.item,
            })
            .collect()
    }
}

/// An item: a number, an extension element or a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) from: usize,
    pub(crate) item: usize,
}

/// What is opened of a tree.
struct Opening {
    rows: Vec<Vec<List>>,
    salts: Vec<Vec<List>>,
    siblings: List,
}

/// What is opened of a table.
struct Table {
    trace: [List; 2],
    chunks: Vec<List>,
    random: List,
    buses: [List; 2],
}

/// A proof's file.
pub(crate) struct Layout {
    main: List,
    buses: List,
    quotient: List,
    random: List,
    tables: Vec<Table>,
    masks: Vec<Vec<Vec<List>>>,
    batch_witness: Run,
    fold_commitments: Vec<List>,
    fold_witnesses: List,
    inputs: Vec<Opening>,
    folds: Vec<Opening>,
    last: List,
    query_witness: Run,
    totals: Vec<Run>,
    /// The tables' heights, a byte each.
    pub(crate) heights: List,
    lookup_witness: Run,
    point_witness: Run,
    /// Every list, those of lists too.
    pub(crate) lists: Vec<List>,
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    lists: Vec<List>,
}

impl Walk<'_> {
    fn skip(&mut self, item: usize) -> Run {
        self.at += item;
        Run {
            from: self.at - item,
            item,
        }
    }
    fn length(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.bytes[self.at];
            self.at += 1;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    /// A list of numbers, elements or digests.
    fn flat(&mut self, item: usize) -> List {
        let at = self.at;
        let length = self.length();
        let first = self.at;
        self.at += length * item;
        let list = List {
            at,
            first,
            length,
            item,
            last: first + length.saturating_sub(1) * item,
            end: self.at,
        };
        self.lists.push(list.clone());
        list
    }
    /// A list of anything.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let at = self.at;
        let length = self.length();
        let first = self.at;
        let mut last = first;
        let items = (0..length)
            .map(|_| {
                last = self.at;
                item(self)
            })
            .collect();
        self.lists.push(List {
            at,
            first,
            length,
            item: 0,
            last,
            end: self.at,
        });
        items
    }
    fn table(&mut self) -> Table {
        let local = self.flat(EXTENSION);
        self.skip(1);
        let next = self.flat(EXTENSION);
        self.skip(2);
        let chunks = self.list(|walk| walk.flat(EXTENSION));
        self.skip(1);
        Table {
            trace: [local, next],
            chunks,
            random: self.flat(EXTENSION),
            buses: [self.flat(EXTENSION), self.flat(EXTENSION)],
        }
    }
    fn opening(&mut self, folds: bool) -> Opening {
        Opening {
            rows: self.list(|walk| {
                if folds {
                    vec![walk.flat(EXTENSION)]
                } else {
                    walk.list(|walk| walk.flat(NUMBER))
                }
            }),
            salts: self.list(|walk| walk.list(|walk| walk.flat(NUMBER))),
            siblings: self.flat(DIGEST),
        }
    }
}

impl Layout {
    /// Walks through a proof of the right lengths.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut walk = Walk {
            bytes,
            at: 16,
            lists: Vec::new(),
        };
        let main = walk.flat(DIGEST);
        walk.skip(1);
        let buses = walk.flat(DIGEST);
        let quotient = walk.flat(DIGEST);
        walk.skip(1);
        let mut layout = Self {
            main,
            buses,
            quotient,
            random: walk.flat(DIGEST),
            tables: walk.list(Walk::table),
            masks: walk.list(|walk| walk.list(|walk| walk.list(|walk| walk.flat(EXTENSION)))),
            batch_witness: walk.skip(NUMBER),
            fold_commitments: walk.list(|walk| walk.flat(DIGEST)),
            fold_witnesses: walk.flat(NUMBER),
            inputs: walk.list(|walk| walk.opening(false)),
            folds: walk.list(|walk| walk.opening(true)),
            last: walk.flat(EXTENSION),
            query_witness: walk.skip(NUMBER),
            totals: walk.list(|walk| {
                walk.skip(1);
                walk.skip(EXTENSION)
            }),
            heights: walk.flat(1),
            lookup_witness: {
                walk.skip(1);
                walk.skip(NUMBER)
            },
            point_witness: walk.skip(NUMBER),
            lists: Vec::new(),
        };
        assert_eq!(walk.at, bytes.len());
        layout.lists = walk.lists;
        layout
    }

    /// What stands in the head that the contracts take, in order.
    pub(crate) fn head(&self) -> Vec<Run> {
        let mut runs = self.main.items();
        runs.push(self.lookup_witness);
        runs.extend(self.buses.items());
        runs.extend(&self.totals);
        runs.extend(self.quotient.items());
        runs.extend(self.random.items());
        runs.push(self.point_witness);
        let [random, trace, quotient, buses] = self.masks.as_slice() else {
            panic!("four rounds");
        };
        let mut open = |values: &List, masks: &List| {
            runs.extend(values.items());
            runs.extend(masks.items());
        };
        for (table, masks) in self.tables.iter().zip(random) {
            open(&table.random, &masks[0]);
        }
        for (table, masks) in self.tables.iter().zip(trace) {
            open(&table.trace[0], &masks[0]);
            open(&table.trace[1], &masks[1]);
        }
        let chunks = self.tables.iter().flat_map(|table| &table.chunks);
        for (chunk, masks) in chunks.zip(quotient) {
            open(chunk, &masks[0]);
        }
        for (table, masks) in self.tables.iter().zip(buses) {
            open(&table.buses[0], &masks[0]);
            open(&table.buses[1], &masks[1]);
        }
        runs.push(self.batch_witness);
        let witnesses = self.fold_witnesses.items();
        for (commitment, witness) in self.fold_commitments.iter().zip(witnesses) {
            runs.extend(commitment.items());
            runs.push(witness);
        }
        runs.extend(self.last.items());
        runs.push(self.query_witness);
        runs
    }

    /// What stands in the range of all queries that the contracts take, in order.
    pub(crate) fn queries(&self, shape: &Shape, positions: &[usize]) -> Vec<Run> {
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_by_key(|query| positions[*query]);
        // Matrices of each table in the quotient's round.
        let mut chunks = Vec::new();
        let mut first = 0;
        for table in &shape.tables {
            chunks.push(first..first + table.quotient_chunks);
            first += table.quotient_chunks;
        }
        let mut runs = Vec::new();
        for query in order {
            for (round, opening) in self.inputs.iter().enumerate() {
                for (table, chunks) in chunks.iter().enumerate().rev() {
                    let one = table..table + 1;
                    let matrices = if round == 2 { chunks } else { &one };
                    for matrix in matrices.clone() {
                        runs.extend(opening.rows[query][matrix].items());
                    }
                    runs.extend(opening.salts[query][table].items());
                }
            }
            for opening in &self.folds {
                runs.extend(opening.rows[query][0].items());
                runs.extend(opening.salts[query][0].items());
            }
        }
        for opening in self.inputs.iter().chain(&self.folds) {
            runs.extend(opening.siblings.items());
        }
        runs
    }
}

/// The numbers and digests of items, in order: a number's or digest's place and length.
pub(crate) fn atoms(runs: &[Run]) -> Vec<Run> {
    let split = |run: &Run| {
        let item = if run.item == DIGEST { DIGEST } else { NUMBER };
        let from = run.from;
        (from..from + run.item)
            .step_by(item)
            .map(move |from| Run { from, item })
            .collect::<Vec<_>>()
    };
    runs.iter().flat_map(split).collect()
}
