//! What is proved: tables, their constraints and what they send to each other. Plain data, without
//! any prover: what the native verifier, the Solidity generator and the prover share.
//!
//! ```text
//!  OpenVM's AIRs (42) ──adapter──► Air, Air, … ──merged by height──► Table (two of them)
//!                                   DAG of nodes                       columns side by side
//!                                   constraints, interactions
//! ```

/// `BabyBear`'s modulus: 15 · 2^27 + 1. Every number in a circuit is below it.
pub const MODULUS: u32 = 0x7800_0001;

/// Degree of the extension that challenges come from.
pub const EXTENSION_DEGREE: u32 = 5;

/// Index of a node in its AIR's list; a node refers only to nodes before it.
pub type NodeIndex = u32;

/// One step in the computation of constraints and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// The column's value in this row.
    Local(u32),
    /// The column's value in the next row; the row after the last is the first.
    Next(u32),
    /// A public value of this AIR.
    Public(u32),
    /// Not zero in the first row, zero in all others.
    FirstRow,
    /// Not zero in the last row, zero in all others.
    LastRow,
    /// Zero in the last row, not zero in all others.
    Transition,
    /// A number below [`MODULUS`].
    Constant(u32),
    /// Sum of two nodes.
    Add(NodeIndex, NodeIndex),
    /// The first node minus the second.
    Sub(NodeIndex, NodeIndex),
    /// The node's negative.
    Neg(NodeIndex),
    /// Product of two nodes.
    Mul(NodeIndex, NodeIndex),
}

/// A message to or from a bus, in every row. All messages of a bus must cancel out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interaction {
    /// The bus; never 0, which padding stands for.
    pub bus: u32,
    /// How often the message is sent; a negative number receives it.
    pub count: NodeIndex,
    /// Bound of the count's magnitude per row, 0 for the side that answers. The sum over all rows
    /// stays below the modulus, or a count could wrap.
    pub weight: u32,
    /// The message, without the bus.
    pub fields: Vec<NodeIndex>,
}

/// Where an AIR's public values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicValues {
    /// It has none.
    None,
    /// The program's and the machine's commitment, 8 numbers each.
    Commitments,
    /// The program's public values, a byte each.
    Bytes(u32),
    /// Always these numbers.
    Fixed(Vec<u32>),
}

impl PublicValues {
    /// How many numbers.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Commitments => 16,
            Self::Bytes(bytes) => *bytes as usize,
            Self::Fixed(values) => values.len(),
        }
    }
}

/// One of `OpenVM`'s AIRs with its constraints, or one that the wrap adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Air {
    /// Its name in `OpenVM`, for people.
    pub name: String,
    /// Number of columns.
    pub width: u32,
    /// Its public values.
    pub public_values: PublicValues,
    /// The computation.
    pub nodes: Vec<Node>,
    /// Nodes that are zero in every row.
    pub constraints: Vec<NodeIndex>,
    /// Messages.
    pub interactions: Vec<Interaction>,
}

/// AIRs of equal height, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Rows, as a power of two.
    pub log_height: u32,
    /// Its AIRs, from the left.
    pub airs: Vec<Air>,
}

impl Table {
    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.airs.iter().map(|air| air.width as usize).sum()
    }

    /// Number of public values.
    #[must_use]
    pub fn public_values(&self) -> usize {
        self.airs.iter().map(|air| air.public_values.count()).sum()
    }
}

/// Parameters of the proof system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Length of a codeword to its polynomial's, as a power of two.
    pub log_blowup: u32,
    /// Positions that FRI opens.
    pub queries: u32,
    /// Grinding before the positions are drawn, in bits.
    pub query_pow_bits: u32,
    /// Grinding before the openings are combined, in bits.
    pub batch_pow_bits: u32,
    /// Grinding before each folding challenge, in bits.
    pub fold_pow_bits: u32,
    /// Grinding before the challenges of the buses, in bits.
    pub lookup_pow_bits: u32,
    /// Grinding before the out-of-domain point, in bits.
    pub point_pow_bits: u32,
    /// Most values folded into one, as a power of two.
    pub log_arity: u32,
    /// Coefficients of the last polynomial, as a power of two.
    pub log_final_length: u32,
    /// Random columns beside each committed matrix, at least the extension's degree.
    pub random_columns: u32,
    /// Layers of a Merkle tree, from the root, that are sent whole instead of the root.
    pub cap_height: u32,
}

/// All that a proof is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// Parameters of the proof system.
    pub parameters: Parameters,
    /// Lengths that messages, with their bus, are filled up to: messages of equal length share
    /// columns. Ascending.
    pub message_lengths: Vec<u32>,
    /// The tables.
    pub tables: Vec<Table>,
}

impl Circuit {
    /// The length that a message of so many fields is filled up to, or none when it is too long.
    #[must_use]
    pub fn message_length(&self, fields: usize) -> Option<u32> {
        self.message_lengths
            .iter()
            .copied()
            .find(|length| *length as usize > fields)
    }

