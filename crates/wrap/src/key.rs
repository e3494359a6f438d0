//! The verifying key: the circuit in its one encoding, and the digest that names it.
//!
//! The encoding is a list of unsigned numbers in LEB128, shortest form, in the order in which the
//! types list their fields; lists and texts begin with their length. It is frozen with version 1.

use sha2::{Digest, Sha256};

use crate::circuit::{
    Air, BadCircuit, Circuit, Interaction, Node, Parameters, PublicValues, Table,
};

/// First bytes of a key file.
const MAGIC: &[u8; 16] = b"cloister-wrap-k1";

/// Longest key that is read, in bytes.
const MAX_KEY_BYTES: usize = 4 << 20;

/// The SHA-256 digest of an encoded key.
pub type KeyDigest = [u8; 32];

/// A verifying key, checked, with its digest.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    circuit: Circuit,
    digest: KeyDigest,
}

impl VerifyingKey {
    /// The key of a circuit.
    ///
    /// # Errors
    /// [`BadCircuit`] when the circuit is not sound in itself.
    pub fn new(circuit: Circuit) -> Result<Self, BadCircuit> {
        circuit.check()?;
        let digest = Sha256::digest(encode(&circuit)).into();
        Ok(Self { circuit, digest })
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`BadKey`] for anything but the one encoding of a sound circuit.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadKey> {
        if bytes.len() > MAX_KEY_BYTES {
            return Err(BadKey::Length);
        }
        let circuit = Reader(bytes).circuit()?;
        circuit.check()?;
        if encode(&circuit) != bytes {
            return Err(BadKey::Malformed);
        }
        let digest = Sha256::digest(bytes).into();
        Ok(Self { circuit, digest })
    }

    /// The key's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(&self.circuit)
    }

    /// What is proved.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// The digest that proofs are bound to.
    #[must_use]
    pub fn digest(&self) -> &KeyDigest {
        &self.digest
    }
}

/// Why bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Longer than any key.
    #[error("the key is longer than {MAX_KEY_BYTES} bytes")]
    Length,
    /// Not an encoding, or not the one encoding.
    #[error("the bytes are no key of version 1")]
    Malformed,
    /// An encoding of a circuit that is not sound in itself.
    #[error("the key's circuit is bad")]
    Circuit(#[from] BadCircuit),
}

/// Writes a circuit.
fn encode(circuit: &Circuit) -> Vec<u8> {
    let mut out = Writer(MAGIC.to_vec());
    for value in parameter_values(&circuit.parameters) {
        out.number(value);
    }
    out.numbers(&circuit.message_lengths);
    out.length(circuit.tables.len());
    for table in &circuit.tables {
        out.number(table.log_height);
        out.length(table.airs.len());
        for air in &table.airs {
            out.air(air);
        }
    }
    out.0
}

/// The parameters in their order.
fn parameter_values(parameters: &Parameters) -> [u32; 11] {
    let Parameters {
        log_blowup,
        queries,
        query_pow_bits,
        batch_pow_bits,
        fold_pow_bits,
        lookup_pow_bits,
        point_pow_bits,
        log_arity,
        log_final_length,
        random_columns,
        cap_height,
    } = *parameters;
    [
        log_blowup,
        queries,
        query_pow_bits,
        batch_pow_bits,
        fold_pow_bits,
        lookup_pow_bits,
        point_pow_bits,
        log_arity,
        log_final_length,
        random_columns,
        cap_height,
    ]
}

/// Writes numbers.
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut value: u32) {
        while let high @ 1.. = value >> 7 {
            self.0.push(low_bits(value) | 0x80);
            value = high;
        }
        self.0.push(low_bits(value));
    }

    fn length(&mut self, value: usize) {
        // A circuit that came here was built from 32-bit indices.
        self.number(u32::try_from(value).unwrap_or(u32::MAX));
    }

    fn numbers(&mut self, values: &[u32]) {
        self.length(values.len());
        for value in values {
            self.number(*value);
        }
    }

    fn air(&mut self, air: &Air) {
        self.length(air.name.len());
        self.0.extend_from_slice(air.name.as_bytes());
        self.number(air.width);
        match &air.public_values {
            PublicValues::None => self.number(0),
            PublicValues::Commitments => self.number(1),
            PublicValues::Bytes(count) => {
                self.number(2);
                self.number(*count);
            }
            PublicValues::Fixed(values) => {
                self.number(3);
                self.numbers(values);
            }
        }
        self.length(air.nodes.len());
        for node in &air.nodes {
            self.node(*node);
        }
        self.numbers(&air.constraints);
        self.length(air.interactions.len());
        for interaction in &air.interactions {
            self.number(interaction.bus);
            self.number(interaction.count);
            self.number(interaction.weight);
            self.numbers(&interaction.fields);
        }
    }

    fn node(&mut self, node: Node) {
        let (kind, operands) = match node {
            Node::Local(column) => (0, [Some(column), None]),
            Node::Next(column) => (1, [Some(column), None]),
            Node::Public(value) => (2, [Some(value), None]),
            Node::FirstRow => (3, [None, None]),
            Node::LastRow => (4, [None, None]),
            Node::Transition => (5, [None, None]),
            Node::Constant(value) => (6, [Some(value), None]),
            Node::Add(left, right) => (7, [Some(left), Some(right)]),
            Node::Sub(left, right) => (8, [Some(left), Some(right)]),
            Node::Neg(of) => (9, [Some(of), None]),
            Node::Mul(left, right) => (10, [Some(left), Some(right)]),
        };
        self.number(kind);
        for operand in operands.into_iter().flatten() {
            self.number(operand);
        }
    }
}

