//! `cargo xtask test`: every check and every test. It goes on after a failure, so that one run tells
//! everything, and ends with one line: `N passed, N failed`.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::{conformance, docs, engine, files, generate, guest, layers, shell, tidy, tools};

/// What has passed and failed so far. A check counts as one test.
#[derive(Debug, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Tally {
    /// Counts a check.
    fn check(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        match shell::step(name, work) {
            Ok(()) => self.passed += 1,
            Err(error) => {
                self.failed += 1;
                self.failures.push(format!("{name}: {error:#}"));
            }
        }
    }

    /// Counts the tests of one test program by its summary lines.
    fn tests(
        &mut self,
        name: &str,
        command: std::process::Command,
        count: fn(&str) -> Option<Counts>,
    ) {
        let mut sum = Counts::default();
        let outcome = shell::step(name, || {
            let succeeded = shell::watch(command, |line| {
                if let Some(counts) = count(line) {
                    sum.passed += counts.passed;
                    sum.failed += counts.failed;
                } else if is_failed_test(line) {
                    self.failures.push(line.trim().to_owned());
                }
            })?;
            if !succeeded || sum.failed > 0 {
                bail!("{} of {} tests failed", sum.failed, sum.passed + sum.failed);
            }
            Ok(())
        });
        self.passed += sum.passed;
        self.failed += sum.failed;
        if let Err(error) = outcome {
            // A program that fails without a failed test did not run all of them.
            self.failed += u64::from(sum.failed == 0);
            self.failures.push(format!("{name}: {error:#}"));
        }
    }
}

/// Results that a test program tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

/// Runs everything; with `quick`, only the checks that build nothing but xtask.
pub(crate) fn run(root: &Path, quick: bool) -> Result<()> {
    let start = Instant::now();
    let mut tally = Tally::default();
    if !quick {
        shell::step("tools", || tools::install(root))?;
    }
    tally.check("format", || {
        let format = shell::cargo(root, &["fmt", "--all", "--", "--check", "-l"])?;
        shell::run(format).context("run `cargo fmt --all`")
    });
    tally.check("layers", || files::report("layers", &layers::check(root)?));
    tally.check("tidy", || files::report("tidy", &tidy::check(root)?));
    tally.check("documents", || {
        files::report("check-docs", &docs::check(root)?)
    });
    if !quick {
        built(root, &mut tally)?;
        proved(root, &mut tally)?;
    }
    for failure in &tally.failures {
        eprintln!("failed: {failure}");
    }
    eprintln!("all of it took {}", shell::seconds(start.elapsed()));
    writeln!(
        std::io::stdout(),
        "{} passed, {} failed",
        tally.passed,
        tally.failed
    )?;
    if tally.failed > 0 {
        bail!("some checks or tests failed; they are listed above");
    }
    Ok(())
}

/// Checks and tests that need the workspace built.
fn built(root: &Path, tally: &mut Tally) -> Result<()> {
    tally.check("clippy", || {
        let arguments = [
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            // The wrap's own code, all but what takes OpenVM.
            "--features",
            "cloister-wrap/prove",
            "--",
            "-D",
            "warnings",
        ];
        shell::run(shell::cargo(root, &arguments)?)
    });
    // Programs and tests in one go: apart, they would be built with different features, twice.
    let build = ["build", "--locked", "--workspace", "--bins", "--tests"];
    tally.check("build", || shell::run(shell::cargo(root, &build)?));
    tally.check("generated files", || {
        files::report("gen", &generate::run(root, true)?)
    });
    let test = ["test", "--locked", "--workspace", "--no-fail-fast"];
    tally.tests("tests", shell::cargo(root, &test)?, rust_counts);
    let contracts = root.join("contracts");
    tally.check("format of the contracts", || {
        let mut forge = shell::command(root, "forge")?;
        forge.current_dir(&contracts).args(["fmt", "--check"]);
        shell::run(forge)
    });
    let mut forge = shell::command(root, "forge")?;
    forge
        .current_dir(&contracts)
        .arg("test")
        .env("FORGE_SNAPSHOT_CHECK", "true");
    tally.tests("tests of the contracts", forge, forge_counts);
    tally.tests("tests of the guest", guest::tests(root)?, rust_counts);
    Ok(())
}

