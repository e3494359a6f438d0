//! Checks traces against the circuit, row by row, without any proof: every constraint is zero and
//! every message finds its answer. For keys in the making and for tests; agrees with `OpenVM`'s own.

use std::collections::{BTreeMap, HashMap};

use p3_field::PrimeCharacteristicRing;
use p3_matrix::Matrix;

use crate::{
    circuit::{Air, Circuit, Interaction, Node, NodeIndex, Table},
    config::Val,
    trace::TableTrace,
};

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Constraints that were computed, over all rows.
    pub constraints: u64,
    /// Messages that were sent or received, those with count 0 left out.
    pub messages: u64,
    /// Buses that anything was sent over.
    pub buses: usize,
    /// The first faults.
    pub faults: Vec<Fault>,
}

/// What is wrong with traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A constraint is not zero.
    Constraint {
        /// Name of the AIR.
        air: String,
        /// The constraint's place in the AIR's list.
        constraint: usize,
        /// The row.
        row: usize,
    },
    /// A bus sent more or less than it received.
    Bus {
        /// The bus.
        bus: u32,
        /// Messages that do not cancel out.
        messages: usize,
    },
}

/// Faults of one kind that a report lists, at most.
const LISTED: usize = 20;

/// Counts of messages, by bus and content.
type Balance = HashMap<(u32, Vec<Val>), Val>;

/// Checks every row of every table.
#[must_use]
pub fn check(circuit: &Circuit, traces: &[TableTrace]) -> Report {
    let mut report = Report::default();
    let mut balance = Balance::new();
    for (table, trace) in circuit.tables.iter().zip(traces) {
        for (air, at) in table.airs.iter().zip(positions(table)) {
            check_air(air, trace, at, &mut report, &mut balance);
        }
    }
    // The order does not matter: what is counted adds up.
    let unbalanced = balance
        .iter()
        .fold(BTreeMap::new(), |mut open, ((bus, _), count)| {
            *open.entry(*bus).or_insert(0) += usize::from(*count != Val::ZERO);
            open
        });
    report.buses = unbalanced.len();
    let open = unbalanced.into_iter().filter(|(_, messages)| *messages > 0);
    report
        .faults
        .extend(open.map(|(bus, messages)| Fault::Bus { bus, messages }));
    report
}

/// Where an AIR stands in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its first column.
    pub column: usize,
    /// Its first public value.
    pub public: usize,
}

/// Where each AIR of a table stands.
#[must_use]
pub fn positions(table: &Table) -> Vec<Position> {
    let mut at = Position {
        column: 0,
        public: 0,
    };
    let airs = table.airs.iter().map(|air| {
        let position = at;
        at.column += air.width as usize;
        at.public += air.public_values.count();
        position
    });
    airs.collect()
}

/// Checks one AIR.
fn check_air(
    air: &Air,
    trace: &TableTrace,
    at: Position,
    report: &mut Report,
    balance: &mut Balance,
) {
    let mut row = AirRow::new(air);
    for number in 0..trace.matrix.height() {
        row.compute(trace, at, number);
        for (place, value) in row.constraints().enumerate() {
            report.constraints += 1;
            if value != Val::ZERO && report.faults.len() < LISTED {
                report.faults.push(Fault::Constraint {
                    air: air.name.clone(),
                    constraint: place,
                    row: number,
                });
            }
        }
        for (interaction, count) in row.messages() {
            report.messages += 1;
            let message = row.fields(interaction);
            *balance.entry((interaction.bus, message)).or_default() += count;
        }
    }
}

/// One row of one AIR, computed: what its constraints and messages see.
#[derive(Clone, Debug)]
pub struct AirRow<'a> {
    air: &'a Air,
    /// All nodes.
    values: Vec<Val>,
}

impl<'a> AirRow<'a> {
    /// Nothing is computed yet.
    #[must_use]
    pub fn new(air: &'a Air) -> Self {
        Self {
            air,
            values: Vec::with_capacity(air.nodes.len()),
        }
    }

    /// Computes row `number`; the row after the last is the first.
    pub fn compute(&mut self, trace: &TableTrace, at: Position, number: usize) {
        let (width, height) = (trace.matrix.width, trace.matrix.height());
        let cells = |row: usize| {
            let cells = trace.matrix.values.get(row * width..).unwrap_or_default();
            cells.get(at.column..width).unwrap_or_default()
        };
        let last = number + 1 == height;
        let window = Window {
            local: cells(number),
            next: cells(if last { 0 } else { number + 1 }),
            public: trace.public_values.get(at.public..).unwrap_or_default(),
            first: number == 0,
            last,
        };
        window.evaluate(&self.air.nodes, &mut self.values);
    }

    /// A node's value.
    pub fn value(&self, node: NodeIndex) -> Val {
        self.values.get(node as usize).copied().unwrap_or_default()
    }

    /// The value of each constraint, in the AIR's order; zero where it holds.
    pub fn constraints(&self) -> impl Iterator<Item = Val> {
        self.air.constraints.iter().map(|node| self.value(*node))
    }

    /// The messages of this row with their counts, those with count 0 left out.
    pub fn messages(&self) -> impl Iterator<Item = (&'a Interaction, Val)> {
        let all = self.air.interactions.iter();
        all.map(|interaction| (interaction, self.value(interaction.count)))
            .filter(|(_, count)| *count != Val::ZERO)
    }

    /// What a message says.
    #[must_use]
    pub fn fields(&self, interaction: &Interaction) -> Vec<Val> {
        let fields = interaction.fields.iter();
        fields.map(|node| self.value(*node)).collect()
    }
}

/// What a row's nodes read.
struct Window<'a> {
    local: &'a [Val],
    next: &'a [Val],
    public: &'a [Val],
    first: bool,
    last: bool,
}

impl Window<'_> {
    /// Computes all nodes.
    fn evaluate(&self, nodes: &[Node], values: &mut Vec<Val>) {
        values.clear();
        for node in nodes {
            let of = |index: u32| values.get(index as usize).copied().unwrap_or_default();
            let cell =
                |row: &[Val], column: u32| row.get(column as usize).copied().unwrap_or_default();
            let value = match *node {
                Node::Local(column) => cell(self.local, column),
                Node::Next(column) => cell(self.next, column),
                Node::Public(index) => cell(self.public, index),
                Node::FirstRow => Val::from_bool(self.first),
                Node::LastRow => Val::from_bool(self.last),
                Node::Transition => Val::from_bool(!self.last),
                Node::Constant(value) => Val::new(value),
                Node::Add(left, right) => of(left) + of(right),
                Node::Sub(left, right) => of(left) - of(right),
                Node::Neg(inner) => -of(inner),
                Node::Mul(left, right) => of(left) * of(right),
            };
            values.push(value);
        }
    }
}
