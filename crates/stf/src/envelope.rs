//! Signed transactions: decoding, refusal and recovery of the signer.
//!
//! Decoding is strict: every byte string has at most one meaning and every transaction one
//! encoding, so the hash of the bytes is the transaction's hash (SSTF-1). The signed payload is
//! hashed from the bytes as received, without encoding anything again.

use alloc::{boxed::Box, vec::Vec};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, Header};
use cloister_crypto::{CryptoProvider, SignatureError};
use cloister_types::ChainConfig;
use revm::{
    context::{TxEnv, transaction::AccessList},
    context_interface::{
        either::Either,
        transaction::{RecoveredAuthority, RecoveredAuthorization, SignedAuthorization},
    },
};

use crate::cost::{Feature, Work, words};

/// Longest transaction that is taken, in bytes, as on Ethereum's network.
pub const MAX_TRANSACTION_BYTES: usize = 128 * 1024;

/// Least gas of one EIP-7702 authorization (`PER_EMPTY_ACCOUNT_COST`).
const GAS_PER_AUTHORIZATION: u64 = 25_000;

/// Form of a transaction, by its EIP-2718 type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    /// Legacy with replay protection (EIP-155).
    Legacy = 0,
    /// With access list (EIP-2930).
    Eip2930 = 1,
    /// With priority fee (EIP-1559).
    Eip1559 = 2,
    /// With authorizations (EIP-7702).
    Eip7702 = 4,
}

impl TransactionKind {
    /// The EIP-2718 type byte; 0 for legacy.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Legacy => 0,
            Self::Eip2930 => 1,
            Self::Eip1559 => 2,
            Self::Eip7702 => 4,
        }
    }
}

/// Why bytes are not a transaction that this chain takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeTxError {
    /// Longer than [`MAX_TRANSACTION_BYTES`].
    #[error("the transaction has {got} bytes, above the limit of {MAX_TRANSACTION_BYTES}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Not an encoded transaction.
    #[error("the bytes are not an encoded transaction: {0}")]
    Malformed(alloy_rlp::Error),
    /// A blob transaction (EIP-4844).
    #[error("blob transactions (EIP-4844) are not supported; use an EIP-1559 transaction")]
    Blob,
    /// Another unknown transaction type.
    #[error("transaction type {0} is not supported; use legacy, EIP-2930, EIP-1559 or EIP-7702")]
    UnsupportedType(u8),
    /// A legacy transaction without chain id.
    #[error("the transaction is not protected against replay (EIP-155); sign it with the chain id")]
    NotReplayProtected,
    /// Signed for another chain.
    #[error("the transaction is for chain {got}, but this is chain {expected}")]
    WrongChain {
        /// This chain's id.
        expected: u64,
        /// The transaction's chain id.
        got: u64,
    },
    /// The signature names no signer.
    #[error("the signature is not acceptable")]
    Signature(#[source] SignatureError),
    /// More authorizations than the gas limit pays for; refused before any is recovered.
    #[error("{count} authorizations cost more gas than the limit of {gas_limit}")]
    AuthorizationsAboveGas {
        /// Number of authorizations.
        count: usize,
        /// The transaction's gas limit.
        gas_limit: u64,
    },
}

impl DecodeTxError {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "transaction_too_long",
            Self::Malformed(_) => "transaction_malformed",
            Self::Blob => "blob_transaction",
            Self::UnsupportedType(_) => "transaction_type_unsupported",
            Self::NotReplayProtected => "not_replay_protected",
            Self::WrongChain { .. } => "wrong_chain_id",
            Self::Signature(SignatureError::HighS) => "signature_high_s",
            Self::Signature(SignatureError::Invalid) => "signature_invalid",
            Self::AuthorizationsAboveGas { .. } => "intrinsic_gas_too_low",
        }
    }
}

impl From<alloy_rlp::Error> for DecodeTxError {
    fn from(error: alloy_rlp::Error) -> Self {
        Self::Malformed(error)
    }
}

/// A transaction whose signer is known, ready to execute on any state.
#[derive(Clone, Debug)]
pub struct RecoveredTx {
    hash: B256,
    raw: Bytes,
    kind: TransactionKind,
    /// Apart, because it is long and is passed on more than once.
    env: Box<TxEnv>,
}

impl RecoveredTx {
    /// Transaction hash.
    #[must_use]
    pub const fn hash(&self) -> &B256 {
        &self.hash
    }

    /// The bytes as received.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Its form.
    #[must_use]
    pub const fn kind(&self) -> TransactionKind {
        self.kind
    }

