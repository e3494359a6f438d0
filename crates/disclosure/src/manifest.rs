//! The payload of a package, version 1: what is claimed, and everything needed to check it.
//!
//! The JSON is the types below, field by field; unknown and repeated fields are refused. See
//! [`crate::text`] for how values are spelled.

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use crate::slot::BalanceLayout;
use crate::text;

/// The manifest version that this crate writes and reads.
pub const VERSION: u32 = 1;

/// The longest text that a grant may put into a package, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;

/// The signed content of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`VERSION`].
    pub version: u32,
    /// Where on Ethereum the batch is to be looked up.
    pub anchor: Anchor,
    /// The public part of the batch's header, whose hash Ethereum holds.
    pub batch: BatchStatement,
    /// How far the batch was on its way to Ethereum when the package was made: the issuer's word.
    pub lifecycle_at_issue: LifecycleAtIssue,
    /// What is claimed, with its openings and paths.
    pub claim: Claim,
    /// The right under which the package was given out: the issuer's word.
    pub grant: GrantStatement,
    /// When the package was made, UNIX seconds: the issuer's word.
    #[serde(with = "text::integer")]
    pub issued_at: u64,
}

/// The contract that anchors the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// EIP-155 id of the chain that holds the contract.
    #[serde(with = "text::integer")]
    pub l1_chain_id: u64,
    /// The `Rollup` contract.
    #[serde(with = "text::address")]
    pub rollup: Address,
}

/// The public batch header (`cloister_types::batch::PublicHeader`), spelled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchStatement {
    /// EIP-155 id of the private chain.
    #[serde(with = "text::integer")]
    pub chain_id: u64,
    /// The batch's number; 0 is genesis.
    #[serde(with = "text::integer")]
    pub number: u64,
    /// Hash of the batch before.
    #[serde(with = "text::b256")]
    pub previous_hash: B256,
    /// Root of the state tree after the batch.
    #[serde(with = "text::b256")]
    pub state_root: B256,
    /// Root of the messages to Ethereum.
    #[serde(with = "text::b256")]
    pub message_root: B256,
    /// Messages from Ethereum consumed so far.
    #[serde(with = "text::integer")]
    pub l1_message_count: u64,
    /// Rolling hash over the messages from Ethereum.
    #[serde(with = "text::b256")]
    pub l1_message_hash: B256,
    /// Digest of the private part of the header.
    #[serde(with = "text::b256")]
    pub private_digest: B256,
}

/// The private part of a batch header; shown only where a claim needs the transaction root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateStatement {
    /// Root of the state tree before the batch.
    #[serde(with = "text::b256")]
    pub state_root_before: B256,
    /// Root over the batch's transactions.
    #[serde(with = "text::b256")]
    pub transaction_root: B256,
    /// How many transactions the batch holds.
    pub transaction_count: u32,
    /// Hash of the policies that were in force.
    #[serde(with = "text::b256")]
    pub policy_root: B256,
    /// Combined head of the audit ledgers.
    #[serde(with = "text::b256")]
    pub audit_head: B256,
    /// Number of the first block.
    #[serde(with = "text::integer")]
    pub first_block: u64,
    /// Hash of the first block.
    #[serde(with = "text::b256")]
    pub first_block_hash: B256,
    /// Number of the last block.
    #[serde(with = "text::integer")]
    pub last_block: u64,
    /// Hash of the last block.
    #[serde(with = "text::b256")]
    pub last_block_hash: B256,
    /// Time of the last block, UNIX seconds.
    #[serde(with = "text::integer")]
    pub timestamp: u64,
}

/// How far a batch was when its package was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleAtIssue {
    /// Ethereum did not know the batch yet: such a package cannot be verified before it does.
    Sealed,
    /// Ethereum held the batch's root and hash.
    Committed,
    /// Ethereum had checked a validity proof.
    Proved,
    /// Proved, in a final Ethereum block.
    Finalized,
}

/// The right under which a package was given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantStatement {
    /// The grant's id at the institution.
    pub id: String,
    /// The case that it serves.
    pub case_reference: String,
    /// Why the disclosure is lawful.
    pub legal_basis: String,
    /// Who received the package.
    pub auditor: AuditorStatement,
    /// When the right ends, UNIX seconds.
    #[serde(with = "text::integer")]
    pub expires_at: u64,
}

/// The person or machine that received a package, as its identity provider names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditorStatement {
    /// The identity provider.
    pub issuer: String,
    /// The provider's name for the person.
    pub subject: String,
}

/// What a package claims about its batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Claim {
    /// Nonce, native balance and code hash of an account after the batch.
    AccountState(AccountClaim),
    /// The value of a storage slot after the batch.
    StorageSlot(StorageClaim),
    /// A token balance after the batch: a storage slot with the rule that found it.
    TokenBalance(TokenBalanceClaim),
    /// A transaction of the batch with its receipt.
    Transaction(Box<TransactionClaim>),
}

impl Claim {
    /// The kind's name in the JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AccountState(_) => "account_state",
            Self::StorageSlot(_) => "storage_slot",
            Self::TokenBalance(_) => "token_balance",
            Self::Transaction(_) => "transaction",
        }
    }
}

/// Opening of a state leaf: its salt and its path to the state root.
///
/// Without a salt the path shows that no leaf exists for the key, which to the EVM means zero. A
/// path that ends at another key's leaf shows that leaf's key, which is the *hash* of an address
/// or slot: someone who guesses the address can confirm that it was used, but learns no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateOpening {
    /// The leaf's salt, or `null` when the key has no leaf.
    #[serde(with = "text::optional_salt")]
    pub salt: Option<[u8; 16]>,
    /// Version-1 encoding of `cloister_state_tree::Proof`.
    #[serde(with = "text::bytes")]
    pub path: Vec<u8>,
}

