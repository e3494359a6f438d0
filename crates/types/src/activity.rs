//! What a transaction leaf commits to, field by field, and the form in which some of it is opened.
//!
//! Each field is committed with its own salt, so each can be shown or withheld. Hashing is in
//! `cloister_crypto::activity`.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};

use crate::codec::{DecodeError, Reader, put_count, put_prefixed};

/// A 16-byte secret that hides what a commitment holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
// Aligned to words, which the guest copies at a fourth of the cost of bytes.
#[repr(C, align(4))]
pub struct Salt(pub alloy_primitives::B128);

impl Salt {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0.0
    }
}

impl From<[u8; 16]> for Salt {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes.into())
    }
}

/// Kind of an entry in an activity chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum ActivityKind {
    /// A transaction that concerns the address; the entry binds the transaction leaf.
    Transaction,
    /// A log that the address emitted or that names it; the entry binds the log's commitment.
    Log,
}

impl ActivityKind {
    /// The byte that stands for it in every encoding.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Transaction => 1,
            Self::Log => 2,
        }
    }
}

/// A separately salted part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Field {
    /// Block number, index in the block, transaction hash.
    Identity,
    /// Who signed it.
    Sender,
    /// Whom it called, or what it created.
    Target,
    /// Wei sent with it.
    Value,
    /// Call data, or code that created the contract.
    Input,
    /// Success and gas used.
    Outcome,
    /// Its logs, each again separately salted.
    Logs,
}

impl Field {
    /// All fields, in the order in which the leaf hashes them.
    pub const ALL: [Self; 7] = [
        Self::Identity,
        Self::Sender,
        Self::Target,
        Self::Value,
        Self::Input,
        Self::Outcome,
        Self::Logs,
    ];

    /// The byte that stands for it in every encoding: its place in [`Self::ALL`].
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Identity => 0,
            Self::Sender => 1,
            Self::Target => 2,
            Self::Value => 3,
            Self::Input => 4,
            Self::Outcome => 5,
            Self::Logs => 6,
        }
    }

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Identity => 0,
            Self::Sender => 1,
            Self::Target => 2,
            Self::Value => 3,
            Self::Input => 4,
            Self::Outcome => 5,
            Self::Logs => 6,
        }
    }
}

/// A log as the transaction leaf and activity chains commit to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogRecord {
    /// Contract that emitted it.
    pub address: Address,
    /// Up to four topics.
    pub topics: Vec<B256>,
    /// Data.
    pub data: Bytes,
}

impl LogRecord {
    /// The EVM's limit of topics.
    pub const MAX_TOPICS: usize = 4;
    /// Limit of the data when decoding, in bytes.
    pub const MAX_DATA_BYTES: usize = 1 << 26;

    /// Encoding of version 1: address 20 ‖ topic count u8 ‖ topics ‖ data (to the end).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(self.data.len().saturating_add(21 + 32 * Self::MAX_TOPICS));
        self.encode_to(&mut out);
        out
    }

    /// Appends [`Self::encode`] to `out`.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.address.as_slice());
        out.push(u8::try_from(self.topics.len()).unwrap_or(u8::MAX));
        for topic in &self.topics {
            out.extend_from_slice(topic.as_slice());
        }
        out.extend_from_slice(&self.data);
    }

    /// Reads [`Self::encode`].
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes end too early or claim more than four topics.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("log", bytes);
        let address = reader.address()?;
        let count = usize::from(reader.u8()?);
        if count > Self::MAX_TOPICS {
            let limit = Self::MAX_TOPICS;
            return Err(DecodeError::AboveLimit {
                what: "topics of a log",
                limit,
                got: count,
            });
        }
        let topics = (0..count)
            .map(|_| reader.b256())
            .collect::<Result<_, _>>()?;
        let rest = reader.remaining();
        let data = Bytes::copy_from_slice(reader.bytes(rest)?);
        Ok(Self {
            address,
            topics,
            data,
        })
    }
}

/// A transaction with its receipt, as its leaf commits to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TransactionFields {
    /// Block that holds it.
    pub block_number: u64,
    /// Position in the block, from 0.
    pub index: u32,
    /// Transaction hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// Whom it called; `None` when it creates a contract.
    pub to: Option<Address>,
    /// The contract that it created.
    pub created: Option<Address>,
    /// Wei sent with it.
    pub value: U256,
    /// Call data, or code that created the contract.
    pub input: Bytes,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// Gas that it used.
    pub gas_used: u64,
    /// Its logs; none when it failed.
    pub logs: Vec<LogRecord>,
}

