//! Commitments to transactions and activity chains, version 1.

use alloc::{vec, vec::Vec};
use alloy_primitives::{B256, Bytes};
use cloister_types::{
    ActivityHead, ActivityKind, DecodeError, Field, FieldOpening, LogOpening, LogRecord, Salt,
    TransactionFields, TransactionOpening,
    activity::{decode_log_commitments, encode_log_commitments},
};

use crate::{
    big_endian, domain,
    hash::{Sha256, hash_pair, hash_pair_to, hash_seven, sha256},
    salt::BatchSalter,
};

/// A transaction's leaf with the commitments of its logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedTransaction {
    /// The leaf.
    pub leaf: B256,
    /// Commitments of its logs, in order.
    pub logs: Vec<B256>,
}

/// Commitment to a field: SHA-256(0x06 ‖ field u8 ‖ salt 16 ‖ bytes).
#[must_use]
#[inline]
pub fn field_commitment(field: Field, salt: &Salt, bytes: &[u8]) -> B256 {
    B256::new(sha256(
        domain::FIELD_COMMIT,
        &[&[field.code()], salt.as_bytes(), bytes],
    ))
}

/// Commitment to a log: SHA-256(0x08 ‖ salt 16 ‖ address 20 ‖ topic count u8 ‖ topics ‖ data).
#[must_use]
pub fn log_commitment(salt: &Salt, log: &LogRecord) -> B256 {
    let mut hasher = Sha256::new();
    hasher.update(&[domain::LOG_COMMIT]);
    hasher.update(salt.as_bytes());
    hasher.update(log.address.as_slice());
    hasher.update(&[u8::try_from(log.topics.len()).unwrap_or(u8::MAX)]);
    for topic in &log.topics {
        hasher.update(topic.as_slice());
    }
    hasher.update(&log.data);
    B256::new(hasher.finish())
}

/// Leaf of a transaction: SHA-256(0x09 ‖ the seven field commitments).
#[must_use]
#[inline]
pub fn transaction_leaf(commitments: &[B256; 7]) -> B256 {
    leaf_of(commitments.each_ref().map(|commitment| &commitment.0))
}

#[inline]
fn leaf_of(commitments: [&[u8; 32]; 7]) -> B256 {
    B256::new(hash_seven(domain::TRANSACTION_LEAF, commitments))
}

/// Lies at a word's boundary, from where the guest takes words instead of bytes.
#[derive(Clone, Copy, Default)]
#[repr(C, align(4))]
struct Aligned<T>(T);

/// Commits to a transaction and each of its logs with the batch's salts.
// Not inlined: where the guest's program is one function, less is known of what lies at a word's
// boundary.
#[must_use]
#[inline(never)]
pub fn commit_transaction(
    fields: &TransactionFields,
    salter: &BatchSalter,
) -> CommittedTransaction {
    let mut salts = salter.transaction(&fields.hash);
    let logs: Vec<B256> = (0..)
        .zip(&fields.logs)
        .map(|(index, log)| log_commitment(&salts.log(index), log))
        .collect();
    let mut commitments = [Aligned(B256::ZERO); 7];
    {
        let [identity, sender, target, value, input, outcome, of_logs] = &mut commitments;
        let mut commit = |to: &mut Aligned<B256>, field, bytes: &[u8]| {
            to.0 = field_commitment(field, &salts.field(field), bytes);
        };
        commit(identity, Field::Identity, &Aligned(fields.identity()).0);
        commit(sender, Field::Sender, fields.sender.as_slice());
        commit(target, Field::Target, &Aligned(fields.target()).0);
        commit(
            value,
            Field::Value,
            &Aligned(big_endian::bytes(&fields.value)).0,
        );
        commit(input, Field::Input, &fields.input);
        commit(outcome, Field::Outcome, &Aligned(fields.outcome()).0);
        commit(of_logs, Field::Logs, &encode_log_commitments(&logs));
    }
    let leaf = leaf_of(commitments.each_ref().map(|commitment| &commitment.0.0));
    CommittedTransaction { leaf, logs }
}

/// Opens a transaction in full. Narrow it with [`redact`].
#[must_use]
pub fn open_transaction(fields: &TransactionFields, salter: &BatchSalter) -> TransactionOpening {
    let logs: Vec<LogOpening> = (0..)
        .zip(&fields.logs)
        .map(|(index, log)| LogOpening {
            index,
            salt: salter.log_salt(&fields.hash, index),
            log: log.clone(),
        })
        .collect();
    let commitments: Vec<B256> = logs
        .iter()
        .map(|opening| log_commitment(&opening.salt, &opening.log))
        .collect();
    let shown = |field, bytes: Bytes| FieldOpening::Shown {
        salt: salter.field_salt(&fields.hash, field),
        bytes,
    };
    TransactionOpening {
        fields: [
            shown(Field::Identity, fields.identity().into()),
            shown(Field::Sender, fields.sender.to_vec().into()),
            shown(Field::Target, fields.target().into()),
            shown(Field::Value, fields.value().into()),
            shown(Field::Input, fields.input.clone()),
            shown(Field::Outcome, fields.outcome().into()),
            shown(Field::Logs, encode_log_commitments(&commitments).into()),
        ],
        logs,
    }
}

