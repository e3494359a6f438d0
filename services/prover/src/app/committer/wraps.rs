//! Wraps as Ethereum takes them: read from the artefacts, checked here, cut into parts.

use std::sync::Arc;

use cloister_l1::{B256, Bytes, WrapCircuit, keccak256};
use cloister_wrap::evm::calldata;
use cloister_wrap::evm::image::image;
use cloister_wrap::evm::replay::{Replay, replay_openings};
use cloister_wrap::proof::MAX_PROOF_BYTES;
use cloister_wrap::release::Release;
use cloister_wrap::verify::Verifier;

use super::TurnError;
use super::split::Queries;
use crate::app::proving::model::{ArtefactId, Identity};
use crate::artefacts::{ArtefactError, Artefacts};
use crate::store::Store;

/// Reads wraps and keeps the newest, which takes a moment to check.
#[derive(Debug)]
pub(crate) struct Wraps {
    store: Store,
    artefacts: Arc<Artefacts>,
    /// Of a guest program that is not a released one.
    release: Option<Release>,
    circuit: Option<(Identity, Arc<Circuit>)>,
    newest: Option<(ArtefactId, Result<Arc<Submission>, String>)>,
}

/// A circuit with the program and the machine that its wraps are about.
#[derive(Debug)]
struct Circuit {
    release: Release,
    verifier: Verifier,
    on_ethereum: WrapCircuit,
}

/// A wrap that holds for a batch.
#[derive(Debug)]
pub(super) struct Submission {
    /// The artefact.
    pub wrap: ArtefactId,
    /// Hash of the batch's header.
    pub batch_hash: B256,
    /// What fixes all challenges.
    pub head: Bytes,
    circuit: Arc<Circuit>,
    replay: Replay,
}

impl Wraps {
    /// From the database and the shelves; with a release in place of the released circuit for its
    /// version of the guest program.
    pub(crate) const fn new(
        store: Store,
        artefacts: Arc<Artefacts>,
        release: Option<Release>,
    ) -> Self {
        Self {
            store,
            artefacts,
            release,
            circuit: None,
            newest: None,
        }
    }

    /// The wrap of a batch, if it was made. SPR-7: one that does not hold for the hash of the header
    /// that came from the sequencer is an error, and nothing of it is ever sent.
    pub(super) async fn submission(
        &mut self,
        batch: u64,
    ) -> Result<Option<Arc<Submission>>, TurnError> {
        let Some((wrap, identity)) = self.store.wrap(batch).await? else {
            return Ok(None);
        };
        let known = self.newest.as_ref().filter(|(known, _)| *known == wrap);
        let outcome = if let Some((_, outcome)) = known {
            outcome.clone()
        } else {
            let circuit = self.circuit(identity).await?;
            let outcome = self.check(batch, wrap, circuit).await?;
            self.newest = Some((wrap, outcome.clone()));
            outcome
        };
        outcome.map(Some).map_err(|reason| {
            TurnError::Stalled(format!(
                "the wrap of batch {batch} does not hold and was not sent: {reason}"
            ))
        })
    }

    async fn check(
        &self,
        batch: u64,
        wrap: ArtefactId,
        circuit: Arc<Circuit>,
    ) -> Result<Result<Arc<Submission>, String>, TurnError> {
        let sealed = self.store.batches(batch, batch).await?;
        let hash = sealed.first().map(|sealed| sealed.hash).unwrap_or_default();
        let bytes = match self.artefacts.bytes(wrap, MAX_PROOF_BYTES as u64).await {
            Ok(bytes) => bytes,
            Err(ArtefactError::Store(error)) => return Err(error.into()),
            Err(error) => {
                return Err(TurnError::Stalled(format!(
                    "the wrap of batch {batch} cannot be read: {error}"
                )));
            }
        };
        let check = move || Submission::new(circuit, wrap, hash, &bytes).map(Arc::new);
        let outcome = tokio::task::spawn_blocking(check).await;
        Ok(outcome.unwrap_or_else(|_| Err("checking it failed".to_owned())))
    }

    async fn circuit(&mut self, identity: Identity) -> Result<Arc<Circuit>, TurnError> {
        if let Some((known, circuit)) = &self.circuit
            && *known == identity
        {
            return Ok(Arc::clone(circuit));
        }
        let own = self.release.clone();
        let own = own.filter(|release| release.image == identity.image);
        let make = move || match own {
            Some(release) => Circuit::new(release),
            None => Circuit::released(identity),
        };
        let outcome = tokio::task::spawn_blocking(make).await;
        let outcome = outcome.unwrap_or_else(|_| Err("making it failed".to_owned()));
        let circuit = outcome.map(Arc::new).map_err(|reason| {
            TurnError::Stalled(format!(
                "there is no circuit for wraps of guest image {}: {reason}",
                identity.image
            ))
        })?;
        self.circuit = Some((identity, Arc::clone(&circuit)));
        Ok(circuit)
    }
}

impl Circuit {
    fn released(identity: Identity) -> Result<Self, String> {
        let (program, machine) = (identity.program.0, identity.machine.0);
        let release = Release::v1(identity.image, program, machine);
        Self::new(release.map_err(|error| error.to_string())?)
    }

    fn new(release: Release) -> Result<Self, String> {
        let verifier = Verifier::new(release.key.clone()).map_err(|error| error.to_string())?;
        let image = image(&verifier, &release.program, &release.machine);
        let image = image.map_err(|error| error.to_string())?;
        let program: Vec<u8> = release
            .program
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect();
        Ok(Self {
            on_ethereum: WrapCircuit {
                image_hash: keccak256(image),
                program: B256::from_slice(&program),
            },
            release,
            verifier,
        })
    }
}

impl Submission {
    fn new(
        circuit: Arc<Circuit>,
        wrap: ArtefactId,
        batch_hash: B256,
        bytes: &[u8],
    ) -> Result<Self, String> {
        let statement = circuit.release.statement(batch_hash.as_slice());
        let verdict = circuit.verifier.verify(&statement, bytes);
        verdict.map_err(|refusal| refusal.to_string())?;
        let replay = replay_openings(&circuit.verifier, &statement, bytes)
            .ok_or_else(|| "it cannot be cut into parts".to_owned())?;
        Ok(Self {
            wrap,
            batch_hash,
            head: calldata::head(&replay).into(),
            circuit,
            replay,
        })
    }

    /// What a verifier on Ethereum must check to take this wrap.
    pub(super) fn circuit(&self) -> WrapCircuit {
        self.circuit.on_ethereum
    }

    /// Version of the guest program.
    pub(super) fn image(&self) -> u32 {
        self.circuit.release.image
    }

    /// How many queries there are.
    pub(super) fn queries(&self) -> usize {
        self.circuit.verifier.shape().queries
    }

    /// Some of the queries.
    pub(super) fn range(&self, queries: Queries) -> Bytes {
        let Queries { first, count } = queries;
        calldata::range(&self.circuit.verifier, &self.replay, first, count).into()
    }
}
