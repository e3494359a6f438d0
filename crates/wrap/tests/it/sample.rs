//! The small circuit: five AIRs in two tables.
//!
//! | AIR | Rows | What it is there for |
//! |---|---|---|
//! | Head | 1, held in 2^7 | commitments as public values; sends its row once |
//! | Reveal | 8, held in 2^7 | all selectors, an unguarded next row, public bytes |
//! | Squares | 2^7 | answers look-ups |
//! | Constant | 2^7 | fixed public values |
//! | Work | 2^10 | look-ups, receives, messages of degree 4 |

use std::sync::OnceLock;

use cloister_wrap::{
    circuit::{Air, Circuit, Interaction, Node, Parameters, PublicValues},
    config::Val,
    merge::{Place, merge},
    prove::Prover,
    statement::Statement,
    trace::{AirTrace, TableTrace},
    verify::Verifier,
};
use p3_field::PrimeCharacteristicRing;

/// Positions in the list of AIRs.
pub(crate) const HEAD: usize = 0;
pub(crate) const REVEAL: usize = 1;
pub(crate) const SQUARES: usize = 2;
pub(crate) const WORK: usize = 3;

/// Parameters that prove in a second and are not secure.
pub(crate) const PARAMETERS: Parameters = Parameters {
    log_blowup: 5,
    queries: 4,
    query_pow_bits: 3,
    batch_pow_bits: 2,
    fold_pow_bits: 1,
    lookup_pow_bits: 2,
    point_pow_bits: 2,
    log_arity: 3,
    log_final_length: 0,
    random_columns: 5,
    cap_height: 1,
};

/// Where the AIRs go.
pub(crate) fn places() -> Vec<Place> {
    [(0, 7), (3, 7), (7, 7), (10, 10), (7, 7)]
        .map(|(log_height, log_table)| Place {
            log_height,
            log_table,
        })
        .to_vec()
}

/// An AIR in the making.
#[derive(Default)]
struct Maker {
    nodes: Vec<Node>,
    constraints: Vec<u32>,
    interactions: Vec<Interaction>,
}

impl Maker {
    fn node(&mut self, node: Node) -> u32 {
        if let Some(known) = self.nodes.iter().position(|other| *other == node) {
            return u32::try_from(known).unwrap();
        }
        self.nodes.push(node);
        u32::try_from(self.nodes.len()).unwrap() - 1
    }
    fn local(&mut self, column: u32) -> u32 {
        self.node(Node::Local(column))
    }
    fn next(&mut self, column: u32) -> u32 {
        self.node(Node::Next(column))
    }
    fn number(&mut self, value: u32) -> u32 {
        self.node(Node::Constant(value))
    }
    fn sub(&mut self, left: u32, right: u32) -> u32 {
        self.node(Node::Sub(left, right))
    }
    fn add(&mut self, left: u32, right: u32) -> u32 {
        self.node(Node::Add(left, right))
    }
    fn mul(&mut self, left: u32, right: u32) -> u32 {
        self.node(Node::Mul(left, right))
    }
    fn zero(&mut self, node: u32) {
        self.constraints.push(node);
    }
    fn zero_when(&mut self, selector: Node, node: u32) {
        let selector = self.node(selector);
        let product = self.mul(selector, node);
        self.zero(product);
    }
    fn boolean(&mut self, column: u32) {
        let value = self.local(column);
        let one = self.number(1);
        let less = self.sub(value, one);
        let product = self.mul(value, less);
        self.zero(product);
    }
    fn message(&mut self, bus: u32, count: u32, weight: u32, fields: Vec<u32>) {
        self.interactions.push(Interaction {
            bus,
            count,
            weight,
            fields,
        });
    }
    fn air(self, name: &str, width: u32, public_values: PublicValues) -> Air {
        Air {
            name: name.to_owned(),
            width,
            public_values,
            nodes: self.nodes,
            constraints: self.constraints,
            interactions: self.interactions,
        }
    }
}

