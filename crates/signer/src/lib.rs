//! Keys that sign Ethereum transactions, behind one trait; no private key is ever returned.
//!
//! A signer answers two things: its address, and a signature over a transaction it is given. The
//! trait is alloy's, so that its AWS and GCP key-management signers fit without an adapter. The
//! crate refuses to know what is signed and when it is sent.
//!
//! ```text
//!  hex key file (not readable by others) ──┐
//!                                          ├─► LocalKey ──► dyn TransactionSigner
//!  keystore file + passphrase file ────────┘
//! ```
//!
//! ```no_run
//! use cloister_settings::SecretFile;
//! use cloister_signer::{KeySource, LocalKey, TransactionSigner};
//!
//! # fn example() -> Result<(), cloister_signer::SignerError> {
//! let source = KeySource::HexFile(SecretFile("/etc/cloister/committer.key".into()));
//! let key: Box<dyn TransactionSigner> = Box::new(LocalKey::open(&source)?);
//! println!("commits are signed by {}", key.address());
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::path::PathBuf;

use alloy::consensus::SignableTransaction;
use alloy::network::TxSigner;
use alloy::primitives::{Address, B256, Signature};
use alloy::signers::local::PrivateKeySigner;
use async_trait::async_trait;
use cloister_settings::{SecretError, SecretFile};
use zeroize::Zeroizing;

/// A key that signs Ethereum transactions: an address and a signature, nothing else.
///
/// `Debug` of an implementation must not show key material (SSI-1).
pub trait TransactionSigner: TxSigner<Signature> + fmt::Debug + Send + Sync {}

impl<T> TransactionSigner for T where T: TxSigner<Signature> + fmt::Debug + Send + Sync {}

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file with 64 hexadecimal digits, with or without `0x`.
    HexFile(SecretFile),
    /// An encrypted keystore (Web3 Secret Storage version 3) and the file with its passphrase.
    Keystore {
        /// The keystore.
        file: SecretFile,
        /// The passphrase.
        passphrase_file: SecretFile,
    },
}

/// A key that could not be opened. The messages name files, never their content.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// A file could not be read, or others may read it.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The file does not hold 64 hexadecimal digits.
    #[error("`{path}` must hold one private key as 64 hexadecimal digits")]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The digits are zero or beyond the curve's order.
    #[error("`{path}` holds a number that is no secp256k1 private key: make a new key")]
    OutOfRange {
        /// The file.
        path: PathBuf,
    },
    /// The keystore is damaged or the passphrase is another one.
    #[error("the keystore `{path}` cannot be opened: is it the right passphrase?")]
    Keystore {
        /// The keystore.
        path: PathBuf,
    },
}

/// A private key in this process's memory, wiped when dropped.
pub struct LocalKey(PrivateKeySigner);

impl LocalKey {
    /// Reads a key; files that others may read are refused (SSI-2).
    ///
    /// # Errors
    /// [`SignerError`] when a file is missing, too open or does not hold a key.
    pub fn open(source: &KeySource) -> Result<Self, SignerError> {
        match source {
            KeySource::HexFile(file) => Self::from_hex_file(file),
            KeySource::Keystore {
                file,
                passphrase_file,
            } => Self::from_keystore(file, passphrase_file),
        }
    }

    fn from_hex_file(file: &SecretFile) -> Result<Self, SignerError> {
        let text = file.read()?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        let bytes = decode_key(digits).ok_or_else(|| SignerError::NotAKey {
            path: file.path().to_owned(),
        })?;
        let key = PrivateKeySigner::from_slice(bytes.as_slice());
        key.map(Self).map_err(|_| SignerError::OutOfRange {
            path: file.path().to_owned(),
        })
    }

    fn from_keystore(file: &SecretFile, passphrase: &SecretFile) -> Result<Self, SignerError> {
        // Read for its checks of mode and size; the keystore library opens the path itself.
        drop(file.read_bytes()?);
        let passphrase = passphrase.read()?;
        let key = PrivateKeySigner::decrypt_keystore(file.path(), passphrase.as_bytes());
        key.map(Self).map_err(|_| SignerError::Keystore {
            path: file.path().to_owned(),
        })
    }
}

impl LocalKey {
    /// Signs a text as wallets do, with the prefix that keeps it from being a transaction
    /// (EIP-191, version `0x45`); 65 bytes in hexadecimal with `0x`.
    ///
    /// # Errors
    /// Never for a key that was opened; the signature scheme's own error otherwise.
    pub fn sign_text(&self, text: &str) -> alloy::signers::Result<String> {
        let signature = alloy::signers::SignerSync::sign_message_sync(&self.0, text.as_bytes())?;
        Ok(alloy::hex::encode_prefixed(signature.as_bytes()))
    }
}

