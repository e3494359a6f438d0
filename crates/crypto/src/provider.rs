//! Recovery of the signer of a secp256k1 signature.

use alloy_primitives::{Address, B256, U256, keccak256, uint};
use k256::{
    AffinePoint, EncodedPoint, ProjectivePoint, Scalar, U256 as CurveInteger,
    elliptic_curve::{
        PrimeField,
        ops::{LinearCombination, Reduce},
        point::DecompressPoint,
        sec1::ToEncodedPoint,
        subtle::Choice,
    },
};

/// Half of the order of secp256k1: the largest `s` that EIP-2 allows.
pub const HALF_ORDER: U256 =
    uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// The order of secp256k1.
pub const ORDER: U256 =
    uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

/// Why no signer can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// `s` is in the upper half of its range, so that the signature could be altered by anybody.
    #[error("the signature's `s` is above half of the curve's order (EIP-2); sign with low `s`")]
    HighS,
    /// No key made this signature.
    #[error("the signature is not valid for any key")]
    Invalid,
}

/// What the state transition asks of the machine that it runs on.
///
/// The sequencer may use a faster library and the guest an accelerator; both must give the same
/// answers as [`NativeCrypto`] on every input.
pub trait CryptoProvider: Sync {
    /// The address whose key signed `digest`, for `r`, `s` that were checked to be in range.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] when no key made the signature.
    fn recover_checked(
        &self,
        digest: &B256,
        r: &U256,
        s: &U256,
        odd_y: bool,
    ) -> Result<Address, SignatureError>;

    /// The address whose key signed `digest`. Refuses high `s`, whatever the machine (SC-4).
    ///
    /// # Errors
    /// [`SignatureError`] when `s` is high or no key made the signature.
    fn recover(
        &self,
        digest: &B256,
        r: &U256,
        s: &U256,
        odd_y: bool,
    ) -> Result<Address, SignatureError> {
        if r.is_zero() || s.is_zero() || *r >= ORDER || *s >= ORDER {
            return Err(SignatureError::Invalid);
        }
        if *s > HALF_ORDER {
            return Err(SignatureError::HighS);
        }
        self.recover_checked(digest, r, s, odd_y)
    }
}

/// Recovery in Rust by `k256`, the same on the host and in the guest.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeCrypto;

impl CryptoProvider for NativeCrypto {
    /// SEC 1, section 4.1.6. The recovered key is not verified once more, as `k256` would do at
    /// twice the cost: it fulfils the signature's equation because it is computed from it.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "scalars of a field do not overflow"
    )]
    fn recover_checked(
        &self,
        digest: &B256,
        r: &U256,
        s: &U256,
        odd_y: bool,
    ) -> Result<Address, SignatureError> {
        let x = r.to_be_bytes::<32>().into();
        let scalar = |value: &U256| -> Option<Scalar> {
            Option::from(Scalar::from_repr(value.to_be_bytes::<32>().into()))
        };
        let point: Option<AffinePoint> =
            AffinePoint::decompress(&x, Choice::from(u8::from(odd_y))).into();
        let (Some(point), Some(r), Some(s)) = (point, scalar(r), scalar(s)) else {
            return Err(SignatureError::Invalid);
        };
        let z = <Scalar as Reduce<CurveInteger>>::reduce_bytes(&digest.0.into());
        let inverse: Option<Scalar> = r.invert().into();
        let inverse = inverse.ok_or(SignatureError::Invalid)?;
        let key = ProjectivePoint::lincomb(
            &ProjectivePoint::GENERATOR,
            &-(inverse * z),
            &ProjectivePoint::from(point),
            &(inverse * s),
        );
        address_of(&key)
    }
}

fn address_of(key: &ProjectivePoint) -> Result<Address, SignatureError> {
    let encoded: EncodedPoint = key.to_affine().to_encoded_point(false);
    // The point at infinity has no coordinates: no key.
    match encoded.as_bytes() {
        [4, coordinates @ ..] => Ok(Address::from_word(keccak256(coordinates))),
        _ => Err(SignatureError::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::ecdsa::SigningKey;
    use proptest::prelude::*;

    fn sign(key: &SigningKey, digest: &B256) -> (U256, U256, bool) {
        let (signature, recovery) = key.sign_prehash_recoverable(digest.as_slice()).unwrap();
        (
            U256::from_be_slice(&signature.r().to_bytes()),
            U256::from_be_slice(&signature.s().to_bytes()),
            recovery.is_y_odd(),
        )
    }

    proptest! {
        #[test]
        fn the_signer_is_recovered_as_by_k256(secret in 1..=u64::MAX, digest: [u8; 32]) {
            let mut bytes = [0; 32];
            bytes[24..].copy_from_slice(&secret.to_be_bytes());
            let key = SigningKey::from_slice(&bytes).unwrap();
            let digest = B256::new(digest);
            let (r, s, odd) = sign(&key, &digest);
            let expected = Address::from_public_key(key.verifying_key());
            prop_assert_eq!(NativeCrypto.recover(&digest, &r, &s, odd), Ok(expected));
            prop_assert_ne!(NativeCrypto.recover(&digest, &r, &s, !odd), Ok(expected));
            // The same signature with the other `s` is refused, not taken for another's.
            prop_assert_eq!(
                NativeCrypto.recover(&digest, &r, &(ORDER - s), !odd),
                Err(SignatureError::HighS)
            );
        }

        #[test]
        fn arbitrary_signatures_give_the_same_answer_as_alloy(
            digest: [u8; 32], r: [u8; 32], s: [u8; 32], odd: bool,
        ) {
            let (r, s) = (U256::from_be_bytes(r), U256::from_be_bytes(s) >> 1);
            let digest = B256::new(digest);
            let theirs = alloy_primitives::Signature::new(r, s, odd)
                .recover_address_from_prehash(&digest)
                .ok();
            if s <= HALF_ORDER {
                prop_assert_eq!(NativeCrypto.recover(&digest, &r, &s, odd).ok(), theirs);
            }
        }
    }

    /// SC-4.
    #[test]
    fn out_of_range_values_are_refused() {
        let digest = B256::repeat_byte(1);
        for (r, s) in [
            (U256::ZERO, U256::from(1)),
            (U256::from(1), U256::ZERO),
            (ORDER, U256::from(1)),
            (U256::from(1), ORDER),
            (U256::MAX, U256::MAX),
        ] {
            assert_eq!(
                NativeCrypto.recover(&digest, &r, &s, false),
                Err(SignatureError::Invalid)
            );
        }
        assert_eq!(
            NativeCrypto.recover(
                &digest,
                &U256::from(1),
                &(HALF_ORDER + U256::from(1)),
                false
            ),
            Err(SignatureError::HighS)
        );
        assert_eq!(HALF_ORDER, ORDER >> 1);
    }
}