    /// Who signed it.
    #[must_use]
    pub fn sender(&self) -> &Address {
        &self.env.caller
    }

    /// Whom it calls; `None` when it creates a contract.
    #[must_use]
    pub fn to(&self) -> Option<&Address> {
        match &self.env.kind {
            TxKind::Call(to) => Some(to),
            TxKind::Create => None,
        }
    }

    /// Wei sent with it.
    #[must_use]
    pub fn value(&self) -> &U256 {
        &self.env.value
    }

    /// Call data, or code that creates the contract.
    #[must_use]
    pub fn input(&self) -> &Bytes {
        &self.env.data
    }

    /// The sender's count of transactions before this one.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.env.nonce
    }

    /// Most gas that it may use.
    #[must_use]
    pub fn gas_limit(&self) -> u64 {
        self.env.gas_limit
    }

    /// Most wei that it pays per gas.
    #[must_use]
    pub fn max_fee_per_gas(&self) -> u128 {
        self.env.gas_price
    }

    /// Most wei per gas that it pays above the base fee.
    #[must_use]
    pub fn max_priority_fee_per_gas(&self) -> u128 {
        self.env.gas_priority_fee.unwrap_or(self.env.gas_price)
    }

    /// Wei per gas that it pays at `base_fee_wei`: nothing at all where the base fee is 0.
    #[must_use]
    pub fn effective_gas_price(&self, base_fee_wei: u64) -> u128 {
        match self.env.gas_priority_fee {
            _ if base_fee_wei == 0 => 0,
            None => self.env.gas_price,
            Some(priority) => self
                .env
                .gas_price
                .min(u128::from(base_fee_wei).saturating_add(priority)),
        }
    }

    /// Most wei that it can cost its sender at `base_fee_wei`; `None` beyond 256 bits.
    #[must_use]
    pub fn max_cost(&self, base_fee_wei: u64) -> Option<U256> {
        if base_fee_wei == 0 {
            return Some(self.env.value);
        }
        U256::from(self.env.gas_limit)
            .checked_mul(U256::from(self.env.gas_price))?
            .checked_add(self.env.value)
    }

    /// What it costs in the guest before anything of it runs.
    pub(crate) fn work(&self) -> Work {
        let entries = self.env.access_list.0.iter().fold(0u64, |sum, item| {
            let keys = u64::try_from(item.storage_keys.len()).unwrap_or(u64::MAX);
            sum.saturating_add(keys).saturating_add(1)
        });
        let authorizations = u64::try_from(self.env.authorization_list.len()).unwrap_or(u64::MAX);
        Work::default()
            .with(Feature::Transaction, 1)
            .with(Feature::Signature, authorizations.saturating_add(1))
            .with(Feature::OpState, entries.saturating_add(authorizations))
            .with(Feature::EnvelopeWord, words(self.raw.len()))
    }

    /// What the machine executes at `base_fee_wei`, and what it has no use for.
    ///
    /// A chain whose base fee is 0 is free of charge: tools that insist on offering a wei per gas
    /// (Foundry) must work for accounts that own nothing. A priority fee above the maximum stays as
    /// it is, for the machine to refuse.
    pub(crate) fn at(self, base_fee_wei: u64) -> (Box<TxEnv>, Sent) {
        let sent = Sent {
            hash: self.hash,
            kind: self.kind,
            effective_gas_price: self.effective_gas_price(base_fee_wei),
        };
        let mut env = self.env;
        if base_fee_wei == 0 && env.gas_priority_fee.is_none_or(|fee| fee <= env.gas_price) {
            env.gas_price = 0;
            env.gas_priority_fee = env.gas_priority_fee.map(|_| 0);
        }
        (env, sent)
    }
}

/// What a block says of a transaction that the machine does not know.
pub(crate) struct Sent {
    pub(crate) hash: B256,
    pub(crate) kind: TransactionKind,
    pub(crate) effective_gas_price: u128,
}

