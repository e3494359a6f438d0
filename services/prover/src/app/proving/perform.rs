//! Does one job: fetch what it takes in, ask the engine, store what it made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloister_l1::B256;
use cloister_prove::protocol::{Answer, Hash, Usage, Work};

use super::engine::Running;
use super::graph;
use super::model::{ArtefactId, ErrorKind, Failed, Finished, Job, Made, Remake, Stage};
use crate::artefacts::{ArtefactError, Artefacts};

/// Does a job in an empty folder.
///
/// # Errors
/// [`Failed`]: why, and what has to be made again first.
pub(crate) async fn perform(
    job: &Job,
    engine: &Running,
    artefacts: &Artefacts,
    folder: &Path,
    timeout: Duration,
) -> Result<Finished, Failed> {
    let desk = Desk {
        job,
        engine,
        artefacts,
        folder,
        timeout,
    };
    match job.stage {
        Stage::Execute => desk.execute().await,
        Stage::Segment => desk.segment().await,
        Stage::Aggregate => desk.aggregate().await,
        Stage::Finish => desk.finish().await,
        Stage::Wrap => desk.wrap().await,
    }
}

/// One job with everything that it needs.
struct Desk<'a> {
    job: &'a Job,
    engine: &'a Running,
    artefacts: &'a Artefacts,
    folder: &'a Path,
    timeout: Duration,
}

