//! Making a package under a grant.

use std::collections::BTreeSet;

use cloister_audit::Outcome;
use cloister_authz::request::{Disclose, Disclosed, Target};
use cloister_crypto::activity;
use cloister_disclosure::build::{self, Frame};
use cloister_disclosure::{BalanceLayout, Claim, LifecycleAtIssue};
use cloister_types::activity::{decode_sender, decode_target};
use cloister_types::{
    Address, B256, BatchHeader, Field, FieldOpening, StateKey, TransactionOpening,
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::app::audit::Event;
use crate::app::chain::{ChainError, OpenedTransaction};
use crate::app::error::AppError;
use crate::app::grant::Grant;
use crate::app::scope::Kind;
use crate::app::{App, Caller};
use crate::store::Delivery;

const METHOD: &str = "POST /v1/packages";

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An account's state.
    Account(Address),
    /// A token balance.
    TokenBalance { token: Address, holder: Address },
    /// A storage slot.
    Slot { contract: Address, slot: B256 },
    /// A transaction, without the fields that are to be withheld.
    Transaction {
        hash: B256,
        withhold: BTreeSet<FieldName>,
    },
}

/// A field of a transaction, as requests name it.
pub(crate) type FieldName = Field;

impl Subject {
    fn kind(&self) -> Kind {
        match self {
            Self::Account(_) => Kind::AccountState,
            Self::TokenBalance { .. } => Kind::TokenBalance,
            Self::Slot { .. } => Kind::StorageSlot,
            Self::Transaction { .. } => Kind::Transaction,
        }
    }

    /// The subject as the audit ledger and the register name it.
    fn text(&self) -> String {
        match self {
            Self::Account(address) => format!("account:{address:#x}"),
            Self::TokenBalance { token, holder } => format!("token:{token:#x}/holder:{holder:#x}"),
            Self::Slot { contract, slot } => format!("contract:{contract:#x}/slot:{slot:#x}"),
            Self::Transaction { hash, .. } => format!("transaction:{hash:#x}"),
        }
    }
}

/// A request for a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The grant it is asked under.
    pub(crate) grant: Uuid,
    pub(crate) subject: Subject,
    /// Absent: the newest batch on Ethereum; for a transaction always its own.
    pub(crate) batch: Option<u64>,
    /// Also before the batch is on Ethereum.
    pub(crate) allow_uncommitted: bool,
    /// SHA-256 of the request.
    pub(crate) request: B256,
}

/// A package that is ready to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Name of the delivery in the register.
    pub(crate) id: Uuid,
    /// The file.
    pub(crate) file: String,
}

/// What was opened: the claim, the header it holds under, and whom it shows.
struct Opened {
    header: BatchHeader,
    claim: Claim,
    concerned: BTreeSet<Address>,
    disclosed: Disclosed,
    lifecycle: LifecycleAtIssue,
}

/// Why nothing is delivered, with the rule for the audit ledger.
struct Refused {
    error: AppError,
    rule: String,
    outcome: Outcome,
}

impl Refused {
    fn by(rule: impl Into<String>, error: AppError) -> Self {
        Self {
            error,
            rule: rule.into(),
            outcome: Outcome::Denied,
        }
    }

    fn scope() -> Self {
        Self::by("grant-scope", AppError::NotDisclosable)
    }
}

impl From<AppError> for Refused {
    fn from(error: AppError) -> Self {
        let rule = error.code().to_owned();
        Self {
            error,
            rule,
            outcome: Outcome::Failed,
        }
    }
}

impl From<ChainError> for Refused {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Unavailable(_) => AppError::Unavailable(error.into()),
            ChainError::Broken(_) => AppError::Internal(error.into()),
        }
        .into()
    }
}

impl App {
    /// Makes, checks, signs and records a package, if grant and policies permit it.
    pub(crate) async fn make_package(
        &self,
        caller: &Caller,
        order: Order,
    ) -> Result<Delivered, AppError> {
        let resource = format!("{} grant:{}", order.subject.text(), order.grant);
        let event = |rule, outcome| Event {
            method: METHOD,
            resource: &resource,
            rule,
            request: order.request,
            outcome,
        };
        match self.try_package(caller, &order).await {
            Ok((delivered, rule)) => {
                self.audit
                    .record(Some(caller), event(&rule, Outcome::Allowed))
                    .await?;
                tracing::info!(package = %delivered.id, grant = %order.grant, "package delivered");
                Ok(delivered)
            }
            Err(Refused {
                error,
                rule,
                outcome,
            }) => {
                self.audit
                    .record(Some(caller), event(&rule, outcome))
                    .await?;
                Err(error)
            }
        }
    }