/// The lowest seven bits.
fn low_bits(value: u32) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or_default()
}

/// Reads numbers.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn circuit(mut self) -> Result<Circuit, BadKey> {
        let (magic, rest) = self
            .0
            .split_at_checked(MAGIC.len())
            .ok_or(BadKey::Malformed)?;
        if magic != MAGIC {
            return Err(BadKey::Malformed);
        }
        self.0 = rest;
        let parameters = Parameters {
            log_blowup: self.number()?,
            queries: self.number()?,
            query_pow_bits: self.number()?,
            batch_pow_bits: self.number()?,
            fold_pow_bits: self.number()?,
            lookup_pow_bits: self.number()?,
            point_pow_bits: self.number()?,
            log_arity: self.number()?,
            log_final_length: self.number()?,
            random_columns: self.number()?,
            cap_height: self.number()?,
        };
        let message_lengths = self.numbers()?;
        let tables = self.list(|reader| {
            Ok(Table {
                log_height: reader.number()?,
                airs: reader.list(Self::air)?,
            })
        })?;
        Ok(Circuit {
            parameters,
            message_lengths,
            tables,
        })
    }

    fn number(&mut self) -> Result<u32, BadKey> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let (byte, rest) = self.0.split_first().ok_or(BadKey::Malformed)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| BadKey::Malformed);
            }
        }
        Err(BadKey::Malformed)
    }

    /// Reads a list. Every item takes a byte at least, so no list outgrows the bytes.
    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, BadKey>,
    ) -> Result<Vec<T>, BadKey> {
        let length = self.number()? as usize;
        if length > self.0.len() {
            return Err(BadKey::Malformed);
        }
        (0..length).map(|_| item(self)).collect()
    }

    fn numbers(&mut self) -> Result<Vec<u32>, BadKey> {
        self.list(Self::number)
    }

    fn air(&mut self) -> Result<Air, BadKey> {
        let length = self.number()? as usize;
        let (name, rest) = self.0.split_at_checked(length).ok_or(BadKey::Malformed)?;
        self.0 = rest;
        let name = std::str::from_utf8(name).map_err(|_| BadKey::Malformed)?;
        Ok(Air {
            name: name.to_owned(),
            width: self.number()?,
            public_values: match self.number()? {
                0 => PublicValues::None,
                1 => PublicValues::Commitments,
                2 => PublicValues::Bytes(self.number()?),
                3 => PublicValues::Fixed(self.numbers()?),
                _ => return Err(BadKey::Malformed),
            },
            nodes: self.list(Self::node)?,
            constraints: self.numbers()?,
            interactions: self.list(|reader| {
                Ok(Interaction {
                    bus: reader.number()?,
                    count: reader.number()?,
                    weight: reader.number()?,
                    fields: reader.numbers()?,
                })
            })?,
        })
    }

    fn node(&mut self) -> Result<Node, BadKey> {
        Ok(match self.number()? {
            0 => Node::Local(self.number()?),
            1 => Node::Next(self.number()?),
            2 => Node::Public(self.number()?),
            3 => Node::FirstRow,
            4 => Node::LastRow,
            5 => Node::Transition,
            6 => Node::Constant(self.number()?),
            7 => Node::Add(self.number()?, self.number()?),
            8 => Node::Sub(self.number()?, self.number()?),
            9 => Node::Neg(self.number()?),
            10 => Node::Mul(self.number()?, self.number()?),
            _ => return Err(BadKey::Malformed),
        })
    }
}