/// One row: the commitments, sent to `Work`.
fn head() -> Air {
    let mut make = Maker::default();
    for index in 0..16 {
        let (value, public) = (make.local(index), make.node(Node::Public(index)));
        let difference = make.sub(value, public);
        make.zero(difference);
    }
    let one = make.number(1);
    let fields = (0..8).map(|index| make.local(index)).collect();
    make.message(1, one, 1, fields);
    make.air("Head", 16, PublicValues::Commitments)
}

/// Eight rows of four public bytes each: number, parity, eight flags, four bytes.
fn reveal() -> Air {
    let mut make = Maker::default();
    let (number, next_number) = (make.local(0), make.next(0));
    let (parity, next_parity) = (make.local(1), make.next(1));
    let (one, seven) = (make.number(1), make.number(7));
    make.zero_when(Node::FirstRow, number);
    let step = make.sub(next_number, number);
    let step = make.sub(step, one);
    make.zero_when(Node::Transition, step);
    let end = make.sub(number, seven);
    make.zero_when(Node::LastRow, end);
    make.zero_when(Node::FirstRow, parity);
    let both = make.add(parity, next_parity);
    let both = make.sub(both, one);
    make.zero(both);
    let (mut sum, mut place) = (make.number(0), make.number(0));
    for flag in 0..8 {
        make.boolean(2 + flag);
        let (value, weight) = (make.local(2 + flag), make.number(flag));
        sum = make.add(sum, value);
        let term = make.mul(value, weight);
        place = make.add(place, term);
    }
    let off = make.sub(sum, one);
    make.zero(off);
    let off = make.sub(place, number);
    make.zero(off);
    for byte in 0..4 {
        let mut chosen = make.number(0);
        for flag in 0..8 {
            let (value, public) = (
                make.local(2 + flag),
                make.node(Node::Public(4 * flag + byte)),
            );
            let term = make.mul(value, public);
            chosen = make.add(chosen, term);
        }
        let value = make.local(10 + byte);
        let off = make.sub(value, chosen);
        make.zero(off);
    }
    let first_byte = make.local(10);
    make.message(2, one, 1, vec![number, first_byte]);
    make.air("Reveal", 14, PublicValues::Bytes(32))
}

/// Every number with its square, and how often it is asked for.
fn squares() -> Air {
    let mut make = Maker::default();
    let (number, next_number, square) = (make.local(0), make.next(0), make.local(1));
    let (asked, one) = (make.local(2), make.number(1));
    make.zero_when(Node::FirstRow, number);
    let step = make.sub(next_number, number);
    let step = make.sub(step, one);
    make.zero_when(Node::Transition, step);
    let product = make.mul(number, number);
    let off = make.sub(square, product);
    make.zero(off);
    let answers = make.node(Node::Neg(asked));
    make.message(3, answers, 0, vec![number, square]);
    make.air("Squares", 3, PublicValues::None)
}

/// Columns: asks, number, square, fourth power, receives the head, its 8 numbers, receives a
/// reveal, its 2 numbers.
fn work() -> Air {
    let mut make = Maker::default();
    for flag in [0, 4, 13] {
        make.boolean(flag);
    }
    let (asks, number, square, fourth) =
        (make.local(0), make.local(1), make.local(2), make.local(3));
    make.message(3, asks, 1, vec![number, square]);
    // A message of degree 4, received as a column: only the bus ties the two.
    let half = make.mul(number, number);
    let product = make.mul(half, half);
    make.message(4, asks, 1, vec![product]);
    let gives = make.node(Node::Neg(asks));
    make.message(4, gives, 1, vec![fourth]);
    let head = make.local(4);
    let takes = make.node(Node::Neg(head));
    let fields = (5..13).map(|column| make.local(column)).collect();
    make.message(1, takes, 1, fields);
    let reveal = make.local(13);
    let takes = make.node(Node::Neg(reveal));
    let fields = (14..16).map(|column| make.local(column)).collect();
    make.message(2, takes, 1, fields);
    make.air("Work", 16, PublicValues::None)
}