impl Desk<'_> {
    /// The differential check: the program's own result against the sealed header (SPV-21).
    async fn execute(&self) -> Result<Finished, Failed> {
        let input = self.input().await?;
        let (answer, usage) = self.call(Work::Execute { input }, Remake::Input).await?;
        let Answer::Executed {
            batch_hash,
            instructions,
            segments,
        } = answer
        else {
            return Err(out_of_turn());
        };
        if batch_hash.0 != self.job.batch_hash.0 {
            return Err(Failed {
                executed_hash: Some(B256::from(batch_hash.0)),
                ..Failed::new(
                    ErrorKind::Rejected,
                    format!(
                        "the program reveals batch hash {batch_hash}, and the sequencer sealed {}",
                        self.job.batch_hash
                    ),
                )
            });
        }
        graph::after_execution(&segments)
            .map_err(|error| Failed::new(ErrorKind::TooLarge, error))?;
        let made = Made::Plan {
            instructions,
            segments,
            identity: self.engine.identity(),
        };
        Ok(Finished { made, usage })
    }

    async fn segment(&self) -> Result<Finished, Failed> {
        let input = self.input().await?;
        let output = self.folder.join("segment");
        let is_last = self.job.node.saturating_add(1) == self.job.segments;
        let public_values = is_last.then(|| self.folder.join("public-values"));
        let work = Work::Segment {
            input,
            index: self.job.node,
            output: output.clone(),
            public_values: public_values.clone(),
        };
        let (answer, usage) = self.call(work, Remake::Input).await?;
        self.written(&answer, &output).await?;
        let made = Made::Proof {
            output: self.store(&output).await?,
            public_values: match public_values {
                Some(path) => Some(self.store(&path).await?),
                None => None,
            },
        };
        Ok(Finished { made, usage })
    }

    async fn aggregate(&self) -> Result<Finished, Failed> {
        let layer = self
            .job
            .circuit
            .ok_or_else(|| Failed::new(ErrorKind::DamagedRow, "the job's row names no circuit"))?;
        let children = self.children().await?;
        let output = self.folder.join("node");
        let work = Work::Aggregate {
            layer,
            children,
            output: output.clone(),
        };
        let nodes = self.job.children.iter().map(|(node, _)| *node).collect();
        let (answer, usage) = self.call(work, Remake::Children(nodes)).await?;
        self.written(&answer, &output).await?;
        let made = Made::Proof {
            output: self.store(&output).await?,
            public_values: None,
        };
        Ok(Finished { made, usage })
    }

    /// The final proof. It is verified in a call of its own, against the hash of the header that is
    /// kept here, before anything else learns of it (SPV-23).
    async fn finish(&self) -> Result<Finished, Failed> {
        let [root] = <[PathBuf; 1]>::try_from(self.children().await?).map_err(|_| {
            Failed::new(
                ErrorKind::DamagedRow,
                "the tree of the batch has no one root",
            )
        })?;
        let public_values = self.job.public_values.ok_or_else(|| Failed {
            remake: Remake::PublicValues,
            ..Failed::new(ErrorKind::BadArtefact, "the public values' proof is gone")
        })?;
        let public_values = self
            .fetch(public_values, "public-values", Remake::PublicValues)
            .await?;
        let batch_hash = Hash(self.job.batch_hash.0);
        let output = self.folder.join("proof");
        let work = Work::Finish {
            root,
            public_values,
            batch_hash,
            output: output.clone(),
        };
        let (answer, usage) = self.call(work, Remake::RootAndPublicValues).await?;
        self.written(&answer, &output).await?;
        let verify = Work::Verify {
            proof: output.clone(),
            batch_hash,
        };
        let (answer, verifying) = self.call(verify, Remake::RootAndPublicValues).await?;
        if !matches!(answer, Answer::Verified {}) {
            return Err(out_of_turn());
        }
        let made = Made::Final {
            output: self.store(&output).await?,
            verify_wall_ms: verifying.wall_ms,
        };
        Ok(Finished { made, usage })
    }

    /// The wrap. The wrapper verifies what it takes in and what it makes (SPV-25).
    async fn wrap(&self) -> Result<Finished, Failed> {
        let id = self.job.proof.ok_or_else(|| {
            Failed::new(
                ErrorKind::DamagedRow,
                "the batch has no final proof to wrap",
            )
        })?;
        let proof = self.fetch(id, "proof", Remake::FinalProof).await?;
        let output = self.folder.join("wrap");
        let work = Work::Wrap {
            proof,
            batch_hash: Hash(self.job.batch_hash.0),
            output: output.clone(),
        };
        let (answer, usage) = self.call(work, Remake::FinalProof).await?;
        let Answer::Wrapped {
            bytes,
            verify_wall_ms,
        } = answer
        else {
            return Err(out_of_turn());
        };
        is_there(&output, bytes).await?;
        let made = Made::Wrap {
            output: self.store(&output).await?,
            verify_wall_ms,
        };
        Ok(Finished { made, usage })
    }

    async fn input(&self) -> Result<PathBuf, Failed> {
        let id = self.job.input.ok_or_else(|| Failed {
            remake: Remake::Input,
            ..Failed::new(ErrorKind::BadArtefact, "the input of the batch is gone")
        })?;
        self.fetch(id, "input", Remake::Input).await
    }

    async fn children(&self) -> Result<Vec<PathBuf>, Failed> {
        let mut paths = Vec::with_capacity(self.job.children.len());
        for (node, artefact) in &self.job.children {
            let id = artefact.ok_or_else(|| {
                let reason = format!("job {node} of the layer below made nothing or is not there");
                Failed::new(ErrorKind::DamagedRow, reason)
            })?;
            let remake = Remake::Children(vec![*node]);
            paths.push(self.fetch(id, &format!("child-{node}"), remake).await?);
        }
        if paths.is_empty() {
            let reason = "the job's row names no jobs of the layer below";
            return Err(Failed::new(ErrorKind::DamagedRow, reason));
        }
        Ok(paths)
    }

    /// An artefact as a file. One that is damaged is made again.
    async fn fetch(&self, id: ArtefactId, name: &str, remake: Remake) -> Result<PathBuf, Failed> {
        let path = self.folder.join(name);
        match self.artefacts.get(id, &path).await {
            Ok(()) => Ok(path),
            Err(error @ ArtefactError::Damaged { .. }) => Err(Failed {
                remake,
                ..Failed::new(ErrorKind::BadArtefact, error)
            }),
            Err(error) => Err(Failed::new(ErrorKind::Storage, error)),
        }
    }

    async fn store(&self, path: &Path) -> Result<ArtefactId, Failed> {
        let stored = self.artefacts.put(path).await;
        stored.map_err(|error| Failed::new(ErrorKind::Storage, error))
    }

    /// Asks the engine; `remake` says what is to blame when it finds a file damaged or a proof
    /// invalid.
    async fn call(&self, work: Work, remake: Remake) -> Result<(Answer, Usage), Failed> {
        let called = self.engine.call(work, self.timeout).await;
        called.map_err(|failed| match failed.kind {
            ErrorKind::BadArtefact | ErrorKind::Invalid => Failed { remake, ..failed },
            _ => failed,
        })
    }

    /// The engine says that it wrote a file.
    async fn written(&self, answer: &Answer, path: &Path) -> Result<(), Failed> {
        match answer {
            Answer::Written { bytes } => is_there(path, *bytes).await,
            _ => Err(out_of_turn()),
        }
    }
}

/// The engine says that it wrote so many bytes: they must be there.
async fn is_there(path: &Path, bytes: u64) -> Result<(), Failed> {
    match tokio::fs::metadata(path).await {
        Ok(file) if file.len() == bytes && bytes > 0 => Ok(()),
        Ok(file) => Err(Failed::new(
            ErrorKind::Internal,
            format!(
                "the engine said that it wrote {bytes} bytes and the file has {}",
                file.len()
            ),
        )),
        Err(error) => Err(Failed::new(
            ErrorKind::Internal,
            format!("the engine said that it wrote a file that is not there: {error}"),
        )),
    }
}

fn out_of_turn() -> Failed {
    Failed::new(
        ErrorKind::Internal,
        "the engine answered something that was not asked",
    )
}