/// See [`Claim::AccountState`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountClaim {
    /// The account.
    #[serde(with = "text::address")]
    pub address: Address,
    /// Transactions sent, or contracts created.
    #[serde(with = "text::integer")]
    pub nonce: u64,
    /// Native balance in wei.
    #[serde(with = "text::decimal")]
    pub balance: U256,
    /// keccak256 of the code; of nothing for an account without code.
    #[serde(with = "text::b256")]
    pub code_hash: B256,
    /// The leaf's opening.
    pub opening: StateOpening,
}

/// See [`Claim::StorageSlot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageClaim {
    /// The contract.
    #[serde(with = "text::address")]
    pub contract: Address,
    /// The slot.
    #[serde(with = "text::b256")]
    pub slot: B256,
    /// The slot's value.
    #[serde(with = "text::b256")]
    pub value: B256,
    /// The leaf's opening.
    pub opening: StateOpening,
}

/// See [`Claim::TokenBalance`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenBalanceClaim {
    /// The token's contract.
    #[serde(with = "text::address")]
    pub token: Address,
    /// Whose balance.
    #[serde(with = "text::address")]
    pub holder: Address,
    /// The rule that finds the balance's slot: the issuer's word.
    pub layout: BalanceLayout,
    /// The slot by that rule.
    #[serde(with = "text::b256")]
    pub slot: B256,
    /// The balance in the token's smallest unit.
    #[serde(with = "text::decimal")]
    pub balance: U256,
    /// The leaf's opening.
    pub opening: StateOpening,
}

/// See [`Claim::Transaction`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionClaim {
    /// The header's private part, which holds the transaction root.
    pub private_header: PrivateStatement,
    /// Position of the transaction in the batch.
    pub index: u32,
    /// Hashes beside the path from the leaf up to the transaction root.
    #[serde(with = "text::b256_list")]
    pub siblings: Vec<B256>,
    /// The transaction's fields, each opened or withheld.
    pub fields: TransactionFields,
}

/// The seven committed fields of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionFields {
    /// Block, position and hash.
    pub identity: Field<IdentityField>,
    /// Who sent it.
    pub sender: Field<SenderField>,
    /// Whom it called or what it created.
    pub target: Field<TargetField>,
    /// Native value moved by its top call.
    pub value: Field<ValueField>,
    /// Its input data.
    pub input: Field<InputField>,
    /// Whether it succeeded, and the gas.
    pub outcome: Field<OutcomeField>,
    /// Its logs.
    pub logs: Field<LogsField>,
}

/// A field that is opened, or withheld and represented by its commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Field<T> {
    /// The value with its salt.
    Opened(T),
    /// Only the commitment.
    Withheld(Withheld),
}

impl<T> Field<T> {
    /// The opened value, if it is opened.
    #[must_use]
    pub fn opened(&self) -> Option<&T> {
        match self {
            Self::Opened(value) => Some(value),
            Self::Withheld(_) => None,
        }
    }
}

/// The commitment that stands for a withheld field or log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withheld {
    /// The salted commitment.
    #[serde(with = "text::b256")]
    pub commitment: B256,
}

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityField {
    /// Number of its block.
    #[serde(with = "text::integer")]
    pub block_number: u64,
    /// Position in the block.
    pub block_index: u32,
    /// Transaction hash.
    #[serde(with = "text::b256")]
    pub hash: B256,
    /// The commitment's salt.
    #[serde(with = "text::salt")]
    pub salt: [u8; 16],
}

/// The sender of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SenderField {
    /// The account that signed.
    #[serde(with = "text::address")]
    pub address: Address,
    /// The commitment's salt.
    #[serde(with = "text::salt")]
    pub salt: [u8; 16],
}

/// The target of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetField {
    /// The account called; `null` for a creation.
    #[serde(with = "text::optional_address")]
    pub to: Option<Address>,
    /// The contract created; `null` when none was.
    #[serde(with = "text::optional_address")]
    pub created: Option<Address>,
    /// The commitment's salt.
    #[serde(with = "text::salt")]
    pub salt: [u8; 16],
}

/// The native value of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueField {
    /// Wei.
    #[serde(with = "text::decimal")]
    pub wei: U256,
    /// The commitment's salt.
    #[serde(with = "text::salt")]
    pub salt: [u8; 16],
}

/// The input data of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputField {
    /// The bytes.
    #[serde(with = "text::bytes")]
    pub data: Vec<u8>,
    /// The commitment's salt.
    #[serde(with = "text::salt")]
    pub salt: [u8; 16],
}

/// The outcome of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeField {
    /// Whether it took effect.
    pub succeeded: bool,
    /// Gas that it used.
    #[serde(with = "text::integer")]
    pub gas_used: u64,
    /// The commitment's salt.
    #[serde(with = "text::salt")]
    pub salt: [u8; 16],
}

/// The logs of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsField {
    /// The logs in order, each opened or withheld; their number is always shown.
    pub entries: Vec<Field<LogEntry>>,
    /// The commitment's salt.
    #[serde(with = "text::salt")]
    pub salt: [u8; 16],
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// The contract that emitted it.
    #[serde(with = "text::address")]
    pub address: Address,
    /// At most four topics.
    #[serde(with = "text::b256_list")]
    pub topics: Vec<B256>,
    /// The data.
    #[serde(with = "text::bytes")]
    pub data: Vec<u8>,
    /// The commitment's salt.
    #[serde(with = "text::salt")]
    pub salt: [u8; 16],
}
