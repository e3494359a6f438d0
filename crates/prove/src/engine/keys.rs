//! Keys: generated once for a program and its parameters, kept in a folder, checked by digest
//! whenever they are read.
//!
//! The keys of segments are not kept: generating them takes a tenth of a second. A key is read
//! whole, not mapped: what OpenVM proves with are values of its own that are decoded from the
//! file, so that a mapping would only add a way to crash when the file changes under it.

use std::{
    fs::{File, create_dir_all},
    path::{Path, PathBuf},
    sync::Arc,
};

use openvm_circuit::arch::{VmCircuitConfig, instructions::exe::VmExe};
use openvm_continuations::CommitBytes;
use openvm_recursion_circuit::utils::poseidon2_hash_slice;
use openvm_sdk::config::AggregationSystemParams;
use openvm_stark_backend::{
    StarkEngine,
    keygen::types::{MultiStarkProvingKey, MultiStarkVerifyingKey},
    soundness::SoundnessCalculator,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{
    BabyBearPoseidon2Config as SC, BabyBearPoseidon2CpuEngine, F,
};
use openvm_verify_stark_host::{
    pvs::VkCommit,
    vk::{VerificationBaseline, VmStarkVerifyingKey},
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::{
    aggregation::{Circuit, NodeProver},
    failure, internal, machine,
    segment::SegmentProver,
};
use crate::{
    artefact::write_whole,
    protocol::{Failure, FailureKind, Hash},
    verify::VerifyingKey,
};

/// The version of OpenVM that the workspace pins; its own constant leaves the patch out.
const OPENVM: &str = "2.0.2";

/// Proven bits that every layer must have.
const PROVEN_BITS: f64 = 100.0;

/// First bytes of a key file.
const MAGIC: [u8; 8] = *b"CLKEYS01";

/// Digest of all that keys depend on: program and its version, machine, parameters, version of
/// OpenVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId(pub [u8; 32]);

impl KeyId {
    /// The identity for a program, which is version `image` of the guest.
    ///
    /// # Errors
    /// [`FailureKind::Internal`] when parameters cannot be written as JSON.
    pub fn of(image: u32, elf: &[u8]) -> Result<Self, Failure> {
        let AggregationSystemParams {
            leaf,
            internal: inner,
        } = machine::aggregation_params();
        let mut hash = Sha256::new();
        for part in [
            b"cloister keys 1".to_vec(),
            OPENVM.into(),
            image.to_be_bytes().to_vec(),
            machine::MACHINE.into(),
            machine::SEGMENT_BYTES.to_be_bytes().to_vec(),
            serde_json::to_vec(&(machine::app_params(), leaf, inner)).map_err(internal)?,
            elf.to_vec(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Ok(Self(hash.finalize().into()))
    }
}

/// The keys of segments: proving key and verifying key.
///
/// # Errors
/// [`FailureKind::Internal`] when OpenVM does not build the machine.
pub fn segment_keys() -> Result<MultiStarkProvingKey<SC>, Failure> {
    let engine = <BabyBearPoseidon2CpuEngine as StarkEngine>::new(machine::app_params());
    let airs = VmCircuitConfig::<SC>::create_airs(&machine::config()?).map_err(internal)?;
    Ok(airs.keygen(engine.config()))
}

/// The kept keys of one program.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the keys of a program, and generates them if they are not there or damaged. `say`
    /// gets a line when it takes long.
    ///
    /// # Errors
    /// [`FailureKind::Storage`] when they cannot be kept; [`FailureKind::Internal`] when OpenVM
    /// does not build the machine.
    pub fn open(
        cache: &Path,
        id: KeyId,
        image: u32,
        exe: &Arc<VmExe<F>>,
        say: impl Fn(&str),
    ) -> Result<Self, Failure> {
        let folder = cache.join(hex::encode(id.0));
        let stored = |error: std::io::Error| {
            failure(
                FailureKind::Storage,
                format_args!("`{}`: {error}", folder.display()),
            )
        };
        create_dir_all(&folder).map_err(stored)?;
        // Engines that start together on one machine generate the keys once.
        let lock = File::create(folder.join("lock")).map_err(stored)?;
        lock.lock().map_err(stored)?;
        let store = Self {
            folder: folder.clone(),
        };
        if !store.is_whole() {
            say("generating keys; this takes a minute or two and is done once");
            store.generate(image, exe)?;
        }
        Ok(store)
    }

    /// Whether all keys are there and undamaged.
    fn is_whole(&self) -> bool {
        let keys = Circuit::ALL
            .iter()
            .flat_map(|circuit| [pk_name(*circuit), vk_name(*circuit)]);
        keys.map(|name| self.body(name)).all(|body| body.is_ok()) && self.verifying_key().is_ok()
    }

    fn generate(&self, image: u32, exe: &Arc<VmExe<F>>) -> Result<(), Failure> {
        let pk = segment_keys()?;
        let params = machine::aggregation_params();
        let mut child = Arc::new(pk.get_vk());
        let mut commitments = Vec::new();
        for circuit in Circuit::ALL {
            let params = match circuit {
                Circuit::Leaf => params.leaf.clone(),
                Circuit::InternalForLeaf | Circuit::Internal => params.internal.clone(),
            };
            let prover = NodeProver::generate(circuit, child, params);
            self.write(pk_name(circuit), &*prover.pk())?;
            child = prover.vk();
            self.write(vk_name(circuit), &*child)?;
            commitments.push(prover.commitment(false));
            if circuit == Circuit::Internal {
                commitments.push(prover.commitment(true));
            }
        }
        // SPV-4: a change of parameters or circuits cannot slip below the target.
        for (layer, bits) in self.soundness()? {
            if bits.total_bits < PROVEN_BITS {
                let reason = format!("{layer}: only {:.2} proven bits", bits.total_bits);
                return Err(internal(reason));
            }
        }
        let segments = SegmentProver::new(&pk, Arc::clone(exe))?;
        let key = verifying_key(image, &segments, &commitments, &child)?;
        let path = self.folder.join("verify.key");
        write_whole(&path, &key.encode().map_err(internal)?)
    }

    /// The key that final proofs are verified with.
    ///
    /// # Errors
    /// [`FailureKind::Storage`] when it cannot be read or is damaged.
    pub fn verifying_key(&self) -> Result<VerifyingKey, Failure> {
        let path = self.folder.join("verify.key");
        let bytes = std::fs::read(&path).map_err(|error| {
            failure(
                FailureKind::Storage,
                format_args!("`{}`: {error}", path.display()),
            )
        })?;
        VerifyingKey::decode(&bytes).map_err(|error| failure(FailureKind::Storage, error))
    }

    /// The prover of a circuit.
    ///
    /// # Errors
    /// [`FailureKind::Storage`] when its keys cannot be read or are damaged.
    pub fn prover(&self, circuit: Circuit) -> Result<NodeProver, Failure> {
        let child: Arc<MultiStarkVerifyingKey<SC>> = match circuit {
            Circuit::Leaf => Arc::new(segment_keys()?.get_vk()),
            Circuit::InternalForLeaf => Arc::new(self.read(vk_name(Circuit::Leaf))?),
            Circuit::Internal => Arc::new(self.read(vk_name(Circuit::InternalForLeaf))?),
        };
        let pk = Arc::new(self.read(pk_name(circuit))?);
        Ok(NodeProver::load(circuit, child, pk))
    }

    /// The layers with the soundness of their proofs, by OpenVM's calculator.
    ///
    /// # Errors
    /// [`FailureKind::Storage`] when a key cannot be read or is damaged.
    pub fn soundness(&self) -> Result<Vec<(&'static str, SoundnessCalculator)>, Failure> {
        let segments = segment_keys()?.get_vk();
        let mut layers = vec![(
            "segments",
            SoundnessCalculator::calculate_from_vk(&segments),
        )];
        for (name, circuit) in [
            ("leaves", Circuit::Leaf),
            ("internal for leaf", Circuit::InternalForLeaf),
            ("internal", Circuit::Internal),
        ] {
            let vk: MultiStarkVerifyingKey<SC> = self.read(vk_name(circuit))?;
            layers.push((name, SoundnessCalculator::calculate_from_vk(&vk)));
        }
        Ok(layers)
    }

    fn write(&self, name: &str, key: &impl Serialize) -> Result<(), Failure> {
        let body = bitcode::serialize(key).map_err(internal)?;
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&Sha256::digest(&body));
        file.extend_from_slice(&body);
        write_whole(&self.folder.join(name), &file)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        let body = self.body(name)?;
        bitcode::deserialize(&body).map_err(|error| self.damaged(name, error))
    }

    /// The content of a key file, undamaged.
    fn body(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let mut bytes =
            std::fs::read(self.folder.join(name)).map_err(|error| self.damaged(name, error))?;
        let head = MAGIC.len() + 32;
        if bytes.len() < head {
            return Err(self.damaged(name, "cut short"));
        }
        let body = bytes.split_off(head);
        if !bytes.starts_with(&MAGIC) || !bytes.ends_with(&Sha256::digest(&body)) {
            return Err(self.damaged(name, "its digest differs; remove it"));
        }
        Ok(body)
    }

    fn damaged(&self, name: &str, reason: impl std::fmt::Display) -> Failure {
        let path = self.folder.join(name);
        failure(
            FailureKind::Storage,
            format_args!("`{}`: {reason}", path.display()),
        )
    }
}

fn pk_name(circuit: Circuit) -> &'static str {
    match circuit {
        Circuit::Leaf => "leaf.pk",
        Circuit::InternalForLeaf => "internal-for-leaf.pk",
        Circuit::Internal => "internal.pk",
    }
}

fn vk_name(circuit: Circuit) -> &'static str {
    match circuit {
        Circuit::Leaf => "leaf.vk",
        Circuit::InternalForLeaf => "internal-for-leaf.vk",
        Circuit::Internal => "internal.vk",
    }
}

