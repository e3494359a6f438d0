//! Constraints and buses at the out-of-domain point.

use cloister_wrap::{
    circuit::{Air, Circuit, Node, Table},
    config::Challenge,
    table::BusColumn,
};
use p3_field::{Field, PrimeCharacteristicRing};
use serde_json::{Value, json};

use super::{
    Challenges, Reason, Val, demand,
    encoding::{Proof, TableOpening},
    recombine, root, show, show_all,
};

/// Selectors of a table at the point.
struct Selectors {
    first: Challenge,
    last: Challenge,
    transition: Challenge,
    vanishing: Challenge,
}

impl Selectors {
    fn at(point: Challenge, log_height: usize) -> Self {
        let vanishing = point.exp_power_of_2(log_height) - Challenge::ONE;
        let before_last = point - Challenge::from(root(log_height).inverse());
        Self {
            first: vanishing / (point - Challenge::ONE),
            last: vanishing / before_last,
            transition: before_last,
            vanishing,
        }
    }
}

/// Checks every table.
pub(crate) fn check(
    circuit: &Circuit,
    columns: &[Vec<BusColumn>],
    proof: &Proof,
    public: &[Vec<Val>],
    challenges: &Challenges,
) -> Vec<Value> {
    let offsets = offsets(columns, challenges);
    let mut results = Vec::new();
    for (number, table) in circuit.tables.iter().enumerate() {
        let opening = &proof.tables[number];
        let log_height = table.log_height as usize;
        let selectors = Selectors::at(challenges.point, log_height);
        let nodes = evaluate_all(table, opening, &public[number], &selectors);
        let mut constraints: Vec<Challenge> = Vec::new();
        for (air, values) in table.airs.iter().zip(&nodes) {
            let of = air.constraints.iter();
            constraints.extend(of.map(|index| values[*index as usize]));
        }
        let own = constraints.len();
        let buses = opening
            .buses
            .each_ref()
            .map(|values| values.chunks(5).map(recombine).collect::<Vec<_>>());
        let [local, next] = &buses;
        for (column, fraction) in columns[number].iter().zip(&local[1..]) {
            let (offset, beta) = (offset(&offsets, column.length), challenges.lookup[1]);
            let (above, below) = fraction_of(table, &nodes, column, offset, beta);
            constraints.push(below * *fraction - above);
        }
        let row: Challenge = local[1..].iter().copied().sum();
        let (sum, total) = (local[0], proof.totals[number]);
        constraints.push(selectors.first * sum);
        constraints.push(selectors.transition * (next[0] - sum - row));
        constraints.push(selectors.last * (total - sum - row));
        let combined = constraints.iter().fold(Challenge::ZERO, |sum, constraint| {
            sum * challenges.constraints + *constraint
        });
        let quotient = quotient(opening, challenges.point, log_height);
        demand(
            Reason::Constraints,
            combined == quotient * selectors.vanishing,
        );
        results.push(json!({
            "selectors": {
                "first": show(&selectors.first),
                "last": show(&selectors.last),
                "transition": show(&selectors.transition),
                "vanishing": show(&selectors.vanishing),
            },
            "own_constraints": own,
            "constraints": show_all(&constraints),
            "bus_local": show_all(local),
            "bus_next": show_all(next),
            "combined": show(&combined),
            "quotient": show(&quotient),
            "total": show(&total),
        }));
    }
    results
}

/// α + (i + 1) · β^W for the i-th length of messages, in the order in which columns first have it,
/// where W is the longest.
fn offsets(columns: &[Vec<BusColumn>], challenges: &Challenges) -> Vec<(u32, Challenge)> {
    let mut lengths: Vec<u32> = Vec::new();
    for column in columns.iter().flatten() {
        if !lengths.contains(&column.length) {
            lengths.push(column.length);
        }
    }
    let longest = lengths.iter().max().copied().unwrap_or(1);
    let [alpha, beta] = challenges.lookup;
    let step = beta.exp_u64(u64::from(longest));
    let mut offset = alpha;
    lengths
        .into_iter()
        .map(|length| {
            offset += step;
            (length, offset)
        })
        .collect()
}

