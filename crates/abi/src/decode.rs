//! A strict, bounded decoder of the Solidity ABI encoding
//! (<https://docs.soliditylang.org/en/latest/abi-spec.html>).

use alloy_primitives::{Address, B256, I256, U256};
use thiserror::Error;

use crate::kind::{Field, Kind};
use crate::value::{Argument, Value};

const WORD: usize = 32;

/// Bounds on what one decoding may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest input, in bytes.
    pub input_bytes: usize,
    /// Most values (leaves, arrays and tuples together).
    pub values: usize,
    /// Most bytes copied into `bytes` and `string` values. Offsets may overlap, so a short input
    /// can name the same bytes many times.
    pub copied_bytes: usize,
}

impl Default for Limits {
    /// 128 KiB of input, 1,024 values, 128 KiB copied.
    fn default() -> Self {
        Self {
            input_bytes: 128 * 1024,
            values: 1024,
            copied_bytes: 128 * 1024,
        }
    }
}

/// Why bytes are not an encoding of the expected types.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input is longer than the limit.
    #[error("call data has {got} bytes, at most {limit} are decoded")]
    InputTooLong {
        /// Bytes received.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Shorter than a selector.
    #[error("call data has {got} bytes, a function selector needs 4")]
    NoSelector {
        /// Bytes received.
        got: usize,
    },
    /// A value lies beyond the end.
    #[error("argument `{path}` lies beyond the end of the data")]
    OutOfBounds {
        /// Path of the value.
        path: String,
    },
    /// Unused bits of a word are set, or a value is outside its type's range.
    #[error("argument `{path}` is not a valid `{kind}`")]
    InvalidWord {
        /// Path of the value.
        path: String,
        /// Name of its type.
        kind: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("argument `{path}` is not UTF-8 text")]
    InvalidText {
        /// Path of the value.
        path: String,
    },
    /// More values than the limit.
    #[error("the data holds more than {limit} values")]
    TooManyValues {
        /// Values allowed.
        limit: usize,
    },
    /// More bytes in `bytes` and `string` values than the limit.
    #[error("the data expands to more than {limit} bytes")]
    TooManyBytes {
        /// Bytes allowed.
        limit: usize,
    },
    /// A log with another number of topics than its event has.
    #[error("the log has {got} topics, its event has {expected}")]
    TopicCount {
        /// Topics received.
        got: usize,
        /// Topics expected.
        expected: usize,
    },
}

/// Decodes fields laid out as a tuple's body.
pub(crate) fn decode_fields(
    fields: &[Field],
    data: &[u8],
    limits: &Limits,
) -> Result<Vec<Argument>, DecodeError> {
    let mut decoder = Decoder::new(data, limits)?;
    decoder.fields(fields, 0, "")
}

/// Decodes one topic of a log.
pub(crate) fn decode_topic(field: &Field, topic: &B256) -> Result<Value, DecodeError> {
    if field.kind.is_hashed_when_indexed() {
        return Ok(Value::Hashed(*topic));
    }
    let limits = Limits {
        input_bytes: WORD,
        values: 1,
        copied_bytes: WORD,
    };
    Decoder::new(topic.as_slice(), &limits)?.value(&field.kind, 0, &field.name)
}

struct Decoder<'a> {
    data: &'a [u8],
    limits: Limits,
    values_left: usize,
    bytes_left: usize,
}

impl<'a> Decoder<'a> {
    fn new(data: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        if data.len() > limits.input_bytes {
            return Err(DecodeError::InputTooLong {
                got: data.len(),
                limit: limits.input_bytes,
            });
        }
        let Limits {
            values,
            copied_bytes,
            ..
        } = *limits;
        Ok(Self {
            data,
            limits: *limits,
            values_left: values,
            bytes_left: copied_bytes,
        })
    }

    /// Reads fields whose heads begin at `base`; offsets in them count from `base`.
    fn fields(
        &mut self,
        fields: &[Field],
        base: usize,
        path: &str,
    ) -> Result<Vec<Argument>, DecodeError> {
        let mut arguments = Vec::with_capacity(fields.len());
        let mut head = base;
        for (index, field) in fields.iter().enumerate() {
            let path = join(path, &field.name, index);
            let value = self.item(&field.kind, base, head, &path)?;
            head = Self::advance(head, &field.kind, &path)?;
            arguments.push(Argument {
                name: field.name.clone(),
                value,
            });
        }
        Ok(arguments)
    }

    /// Reads the value whose head is at `head`, following its offset when it is dynamic.
    fn item(
        &mut self,
        kind: &Kind,
        base: usize,
        head: usize,
        path: &str,
    ) -> Result<Value, DecodeError> {
        if !kind.is_dynamic() {
            return self.value(kind, head, path);
        }
        let offset = self.length(head, path)?;
        let at = base
            .checked_add(offset)
            .ok_or_else(|| out_of_bounds(path))?;
        self.value(kind, at, path)
    }

    fn advance(head: usize, kind: &Kind, path: &str) -> Result<usize, DecodeError> {
        kind.static_words()
            .and_then(|words| words.checked_mul(WORD))
            .and_then(|bytes| head.checked_add(bytes))
            .ok_or_else(|| out_of_bounds(path))
    }

