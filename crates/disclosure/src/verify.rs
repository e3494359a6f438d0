//! Checking a package: signature, form, then the claim up to the root that Ethereum holds.
//!
//! Pure: no network, no clock, no panic. The caller reads the anchor from Ethereum and hands it in.

use alloy_primitives::{Address, B256};
use cloister_types::{BatchNumber, BlockNumber, PrivateHeader, PublicHeader};
use serde::{Deserialize, Serialize};

use crate::claim;
use crate::envelope;
use crate::error::VerifyError;
use crate::key::{IssuerKey, Thumbprint};
use crate::manifest::{
    BatchStatement, GrantStatement, MAX_TEXT_BYTES, Manifest, PrivateStatement, VERSION,
};
use crate::report::Report;

/// How far Ethereum has taken a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AnchorState {
    /// The contract holds the batch's root and hash, unproved.
    Committed,
    /// The contract has checked a validity proof.
    Proved(CheckedProof),
    /// Proved, in a final block.
    Finalized(CheckedProof),
    /// The contract was deployed with the batch: it is the chain's beginning, and nothing was proved.
    Genesis,
}

impl AnchorState {
    /// The proof that Ethereum checked, if it did.
    #[must_use]
    pub const fn proof(&self) -> Option<CheckedProof> {
        match self {
            Self::Committed | Self::Genesis => None,
            Self::Proved(proof) | Self::Finalized(proof) => Some(*proof),
        }
    }
}

/// A validity proof that Ethereum checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CheckedProof {
    /// The Ethereum block in which it did.
    pub proof_block: u64,
    /// Version, in the contract's router, of the verifier that accepted it.
    pub verifier_version: u32,
    /// Version of the guest program whose verifier this is, by its code; `None` when the caller does
    /// not know the verifier's code, so that the proof is worth what the verifier is worth.
    pub known_guest: Option<u32>,
    /// Whether that version refuses every proof by now: somebody had a reason.
    pub verifier_frozen: bool,
}

/// What the `Rollup` contract on Ethereum holds about a batch, as the caller read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorRecord {
    /// EIP-155 id of the chain it was read on.
    pub l1_chain_id: u64,
    /// The contract it was read from.
    pub rollup: Address,
    /// The batch.
    pub batch: BatchNumber,
    /// State root after the batch.
    pub state_root: B256,
    /// Hash of the batch's public header.
    pub batch_hash: B256,
    /// How far the batch is.
    pub state: AnchorState,
}

/// What the reader knows beforehand and wants the package compared with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expectations<'a> {
    /// The institution's key; without it any key's signature is accepted, and the report says so.
    pub issuer: Option<&'a IssuerKey>,
    /// The institution's contract; without it the package's own is accepted, and the report says so.
    pub rollup: Option<Address>,
}

/// A package whose signature and form are good, and whose claim holds under its own batch header.
///
/// It proves nothing yet: [`Package::verify`] compares the header with Ethereum.
#[derive(Debug, Clone)]
pub struct Package {
    manifest: Manifest,
    key: IssuerKey,
}

impl Package {
    /// Opens a file: checks its size, signature and form, and the claim against the header inside.
    ///
    /// # Errors
    /// [`VerifyError`] names the first thing that does not hold.
    pub fn open(file: &[u8]) -> Result<Self, VerifyError> {
        let envelope::Opened { key, payload } = envelope::open(file)?;
        let manifest = parse(&payload)?;
        check(&manifest)?;
        Ok(Self { manifest, key })
    }

    /// The signed content; not yet compared with Ethereum.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Name of the key that signed the file.
    #[must_use]
    pub fn signed_by(&self) -> Thumbprint {
        self.key.thumbprint()
    }

    /// Compares the package with what Ethereum holds and what the reader expects.
    ///
    /// # Errors
    /// [`VerifyError`] names the first thing that does not hold.
    pub fn verify(
        self,
        anchor: &AnchorRecord,
        expected: &Expectations<'_>,
    ) -> Result<Report, VerifyError> {
        let Self { manifest, key } = self;
        if let Some(issuer) = expected.issuer
            && *issuer != key
        {
            let (expected, got) = (issuer.thumbprint(), key.thumbprint());
            return Err(VerifyError::Issuer { expected, got });
        }
        check_anchor(&manifest, anchor, expected)?;
        Ok(Report::new(manifest, key.thumbprint(), anchor, expected))
    }
}

/// Opens and verifies a file in one step.
///
/// # Errors
/// [`VerifyError`] names the first thing that does not hold.
pub fn verify(
    file: &[u8],
    anchor: &AnchorRecord,
    expected: &Expectations<'_>,
) -> Result<Report, VerifyError> {
    Package::open(file)?.verify(anchor, expected)
}

/// Reads the version before anything else, so that a newer package gets the right message.
fn parse(payload: &[u8]) -> Result<Manifest, VerifyError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    let malformed = |error: serde_json::Error| VerifyError::Manifest(error.to_string());
    let Versioned { version } = serde_json::from_slice(payload).map_err(malformed)?;
    if version != u64::from(VERSION) {
        return Err(VerifyError::Version { got: version });
    }
    serde_json::from_slice(payload).map_err(malformed)
}

