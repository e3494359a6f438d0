//! Random bytes as an argument.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where random bytes come from.
pub trait Entropy: Send + Sync + Debug {
    /// Fills `bytes`; `false` when the operating system has none to give.
    fn fill(&self, bytes: &mut [u8]) -> bool;
}

/// The operating system's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> bool {
        getrandom::fill(bytes).is_ok()
    }
}

/// A secret of 256 random bits, in the URL alphabet of base64.
#[must_use]
pub fn secret(entropy: &dyn Entropy) -> Option<String> {
    let mut bytes = [0; 32];
    entropy
        .fill(&mut bytes)
        .then(|| URL_SAFE_NO_PAD.encode(bytes))
}

/// A nonce of 200 random bits, in letters and digits (EIP-4361 wants these only).
#[must_use]
pub fn alphanumeric(entropy: &dyn Entropy) -> Option<String> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKMNPQRSTVWXYZ0123456789";
    let mut bytes = [0; 40];
    let filled = entropy.fill(&mut bytes);
    let letter = |byte: &u8| {
        ALPHABET
            .get(usize::from(byte & 31))
            .map(|letter| char::from(*letter))
    };
    filled.then(|| bytes.iter().filter_map(letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_differ() {
        let (first, second) = (
            secret(&SystemEntropy).unwrap(),
            secret(&SystemEntropy).unwrap(),
        );
        assert_eq!(first.len(), 43);
        assert_ne!(first, second);
    }

    #[test]
    fn nonces_are_alphanumeric() {
        let nonce = alphanumeric(&SystemEntropy).unwrap();
        assert_eq!(nonce.len(), 40);
        assert!(
            nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{nonce}"
        );
    }

    #[test]
    fn without_randomness_there_is_no_secret() {
        #[derive(Debug)]
        struct Dry;
        impl Entropy for Dry {
            fn fill(&self, _: &mut [u8]) -> bool {
                false
            }
        }
        assert_eq!(secret(&Dry), None);
        assert_eq!(alphanumeric(&Dry), None);
    }
}
