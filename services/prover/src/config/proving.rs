//! `[prover]`: the engine, its workers, and how patient they are.

use std::path::PathBuf;
use std::time::Duration;

use cloister_settings::{
    SettingsError, Validate,
    schemars::{self, JsonSchema},
};
use serde::{Deserialize, Serialize};

use crate::store::Patience;

/// Failures of its surroundings, for each failure that counts, after which a job is dead too.
const FAULTS_PER_ATTEMPT: u32 = 10;
/// The longest pause before a job is tried again.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// `[prover]`: who proves, where it keeps what, and when it gives up.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProverSection {
    /// The program `cloister-prover-engine`.
    pub engine: PathBuf,
    /// The program `cloister-wrapper`, which makes of each final proof the one that Ethereum checks. It
    /// takes up to 14 GB; the workers of a process wrap one after the other, each without its engine
    /// meanwhile. Where it is not given nothing is wrapped, and batches stay `committed`.
    pub wrapper: Option<PathBuf>,
    /// Folder for the engine's keys; they are made there once.
    pub key_cache: PathBuf,
    /// Folder for files under way; emptied when a worker starts.
    pub scratch: PathBuf,
    /// Jobs that are worked on at once in this process; each has an engine of up to 10 GB. 0: this
    /// process proves nothing itself, other machines do.
    #[serde(default = "one")]
    pub workers: u32,
    /// Further workers that execute only and prove nothing, so that commits never wait until a
    /// proof is done. Not used on a machine that only proves.
    #[serde(default = "one")]
    pub checkers: u32,
    /// Threads of one engine, or of the wrapper; as many as there are processors unless given.
    pub threads_per_engine: Option<u16>,
    /// Memory that one engine may take, in bytes; it ends when it needs more, and the job is tried
    /// again.
    pub engine_memory_limit_bytes: Option<u64>,
    /// Memory that the wrapper may take, in bytes; it ends when it needs more, and the wrap is tried
    /// again.
    pub wrapper_memory_limit_bytes: Option<u64>,
    /// Folder in which artefacts are kept instead of the database. All machines must see the same.
    pub artefacts: Option<PathBuf>,
    /// Failures after which a job is dead and waits for an operator.
    #[serde(default = "default_attempts")]
    pub max_attempts: u32,
    /// How long a job is kept without a sign of its worker, in milliseconds.
    #[serde(default = "default_lease")]
    pub lease_ms: u64,
    /// Pause before a job is tried again, in milliseconds; it doubles up to five minutes.
    #[serde(default = "default_pause")]
    pub retry_pause_ms: u64,
    /// How often an empty queue is looked at, in milliseconds.
    #[serde(default = "default_poll")]
    pub poll_ms: u64,
    /// How long one call of the engine or the wrapper may take, in seconds.
    #[serde(default = "default_timeout")]
    pub call_timeout_s: u64,
    /// How long a job may go on when the process is told to end, in seconds. Then it is given back.
    #[serde(default = "default_grace")]
    pub stop_grace_s: u64,
    /// Longest input of a batch that is taken from the sequencer, in bytes.
    #[serde(default = "default_input")]
    pub max_input_bytes: u64,
    /// How long inputs and jobs of proved batches are kept, in hours. Final proofs and wraps are
    /// always kept, and everything of a rejected batch.
    #[serde(default = "default_keep")]
    pub keep_inputs_h: u64,
}

const fn one() -> u32 {
    1
}
const fn default_attempts() -> u32 {
    5
}
const fn default_lease() -> u64 {
    60_000
}
const fn default_pause() -> u64 {
    1_000
}
const fn default_poll() -> u64 {
    1_000
}
const fn default_timeout() -> u64 {
    7_200
}
const fn default_grace() -> u64 {
    10
}
const fn default_input() -> u64 {
    256 << 20
}
const fn default_keep() -> u64 {
    168
}

impl ProverSection {
    /// Limits of trying again.
    pub(crate) const fn patience(&self) -> Patience {
        Patience {
            attempts: self.max_attempts,
            faults: self.max_attempts.saturating_mul(FAULTS_PER_ATTEMPT),
            pause: Duration::from_millis(self.retry_pause_ms),
            longest_pause: MAX_PAUSE,
        }
    }

    /// How long a job is kept without a sign of its worker.
    pub(crate) const fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// How often an empty queue is looked at.
    pub(crate) const fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// How long one call of the engine may take.
    pub(crate) const fn call_timeout(&self) -> Duration {
        Duration::from_secs(self.call_timeout_s)
    }

    /// How long a job may go on when the process is told to end.
    pub(crate) const fn stop_grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace_s)
    }

    /// How long inputs and jobs of proved batches are kept.
    pub(crate) const fn keep_inputs(&self) -> Duration {
        Duration::from_hours(self.keep_inputs_h)
    }
}

impl Validate for ProverSection {
    fn validate(&self) -> Result<(), SettingsError> {
        let within = |setting: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(SettingsError::invalid(
                format!("prover.{setting}"),
                format!("must be between {least} and {most}, not `{value}`"),
            ))
        };
        within("workers", self.workers.into(), 0, 64)?;
        within("checkers", self.checkers.into(), 0, 8)?;
        within("max_attempts", self.max_attempts.into(), 1, 100)?;
        within("lease_ms", self.lease_ms, 300, 3_600_000)?;
        within("retry_pause_ms", self.retry_pause_ms, 1, 300_000)?;
        within("poll_ms", self.poll_ms, 10, 60_000)?;
        within("call_timeout_s", self.call_timeout_s, 1, 86_400)?;
        within(
            "threads_per_engine",
            self.threads_per_engine.unwrap_or(1).into(),
            1,
            1_024,
        )?;
        for (setting, limit) in [
            ("engine_memory_limit_bytes", self.engine_memory_limit_bytes),
            (
                "wrapper_memory_limit_bytes",
                self.wrapper_memory_limit_bytes,
            ),
        ] {
            within(setting, limit.unwrap_or(1 << 30), 1 << 28, 1 << 44)?;
        }
        // The skeleton drops everything 20 seconds after the first signal.
        within("stop_grace_s", self.stop_grace_s, 0, 15)?;
        within("max_input_bytes", self.max_input_bytes, 1_024, 4 << 30)?;
        within("keep_inputs_h", self.keep_inputs_h, 0, 876_000)
    }
}
