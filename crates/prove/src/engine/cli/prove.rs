//! `prove`: all stages in one process, one after the other.

use std::path::{Path, PathBuf};

use super::{Prove, open_to_prove, say};
use crate::{
    engine::{failure, internal, serve::Engine},
    protocol::{Answer, Failure, FailureKind, Hash, Outcome, Request, Work},
    serve, tree,
};

/// Proves a batch and prints what each stage took.
pub(super) fn prove(args: &Prove) -> Result<(), Failure> {
    args.limits.apply()?;
    std::fs::create_dir_all(&args.scratch).map_err(|error| failure(FailureKind::Storage, error))?;
    let mut stages = Stages {
        engine: open_to_prove(&args.keys)?,
        scratch: &args.scratch,
        next: 0,
    };
    let input = args.input.clone();
    let Answer::Executed {
        batch_hash,
        instructions,
        segments,
    } = stages.run("execute", Work::Execute { input })?
    else {
        return Err(internal("another answer than asked for"));
    };
    say(format_args!(
        "{instructions} instructions, batch hash {batch_hash}"
    ))?;
    let public_values = args.scratch.join("public-values");
    let mut below = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let output = stages.path();
        let last = index + 1 == segments.len();
        let stage = format!(
            "segment {index}: {} instructions, {} cells",
            segment.instructions, segment.cells
        );
        let work = Work::Segment {
            input: args.input.clone(),
            index: u32::try_from(index).map_err(internal)?,
            output: output.clone(),
            public_values: last.then(|| public_values.clone()),
        };
        stages.run(&stage, work)?;
        below.push(output);
    }
    let root = stages.climb(below)?;
    finish(&mut stages, args, root, public_values, batch_hash)
}

/// Joins the root and the public values, and verifies.
fn finish(
    stages: &mut Stages<'_>,
    args: &Prove,
    root: PathBuf,
    public_values: PathBuf,
    batch_hash: Hash,
) -> Result<(), Failure> {
    let work = Work::Finish {
        root,
        public_values,
        batch_hash,
        output: args.output.clone(),
    };
    stages.run("finish", work)?;
    let proof = args.output.clone();
    stages.run("verify", Work::Verify { proof, batch_hash })?;
    Ok(())
}

/// The stages of one batch.
struct Stages<'a> {
    engine: Engine,
    scratch: &'a Path,
    next: u32,
}

impl Stages<'_> {
    /// A file for the next artefact.
    fn path(&mut self) -> PathBuf {
        let path = self.scratch.join(format!("artefact-{}", self.next));
        self.next = self.next.saturating_add(1);
        path
    }

    /// Does one stage and prints what it took.
    fn run(&mut self, stage: &str, work: Work) -> Result<Answer, Failure> {
        let reply = serve::answer(&mut self.engine, Request { id: 0, work });
        let usage = reply.usage;
        match reply.outcome {
            Outcome::Done(answer) => {
                let size = match &answer {
                    Answer::Written { bytes } => format!(", {bytes} bytes"),
                    _ => String::new(),
                };
                say(format_args!("{usage}  {stage}{size}"))?;
                Ok(answer)
            }
            Outcome::Failed(failure) => Err(failure),
        }
    }

    /// Proves the tree over these and gives its root.
    fn climb(&mut self, segments: Vec<PathBuf>) -> Result<PathBuf, Failure> {
        let mut below = segments;
        let count = u32::try_from(below.len()).map_err(internal)?;
        for layer in tree::layers(count).map_err(internal)? {
            let mut nodes = Vec::with_capacity(layer.nodes.len());
            for node in layer.nodes {
                let output = self.path();
                let range = usize::try_from(node.start).map_err(internal)?
                    ..usize::try_from(node.end).map_err(internal)?;
                let children = below.get(range).unwrap_or_default().to_vec();
                let stage = format!("{:?} over {}", layer.kind, children.len());
                let work = Work::Aggregate {
                    layer: layer.kind,
                    children,
                    output: output.clone(),
                };
                self.run(&stage, work)?;
                nodes.push(output);
            }
            below = nodes;
        }
        below.pop().ok_or_else(|| internal("the tree has no root"))
    }
}