    async fn try_package(
        &self,
        caller: &Caller,
        order: &Order,
    ) -> Result<(Delivered, String), Refused> {
        let grant = self.own_grant(caller, order.grant).await?;
        if !grant.terms.kinds.contains(&order.subject.kind()) {
            return Err(Refused::scope());
        }
        let opened = match &order.subject {
            Subject::Transaction { hash, withhold } => {
                self.open_transaction(&grant, *hash, withhold, order)
                    .await?
            }
            state => self.open_state(&grant, state, order).await?,
        };
        let rule = self.permit(caller, &grant, &opened)?;
        let delivered = self.sign(&grant, &opened)?;
        // The right may have ended while the package was made (SDS-3).
        let grant = self.own_grant(caller, order.grant).await?;
        let delivery = Delivery {
            id: delivered.id,
            grant: grant.id,
            kind: order.subject.kind(),
            subject: opened.concerned.into_iter().collect(),
            what: order.subject.text(),
            batch: opened.header.number.0,
            digest: B256::new(Sha256::digest(&delivered.file).into()),
            at: self.now(),
        };
        self.grants.record(&delivery).await?;
        Ok((delivered, rule))
    }

    /// The caller's own live grant. Another auditor's answers as if it did not exist.
    async fn own_grant(&self, caller: &Caller, id: Uuid) -> Result<Grant, Refused> {
        let grant = self.grants.find(id).await?;
        let own = grant.filter(|grant| grant.terms.auditor.id() == caller.principal.id());
        let Some(grant) = own else {
            return Err(Refused::by("grant-unknown", AppError::UnknownGrant));
        };
        match grant.is_live(self.now()) {
            Ok(()) => Ok(grant),
            Err(error) => Err(Refused::by(error.code(), error)),
        }
    }

    async fn open_state(
        &self,
        grant: &Grant,
        subject: &Subject,
        order: &Order,
    ) -> Result<Opened, Refused> {
        let scope = &grant.terms.scope;
        let (key, concerned, layout) = match subject {
            Subject::Account(address) if scope.accounts.contains(address) => {
                (StateKey::Account(*address), *address, None)
            }
            Subject::TokenBalance { token, holder } if scope.accounts.contains(holder) => {
                let layout = scope.layout(*token).ok_or_else(Refused::scope)?;
                (
                    StateKey::Storage(*token, layout.slot_of(*holder)),
                    *holder,
                    Some(layout),
                )
            }
            Subject::Slot { contract, slot } if scope.covers_slot(*contract, *slot) => {
                (StateKey::Storage(*contract, *slot), *contract, None)
            }
            _ => return Err(Refused::scope()),
        };
        let batch = match order.batch {
            Some(batch) => batch,
            None => self.newest_covered(grant).await?,
        };
        if !grant.covers_batch(batch) {
            return Err(Refused::scope());
        }
        let lifecycle = self.lifecycle(batch, order.allow_uncommitted).await?;
        let (header, leaf) = self.chain.open_state(batch, key).await?;
        let claim = state_claim(subject, layout, leaf)?;
        Ok(Opened {
            header,
            claim,
            concerned: BTreeSet::from([concerned]),
            disclosed: Disclosed::Target(Target::Account(concerned)),
            lifecycle,
        })
    }

    /// The newest batch on Ethereum that the grant reaches.
    async fn newest_covered(&self, grant: &Grant) -> Result<u64, Refused> {
        let committed = self.chain.committed_batch().await?;
        Ok(grant
            .terms
            .last_batch
            .map_or(committed, |last| last.min(committed)))
    }

    async fn open_transaction(
        &self,
        grant: &Grant,
        hash: B256,
        withhold: &BTreeSet<FieldName>,
        order: &Order,
    ) -> Result<Opened, Refused> {
        let scope = &grant.terms.scope;
        if !scope.covers_transaction(hash) {
            return Err(Refused::scope());
        }
        let Some(opened) = self.chain.open_transaction(hash).await? else {
            return Err(Refused::scope());
        };
        let OpenedTransaction {
            header,
            opening,
            index,
            siblings,
        } = opened;
        let (sender, participants) = parties(&opening)?;
        let concerned: BTreeSet<Address> = participants
            .intersection(&scope.accounts)
            .copied()
            .collect();
        let batch = header.number.0;
        let asked = order.batch.is_none_or(|asked| asked == batch);
        if concerned.is_empty() || !grant.covers_batch(batch) || !asked {
            return Err(Refused::scope());
        }
        let lifecycle = self.lifecycle(batch, order.allow_uncommitted).await?;
        let opening = activity::redact(opening, |field| !withhold.contains(&field), |_| true);
        let claim = build::transaction(&header.private, index, siblings, &opening)
            .map_err(|error| AppError::Internal(error.into()))?;
        let disclosed = Disclosed::Transaction {
            hash,
            sender,
            participants,
        };
        Ok(Opened {
            header,
            claim,
            concerned,
            disclosed,
            lifecycle,
        })
    }

    async fn lifecycle(&self, batch: u64, early: bool) -> Result<LifecycleAtIssue, Refused> {
        match self.chain.lifecycle(batch).await? {
            None => Err(AppError::NotSealed(batch).into()),
            Some(LifecycleAtIssue::Sealed) if !early => Err(AppError::NotCommitted(batch).into()),
            Some(lifecycle) => Ok(lifecycle),
        }
    }

