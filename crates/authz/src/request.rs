//! What may be asked. Each kind of request is a type of its own, so that the permission for one
//! ([`crate::Authorized`]) can never be shown for another.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256};
use cloister_abi::{Call, Facts};

use crate::principal::Desk;

/// Groups of JSON-RPC methods by what they can reveal or change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodGroup {
    /// Constants of the chain, for anybody.
    Public,
    /// Height, fees, syncing.
    Chain,
    /// Balance, nonce, code of one address.
    Account,
    /// Execution that changes nothing.
    Execute,
    /// Transactions.
    Send,
    /// Blocks, transactions, receipts, logs, filters.
    History,
    /// Traces and simulation.
    Trace,
    /// State proofs.
    Proof,
    /// Batches and finality.
    Lifecycle,
    /// The caller's own identity and rights.
    Own,
}

impl MethodGroup {
    /// Every group.
    pub const ALL: [Self; 10] = [
        Self::Public,
        Self::Chain,
        Self::Account,
        Self::Execute,
        Self::Send,
        Self::History,
        Self::Trace,
        Self::Proof,
        Self::Lifecycle,
        Self::Own,
    ];

    /// The name in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Chain => "chain",
            Self::Account => "account",
            Self::Execute => "execute",
            Self::Send => "send",
            Self::History => "history",
            Self::Trace => "trace",
            Self::Proof => "proof",
            Self::Lifecycle => "lifecycle",
            Self::Own => "self",
        }
    }
}

/// A registered contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Its address.
    pub address: Address,
    /// The desk that owns it.
    pub desk: Option<Desk>,
    /// The template whose rules apply to it, e.g. `erc20`.
    pub template: String,
}

/// An address, as far as the gateway knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A registered contract.
    Contract(Contract),
    /// Anything else.
    Account(Address),
}

impl Target {
    /// The address.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Contract(contract) => contract.address,
            Self::Account(address) => *address,
        }
    }
}

/// A call's function and arguments, or that they are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFacts {
    /// First four bytes of the call data; `None` for a plain transfer of value.
    pub selector: Option<[u8; 4]>,
    /// Function name; empty when unknown.
    pub function: String,
    /// Canonical signature; empty when unknown.
    pub signature: String,
    /// Arguments.
    pub facts: Facts,
}

impl CallFacts {
    /// Describes call data and what an ABI made of it. Data shorter than a selector counts as an
    /// unknown function.
    #[must_use]
    pub fn new(data: &[u8], decoded: Option<&Call>) -> Self {
        let mut selector = [0; 4];
        for (to, from) in selector.iter_mut().zip(data) {
            *to = *from;
        }
        let selector = (!data.is_empty()).then_some(selector);
        match decoded {
            Some(call) => Self {
                selector: Some(call.selector),
                function: call.function.clone(),
                signature: call.signature.clone(),
                facts: call.facts(),
            },
            None => Self {
                selector,
                ..Self::default()
            },
        }
    }

    /// Whether the target's ABI has the function.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.signature.is_empty()
    }
}

/// One call frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Sender of the transaction.
    pub from: Address,
    /// Caller of this frame; the sender when `depth` is 0.
    pub caller: Address,
    /// 0 for the top frame.
    pub depth: u32,
    /// Native value, in wei.
    pub value: U256,
    /// Function and arguments.
    pub call: CallFacts,
    /// UNIX seconds.
    pub now: u64,
}

/// Use of a JSON-RPC method (action `rpc`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseMethod {
    /// E.g. `eth_call`.
    pub method: String,
    /// Its group.
    pub group: MethodGroup,
}

/// Execution that changes nothing (action `call`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallContract {
    /// Whose code runs.
    pub target: Target,
    /// The frame.
    pub invocation: Invocation,
}

/// A transaction to an existing address (action `send`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendTransaction {
    /// Whose code runs, or who receives the value.
    pub target: Target,
    /// The frame.
    pub invocation: Invocation,
}

