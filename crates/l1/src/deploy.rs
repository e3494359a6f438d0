//! Puts the contracts of a new installation on Ethereum.

use std::time::Duration;

use alloy::consensus::{SignableTransaction as _, TxEip1559};
use alloy::eips::eip2718::Encodable2718 as _;
use alloy::network::TxSigner;
use alloy::primitives::{Address, B256, Bytes, Signature, TxKind};
use alloy::sol_types::{SolCall as _, SolConstructor as _};

use crate::bindings::{ERC1967Proxy, IRollup, Rollup, TimelockController, VerifierRouter};
use crate::client::{EthClient, Inclusion, MAX_TRANSACTION_GAS};
use crate::error::L1Error;

/// What to deploy and who holds which role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployPlan {
    /// Id of the private chain.
    pub chain_id: u64,
    /// State root of batch 0, from the sequencer.
    pub genesis_state_root: B256,
    /// Hash of batch 0, from the sequencer.
    pub genesis_batch_hash: B256,
    /// May commit batches.
    pub committer: Address,
    /// May pause, and take back batches that are not proved.
    pub guardian: Address,
    /// May propose and carry out changes through the timelock: grant roles, upgrade, add verifiers.
    pub governors: Vec<Address>,
    /// Seconds between the proposal of a change and its effect.
    pub timelock_delay_s: u64,
    /// Ethereum blocks between a proof and finality.
    pub finality_blocks: u32,
    /// Most that one unit of gas may cost, in wei.
    pub max_fee_per_gas_wei: u128,
    /// How long to wait for each transaction to be included.
    pub inclusion_timeout: Duration,
}

/// Where the contracts of an installation are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The Rollup: the address to configure everywhere.
    pub rollup: Address,
    /// The code behind the Rollup.
    pub rollup_implementation: Address,
    /// The verifiers.
    pub router: Address,
    /// Holder of the admin role of both.
    pub timelock: Address,
    /// The deploying transactions in order.
    pub transactions: Vec<Inclusion>,
}

/// A deployment that did not come to its end. What was deployed before stays unused on Ethereum;
/// deploying again starts afresh.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The plan makes no sense.
    #[error("the deployment cannot be planned so: {reason}")]
    BadPlan {
        /// Why.
        reason: &'static str,
    },
    /// The node gives no usable answer.
    #[error(transparent)]
    Node(#[from] L1Error),
    /// The signer refuses.
    #[error("the deploying key could not sign")]
    Signer(#[source] alloy::signers::Error),
    /// Gas is dearer than the plan allows.
    #[error(
        "gas costs {needed_wei} wei now, more than the limit of {limit_wei} wei: wait or raise the limit"
    )]
    TooDear {
        /// What it would take.
        needed_wei: u128,
        /// What the plan allows.
        limit_wei: u128,
    },
    /// A transaction was included and reverted.
    #[error("deploying {contract} reverted in transaction `{transaction}`")]
    Reverted {
        /// The contract.
        contract: &'static str,
        /// The transaction.
        transaction: B256,
    },
    /// A transaction was not included in time.
    #[error("transaction `{transaction}` that deploys {contract} was not included in time")]
    NotIncluded {
        /// The contract.
        contract: &'static str,
        /// The transaction.
        transaction: B256,
    },
}

/// Deploys timelock, router and Rollup (behind its proxy) and answers when all are included.
///
/// # Errors
/// [`DeployError`]; nothing that was deployed is of use then.
pub async fn deploy<S>(
    client: &EthClient,
    signer: &S,
    plan: &DeployPlan,
) -> Result<Deployment, DeployError>
where
    S: TxSigner<Signature> + Sync + ?Sized,
{
    check(plan)?;
    let mut deployer = Deployer {
        client,
        signer,
        plan,
        chain_id: client.chain_id().await?,
        nonce: client.nonce(signer.address()).await?,
        transactions: Vec::new(),
    };
    let timelock = TimelockController::constructorCall {
        minDelay: alloy::primitives::U256::from(plan.timelock_delay_s),
        proposers: plan.governors.clone(),
        executors: plan.governors.clone(),
        admin: Address::ZERO,
    };
    let timelock = deployer
        .create(
            "the timelock",
            &TimelockController::BYTECODE,
            timelock.abi_encode(),
        )
        .await?;
    let router = VerifierRouter::constructorCall {
        admin: timelock,
        guardian: plan.guardian,
    };
    let router = deployer
        .create("the router", &VerifierRouter::BYTECODE, router.abi_encode())
        .await?;
    let rollup_implementation = deployer
        .create("the Rollup's code", &Rollup::BYTECODE, Vec::new())
        .await?;
    let setup = Rollup::initializeCall {
        setup: IRollup::Setup {
            chainId: plan.chain_id,
            genesisStateRoot: plan.genesis_state_root,
            genesisBatchHash: plan.genesis_batch_hash,
            router,
            admin: timelock,
            guardian: plan.guardian,
            committer: plan.committer,
            finalityBlocks: plan.finality_blocks,
        },
    };
    let proxy = ERC1967Proxy::constructorCall {
        implementation: rollup_implementation,
        _data: setup.abi_encode().into(),
    };
    let rollup = deployer
        .create("the Rollup", &ERC1967Proxy::BYTECODE, proxy.abi_encode())
        .await?;
    Ok(Deployment {
        rollup,
        rollup_implementation,
        router,
        timelock,
        transactions: deployer.transactions,
    })
}

