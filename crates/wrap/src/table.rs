//! A circuit's tables as Plonky3 AIRs: an interpreter of the constraints' computation.

use p3_air::{Air as P3Air, AirBuilder, BaseAir, WindowAccess};
use p3_batch_stark::folder::{
    ProverConstraintFolderWithLookups, VerifierConstraintFolderWithLookups,
};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder, InteractionSymbolicBuilder};

use crate::{
    circuit::{Air, Circuit, Node, Table},
    config::{Challenge, Config, Val},
};

/// A table with all that its evaluation needs.
#[derive(Clone, Debug)]
pub struct TableAir {
    width: usize,
    pub(crate) public_values: usize,
    pub(crate) members: Vec<Member>,
    /// Messages in the order in which they fill columns.
    pub(crate) messages: Vec<Message>,
}

/// One AIR of a table.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// All nodes, with columns and public values counted within the table.
    pub(crate) nodes: Vec<Node>,
    /// Those that constraints need, numbered anew.
    pub(crate) constraint_nodes: Vec<Node>,
    pub(crate) constraints: Vec<usize>,
}

/// A column of the buses: the fractions of some messages of one length, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusColumn {
    /// Length of the messages with their bus, filled up.
    pub length: u32,
    /// The messages: the AIR's place in its table, and the message's in the AIR's list.
    pub messages: Vec<(usize, usize)>,
}

/// A message, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) member: usize,
    interaction: usize,
    pub(crate) length: u32,
    pub(crate) bus: Val,
    pub(crate) count: usize,
    weight: u32,
    pub(crate) fields: Vec<usize>,
    /// Degree of its fraction's denominator.
    degree: usize,
}

impl TableAir {
    /// The tables of a circuit.
    #[must_use]
    pub fn all(circuit: &Circuit) -> Vec<Self> {
        circuit
            .tables
            .iter()
            .map(|table| Self::new(circuit, table))
            .collect()
    }

    fn new(circuit: &Circuit, table: &Table) -> Self {
        let mut air = Self {
            width: table.width(),
            public_values: table.public_values(),
            members: Vec::with_capacity(table.airs.len()),
            messages: Vec::new(),
        };
        let (mut column, mut public) = (0, 0);
        for member in &table.airs {
            let nodes = shifted(member, column, public);
            air.add_messages(circuit, member, &nodes);
            air.members.push(Member::new(member, nodes));
            column += member.width;
            public += u32::try_from(member.public_values.count()).unwrap_or(u32::MAX);
        }
        air.messages = in_columns(core::mem::take(&mut air.messages));
        air
    }

    fn add_messages(&mut self, circuit: &Circuit, member: &Air, nodes: &[Node]) {
        let degrees = degrees(nodes);
        let index = self.members.len();
        for (number, interaction) in member.interactions.iter().enumerate() {
            let fields: Vec<usize> = interaction.fields.iter().map(|f| *f as usize).collect();
            let degree = fields
                .iter()
                .filter_map(|field| degrees.get(*field).copied())
                .max()
                .unwrap_or(0);
            self.messages.push(Message {
                member: index,
                interaction: number,
                // The circuit was checked: every message has a length.
                length: circuit.message_length(fields.len()).unwrap_or(u32::MAX),
                bus: Val::new(interaction.bus),
                count: interaction.count as usize,
                weight: interaction.weight,
                fields,
                degree,
            });
        }
    }

    /// The columns of the table's buses as Plonky3 packed them: how many messages went to each.
    pub(crate) fn bus_columns(&self, packed: impl Iterator<Item = usize>) -> Vec<BusColumn> {
        let mut messages = self.messages.iter();
        packed
            .map(|count| {
                let members: Vec<&Message> = messages.by_ref().take(count).collect();
                BusColumn {
                    length: members.first().map_or(0, |message| message.length),
                    messages: members
                        .iter()
                        .map(|message| (message.member, message.interaction))
                        .collect(),
                }
            })
            .collect()
    }

