//! What each request does.

use std::path::{Path, PathBuf};

use openvm_stark_backend::{
    codec::{Decode as _, Encode as _},
    proof::Proof,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config as SC;
use openvm_verify_stark_host::VmStarkProof;

use super::{Engine, Loaded};
use crate::{
    artefact::{self, Head, Kind},
    engine::{aggregation::Circuit, failure, internal, program, segment::PublicValuesProof},
    protocol::{Answer, Failure, FailureKind, Hash, SegmentPlan, Work},
    serve::Perform,
    tree::{INTERNAL_CHILDREN, LEAF_CHILDREN, LayerKind, MAX_SEGMENTS},
    verify::{MAX_FILE_BYTES, VerifyError, pack},
};

impl Perform for Engine {
    fn perform(&mut self, work: Work) -> Result<Answer, Failure> {
        match work {
            Work::Describe {} => Ok(Answer::Description {
                image: self.image,
                program: self.key.program(),
                machine: self.key.machine(),
            }),
            Work::Execute { input } => self.execute(&input),
            Work::Segment {
                input,
                index,
                output,
                public_values,
            } => self.segment(&input, index, &output, public_values.as_deref()),
            Work::Aggregate {
                layer,
                children,
                output,
            } => self.aggregate(layer, &children, &output),
            Work::Finish {
                root,
                public_values,
                batch_hash,
                output,
            } => self.finish(&root, &public_values, batch_hash, &output),
            Work::Verify { proof, batch_hash } => self.verify(&proof, batch_hash),
            Work::Wrap { .. } => Err(failure(
                FailureKind::BadRequest,
                "the proof engine does not wrap; `cloister-wrapper` does",
            )),
        }
    }

    fn reset(&mut self) {
        self.loaded = Loaded::Nothing;
        self.plan = None;
    }
}

impl Engine {
    fn execute(&mut self, input: &Path) -> Result<Answer, Failure> {
        let input = program::read_input(input)?;
        let (_, plan) = self.plan(&input)?;
        let prover = self.segments()?;
        let segments: Vec<SegmentPlan> = plan
            .segments
            .iter()
            .map(|segment| SegmentPlan {
                instructions: segment.num_insns,
                cells: prover.cells(segment),
            })
            .collect();
        let count = segments.len();
        if count == 0 || count > usize::try_from(MAX_SEGMENTS).map_err(internal)? {
            let reason = format!("{count} segments, at most {MAX_SEGMENTS} are proved");
            return Err(failure(FailureKind::Rejected, reason));
        }
        Ok(Answer::Executed {
            batch_hash: Hash(plan.revealed),
            instructions: segments.iter().map(|segment| segment.instructions).sum(),
            segments,
        })
    }

    fn segment(
        &mut self,
        input: &Path,
        index: u32,
        output: &Path,
        public_values: Option<&Path>,
    ) -> Result<Answer, Failure> {
        let bad = |reason: &str| Err(failure(FailureKind::BadRequest, reason));
        let input = program::read_input(input)?;
        let (digest, plan) = self.plan(&input)?;
        let last = u32::try_from(plan.segments.len()).is_ok_and(|count| index + 1 == count);
        match (last, public_values) {
            (true, None) => return bad("the last segment comes with the public values"),
            (false, Some(_)) => return bad("only the last segment comes with the public values"),
            (true, Some(_)) | (false, None) => (),
        }
        let (proof, values) = self.segments()?.prove(&input, &plan, index)?;
        let mut head = Head {
            kind: Kind::Segment,
            depth: 0,
            segments: index..index.saturating_add(1),
            keys: self.id.0,
            input: digest,
        };
        if let (Some(path), Some(values)) = (public_values, values) {
            let mut body = Vec::new();
            values.encode::<SC, _>(&mut body).map_err(internal)?;
            head.kind = Kind::PublicValues;
            artefact::write(path, &head, &body)?;
            head.kind = Kind::Segment;
        }
        let bytes = artefact::write(output, &head, &proof.encode_to_vec().map_err(internal)?)?;
        Ok(Answer::Written { bytes })
    }

    fn aggregate(
        &mut self,
        layer: LayerKind,
        children: &[PathBuf],
        output: &Path,
    ) -> Result<Answer, Failure> {
        let limit = match layer {
            LayerKind::Leaf => LEAF_CHILDREN,
            LayerKind::InternalForLeaf
            | LayerKind::InternalFirst
            | LayerKind::InternalRecursive => INTERNAL_CHILDREN,
        };
        if children.is_empty() || children.len() > usize::try_from(limit).map_err(internal)? {
            let reason = format!("{} children, a node has 1 to {limit}", children.len());
            return Err(failure(FailureKind::BadRequest, reason));
        }
        let mut heads = Vec::with_capacity(children.len());
        let mut proofs = Vec::with_capacity(children.len());
        for path in children {
            let (head, body) = artefact::read(path, &self.id.0)?;
            heads.push(head);
            proofs.push(decode(path, &body)?);
        }
        let head = artefact::parent(layer, &heads)?;
        let proof = self.nodes(Circuit::of(layer))?.prove(layer, &proofs)?;
        let bytes = artefact::write(output, &head, &proof.encode_to_vec().map_err(internal)?)?;
        Ok(Answer::Written { bytes })
    }

    fn finish(
        &mut self,
        root: &Path,
        public_values: &Path,
        batch_hash: Hash,
        output: &Path,
    ) -> Result<Answer, Failure> {
        let bad = |reason: &str| failure(FailureKind::BadArtefact, reason);
        let (head, body) = artefact::read(root, &self.id.0)?;
        let (values_head, values) = artefact::read(public_values, &self.id.0)?;
        if head.depth == 0 || head.segments.start != 0 {
            return Err(bad("the root is no root of a whole batch"));
        }
        if values_head.kind != Kind::PublicValues
            || values_head.input != head.input
            || values_head.segments.end != head.segments.end
        {
            return Err(bad("the public values are not those of the root"));
        }
        let values = PublicValuesProof::decode::<SC, _>(&mut values.as_slice())
            .map_err(|error| bad(&format!("public values: {error}")))?;
        let proof = VmStarkProof {
            inner: decode(root, &body)?,
            user_pvs_proof: values,
            deferral_merkle_proofs: None,
        };
        let file = pack(self.image, batch_hash, &proof).map_err(internal)?;
        self.key.verify(&file, batch_hash).map_err(invalid)?;
        artefact::write_whole(output, &file)?;
        Ok(Answer::Written {
            bytes: file.len() as u64,
        })
    }

    fn verify(&mut self, proof: &Path, batch_hash: Hash) -> Result<Answer, Failure> {
        let file = artefact::read_limited(proof, MAX_FILE_BYTES)?;
        self.key.verify(&file, batch_hash).map_err(invalid)?;
        Ok(Answer::Verified {})
    }
}

/// Decodes a proof that came in an artefact.
fn decode(path: &Path, body: &[u8]) -> Result<Proof<SC>, Failure> {
    Proof::decode_from_bytes(body).map_err(|error| {
        failure(
            FailureKind::BadArtefact,
            format_args!("`{}`: {error}", path.display()),
        )
    })
}

/// A final proof does not hold.
fn invalid(error: VerifyError) -> Failure {
    failure(FailureKind::Invalid, error)
}