    /// Checks that every index and number is in range, so that nothing that reads the circuit
    /// needs to.
    ///
    /// # Errors
    /// [`BadCircuit`] names the first fault.
    pub fn check(&self) -> Result<(), BadCircuit> {
        let mut above = 1;
        for length in &self.message_lengths {
            require(*length > above, BadCircuit::Lengths)?;
            above = *length;
        }
        let parameters = &self.parameters;
        let vacuous =
            parameters.queries == 0 || parameters.log_blowup == 0 || parameters.log_arity == 0;
        require(!vacuous, BadCircuit::Vacuous)?;
        require(!self.tables.is_empty(), BadCircuit::Tables)?;
        let mut lower = None;
        for table in &self.tables {
            require(table.log_height <= 20, BadCircuit::Tables)?;
            // Each has its own salts, so each has its own height.
            require(lower < Some(table.log_height), BadCircuit::Tables)?;
            lower = Some(table.log_height);
            require(self.hides(table), BadCircuit::Hiding)?;
            for air in &table.airs {
                self.check_air(air)?;
            }
        }
        require(self.counts() < MODULUS.into(), BadCircuit::Weights)?;
        require(self.reads_the_statement(), BadCircuit::Statement)
    }

    /// Most that all counts add up to. Below the modulus they cannot wrap to nothing.
    fn counts(&self) -> u128 {
        let tables = self.tables.iter();
        let weights = tables.flat_map(|table| {
            let messages = table.airs.iter().flat_map(|air| &air.interactions);
            messages.map(|message| u128::from(message.weight) << table.log_height)
        });
        weights.sum()
    }

    /// Whether some table reads the commitments, and some the revealed bytes. A circuit that does
    /// not would prove every statement.
    fn reads_the_statement(&self) -> bool {
        let airs = || self.tables.iter().flat_map(|table| &table.airs);
        airs().any(|air| air.public_values == PublicValues::Commitments)
            && airs().any(|air| matches!(air.public_values, PublicValues::Bytes(1..)))
    }

    /// Whether a table has random rows enough that nothing that is opened says anything of the
    /// others: each query opens a row, and each of two points as much as [`EXTENSION_DEGREE`] rows;
    /// twice that, as the quotient's chunks share their masks. Plonky3 asks for the same.
    fn hides(&self, table: &Table) -> bool {
        let opened = self.parameters.queries.saturating_add(2 * EXTENSION_DEGREE);
        self.parameters.random_columns >= EXTENSION_DEGREE
            && 1 << table.log_height >= opened.saturating_mul(2)
    }

    /// Checks one AIR.
    fn check_air(&self, air: &Air) -> Result<(), BadCircuit> {
        let public = air.public_values.count();
        for (index, node) in air.nodes.iter().enumerate() {
            let fine = match *node {
                Node::Local(column) | Node::Next(column) => column < air.width,
                Node::Public(value) => (value as usize) < public,
                Node::FirstRow | Node::LastRow | Node::Transition => true,
                Node::Constant(value) => value < MODULUS,
                Node::Neg(of) => (of as usize) < index,
                Node::Add(left, right) | Node::Sub(left, right) | Node::Mul(left, right) => {
                    (left as usize) < index && (right as usize) < index
                }
            };
            require(fine, BadCircuit::Node)?;
        }
        if let PublicValues::Fixed(values) = &air.public_values {
            require(
                values.iter().all(|value| *value < MODULUS),
                BadCircuit::Node,
            )?;
        }
        let known = |node: &NodeIndex| (*node as usize) < air.nodes.len();
        require(air.constraints.iter().all(known), BadCircuit::Reference)?;
        for interaction in &air.interactions {
            let fine = known(&interaction.count)
                && interaction.fields.iter().all(known)
                && interaction.bus != 0
                && interaction.bus < MODULUS
                && self.message_length(interaction.fields.len()).is_some();
            require(fine, BadCircuit::Reference)?;
        }
        Ok(())
    }
}

/// A fault in a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCircuit {
    /// Message lengths do not ascend.
    #[error("message lengths do not ascend from 2")]
    Lengths,
    /// No tables, one that is too high, or not each higher than the one before.
    #[error("no tables, one of more than 2^20 rows, or one that is not higher than the one before")]
    Tables,
    /// No queries, no redundancy or no folding: nothing would be checked.
    #[error("no queries, no blow-up or no folding: proofs would prove nothing")]
    Vacuous,
    /// A table has too few rows, or columns too few masks, for a proof to say nothing else.
    #[error("too few rows or random columns to hide them")]
    Hiding,
    /// Counts of messages can add up to the modulus, which is none.
    #[error("weights of messages, times rows, add up to the modulus or more")]
    Weights,
    /// No table reads the commitments, or none the revealed bytes.
    #[error("the circuit does not read the whole statement")]
    Statement,
    /// A node reads what is not there, or a number is too large.
    #[error("a node is out of range")]
    Node,
    /// A constraint or message names a node that is not there, or a message is too long.
    #[error("a constraint or message is out of range")]
    Reference,
}

/// The fault unless the condition holds.
fn require(condition: bool, fault: BadCircuit) -> Result<(), BadCircuit> {
    if condition { Ok(()) } else { Err(fault) }
}
