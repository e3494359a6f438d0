//! From a request to its answer, by the method table.

use std::time::Instant;

use alloy_primitives::B256;
use cloister_audit::Outcome;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::App;
use super::identity::Caller;
use super::methods::history::By::{Hash, Number};
use super::methods::history::Form::{Object, Raw, Receipt};
use super::methods::{
    Answer, accounts, batches, chain, contracts, execute, history, logs, own, proofs, send,
    sessions,
};
use super::op::Op;
use crate::method::{Exposure, Method};
use crate::metrics;
use crate::rpc::params::Params;
use crate::rpc::{Code, Request, Response, RpcError};

impl App {
    /// Answers one request; `None` for a notification. The answer leaves only after a row about it
    /// is durable (SGW-5).
    pub async fn answer(&self, caller: &Caller, request: Request) -> Option<Response> {
        let started = Instant::now();
        let Request {
            id,
            method: name,
            params,
        } = request;
        let method = Method::parse(&name);
        let op = Op::new(self, caller, &name, request_hash(&name, params.as_deref()));
        let outcome = self.decided(&op, method, params.as_deref()).await;
        metrics::request(
            method,
            outcome.as_ref().err().map(RpcError::code),
            started.elapsed(),
        );
        id.map(|id| Response::new(Some(id), outcome))
    }

    async fn decided(&self, op: &Op<'_>, method: Option<Method>, raw: Option<&RawValue>) -> Answer {
        let Some(method) = method else {
            op.record_table(Outcome::Denied).await?;
            return Err(RpcError::new(
                Code::MethodNotFound,
                format!("the method `{}` does not exist", clipped(op.name)),
            ));
        };
        if let Some(refusal) = refusal(method) {
            op.record_table(Outcome::Denied).await?;
            return Err(refusal);
        }
        let allowed = op.may_use(method).await?;
        let answer = match Params::parse(raw) {
            Ok(params) => serve(op, method, &params).await,
            Err(error) => Err(error),
        };
        if !op.is_recorded() {
            // Nothing further was decided: use of the method is the decision.
            let outcome = outcome(&answer);
            op.record(
                allowed.decision(),
                &format!("method:{}", method.name()),
                outcome,
            )
            .await?;
        }
        answer
    }
}

/// How an answer without a decision of its own counts in the ledger.
fn outcome(answer: &Answer) -> Outcome {
    match answer.as_ref().map_err(RpcError::code) {
        Ok(_) => Outcome::Allowed,
        Err(Code::Denied | Code::WalletNotLinked | Code::SignerNotLinked | Code::NoWallet) => {
            Outcome::Denied
        }
        Err(_) => Outcome::Failed,
    }
}

/// Why a method of the table is not served; the same for everybody.
fn refusal(method: Method) -> Option<RpcError> {
    let why = match method.exposure() {
        Exposure::Later => "is not served yet",
        Exposure::Refused => match method {
            Method::EthGetProof | Method::EthGetStorageAt => {
                "is not served: ask for `cloister_getStateProof` of your own account"
            }
            _ => "is refused: this chain keeps no keys and has no such interface",
        },
        Exposure::Public
        | Exposure::Principal
        | Exposure::OwnOrEmpty
        | Exposure::Call
        | Exposure::Send
        | Exposure::Filtered
        | Exposure::Policy => return None,
    };
    let error = RpcError::new(Code::MethodRefused, format!("`{}` {why}", method.name()));
    Some(error.field("method", method.name()))
}

/// The pattern of the methods that [`refusal`] answers.
macro_rules! not_served {
    () => {
        Method::EthCreateAccessList
            | Method::EthNewFilter
            | Method::EthNewBlockFilter
            | Method::EthNewPendingTransactionFilter
            | Method::EthGetFilterChanges
            | Method::EthGetFilterLogs
            | Method::EthUninstallFilter
            | Method::EthSubscribe
            | Method::EthUnsubscribe
            | Method::EthGetStorageAt
            | Method::EthGetProof
            | Method::DebugTraceTransaction
            | Method::DebugTraceCall
            | Method::EthSimulateV1
            | Method::EthAccounts
            | Method::EthSign
            | Method::EthSendTransaction
            | Method::Personal
            | Method::Admin
            | Method::Miner
            | Method::Txpool
            | Method::Engine
    };
}

