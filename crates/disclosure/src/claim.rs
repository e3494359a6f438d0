//! Checking a claim against the header of its batch.

use alloy_primitives::{Address, B256, U256};
use cloister_crypto::activity::{root_from_path, transaction_leaf};
use cloister_state_tree::{LeafKey, Proof};
use cloister_types::{
    AccountValue, Field as FieldId, LogRecord, PublicHeader, StateKey,
    TransactionFields as Encoder, activity,
};

use crate::error::VerifyError;
use crate::hashing;
use crate::manifest::{
    AccountClaim, Claim, Field, IdentityField, InputField, LogEntry, LogsField, OutcomeField,
    SenderField, StateOpening, StorageClaim, TargetField, TokenBalanceClaim, TransactionClaim,
    TransactionFields, ValueField,
};

/// SDISC-2: every value in the claim is bound to the state root or the transaction root.
pub(crate) fn check(claim: &Claim, header: &PublicHeader) -> Result<(), VerifyError> {
    match claim {
        Claim::AccountState(claim) => check_account(claim, header.state_root),
        Claim::StorageSlot(claim) => {
            let StorageClaim {
                contract,
                slot,
                value,
                opening,
            } = claim;
            check_storage(*contract, *slot, *value, opening, header.state_root)
        }
        Claim::TokenBalance(claim) => check_token(claim, header.state_root),
        Claim::Transaction(claim) => check_transaction(claim, header),
    }
}

fn check_account(claim: &AccountClaim, root: B256) -> Result<(), VerifyError> {
    let AccountClaim {
        address,
        nonce,
        balance,
        code_hash,
        opening,
    } = claim;
    let value = AccountValue {
        nonce: *nonce,
        balance: *balance,
        code_hash: *code_hash,
    };
    let key = StateKey::Account(*address);
    check_leaf(&key, &value.encode(), value.is_empty(), opening, root)
}

fn check_storage(
    contract: Address,
    slot: B256,
    value: B256,
    opening: &StateOpening,
    root: B256,
) -> Result<(), VerifyError> {
    let key = StateKey::Storage(contract, slot);
    check_leaf(&key, value.as_slice(), value.is_zero(), opening, root)
}

fn check_token(claim: &TokenBalanceClaim, root: B256) -> Result<(), VerifyError> {
    let TokenBalanceClaim {
        token,
        holder,
        layout,
        slot,
        balance,
        opening,
    } = claim;
    let expected = layout.slot_of(*holder);
    if *slot != expected {
        return Err(VerifyError::Slot {
            expected,
            got: *slot,
        });
    }
    check_storage(
        *token,
        *slot,
        B256::new(balance.to_be_bytes()),
        opening,
        root,
    )
}

/// Checks the path of a key, and that its leaf (or its absence) means the claimed value.
fn check_leaf(
    key: &StateKey,
    value: &[u8],
    is_zero: bool,
    opening: &StateOpening,
    root: B256,
) -> Result<(), VerifyError> {
    let StateOpening { salt, path } = opening;
    let leaf = Proof::decode(path)?.verify(&root.0, &LeafKey(hashing::leaf_key(key)))?;
    match (leaf, salt) {
        (Some(leaf), Some(salt)) => {
            let got = hashing::leaf_commit(key, *salt, value);
            let expected = B256::new(leaf.0);
            if got == expected {
                Ok(())
            } else {
                Err(VerifyError::Opening { expected, got })
            }
        }
        (Some(_), None) => Err(VerifyError::SaltMissing),
        (None, Some(_)) => Err(VerifyError::SaltWithoutLeaf),
        (None, None) if is_zero => Ok(()),
        (None, None) => Err(VerifyError::NotZero),
    }
}

fn check_transaction(claim: &TransactionClaim, header: &PublicHeader) -> Result<(), VerifyError> {
    let TransactionClaim {
        private_header,
        index,
        siblings,
        fields,
    } = claim;
    let private = private_header.header();
    let digest = private.digest();
    if digest != header.private_digest {
        return Err(VerifyError::PrivateHeader {
            expected: header.private_digest,
            got: digest,
        });
    }
    let count = private.transaction_count;
    if *index >= count {
        return Err(VerifyError::Index {
            index: *index,
            count,
        });
    }
    let expected = hashing::siblings_of(*index, count);
    if siblings.len() != expected {
        return Err(VerifyError::Siblings {
            expected,
            got: siblings.len(),
        });
    }
    let leaf = transaction_leaf(&commitments(fields)?);
    let expected = private.transaction_root;
    match root_from_path(leaf, *index, count, siblings) {
        Some(got) if got == expected => Ok(()),
        // Position and length were checked above, so there is always a root.
        got => Err(VerifyError::TransactionRoot {
            expected,
            got: got.unwrap_or_default(),
        }),
    }
}

