//! State tests as execution-spec-tests writes them: files of JSON, each a map from a test's name to
//! its environment, accounts, transaction and expected results by fork.
//!
//! Numbers stay text until they are used: tests hold some on purpose that fit no integer.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256, Bytes, U256};
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// Longest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most files of one run.
pub const MAX_FILES: usize = 100_000;
/// Deepest folder below the one given.
pub const MAX_DEPTH: usize = 16;

/// A file of tests, by name.
pub type File = BTreeMap<String, Fixture>;

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fixture {
    /// The block around the transaction.
    pub env: Env,
    /// Accounts before the transaction.
    pub pre: BTreeMap<Address, Account>,
    /// The transaction, with lists of which each case takes one.
    pub transaction: Transaction,
    /// Expected results by fork.
    pub post: BTreeMap<String, Vec<Post>>,
    /// Chain id and blob schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Config>,
    /// Where the test comes from.
    #[serde(rename = "_info", default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Info>,
}

/// A number: hexadecimal digits after `0x`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(pub String);

impl Number {
    /// A number as the format writes it: whole bytes.
    #[must_use]
    pub fn new(value: impl TryInto<U256>) -> Self {
        let value: U256 = value.try_into().unwrap_or_default();
        let digits = format!("{value:x}");
        let width = digits.len().next_multiple_of(2);
        Self(format!("0x{digits:0>width$}"))
    }

    /// Up to 256 bits.
    ///
    /// # Errors
    /// When it is none or longer.
    pub fn u256(&self) -> Result<U256> {
        let digits = self.0.strip_prefix("0x").unwrap_or(&self.0);
        if digits.is_empty() {
            return Ok(U256::ZERO);
        }
        U256::from_str_radix(digits, 16).ok().with_context(|| {
            let shown: String = self.0.chars().take(80).collect();
            format!("`{shown}` is no number of 256 bits")
        })
    }

    /// Up to 64 bits.
    ///
    /// # Errors
    /// When it is none or longer.
    pub fn u64(&self) -> Result<u64> {
        u64::try_from(self.u256()?).context("a number is above 64 bits")
    }

    /// Up to 128 bits.
    ///
    /// # Errors
    /// When it is none or longer.
    pub fn u128(&self) -> Result<u128> {
        u128::try_from(self.u256()?).context("a number is above 128 bits")
    }
}

/// The block around the transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Env {
    /// Who receives priority fees.
    pub current_coinbase: Address,
    /// Gas of the block.
    pub current_gas_limit: Number,
    /// Number of the block.
    pub current_number: Number,
    /// UNIX seconds.
    pub current_timestamp: Number,
    /// Before the merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_difficulty: Option<Number>,
    /// Since the merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_random: Option<Number>,
    /// In wei.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_base_fee: Option<Number>,
    /// Since EIP-4844.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_excess_blob_gas: Option<Number>,
    /// Hash of the block before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_hash: Option<B256>,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Nonce.
    pub nonce: Number,
    /// Wei.
    pub balance: Number,
    /// Code.
    pub code: Bytes,
    /// Slots.
    #[serde(default)]
    pub storage: BTreeMap<String, Number>,
}

/// The transaction, with lists of which each case takes one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// The sender's count.
    pub nonce: Number,
    /// Price per gas (legacy, EIP-2930).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas_price: Option<Number>,
    /// EIP-1559.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_priority_fee_per_gas: Option<Number>,
    /// EIP-1559.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fee_per_gas: Option<Number>,
    /// Gas limits.
    pub gas_limit: Vec<Number>,
    /// Whom it calls; empty when it creates a contract.
    pub to: String,
    /// Wei.
    pub value: Vec<Number>,
    /// Call data, or code that creates the contract.
    pub data: Vec<Bytes>,
    /// Access list for each call data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_lists: Option<Vec<Option<Vec<AccessItem>>>>,
    /// EIP-7702.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_list: Option<Vec<SignedAuthorization>>,
    /// EIP-4844.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fee_per_blob_gas: Option<Number>,
    /// EIP-4844.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob_versioned_hashes: Option<Vec<B256>>,
    /// Who signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Address>,
    /// The sender's key, which only tests have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<B256>,
}

/// An entry of an access list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessItem {
    /// Account.
    pub address: Address,
    /// Its slots.
    pub storage_keys: Vec<B256>,
}

/// An EIP-7702 authorization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedAuthorization {
    /// Chain, or 0 for any.
    pub chain_id: Number,
    /// Whose code.
    pub address: Address,
    /// The authority's nonce.
    pub nonce: Number,
    /// Parity.
    pub v: Number,
    /// Signature.
    pub r: Number,
    /// Signature.
    pub s: Number,
    /// Parity again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y_parity: Option<Number>,
    /// Who signed; absent when nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Address>,
}

