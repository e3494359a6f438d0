//! Building a package from what the sequencer answers.
//!
//! Nothing is trusted: a built manifest is checked by the verifier's own code before it can be
//! signed, so the service never signs what no auditor could verify.

use alloy_primitives::{Address, B256};
use cloister_types::{
    AccountValue, BatchHeader, Field as FieldId, FieldOpening, LogOpening, PrivateHeader,
    TransactionOpening, activity, state,
};

use crate::claim;
use crate::envelope::Unsigned;
use crate::error::{BuildError, VerifyError};
use crate::key::IssuerKey;
use crate::manifest::{
    AccountClaim, Anchor, BatchStatement, Claim, Field, GrantStatement, IdentityField, InputField,
    LifecycleAtIssue, LogEntry, LogsField, Manifest, OutcomeField, PrivateStatement, SenderField,
    StateOpening, StorageClaim, TargetField, TokenBalanceClaim, TransactionClaim,
    TransactionFields, VERSION, ValueField, Withheld,
};
use crate::slot::BalanceLayout;
use crate::verify;

/// A state leaf as the sequencer opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedLeaf {
    /// Value and salt, or nothing when the key has no leaf.
    pub value: Option<(Vec<u8>, [u8; 16])>,
    /// Encoded `cloister_state_tree::Proof`.
    pub path: Vec<u8>,
}

impl OpenedLeaf {
    fn opening(self) -> (Option<Vec<u8>>, StateOpening) {
        let (value, salt) = self.value.unzip();
        (
            value,
            StateOpening {
                salt,
                path: self.path,
            },
        )
    }
}

/// The claim about an account.
///
/// # Errors
/// When the value does not decode.
pub fn account_state(address: Address, leaf: OpenedLeaf) -> Result<Claim, BuildError> {
    let (value, opening) = leaf.opening();
    let AccountValue {
        nonce,
        balance,
        code_hash,
    } = match value {
        Some(bytes) => AccountValue::decode(&bytes)?,
        None => AccountValue::EMPTY,
    };
    Ok(Claim::AccountState(AccountClaim {
        address,
        nonce,
        balance,
        code_hash,
        opening,
    }))
}

fn slot_value(leaf: OpenedLeaf) -> Result<(B256, StateOpening), BuildError> {
    let (value, opening) = leaf.opening();
    let value = match value {
        Some(bytes) => claim::storage_value(state::decode_storage_value(&bytes)?),
        None => B256::ZERO,
    };
    Ok((value, opening))
}

/// The claim about a storage slot.
///
/// # Errors
/// When the value does not decode.
pub fn storage_slot(contract: Address, slot: B256, leaf: OpenedLeaf) -> Result<Claim, BuildError> {
    let (value, opening) = slot_value(leaf)?;
    Ok(Claim::StorageSlot(StorageClaim {
        contract,
        slot,
        value,
        opening,
    }))
}

/// The claim about a token balance; `leaf` is that of [`BalanceLayout::slot_of`] the holder.
///
/// # Errors
/// When the value does not decode.
pub fn token_balance(
    token: Address,
    holder: Address,
    layout: BalanceLayout,
    leaf: OpenedLeaf,
) -> Result<Claim, BuildError> {
    let (value, opening) = slot_value(leaf)?;
    Ok(Claim::TokenBalance(TokenBalanceClaim {
        token,
        holder,
        layout,
        slot: layout.slot_of(holder),
        balance: value.into(),
        opening,
    }))
}

