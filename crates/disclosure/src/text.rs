//! How values are written in the JSON of a package, and the strict reading of it.
//!
//! One value has one spelling: byte strings are `0x` and lower-case hexadecimal digits of an exact
//! length, 256-bit numbers are decimal strings without leading zeros, and other numbers are JSON
//! integers up to 2^53 - 1, which every JSON implementation reads alike (RFC 7493 section 2.2).

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// The largest integer which is exact in every JSON implementation (RFC 7493 section 2.2).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Writes bytes as `0x` and lower-case hexadecimal digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn digits_of(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("0x")?;
    digits
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        .then_some(digits)
}

/// Reads bytes of any length; `None` when the text is not their one spelling.
#[must_use]
pub fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    hex::decode(digits_of(text)?).ok()
}

/// Reads exactly `N` bytes; `None` when the text is not their one spelling.
#[must_use]
pub fn array_of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits_of(text)?, &mut bytes).ok()?;
    Some(bytes)
}

/// Reads a string and turns it into a value by `parse`, naming what was `expected` otherwise.
struct Parsed<T> {
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::custom(format!("expected {}", self.expected)))
    }
}

fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(Parsed { expected, parse })
}

/// Serde form of [`alloy_primitives::Address`].
pub(crate) mod address {
    use super::{Deserializer, Serializer, array_of_hex, read, to_hex};
    use alloy_primitives::Address;

    pub(crate) fn serialize<S: Serializer>(value: &Address, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&to_hex(value.as_slice()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
        read(
            from,
            "an address: 0x and 40 lower-case hexadecimal digits",
            |text| array_of_hex(text).map(Address::new),
        )
    }
}

/// Serde form of an optional address: the address, or `null`.
pub(crate) mod optional_address {
    use super::{Deserializer, Serializer};
    use alloy_primitives::Address;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Wrapped(#[serde(with = "super::address")] Address);

    #[expect(clippy::ref_option, reason = "serde hands fields by reference")]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Address>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Wrapped).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Address>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(from)?.map(|wrapped| wrapped.0))
    }
}

/// Serde form of 32 bytes.
pub(crate) mod b256 {
    use super::{Deserializer, Serializer, array_of_hex, read, to_hex};
    use alloy_primitives::B256;

    pub(crate) fn serialize<S: Serializer>(value: &B256, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&to_hex(value.as_slice()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<B256, D::Error> {
        read(
            from,
            "32 bytes: 0x and 64 lower-case hexadecimal digits",
            |text| array_of_hex(text).map(B256::new),
        )
    }
}

/// Serde form of a list of 32-byte values.
pub(crate) mod b256_list {
    use super::{Deserializer, Serializer};
    use alloy_primitives::B256;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Wrapped(#[serde(with = "super::b256")] B256);

    pub(crate) fn serialize<S: Serializer>(value: &[B256], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(value.iter().map(|hash| Wrapped(*hash)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<B256>, D::Error> {
        let wrapped = Vec::<Wrapped>::deserialize(from)?;
        Ok(wrapped.into_iter().map(|wrapped| wrapped.0).collect())
    }
}

/// Serde form of a 16-byte salt.
pub(crate) mod salt {
    use super::{Deserializer, Serializer, array_of_hex, read, to_hex};

    pub(crate) fn serialize<S: Serializer>(value: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&to_hex(value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
        read(
            from,
            "16 bytes: 0x and 32 lower-case hexadecimal digits",
            array_of_hex,
        )
    }
}

/// Serde form of an optional salt: the salt, or `null`.
pub(crate) mod optional_salt {
    use super::{Deserializer, Serializer};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Wrapped(#[serde(with = "super::salt")] [u8; 16]);

    #[expect(clippy::ref_option, reason = "serde hands fields by reference")]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<[u8; 16]>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Wrapped).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<[u8; 16]>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(from)?.map(|wrapped| wrapped.0))
    }
}

/// Serde form of bytes of any length.
pub(crate) mod bytes {
    use super::{Deserializer, Serializer, bytes_of_hex, read, to_hex};

    pub(crate) fn serialize<S: Serializer>(value: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&to_hex(value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        read(
            from,
            "bytes: 0x and lower-case hexadecimal digits in pairs",
            bytes_of_hex,
        )
    }
}

/// Serde form of a 256-bit number.
pub(crate) mod decimal {
    use super::{Deserializer, Serializer, read};
    use alloy_primitives::U256;

    pub(crate) fn serialize<S: Serializer>(value: &U256, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<U256, D::Error> {
        read(
            from,
            "a decimal string below 2^256 without leading zeros",
            parse,
        )
    }

    pub(crate) fn parse(text: &str) -> Option<U256> {
        let canonical = text == "0" || !text.starts_with('0');
        let digits =
            !text.is_empty() && text.len() <= 78 && text.bytes().all(|b| b.is_ascii_digit());
        (canonical && digits)
            .then(|| U256::from_str_radix(text, 10).ok())
            .flatten()
    }
}

/// Serde form of a 64-bit number.
pub(crate) mod integer {
    use super::{Deserializer, Error, MAX_INTEGER, Serializer};
    use serde::Deserialize;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands fields by reference"
    )]
    pub(crate) fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        if *value > MAX_INTEGER {
            return Err(serde::ser::Error::custom(format!(
                "`{value}` is above 2^53 - 1, the largest integer which a package can state"
            )));
        }
        to.serialize_u64(*value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let value = u64::deserialize(from)?;
        if value > MAX_INTEGER {
            return Err(D::Error::custom("expected an integer of at most 2^53 - 1"));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    #[test]
    fn a_byte_string_has_one_spelling() {
        assert_eq!(array_of_hex::<2>("0x0aff"), Some([0x0a, 0xff]));
        for other in [
            "0aff", "0X0aff", "0x0AFF", "0x0aff0", "0x0aff00", "0xaff", "0x0a f", "",
        ] {
            assert_eq!(array_of_hex::<2>(other), None, "{other}");
        }
    }

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(decimal::parse("0"), Some(U256::ZERO));
        assert_eq!(decimal::parse(&U256::MAX.to_string()), Some(U256::MAX));
        let over = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for other in ["", "00", "01", "+1", "-1", "1_0", "0x1", "1e3", " 1", over] {
            assert_eq!(decimal::parse(other), None, "{other}");
        }
    }
}
