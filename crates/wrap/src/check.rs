//! Checks traces against the circuit, row by row, without any proof: every constraint is zero and
//! every message finds its answer. For keys in the making and for tests; agrees with `OpenVM`'s own.

use std::collections::{BTreeMap, HashMap};

use p3_field::PrimeCharacteristicRing;

use crate::{
    circuit::{Air, Circuit, Node},
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
        let (mut column, mut public) = (0, 0);
        for air in &table.airs {
            let at = Position { column, public };
            check_air(air, trace, at, &mut report, &mut balance);
            column += air.width as usize;
            public += air.public_values.count();
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
#[derive(Clone, Copy)]
struct Position {
    column: usize,
    public: usize,
}

/// Checks one AIR.
fn check_air(
    air: &Air,
    trace: &TableTrace,
    at: Position,
    report: &mut Report,
    balance: &mut Balance,
) {
    let width = trace.matrix.width;
    let rows: Vec<&[Val]> = trace.matrix.values.chunks_exact(width).collect();
    let mut values = Vec::with_capacity(air.nodes.len());
    for (number, row) in rows.iter().enumerate() {
        let next = rows.get(number + 1).or_else(|| rows.first());
        let window = Row {
            local: row.get(at.column..).unwrap_or_default(),
            next: next
                .and_then(|row| row.get(at.column..))
                .unwrap_or_default(),
            public: trace.public_values.get(at.public..).unwrap_or_default(),
            first: number == 0,
            last: number + 1 == rows.len(),
        };
        window.evaluate(&air.nodes, &mut values);
        let value = |index: &u32| values.get(*index as usize).copied().unwrap_or_default();
        for (place, constraint) in air.constraints.iter().enumerate() {
            report.constraints += 1;
            if value(constraint) != Val::ZERO && report.faults.len() < LISTED {
                report.faults.push(Fault::Constraint {
                    air: air.name.clone(),
                    constraint: place,
                    row: number,
                });
            }
        }
        for interaction in &air.interactions {
            let count = value(&interaction.count);
            if count != Val::ZERO {
                report.messages += 1;
                let message = interaction.fields.iter().map(value).collect();
                *balance.entry((interaction.bus, message)).or_default() += count;
            }
        }
    }
}

/// What a row's constraints see.
struct Row<'a> {
    local: &'a [Val],
    next: &'a [Val],
    public: &'a [Val],
    first: bool,
    last: bool,
}

impl Row<'_> {
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