impl TransactionFields {
    /// Encoding of the identity field: block number u64 ‖ index u32 ‖ transaction hash 32.
    #[must_use]
    pub fn identity(&self) -> [u8; 44] {
        let mut out = [0; 44];
        out[..8].copy_from_slice(&self.block_number.to_be_bytes());
        out[8..12].copy_from_slice(&self.index.to_be_bytes());
        out[12..].copy_from_slice(self.hash.as_slice());
        out
    }

    /// Encoding of the target field: flag u8 ‖ `to` 20 ‖ flag u8 ‖ created 20; zeros where none.
    #[must_use]
    pub fn target(&self) -> [u8; 42] {
        let mut out = [0; 42];
        if let Some(to) = &self.to {
            out[0] = 1;
            out[1..21].copy_from_slice(to.as_slice());
        }
        if let Some(created) = &self.created {
            out[21] = 1;
            out[22..].copy_from_slice(created.as_slice());
        }
        out
    }

    /// Encoding of the value field: 32 bytes.
    #[must_use]
    pub fn value(&self) -> [u8; 32] {
        self.value.to_be_bytes()
    }

    /// Encoding of the outcome field: status u8 (1 success, 0 failure) ‖ gas used u64.
    #[must_use]
    pub fn outcome(&self) -> [u8; 9] {
        let mut out = [0; 9];
        out[0] = u8::from(self.succeeded);
        out[1..].copy_from_slice(&self.gas_used.to_be_bytes());
        out
    }
}

/// Reads the identity field: block number, index in the block, transaction hash.
///
/// # Errors
/// [`DecodeError`] when `bytes` is not 44 bytes long.
pub fn decode_identity(bytes: &[u8]) -> Result<(u64, u32, B256), DecodeError> {
    let mut reader = Reader::new("identity field", bytes);
    let identity = (reader.u64()?, reader.u32()?, reader.b256()?);
    reader.finish()?;
    Ok(identity)
}

/// Reads the sender field.
///
/// # Errors
/// [`DecodeError`] when `bytes` is not 20 bytes long.
pub fn decode_sender(bytes: &[u8]) -> Result<Address, DecodeError> {
    let mut reader = Reader::new("sender field", bytes);
    let sender = reader.address()?;
    reader.finish()?;
    Ok(sender)
}

/// Reads the target field: `to`, created contract.
///
/// # Errors
/// [`DecodeError`] when `bytes` is not exactly one such encoding.
pub fn decode_target(bytes: &[u8]) -> Result<(Option<Address>, Option<Address>), DecodeError> {
    fn optional(reader: &mut Reader<'_>) -> Result<Option<Address>, DecodeError> {
        let present = reader.flag("presence of an address")?;
        let address = reader.address()?;
        match (present, address == Address::ZERO) {
            (true, _) => Ok(Some(address)),
            (false, true) => Ok(None),
            (false, false) => Err(DecodeError::NotCanonical {
                what: "absent address",
            }),
        }
    }
    let mut reader = Reader::new("target field", bytes);
    let target = (optional(&mut reader)?, optional(&mut reader)?);
    reader.finish()?;
    Ok(target)
}

/// Reads the value field, in wei.
///
/// # Errors
/// [`DecodeError`] when `bytes` is not 32 bytes long.
pub fn decode_value(bytes: &[u8]) -> Result<U256, DecodeError> {
    let mut reader = Reader::new("value field", bytes);
    let value = reader.u256()?;
    reader.finish()?;
    Ok(value)
}

/// Reads the outcome field: success, gas used.
///
/// # Errors
/// [`DecodeError`] when `bytes` is not exactly one such encoding.
pub fn decode_outcome(bytes: &[u8]) -> Result<(bool, u64), DecodeError> {
    let mut reader = Reader::new("outcome field", bytes);
    let outcome = (reader.flag("status")?, reader.u64()?);
    reader.finish()?;
    Ok(outcome)
}

/// Encoding of the logs field: count u32 ‖ commitments, 32 bytes each.
#[must_use]
pub fn encode_log_commitments(commitments: &[B256]) -> Vec<u8> {
    let mut out = Vec::with_capacity(commitments.len().saturating_mul(32).saturating_add(4));
    put_count(&mut out, commitments.len());
    for commitment in commitments {
        out.extend_from_slice(commitment.as_slice());
    }
    out
}