    fn value(&mut self, kind: &Kind, at: usize, path: &str) -> Result<Value, DecodeError> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(DecodeError::TooManyValues {
                limit: self.limits.values,
            })?;
        match kind {
            Kind::Address => self.address(at, path),
            Kind::Uint(bits) => self.uint(*bits, at, path),
            Kind::Int(bits) => self.int(*bits, at, path),
            Kind::Bool => self.bool(at, path),
            Kind::FixedBytes(size) => self.fixed_bytes(*size, at, path),
            Kind::Bytes => Ok(Value::Bytes(self.tail(at, path)?.to_vec())),
            Kind::Text => {
                let text = std::str::from_utf8(self.tail(at, path)?).map_err(|_| {
                    DecodeError::InvalidText {
                        path: path.to_owned(),
                    }
                })?;
                Ok(Value::Text(text.to_owned()))
            }
            Kind::Array(item) => {
                let count = self.length(at, path)?;
                let base = at.checked_add(WORD).ok_or_else(|| out_of_bounds(path))?;
                self.items(item, count, base, path)
            }
            Kind::FixedArray(item, count) => self.items(item, *count, at, path),
            Kind::Tuple(fields) => self.fields(fields, at, path).map(Value::Tuple),
        }
    }

    fn items(
        &mut self,
        kind: &Kind,
        count: usize,
        base: usize,
        path: &str,
    ) -> Result<Value, DecodeError> {
        // The claimed count is checked against the budget before anything is allocated by it.
        if count > self.values_left {
            return Err(DecodeError::TooManyValues {
                limit: self.limits.values,
            });
        }
        let mut values = Vec::with_capacity(count);
        let mut head = base;
        for index in 0..count {
            let path = join(path, "", index);
            values.push(self.item(kind, base, head, &path)?);
            head = Self::advance(head, kind, &path)?;
        }
        Ok(Value::Array(values))
    }

    fn word(&self, at: usize, path: &str) -> Result<[u8; WORD], DecodeError> {
        at.checked_add(WORD)
            .and_then(|end| self.data.get(at..end))
            .and_then(|slice| slice.try_into().ok())
            .ok_or_else(|| out_of_bounds(path))
    }

    /// Reads a length or an offset, which can never exceed the data.
    fn length(&self, at: usize, path: &str) -> Result<usize, DecodeError> {
        usize::try_from(U256::from_be_bytes(self.word(at, path)?))
            .ok()
            .filter(|length| *length <= self.data.len())
            .ok_or_else(|| out_of_bounds(path))
    }

    fn tail(&mut self, at: usize, path: &str) -> Result<&'a [u8], DecodeError> {
        let length = self.length(at, path)?;
        let start = at.checked_add(WORD).ok_or_else(|| out_of_bounds(path))?;
        let end = start
            .checked_add(length)
            .ok_or_else(|| out_of_bounds(path))?;
        let slice = self
            .data
            .get(start..end)
            .ok_or_else(|| out_of_bounds(path))?;
        self.bytes_left = self
            .bytes_left
            .checked_sub(length)
            .ok_or(DecodeError::TooManyBytes {
                limit: self.limits.copied_bytes,
            })?;
        Ok(slice)
    }

    fn address(&self, at: usize, path: &str) -> Result<Value, DecodeError> {
        let word = self.word(at, path)?;
        let (padding, address) = word.split_at(12);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(invalid(path, "address"));
        }
        Ok(Value::Address(Address::from_slice(address)))
    }

    fn uint(&self, bits: usize, at: usize, path: &str) -> Result<Value, DecodeError> {
        let value = U256::from_be_bytes(self.word(at, path)?);
        if value.bit_len() > bits {
            Err(invalid(path, "uint"))
        } else {
            Ok(Value::Uint(value))
        }
    }

    fn int(&self, bits: usize, at: usize, path: &str) -> Result<Value, DecodeError> {
        let value = I256::from_be_bytes(self.word(at, path)?);
        // A sign-extended value of `bits` bits needs at most `bits - 1` for its magnitude.
        let magnitude = if value.is_negative() { !value } else { value };
        if magnitude.into_raw().bit_len() >= bits {
            return Err(invalid(path, "int"));
        }
        Ok(Value::Int(value))
    }

    fn bool(&self, at: usize, path: &str) -> Result<Value, DecodeError> {
        let value = U256::from_be_bytes(self.word(at, path)?);
        match value {
            U256::ZERO => Ok(Value::Bool(false)),
            U256::ONE => Ok(Value::Bool(true)),
            _ => Err(invalid(path, "bool")),
        }
    }

    fn fixed_bytes(&self, size: usize, at: usize, path: &str) -> Result<Value, DecodeError> {
        let word = self.word(at, path)?;
        let (bytes, padding) = word.split_at(size);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(invalid(path, "bytes"));
        }
        Ok(Value::Bytes(bytes.to_vec()))
    }
}

fn join(path: &str, name: &str, index: usize) -> String {
    let step = if name.is_empty() {
        index.to_string()
    } else {
        name.to_owned()
    };
    if path.is_empty() {
        step
    } else {
        format!("{path}.{step}")
    }
}

fn out_of_bounds(path: &str) -> DecodeError {
    DecodeError::OutOfBounds {
        path: path.to_owned(),
    }
}

fn invalid(path: &str, kind: &'static str) -> DecodeError {
    DecodeError::InvalidWord {
        path: path.to_owned(),
        kind,
    }
}
