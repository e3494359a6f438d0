//! One request on its way: who asks, what for, and the row that must be durable before the answer.
//!
//! Every request ends with at least one row in the audit ledger, written before its answer leaves;
//! while the ledger is away nothing is answered (SGW-5).

use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::B256;
use cloister_audit::{Outcome, Row};
use cloister_authz::request::{MethodGroup, UseMethod};
use cloister_authz::{Ask, Authorized, Decision};

use super::App;
use super::identity::Caller;
use crate::method::Method;
use crate::rpc::RpcError;

/// The rule in rows of requests that the method table itself refuses.
const NO_RULE: &str = "method-table";

/// One request.
#[derive(Debug)]
pub struct Op<'a> {
    /// The application.
    pub app: &'a App,
    /// Who asks.
    pub caller: &'a Caller,
    /// What is called, as the ledger names it.
    pub name: &'a str,
    request_hash: B256,
    recorded: AtomicBool,
}

impl<'a> Op<'a> {
    /// A request of `caller`; `request_hash` is SHA-256 of what was asked.
    #[must_use]
    pub fn new(app: &'a App, caller: &'a Caller, name: &'a str, request_hash: B256) -> Self {
        Self {
            app,
            caller,
            name,
            request_hash,
            recorded: AtomicBool::new(false),
        }
    }

    /// Whether a row was written.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Whether policy lets the caller use a method at all.
    ///
    /// # Errors
    /// The denial, recorded.
    pub async fn may_use(&self, method: Method) -> Result<Authorized<UseMethod>, RpcError> {
        let group = group(method);
        let ask = UseMethod {
            method: self.name.to_owned(),
            group,
        };
        match self.app.engine.authorize(&self.caller.principal, ask) {
            Ok(allowed) => Ok(allowed),
            Err(denied) => {
                let resource = format!("method:{}", self.name);
                self.record(&denied.decision, &resource, Outcome::Denied)
                    .await?;
                Err(RpcError::denied(&format!("rpc:{}", group.as_str())))
            }
        }
    }

    /// Decides, records the decision, and hands out the permission or the caller's error.
    ///
    /// # Errors
    /// The denial, which names the action and nothing of the object (SGW-2), or that the ledger is
    /// away.
    pub async fn authorize<R: Ask>(&self, ask: R) -> Result<Authorized<R>, RpcError> {
        let resource = ask.resource_text();
        self.authorize_about(ask, &resource).await
    }

    /// Decides as [`Op::authorize`] does; the row names `resource`, where the policy's own is less
    /// than what is to be remembered.
    ///
    /// # Errors
    /// As [`Op::authorize`].
    pub async fn authorize_about<R: Ask>(
        &self,
        ask: R,
        resource: &str,
    ) -> Result<Authorized<R>, RpcError> {
        match self.app.engine.authorize(&self.caller.principal, ask) {
            Ok(allowed) => {
                self.record(allowed.decision(), resource, Outcome::Allowed)
                    .await?;
                Ok(allowed)
            }
            Err(denied) => {
                self.record(&denied.decision, resource, Outcome::Denied)
                    .await?;
                Err(RpcError::denied(denied.decision.action().as_str()))
            }
        }
    }

