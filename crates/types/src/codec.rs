//! Reading and writing of the frozen encodings: big-endian, fixed width, every length a claim.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256};

/// Why bytes are not an encoding of version 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input is shorter than the encoding says.
    #[error("{what} ends too early: expected {expected} more bytes, got {got}")]
    TooShort {
        /// What was being read.
        what: &'static str,
        /// Bytes that were still needed.
        expected: usize,
        /// Bytes that were left.
        got: usize,
    },
    /// Bytes follow the end of the encoding.
    #[error("{what} is followed by {got} bytes that do not belong to it")]
    Trailing {
        /// What was read.
        what: &'static str,
        /// Bytes left over.
        got: usize,
    },
    /// A version this software does not know.
    #[error("{what} has version {got}, but only version {expected} is known")]
    UnknownVersion {
        /// What was being read.
        what: &'static str,
        /// The known version.
        expected: u8,
        /// The version found.
        got: u8,
    },
    /// A byte that selects between forms has no meaning.
    #[error("{what} cannot be {got}")]
    UnknownTag {
        /// What the byte selects.
        what: &'static str,
        /// The byte found.
        got: u8,
    },
    /// A count or length above its limit.
    #[error("{what} counts {got}, above the limit of {limit}")]
    AboveLimit {
        /// What is counted.
        what: &'static str,
        /// The largest allowed value.
        limit: usize,
        /// The value found.
        got: usize,
    },
    /// The same content could be written in another way; only one is accepted.
    #[error("{what} is not in its only accepted form")]
    NotCanonical {
        /// What was read.
        what: &'static str,
    },
}

/// Takes fixed-width values off the front of a byte string without ever panicking.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts reading `bytes`, which errors call `what`.
    #[must_use]
    pub const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    /// Bytes not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes, without copying them.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] when fewer are left.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(DecodeError::TooShort {
                what: self.what,
                expected: count,
                got: self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.chunk().copied()
    }

    /// The next `N` bytes, where they are.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] when fewer are left.
    #[inline]
    pub fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(DecodeError::TooShort {
                what: self.what,
                expected: N,
                got: self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] at the end of the input.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// A 32-bit integer.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] when fewer than 4 bytes are left.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A 64-bit integer.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] when fewer than 8 bytes are left.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A 256-bit integer.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] when fewer than 32 bytes are left.
    pub fn u256(&mut self) -> Result<U256, DecodeError> {
        Ok(U256::from_be_bytes(self.array::<32>()?))
    }

    /// A 32-byte hash.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] when fewer than 32 bytes are left.
    pub fn b256(&mut self) -> Result<B256, DecodeError> {
        Ok(B256::new(self.array()?))
    }

    /// A 20-byte address.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] when fewer than 20 bytes are left.
    pub fn address(&mut self) -> Result<Address, DecodeError> {
        Ok(Address::new(self.array()?))
    }

    /// A byte that must be `expected`, the version of the encoding.
    ///
    /// # Errors
    /// [`DecodeError::UnknownVersion`] for any other, [`DecodeError::TooShort`] at the end.
    pub fn version(&mut self, expected: u8) -> Result<(), DecodeError> {
        let got = self.u8()?;
        if got == expected {
            Ok(())
        } else {
            Err(DecodeError::UnknownVersion {
                what: self.what,
                expected,
                got,
            })
        }
    }

    /// A byte that must be 0 or 1.
    ///
    /// # Errors
    /// [`DecodeError::UnknownTag`] for any other, [`DecodeError::TooShort`] at the end.
    pub fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            got => Err(DecodeError::UnknownTag { what, got }),
        }
    }

    /// A 32-bit count of `what`, each at least `least_bytes` long: refused when above `limit` or
    /// when the input is too short to hold that many, so that a claimed count never sizes an
    /// allocation beyond the input.
    ///
    /// # Errors
    /// [`DecodeError::AboveLimit`], [`DecodeError::TooShort`].
    pub fn count(
        &mut self,
        what: &'static str,
        limit: usize,
        least_bytes: usize,
    ) -> Result<usize, DecodeError> {
        let got = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if got > limit {
            return Err(DecodeError::AboveLimit { what, limit, got });
        }
        let expected = got.saturating_mul(least_bytes);
        if expected > self.rest.len() {
            return Err(DecodeError::TooShort {
                what,
                expected,
                got: self.rest.len(),
            });
        }
        Ok(got)
    }

    /// A 32-bit length, then that many bytes.
    ///
    /// # Errors
    /// [`DecodeError::AboveLimit`], [`DecodeError::TooShort`].
    pub fn prefixed(&mut self, what: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let count = self.count(what, limit, 1)?;
        self.bytes(count)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when bytes are left.
    pub const fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing {
                what: self.what,
                got: self.rest.len(),
            })
        }
    }
}

/// Writes `items.len()` as a 32-bit count.
///
/// The caller keeps collections within the encoding's limits; a count beyond 32 bits is written as
/// the largest, which no decoder accepts.
pub fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
}

/// Writes a 32-bit length, then the bytes.
pub fn put_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_count_beyond_the_input_is_refused() {
        let mut reader = Reader::new("list", &[0, 0, 0, 9, 1, 2]);
        assert_eq!(
            reader.count("items", 100, 1),
            Err(DecodeError::TooShort {
                what: "items",
                expected: 9,
                got: 2
            })
        );
    }

    #[test]
    fn a_count_above_its_limit_is_refused() {
        let mut reader = Reader::new("list", &[0, 0, 0, 9]);
        assert_eq!(
            reader.count("items", 8, 0),
            Err(DecodeError::AboveLimit {
                what: "items",
                limit: 8,
                got: 9
            })
        );
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let mut reader = Reader::new("pair", &[1, 2, 3]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(
            reader.finish(),
            Err(DecodeError::Trailing {
                what: "pair",
                got: 2
            })
        );
    }

    #[test]
    fn what_was_written_with_a_length_is_read_back() {
        let mut out = Vec::new();
        put_prefixed(&mut out, b"abc");
        let mut reader = Reader::new("text", &out);
        assert_eq!(reader.prefixed("text", 3), Ok(&b"abc"[..]));
        assert_eq!(reader.finish(), Ok(()));
    }
}