/// Eight numbers in every row.
fn constant() -> Air {
    let mut make = Maker::default();
    for index in 0..8 {
        let (value, next) = (make.local(index), make.next(index));
        let public = make.node(Node::Public(index));
        let off = make.sub(value, public);
        make.zero_when(Node::LastRow, off);
        let change = make.sub(next, value);
        make.zero_when(Node::Transition, change);
    }
    make.air("Constant", 8, PublicValues::Fixed((100..108).collect()))
}

/// The circuit with these parameters.
pub(crate) fn circuit(parameters: Parameters) -> Circuit {
    let airs = vec![head(), reveal(), squares(), work(), constant()];
    merge(airs, &places(), parameters, vec![4, 12])
}

/// A true statement.
pub(crate) fn statement() -> Statement {
    Statement {
        program: std::array::from_fn(|index| 1_000_000 + u32::try_from(index).unwrap()),
        machine: std::array::from_fn(|index| 2_000_000_000 + u32::try_from(index).unwrap()),
        public_values: (0..32).map(|index| 7 * index + 3).collect(),
    }
}

/// True traces; `secret` decides what cannot be seen from outside.
pub(crate) fn traces(secret: u32) -> Vec<AirTrace> {
    traces_of(&statement(), secret)
}

/// As [`traces`], of a statement with other public values.
pub(crate) fn traces_of(statement: &Statement, secret: u32) -> Vec<AirTrace> {
    let commitments: Vec<u32> = statement
        .program
        .iter()
        .chain(&statement.machine)
        .copied()
        .collect();
    let bytes: Vec<u32> = statement
        .public_values
        .iter()
        .map(|byte| u32::from(*byte))
        .collect();
    let mut reveal = Vec::new();
    for row in 0..8_u32 {
        reveal.extend([row, row % 2]);
        reveal.extend((0..8).map(|flag| u32::from(flag == row)));
        reveal.extend(&bytes[4 * row as usize..][..4]);
    }
    let mut asked = [0_u32; 128];
    let mut work = Vec::new();
    for row in 0..1024_u32 {
        let mut cells = [0_u32; 16];
        if row % 3 != 1 {
            let number = (row * (secret + 1) + secret) % 128;
            asked[number as usize] += 1;
            cells[..4].copy_from_slice(&[1, number, number * number, number.pow(4)]);
        }
        if row == 5 {
            cells[4] = 1;
            cells[5..13].copy_from_slice(&commitments[..8]);
        }
        if (100..108).contains(&row) {
            let index = row - 100;
            cells[13..].copy_from_slice(&[1, index, bytes[4 * index as usize]]);
        }
        work.extend(cells);
    }
    let squares = (0..128)
        .flat_map(|row| [row, row * row, asked[row as usize]])
        .collect();
    let constant = (0..128).flat_map(|_| 100..108).collect();
    [
        (16, commitments.clone(), commitments),
        (14, reveal, bytes),
        (3, squares, vec![]),
        (16, work, vec![]),
        (8, constant, (100..108).collect::<Vec<u32>>()),
    ]
    .map(|(width, values, public_values)| AirTrace {
        width,
        values: values.into_iter().map(Val::from_u32).collect(),
        public_values: public_values.into_iter().map(Val::from_u32).collect(),
    })
    .to_vec()
}

/// A prover and verifier of the circuit, and a true proof.
pub(crate) struct World {
    pub(crate) prover: Prover,
    pub(crate) verifier: Verifier,
    pub(crate) tables: Vec<TableTrace>,
    pub(crate) proof: Vec<u8>,
}

impl World {
    pub(crate) fn new(parameters: Parameters) -> Self {
        let prover = Prover::new(circuit(parameters), places()).unwrap();
        let verifier = Verifier::new(prover.key().clone()).unwrap();
        let tables = prover.tables(&traces(1)).unwrap();
        let proof = prover.prove(tables.clone()).unwrap();
        Self {
            prover,
            verifier,
            tables,
            proof,
        }
    }
}

/// Made once for all tests.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::new(PARAMETERS))
}

/// Column of an AIR in its table.
pub(crate) fn column(circuit: &Circuit, table: usize, name: &str) -> usize {
    let airs = circuit.tables[table].airs.iter();
    airs.take_while(|air| air.name != name)
        .map(|air| air.width as usize)
        .sum()
}
