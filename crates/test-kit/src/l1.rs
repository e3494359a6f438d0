//! Puts the contracts of a stack on its Ethereum node, with the genesis that its sequencer names.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use anyhow::Context as _;
use cloister_l1::{DeployPlan, Endpoint, EthClient, VerifierImage};
use cloister_proto::sequencer::v1::sequencer_client::SequencerClient;
use cloister_proto::sequencer::v1::{GetInfoRequest, GetInfoResponse};
use cloister_prove::image;
use cloister_settings::GrpcClientSection;

use crate::anvil;
use crate::stack::Stack;

/// A gRPC client of the stack's sequencer, in the name of `service`.
///
/// # Errors
/// When the certificates cannot be read.
pub fn sequencer_as(
    stack: &Stack,
    service: &str,
) -> anyhow::Result<SequencerClient<tonic::transport::Channel>> {
    let section = GrpcClientSection {
        url: format!("https://127.0.0.1:{}", stack.ports.sequencer).parse()?,
        server_name: "sequencer".to_owned(),
        ca_file: stack.pki.ca_file(),
        certificate_file: stack.file(&format!("pki/{service}.pem")),
        private_key_file: cloister_settings::SecretFile(stack.file(&format!("pki/{service}.key"))),
    };
    Ok(SequencerClient::new(cloister_proto::tls::client_channel(
        &section,
    )?))
}

/// What the sequencer says of itself and its genesis.
///
/// # Errors
/// When it does not answer.
pub async fn genesis(stack: &Stack) -> anyhow::Result<GetInfoResponse> {
    let mut client = sequencer_as(stack, "prover")?;
    Ok(client.get_info(GetInfoRequest {}).await?.into_inner())
}

/// Deploys the contracts, with the verifier of the released guest, and returns the Rollup's address.
///
/// # Errors
/// When the node refuses.
pub async fn deploy(l1_url: &str, info: &GetInfoResponse) -> anyhow::Result<String> {
    let signer: PrivateKeySigner = anvil::FUNDED[0].1.parse()?;
    let committer: Address = anvil::FUNDED[1].0.parse()?;
    let verifier = image::verifier_image(image::CURRENT).context("no image is released")?;
    let plan = DeployPlan {
        chain_id: info.chain_id,
        genesis_state_root: B256::try_from(&info.genesis_state_root[..])?,
        genesis_batch_hash: B256::try_from(&info.genesis_batch_hash[..])?,
        committer,
        guardian: signer.address(),
        governors: vec![signer.address()],
        timelock_delay_s: 3_600,
        finality_blocks: 2,
        verifiers: vec![VerifierImage::new(image::CURRENT, verifier)?],
        max_fee_per_gas_wei: 500_000_000_000,
        inclusion_timeout: Duration::from_mins(1),
    };
    let endpoint = Endpoint::new(l1_url.parse()?, Duration::from_secs(10));
    let client = EthClient::connect(&endpoint)?;
    let deployment = cloister_l1::deploy(&client, &signer, &plan, &mut |_| ()).await;
    Ok(deployment
        .context("the contracts could not be deployed")?
        .rollup
        .to_checksum(None))
}