/// Reads the logs field.
///
/// # Errors
/// [`DecodeError`] when `bytes` is not exactly one such encoding.
pub fn decode_log_commitments(bytes: &[u8]) -> Result<Vec<B256>, DecodeError> {
    let mut reader = Reader::new("logs field", bytes);
    let count = reader.count("logs", TransactionOpening::MAX_LOGS, 32)?;
    let commitments = (0..count)
        .map(|_| reader.b256())
        .collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(commitments)
}

/// A field of a transaction, shown or withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum FieldOpening {
    /// Only the commitment is given.
    Hidden(B256),
    /// The field's encoding and its salt.
    Shown {
        /// Salt of the commitment.
        salt: Salt,
        /// Encoding of the field.
        bytes: Bytes,
    },
}

/// A log of a transaction, shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogOpening {
    /// Position among the transaction's logs, from 0.
    pub index: u32,
    /// Salt of its commitment.
    pub salt: Salt,
    /// The log.
    pub log: LogRecord,
}

/// A transaction leaf, opened in full or in part.
///
/// Logs can be shown only where the logs field is shown; the field then gives the count and the
/// commitments of all logs, and [`LogOpening`]s give some or all of the logs themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TransactionOpening {
    /// The fields, in the order of [`Field::ALL`].
    pub fields: [FieldOpening; 7],
    /// Logs shown, by strictly ascending index.
    pub logs: Vec<LogOpening>,
}

impl TransactionOpening {
    /// Version of the encoding.
    pub const VERSION: u8 = 1;
    /// Most logs an opening may hold. A log costs at least 375 gas.
    pub const MAX_LOGS: usize = 1 << 20;
    /// Longest field, in bytes.
    pub const MAX_FIELD_BYTES: usize = 1 << 26;

    /// The opening of `field`.
    #[must_use]
    pub const fn field(&self, field: Field) -> &FieldOpening {
        let [identity, sender, target, value, input, outcome, logs] = &self.fields;
        match field {
            Field::Identity => identity,
            Field::Sender => sender,
            Field::Target => target,
            Field::Value => value,
            Field::Input => input,
            Field::Outcome => outcome,
            Field::Logs => logs,
        }
    }

    /// Withholds what `keep` does not name. Logs are withheld with their field, and one by one
    /// where `keep_log` says no.
    #[must_use]
    pub fn redact(
        mut self,
        commitment: impl Fn(Field, &Salt, &[u8]) -> B256,
        keep: impl Fn(Field) -> bool,
        keep_log: impl Fn(&LogOpening) -> bool,
    ) -> Self {
        for (opening, field) in self.fields.iter_mut().zip(Field::ALL) {
            if let FieldOpening::Shown { salt, bytes } = opening
                && !keep(field)
            {
                *opening = FieldOpening::Hidden(commitment(field, salt, bytes));
            }
        }
        if matches!(self.field(Field::Logs), FieldOpening::Hidden(_)) {
            self.logs.clear();
        }
        self.logs.retain(keep_log);
        self
    }