/// The one place where a method meets its function; it names every method.
async fn serve(op: &Op<'_>, method: Method, params: &Params<'_>) -> Answer {
    use Method as M;
    match method {
        M::EthChainId => chain::chain_id(op),
        M::NetVersion => chain::net_version(op),
        M::Web3ClientVersion => chain::client_version(),
        M::EthBlockNumber => chain::block_number(op).await,
        M::EthGasPrice => chain::gas_price(op).await,
        M::EthMaxPriorityFeePerGas => chain::max_priority_fee(),
        M::EthFeeHistory => chain::fee_history(op, params).await,
        M::EthBlobBaseFee => chain::blob_base_fee(),
        M::EthSyncing => chain::syncing(),
        M::EthGetBalance => accounts::balance(op, params).await,
        M::EthGetTransactionCount => accounts::transaction_count(op, params).await,
        M::EthGetCode => accounts::code(op, params).await,
        M::EthCall => execute::call(op, params).await,
        M::EthEstimateGas => execute::estimate(op, params).await,
        M::EthSendRawTransaction => send::send(op, params).await,
        M::EthSendRawTransactionSync => send::send_sync(op, params).await,
        M::EthGetTransactionByHash => history::by_hash(op, params, Object).await,
        M::EthGetTransactionReceipt => history::by_hash(op, params, Receipt).await,
        M::EthGetRawTransactionByHash => history::by_hash(op, params, Raw).await,
        M::EthGetTransactionByBlockHashAndIndex => history::at(op, params, Hash, Object).await,
        M::EthGetTransactionByBlockNumberAndIndex => history::at(op, params, Number, Object).await,
        M::EthGetRawTransactionByBlockHashAndIndex => history::at(op, params, Hash, Raw).await,
        M::EthGetRawTransactionByBlockNumberAndIndex => history::at(op, params, Number, Raw).await,
        M::EthGetBlockByNumber => history::whole_block(op, params, Number).await,
        M::EthGetBlockByHash => history::whole_block(op, params, Hash).await,
        M::EthGetHeaderByNumber => history::header(op, params, Number).await,
        M::EthGetHeaderByHash => history::header(op, params, Hash).await,
        M::EthGetBlockReceipts => history::receipts(op, params).await,
        M::EthGetBlockTransactionCountByNumber => history::count(op, params, Number).await,
        M::EthGetBlockTransactionCountByHash => history::count(op, params, Hash).await,
        M::EthGetLogs => logs::logs(op, params).await,
        M::CloisterWhoami => own::whoami(op),
        M::CloisterGetBatch => batches::batch(op, params).await,
        M::CloisterGetBatchByTransaction => batches::batch_by_transaction(op, params).await,
        M::CloisterGetFinality => batches::get_finality(op, params).await,
        M::CloisterExplain => own::explain(op, params),
        M::CloisterGetStateProof => batches::state_proof(op, params).await,
        M::CloisterRegisterContract => contracts::register(op, params).await,
        M::CloisterGetContract => contracts::show(op, params).await,
        M::CloisterRevokeSessions => sessions::revoke(op, params).await,
        M::CloisterSealBatch => batches::seal(op).await,
        M::CloisterListProofJobs => proofs::list(op, params).await,
        M::CloisterGetProofJob => proofs::show(op, params).await,
        M::CloisterRetryProofJob => proofs::retry(op, params).await,
        M::CloisterDiscardProofJob => proofs::discard(op, params).await,
        M::CloisterGetProof => proofs::proof(op, params).await,
        not_served!() => Err(refusal(method).unwrap_or_else(RpcError::internal)),
    }
}

/// SHA-256 of the method and its parameters, as they came.
fn request_hash(name: &str, params: Option<&RawValue>) -> B256 {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update([0]);
    hash.update(params.map_or("", RawValue::get).as_bytes());
    B256::from(<[u8; 32]>::from(hash.finalize()))
}

/// A name as it may be repeated to its sender.
fn clipped(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_graphic() && *c != '`')
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_is_refused_alike_for_everybody() {
        for method in Method::ALL {
            let served = !matches!(method.exposure(), Exposure::Later | Exposure::Refused);
            assert_eq!(refusal(*method).is_none(), served, "{}", method.name());
        }
        let error = refusal(Method::EthSendTransaction).unwrap();
        assert_eq!(error.number(), -32004);
        assert_eq!(
            error.data().unwrap(),
            serde_json::json!({"code": "method_refused", "method": "eth_sendTransaction"})
        );
    }

    #[test]
    fn a_request_hash_covers_method_and_parameters() {
        let params = RawValue::from_string("[1]".to_owned()).unwrap();
        let hash = request_hash("a", Some(&params));
        assert_ne!(hash, request_hash("b", Some(&params)));
        assert_ne!(hash, request_hash("a", None));
        assert_eq!(hash, request_hash("a", Some(&params)));
    }
}
