//! `POST /v1/packages`: an auditor takes a package under a grant.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use cloister_types::{Address, B256, Field};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::Api;
use crate::api::auth::Body;
use crate::api::error::ApiError;
use crate::app::Caller;
use crate::app::packages::{Order, Subject};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderBody {
    grant: Uuid,
    claim: ClaimBody,
    #[serde(default)]
    batch: Option<u64>,
    #[serde(default)]
    allow_uncommitted: bool,
}

/// What is to be shown.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum ClaimBody {
    AccountState {
        address: Address,
    },
    StorageSlot {
        contract: Address,
        slot: B256,
    },
    TokenBalance {
        token: Address,
        holder: Address,
    },
    Transaction {
        hash: B256,
        #[serde(default)]
        withhold: BTreeSet<WithheldField>,
    },
}

/// Fields that can be withheld; the transaction's identity cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WithheldField {
    Sender,
    Target,
    Value,
    Input,
    Outcome,
    Logs,
}

impl From<WithheldField> for Field {
    fn from(field: WithheldField) -> Self {
        match field {
            WithheldField::Sender => Self::Sender,
            WithheldField::Target => Self::Target,
            WithheldField::Value => Self::Value,
            WithheldField::Input => Self::Input,
            WithheldField::Outcome => Self::Outcome,
            WithheldField::Logs => Self::Logs,
        }
    }
}

impl OrderBody {
    fn order(self, request: B256) -> Order {
        let subject = match self.claim {
            ClaimBody::AccountState { address } => Subject::Account(address),
            ClaimBody::StorageSlot { contract, slot } => Subject::Slot { contract, slot },
            ClaimBody::TokenBalance { token, holder } => Subject::TokenBalance { token, holder },
            ClaimBody::Transaction { hash, withhold } => {
                let withhold = withhold.into_iter().map(Field::from).collect();
                Subject::Transaction { hash, withhold }
            }
        };
        let Self {
            grant,
            batch,
            allow_uncommitted,
            ..
        } = self;
        Order {
            grant,
            subject,
            batch,
            allow_uncommitted,
            request,
        }
    }
}

pub(crate) async fn handle(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: Body<OrderBody>,
) -> Result<impl IntoResponse, ApiError> {
    let order = body.content.order(body.hash);
    let delivered = api.app.make_package(&caller, order).await?;
    let name = format!("attachment; filename=\"{}.cloister.json\"", delivered.id);
    let headers = [
        (CONTENT_TYPE, "application/jose+json".to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, delivered.file))
}
