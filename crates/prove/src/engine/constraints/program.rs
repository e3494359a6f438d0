//! The expressions of one table as straight-line code, run for many rows at once.

use std::ops::{Add, Mul, Neg, Sub};

use openvm_stark_backend::{
    air_builders::symbolic::{
        SymbolicConstraintsDag, SymbolicExpressionNode,
        symbolic_variable::{Entry, SymbolicVariable},
    },
    p3_field::PrimeCharacteristicRing as _,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{EF, F};

/// Columns that every table has before its own: is it the first row, is it not the last, is it the
/// last.
pub(super) const SELECTORS: usize = 3;

/// One step. Operands are places of earlier steps; the step's own place is its number.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The value of a column that the program reads.
    Column(usize),
    Constant(usize),
    Add(usize, usize),
    Sub(usize, usize),
    Mul(usize, usize),
    Neg(usize),
}

/// How much of a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What messages need.
    Messages,
    /// All.
    Whole,
}

/// Where a message's parts are.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Place of how often it is sent.
    pub(super) count: usize,
    /// Places of its fields.
    pub(super) fields: Vec<usize>,
    /// One more than the number of its bus.
    pub(super) bus: F,
}

/// The code of one table.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    constants: Vec<F>,
    columns: Vec<usize>,
    /// Steps and columns that messages need come first; there are this many.
    message_steps: usize,
    message_columns: usize,
    /// Places that are zero in every row.
    pub(super) constraints: Vec<usize>,
    /// What is sent in every row.
    pub(super) messages: Vec<Message>,
}

impl Program {
    /// Code for what `dag` asks of each row. `column` says which column a variable reads.
    pub(super) fn new(
        dag: &SymbolicConstraintsDag<F>,
        public_values: &[F],
        column: impl Fn(SymbolicVariable<F>) -> usize,
    ) -> Self {
        let nodes = &dag.constraints.nodes;
        let mut compiler = Compiler {
            nodes,
            public_values,
            column,
            places: vec![None; nodes.len()],
            steps: Vec::new(),
            constants: Vec::new(),
            columns: Vec::new(),
        };
        let roots: Vec<usize> = dag
            .interactions
            .iter()
            .flat_map(|message| message.message.iter().chain([&message.count]).copied())
            .collect();
        compiler.compile(&roots);
        let (message_steps, message_columns) = (compiler.steps.len(), compiler.columns.len());
        compiler.compile(&dag.constraints.constraint_idx);
        let messages = dag.interactions.iter().map(|message| Message {
            count: compiler.place(message.count),
            fields: message
                .message
                .iter()
                .map(|&at| compiler.place(at))
                .collect(),
            bus: F::from_u32(u32::from(message.bus_index) + 1),
        });
        let messages = messages.collect();
        let constraints = dag.constraints.constraint_idx.iter();
        let constraints = constraints.map(|&at| compiler.place(at)).collect();
        Self {
            steps: compiler.steps,
            constants: compiler.constants,
            columns: compiler.columns,
            message_steps,
            message_columns,
            constraints,
            messages,
        }
    }

    /// The columns that `part` reads, in the order in which [`Self::run`] wants their values.
    pub(super) fn columns(&self, part: Part) -> &[usize] {
        match part {
            Part::Messages => self.columns.get(..self.message_columns).unwrap_or_default(),
            Part::Whole => &self.columns,
        }
    }

    /// The constants as values of another type, for [`Self::run`].
    pub(super) fn constants<V: From<F>>(&self) -> Vec<V> {
        self.constants.iter().copied().map(V::from).collect()
    }

    /// Runs `part`; `values` holds afterwards what is at each place.
    #[expect(
        clippy::indexing_slicing,
        reason = "the innermost loop of the prover; operands are places of earlier steps"
    )]
    pub(super) fn run<V>(&self, part: Part, columns: &[V], constants: &[V], values: &mut Vec<V>)
    where
        V: Copy + Add<Output = V> + Sub<Output = V> + Mul<Output = V> + Neg<Output = V>,
    {
        let count = match part {
            Part::Messages => self.message_steps,
            Part::Whole => self.steps.len(),
        };
        values.clear();
        for &step in self.steps.iter().take(count) {
            let value = match step {
                Step::Column(at) => columns[at],
                Step::Constant(at) => constants[at],
                Step::Add(left, right) => values[left] + values[right],
                Step::Sub(left, right) => values[left] - values[right],
                Step::Mul(left, right) => values[left] * values[right],
                Step::Neg(of) => -values[of],
            };
            values.push(value);
        }
    }
}

struct Compiler<'a, C> {
    nodes: &'a [SymbolicExpressionNode<F>],
    public_values: &'a [F],
    column: C,
    /// Place of each node that has one.
    places: Vec<Option<usize>>,
    steps: Vec<Step>,
    constants: Vec<F>,
    columns: Vec<usize>,
}