/// The claim about a transaction, with whatever `opening` shows; `siblings` from the leaf up.
///
/// # Errors
/// When a shown field does not decode, or a shown log is not among the commitments.
pub fn transaction(
    private: &PrivateHeader,
    index: u32,
    siblings: Vec<B256>,
    opening: &TransactionOpening,
) -> Result<Claim, BuildError> {
    let fields = TransactionFields {
        identity: field(opening, FieldId::Identity, |bytes, salt| {
            let (block_number, block_index, hash) = activity::decode_identity(bytes)?;
            Ok(IdentityField {
                block_number,
                block_index,
                hash,
                salt,
            })
        })?,
        sender: field(opening, FieldId::Sender, |bytes, salt| {
            Ok(SenderField {
                address: activity::decode_sender(bytes)?,
                salt,
            })
        })?,
        target: field(opening, FieldId::Target, |bytes, salt| {
            let (to, created) = activity::decode_target(bytes)?;
            Ok(TargetField { to, created, salt })
        })?,
        value: field(opening, FieldId::Value, |bytes, salt| {
            Ok(ValueField {
                wei: activity::decode_value(bytes)?,
                salt,
            })
        })?,
        input: field(opening, FieldId::Input, |bytes, salt| {
            Ok(InputField {
                data: bytes.to_vec(),
                salt,
            })
        })?,
        outcome: field(opening, FieldId::Outcome, |bytes, salt| {
            let (succeeded, gas_used) = activity::decode_outcome(bytes)?;
            Ok(OutcomeField {
                succeeded,
                gas_used,
                salt,
            })
        })?,
        logs: field(opening, FieldId::Logs, |bytes, salt| {
            let commitments = activity::decode_log_commitments(bytes)?;
            Ok(LogsField {
                entries: log_entries(&commitments, &opening.logs),
                salt,
            })
        })?,
    };
    let private_header = PrivateStatement::from(private);
    Ok(Claim::Transaction(Box::new(TransactionClaim {
        private_header,
        index,
        siblings,
        fields,
    })))
}

fn field<T>(
    opening: &TransactionOpening,
    id: FieldId,
    decode: impl FnOnce(&[u8], [u8; 16]) -> Result<T, BuildError>,
) -> Result<Field<T>, BuildError> {
    match opening.field(id) {
        FieldOpening::Hidden(commitment) => Ok(Field::Withheld(Withheld {
            commitment: *commitment,
        })),
        FieldOpening::Shown { salt, bytes } => decode(bytes, *salt.as_bytes()).map(Field::Opened),
    }
}

fn log_entries(commitments: &[B256], shown: &[LogOpening]) -> Vec<Field<LogEntry>> {
    let mut entries: Vec<Field<LogEntry>> = commitments
        .iter()
        .map(|commitment| {
            Field::Withheld(Withheld {
                commitment: *commitment,
            })
        })
        .collect();
    for LogOpening { index, salt, log } in shown {
        let at = usize::try_from(*index).ok();
        if let Some(entry) = at.and_then(|at| entries.get_mut(at)) {
            *entry = Field::Opened(LogEntry {
                address: log.address,
                topics: log.topics.clone(),
                data: log.data.to_vec(),
                salt: *salt.as_bytes(),
            });
        }
    }
    entries
}

/// Everything beside the claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where Ethereum holds the batch.
    pub anchor: Anchor,
    /// The right under which the package is given out.
    pub grant: GrantStatement,
    /// How far the batch is on its way to Ethereum.
    pub lifecycle: LifecycleAtIssue,
    /// Now, UNIX seconds.
    pub issued_at: u64,
}

/// Joins claim and frame to a manifest, checks it as a verifier would (SDISC-5), and prepares it for
/// signing.
///
/// # Errors
/// [`BuildError::Unverifiable`] when the claim does not hold under the header.
pub fn package(
    key: &IssuerKey,
    frame: Frame,
    header: &BatchHeader,
    claim: Claim,
) -> Result<Unsigned, BuildError> {
    let Frame {
        anchor,
        grant,
        lifecycle,
        issued_at,
    } = frame;
    let manifest = Manifest {
        version: VERSION,
        anchor,
        batch: BatchStatement::from(&header.public()),
        lifecycle_at_issue: lifecycle,
        claim,
        grant,
        issued_at,
    };
    verify::check(&manifest)?;
    unsigned(key, &manifest)
}

/// Prepares a manifest for signing without checking it.
pub(crate) fn unsigned(key: &IssuerKey, manifest: &Manifest) -> Result<Unsigned, BuildError> {
    let json = |error: serde_json::Error| BuildError::Json(error.to_string());
    let payload = serde_json::to_vec(manifest).map_err(json)?;
    if payload.len() > crate::envelope::MAX_PACKAGE_BYTES / 2 {
        let limit = crate::envelope::MAX_PACKAGE_BYTES / 2;
        return Err(VerifyError::TooLarge {
            limit,
            got: payload.len(),
        }
        .into());
    }
    Unsigned::new(key, &payload).map_err(json)
}
