//! The constraints as a straight-line program over numbered slots, for a small interpreter.
//!
//! One program for all tables. It computes each table's constraints from the opened values, folds
//! them with the constraint challenge in the order in which Plonky3 does, and stops; the caller
//! compares with the quotient and goes on.

use std::collections::HashMap;

use p3_field::PrimeField32;
use p3_lookup::{Kind, Lookup};

use crate::{
    circuit::Node,
    config::{EXTENSION_DEGREE, Val},
    shape::Shape,
    table::{Message, TableAir},
};

/// Most products in one step: their number has two bytes.
const LONGEST_RUN: usize = 0xffff;

/// A step of the program. In the image: operation, zero, then three or four slots of two bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The table's constraints are folded.
    End,
    /// Sum.
    Add(usize, usize, usize),
    /// Difference.
    Sub(usize, usize, usize),
    /// Product.
    Mul(usize, usize, usize),
    /// Product of the first two, and the third.
    MulAdd([usize; 4]),
    /// Folds one more constraint.
    Assert(usize),
    /// Folds more constraints, each a product; at least one.
    AssertMuls(Vec<[usize; 2]>),
    /// What begins a bus less a message of so many fields, which follow in [`Step::Fields`].
    Term(usize, usize, usize),
    /// Up to four fields of a message.
    Fields([usize; 4]),
    /// An extension element of five opened coordinates.
    Join(usize, usize),
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Constants, canonical; slot 0 is 0, slot 1 is 1.
    pub constants: Vec<u32>,
    /// First public value.
    pub public: usize,
    /// First selector: first row, last row, transition of each table.
    pub selectors: usize,
    /// What begins each bus.
    pub buses: usize,
    /// Number of buses.
    pub bus_count: usize,
    /// Totals of the tables' buses.
    pub totals: usize,
    /// First opened value.
    pub opened: usize,
    /// Opened values, random ones counted.
    pub opened_count: usize,
    /// All slots.
    pub slots: usize,
    /// Longest message.
    pub longest: usize,
    /// The program.
    pub steps: Vec<Step>,
}

/// Opened values of a table at the two points, as places among all opened values.
#[derive(Clone, Copy, Debug, Default)]
struct Opened {
    local: usize,
    next: usize,
    bus_local: usize,
    bus_next: usize,
}

/// A value in the making: a slot known from the start, or the result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Value {
    Constant(u32),
    Public(usize),
    Selector(usize),
    Bus(usize),
    Total(usize),
    Opened(usize),
    Result(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Add(Value, Value),
    Sub(Value, Value),
    Mul(Value, Value),
    MulAdd(Value, Value, Value),
    Join(Value),
    Assert(Value),
    AssertMul(Value, Value),
    /// Bus, and the message's number.
    Term(Value, usize),
    End,
}

impl Op {
    fn reads(&self) -> [Option<Value>; 3] {
        match *self {
            Self::Add(left, right)
            | Self::Sub(left, right)
            | Self::Mul(left, right)
            | Self::AssertMul(left, right) => [Some(left), Some(right), None],
            Self::MulAdd(first, second, third) => [Some(first), Some(second), Some(third)],
            Self::Join(of) | Self::Assert(of) | Self::Term(of, _) => [Some(of), None, None],
            Self::End => [None; 3],
        }
    }

    /// Whether it must stay though nothing reads its result.
    fn acts(&self) -> bool {
        matches!(
            self,
            Self::Assert(_) | Self::AssertMul(..) | Self::Term(..) | Self::End
        )
    }
}

#[derive(Default)]
struct Builder {
    ops: Vec<Op>,
    known: HashMap<Op, Value>,
    /// The fields of every message.
    messages: Vec<Vec<Value>>,
}

