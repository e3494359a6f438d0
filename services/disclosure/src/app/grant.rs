//! A grant: the right of one auditor to packages, bound to a case and a time.

use std::collections::BTreeSet;

use cloister_authz::request::HeldGrant;
use cloister_disclosure::GrantStatement;
use cloister_disclosure::manifest::AuditorStatement;
use cloister_types::Address;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::error::AppError;
use crate::app::scope::{Kind, Scope};

/// Who may obtain packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auditor {
    /// The identity provider.
    pub(crate) issuer: String,
    /// The provider's name for the person.
    pub(crate) subject: String,
}

impl Auditor {
    /// As policies and the audit ledger name a principal.
    pub(crate) fn id(&self) -> String {
        format!("{}|{}", self.issuer, self.subject)
    }
}

/// A grant as compliance asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewGrant {
    pub(crate) case_reference: String,
    pub(crate) legal_basis: String,
    pub(crate) auditor: Auditor,
    pub(crate) scope: Scope,
    pub(crate) kinds: BTreeSet<Kind>,
    pub(crate) first_batch: u64,
    pub(crate) last_batch: Option<u64>,
    /// UNIX seconds.
    pub(crate) expires_at: u64,
}

/// A grant as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) id: Uuid,
    pub(crate) terms: NewGrant,
    /// UNIX seconds.
    pub(crate) created_at: u64,
    /// Principal id of the officer.
    pub(crate) created_by: String,
    pub(crate) revocation: Option<Revocation>,
}

/// When and by whom a grant was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revocation {
    /// UNIX seconds.
    pub(crate) at: u64,
    /// Principal id of the officer.
    pub(crate) by: String,
}

const MAX_CASE_BYTES: usize = 200;
const MAX_BASIS_BYTES: usize = 500;
const MAX_ISSUER_BYTES: usize = 500;
const MAX_SUBJECT_BYTES: usize = 255;

impl NewGrant {
    /// Checks the form, before anybody is asked whether it is right.
    pub(crate) fn validate(&self, now: u64, max_entries: usize) -> Result<(), AppError> {
        let Self {
            case_reference,
            legal_basis,
            auditor,
            scope,
            kinds,
            ..
        } = self;
        text("case_reference", case_reference, MAX_CASE_BYTES)?;
        text("legal_basis", legal_basis, MAX_BASIS_BYTES)?;
        text("auditor.issuer", &auditor.issuer, MAX_ISSUER_BYTES)?;
        text("auditor.subject", &auditor.subject, MAX_SUBJECT_BYTES)?;
        if scope.entries() > max_entries {
            let got = scope.entries();
            return invalid(format!(
                "the scope has {got} entries, at most {max_entries} are taken"
            ));
        }
        if kinds.is_empty() {
            return invalid("`kinds` must name at least one kind of package".to_owned());
        }
        for kind in kinds {
            if let Some(missing) = scope.lacks(*kind) {
                let kind = kind.as_str();
                return invalid(format!(
                    "packages of kind `{kind}` need {missing} in the scope"
                ));
            }
        }
        if self.last_batch.is_some_and(|last| last < self.first_batch) {
            return invalid("`last_batch` must not be before `first_batch`".to_owned());
        }
        let largest = cloister_disclosure::text::MAX_INTEGER;
        if self.first_batch > largest || self.last_batch.is_some_and(|last| last > largest) {
            return invalid("batch numbers must be below 2^53".to_owned());
        }
        if self.expires_at <= now || self.expires_at > largest {
            return invalid("`expires_at` must be a time to come, in UNIX seconds".to_owned());
        }
        Ok(())
    }
}

fn invalid<T>(message: String) -> Result<T, AppError> {
    Err(AppError::Invalid(message))
}

fn text(field: &str, value: &str, limit: usize) -> Result<(), AppError> {
    if value.trim().is_empty() {
        return invalid(format!("`{field}` must not be empty"));
    }
    if value.len() > limit {
        return invalid(format!(
            "`{field}` has {} bytes, at most {limit} are taken",
            value.len()
        ));
    }
    if value.chars().any(char::is_control) {
        return invalid(format!("`{field}` must not hold control characters"));
    }
    Ok(())
}

