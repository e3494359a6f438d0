//! Adds a verifier to an installation that exists, through the timelock that governs it.
//!
//! ```text
//!  propose: data contracts ─► verifier ─► Timelock.schedule(addVerifier)  … the delay …
//!  execute: the code is looked at again ─► Timelock.execute ─► VerifierRouter.addVerifier
//! ```

use alloy::network::TxSigner;
use alloy::primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use alloy::sol_types::{SolCall, SolValue as _};

use crate::bindings::{TimelockController as contract, VerifierRouter as router};
use crate::client::EthClient;
use crate::deploy::{DeployError, DeployedVerifier, deploy_verifier};
use crate::error::{L1Error, bad_answer};
use crate::image::VerifierImage;
use crate::router::{VerifierRouter, ask, code_hash, image_of};
use crate::send::{Progress, SendError, SendLimits, Sender};

/// Why a verifier was not added.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The timelock is not the router's admin.
    #[error(
        "`{timelock}` does not govern the router `{router}`: take the address of the timelock that `cloister l1 deploy` printed"
    )]
    NotTheTimelock {
        /// The address that was given.
        timelock: Address,
        /// The router.
        router: Address,
    },
    /// The router has a version with this code already.
    #[error("version {version} of the router checks this image already")]
    Present {
        /// The version.
        version: u32,
    },
    /// The contract is none of the verifiers that this program knows.
    #[error(
        "the contract at `{verifier}` has code that this program does not know: add no verifier that you have not checked"
    )]
    UnknownCode {
        /// The contract.
        verifier: Address,
    },
    /// No such change was scheduled.
    #[error(
        "the timelock does not hold the addition of `{verifier}` as version {version}: schedule it by `cloister l1 add-verifier`"
    )]
    NotScheduled {
        /// The contract.
        verifier: Address,
        /// The version that it would get now.
        version: u32,
    },
    /// The delay has not passed.
    #[error("the change can be carried out from UNIX time {ready_at} on, not before")]
    TooEarly {
        /// UNIX seconds.
        ready_at: u64,
    },
    /// The node gives no usable answer.
    #[error(transparent)]
    Node(#[from] L1Error),
    /// The verifier could not be deployed.
    #[error("the verifier was not deployed; what may be on Ethereum already is not in use")]
    Deploy(#[from] DeployError),
    /// A transaction failed.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// A verifier that was deployed, and its addition to the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The verifier.
    pub verifier: DeployedVerifier,
    /// The timelock's name for the change.
    pub operation: B256,
    /// UNIX seconds from which on it can be carried out; `None` when the signer is no governor, so
    /// that it is not scheduled.
    pub ready_at: Option<u64>,
    /// Input of the call to the timelock that schedules it.
    pub schedule: Bytes,
}

/// The timelock of an installation, with the router that it governs.
#[derive(Debug, Clone)]
pub struct Governance {
    client: EthClient,
    router: VerifierRouter,
    timelock: Address,
}

impl Governance {
    /// The timelock at an address, if it governs the router that the Rollup relies on.
    ///
    /// # Errors
    /// [`ChangeError::NotTheTimelock`], or [`ChangeError::Node`].
    pub async fn open(
        client: &EthClient,
        rollup: Address,
        timelock: Address,
    ) -> Result<Self, ChangeError> {
        let router = client.verifier_router(rollup).await?;
        // An account of the admin role that is no contract could not answer what follows.
        if !router.is_admin(timelock).await? || !client.has_code(timelock).await? {
            return Err(ChangeError::NotTheTimelock {
                timelock,
                router: router.address(),
            });
        }
        Ok(Self {
            client: client.clone(),
            router,
            timelock,
        })
    }

    /// Deploys a verifier of an image and, if the signer is a governor, schedules its addition to the
    /// router. Otherwise the governors schedule it with [`Proposal::schedule`].
    ///
    /// # Errors
    /// [`ChangeError`]; nothing that was deployed is in use then.
    pub async fn propose<S>(
        &self,
        signer: &S,
        image: &VerifierImage,
        limits: SendLimits,
        progress: Progress<'_>,
    ) -> Result<Proposal, ChangeError>
    where
        S: TxSigner<Signature> + Sync + ?Sized,
    {
        let known = std::slice::from_ref(image);
        let versions = self.router.verifiers(known).await?;
        if let Some(present) = versions.iter().find(|entry| entry.known.is_some()) {
            return Err(ChangeError::Present {
                version: present.version,
            });
        }
        let version = self.next_version().await?;
        let role = self.read(&contract::PROPOSER_ROLECall {}).await?;
        let account = signer.address();
        let governor = self.read(&contract::hasRoleCall { role, account }).await?;
        let delay = self.read(&contract::getMinDelayCall {}).await?;

        let mut sender = Sender::open(&self.client, signer, limits, progress).await?;
        let router = self.router.address();
        let verifier = deploy_verifier(&mut sender, image, router, version).await?;
        let change = self.change(verifier.address, version, verifier.code_hash);
        let schedule: Bytes = contract::scheduleCall {
            target: router,
            value: U256::ZERO,
            data: change.input.clone(),
            predecessor: B256::ZERO,
            salt: B256::ZERO,
            delay,
        }
        .abi_encode()
        .into();
        let ready_at = if governor {
            let what = "scheduling the addition of the verifier";
            sender.call(what, self.timelock, schedule.clone()).await?;
            Some(self.ready_at(change.operation).await?)
        } else {
            None
        };
        Ok(Proposal {
            verifier,
            operation: change.operation,
            ready_at,
            schedule,
        })
    }

    /// Carries out the scheduled addition of a verifier; says under which version. The contract's
    /// code must be that of a verifier of one of the `known` images.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn execute<S>(
        &self,
        signer: &S,
        verifier: Address,
        known: &[VerifierImage],
        limits: SendLimits,
        progress: Progress<'_>,
    ) -> Result<DeployedVerifier, ChangeError>
    where
        S: TxSigner<Signature> + Sync + ?Sized,
    {
        let code_hash = code_hash(&self.client, verifier).await?;
        let image = image_of(code_hash, self.router.address(), known)?;
        let image = image.ok_or(ChangeError::UnknownCode { verifier })?;
        let version = self.next_version().await?;
        let change = self.change(verifier, version, code_hash);
        let id = change.operation;
        // The numbers of TimelockController.OperationState.
        match self.read(&contract::getOperationStateCall { id }).await? {
            2 => {}
            1 => {
                let ready_at = self.ready_at(id).await?;
                return Err(ChangeError::TooEarly { ready_at });
            }
            _ => return Err(self.not_scheduled(verifier, version, known).await?),
        }
        let execute = contract::executeCall {
            target: self.router.address(),
            value: U256::ZERO,
            payload: change.input,
            predecessor: B256::ZERO,
            salt: B256::ZERO,
        };
        let mut sender = Sender::open(&self.client, signer, limits, progress).await?;
        let what = format!("adding verifier {version}");
        let input = execute.abi_encode().into();
        sender.call(&what, self.timelock, input).await?;
        Ok(DeployedVerifier {
            version,
            address: verifier,
            image_hash: image.hash(),
            code_hash,
        })
    }

    /// Why a change that does not wait in the timelock cannot be carried out.
    async fn not_scheduled(
        &self,
        verifier: Address,
        version: u32,
        known: &[VerifierImage],
    ) -> Result<ChangeError, L1Error> {
        let versions = self.router.verifiers(known).await?;
        let present = versions.iter().find(|entry| entry.address == verifier);
        Ok(match present {
            Some(entry) => ChangeError::Present {
                version: entry.version,
            },
            None => ChangeError::NotScheduled { verifier, version },
        })
    }

    async fn next_version(&self) -> Result<u32, L1Error> {
        let latest = self.router.latest_version().await?;
        latest
            .checked_add(1)
            .ok_or_else(|| bad_answer("eth_call", "the router has all versions there can be"))
    }

    /// The change that adds a verifier.
    fn change(&self, verifier: Address, version: u32, code_hash: B256) -> Change {
        let call = router::addVerifierCall {
            version,
            verifier,
            codeHash: code_hash,
        };
        let input: Bytes = call.abi_encode().into();
        // As the timelock computes it; the value, what must come before it and the salt are zero.
        let named = (
            self.router.address(),
            U256::ZERO,
            input.clone(),
            B256::ZERO,
            B256::ZERO,
        );
        Change {
            operation: keccak256(named.abi_encode_params()),
            input,
        }
    }

    /// UNIX seconds from which on a scheduled change can be carried out.
    async fn ready_at(&self, id: B256) -> Result<u64, L1Error> {
        let timestamp = self.read(&contract::getTimestampCall { id }).await?;
        u64::try_from(timestamp).map_err(|_| bad_answer("eth_call", "a time that is out of range"))
    }

    async fn read<C: SolCall>(&self, call: &C) -> Result<C::Return, L1Error> {
        let answer = ask(&self.client, self.timelock, call).await?;
        answer.ok_or_else(|| bad_answer("eth_call", "the router's admin is no timelock"))
    }
}

/// A change of the router.
struct Change {
    operation: B256,
    input: Bytes,
}