/// Decodes a signed transaction and recovers its signer. Independent of any state, so many can be
/// done in parallel.
///
/// # Errors
/// [`DecodeTxError`] for whatever this chain does not take.
pub fn decode_and_recover(
    raw: &Bytes,
    config: &ChainConfig,
    crypto: &impl CryptoProvider,
) -> Result<RecoveredTx, DecodeTxError> {
    if raw.len() > MAX_TRANSACTION_BYTES {
        return Err(DecodeTxError::TooLong { got: raw.len() });
    }
    let kind = match raw.first() {
        Some(0xc0..) => TransactionKind::Legacy,
        Some(1) => TransactionKind::Eip2930,
        Some(2) => TransactionKind::Eip1559,
        Some(3) => return Err(DecodeTxError::Blob),
        Some(4) => TransactionKind::Eip7702,
        Some(other) => return Err(DecodeTxError::UnsupportedType(*other)),
        None => return Err(alloy_rlp::Error::InputTooShort.into()),
    };
    let mut env = Box::new(empty_env(kind));
    let mut signed = Signed::default();
    if kind == TransactionKind::Legacy {
        legacy(raw, config, &mut env, &mut signed)?;
    } else {
        typed(raw, config, &mut env, &mut signed)?;
    }
    let Signed {
        r,
        s,
        odd_y,
        digest,
        authorizations,
    } = &mut signed;
    let authorizations = core::mem::take(authorizations);
    env.caller = crypto
        .recover(digest, r, s, *odd_y)
        .map_err(DecodeTxError::Signature)?;
    let affordable = env
        .gas_limit
        .checked_div(GAS_PER_AUTHORIZATION)
        .unwrap_or_default();
    let count = authorizations.len();
    if u64::try_from(count).unwrap_or(u64::MAX) > affordable {
        return Err(DecodeTxError::AuthorizationsAboveGas {
            count,
            gas_limit: env.gas_limit,
        });
    }
    env.authorization_list = authorizations
        .into_iter()
        .map(|authorization| Either::Right(recover_authority(authorization, crypto)))
        .collect();
    Ok(RecoveredTx {
        hash: keccak256(raw),
        raw: raw.clone(),
        kind,
        env,
    })
}

/// What a transaction holds besides its environment. Decoders write to it, because what they
/// return would be moved more than once.
#[derive(Default)]
struct Signed {
    r: U256,
    s: U256,
    odd_y: bool,
    /// What was signed.
    digest: B256,
    authorizations: Vec<SignedAuthorization>,
}

/// A transaction environment with nothing in it. (`TxEnv::default` goes through a fallible builder.)
const fn empty_env(kind: TransactionKind) -> TxEnv {
    TxEnv {
        tx_type: kind.code(),
        caller: Address::ZERO,
        gas_limit: 0,
        gas_price: 0,
        kind: TxKind::Create,
        value: U256::ZERO,
        data: Bytes::new(),
        nonce: 0,
        chain_id: None,
        access_list: AccessList(Vec::new()),
        gas_priority_fee: None,
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: Vec::new(),
    }
}

/// An environment for calls and system transactions.
pub(crate) const fn call_env() -> TxEnv {
    empty_env(TransactionKind::Legacy)
}

fn legacy(
    raw: &Bytes,
    config: &ChainConfig,
    env: &mut TxEnv,
    to: &mut Signed,
) -> Result<(), DecodeTxError> {
    let fields = whole_list(raw)?;
    let mut rest = fields;
    env.nonce = u64::decode(&mut rest)?;
    env.gas_price = u128::decode(&mut rest)?;
    env.gas_limit = u64::decode(&mut rest)?;
    env.kind = target(&mut rest)?;
    env.value = U256::decode(&mut rest)?;
    env.data = byte_string(raw, &mut rest)?;
    let signed = before(fields, rest);
    let v = u128::decode(&mut rest)?;
    to.r = U256::decode(&mut rest)?;
    to.s = U256::decode(&mut rest)?;
    at_end(rest)?;
    let protected = match v {
        27 | 28 => return Err(DecodeTxError::NotReplayProtected),
        v => v
            .checked_sub(35)
            .ok_or(alloy_rlp::Error::Custom("signature has an unknown `v`"))?,
    };
    let chain_id = u64::try_from(protected >> 1)
        .map_err(|_| alloy_rlp::Error::Custom("chain id is above 64 bits"))?;
    check_chain(chain_id, config)?;
    env.chain_id = Some(chain_id);
    // EIP-155: the six fields, the chain id and two empty strings are signed.
    let payload_length = signed
        .len()
        .saturating_add(chain_id.length())
        .saturating_add(2);
    let mut end = Vec::with_capacity(11);
    chain_id.encode(&mut end);
    end.extend_from_slice(&[0x80, 0x80]);
    to.digest = list_digest(None, payload_length, &[signed, &end]);
    to.odd_y = protected & 1 == 1;
    Ok(())
}