/// What builds the guest and its engine, runs its image and proves with it.
fn proved(root: &Path, tally: &mut Tally) -> Result<()> {
    tally.check("image of the guest", || {
        guest::run(root, guest::Task::CheckIfChanged)
    });
    let mut program = None;
    tally.check("proof engine", || {
        program = Some(engine::build(root)?);
        Ok(())
    });
    let Some(program) = program else {
        return Ok(());
    };
    tally.check("self-test of the guest", || guest::selftest(root, &program));
    tally.check("conformance in the guest", || {
        conformance::check(root, &program)
    });
    tally.check("estimates of what the guest takes", || {
        guest::estimates(root, &program)
    });
    tally.tests("proofs", engine::tests(root)?, rust_counts);
    tally.tests("wraps", engine::wrapper_tests(root)?, rust_counts);
    Ok(())
}

/// `test result: ok. 5 passed; 0 failed; 1 ignored; …`
fn rust_counts(line: &str) -> Option<Counts> {
    let rest = line.trim().strip_prefix("test result: ")?;
    let (_, rest) = rest.split_once(". ")?;
    let mut parts = rest.split("; ");
    let passed = parts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = parts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some(Counts { passed, failed })
}

/// `Ran 4 test suites in 1.2s (…): 20 tests passed, 0 failed, 0 skipped (20 total tests)`
fn forge_counts(line: &str) -> Option<Counts> {
    let line = line.trim();
    let (_, rest) = line.strip_prefix("Ran ")?.rsplit_once("): ")?;
    let mut parts = rest.split(", ");
    let passed = parts.next()?.strip_suffix(" tests passed")?.parse().ok()?;
    let failed = parts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some(Counts { passed, failed })
}

/// A line that names a test that failed.
fn is_failed_test(line: &str) -> bool {
    (line.starts_with("test ") && line.ends_with("... FAILED")) || line.starts_with("[FAIL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell_script(script: &str) -> std::process::Command {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn counts_what_cargo_and_forge_tell() {
        assert_eq!(
            rust_counts("test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; x"),
            Some(Counts {
                passed: 5,
                failed: 2
            })
        );
        assert_eq!(rust_counts("test a ... ok"), None);
        let forge = "Ran 4 test suites in 1.2s (3.4s CPU time): 20 tests passed, 1 failed, 0 skipped (21 total tests)";
        assert_eq!(
            forge_counts(forge),
            Some(Counts {
                passed: 20,
                failed: 1
            })
        );
        assert_eq!(forge_counts("Ran 3 tests for test/A.t.sol:A"), None);
    }

    #[test]
    fn adds_up_and_names_failures() {
        let mut tally = Tally::default();
        let ok = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'";
        tally.tests("good", shell_script(ok), rust_counts);
        assert_eq!((tally.passed, tally.failed), (3, 0));
        let bad = "echo 'test a::b ... FAILED'; \
                   echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored'; exit 1";
        tally.tests("bad", shell_script(bad), rust_counts);
        assert_eq!((tally.passed, tally.failed), (4, 1));
        assert_eq!(
            tally.failures,
            ["test a::b ... FAILED", "bad: 1 of 2 tests failed"]
        );
    }

    #[test]
    fn a_program_that_ends_badly_without_results_counts_as_failed() {
        let mut tally = Tally::default();
        tally.tests("does not compile", shell_script("exit 101"), rust_counts);
        assert_eq!((tally.passed, tally.failed), (0, 1));
        tally.check("check", || bail!("no"));
        assert_eq!((tally.passed, tally.failed), (0, 2));
        tally.check("check", || Ok(()));
        assert_eq!((tally.passed, tally.failed), (1, 2));
    }
}