    /// Decides whether the truth is shown instead of the answer of an empty account; recorded
    /// either way.
    ///
    /// # Errors
    /// The ledger is away.
    pub async fn sees<R: Ask>(&self, ask: R) -> Result<Option<Authorized<R>>, RpcError> {
        match self.authorize(ask).await {
            Ok(allowed) => Ok(Some(allowed)),
            Err(error) if error.code() == crate::rpc::Code::Denied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a decision's row.
    ///
    /// # Errors
    /// The ledger is away: the request must fail.
    pub async fn record(
        &self,
        decision: &Decision,
        resource: &str,
        outcome: Outcome,
    ) -> Result<(), RpcError> {
        for error in decision.errors() {
            tracing::error!(error, method = self.name, "a policy could not be evaluated");
        }
        self.record_rule(&decision.rule_text(), resource, outcome)
            .await
    }

    /// Writes a row for a decision that the method table made.
    ///
    /// # Errors
    /// The ledger is away.
    pub async fn record_table(&self, outcome: Outcome) -> Result<(), RpcError> {
        self.record_rule(NO_RULE, &format!("method:{}", self.name), outcome)
            .await
    }

    /// Writes a row that names its rules.
    ///
    /// # Errors
    /// The ledger is away.
    pub async fn record_rule(
        &self,
        rule: &str,
        resource: &str,
        outcome: Outcome,
    ) -> Result<(), RpcError> {
        let row = Row {
            time: self.app.clock.now(),
            principal: self.caller.ledger_name(),
            session: self.caller.session.clone(),
            method: self.name.to_owned(),
            resource: resource.to_owned(),
            rule: rule.to_owned(),
            policy_version: self.app.engine.policy_root(),
            request_hash: self.request_hash,
            outcome,
        };
        self.app.ledger.append(row).await.map_err(|error| {
            tracing::error!(%error, "the audit ledger does not take a row");
            RpcError::unavailable("audit ledger")
        })?;
        self.recorded.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The policy group of a method.
#[must_use]
pub fn group(method: Method) -> MethodGroup {
    match method {
        Method::EthChainId | Method::NetVersion | Method::Web3ClientVersion => MethodGroup::Public,
        Method::EthBlockNumber
        | Method::EthGasPrice
        | Method::EthMaxPriorityFeePerGas
        | Method::EthFeeHistory
        | Method::EthBlobBaseFee
        | Method::EthSyncing => MethodGroup::Chain,
        Method::EthGetBalance
        | Method::EthGetTransactionCount
        | Method::EthGetCode
        | Method::EthGetStorageAt => MethodGroup::Account,
        Method::EthCall | Method::EthEstimateGas | Method::EthCreateAccessList => {
            MethodGroup::Execute
        }
        Method::EthSendRawTransaction
        | Method::EthSendRawTransactionSync
        | Method::EthSendTransaction
        | Method::EthAccounts
        | Method::EthSign
        | Method::Personal => MethodGroup::Send,
        Method::EthGetTransactionByHash
        | Method::EthGetTransactionReceipt
        | Method::EthGetRawTransactionByHash
        | Method::EthGetTransactionByBlockHashAndIndex
        | Method::EthGetTransactionByBlockNumberAndIndex
        | Method::EthGetRawTransactionByBlockHashAndIndex
        | Method::EthGetRawTransactionByBlockNumberAndIndex
        | Method::EthGetBlockByNumber
        | Method::EthGetBlockByHash
        | Method::EthGetHeaderByNumber
        | Method::EthGetHeaderByHash
        | Method::EthGetBlockReceipts
        | Method::EthGetBlockTransactionCountByNumber
        | Method::EthGetBlockTransactionCountByHash
        | Method::EthGetLogs
        | Method::EthNewFilter
        | Method::EthNewBlockFilter
        | Method::EthNewPendingTransactionFilter
        | Method::EthGetFilterChanges
        | Method::EthGetFilterLogs
        | Method::EthUninstallFilter
        | Method::EthSubscribe
        | Method::EthUnsubscribe => MethodGroup::History,
        Method::DebugTraceTransaction
        | Method::DebugTraceCall
        | Method::EthSimulateV1
        | Method::Admin
        | Method::Miner
        | Method::Txpool
        | Method::Engine => MethodGroup::Trace,
        Method::EthGetProof | Method::CloisterGetStateProof => MethodGroup::Proof,
        Method::CloisterGetBatch
        | Method::CloisterGetBatchByTransaction
        | Method::CloisterGetFinality
        | Method::CloisterSealBatch
        | Method::CloisterListProofJobs
        | Method::CloisterGetProofJob
        | Method::CloisterRetryProofJob
        | Method::CloisterDiscardProofJob
        | Method::CloisterGetProof => MethodGroup::Lifecycle,
        Method::CloisterWhoami
        | Method::CloisterExplain
        | Method::CloisterRegisterContract
        | Method::CloisterGetContract
        | Method::CloisterRevokeSessions => MethodGroup::Own,
    }
}
