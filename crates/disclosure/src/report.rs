//! What a verified package proves, what rests on the issuer's word, and what it leaves open.

use alloy_primitives::{Address, U256};
use serde::Serialize;

use crate::key::Thumbprint;
use crate::manifest::{Claim, GrantStatement, LifecycleAtIssue, Manifest, TransactionClaim};
use crate::text;
use crate::verify::{AnchorRecord, AnchorState, CheckedProof, Expectations};

/// One sentence of a report, with a stable code for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Stable name.
    pub code: &'static str,
    /// The sentence.
    pub text: String,
}

/// The outcome of a verification that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// EIP-155 id of the private chain.
    pub chain_id: u64,
    /// The batch that the claim is about.
    pub batch: u64,
    /// How far the batch is on Ethereum; in JSON `state`, and beside it when Ethereum checked a proof
    /// and by which verifier.
    #[serde(flatten)]
    pub state: AnchorState,
    /// The key that signed the package.
    pub signed_by: Thumbprint,
    /// Whether that key was compared with one that the reader trusts.
    pub issuer_checked: bool,
    /// Whether the contract was compared with an address that the reader trusts.
    pub rollup_checked: bool,
    /// The claim itself.
    pub claim: Claim,
    /// The right under which it was disclosed.
    pub grant: GrantStatement,
    /// What follows from the mathematics and from Ethereum alone.
    pub proved: Vec<Statement>,
    /// What the issuer states and nothing here proves.
    pub asserted: Vec<Statement>,
    /// What one might take for covered, and is not.
    pub not_covered: Vec<Statement>,
}

impl Report {
    pub(crate) fn new(
        manifest: Manifest,
        signed_by: Thumbprint,
        anchor: &AnchorRecord,
        expected: &Expectations<'_>,
    ) -> Self {
        let issuer_checked = expected.issuer.is_some();
        let rollup_checked = expected.rollup.is_some();
        let proved = proved(&manifest, &signed_by, anchor);
        let mut asserted = asserted(&manifest);
        if !issuer_checked {
            asserted.insert(0, said("issuer_key", format!(
                "That key {signed_by} is the institution's: no issuer key was given to compare it with."
            )));
        }
        if !rollup_checked {
            asserted.insert(0, said("rollup_address", format!(
                "That contract {} is the institution's: compare it with the address the institution has published.",
                text::to_hex(anchor.rollup.as_slice())
            )));
        }
        let not_covered = not_covered(&manifest.claim, anchor.state);
        let Manifest {
            batch,
            claim,
            grant,
            ..
        } = manifest;
        Self {
            chain_id: batch.chain_id,
            batch: batch.number,
            state: anchor.state,
            signed_by,
            issuer_checked,
            rollup_checked,
            claim,
            grant,
            proved,
            asserted,
            not_covered,
        }
    }
}

fn said(code: &'static str, text: String) -> Statement {
    Statement { code, text }
}

fn hex(address: &Address) -> String {
    text::to_hex(address.as_slice())
}

fn proved(manifest: &Manifest, key: &Thumbprint, anchor: &AnchorRecord) -> Vec<Statement> {
    let batch = &manifest.batch;
    let mut out = vec![said(
        "anchor",
        format!(
            "Contract {} on Ethereum chain {} holds batch {} of chain {} with this state root and this header.",
            hex(&anchor.rollup),
            anchor.l1_chain_id,
            batch.number,
            batch.chain_id
        ),
    )];
    out.extend(
        anchor
            .state
            .proof()
            .map(|proof| validity(batch.number, &proof)),
    );
    let at = format!("at the end of batch {}", batch.number);
    match &manifest.claim {
        Claim::AccountState(claim) => out.push(said("account_state", format!(
            "Under that state root, account {} has balance {} wei, nonce {} and code hash {} {at}.",
            hex(&claim.address), claim.balance, claim.nonce, claim.code_hash
        ))),
        Claim::StorageSlot(claim) => out.push(said("storage_slot", format!(
            "Under that state root, storage slot {} of contract {} holds {} {at}.",
            claim.slot, hex(&claim.contract), claim.value
        ))),
        Claim::TokenBalance(claim) => out.push(said("storage_slot", format!(
            "Under that state root, storage slot {} of contract {} holds {} {at}; the stated layout gives this slot to holder {}.",
            claim.slot, hex(&claim.token), claim.balance, hex(&claim.holder)
        ))),
        Claim::Transaction(claim) => transaction_proved(claim, batch.number, &mut out),
    }
    out.push(said(
        "unchanged",
        format!("The file is as the holder of key {key} signed it."),
    ));
    out
}

/// That Ethereum checked a proof, and how.
fn validity(batch: u64, proof: &CheckedProof) -> Statement {
    let CheckedProof {
        proof_block,
        verifier_version,
        known_guest,
        verifier_frozen: _,
    } = *proof;
    let code = known_guest.map_or_else(String::new, |guest| {
        format!(", whose code is that of the verifier of guest version {guest}")
    });
    said(
        "validity",
        format!(
            "In block {proof_block} Ethereum checked a validity proof of batch {batch} under version {verifier_version} of the contract's verifiers{code}."
        ),
    )
}

