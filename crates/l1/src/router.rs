//! The router: which verifiers an installation has, and whether they are what they should be.

use alloy::network::TxSigner;
use alloy::primitives::{Address, B256, Signature, keccak256};
use alloy::providers::Provider as _;
use alloy::rpc::types::{TransactionInput, TransactionRequest};
use alloy::sol_types::SolCall;

use crate::bindings::{Rollup, VerifierRouter as contract, WrapVerifier};
use crate::client::{EthClient, Inclusion};
use crate::error::{L1Error, bad_answer, classify};
use crate::image::VerifierImage;
use crate::send::{Progress, SendError, SendLimits, Sender};

/// Most versions that are listed.
const MAX_VERSIONS: u32 = 256;

/// A version of an installation's verifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifierEntry {
    /// Its number.
    pub version: u32,
    /// The contract.
    pub address: Address,
    /// Whether it refuses every proof, for ever.
    pub frozen: bool,
    /// Hash of the code that the version is pinned to.
    pub code_hash: B256,
    /// Whether the contract has this code; otherwise the router refuses every proof.
    pub intact: bool,
    /// Version of the guest program of the known image whose verifier has exactly this code; `None`
    /// when what follows is no more than what the contract says of itself.
    pub known: Option<u32>,
    /// Commitment to the program whose runs it accepts.
    pub program: Option<B256>,
    /// Commitment to the machine that runs the program.
    pub machine: Option<B256>,
    /// Hash of the circuit's image.
    pub image_hash: Option<B256>,
}

/// The router of an installation's verifiers.
#[derive(Debug, Clone)]
pub struct VerifierRouter {
    client: EthClient,
    address: Address,
}

impl EthClient {
    /// The router that a Rollup relies on.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn verifier_router(&self, rollup: Address) -> Result<VerifierRouter, L1Error> {
        let answer = ask(self, rollup, &Rollup::routerCall {}).await?;
        Ok(VerifierRouter {
            client: self.clone(),
            address: answer.ok_or(L1Error::NoContract { address: rollup })?,
        })
    }
}

impl VerifierRouter {
    /// The contract's address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The newest version, 0 when there is none.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn latest_version(&self) -> Result<u32, L1Error> {
        self.read(&contract::latestVersionCall {}).await
    }

    /// One version; `None` when it does not exist. `known` are the images that the caller trusts.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn verifier(
        &self,
        version: u32,
        known: &[VerifierImage],
    ) -> Result<Option<VerifierEntry>, L1Error> {
        let found = self.read(&contract::verifierOfCall { version }).await?;
        if found.verifier.is_zero() {
            return Ok(None);
        }
        let address = found.verifier;
        let image = image_of(found.codeHash, self.address, known)?;
        let (program, machine, image_hash) = match image {
            Some(image) => (
                Some(image.program()),
                Some(image.machine()),
                Some(image.hash()),
            ),
            None => (
                ask(
                    &self.client,
                    address,
                    &WrapVerifier::programCommitmentCall {},
                )
                .await?,
                ask(
                    &self.client,
                    address,
                    &WrapVerifier::machineCommitmentCall {},
                )
                .await?,
                ask(&self.client, address, &WrapVerifier::imageHashCall {}).await?,
            ),
        };
        Ok(Some(VerifierEntry {
            version,
            address,
            frozen: found.frozen,
            code_hash: found.codeHash,
            intact: code_hash(&self.client, address).await? == found.codeHash,
            known: image.map(VerifierImage::version),
            program,
            machine,
            image_hash,
        }))
    }

    /// All versions, from the first.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer, or when there are more than
    /// 256 versions.
    pub async fn verifiers(&self, known: &[VerifierImage]) -> Result<Vec<VerifierEntry>, L1Error> {
        let latest = self.latest_version().await?;
        if latest > MAX_VERSIONS {
            let reason = format!("the router has {latest} versions, more than {MAX_VERSIONS}");
            return Err(bad_answer("eth_call", &reason));
        }
        let mut all = Vec::new();
        for version in 1..=latest {
            all.extend(self.verifier(version, known).await?);
        }
        Ok(all)
    }

    /// Freezes a version, for ever. The signer must be the guardian.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn freeze<S>(
        &self,
        signer: &S,
        version: u32,
        limits: SendLimits,
        progress: Progress<'_>,
    ) -> Result<Inclusion, SendError>
    where
        S: TxSigner<Signature> + Sync + ?Sized,
    {
        let what = format!("freezing verifier {version}");
        let sender = Sender::open(&self.client, signer, limits, progress).await;
        let mut sender = sender.map_err(|source| SendError::Node {
            what: what.clone(),
            source,
        })?;
        let input = contract::freezeVerifierCall { version }.abi_encode();
        sender.call(&what, self.address, input.into()).await
    }

    /// Whether an account holds the router's admin role.
    pub(crate) async fn is_admin(&self, account: Address) -> Result<bool, L1Error> {
        let role = B256::ZERO;
        self.read(&contract::hasRoleCall { role, account }).await
    }

    async fn read<C: SolCall>(&self, call: &C) -> Result<C::Return, L1Error> {
        let answer = ask(&self.client, self.address, call).await?;
        answer.ok_or_else(|| bad_answer("eth_call", "there is no router where the Rollup says"))
    }
}

/// The known image whose verifier has this code behind a router.
pub(crate) fn image_of(
    code_hash: B256,
    router: Address,
    known: &[VerifierImage],
) -> Result<Option<&VerifierImage>, L1Error> {
    for image in known {
        let expected = image.code_hash(router);
        let expected = expected.map_err(|error| bad_answer("eth_call", &error.to_string()))?;
        if expected == code_hash {
            return Ok(Some(image));
        }
    }
    Ok(None)
}

/// Keccak-256 of the code at an address, at the newest block.
pub(crate) async fn code_hash(client: &EthClient, address: Address) -> Result<B256, L1Error> {
    let code = client.provider().get_code_at(address).await;
    Ok(keccak256(
        code.map_err(|error| classify("eth_getCode", error))?,
    ))
}

/// What a contract answers at the newest block; `None` when it does not know the question.
pub(crate) async fn ask<C: SolCall>(
    client: &EthClient,
    to: Address,
    call: &C,
) -> Result<Option<C::Return>, L1Error> {
    const METHOD: &str = "eth_call";
    let request = TransactionRequest::default()
        .to(to)
        .input(TransactionInput::new(call.abi_encode().into()));
    let output = client.provider().call(request).await;
    match output.map_err(|error| classify(METHOD, error)) {
        Ok(output) if output.is_empty() => Ok(None),
        Ok(output) => C::abi_decode_returns_validate(&output)
            .map(Some)
            .map_err(|error| bad_answer(METHOD, &error.to_string())),
        Err(L1Error::Reverts(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