    /// Encoding of version 1: version u8 ‖ for each field: 0x00 ‖ commitment 32, or 0x01 ‖ salt 16
    /// ‖ length u32 ‖ bytes; then log count u32 ‖ for each: index u32 ‖ salt 16 ‖ length u32 ‖
    /// [`LogRecord::encode`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.push(Self::VERSION);
        for field in &self.fields {
            match field {
                FieldOpening::Hidden(commitment) => {
                    out.push(0);
                    out.extend_from_slice(commitment.as_slice());
                }
                FieldOpening::Shown { salt, bytes } => {
                    out.push(1);
                    out.extend_from_slice(salt.as_bytes());
                    put_prefixed(&mut out, bytes);
                }
            }
        }
        put_count(&mut out, self.logs.len());
        for LogOpening { index, salt, log } in &self.logs {
            out.extend_from_slice(&index.to_be_bytes());
            out.extend_from_slice(salt.as_bytes());
            put_prefixed(&mut out, &log.encode());
        }
        out
    }

    /// Reads [`Self::encode`].
    ///
    /// # Errors
    /// [`DecodeError`] when `bytes` is not exactly one such encoding, when logs are not in order,
    /// or when logs are shown although their field is hidden.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("transaction opening", bytes);
        reader.version(Self::VERSION)?;
        let mut fields = [const { FieldOpening::Hidden(B256::ZERO) }; 7];
        for field in &mut fields {
            *field = if reader.flag("form of a field")? {
                let salt = Salt::from(reader.array::<16>()?);
                let bytes = reader.prefixed("bytes of a field", Self::MAX_FIELD_BYTES)?;
                FieldOpening::Shown {
                    salt,
                    bytes: Bytes::copy_from_slice(bytes),
                }
            } else {
                FieldOpening::Hidden(reader.b256()?)
            };
        }
        let count = reader.count("logs", Self::MAX_LOGS, 45)?;
        let mut logs: Vec<LogOpening> = Vec::with_capacity(count);
        for _ in 0..count {
            let index = reader.u32()?;
            if logs.last().is_some_and(|last| last.index >= index) {
                return Err(DecodeError::NotCanonical {
                    what: "order of the shown logs",
                });
            }
            let salt = Salt::from(reader.array::<16>()?);
            let limit = LogRecord::MAX_DATA_BYTES;
            let log = LogRecord::decode(reader.prefixed("bytes of a log", limit)?)?;
            logs.push(LogOpening { index, salt, log });
        }
        reader.finish()?;
        let opening = Self { fields, logs };
        if !opening.logs.is_empty() && matches!(opening.field(Field::Logs), FieldOpening::Hidden(_))
        {
            return Err(DecodeError::NotCanonical {
                what: "shown logs of a hidden field",
            });
        }
        Ok(opening)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn opening() -> TransactionOpening {
        let shown = |byte: u8| FieldOpening::Shown {
            salt: Salt::from([byte; 16]),
            bytes: vec![byte; 3].into(),
        };
        TransactionOpening {
            fields: [
                shown(0),
                FieldOpening::Hidden(B256::repeat_byte(1)),
                shown(2),
                shown(3),
                shown(4),
                shown(5),
                shown(6),
            ],
            logs: vec![LogOpening {
                index: 4,
                salt: Salt::from([9; 16]),
                log: LogRecord {
                    address: Address::repeat_byte(8),
                    topics: vec![B256::repeat_byte(7)],
                    data: vec![1, 2].into(),
                },
            }],
        }
    }

    #[test]
    fn an_opening_is_read_back() {
        let bytes = opening().encode();
        assert_eq!(TransactionOpening::decode(&bytes), Ok(opening()));
    }

    #[test]
    fn an_opening_cut_anywhere_is_refused() {
        let bytes = opening().encode();
        for end in 0..bytes.len() {
            assert!(
                TransactionOpening::decode(&bytes[..end]).is_err(),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn logs_out_of_order_are_refused() {
        let mut twice = opening();
        twice.logs.push(twice.logs[0].clone());
        assert_eq!(
            TransactionOpening::decode(&twice.encode()),
            Err(DecodeError::NotCanonical {
                what: "order of the shown logs"
            })
        );
    }

    #[test]
    fn redaction_leaves_commitments_in_place() {
        let redacted = opening().redact(
            |field, _, _| B256::repeat_byte(field.code()),
            |field| field == Field::Value,
            |_| true,
        );
        assert_eq!(redacted.fields[0], FieldOpening::Hidden(B256::ZERO));
        assert_eq!(
            redacted.fields[1],
            FieldOpening::Hidden(B256::repeat_byte(1))
        );
        assert!(matches!(redacted.fields[3], FieldOpening::Shown { .. }));
        assert!(redacted.logs.is_empty());
    }

    #[test]
    fn fields_are_read_back() {
        let fields = TransactionFields {
            block_number: 5,
            index: 6,
            hash: B256::repeat_byte(7),
            to: Some(Address::ZERO),
            value: U256::from(8),
            succeeded: true,
            gas_used: 9,
            ..TransactionFields::default()
        };
        assert_eq!(
            decode_identity(&fields.identity()),
            Ok((5, 6, B256::repeat_byte(7)))
        );
        assert_eq!(
            decode_target(&fields.target()),
            Ok((Some(Address::ZERO), None))
        );
        assert_eq!(decode_value(&fields.value()), Ok(U256::from(8)));
        assert_eq!(decode_outcome(&fields.outcome()), Ok((true, 9)));
    }

    #[test]
    fn an_absent_address_has_one_form() {
        let mut target = TransactionFields::default().target();
        target[5] = 1;
        assert_eq!(
            decode_target(&target),
            Err(DecodeError::NotCanonical {
                what: "absent address"
            })
        );
    }
}
