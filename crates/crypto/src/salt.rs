//! Secrets that hide what commitments hold.
//!
//! One secret per chain gives one key per batch, and that key gives the salts of what the batch
//! writes. Whoever proves a batch receives that batch's key and the salts that it reads, never the
//! secret: a stolen prover cannot open what it never proved (SC-2). A salt shown for a leaf at one
//! batch says nothing about the leaf after its next write (SC-3).

use core::fmt;

use alloy_primitives::B256;
use cloister_types::{BatchNumber, Field, Salt};
use zeroize::Zeroize;

use crate::{
    domain,
    hash::{Beginning, Keyed},
};

/// The chain's secret from which all salts come.
#[derive(Clone)]
pub struct StateSecret([u8; 32]);

impl StateSecret {
    /// Takes 32 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits, with white space around them ignored.
    ///
    /// # Errors
    /// [`MalformedSecret`] for anything else; the error does not repeat the input.
    pub fn parse(text: &str) -> Result<Self, MalformedSecret> {
        let mut bytes = [0; 32];
        alloy_primitives::hex::decode_to_slice(text.trim(), &mut bytes)
            .map_err(|_| MalformedSecret)?;
        Ok(Self(bytes))
    }
}

impl Drop for StateSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for StateSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateSecret(..)")
    }
}

/// A text that is no state secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a state secret is 64 hexadecimal digits; make one with `openssl rand -hex 32`")]
pub struct MalformedSecret;

/// Gives each batch its key. Holds the keyed state of HMAC, computed once.
#[derive(Clone)]
pub struct Salter(Keyed);

impl Salter {
    /// Prepares the secret for use.
    #[must_use]
    pub fn new(secret: &StateSecret) -> Self {
        Self(Keyed::new(&secret.0))
    }

    /// Key of a batch's salts: HMAC(secret, domain ‖ batch number u64).
    #[must_use]
    pub fn batch_key(&self, batch: BatchNumber) -> BatchKey {
        BatchKey(self.0.mac(&[&[domain::BATCH_KEY], &batch.0.to_be_bytes()]))
    }

    /// Gives the salts of what `batch` writes; batch 0 is genesis.
    #[must_use]
    pub fn batch(&self, batch: BatchNumber) -> BatchSalter {
        BatchSalter::new(&self.batch_key(batch))
    }
}

impl fmt::Debug for Salter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salter(..)")
    }
}

/// The key of one batch's salts: all of the secret that a prover of that batch receives.
#[derive(Clone, PartialEq, Eq)]
pub struct BatchKey([u8; 32]);

impl BatchKey {
    /// Takes the key as received.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, to be sent only to the batch's prover.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for BatchKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for BatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchKey(..)")
    }
}

/// Gives the salts of what one batch writes.
#[derive(Clone)]
pub struct BatchSalter(Keyed);

impl BatchSalter {
    /// Prepares a batch's key for use.
    #[must_use]
    pub fn new(key: &BatchKey) -> Self {
        Self(Keyed::new(&key.0))
    }

    /// Salt of the leaf at `leaf_key` as this batch wrote it: the first 16 bytes of HMAC(batch key,
    /// domain ‖ leaf key 32).
    #[must_use]
    pub fn leaf_salt(&self, leaf_key: &[u8; 32]) -> Salt {
        Salt::from(self.0.mac::<16>(&[&[domain::STATE_SALT], leaf_key]))
    }

    /// Salt of a transaction's field: the first 16 bytes of HMAC(batch key, domain ‖ transaction
    /// hash 32 ‖ field u8 ‖ `0xffff_ffff`).
    #[must_use]
    pub fn field_salt(&self, transaction: &B256, field: Field) -> Salt {
        self.transaction(transaction).field(field)
    }

    /// Salt of a transaction's log: as [`Self::field_salt`] of [`Field::Logs`], with the log's
    /// position among the transaction's logs at the end.
    #[must_use]
    pub fn log_salt(&self, transaction: &B256, index: u32) -> Salt {
        self.transaction(transaction).log(index)
    }

    /// Gives the salts of one transaction.
    pub(crate) fn transaction(&self, hash: &B256) -> TransactionSalter<'_> {
        TransactionSalter {
            beginning: self.0.beginning(domain::FIELD_SALT, hash),
        }
    }
}

/// Gives the salts of one transaction. What they have in common is put together once.
pub(crate) struct TransactionSalter<'a> {
    beginning: Beginning<'a>,
}

impl TransactionSalter<'_> {
    /// As [`BatchSalter::field_salt`].
    pub(crate) fn field(&mut self, field: Field) -> Salt {
        self.beginning.mac(field.code(), u32::MAX)
    }

    /// As [`BatchSalter::log_salt`].
    pub(crate) fn log(&mut self, index: u32) -> Salt {
        self.beginning.mac(Field::Logs.code(), index)
    }
}

impl fmt::Debug for BatchSalter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchSalter(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    extern crate std;

    /// SC-2, SC-3.
    #[test]
    fn salts_differ_by_batch_key_field_and_log() {
        let salter = Salter::new(&StateSecret::new([1; 32]));
        let (one, two) = (salter.batch(BatchNumber(1)), salter.batch(BatchNumber(2)));
        let transaction = B256::repeat_byte(5);
        let mut salts = BTreeSet::new();
        for batch in [&one, &two] {
            salts.insert(*batch.leaf_salt(&[1; 32]).as_bytes());
            salts.insert(*batch.leaf_salt(&[2; 32]).as_bytes());
            for field in Field::ALL {
                salts.insert(*batch.field_salt(&transaction, field).as_bytes());
            }
            salts.insert(*batch.log_salt(&transaction, 0).as_bytes());
            salts.insert(*batch.log_salt(&transaction, 1).as_bytes());
        }
        assert_eq!(salts.len(), 22);
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let secret = StateSecret::new([0xab; 32]);
        let key = Salter::new(&secret).batch_key(BatchNumber(1));
        let shown = std::format!("{secret:?}{:?}{key:?}", Salter::new(&secret));
        assert_eq!(shown, "StateSecret(..)Salter(..)BatchKey(..)");
    }

    #[test]
    fn a_secret_is_64_hexadecimal_digits() {
        assert!(StateSecret::parse(&"ab".repeat(32)).is_ok());
        assert!(StateSecret::parse(&std::format!("{}\n", "AB".repeat(32))).is_ok());
        assert_eq!(
            StateSecret::parse(&"ab".repeat(31)).err(),
            Some(MalformedSecret)
        );
        assert_eq!(StateSecret::parse("").err(), Some(MalformedSecret));
        assert_eq!(
            StateSecret::parse(&"xy".repeat(32)).err(),
            Some(MalformedSecret)
        );
    }
}
