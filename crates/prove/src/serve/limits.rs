//! What a process that serves may use.

use rustix::process::{Resource, Rlimit, setrlimit};

use super::internal;
use crate::protocol::Failure;

/// What the process may use.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Limits {
    /// Threads to prove with; as many as there are processors when not given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Memory that the process may take; it dies when it needs more.
    #[arg(long, value_name = "BYTES")]
    memory_limit: Option<u64>,
}

impl Limits {
    /// Holds the process to its limits.
    ///
    /// # Errors
    /// [`Failure`] when the kernel refuses, or threads were started before.
    pub fn apply(&self) -> Result<(), Failure> {
        if let Some(bytes) = self.memory_limit {
            let limit = Rlimit {
                current: Some(bytes),
                maximum: Some(bytes),
            };
            setrlimit(Resource::Data, limit).map_err(internal)?;
        }
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(internal)?;
        }
        Ok(())
    }
}