fn transaction_proved(claim: &TransactionClaim, batch: u64, out: &mut Vec<Statement>) {
    let fields = &claim.fields;
    let mut parts = vec![match fields.identity.opened() {
        Some(identity) => format!(
            "transaction {} of block {} (position {})",
            identity.hash, identity.block_number, identity.block_index
        ),
        None => "a transaction whose hash is withheld".to_owned(),
    }];
    if let Some(sender) = fields.sender.opened() {
        parts.push(format!("sent by {}", hex(&sender.address)));
    }
    if let Some(target) = fields.target.opened() {
        parts.extend(target.to.map(|to| format!("to {}", hex(&to))));
        parts.extend(
            target
                .created
                .map(|made| format!("creating contract {}", hex(&made))),
        );
    }
    if let Some(value) = fields.value.opened() {
        parts.push(format!("moving {} wei", value.wei));
    }
    if let Some(input) = fields.input.opened() {
        parts.push(format!("with {} bytes of input", input.data.len()));
    }
    if let Some(outcome) = fields.outcome.opened() {
        let word = if outcome.succeeded {
            "succeeded"
        } else {
            "failed"
        };
        parts.push(format!("{word} using {} gas", outcome.gas_used));
    }
    if let Some(logs) = fields.logs.opened() {
        let opened = logs
            .entries
            .iter()
            .filter(|entry| entry.opened().is_some())
            .count();
        parts.push(format!(
            "with {} logs of which {opened} are shown",
            logs.entries.len()
        ));
    }
    let what = parts.join(", ");
    out.push(said(
        "transaction",
        format!("Batch {batch} contains {what}."),
    ));
}

fn asserted(manifest: &Manifest) -> Vec<Statement> {
    let mut out = Vec::new();
    if let Claim::TokenBalance(claim) = &manifest.claim {
        out.push(said("token_layout", format!(
            "That contract {} keeps balances in the mapping at slot {}: check the contract's source or code.",
            hex(&claim.token), U256::from_be_bytes(claim.layout.base_slot.0)
        )));
    }
    let GrantStatement {
        id,
        case_reference,
        legal_basis,
        auditor,
        expires_at,
    } = &manifest.grant;
    out.push(said("grant", format!(
        "That it was disclosed to `{}` (of {}) under grant {id}, case `{case_reference}`, legal basis `{legal_basis}`, valid until {expires_at} (UNIX seconds).",
        auditor.subject, auditor.issuer
    )));
    let stage = match manifest.lifecycle_at_issue {
        LifecycleAtIssue::Sealed => "not yet on Ethereum",
        LifecycleAtIssue::Committed => "committed to Ethereum",
        LifecycleAtIssue::Proved => "proved on Ethereum",
        LifecycleAtIssue::Finalized => "final on Ethereum",
    };
    out.push(said(
        "issued_at",
        format!(
            "That it was issued at {} (UNIX seconds), when the batch was {stage}.",
            manifest.issued_at
        ),
    ));
    out
}

fn not_covered(claim: &Claim, state: AnchorState) -> Vec<Statement> {
    let mut out = Vec::new();
    match state {
        AnchorState::Committed => out.push(said("validity",
            "Whether the institution followed the chain's rules to get there: Ethereum holds its commitment, but has not checked a validity proof for this batch yet.".to_owned())),
        AnchorState::Proved(_) => out.push(said("finality",
            "Finality: Ethereum has checked a validity proof, but the Ethereum block that did so is not final yet.".to_owned())),
        AnchorState::Finalized(_) => {}
        AnchorState::Genesis => out.push(said("validity",
            "How the chain's first state came about: the contract was deployed with it.".to_owned())),
    }
    out.extend(state.proof().iter().flat_map(doubts));
    match claim {
        Claim::AccountState(_) | Claim::StorageSlot(_) | Claim::TokenBalance(_) => {
            out.push(said(
                "history",
                "How the value came about, and what it was or is in any other batch.".to_owned(),
            ));
            out.push(said(
                "completeness",
                "Other accounts, contracts or slots of the same owner.".to_owned(),
            ));
        }
        Claim::Transaction(claim) => transaction_not_covered(claim, &mut out),
    }
    out.push(said(
        "identity",
        "Which person or company stands behind an address.".to_owned(),
    ));
    out.push(said(
        "l1_source",
        "Ethereum's own state was taken from the L1 source that the verifier was given.".to_owned(),
    ));
    out
}

/// What a checked proof leaves open.
fn doubts(proof: &CheckedProof) -> Vec<Statement> {
    let mut out = Vec::new();
    let version = proof.verifier_version;
    if proof.known_guest.is_none() {
        out.push(said("verifier", format!(
            "What version {version} of the contract's verifiers accepts as a proof: this program does not know its code."
        )));
    }
    if proof.verifier_frozen {
        out.push(said("verifier_frozen", format!(
            "Why version {version} of the contract's verifiers was frozen, and whether its earlier proofs can be relied on: ask the institution."
        )));
    }
    out
}

fn transaction_not_covered(claim: &TransactionClaim, out: &mut Vec<Statement>) {
    let fields = &claim.fields;
    let withheld: Vec<&str> = [
        ("hash and position", fields.identity.opened().is_none()),
        ("sender", fields.sender.opened().is_none()),
        ("target", fields.target.opened().is_none()),
        ("value", fields.value.opened().is_none()),
        ("input", fields.input.opened().is_none()),
        ("outcome", fields.outcome.opened().is_none()),
        ("logs", fields.logs.opened().is_none()),
    ]
    .into_iter()
    .filter_map(|(name, hidden)| hidden.then_some(name))
    .collect();
    if !withheld.is_empty() {
        out.push(said(
            "withheld",
            format!("Withheld fields: {}.", withheld.join(", ")),
        ));
    }
    out.push(said("inner_calls",
        "What contracts did inside the transaction beyond its logs; its signature, nonce and gas price.".to_owned()));
    out.push(said(
        "completeness",
        "Other transactions of the same parties.".to_owned(),
    ));
}