impl Grant {
    /// Whether it gives anything at `now`.
    pub(crate) fn is_live(&self, now: u64) -> Result<(), AppError> {
        if self.revocation.is_some() {
            Err(AppError::Revoked)
        } else if now >= self.terms.expires_at {
            Err(AppError::Expired(self.terms.expires_at))
        } else {
            Ok(())
        }
    }

    /// Whether it reaches `batch`.
    pub(crate) fn covers_batch(&self, batch: u64) -> bool {
        let NewGrant {
            first_batch,
            last_batch,
            ..
        } = self.terms;
        batch >= first_batch && last_batch.is_none_or(|last| batch <= last)
    }

    /// The grant as policies see it, for a request about `scope`.
    pub(crate) fn held(&self, scope: BTreeSet<Address>) -> HeldGrant {
        HeldGrant {
            holder: self.terms.auditor.id(),
            case_id: self.terms.case_reference.clone(),
            scope,
            from_batch: self.terms.first_batch,
            to_batch: self.terms.last_batch.unwrap_or(u64::MAX),
            expires_at: self.terms.expires_at,
        }
    }

    /// The grant as a package states it.
    pub(crate) fn statement(&self) -> GrantStatement {
        GrantStatement {
            id: self.id.to_string(),
            case_reference: self.terms.case_reference.clone(),
            legal_basis: self.terms.legal_basis.clone(),
            auditor: AuditorStatement {
                issuer: self.terms.auditor.issuer.clone(),
                subject: self.terms.auditor.subject.clone(),
            },
            expires_at: self.terms.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> NewGrant {
        NewGrant {
            case_reference: "C-1".to_owned(),
            legal_basis: "law".to_owned(),
            auditor: Auditor {
                issuer: "https://id".to_owned(),
                subject: "dave".to_owned(),
            },
            scope: Scope {
                accounts: BTreeSet::from([Address::ZERO]),
                ..Scope::default()
            },
            kinds: BTreeSet::from([Kind::AccountState]),
            first_batch: 2,
            last_batch: Some(4),
            expires_at: 100,
        }
    }

    fn refusal(change: impl FnOnce(&mut NewGrant)) -> String {
        let mut terms = terms();
        change(&mut terms);
        terms.validate(50, 10).expect_err("refused").to_string()
    }

    #[test]
    fn refuses_terms_that_make_no_sense() {
        assert!(terms().validate(50, 10).is_ok());
        assert_eq!(
            refusal(|t| t.case_reference.clear()),
            "`case_reference` must not be empty"
        );
        assert!(refusal(|t| t.legal_basis = "x".repeat(501)).contains("501 bytes"));
        assert!(refusal(|t| t.auditor.subject = "a\nb".to_owned()).contains("control"));
        assert!(refusal(|t| t.kinds.clear()).contains("`kinds`"));
        assert!(
            refusal(|t| _ = t.kinds.insert(Kind::TokenBalance)).contains("accounts and tokens")
        );
        assert!(refusal(|t| t.last_batch = Some(1)).contains("`last_batch`"));
        assert!(refusal(|t| t.expires_at = 50).contains("`expires_at`"));
        let many = (0..11_u8).map(Address::with_last_byte).collect();
        assert!(refusal(|t| t.scope.accounts = many).contains("11 entries, at most 10"));
    }

    #[test]
    fn a_grant_ends_at_its_time_and_when_revoked() {
        let mut grant = Grant {
            id: Uuid::nil(),
            terms: terms(),
            created_at: 50,
            created_by: "carol".to_owned(),
            revocation: None,
        };
        assert!(grant.is_live(99).is_ok());
        assert!(matches!(grant.is_live(100), Err(AppError::Expired(100))));
        grant.revocation = Some(Revocation {
            at: 60,
            by: "carol".to_owned(),
        });
        assert!(matches!(grant.is_live(99), Err(AppError::Revoked)));
        let covered: Vec<u64> = (0..6).filter(|batch| grant.covers_batch(*batch)).collect();
        assert_eq!(covered, [2, 3, 4]);
    }
}