/// 32 bytes from 64 hexadecimal digits, without a copy that would not be wiped.
fn decode_key(digits: &str) -> Option<Zeroizing<[u8; 32]>> {
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = Zeroizing::new([0_u8; 32]);
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *byte = (*byte << 4) | u8::try_from(value).ok()?;
        }
    }
    Some(bytes)
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey")
            .field("address", &self.0.address())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TxSigner<Signature> for LocalKey {
    fn address(&self) -> Address {
        self.0.address()
    }

    async fn sign_transaction(
        &self,
        transaction: &mut dyn SignableTransaction<Signature>,
    ) -> alloy::signers::Result<Signature> {
        let hash: B256 = transaction.signature_hash();
        alloy::signers::SignerSync::sign_hash_sync(&self.0, &hash)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use alloy::consensus::TxEip1559;

    use super::*;

    // The first key that anvil and Hardhat publish.
    const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    fn secret(folder: &Path, name: &str, text: &str, mode: u32) -> SecretFile {
        let path = folder.join(name);
        fs::write(&path, text).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        SecretFile(path)
    }

    fn open_hex(text: &str, mode: u32) -> Result<LocalKey, SignerError> {
        let folder = tempfile::tempdir().expect("folder");
        LocalKey::open(&KeySource::HexFile(secret(
            folder.path(),
            "key",
            text,
            mode,
        )))
    }

    #[test]
    fn opens_a_hex_key_with_and_without_prefix() {
        for text in [KEY.to_owned(), format!("0x{KEY}\n")] {
            let key = open_hex(&text, 0o600).expect("a key");
            assert_eq!(key.address().to_checksum(None), ADDRESS);
        }
    }

    #[test]
    fn ssi_1_debug_and_errors_never_show_the_key() {
        let key = open_hex(KEY, 0o600).expect("a key");
        assert!(!format!("{key:?}").contains(&KEY[..16]));
        let refused = open_hex(&format!("{KEY}00"), 0o600).expect_err("too long");
        assert!(!format!("{refused} {refused:?}").contains(&KEY[..16]));
    }

    #[test]
    fn ssi_2_refuses_a_key_that_others_may_read() {
        let refused = open_hex(KEY, 0o604).expect_err("too open");
        assert!(
            matches!(refused, SignerError::Secret(SecretError::TooOpen { .. })),
            "{refused}"
        );
    }

    #[test]
    fn refuses_what_is_no_key() {
        for text in ["", "12", &KEY.replace('a', "g"), &format!("{KEY}00")] {
            let refused = open_hex(text, 0o600).expect_err("no key");
            assert!(
                matches!(
                    refused,
                    SignerError::NotAKey { .. } | SignerError::Secret(SecretError::Empty { .. })
                ),
                "{refused}"
            );
        }
        for text in ["0".repeat(64), "f".repeat(64)] {
            let refused = open_hex(&text, 0o600).expect_err("out of range");
            assert!(
                matches!(refused, SignerError::OutOfRange { .. }),
                "{refused}"
            );
        }
    }

    #[test]
    fn opens_a_keystore_with_its_passphrase_only() {
        let folder = tempfile::tempdir().expect("folder");
        let mut rng = rand08::rngs::OsRng;
        let key = decode_key(KEY).expect("a key");
        PrivateKeySigner::encrypt_keystore(
            folder.path(),
            &mut rng,
            key.as_slice(),
            "correct horse",
            Some("store"),
        )
        .expect("a keystore");
        let file = SecretFile(folder.path().join("store"));
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).expect("chmod");
        let source = |passphrase| KeySource::Keystore {
            file: file.clone(),
            passphrase_file: secret(folder.path(), "passphrase", passphrase, 0o600),
        };
        let opened = LocalKey::open(&source("correct horse")).expect("a key");
        assert_eq!(opened.address().to_checksum(None), ADDRESS);
        let refused = LocalKey::open(&source("battery staple")).expect_err("another passphrase");
        assert!(matches!(refused, SignerError::Keystore { .. }), "{refused}");
    }

    #[tokio::test]
    async fn signs_a_transaction_that_recovers_to_its_address() {
        let key = open_hex(KEY, 0o600).expect("a key");
        let mut transaction = TxEip1559 {
            chain_id: 31_337,
            nonce: 3,
            ..TxEip1559::default()
        };
        let signature = key.sign_transaction(&mut transaction).await.expect("signs");
        let hash = SignableTransaction::<Signature>::signature_hash(&transaction);
        let recovered = signature
            .recover_address_from_prehash(&hash)
            .expect("recovers");
        assert_eq!(recovered, key.address());
    }
}