/// The commitments of all seven fields, in the order in which the leaf hashes them.
fn commitments(fields: &TransactionFields) -> Result<[B256; 7], VerifyError> {
    let TransactionFields {
        identity,
        sender,
        target,
        value,
        input,
        outcome,
        logs,
    } = fields;
    Ok([
        commitment(FieldId::Identity, identity),
        commitment(FieldId::Sender, sender),
        commitment(FieldId::Target, target),
        commitment(FieldId::Value, value),
        commitment(FieldId::Input, input),
        commitment(FieldId::Outcome, outcome),
        match logs {
            Field::Withheld(withheld) => withheld.commitment,
            Field::Opened(logs) => logs_commitment(logs)?,
        },
    ])
}

/// A field's bytes, as its commitment covers them, with its salt.
trait Encoded {
    fn encoded(&self) -> (Vec<u8>, [u8; 16]);
}

fn commitment<T: Encoded>(id: FieldId, field: &Field<T>) -> B256 {
    match field {
        Field::Withheld(withheld) => withheld.commitment,
        Field::Opened(value) => {
            let (bytes, salt) = value.encoded();
            hashing::field_commitment(id, salt, &bytes)
        }
    }
}

impl Encoded for IdentityField {
    fn encoded(&self) -> (Vec<u8>, [u8; 16]) {
        let Self {
            block_number,
            block_index,
            hash,
            salt,
        } = self;
        let fields = Encoder {
            block_number: *block_number,
            index: *block_index,
            hash: *hash,
            ..Encoder::default()
        };
        (fields.identity().to_vec(), *salt)
    }
}

impl Encoded for SenderField {
    fn encoded(&self) -> (Vec<u8>, [u8; 16]) {
        let Self { address, salt } = self;
        (address.to_vec(), *salt)
    }
}

impl Encoded for TargetField {
    fn encoded(&self) -> (Vec<u8>, [u8; 16]) {
        let Self { to, created, salt } = self;
        let fields = Encoder {
            to: *to,
            created: *created,
            ..Encoder::default()
        };
        (fields.target().to_vec(), *salt)
    }
}

impl Encoded for ValueField {
    fn encoded(&self) -> (Vec<u8>, [u8; 16]) {
        let Self { wei, salt } = self;
        (wei.to_be_bytes::<32>().to_vec(), *salt)
    }
}

impl Encoded for InputField {
    fn encoded(&self) -> (Vec<u8>, [u8; 16]) {
        let Self { data, salt } = self;
        (data.clone(), *salt)
    }
}

impl Encoded for OutcomeField {
    fn encoded(&self) -> (Vec<u8>, [u8; 16]) {
        let Self {
            succeeded,
            gas_used,
            salt,
        } = self;
        let fields = Encoder {
            succeeded: *succeeded,
            gas_used: *gas_used,
            ..Encoder::default()
        };
        (fields.outcome().to_vec(), *salt)
    }
}

fn logs_commitment(logs: &LogsField) -> Result<B256, VerifyError> {
    let LogsField { entries, salt } = logs;
    let mut commitments = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        commitments.push(match entry {
            Field::Withheld(withheld) => withheld.commitment,
            Field::Opened(LogEntry {
                address,
                topics,
                data,
                salt,
            }) => {
                if topics.len() > LogRecord::MAX_TOPICS {
                    return Err(VerifyError::Topics {
                        log: position,
                        got: topics.len(),
                    });
                }
                let record = LogRecord {
                    address: *address,
                    topics: topics.clone(),
                    data: data.clone().into(),
                };
                hashing::log_commitment(*salt, &record)
            }
        });
    }
    let bytes = activity::encode_log_commitments(&commitments);
    Ok(hashing::field_commitment(FieldId::Logs, *salt, &bytes))
}

/// The value of a storage slot as the state holds it.
pub(crate) fn storage_value(value: U256) -> B256 {
    B256::new(value.to_be_bytes())
}