fn typed(
    raw: &Bytes,
    config: &ChainConfig,
    env: &mut TxEnv,
    to: &mut Signed,
) -> Result<(), DecodeTxError> {
    let (kind_byte, body) = raw.split_first().ok_or(alloy_rlp::Error::InputTooShort)?;
    let fields = whole_list(body)?;
    let mut rest = fields;
    let chain_id = u64::decode(&mut rest)?;
    check_chain(chain_id, config)?;
    env.chain_id = Some(chain_id);
    env.nonce = u64::decode(&mut rest)?;
    if *kind_byte != TransactionKind::Eip2930.code() {
        env.gas_priority_fee = Some(u128::decode(&mut rest)?);
    }
    env.gas_price = u128::decode(&mut rest)?;
    env.gas_limit = u64::decode(&mut rest)?;
    env.kind = target(&mut rest)?;
    env.value = U256::decode(&mut rest)?;
    env.data = byte_string(raw, &mut rest)?;
    env.access_list = AccessList::decode(&mut rest)?;
    if *kind_byte == TransactionKind::Eip7702.code() {
        if env.kind == TxKind::Create {
            return Err(alloy_rlp::Error::Custom("an EIP-7702 transaction needs a target").into());
        }
        to.authorizations = Vec::<SignedAuthorization>::decode(&mut rest)?;
    }
    let signed = before(fields, rest);
    to.odd_y = bool::decode(&mut rest)?;
    to.r = U256::decode(&mut rest)?;
    to.s = U256::decode(&mut rest)?;
    at_end(rest)?;
    to.digest = list_digest(Some(*kind_byte), signed.len(), &[signed]);
    Ok(())
}

const fn check_chain(got: u64, config: &ChainConfig) -> Result<(), DecodeTxError> {
    if got == config.chain_id {
        Ok(())
    } else {
        Err(DecodeTxError::WrongChain {
            expected: config.chain_id,
            got,
        })
    }
}

/// The payload of the one list that `bytes` hold.
fn whole_list(bytes: &[u8]) -> Result<&[u8], alloy_rlp::Error> {
    let mut rest = bytes;
    let payload = Header::decode_bytes(&mut rest, true)?;
    at_end(rest)?;
    Ok(payload)
}

const fn at_end(rest: &[u8]) -> Result<(), alloy_rlp::Error> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(alloy_rlp::Error::UnexpectedLength)
    }
}

fn target(rest: &mut &[u8]) -> Result<TxKind, alloy_rlp::Error> {
    let bytes = Header::decode_bytes(rest, false)?;
    if bytes.is_empty() {
        return Ok(TxKind::Create);
    }
    Address::try_from(bytes)
        .map(TxKind::Call)
        .map_err(|_| alloy_rlp::Error::UnexpectedLength)
}

/// A byte string that shares the transaction's memory.
fn byte_string(raw: &Bytes, rest: &mut &[u8]) -> Result<Bytes, alloy_rlp::Error> {
    let bytes = Header::decode_bytes(rest, false)?;
    Ok(if bytes.is_empty() {
        Bytes::new()
    } else {
        raw.slice_ref(bytes)
    })
}

/// What was read off the front of `all` to leave `rest`.
fn before<'a>(all: &'a [u8], rest: &[u8]) -> &'a [u8] {
    all.get(..all.len().saturating_sub(rest.len()))
        .unwrap_or_default()
}

/// Keccak-256 of a list with the given payload, after the type byte if there is one. In one piece,
/// because only hashes of one piece are accelerated in the guest.
fn list_digest(kind: Option<u8>, payload_length: usize, payload: &[&[u8]]) -> B256 {
    let mut bytes = Vec::with_capacity(payload_length.saturating_add(10));
    bytes.extend(kind);
    Header {
        list: true,
        payload_length,
    }
    .encode(&mut bytes);
    for part in payload {
        bytes.extend_from_slice(part);
    }
    keccak256(bytes)
}

/// EIP-7702: an authorization that nobody signed is skipped, it does not invalidate the transaction.
fn recover_authority(
    authorization: SignedAuthorization,
    crypto: &impl CryptoProvider,
) -> RecoveredAuthorization {
    let (r, s, parity) = (
        authorization.r(),
        authorization.s(),
        authorization.y_parity(),
    );
    let inner = authorization.strip_signature();
    let authority = match parity {
        0 | 1 => crypto
            .recover(&inner.signature_hash(), &r, &s, parity == 1)
            .ok(),
        _ => None,
    };
    let authority = authority.map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
    RecoveredAuthorization::new_unchecked(inner, authority)
}
