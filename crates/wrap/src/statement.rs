//! What a wrap proves: that a program, on a machine, ended well and revealed these bytes.

use crate::circuit::{Circuit, MODULUS, PublicValues};

/// A commitment as `OpenVM` has it: eight numbers below [`MODULUS`].
pub type Commitment = [u32; 8];

/// The statement of a wrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The program's commitment: code, initial memory, entry point.
    pub program: Commitment,
    /// The machine's commitment: its instructions and the circuits that verify it.
    pub machine: Commitment,
    /// What the program revealed.
    pub public_values: Vec<u8>,
}

/// A statement that no wrap can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadStatement {
    /// A commitment has a number that is too large.
    #[error("a commitment has a number of {MODULUS} or more")]
    Range,
    /// Another number of public bytes.
    #[error("expected {expected} public bytes, got {got}")]
    Length {
        /// As the circuit has it.
        expected: usize,
        /// As the statement has it.
        got: usize,
    },
}

impl Statement {
    /// The public values of every table of the circuit.
    ///
    /// # Errors
    /// [`BadStatement`] when it does not fit the circuit.
    pub fn public_values(&self, circuit: &Circuit) -> Result<Vec<Vec<u32>>, BadStatement> {
        let numbers = || self.program.iter().chain(&self.machine);
        if numbers().any(|number| *number >= MODULUS) {
            return Err(BadStatement::Range);
        }
        let mut tables = Vec::with_capacity(circuit.tables.len());
        for table in &circuit.tables {
            let mut values = Vec::with_capacity(table.public_values());
            for air in &table.airs {
                match &air.public_values {
                    PublicValues::None => {}
                    PublicValues::Commitments => values.extend(numbers()),
                    PublicValues::Fixed(fixed) => values.extend(fixed),
                    PublicValues::Bytes(count) => {
                        let (expected, got) = (*count as usize, self.public_values.len());
                        if expected != got {
                            return Err(BadStatement::Length { expected, got });
                        }
                        values.extend(self.public_values.iter().copied().map(u32::from));
                    }
                }
            }
            tables.push(values);
        }
        Ok(tables)
    }
}
