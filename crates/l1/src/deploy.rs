//! Puts the contracts of a new installation on Ethereum.

use std::time::Duration;

use alloy::network::TxSigner;
use alloy::primitives::{Address, B256, Bytes, Signature, U256};
use alloy::sol_types::{SolCall as _, SolConstructor as _};

use crate::bindings::{
    ERC1967Proxy, IRollup, IVerifierRouter, Rollup, TimelockController, VerifierRouter,
};
use crate::client::{EthClient, Inclusion};
use crate::error::L1Error;
use crate::image::{ImageError, VerifierImage};
use crate::send::{Progress, SendError, SendLimits, Sender, Step};

/// Most verifiers that a new installation begins with.
const MAX_VERIFIERS: usize = 8;

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
    /// Images of the verifiers of versions 1, 2 and so on. Without any, batches are committed only,
    /// until a verifier was added through the timelock.
    pub verifiers: Vec<VerifierImage>,
    /// Most that one unit of gas may cost, in wei.
    pub max_fee_per_gas_wei: u128,
    /// How long to wait for each transaction to be included.
    pub inclusion_timeout: Duration,
}

impl DeployPlan {
    /// Transactions that it takes.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        // Timelock, router, the Rollup's code and the Rollup.
        let verifiers = self.verifiers.iter().map(VerifierImage::transactions);
        verifiers.sum::<u64>().saturating_add(4)
    }
}

/// A verifier that was deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeployedVerifier {
    /// Its version in the router, present or proposed.
    pub version: u32,
    /// The contract.
    pub address: Address,
    /// Hash of its image.
    pub image_hash: B256,
    /// Hash of its code, which the router is given.
    pub code_hash: B256,
}

/// Where the contracts of an installation are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The Rollup: the address to configure everywhere.
    pub rollup: Address,
    /// The code behind the Rollup.
    pub rollup_implementation: Address,
    /// The router of the verifiers.
    pub router: Address,
    /// Holder of the admin role of both.
    pub timelock: Address,
    /// The verifiers that the router begins with.
    pub verifiers: Vec<DeployedVerifier>,
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
    /// A verifier's image cannot be deployed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The node gives no usable answer.
    #[error(transparent)]
    Node(#[from] L1Error),
    /// A transaction failed.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Deploys timelock, verifiers, router and Rollup (behind its proxy) and answers when all are
/// included. `progress` is told of each transaction.
///
/// # Errors
/// [`DeployError`]; nothing that was deployed is of use then.
pub async fn deploy<S>(
    client: &EthClient,
    signer: &S,
    plan: &DeployPlan,
    progress: Progress<'_>,
) -> Result<Deployment, DeployError>
where
    S: TxSigner<Signature> + Sync + ?Sized,
{
    check(plan)?;
    let limits = SendLimits {
        max_fee_per_gas_wei: plan.max_fee_per_gas_wei,
        inclusion_timeout: plan.inclusion_timeout,
    };
    let mut transactions = Vec::new();
    let mut record = |step: &Step| {
        transactions.push(step.inclusion);
        progress(step);
    };
    let mut sender = Sender::open(client, signer, limits, &mut record).await?;
    let timelock = TimelockController::constructorCall {
        minDelay: U256::from(plan.timelock_delay_s),
        proposers: plan.governors.clone(),
        executors: plan.governors.clone(),
        admin: Address::ZERO,
    };
    let code = joined(&TimelockController::BYTECODE, &timelock.abi_encode());
    let timelock = sender.create("deploying the timelock", code).await?;
    let (router, verifiers) = deploy_router(&mut sender, plan, timelock).await?;
    let (rollup, rollup_implementation) =
        deploy_rollup(&mut sender, plan, timelock, router).await?;
    Ok(Deployment {
        rollup,
        rollup_implementation,
        router,
        timelock,
        verifiers,
        transactions,
    })
}

/// Deploys the verifiers, each for the router that will follow them, and the router, which is made
/// with them: so they need not wait for the timelock.
async fn deploy_router<S>(
    sender: &mut Sender<'_, S>,
    plan: &DeployPlan,
    timelock: Address,
) -> Result<(Address, Vec<DeployedVerifier>), DeployError>
where
    S: TxSigner<Signature> + Sync + ?Sized,
{
    let before = plan.verifiers.iter().map(VerifierImage::transactions).sum();
    let router = sender.address_after(before);
    let mut verifiers = Vec::new();
    for (image, version) in plan.verifiers.iter().zip(1..) {
        verifiers.push(deploy_verifier(sender, image, router, version).await?);
    }
    // The router compares each hash, which was computed here, with the code that is there.
    let pinned = verifiers.iter().map(|verifier| IVerifierRouter::Pinned {
        verifier: verifier.address,
        codeHash: verifier.code_hash,
    });
    let arguments = VerifierRouter::constructorCall {
        admin: timelock,
        guardian: plan.guardian,
        verifiers: pinned.collect(),
    };
    let code = joined(&VerifierRouter::BYTECODE, &arguments.abi_encode());
    let router = sender.create("deploying the router", code).await?;
    Ok((router, verifiers))
}

/// Deploys an image's data contracts and the verifier over them, for a router.
pub(crate) async fn deploy_verifier<S>(
    sender: &mut Sender<'_, S>,
    image: &VerifierImage,
    router: Address,
    version: u32,
) -> Result<DeployedVerifier, DeployError>
where
    S: TxSigner<Signature> + Sync + ?Sized,
{
    let code_hash = image.code_hash(router)?;
    let creations = image.part_creations();
    let count = creations.len();
    let named = (1..).zip(creations).map(|(number, creation)| {
        let what = format!("deploying part {number} of {count} of verifier {version}'s image");
        (what, creation)
    });
    let parts = sender.create_all(named.collect()).await?;
    // Its constructor hashes the parts again.
    let creation = image.verifier_creation(router, parts);
    let what = format!("deploying verifier {version}");
    let address = sender.create(&what, creation).await?;
    Ok(DeployedVerifier {
        version,
        address,
        image_hash: image.hash(),
        code_hash,
    })
}

/// Deploys the Rollup and its code.
async fn deploy_rollup<S>(
    sender: &mut Sender<'_, S>,
    plan: &DeployPlan,
    timelock: Address,
    router: Address,
) -> Result<(Address, Address), SendError>
where
    S: TxSigner<Signature> + Sync + ?Sized,
{
    let implementation = sender
        .create("deploying the Rollup's code", Rollup::BYTECODE.clone())
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
    let arguments = ERC1967Proxy::constructorCall {
        implementation,
        _data: setup.abi_encode().into(),
    };
    let code = joined(&ERC1967Proxy::BYTECODE, &arguments.abi_encode());
    let rollup = sender.create("deploying the Rollup", code).await?;
    Ok((rollup, implementation))
}

fn joined(code: &Bytes, arguments: &[u8]) -> Bytes {
    [code.as_ref(), arguments].concat().into()
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
    if plan.verifiers.len() > MAX_VERIFIERS {
        return bad("an installation begins with 8 verifiers at most");
    }
    Ok(())
}