/// Withholds the fields and logs that are not to be shown; the leaf stays the same.
#[must_use]
pub fn redact(
    opening: TransactionOpening,
    keep: impl Fn(Field) -> bool,
    keep_log: impl Fn(&LogOpening) -> bool,
) -> TransactionOpening {
    opening.redact(field_commitment, keep, keep_log)
}

/// Why an opening contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// The logs field is not an encoding of commitments.
    #[error("the logs field is malformed")]
    LogsField(#[source] DecodeError),
    /// A shown log is not among the transaction's logs.
    #[error("log {index} is shown, but the transaction has {count} logs")]
    NoSuchLog {
        /// Position claimed.
        index: u32,
        /// Number of logs.
        count: usize,
    },
    /// A shown log is not the one that the transaction emitted.
    #[error("log {index} does not match its commitment: expected {expected}, got {got}")]
    LogMismatch {
        /// Position of the log.
        index: u32,
        /// Commitment in the logs field.
        expected: B256,
        /// Commitment of what is shown.
        got: B256,
    },
    /// Logs are shown although the field that commits to them is hidden.
    #[error("logs are shown, but the logs field that commits to them is hidden")]
    LogsHidden,
}

/// The leaf that an opening opens, after checking its shown logs against the logs field. Compare
/// it with a leaf that you trust.
///
/// # Errors
/// [`OpeningError`] when the opening contradicts itself.
pub fn opened_leaf(opening: &TransactionOpening) -> Result<B256, OpeningError> {
    let TransactionOpening { fields, logs } = opening;
    if !logs.is_empty() {
        let FieldOpening::Shown { bytes, .. } = opening.field(Field::Logs) else {
            return Err(OpeningError::LogsHidden);
        };
        let commitments = decode_log_commitments(bytes).map_err(OpeningError::LogsField)?;
        for LogOpening { index, salt, log } in logs {
            let count = commitments.len();
            let expected = usize::try_from(*index)
                .ok()
                .and_then(|index| commitments.get(index))
                .ok_or(OpeningError::NoSuchLog {
                    index: *index,
                    count,
                })?;
            let got = log_commitment(salt, log);
            if got != *expected {
                return Err(OpeningError::LogMismatch {
                    index: *index,
                    expected: *expected,
                    got,
                });
            }
        }
    }
    let mut commitments = [B256::ZERO; 7];
    for ((commitment, opening), field) in commitments.iter_mut().zip(fields).zip(Field::ALL) {
        *commitment = match opening {
            FieldOpening::Hidden(commitment) => *commitment,
            FieldOpening::Shown { salt, bytes } => field_commitment(field, salt, bytes),
        };
    }
    Ok(transaction_leaf(&commitments))
}

/// Root over a batch's transaction leaves: inner = SHA-256(0x0a ‖ left ‖ right), an odd node moves
/// up unchanged, no leaves give 32 zero bytes. The batch header also binds the number of leaves, so
/// no two lists share a root and a number.
#[must_use]
pub fn transaction_root(leaves: &[B256]) -> B256 {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = next_level(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// Siblings on the path of leaf `index`, from the leaf up; `None` when there is no such leaf.
#[must_use]
pub fn transaction_path(leaves: &[B256], index: usize) -> Option<Vec<B256>> {
    leaves.get(index)?;
    let (mut level, mut index, mut path) = (leaves.to_vec(), index, vec![]);
    while level.len() > 1 {
        // The last node of an odd level has no sibling and moves up unchanged.
        path.extend(level.get(index ^ 1));
        level = next_level(&level);
        index /= 2;
    }
    Some(path)
}

fn next_level(level: &[B256]) -> Vec<B256> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => transaction_inner(left, right),
            rest => rest.first().copied().unwrap_or_default(),
        })
        .collect()
}

fn transaction_inner(left: &B256, right: &B256) -> B256 {
    B256::new(hash_pair(domain::TRANSACTION_INNER, &left.0, &right.0))
}

/// The root that a path from `leaf`, number `index` of `count`, leads to; `None` when the path has
/// the wrong length or there is no such leaf.
#[must_use]
pub fn root_from_path(leaf: B256, index: u32, count: u32, siblings: &[B256]) -> Option<B256> {
    if index >= count {
        return None;
    }
    let (mut node, mut index, mut width) = (leaf, index, count);
    let mut siblings = siblings.iter();
    while width > 1 {
        let has_sibling = (index ^ 1) < width;
        if has_sibling {
            let sibling = siblings.next()?;
            node = if index.is_multiple_of(2) {
                transaction_inner(&node, sibling)
            } else {
                transaction_inner(sibling, &node)
            };
        }
        index /= 2;
        width = width.div_ceil(2);
    }
    siblings.next().is_none().then_some(node)
}