    /// Asks the policies; a denial answers like anything outside the grant.
    fn permit(&self, caller: &Caller, grant: &Grant, opened: &Opened) -> Result<String, Refused> {
        let now = self.now();
        // Opening takes time; a grant that ended meanwhile is said to have ended.
        if let Err(error) = grant.is_live(now) {
            return Err(Refused::by(error.code(), error));
        }
        let scope = match &opened.disclosed {
            Disclosed::Transaction { .. } => grant.terms.scope.accounts.clone(),
            Disclosed::Target(_) => grant.terms.scope.subjects(),
        };
        let ask = Disclose {
            subject: opened.disclosed.clone(),
            concerned: opened.concerned.clone(),
            grant: Some(grant.held(scope)),
            batch: opened.header.number.0,
            now,
        };
        match self.engine.authorize(&caller.principal, ask) {
            Ok(allowed) => Ok(allowed.decision().rule_text()),
            Err(denied) => Err(Refused::by(
                denied.decision.rule_text(),
                AppError::NotDisclosable,
            )),
        }
    }

    fn sign(&self, grant: &Grant, opened: &Opened) -> Result<Delivered, Refused> {
        let frame = Frame {
            anchor: self.anchor,
            grant: grant.statement(),
            lifecycle: opened.lifecycle,
            issued_at: self.now(),
        };
        let unsigned = build::package(
            &self.key.issuer_key(),
            frame,
            &opened.header,
            opened.claim.clone(),
        )
        .map_err(|error| AppError::Internal(error.into()))?;
        let file = unsigned
            .sign(&self.key)
            .ok_or_else(|| AppError::Internal(anyhow::anyhow!("the signing key changed")))?;
        Ok(Delivered {
            id: Uuid::now_v7(),
            file,
        })
    }
}

fn state_claim(
    subject: &Subject,
    layout: Option<BalanceLayout>,
    leaf: build::OpenedLeaf,
) -> Result<Claim, AppError> {
    let claim = match (subject, layout) {
        (Subject::Account(address), _) => build::account_state(*address, leaf),
        (Subject::TokenBalance { token, holder }, Some(layout)) => {
            build::token_balance(*token, *holder, layout, leaf)
        }
        (Subject::Slot { contract, slot }, _) => build::storage_slot(*contract, *slot, leaf),
        (Subject::TokenBalance { .. } | Subject::Transaction { .. }, _) => {
            return Err(AppError::Internal(anyhow::anyhow!(
                "not a subject in the state"
            )));
        }
    };
    claim.map_err(|error| AppError::Internal(error.into()))
}

/// Sender of a transaction that is opened in full, and everybody whom it concerns: sender, target,
/// created contract, and the addresses in its logs' topics (as activity chains count them), so that
/// the receiver of a token transfer takes part in it.
fn parties(opening: &TransactionOpening) -> Result<(Address, BTreeSet<Address>), AppError> {
    let broken = |what: &str| AppError::Internal(anyhow::anyhow!("the sequencer hid {what}"));
    let FieldOpening::Shown { bytes: sender, .. } = opening.field(Field::Sender) else {
        return Err(broken("the sender"));
    };
    let FieldOpening::Shown { bytes: target, .. } = opening.field(Field::Target) else {
        return Err(broken("the target"));
    };
    let sender = decode_sender(sender).map_err(|error| AppError::Internal(error.into()))?;
    let (to, created) = decode_target(target).map_err(|error| AppError::Internal(error.into()))?;
    let topics = opening
        .logs
        .iter()
        .flat_map(|shown| shown.log.topics.iter().skip(1));
    let named = topics.filter_map(address_in);
    Ok((
        sender,
        [Some(sender), to, created]
            .into_iter()
            .flatten()
            .chain(named)
            .collect(),
    ))
}

/// The address that a topic has the form of: 12 zero bytes and a value above 0xffff.
fn address_in(topic: &B256) -> Option<Address> {
    let (zeros, address) = topic.0.split_at(12);
    let large = address.iter().take(18).any(|byte| *byte != 0);
    (zeros.iter().all(|byte| *byte == 0) && large).then(|| Address::from_word(*topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_an_address_when_it_has_its_form_and_is_no_small_number() {
        let word = |text: &str| text.parse::<B256>().expect("32 bytes");
        let zeros = "0".repeat(24);
        let alice = word(&format!("{zeros}{}", "0a".repeat(20)));
        assert_eq!(address_in(&alice), Some(Address::repeat_byte(0x0a)));
        let least = word(&format!("{:064x}", 0x1_0000));
        assert!(address_in(&least).is_some());
        assert_eq!(address_in(&word(&format!("{:064x}", 0xffff))), None);
        assert_eq!(address_in(&word(&"0a".repeat(32))), None);
    }
}