/// Everything that can be checked without Ethereum and without trust in the signer.
pub(crate) fn check(manifest: &Manifest) -> Result<(), VerifyError> {
    // Destructured so that a new field cannot be forgotten here.
    let Manifest {
        version,
        anchor: _, // compared with Ethereum's in `check_anchor`
        batch,
        lifecycle_at_issue: _, // the issuer's word
        claim,
        grant,
        issued_at: _, // the issuer's word
    } = manifest;
    if *version != VERSION {
        return Err(VerifyError::Version {
            got: u64::from(*version),
        });
    }
    check_texts(grant)?;
    claim::check(claim, &batch.header())
}

fn check_texts(grant: &GrantStatement) -> Result<(), VerifyError> {
    let GrantStatement {
        id,
        case_reference,
        legal_basis,
        auditor,
        expires_at: _,
    } = grant;
    let texts = [
        ("grant.id", id),
        ("grant.case_reference", case_reference),
        ("grant.legal_basis", legal_basis),
        ("grant.auditor.issuer", &auditor.issuer),
        ("grant.auditor.subject", &auditor.subject),
    ];
    for (field, text) in texts {
        if text.len() > MAX_TEXT_BYTES {
            return Err(VerifyError::Text {
                field,
                got: text.len(),
            });
        }
        if text.chars().any(char::is_control) {
            return Err(VerifyError::Control { field });
        }
    }
    Ok(())
}

/// SDISC-1: the header in the package is the one that Ethereum holds, for this chain and contract.
fn check_anchor(
    manifest: &Manifest,
    anchor: &AnchorRecord,
    expected: &Expectations<'_>,
) -> Result<(), VerifyError> {
    let AnchorRecord {
        l1_chain_id,
        rollup,
        batch,
        state_root,
        batch_hash,
        state: _,
    } = *anchor;
    if manifest.anchor.l1_chain_id != l1_chain_id {
        let package = manifest.anchor.l1_chain_id;
        return Err(VerifyError::L1Chain {
            package,
            anchor: l1_chain_id,
        });
    }
    for contract in [Some(rollup), expected.rollup].into_iter().flatten() {
        if manifest.anchor.rollup != contract {
            let package = manifest.anchor.rollup;
            return Err(VerifyError::Rollup {
                package,
                anchor: contract,
            });
        }
    }
    if manifest.batch.number != batch.0 {
        let package = manifest.batch.number;
        return Err(VerifyError::BatchNumber {
            package,
            anchor: batch.0,
        });
    }
    if manifest.batch.state_root != state_root {
        let package = manifest.batch.state_root;
        return Err(VerifyError::StateRoot {
            package,
            anchor: state_root,
        });
    }
    let package = manifest.batch.header().hash();
    if package != batch_hash {
        return Err(VerifyError::BatchHash {
            package,
            anchor: batch_hash,
        });
    }
    Ok(())
}

impl BatchStatement {
    /// The header as the encoding that is hashed.
    #[must_use]
    pub fn header(&self) -> PublicHeader {
        let Self {
            chain_id,
            number,
            previous_hash,
            state_root,
            message_root,
            l1_message_count,
            l1_message_hash,
            private_digest,
        } = *self;
        PublicHeader {
            chain_id,
            number: BatchNumber(number),
            previous_hash,
            state_root,
            message_root,
            l1_message_count,
            l1_message_hash,
            private_digest,
        }
    }
}

impl From<&PublicHeader> for BatchStatement {
    fn from(header: &PublicHeader) -> Self {
        let PublicHeader {
            chain_id,
            number,
            previous_hash,
            state_root,
            message_root,
            l1_message_count,
            l1_message_hash,
            private_digest,
        } = *header;
        Self {
            chain_id,
            number: number.0,
            previous_hash,
            state_root,
            message_root,
            l1_message_count,
            l1_message_hash,
            private_digest,
        }
    }
}

impl PrivateStatement {
    /// The private header as the encoding that is hashed.
    #[must_use]
    pub fn header(&self) -> PrivateHeader {
        let Self {
            state_root_before,
            transaction_root,
            transaction_count,
            policy_root,
            audit_head,
            first_block,
            first_block_hash,
            last_block,
            last_block_hash,
            timestamp,
        } = *self;
        PrivateHeader {
            state_root_before,
            transaction_root,
            transaction_count,
            policy_root,
            audit_head,
            first_block: BlockNumber(first_block),
            first_block_hash,
            last_block: BlockNumber(last_block),
            last_block_hash,
            timestamp,
        }
    }
}

impl From<&PrivateHeader> for PrivateStatement {
    fn from(header: &PrivateHeader) -> Self {
        let PrivateHeader {
            state_root_before,
            transaction_root,
            transaction_count,
            policy_root,
            audit_head,
            first_block,
            first_block_hash,
            last_block,
            last_block_hash,
            timestamp,
        } = *header;
        Self {
            state_root_before,
            transaction_root,
            transaction_count,
            policy_root,
            audit_head,
            first_block: first_block.0,
            first_block_hash,
            last_block: last_block.0,
            last_block_hash,
            timestamp,
        }
    }
}