/// Entry of an activity chain: SHA-256(0x0b ‖ kind u8 ‖ transaction leaf or log commitment).
#[must_use]
#[inline]
pub fn activity_entry(kind: ActivityKind, commitment: &B256) -> B256 {
    B256::new(sha256(
        domain::ACTIVITY_ENTRY,
        &[&[kind.code()], commitment.as_slice()],
    ))
}

/// The chain after one more entry: head = SHA-256(0x0c ‖ head before ‖ entry).
///
/// The count stops at its maximum, which no chain can reach.
#[must_use]
pub fn append(chain: &ActivityHead, entry: &B256) -> ActivityHead {
    let mut next = *chain;
    extend(&mut next, entry);
    next
}

/// Makes a chain what [`append`] answers.
#[inline]
pub fn extend(chain: &mut ActivityHead, entry: &B256) {
    chain.count = chain.count.saturating_add(1);
    let before = Aligned(chain.head);
    hash_pair_to(
        &mut chain.head.0,
        domain::ACTIVITY_HEAD,
        &before.0.0,
        &entry.0,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Salter, StateSecret};
    use alloy_primitives::{Address, U256};
    use cloister_types::BatchNumber;
    use proptest::prelude::*;

    fn salter() -> BatchSalter {
        Salter::new(&StateSecret::new([7; 32])).batch(BatchNumber(1))
    }

    fn fields(logs: usize) -> TransactionFields {
        let log = |index: usize| LogRecord {
            address: Address::repeat_byte(1),
            topics: vec![B256::repeat_byte(2); index % 5],
            data: vec![3; index].into(),
        };
        TransactionFields {
            block_number: 4,
            hash: B256::repeat_byte(5),
            to: Some(Address::repeat_byte(6)),
            value: U256::from(7),
            succeeded: true,
            logs: (0..logs).map(log).collect(),
            ..TransactionFields::default()
        }
    }

    #[test]
    fn a_full_opening_gives_the_leaf() {
        let committed = commit_transaction(&fields(3), &salter());
        let opening = open_transaction(&fields(3), &salter());
        assert_eq!(opened_leaf(&opening), Ok(committed.leaf));
        assert_eq!(committed.logs.len(), 3);
    }

    #[test]
    fn a_redacted_opening_gives_the_same_leaf() {
        let leaf = commit_transaction(&fields(3), &salter()).leaf;
        let opening = redact(
            open_transaction(&fields(3), &salter()),
            |field| matches!(field, Field::Identity | Field::Logs),
            |log| log.index == 1,
        );
        assert_eq!(opening.logs.len(), 1);
        assert_eq!(opened_leaf(&opening), Ok(leaf));
    }

    #[test]
    fn another_log_is_refused() {
        let mut opening = open_transaction(&fields(2), &salter());
        opening.logs[1].log.data = vec![9].into();
        assert!(matches!(
            opened_leaf(&opening),
            Err(OpeningError::LogMismatch { index: 1, .. })
        ));
        opening.logs[1].index = 2;
        assert_eq!(
            opened_leaf(&opening),
            Err(OpeningError::NoSuchLog { index: 2, count: 2 })
        );
        opening.fields[6] = FieldOpening::Hidden(B256::ZERO);
        assert_eq!(opened_leaf(&opening), Err(OpeningError::LogsHidden));
    }

    proptest! {
        #[test]
        fn every_path_leads_to_the_root(count in 1..40u32, index in 0..40u32) {
            let leaves: Vec<B256> = (0..count).map(|i| B256::from(U256::from(i + 1))).collect();
            let index = index % count;
            let position = usize::try_from(index).unwrap();
            let path = transaction_path(&leaves, position).unwrap();
            let root = transaction_root(&leaves);
            prop_assert_eq!(root_from_path(leaves[position], index, count, &path), Some(root));
            let mut longer = path.clone();
            longer.push(B256::ZERO);
            prop_assert_eq!(root_from_path(leaves[position], index, count, &longer), None);
            prop_assert_eq!(root_from_path(leaves[position], count, count, &path), None);
        }
    }

    #[test]
    fn no_transactions_have_the_empty_root() {
        assert_eq!(transaction_root(&[]), B256::ZERO);
        assert_eq!(transaction_path(&[], 0), None);
    }

    #[test]
    fn a_chain_counts_its_entries() {
        let entry = activity_entry(ActivityKind::Transaction, &B256::repeat_byte(1));
        let other = activity_entry(ActivityKind::Log, &B256::repeat_byte(1));
        assert_ne!(entry, other);
        let one = append(&ActivityHead::default(), &entry);
        let two = append(&one, &other);
        assert_eq!((one.count, two.count), (1, 2));
        assert_ne!(one.head, two.head);
    }
}
