//! Progress on the terminal, and the summary file.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

/// One step of the demo.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    name: String,
    ok: bool,
    seconds: f64,
}

/// An Ethereum transaction of the batch.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct L1Transaction {
    /// Transaction hash.
    pub(crate) hash: String,
    /// Gas used.
    pub(crate) gas: u64,
    /// Bytes of its call.
    pub(crate) calldata_bytes: usize,
}

/// How far the demo's batch came.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Batch {
    /// Batch number.
    pub(crate) number: u64,
    /// sealed, committed, proved or finalized.
    pub(crate) state: String,
    /// Transactions that committed it.
    pub(crate) commit_transactions: Vec<L1Transaction>,
    /// Transactions in which its proof was checked, in order.
    pub(crate) prove_transactions: Vec<L1Transaction>,
    /// Gas of those, together.
    pub(crate) prove_gas: u64,
    /// Bytes of their calls, together.
    pub(crate) prove_calldata_bytes: usize,
}

/// All that happened; its fields are the stable fields of `summary.json`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    steps: Vec<Step>,
    batch: Option<Batch>,
    /// What the proof took: instructions, segments, processor time and memory by stage, size.
    proof: Option<Value>,
}

impl Report {
    /// Runs one step, shows it and records how it went.
    pub(crate) async fn step<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let mut terminal = std::io::stdout();
        let _ = write!(terminal, "  {name} … ");
        let _ = terminal.flush();
        let begun = Instant::now();
        let outcome = work.await;
        let seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let _ = match &outcome {
            Ok(_) => writeln!(terminal, "ok ({seconds:.1} s)"),
            Err(error) => writeln!(terminal, "FAILED ({seconds:.1} s): {error:#}"),
        };
        self.steps.push(Step {
            name: name.to_owned(),
            ok: outcome.is_ok(),
            seconds,
        });
        outcome
    }

    /// Records the batch.
    pub(crate) fn set_batch(&mut self, batch: Batch) {
        self.batch = Some(batch);
    }

    /// Records that the batch is in another state.
    pub(crate) fn set_state(&mut self, state: &str) {
        if let Some(batch) = &mut self.batch {
            state.clone_into(&mut batch.state);
        }
    }

    /// Records the transactions in which the proof was checked.
    pub(crate) fn set_prove_transactions(&mut self, transactions: Vec<L1Transaction>) {
        if let Some(batch) = &mut self.batch {
            batch.prove_gas = transactions.iter().map(|it| it.gas).sum();
            batch.prove_calldata_bytes = transactions.iter().map(|it| it.calldata_bytes).sum();
            batch.prove_transactions = transactions;
        }
    }

    /// Records what the proof took, as the gateway tells it.
    pub(crate) fn set_proof(&mut self, proof: Value) {
        self.proof = Some(proof);
    }

    /// Whether every step held.
    pub(crate) fn all_held(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.ok)
    }

    /// Writes the summary.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(self)?))?;
        Ok(())
    }

    /// Shows the summary.
    pub(crate) fn print(&self, path: &Path) {
        let held = self.steps.iter().filter(|step| step.ok).count();
        let seconds: f64 = self.steps.iter().map(|step| step.seconds).sum();
        let mut text = format!(
            "\n{held} of {} steps held in {seconds:.0} s.\n",
            self.steps.len()
        );
        if let Some(batch) = &self.batch {
            let _ = write!(
                text,
                "Batch {} is {} on Ethereum",
                batch.number, batch.state
            );
            for transaction in &batch.commit_transactions {
                let _ = write!(text, " ({} gas in {})", transaction.gas, transaction.hash);
            }
            text += ".\n";
            if batch.state == "committed" {
                text += "Committed is not proved: Ethereum holds its root but has not checked a proof.\n";
            } else if !batch.prove_transactions.is_empty() {
                let _ = writeln!(
                    text,
                    "Ethereum checked its proof in {} transactions: {} gas, {} bytes.",
                    batch.prove_transactions.len(),
                    batch.prove_gas,
                    batch.prove_calldata_bytes,
                );
            }
            text += &self.proof.as_ref().map(proof_in_words).unwrap_or_default();
        }
        let _ = writeln!(text, "Summary: {}", path.display());
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}

/// What the proof took, a line a stage.
fn proof_in_words(proof: &Value) -> String {
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let mut text = format!(
        "Its proof: {} instructions in {} segments, {} bytes, verified in {} ms; its wrap: {} bytes, \
         verified in {} ms.\n",
        count(&proof["instructions"]),
        count(&proof["segmentsTotal"]),
        count(&proof["proofBytes"]),
        count(&proof["verifyWallMs"]),
        count(&proof["wrapBytes"]),
        count(&proof["wrapVerifyWallMs"]),
    );
    for stage in proof["usage"].as_array().into_iter().flatten() {
        let _ = writeln!(
            text,
            "  {:10} {:3} jobs  {:6} CPU s  {:6} s  {:5} MiB",
            stage["stage"].as_str().unwrap_or_default(),
            count(&stage["jobs"]),
            count(&stage["cpuMs"]) / 1_000,
            count(&stage["wallMs"]) / 1_000,
            count(&stage["peakBytes"]) >> 20,
        );
    }
    text
}