fn offset(offsets: &[(u32, Challenge)], length: u32) -> Challenge {
    offsets.iter().find(|(of, _)| *of == length).unwrap().1
}

/// A column's fractions over one denominator.
fn fraction_of(
    table: &Table,
    nodes: &[Vec<Challenge>],
    column: &BusColumn,
    offset: Challenge,
    beta: Challenge,
) -> (Challenge, Challenge) {
    let (mut above, mut below) = (Challenge::ZERO, Challenge::ONE);
    for (air, message) in &column.messages {
        let interaction = &table.airs[*air].interactions[*message];
        let value = |index: &u32| nodes[*air][*index as usize];
        let combined = interaction
            .fields
            .iter()
            .fold(Challenge::from(Val::new(interaction.bus)), |sum, field| {
                sum * beta + value(field)
            });
        let term = offset - combined;
        above = above * term + value(&interaction.count) * below;
        below *= term;
    }
    (above, below)
}

/// The nodes of a table's AIRs.
fn evaluate_all(
    table: &Table,
    opening: &TableOpening,
    public: &[Val],
    selectors: &Selectors,
) -> Vec<Vec<Challenge>> {
    let (mut column, mut value) = (0, 0);
    let mut all = Vec::new();
    for air in &table.airs {
        let window = opening.trace.each_ref().map(|row| &row[column..]);
        all.push(evaluate(air, window, &public[value..], selectors));
        column += air.width as usize;
        value += air.public_values.count();
    }
    all
}

fn evaluate(
    air: &Air,
    [local, next]: [&[Challenge]; 2],
    public: &[Val],
    selectors: &Selectors,
) -> Vec<Challenge> {
    let mut values: Vec<Challenge> = Vec::with_capacity(air.nodes.len());
    for node in &air.nodes {
        let of = |index: u32| values[index as usize];
        let value = match *node {
            Node::Local(column) => local[column as usize],
            Node::Next(column) => next[column as usize],
            Node::Public(index) => Challenge::from(public[index as usize]),
            Node::FirstRow => selectors.first,
            Node::LastRow => selectors.last,
            Node::Transition => selectors.transition,
            Node::Constant(value) => Challenge::from(Val::new(value)),
            Node::Add(left, right) => of(left) + of(right),
            Node::Sub(left, right) => of(left) - of(right),
            Node::Neg(inner) => -of(inner),
            Node::Mul(left, right) => of(left) * of(right),
        };
        values.push(value);
    }
    values
}

/// The quotient from its chunks: chunk i is the quotient on the coset 31 · w^i · H, where H are the
/// table's rows and w generates the cosets together.
fn quotient(opening: &TableOpening, point: Challenge, log_height: usize) -> Challenge {
    let count = opening.chunks.len();
    let log_count = count.ilog2() as usize;
    let generator = root(log_height + log_count);
    // X^n over the cosets: shifts[i]^n.
    let base = Val::new(31).exp_power_of_2(log_height);
    let step = generator.exp_power_of_2(log_height);
    let shifts: Vec<Val> = step.shifted_powers(base).take(count).collect();
    let power = point.exp_power_of_2(log_height);
    let mut sum = Challenge::ZERO;
    for (i, chunk) in opening.chunks.iter().enumerate() {
        let mut weight = Challenge::ONE;
        for (j, shift) in shifts.iter().enumerate() {
            if i != j {
                // (x^n / s_j^n − 1) / (s_i^n / s_j^n − 1)
                weight *= (power - Challenge::from(*shift))
                    * Challenge::from((shifts[i] - *shift).inverse());
            }
        }
        sum += weight * recombine(chunk);
    }
    sum
}