impl Builder {
    /// The fields of the message that a step makes.
    fn fields(&self, op: &Op) -> &[Value] {
        match op {
            Op::Term(_, message) => self.messages.get(*message).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }

    /// All that a step reads.
    fn reads(&self, op: &Op) -> Vec<Value> {
        let fields = self.fields(op).iter().copied();
        op.reads().into_iter().flatten().chain(fields).collect()
    }

    fn op(&mut self, op: Op) -> Value {
        if let Some(value) = self.known.get(&op) {
            return *value;
        }
        let value = Value::Result(self.ops.len());
        self.ops.push(op);
        if !op.acts() {
            self.known.insert(op, value);
        }
        value
    }

    fn add(&mut self, left: Value, right: Value) -> Value {
        match (left, right) {
            (Value::Constant(0), other) | (other, Value::Constant(0)) => other,
            _ => self.op(Op::Add(left.min(right), left.max(right))),
        }
    }

    fn sub(&mut self, left: Value, right: Value) -> Value {
        match right {
            Value::Constant(0) => left,
            _ => self.op(Op::Sub(left, right)),
        }
    }

    fn mul(&mut self, left: Value, right: Value) -> Value {
        match (left, right) {
            (Value::Constant(1), other) | (other, Value::Constant(1)) => other,
            _ => self.op(Op::Mul(left.min(right), left.max(right))),
        }
    }

    fn assert(&mut self, value: Value) {
        self.op(Op::Assert(value));
    }

    /// Joins a step with the one whose result only it reads, where the interpreter has a step for
    /// both: each step costs it more than the arithmetic.
    fn fuse(&mut self) {
        let last = last_uses(self);
        let mut readers = vec![0_usize; self.ops.len()];
        for (op, last) in self.ops.iter().zip(&last) {
            if last.is_none() {
                continue;
            }
            for value in self.reads(op) {
                if let Value::Result(of) = value
                    && let Some(count) = readers.get_mut(of)
                {
                    *count += 1;
                }
            }
        }
        for index in (0..self.ops.len()).rev() {
            let inner = |value: Value| match value {
                Value::Result(of) if readers.get(of) == Some(&1) => self.ops.get(of).copied(),
                _ => None,
            };
            let Some(op) = self.ops.get(index) else {
                continue;
            };
            let fused = match *op {
                Op::Add(left, right) => match (inner(left), inner(right)) {
                    (Some(Op::Mul(first, second)), _) => Op::MulAdd(first, second, right),
                    (_, Some(Op::Mul(first, second))) => Op::MulAdd(first, second, left),
                    _ => continue,
                },
                Op::Assert(of) => match inner(of) {
                    Some(Op::Mul(left, right)) => Op::AssertMul(left, right),
                    _ => continue,
                },
                _ => continue,
            };
            if let Some(op) = self.ops.get_mut(index) {
                *op = fused;
            }
        }
    }

    fn nodes(&mut self, nodes: &[Node], at: &At) -> Vec<Value> {
        let mut values: Vec<Value> = Vec::with_capacity(nodes.len());
        for node in nodes {
            let of = |index: u32| {
                let value = values.get(index as usize).copied();
                value.unwrap_or(Value::Constant(0))
            };
            let value = match *node {
                Node::Local(column) => Value::Opened(at.opened.local + column as usize),
                Node::Next(column) => Value::Opened(at.opened.next + column as usize),
                Node::Public(index) => Value::Public(at.public + index as usize),
                Node::FirstRow => Value::Selector(3 * at.table),
                Node::LastRow => Value::Selector(3 * at.table + 1),
                Node::Transition => Value::Selector(3 * at.table + 2),
                Node::Constant(value) => Value::Constant(value),
                Node::Add(left, right) => self.add(of(left), of(right)),
                Node::Sub(left, right) => self.sub(of(left), of(right)),
                Node::Neg(inner) => self.sub(Value::Constant(0), of(inner)),
                Node::Mul(left, right) => self.mul(of(left), of(right)),
            };
            values.push(value);
        }
        values
    }

    /// Pins a column of fractions to the sum of its messages' fractions.
    fn fraction(&mut self, column: Value, bus: usize, messages: &[(Value, Vec<Value>)]) {
        let mut sum: Option<(Value, Value)> = None;
        for (count, fields) in messages {
            self.messages.push(fields.clone());
            let term = self.op(Op::Term(Value::Bus(bus), self.messages.len() - 1));
            sum = Some(match sum {
                None => (*count, term),
                Some((above, below)) => {
                    let left = self.mul(above, term);
                    let right = self.mul(*count, below);
                    (self.add(left, right), self.mul(below, term))
                }
            });
        }
        if let Some((above, below)) = sum {
            let product = self.mul(below, column);
            let off = self.sub(product, above);
            self.assert(off);
        }
    }

    /// The running sum begins at 0, grows by every row's fractions and ends at the total.
    fn accumulator(&mut self, table: usize, sum: [Value; 2], columns: &[Value]) {
        let [local, next] = sum;
        let mut row = Value::Constant(0);
        for column in columns {
            row = self.add(row, *column);
        }
        let first = self.mul(Value::Selector(3 * table), local);
        self.assert(first);
        let step = self.sub(next, local);
        let step = self.sub(step, row);
        let step = self.mul(Value::Selector(3 * table + 2), step);
        self.assert(step);
        let end = self.sub(Value::Total(table), local);
        let end = self.sub(end, row);
        let end = self.mul(Value::Selector(3 * table + 1), end);
        self.assert(end);
    }
}

/// Where a table's values stand.
struct At {
    table: usize,
    public: usize,
    opened: Opened,
}

/// Compiles all tables.
///
/// Nothing when the messages do not fill the columns as Plonky3 packed them, which only a bug can
/// bring about.
pub(crate) fn compile(
    airs: &[TableAir],
    lookups: &[p3_lookup::Lookups<Val>],
    shape: &Shape,
) -> Option<Layout> {
    let mut builder = Builder::default();
    let mut buses: Vec<String> = Vec::new();
    let (mut public, mut longest) = (0, 1);
    let opened = places(shape);
    for (table, (air, lookups)) in airs.iter().zip(lookups).enumerate() {
        let at = At {
            table,
            public,
            opened: *opened.get(table)?,
        };
        let mut values = Vec::with_capacity(air.members.len());
        for member in &air.members {
            let constraints = builder.nodes(&member.constraint_nodes, &at);
            for constraint in &member.constraints {
                builder.assert(*constraints.get(*constraint)?);
            }
            values.push(builder.nodes(&member.nodes, &at));
        }
        longest = longest.max(messages(
            &mut builder,
            air,
            lookups,
            &at,
            &values,
            &mut buses,
        )?);
        builder.op(Op::End);
        public += air.public_values;
    }
    builder.fuse();
    Some(allocate(&builder, shape, public, buses.len(), longest))
}

/// Adds the columns of fractions and the running sum of a table; returns its longest message.
fn messages(
    builder: &mut Builder,
    air: &TableAir,
    lookups: &[Lookup<Val>],
    at: &At,
    values: &[Vec<Value>],
    buses: &mut Vec<String>,
) -> Option<usize> {
    let mut pending = air.messages.iter();
    let join = |builder: &mut Builder, from: usize, column: usize| {
        builder.op(Op::Join(Value::Opened(from + column * EXTENSION_DEGREE)))
    };
    let mut longest = 1;
    let mut columns = Vec::with_capacity(lookups.len());
    for (number, lookup) in lookups.iter().enumerate() {
        let Kind::Global(name) = &lookup.kind else {
            return None;
        };
        let bus = buses
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                buses.push(name.clone());
                buses.len() - 1
            });
        let mut sent = Vec::with_capacity(lookup.elements.len());
        for element in &lookup.elements {
            let message = pending.next()?;
            if element.len() != message.length as usize || lookup.column != number {
                return None;
            }
            longest = longest.max(element.len());
            sent.push(message_values(message, values.get(message.member)?)?);
        }
        let column = join(builder, at.opened.bus_local, number + 1);
        builder.fraction(column, bus, &sent);
        columns.push(column);
    }
    let sum = [
        join(builder, at.opened.bus_local, 0),
        join(builder, at.opened.bus_next, 0),
    ];
    builder.accumulator(at.table, sum, &columns);
    pending.next().is_none().then_some(longest)
}

