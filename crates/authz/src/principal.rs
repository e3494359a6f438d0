//! Who acts.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a principal is in the institution. A role is a claim of the identity provider, mapped by
/// configuration; it is never stored here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Deploys and uses the contracts of its own desk.
    Trader,
    /// Runs the installation and sees no one's data.
    Operator,
    /// Sees everything and grants disclosure.
    Compliance,
    /// Obtains packages under a grant.
    Auditor,
    /// As a trader, without the trader's limits.
    Developer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Trader,
        Self::Operator,
        Self::Compliance,
        Self::Auditor,
        Self::Developer,
    ];

    /// The name in policies and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trader => "trader",
            Self::Operator => "operator",
            Self::Compliance => "compliance",
            Self::Auditor => "auditor",
            Self::Developer => "developer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Not a role.
    #[error("`{got}` is not a role; use trader, operator, compliance, auditor or developer")]
    Role {
        /// The name received.
        got: String,
    },
    /// Not a desk name.
    #[error("`{got}` is not a desk name; use 1 to 64 of a-z, 0-9, `-` and `_`")]
    Desk {
        /// The name received.
        got: String,
    },
}

impl FromStr for Role {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| NameError::Role {
                got: name.to_owned(),
            })
    }
}

/// A desk: the part of the institution that owns contracts and works apart from other desks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Desk(String);

impl Desk {
    /// Checks and wraps a name: 1 to 64 of `a-z`, `0-9`, `-` and `_`.
    ///
    /// # Errors
    /// When the name is anything else.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
            return Err(NameError::Desk { got: name });
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Desk {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<Desk> for String {
    fn from(desk: Desk) -> Self {
        desk.0
    }
}

/// A person or a machine, with what an authenticated token and the wallet table say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The identity provider that vouches for it.
    pub issuer: String,
    /// The provider's stable name for it.
    pub subject: String,
    /// Roles by the configured mapping.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// Desks by the configured mapping.
    #[serde(default)]
    pub desks: BTreeSet<Desk>,
    /// Addresses whose owner has signed for this principal.
    #[serde(default)]
    pub wallets: BTreeSet<Address>,
}

impl Principal {
    /// Somebody without a token: no role, no desk, no wallet.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Whether nobody vouches for it.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.issuer.is_empty() && self.subject.is_empty()
    }

    /// A name that is unique over all issuers, as the audit ledger and the database know it.
    #[must_use]
    pub fn id(&self) -> String {
        if self.is_anonymous() {
            return "anonymous".to_owned();
        }
        format!("{}|{}", self.issuer, self.subject)
    }

    /// Whether it holds a role.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
