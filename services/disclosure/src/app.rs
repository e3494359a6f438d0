//! Use cases: who may make grants, and what a grant gives.

pub(crate) mod audit;
pub(crate) mod chain;
pub(crate) mod error;
pub(crate) mod grant;
pub(crate) mod grants;
pub(crate) mod packages;
pub(crate) mod scope;

use std::sync::Arc;

use cloister_authz::{Engine, Principal};
use cloister_disclosure::SigningKey;
use cloister_disclosure::manifest::Anchor;
use cloister_types::Clock;

use crate::config::LimitsSection;
use crate::store::Grants;
use audit::Recorder;
use chain::Chain;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// By the access token.
    pub(crate) principal: Principal,
    /// Name of the token's session, for the audit ledger.
    pub(crate) session: String,
}

/// Everything that the use cases need.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) grants: Grants,
    pub(crate) chain: Arc<dyn Chain>,
    pub(crate) engine: Engine,
    pub(crate) audit: Recorder,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) key: SigningKey,
    pub(crate) anchor: Anchor,
    pub(crate) limits: LimitsSection,
}

impl App {
    /// Now, UNIX seconds.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().seconds()
    }
}