/// A message's count, and its bus and fields. Leading zeros that fill it up add nothing.
fn message_values(message: &Message, values: &[Value]) -> Option<(Value, Vec<Value>)> {
    let mut fields = vec![Value::Constant(message.bus.as_canonical_u32())];
    for field in &message.fields {
        fields.push(*values.get(*field)?);
    }
    Some((*values.get(message.count)?, fields))
}

/// Where each table's opened values stand among all, in the order in which they are absorbed:
/// random, trace, quotient, buses; within each by table; with the random columns' values.
fn places(shape: &Shape) -> Vec<Opened> {
    let random = shape.random_columns;
    let mut at = shape.tables.len() * (EXTENSION_DEGREE + random);
    let mut opened = vec![Opened::default(); shape.tables.len()];
    for (table, opened) in shape.tables.iter().zip(&mut opened) {
        opened.local = at;
        opened.next = at + table.width + random;
        at += 2 * (table.width + random);
    }
    let chunks: usize = shape.tables.iter().map(|table| table.quotient_chunks).sum();
    at += chunks * (EXTENSION_DEGREE + random);
    for (table, opened) in shape.tables.iter().zip(&mut opened) {
        let width = table.bus_columns * EXTENSION_DEGREE + random;
        opened.bus_local = at;
        opened.bus_next = at + width;
        at += 2 * width;
    }
    opened
}