    /// Adds every constraint.
    fn constrain<AB: AirBuilder<F = Val>>(&self, builder: &mut AB) {
        let window = builder.main();
        let mut values = Vec::new();
        for member in &self.members {
            evaluate(builder, &window, &member.constraint_nodes, &mut values);
            for constraint in &member.constraints {
                if let Some(value) = values.get(*constraint) {
                    builder.assert_zero(value.clone());
                }
            }
        }
    }

    /// Adds every message.
    fn send<AB: InteractionBuilder<F = Val>>(&self, builder: &mut AB) {
        let window = builder.main();
        let values: Vec<Vec<AB::Expr>> = self
            .members
            .iter()
            .map(|member| {
                let mut values = Vec::new();
                evaluate(builder, &window, &member.nodes, &mut values);
                values
            })
            .collect();
        for message in &self.messages {
            let Some(values) = values.get(message.member) else {
                continue;
            };
            let padding = (message.length as usize).saturating_sub(message.fields.len() + 1);
            let mut fields = vec![AB::Expr::ZERO; padding];
            fields.push(message.bus.into());
            fields.extend(
                message
                    .fields
                    .iter()
                    .filter_map(|f| values.get(*f).cloned()),
            );
            let Some(count) = values.get(message.count).cloned() else {
                continue;
            };
            builder.push_interaction(
                &bus_name(message.length),
                fields,
                Count::bounded(count, message.weight),
            );
        }
    }
}

/// The name under which messages of one length share columns and challenges.
fn bus_name(length: u32) -> String {
    format!("m{length}")
}

/// An AIR's nodes as nodes of its table.
fn shifted(air: &Air, column: u32, public: u32) -> Vec<Node> {
    air.nodes
        .iter()
        .map(|node| match *node {
            Node::Local(index) => Node::Local(index + column),
            Node::Next(index) => Node::Next(index + column),
            Node::Public(index) => Node::Public(index + public),
            other => other,
        })
        .collect()
}

impl Member {
    fn new(air: &Air, nodes: Vec<Node>) -> Self {
        let mut needed = vec![false; nodes.len()];
        for constraint in &air.constraints {
            mark(&mut needed, *constraint);
        }
        for (index, node) in nodes.iter().enumerate().rev() {
            if needed.get(index) != Some(&true) {
                continue;
            }
            match *node {
                Node::Add(left, right) | Node::Sub(left, right) | Node::Mul(left, right) => {
                    mark(&mut needed, left);
                    mark(&mut needed, right);
                }
                Node::Neg(of) => mark(&mut needed, of),
                _ => {}
            }
        }
        let mut places = vec![0_u32; nodes.len()];
        let mut constraint_nodes = Vec::new();
        for ((node, needed), index) in nodes.iter().zip(&needed).zip(0..) {
            if !needed {
                continue;
            }
            let at = |of: u32| places.get(of as usize).copied().unwrap_or(0);
            let node = match *node {
                Node::Add(left, right) => Node::Add(at(left), at(right)),
                Node::Sub(left, right) => Node::Sub(at(left), at(right)),
                Node::Mul(left, right) => Node::Mul(at(left), at(right)),
                Node::Neg(of) => Node::Neg(at(of)),
                other => other,
            };
            let place = u32::try_from(constraint_nodes.len()).unwrap_or(u32::MAX);
            constraint_nodes.push(node);
            if let Some(slot) = places.get_mut::<usize>(index) {
                *slot = place;
            }
        }
        let constraints = air
            .constraints
            .iter()
            .filter_map(|index| places.get(*index as usize).map(|place| *place as usize))
            .collect();
        Self {
            nodes,
            constraint_nodes,
            constraints,
        }
    }
}

/// Notes that a node is needed.
fn mark(needed: &mut [bool], node: u32) {
    if let Some(slot) = needed.get_mut(node as usize) {
        *slot = true;
    }
}