/// Puts the verifying key together, as OpenVM's own prover does.
fn verifying_key(
    image: u32,
    segments: &SegmentProver,
    commitments: &[VkCommit<F>],
    internal_vk: &MultiStarkVerifyingKey<SC>,
) -> Result<VerifyingKey, Failure> {
    let &[app, leaf, internal_for_leaf, internal_recursive] = commitments else {
        return Err(internal("another number of circuits than four"));
    };
    let machine = [app, leaf, internal_for_leaf]
        .map(|commit| [commit.cached_commit, commit.vk_pre_hash])
        .into_iter()
        .flatten()
        .flatten()
        .collect::<Vec<F>>();
    let program = segments.program_commitment();
    let hash = |digest| Hash(*CommitBytes::from(digest).as_slice());
    let openvm = VmStarkVerifyingKey {
        mvk: internal_vk.clone(),
        baseline: VerificationBaseline {
            app_exe_commit: program,
            memory_dimensions: segments.memory_dimensions(),
            num_user_pvs: machine::PUBLIC_VALUES,
            app_vk_commit: app,
            leaf_vk_commit: leaf,
            internal_for_leaf_vk_commit: internal_for_leaf,
            internal_recursive_vk_commit: internal_recursive,
            expected_def_hook_commit: None,
        },
    };
    Ok(VerifyingKey::new(
        image,
        hash(program),
        hash(poseidon2_hash_slice(&machine).0),
        openvm,
    ))
}