/// Leaves out what nothing needs and gives every result a slot while it is needed.
fn allocate(
    builder: &Builder,
    shape: &Shape,
    public: usize,
    bus_count: usize,
    longest: usize,
) -> Layout {
    let ops = &builder.ops;
    let last = last_uses(builder);
    let constants = constants(builder, &last);
    let mut layout = empty_layout(constants, ops.len(), shape, public, bus_count, longest);
    let mut slots = vec![0_usize; ops.len()];
    let mut free: Vec<usize> = Vec::new();
    for (index, op) in ops.iter().enumerate() {
        let Some(last_use) = last.get(index).copied().flatten() else {
            continue;
        };
        let reads = op
            .reads()
            .map(|value| value.map_or(0, |value| layout.slot(value, &slots)));
        let fields: Vec<usize> = builder
            .fields(op)
            .iter()
            .map(|value| layout.slot(*value, &slots))
            .collect();
        // A result may take the place of what is read for the last time here.
        for value in builder.reads(op) {
            if let Value::Result(of) = value
                && last.get(of).copied().flatten() == Some(index)
                && let Some(slot) = slots.get(of)
                && !free.contains(slot)
            {
                free.push(*slot);
            }
        }
        let writes = !op.acts() || matches!(op, Op::Term(..));
        let mut to = 0;
        if writes {
            to = free.pop().unwrap_or_else(|| {
                layout.slots += 1;
                layout.slots - 1
            });
            if let Some(slot) = slots.get_mut(index) {
                *slot = to;
            }
            if last_use == index {
                free.push(to);
            }
        }
        let step = step(op, to, reads, fields.len());
        match (layout.steps.last_mut(), step) {
            (Some(Step::AssertMuls(pairs)), Step::AssertMuls(more))
                if pairs.len() < LONGEST_RUN =>
            {
                pairs.extend(more);
            }
            (_, step) => layout.steps.push(step),
        }
        for four in fields.chunks(4) {
            let mut slots = [0; 4];
            slots
                .iter_mut()
                .zip(four)
                .for_each(|(to, field)| *to = *field);
            layout.steps.push(Step::Fields(slots));
        }
    }
    layout
}

/// Zero, one, and the constants that are needed.
fn constants(builder: &Builder, last: &[Option<usize>]) -> Vec<u32> {
    let mut constants: Vec<u32> = vec![0, 1];
    for (op, last) in builder.ops.iter().zip(last) {
        for value in builder.reads(op) {
            if let Value::Constant(value) = value
                && last.is_some()
                && !constants.contains(&value)
            {
                constants.push(value);
            }
        }
    }
    constants
}