/// Degree of each node in the columns.
fn degrees(nodes: &[Node]) -> Vec<usize> {
    let mut degrees: Vec<usize> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let of = |index: u32| degrees.get(index as usize).copied().unwrap_or(0);
        let degree = match *node {
            Node::Local(_) | Node::Next(_) | Node::FirstRow | Node::LastRow => 1,
            Node::Public(_) | Node::Constant(_) | Node::Transition => 0,
            Node::Add(left, right) | Node::Sub(left, right) => of(left).max(of(right)),
            Node::Neg(inner) => of(inner),
            Node::Mul(left, right) => of(left) + of(right),
        };
        degrees.push(degree);
    }
    degrees
}

/// Largest degree of a column's denominator; with the fraction itself one more, which makes eight
/// quotient chunks, sixteen with their masks.
const MAX_COLUMN_DEGREE: usize = 7;

/// Orders messages so that Plonky3, which fills columns one message after another, wastes little:
/// first fit by falling degree, for each length.
fn in_columns(mut messages: Vec<Message>) -> Vec<Message> {
    messages.sort_by_key(|message| (message.length, core::cmp::Reverse(message.degree)));
    let mut columns: Vec<(u32, usize, Vec<Message>)> = Vec::new();
    for message in messages {
        let fitting = columns.iter_mut().find(|(length, degree, _)| {
            *length == message.length && degree + message.degree <= MAX_COLUMN_DEGREE
        });
        match fitting {
            Some((_, degree, members)) => {
                *degree += message.degree;
                members.push(message);
            }
            None => columns.push((message.length, message.degree, vec![message])),
        }
    }
    columns
        .into_iter()
        .flat_map(|(_, _, members)| members)
        .collect()
}

/// Computes all nodes for the builder's row.
fn evaluate<AB: AirBuilder<F = Val>>(
    builder: &AB,
    window: &AB::MainWindow,
    nodes: &[Node],
    values: &mut Vec<AB::Expr>,
) {
    values.clear();
    values.reserve(nodes.len());
    let (local, next) = (window.current_slice(), window.next_slice());
    let public = builder.public_values();
    for node in nodes {
        let value = match *node {
            Node::Local(column) => local[column as usize].into(),
            Node::Next(column) => next[column as usize].into(),
            Node::Public(index) => public[index as usize].into(),
            Node::FirstRow => builder.is_first_row(),
            Node::LastRow => builder.is_last_row(),
            Node::Transition => builder.is_transition(),
            Node::Constant(value) => Val::new(value).into(),
            Node::Add(left, right) => {
                values[left as usize].clone() + values[right as usize].clone()
            }
            Node::Sub(left, right) => {
                values[left as usize].clone() - values[right as usize].clone()
            }
            Node::Neg(of) => -values[of as usize].clone(),
            Node::Mul(left, right) => {
                values[left as usize].clone() * values[right as usize].clone()
            }
        };
        values.push(value);
    }
}

impl BaseAir<Val> for TableAir {
    fn width(&self) -> usize {
        self.width
    }

    fn num_public_values(&self) -> usize {
        self.public_values
    }
}

/// The prover needs only constraints here: messages have columns of their own.
impl P3Air<ProverConstraintFolderWithLookups<'_, Config>> for TableAir {
    fn eval(&self, builder: &mut ProverConstraintFolderWithLookups<'_, Config>) {
        self.constrain(builder);
    }
}

/// So does the verifier.
impl P3Air<VerifierConstraintFolderWithLookups<'_, Config>> for TableAir {
    fn eval(&self, builder: &mut VerifierConstraintFolderWithLookups<'_, Config>) {
        self.constrain(builder);
    }
}

/// Both learn from this which messages there are, and of what degree all is.
impl P3Air<InteractionSymbolicBuilder<Val, Challenge>> for TableAir {
    fn eval(&self, builder: &mut InteractionSymbolicBuilder<Val, Challenge>) {
        self.constrain(builder);
        self.send(builder);
    }
}

/// Plonky3 checks traces when it was built with assertions.
impl P3Air<p3_air::DebugConstraintBuilder<'_, Val, Challenge>> for TableAir {
    fn eval(&self, builder: &mut p3_air::DebugConstraintBuilder<'_, Val, Challenge>) {
        self.constrain(builder);
    }
}