#[expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "the nodes of a key are in topological order and name each other; a key that is \
              otherwise was not made by OpenVM"
)]
impl<C: Fn(SymbolicVariable<F>) -> usize> Compiler<'_, C> {
    fn place(&self, node: usize) -> usize {
        self.places[node].expect("what is asked for was compiled")
    }

    /// Gives places to `roots` and all that they are made of.
    fn compile(&mut self, roots: &[usize]) {
        let mut wanted = vec![false; self.nodes.len()];
        for &root in roots {
            wanted[root] = true;
        }
        for at in (0..self.nodes.len()).rev() {
            if wanted[at] {
                for operand in operands(&self.nodes[at]).into_iter().flatten() {
                    wanted[operand] = true;
                }
            }
        }
        for (at, wanted) in wanted.into_iter().enumerate() {
            if wanted && self.places[at].is_none() {
                let step = self.step(at);
                self.places[at] = Some(self.steps.len());
                self.steps.push(step);
            }
        }
    }

    fn step(&mut self, at: usize) -> Step {
        match self.nodes[at] {
            SymbolicExpressionNode::Variable(variable) => match variable.entry {
                Entry::Public => self.constant(self.public_values[variable.index]),
                _ => self.read((self.column)(variable)),
            },
            SymbolicExpressionNode::IsFirstRow => self.read(0),
            SymbolicExpressionNode::IsTransition => self.read(1),
            SymbolicExpressionNode::IsLastRow => self.read(2),
            SymbolicExpressionNode::Constant(value) => self.constant(value),
            SymbolicExpressionNode::Add {
                left_idx,
                right_idx,
                ..
            } => Step::Add(self.place(left_idx), self.place(right_idx)),
            SymbolicExpressionNode::Sub {
                left_idx,
                right_idx,
                ..
            } => Step::Sub(self.place(left_idx), self.place(right_idx)),
            SymbolicExpressionNode::Mul {
                left_idx,
                right_idx,
                ..
            } => Step::Mul(self.place(left_idx), self.place(right_idx)),
            SymbolicExpressionNode::Neg { idx, .. } => Step::Neg(self.place(idx)),
        }
    }

    /// Nodes differ from each other, so each column is read by one step.
    fn read(&mut self, column: usize) -> Step {
        self.columns.push(column);
        Step::Column(self.columns.len() - 1)
    }

    fn constant(&mut self, value: F) -> Step {
        self.constants.push(value);
        Step::Constant(self.constants.len() - 1)
    }
}

fn operands(node: &SymbolicExpressionNode<F>) -> [Option<usize>; 2] {
    match *node {
        SymbolicExpressionNode::Add {
            left_idx,
            right_idx,
            ..
        }
        | SymbolicExpressionNode::Sub {
            left_idx,
            right_idx,
            ..
        }
        | SymbolicExpressionNode::Mul {
            left_idx,
            right_idx,
            ..
        } => [Some(left_idx), Some(right_idx)],
        SymbolicExpressionNode::Neg { idx, .. } => [Some(idx), None],
        _ => [None, None],
    }
}

/// A weighted sum of a program's values.
#[derive(Clone, Debug)]
pub(super) struct Sum<W> {
    constant: W,
    terms: Vec<(usize, W)>,
}

impl Sum<EF> {
    /// A number, to begin with.
    pub(super) const fn constant(constant: EF) -> Self {
        Self {
            constant,
            terms: Vec::new(),
        }
    }

    /// Adds what is at `place`, `weight` times.
    pub(super) fn add(&mut self, place: usize, weight: EF) {
        self.terms.push((place, weight));
    }

    /// Adds a message with its bus, compressed by powers of β, `weight` times.
    pub(super) fn add_message(&mut self, message: &Message, powers: &[EF], weight: EF) {
        for (&place, &power) in message.fields.iter().zip(powers) {
            self.add(place, weight * power);
        }
        let last = powers.get(message.fields.len()).copied();
        self.constant += weight * last.unwrap_or_default() * message.bus;
    }

    /// Adds another sum, `factor` times.
    pub(super) fn add_all(&mut self, other: Self, factor: EF) {
        self.constant += other.constant * factor;
        let terms = other.terms.into_iter();
        self.terms
            .extend(terms.map(|(place, weight)| (place, weight * factor)));
    }

    /// Takes terms of one place together.
    pub(super) fn gathered(mut self) -> Self {
        self.terms.sort_unstable_by_key(|(place, _)| *place);
        self.terms.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        self
    }

    /// The same sum for values of another type.
    pub(super) fn to<W: From<EF>>(&self) -> Sum<W> {
        let terms = self.terms.iter();
        Sum {
            constant: W::from(self.constant),
            terms: terms
                .map(|&(place, weight)| (place, W::from(weight)))
                .collect(),
        }
    }
}

impl<W> Sum<W> {
    /// The sum over what [`Program::run`] left.
    #[expect(clippy::indexing_slicing, reason = "as in `Program::run`")]
    pub(super) fn over<V: Copy>(&self, values: &[V]) -> W
    where
        W: Copy + Add<Output = W> + Mul<V, Output = W>,
    {
        self.terms
            .iter()
            .fold(self.constant, |sum, &(place, weight)| {
                sum + weight * values[place]
            })
    }
}