/// What must come of one case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// Root of the state as Ethereum computes it.
    #[serde(default)]
    pub hash: B256,
    /// Keccak-256 of the encoded logs.
    #[serde(default)]
    pub logs: B256,
    /// The signed transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txbytes: Option<Bytes>,
    /// Which of the transaction's lists.
    pub indexes: Indexes,
    /// Every account afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<BTreeMap<Address, Account>>,
    /// Why the transaction cannot be included; alternatives are parted by `|`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_exception: Option<String>,
}

/// Positions in the transaction's lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indexes {
    /// In `data` and `accessLists`.
    pub data: usize,
    /// In `gasLimit`.
    pub gas: usize,
    /// In `value`.
    pub value: usize,
}

/// Chain id and blob schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// EIP-155.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chainid: Option<Number>,
    /// By fork.
    #[serde(
        rename = "blobSchedule",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub blob_schedule: Option<serde_json::Value>,
}

/// Where a test comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// What it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What computed the expected results.
    #[serde(
        rename = "filling-transition-tool",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub filling_transition_tool: Option<String>,
    /// Which document the rule is from.
    #[serde(
        rename = "reference-spec",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub reference_spec: Option<String>,
    /// The stable name under which this chain refuses the transaction, where a test of our own
    /// says so.
    #[serde(
        rename = "cloister-refusal",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub cloister_refusal: Option<String>,
}

/// The files of tests in a folder and below, in order of their names.
///
/// # Errors
/// When the folder cannot be read, is too deep or holds too many files.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, 0, &mut found)?;
    if found.is_empty() {
        bail!(
            "`{}` holds no fixtures (files named *.json)",
            folder.display()
        );
    }
    found.sort_unstable();
    Ok(found)
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if depth > MAX_DEPTH {
        bail!(
            "`{}` is more than {MAX_DEPTH} folders deep",
            folder.display()
        );
    }
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder `{}`", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            collect(&path, depth.saturating_add(1), found)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "json") {
            if found.len() >= MAX_FILES {
                bail!("there are more than {MAX_FILES} files; name a smaller folder");
            }
            found.push(path);
        }
    }
    Ok(())
}

/// Reads a file of tests.
///
/// # Errors
/// When it cannot be read, is longer than [`MAX_FILE_BYTES`] or not of the format.
pub fn read(path: &Path) -> Result<File> {
    let shown = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("cannot open `{shown}`"))?;
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES.saturating_add(1))
        .read_to_end(&mut text)
        .with_context(|| format!("cannot read `{shown}`"))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        bail!("`{shown}` is longer than {MAX_FILE_BYTES} bytes");
    }
    serde_json::from_slice(&text).with_context(|| format!("`{shown}` is no file of state tests"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_or_without_leading_zeros() {
        assert_eq!(Number("0x07".into()).u64().unwrap(), 7);
        assert_eq!(Number("0x".into()).u64().unwrap(), 0);
        assert_eq!(Number::new(U256::from(256)), Number("0x0100".into()));
        assert_eq!(Number::new(U256::ZERO), Number("0x00".into()));
    }

    #[test]
    fn refuses_numbers_that_are_too_long_or_none() {
        let long = Number(format!("0x1{}", "0".repeat(64)));
        assert!(long.u256().is_err());
        assert!(Number("0x:bigint 0x1".into()).u256().is_err());
        assert!(Number("0x010000000000000000".into()).u64().is_err());
    }

    #[test]
    fn refuses_folders_that_are_empty_or_too_deep_and_files_of_other_forms() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            files(folder.path())
                .unwrap_err()
                .to_string()
                .contains("holds no fixtures")
        );
        let other = folder.path().join("other.json");
        std::fs::write(&other, "{\"a\": 1}").unwrap();
        assert_eq!(files(folder.path()).unwrap(), std::slice::from_ref(&other));
        assert!(
            read(&other)
                .unwrap_err()
                .to_string()
                .contains("no file of state tests")
        );
        let mut deep = folder.path().to_owned();
        deep.extend(["d"; MAX_DEPTH + 1]);
        std::fs::create_dir_all(&deep).unwrap();
        assert!(
            files(folder.path())
                .unwrap_err()
                .to_string()
                .contains("folders deep")
        );
    }

    #[test]
    fn refuses_a_file_nested_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep.json");
        std::fs::write(&path, "[".repeat(1_000_000)).unwrap();
        assert!(read(&path).is_err());
    }
}