/// The slots that are filled in before the program begins, one kind after the other.
fn empty_layout(
    constants: Vec<u32>,
    steps: usize,
    shape: &Shape,
    public_count: usize,
    bus_count: usize,
    longest: usize,
) -> Layout {
    let tables = shape.tables.len();
    let public = constants.len();
    let selectors = public + public_count;
    let buses = selectors + 3 * tables;
    let totals = buses + bus_count;
    let opened = totals + tables;
    let opened_count = shape.opened_at_point();
    Layout {
        public,
        selectors,
        buses,
        bus_count,
        totals,
        opened,
        opened_count,
        slots: opened + opened_count,
        longest,
        steps: Vec::with_capacity(steps),
        constants,
    }
}

/// For each step where its result is read last; its own place if never but it acts; nothing if it
/// is not needed.
fn last_uses(builder: &Builder) -> Vec<Option<usize>> {
    let ops = &builder.ops;
    let mut last: Vec<Option<usize>> = vec![None; ops.len()];
    for (index, op) in ops.iter().enumerate().rev() {
        let needed = last.get(index).copied().flatten().is_some();
        if !needed && !op.acts() {
            continue;
        }
        if let Some(slot) = last.get_mut(index)
            && slot.is_none()
        {
            *slot = Some(index);
        }
        for value in builder.reads(op) {
            if let Value::Result(of) = value
                && let Some(slot) = last.get_mut(of)
                && slot.is_none()
            {
                *slot = Some(index);
            }
        }
    }
    last
}

fn step(op: &Op, to: usize, [left, right, third]: [usize; 3], fields: usize) -> Step {
    match op {
        Op::Add(..) => Step::Add(to, left, right),
        Op::Sub(..) => Step::Sub(to, left, right),
        Op::Mul(..) => Step::Mul(to, left, right),
        Op::MulAdd(..) => Step::MulAdd([to, left, right, third]),
        Op::Join(_) => Step::Join(to, left),
        Op::Assert(_) => Step::Assert(left),
        Op::AssertMul(..) => Step::AssertMuls(vec![[left, right]]),
        Op::Term(..) => Step::Term(to, left, fields),
        Op::End => Step::End,
    }
}

impl Layout {
    fn slot(&self, value: Value, slots: &[usize]) -> usize {
        match value {
            Value::Constant(of) => {
                let place = self.constants.iter().position(|constant| *constant == of);
                place.unwrap_or(0)
            }
            Value::Public(of) => self.public + of,
            Value::Selector(of) => self.selectors + of,
            Value::Bus(of) => self.buses + of,
            Value::Total(of) => self.totals + of,
            Value::Opened(of) => self.opened + of,
            Value::Result(of) => slots.get(of).copied().unwrap_or(0),
        }
    }
}

impl Step {
    /// Its bytes, or nothing when a slot is beyond 2^16.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        // The operation is the first byte of two.
        let numbers: Vec<usize> = match self {
            Self::End => vec![0, 0, 0, 0],
            Self::Add(to, left, right) => vec![1 << 8, *to, *left, *right],
            Self::Sub(to, left, right) => vec![2 << 8, *to, *left, *right],
            Self::Assert(of) => vec![3 << 8, 0, *of, 0],
            Self::Term(to, bus, fields) => vec![4 << 8, *to, *bus, *fields],
            Self::Join(to, of) => vec![5 << 8, *to, *of, 0],
            Self::Mul(to, left, right) => vec![8 << 8, *to, *left, *right],
            Self::AssertMuls(pairs) => [9 << 8, pairs.len()]
                .into_iter()
                .chain(pairs.iter().flatten().copied())
                .collect(),
            Self::MulAdd([to, left, right, third]) => vec![10 << 8, *to, *left, *right, *third],
            Self::Fields(fields) => fields.to_vec(),
        };
        let mut bytes = Vec::with_capacity(2 * numbers.len());
        for number in numbers {
            bytes.extend(u16::try_from(number).ok()?.to_be_bytes());
        }
        Some(bytes)
    }
}
