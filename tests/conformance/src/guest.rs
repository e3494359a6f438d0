//! Plain execution of the guest image by the proof engine's own command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use alloy_primitives::{B256, Bytes};
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::verdict::Outcome;

/// Most inputs of one process; keeps the command line short.
const BATCH: usize = 200;

/// The engine, with the program that it runs.
#[derive(Clone, Debug)]
pub struct Guest {
    /// `cloister-prover-engine`.
    pub engine: PathBuf,
    /// The program.
    pub elf: PathBuf,
}

/// What an execution of the guest came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// How it ended.
    pub outcome: Outcome,
    /// Instructions; none where it did not end well.
    pub instructions: Option<u64>,
}

/// A line of `execute --json`.
#[derive(Debug, Deserialize)]
struct Line {
    exit_code: Option<u32>,
    error: Option<String>,
    public_values: Option<B256>,
    instructions: Option<u64>,
}

impl Guest {
    /// Runs the guest over inputs, a process a processor.
    ///
    /// # Errors
    /// When the engine cannot be run or does not answer for each input.
    pub fn run(&self, inputs: &[Bytes]) -> Result<Vec<Run>> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let share = inputs.len().div_ceil(processors).max(1);
        std::thread::scope(|scope| {
            let parts: Vec<_> = inputs
                .chunks(share)
                .map(|part| scope.spawn(move || self.run_in_turn(part)))
                .collect();
            let mut runs = Vec::with_capacity(inputs.len());
            for part in parts {
                let part = part.join();
                runs.extend(part.map_err(|_| anyhow::anyhow!("a worker panicked"))??);
            }
            Ok(runs)
        })
    }

    fn run_in_turn(&self, inputs: &[Bytes]) -> Result<Vec<Run>> {
        let mut runs = Vec::with_capacity(inputs.len());
        for part in inputs.chunks(BATCH) {
            runs.extend(self.run_once(part)?);
        }
        Ok(runs)
    }

    fn run_once(&self, inputs: &[Bytes]) -> Result<Vec<Run>> {
        let folder = tempfile::tempdir().context("no place for inputs")?;
        let mut command = Command::new(&self.engine);
        command.arg("execute").arg("--json");
        command.arg("--elf").arg(&self.elf);
        for (index, input) in inputs.iter().enumerate() {
            let path = folder.path().join(format!("{index}.batch"));
            std::fs::write(&path, input).context("an input could not be written")?;
            command.arg("--input").arg(path);
        }
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let engine = self.engine.display();
        let done = command
            .output()
            .with_context(|| format!("the engine `{engine}` cannot be run"))?;
        let text = String::from_utf8(done.stdout).context("the engine's answer is no text")?;
        let runs: Vec<Run> = text.lines().map(read_line).collect::<Result<_>>()?;
        // The engine ends with failure where a program refused its input; that is an answer.
        if runs.len() != inputs.len() {
            let said = String::from_utf8_lossy(&done.stderr);
            let (got, wanted) = (runs.len(), inputs.len());
            bail!(
                "the engine answered {got} of {wanted} inputs: {}",
                said.trim()
            );
        }
        Ok(runs)
    }
}

fn read_line(line: &str) -> Result<Run> {
    let line: Line = serde_json::from_str(line)
        .with_context(|| format!("the engine said what is no answer: {line}"))?;
    let outcome = match (line.exit_code, line.public_values) {
        (Some(0), Some(hash)) => Outcome::Valid(hash),
        (Some(code), None) if code != 0 => Outcome::Exit(code),
        (None, None) => Outcome::Broke(line.error.unwrap_or_default()),
        other => bail!("the engine's answer contradicts itself: {other:?}"),
    };
    Ok(Run {
        outcome,
        instructions: line.instructions,
    })
}

/// The newest version of the image in a checkout: `guest/image/vN/batch.elf`.
///
/// # Errors
/// When there is none.
pub fn newest_image(root: &Path) -> Result<PathBuf> {
    let folder = root.join("guest/image");
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot read `{}`", folder.display()))?;
    let newest = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_prefix('v')?.parse::<u32>().ok()
        })
        .max()
        .with_context(|| format!("`{}` holds no image", folder.display()))?;
    Ok(folder.join(format!("v{newest}/batch.elf")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_engine_says() {
        let hash = B256::repeat_byte(7);
        let valid =
            format!(r#"{{"exit_code":0,"public_values":"{hash}","instructions":5,"tables":[]}}"#);
        assert_eq!(
            read_line(&valid).unwrap(),
            Run {
                outcome: Outcome::Valid(hash),
                instructions: Some(5)
            }
        );
        let refused = r#"{"exit_code":13,"error":"the program ended with exit code 13"}"#;
        assert_eq!(read_line(refused).unwrap().outcome, Outcome::Exit(13));
        let broke = r#"{"exit_code":null,"error":"the program broke off: x"}"#;
        assert!(matches!(
            read_line(broke).unwrap().outcome,
            Outcome::Broke(_)
        ));
        assert!(read_line(r#"{"exit_code":0}"#).is_err());
        assert!(read_line("thread main panicked").is_err());
    }

    #[test]
    fn an_engine_that_is_not_there_or_says_nothing_is_an_error() {
        let guest = |engine: &str| Guest {
            engine: engine.into(),
            elf: "none".into(),
        };
        let inputs = [Bytes::from_static(&[1])];
        let absent = guest("/nonexistent/engine").run(&inputs).unwrap_err();
        assert!(absent.to_string().contains("cannot be run"));
        let mute = guest("true").run(&inputs).unwrap_err();
        assert!(mute.to_string().contains("answered 0 of 1"));
    }
}
