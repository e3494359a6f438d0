//! Decoding of signed transactions.

use std::sync::LazyLock;

use alloy_consensus::{EthereumTxEnvelope, TxEip4844, TxEnvelope};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use cloister_crypto::{NativeCrypto, SignatureError, provider::ORDER};
use cloister_stf::{DecodeTxError, RecoveredTx, TransactionKind, decode_and_recover};
use cloister_types::ChainConfig;
use proptest::prelude::*;

use crate::world::{CHAIN, Person, eip2930, eip7702, legacy, tx};

fn decode(raw: &Bytes) -> Result<RecoveredTx, DecodeTxError> {
    decode_and_recover(raw, &ChainConfig::new(CHAIN), &NativeCrypto)
}

/// One of each form, signed once.
fn samples() -> &'static [(TransactionKind, Bytes)] {
    static SAMPLES: LazyLock<Vec<(TransactionKind, Bytes)>> = LazyLock::new(signed_samples);
    &SAMPLES
}

fn signed_samples() -> Vec<(TransactionKind, Bytes)> {
    let (a, b) = (Person::new(1), Person::new(2));
    let to = Address::repeat_byte(9);
    vec![
        (TransactionKind::Legacy, a.sign(legacy(1, to, 5))),
        (
            TransactionKind::Eip2930,
            a.sign(eip2930(2, to, vec![B256::ZERO], &[1, 2, 3])),
        ),
        (TransactionKind::Eip1559, a.sign(tx(3, to, 7, &[9; 100]))),
        (
            TransactionKind::Eip1559,
            a.sign(tx(3, None, 0, &[0x60; 1000])),
        ),
        (
            TransactionKind::Eip7702,
            a.sign(eip7702(4, to, vec![b.authorize(to, 0)], &[])),
        ),
    ]
}

#[test]
fn every_supported_form_is_recovered() {
    for (kind, raw) in samples() {
        let tx = decode(raw).unwrap();
        assert_eq!(tx.kind(), *kind);
        assert_eq!(*tx.sender(), Person::new(1).address);
        assert_eq!(*tx.hash(), keccak256(raw));
        let theirs = TxEnvelope::decode_2718_exact(raw).unwrap();
        assert_eq!(*tx.hash(), *theirs.tx_hash());
    }
}

#[test]
fn blobs_and_unknown_types_are_refused() {
    assert_eq!(
        decode(&Bytes::from_static(&[3, 0xc0])).err(),
        Some(DecodeTxError::Blob)
    );
    for kind in [0, 5, 0x7e] {
        let raw = Bytes::copy_from_slice(&[kind, 0xc0]);
        assert_eq!(
            decode(&raw).err(),
            Some(DecodeTxError::UnsupportedType(kind))
        );
    }
    assert!(matches!(
        decode(&Bytes::new()).err(),
        Some(DecodeTxError::Malformed(_))
    ));
}

#[test]
fn transactions_without_replay_protection_are_refused() {
    let mut old = legacy(0, Address::ZERO, 0);
    old.chain_id = None;
    assert_eq!(
        decode(&Person::new(1).sign(old)).err(),
        Some(DecodeTxError::NotReplayProtected)
    );
}

#[test]
fn transactions_for_another_chain_are_refused() {
    let wrong = DecodeTxError::WrongChain {
        expected: CHAIN,
        got: 1,
    };
    let person = Person::new(1);
    let mut legacy = legacy(0, Address::ZERO, 0);
    legacy.chain_id = Some(1);
    assert_eq!(decode(&person.sign(legacy)).err(), Some(wrong.clone()));
    let mut typed = tx(0, Address::ZERO, 0, &[]);
    typed.chain_id = 1;
    assert_eq!(decode(&person.sign(typed)).err(), Some(wrong));
}

#[test]
fn high_s_and_impossible_signatures_are_refused() {
    let person = Person::new(1);
    let tx = tx(0, Address::ZERO, 0, &[]);
    let good = person.signature(&tx);
    let with = |r, s, odd| Person::encode(&tx, &Signature::new(r, s, odd));
    assert_eq!(
        decode(&with(good.r(), ORDER - good.s(), !good.v())).err(),
        Some(DecodeTxError::Signature(SignatureError::HighS))
    );
    for (r, s) in [
        (U256::ZERO, good.s()),
        (good.r(), U256::ZERO),
        (ORDER, good.s()),
    ] {
        assert_eq!(
            decode(&with(r, s, false)).err(),
            Some(DecodeTxError::Signature(SignatureError::Invalid))
        );
    }
}

#[test]
fn too_long_transactions_are_refused() {
    let long = Bytes::from(vec![0xff; 131_073]);
    assert_eq!(
        decode(&long).err(),
        Some(DecodeTxError::TooLong { got: 131_073 })
    );
}

#[test]
fn authorizations_that_the_gas_limit_cannot_pay_are_not_recovered() {
    let (a, b) = (Person::new(1), Person::new(2));
    let list = (0..21)
        .map(|nonce| b.authorize(Address::ZERO, nonce))
        .collect();
    let raw = a.sign(eip7702(0, Address::ZERO, list, &[]));
    assert_eq!(
        decode(&raw).err(),
        Some(DecodeTxError::AuthorizationsAboveGas {
            count: 21,
            gas_limit: 500_000
        })
    );
}

#[test]
fn trailing_bytes_are_refused() {
    for (_, raw) in samples() {
        let longer = Bytes::from([raw.as_ref(), &[0]].concat());
        assert!(matches!(
            decode(&longer).err(),
            Some(DecodeTxError::Malformed(_))
        ));
        for end in 0..raw.len() {
            assert!(decode(&raw.slice(..end)).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// SSTF-1. Whatever is taken has one encoding, and alloy takes it too and gives the same answers.
    #[test]
    fn changed_bytes_are_refused_or_mean_the_same_to_alloy(
        pick in 0..5usize, position: prop::sample::Index, byte: u8, drop: bool,
    ) {
        let (_, raw) = &samples()[pick];
        let mut bytes = raw.to_vec();
        let at = position.index(bytes.len());
        if drop { bytes.remove(at); } else { bytes[at] = byte; }
        let raw = Bytes::from(bytes);
        if let Ok(ours) = decode(&raw) {
            let theirs: EthereumTxEnvelope<TxEip4844> =
                EthereumTxEnvelope::decode_2718_exact(&raw).unwrap();
            prop_assert_eq!(theirs.encoded_2718(), raw.to_vec());
            prop_assert_eq!(*theirs.tx_hash(), *ours.hash());
            let signer = alloy_consensus::transaction::SignerRecoverable::recover_signer(&theirs);
            prop_assert_eq!(signer.unwrap(), *ours.sender());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&Bytes::from(bytes));
    }
}
