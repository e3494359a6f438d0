//! Who asks: from a token's or a session's claims to a principal with roles, desks and wallets.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use cloister_authz::{Desk, NameError, Principal, Role};

use crate::config::OidcSection;

/// Most groups of one person that are looked at; more are a sign of a broken provider.
pub const MAX_GROUPS: usize = 1_000;

/// Which group gives which role and desk; anything else is ignored.
#[derive(Debug, Clone, Default)]
pub struct ClaimMap {
    roles: BTreeMap<String, BTreeSet<Role>>,
    desks: BTreeMap<String, BTreeSet<Desk>>,
}

impl ClaimMap {
    /// Reads the configured mapping.
    ///
    /// # Errors
    /// A role or desk that is none.
    pub fn new(section: &OidcSection) -> Result<Self, NameError> {
        let mut map = Self::default();
        for mapping in &section.role {
            map.roles
                .entry(mapping.claim.clone())
                .or_default()
                .insert(mapping.role.parse()?);
        }
        for mapping in &section.desk {
            let desk = Desk::new(mapping.desk.clone())?;
            map.desks
                .entry(mapping.claim.clone())
                .or_default()
                .insert(desk);
        }
        Ok(map)
    }

    /// The principal that `claims` describe.
    #[must_use]
    pub fn principal(
        &self,
        issuer: &str,
        subject: &str,
        claims: &[String],
        wallets: BTreeSet<Address>,
    ) -> Principal {
        let claims = || claims.iter().take(MAX_GROUPS);
        Principal {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            roles: claims()
                .filter_map(|claim| self.roles.get(claim))
                .flatten()
                .copied()
                .collect(),
            desks: claims()
                .filter_map(|claim| self.desks.get(claim))
                .flatten()
                .cloned()
                .collect(),
            wallets,
        }
    }
}

/// Who asks, and by what right we believe it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The principal; anonymous without a token.
    pub principal: Principal,
    /// Names the session or token in the ledger: never the secret itself.
    pub session: String,
}

impl Caller {
    /// Somebody without a valid token.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            principal: Principal::anonymous(),
            session: "-".to_owned(),
        }
    }

    /// How the ledger names the principal; `-` for nobody.
    #[must_use]
    pub fn ledger_name(&self) -> String {
        if self.principal.is_anonymous() {
            "-".to_owned()
        } else {
            self.principal.id()
        }
    }

    /// In whose name a call without `from` runs: the first linked wallet.
    #[must_use]
    pub fn first_wallet(&self) -> Option<Address> {
        self.principal.wallets.first().copied()
    }

    /// The desk that will own what the principal deploys: the first in alphabetical order.
    #[must_use]
    pub fn first_desk(&self) -> Option<&Desk> {
        self.principal.desks.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DeskMapping, RoleMapping};

    fn map() -> ClaimMap {
        let role = |claim: &str, role: &str| RoleMapping {
            claim: claim.to_owned(),
            role: role.to_owned(),
        };
        let desk = |claim: &str, desk: &str| DeskMapping {
            claim: claim.to_owned(),
            desk: desk.to_owned(),
        };
        ClaimMap::new(&OidcSection {
            issuer: "https://id.example".to_owned(),
            audience: "urn:x".to_owned(),
            client_id: "gateway".to_owned(),
            client_secret_file: cloister_settings::SecretFile("/s".into()),
            ca_file: None,
            roles_claim: "groups".to_owned(),
            role: vec![role("traders", "trader"), role("ops", "operator")],
            desk: vec![desk("desk-rates", "rates"), desk("desk-fx", "fx")],
            scopes: Vec::new(),
        })
        .unwrap()
    }

    fn of(claims: &[&str]) -> Principal {
        let claims: Vec<_> = claims.iter().map(|claim| (*claim).to_owned()).collect();
        map().principal("https://id.example", "alice", &claims, BTreeSet::new())
    }

    #[test]
    fn only_configured_claims_give_anything() {
        let principal = of(&["traders", "desk-rates", "trader", "rates", "OPS"]);
        assert_eq!(principal.roles, BTreeSet::from([Role::Trader]));
        assert_eq!(
            principal.desks,
            BTreeSet::from([Desk::new("rates").unwrap()])
        );
        assert_eq!(of(&[]).roles, BTreeSet::new());
    }

    #[test]
    fn groups_beyond_the_limit_are_ignored() {
        let mut claims = vec!["x"; MAX_GROUPS];
        claims.push("ops");
        assert!(of(&claims).roles.is_empty());
    }

    #[test]
    fn nobody_has_a_dash_in_the_ledger() {
        assert_eq!(Caller::anonymous().ledger_name(), "-");
        let caller = Caller {
            principal: of(&[]),
            session: String::new(),
        };
        assert_eq!(caller.ledger_name(), "https://id.example|alice");
    }
}