fn check(plan: &DeployPlan) -> Result<(), DeployError> {
    let bad = |reason| Err(DeployError::BadPlan { reason });
    if plan.chain_id == 0 {
        return bad("the chain id is zero");
    }
    if plan.genesis_state_root.is_zero() || plan.genesis_batch_hash.is_zero() {
        return bad("the genesis root or hash is zero: take both from the sequencer");
    }
    if plan.committer.is_zero() || plan.guardian.is_zero() {
        return bad("the committer or the guardian is the zero address");
    }
    if plan.governors.is_empty() || plan.governors.contains(&Address::ZERO) {
        return bad("name at least one governor, and not the zero address");
    }
    Ok(())
}

struct Deployer<'a, S: ?Sized> {
    client: &'a EthClient,
    signer: &'a S,
    plan: &'a DeployPlan,
    chain_id: u64,
    nonce: u64,
    transactions: Vec<Inclusion>,
}

impl<S> Deployer<'_, S>
where
    S: TxSigner<Signature> + Sync + ?Sized,
{
    async fn create(
        &mut self,
        contract: &'static str,
        code: &Bytes,
        arguments: Vec<u8>,
    ) -> Result<Address, DeployError> {
        let head = self.client.head().await?;
        let tip = self.client.priority_fee_wei().await?;
        let limit_wei = self.plan.max_fee_per_gas_wei;
        let needed_wei = head.base_fee_wei.saturating_add(tip);
        if needed_wei > limit_wei {
            return Err(DeployError::TooDear {
                needed_wei,
                limit_wei,
            });
        }
        let input: Bytes = [code.as_ref(), &arguments].concat().into();
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit(&input).await?,
            max_fee_per_gas: head
                .base_fee_wei
                .saturating_mul(2)
                .saturating_add(tip)
                .min(limit_wei),
            max_priority_fee_per_gas: tip,
            to: TxKind::Create,
            input,
            ..TxEip1559::default()
        };
        let signature = self.signer.sign_transaction(&mut transaction).await;
        let signature = signature.map_err(DeployError::Signer)?;
        let signed = transaction.into_signed(signature);
        let hash = self.client.send_raw(&signed.encoded_2718()).await?;
        let address = self.signer.address().create(self.nonce);
        let inclusion = self.wait(contract, hash).await?;
        if !inclusion.succeeded {
            return Err(DeployError::Reverted {
                contract,
                transaction: hash,
            });
        }
        self.transactions.push(inclusion);
        self.nonce = self.nonce.saturating_add(1);
        Ok(address)
    }

    /// The node's estimate and a quarter more, within what one transaction may have.
    async fn gas_limit(&self, input: &Bytes) -> Result<u64, DeployError> {
        let from = self.signer.address();
        let estimate = self.client.estimate_creation(from, input.clone()).await?;
        Ok(estimate
            .saturating_add(estimate / 4)
            .min(MAX_TRANSACTION_GAS))
    }

    async fn wait(
        &self,
        contract: &'static str,
        transaction: B256,
    ) -> Result<Inclusion, DeployError> {
        const POLL: Duration = Duration::from_millis(100);
        let deadline = tokio::time::Instant::now() + self.plan.inclusion_timeout;
        loop {
            if let Some(inclusion) = self.client.inclusion(transaction).await? {
                return Ok(inclusion);
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(DeployError::NotIncluded {
                    contract,
                    transaction,
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