/// Creation of a contract (action `deploy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// The desk that will own it.
    pub desk: Desk,
    /// Sender of the transaction.
    pub from: Address,
    /// Native value, in wei.
    pub value: U256,
    /// Length of the init code.
    pub code_bytes: u64,
    /// UNIX seconds.
    pub now: u64,
}

/// Balance and nonce (action `view_account`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewAccount {
    /// Whose.
    pub target: Target,
}

/// Code and registration of a contract (action `view_contract`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewContract {
    /// Which.
    pub contract: Contract,
}

/// A transaction, whole, with its receipt (action `view_transaction`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewTransaction {
    /// Which.
    pub hash: B256,
    /// Who sent it.
    pub sender: Address,
    /// Sender, target and created contract.
    pub participants: BTreeSet<Address>,
}

/// One log (action `view_log`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewLog {
    /// The transaction it belongs to.
    pub transaction: B256,
    /// Its position in the block.
    pub index: u32,
    /// The contract that emitted it.
    pub emitter: Address,
    /// The desk that owns the emitter.
    pub desk: Option<Desk>,
    /// The event's signature; empty when unknown.
    pub event: String,
    /// Addresses in its topics.
    pub participants: BTreeSet<Address>,
    /// Participants of the transaction it belongs to.
    pub transaction_participants: BTreeSet<Address>,
}

/// Header and lifecycle of a batch (action `view_batch`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewBatch {
    /// Which.
    pub number: u64,
}

/// Attaching a wallet whose owner has signed for it (action `link_wallet`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkWallet {
    /// Which.
    pub wallet: Address,
    /// UNIX seconds.
    pub now: u64,
}

/// Telling the gateway a contract's ABI and template (action `register_contract`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterContract {
    /// The contract, with the desk that will own it and the template it will have.
    pub contract: Contract,
    /// Who created it.
    pub deployer: Address,
    /// Whether nobody has registered it yet.
    pub first: bool,
    /// How long its deployment has been recorded, in seconds.
    pub age_s: u64,
}

/// An operation on the installation (action `administer`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administer {
    /// E.g. `seal_batch`.
    pub operation: String,
    /// UNIX seconds.
    pub now: u64,
}

/// Giving an auditor a right to packages (action `grant`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose data.
    pub target: Target,
    /// [`crate::Principal::id`] of the auditor.
    pub holder: String,
    /// The case it belongs to.
    pub case_id: String,
    /// How long it lasts, in seconds.
    pub duration_s: u64,
    /// UNIX seconds.
    pub now: u64,
}

/// What a disclosure is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disclosed {
    /// An account's state, or a token balance held in a contract.
    Target(Target),
    /// A transaction with its receipt.
    Transaction {
        /// Which.
        hash: B256,
        /// Who sent it.
        sender: Address,
        /// Sender, target and created contract.
        participants: BTreeSet<Address>,
    },
}

/// A grant that compliance gave, as the service that keeps it knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldGrant {
    /// [`crate::Principal::id`] of the auditor.
    pub holder: String,
    /// The case it belongs to.
    pub case_id: String,
    /// Addresses it covers.
    pub scope: BTreeSet<Address>,
    /// First batch it covers.
    pub from_batch: u64,
    /// Last batch it covers.
    pub to_batch: u64,
    /// UNIX seconds at which it ends.
    pub expires_at: u64,
}

/// Making a package (action `disclose`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclose {
    /// What it shows.
    pub subject: Disclosed,
    /// Addresses whose data it shows: the account, or the holder of the token balance.
    pub concerned: BTreeSet<Address>,
    /// The grant it is asked under, if one was found.
    pub grant: Option<HeldGrant>,
    /// The batch it is proved at.
    pub batch: u64,
    /// UNIX seconds.
    pub now: u64,
}

/// Reading the audit ledger (action `audit_read`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadAudit;
