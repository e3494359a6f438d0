//! Runs folders of fixtures and the attacks, natively and in the guest.

use std::path::Path;

use alloy_primitives::Bytes;
use anyhow::Result;
use cloister_crypto::NativeCrypto;
use cloister_stf::{
    BatchInput,
    cost::{COST_TABLES, input_work},
};

use crate::{
    case::{self, Case, Comparison},
    fixture,
    guest::{Guest, Run},
    report::{CaseResult, Entry, Report},
    verdict::Verdict,
};

/// A case that was executed natively and waits for the guest.
#[derive(Debug)]
struct Waiting {
    name: String,
    comparison: Comparison,
    batch: Option<(Bytes, Verdict)>,
}

/// Most bytes of inputs that wait for the guest.
const MAX_WAITING_BYTES: usize = 256 << 20;

/// Runs every case of every fixture in a folder; in the guest too where one is given.
///
/// # Errors
/// When the folder or a file cannot be read, or the engine cannot be run.
pub fn state_tests(folder: &Path, guest: Option<&Guest>) -> Result<Report> {
    let mut report = Report::default();
    let mut waiting = Vec::new();
    for path in fixture::files(folder)? {
        let file = path.strip_prefix(folder).unwrap_or(&path).display();
        for (name, fixture) in fixture::read(&path)? {
            for (fork, posts) in &fixture.post {
                for (index, post) in posts.iter().enumerate() {
                    let fixture = &fixture;
                    let ran = case::run(&Case {
                        fixture,
                        fork,
                        post,
                    })?;
                    waiting.push(Waiting {
                        name: format!("{file} {name} {fork}/{index}"),
                        comparison: ran.comparison,
                        batch: guest.and(ran.batch),
                    });
                }
            }
        }
        let bytes: usize = waiting.iter().map(Waiting::bytes).sum();
        if bytes > MAX_WAITING_BYTES {
            settle(&mut report, &mut waiting, guest)?;
        }
    }
    settle(&mut report, &mut waiting, guest)?;
    Ok(report)
}

/// Runs named batches with the verdict that each must have.
///
/// # Errors
/// When the engine cannot be run.
pub fn attacks(
    attacks: Vec<(String, Comparison, Bytes, Verdict)>,
    guest: Option<&Guest>,
) -> Result<Report> {
    let mut report = Report::default();
    let mut waiting = attacks
        .into_iter()
        .map(|(name, comparison, input, verdict)| Waiting {
            name,
            comparison,
            batch: guest.is_some().then_some((input, verdict)),
        })
        .collect();
    settle(&mut report, &mut waiting, guest)?;
    Ok(report)
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.batch.as_ref().map_or(0, |(input, _)| input.len())
    }
}

/// Asks the guest about the waiting cases and adds them to the report; a guest that says something
/// else than the native execution fails the case, whatever the fixture expects (SSTF-9).
fn settle(report: &mut Report, waiting: &mut Vec<Waiting>, guest: Option<&Guest>) -> Result<()> {
    let inputs: Vec<Bytes> = waiting
        .iter()
        .filter_map(|case| case.batch.as_ref())
        .map(|(input, _)| input.clone())
        .collect();
    let runs = match guest {
        Some(guest) if !inputs.is_empty() => guest.run(&inputs)?,
        _ => Vec::new(),
    };
    let mut runs = runs.into_iter();
    for case in waiting.drain(..) {
        let run = case.batch.as_ref().and_then(|_| runs.next());
        report.add(entry(case, run));
    }
    Ok(())
}

fn entry(case: Waiting, run: Option<Run>) -> Entry {
    let (result, reason) = match case.comparison {
        Comparison::Passed => (CaseResult::Passed, None),
        Comparison::Skipped(reason) => (CaseResult::Skipped, Some(reason)),
        Comparison::Failed(reason) => (CaseResult::Failed, Some(reason)),
    };
    let mut entry = Entry {
        name: case.name,
        result,
        reason,
        guest_agrees: None,
        instructions: None,
    };
    if let (Some(run), Some((input, native))) = (run, &case.batch) {
        let agrees = run.outcome == native.outcome();
        entry.guest_agrees = Some(agrees);
        entry.instructions = run.instructions;
        let fault = run
            .instructions
            .and_then(|took| estimate_fault(took, input));
        if let Some(fault) = fault {
            entry.result = CaseResult::Failed;
            entry.reason = Some(fault);
        }
        if !agrees {
            entry.result = CaseResult::Failed;
            entry.reason = Some(format!("the guest says {}, natively {native}", run.outcome));
        }
    }
    entry
}

/// What is wrong with the estimate by which a sequencer closes batches, of a batch that took the
/// guest so many instructions: nobody may make it take more (SSTF-11).
fn estimate_fault(took: u64, input: &Bytes) -> Option<String> {
    let Some(table) = COST_TABLES.last() else {
        return Some("there is no table of costs".to_owned());
    };
    let input = match BatchInput::decode(input) {
        Ok(input) => input,
        Err(error) => return Some(format!("the guest takes what cannot be read: {error}")),
    };
    match input_work(&input, &NativeCrypto) {
        Ok(work) => {
            let estimated = table.instructions(&work);
            (estimated < took)
                .then(|| format!("the guest takes {took} instructions, estimated {estimated}"))
        }
        Err(error) => Some(format!("the cost cannot be estimated: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;
    use crate::{
        attacks,
        verdict::{Outcome, Refused},
    };

    fn told(comparison: Comparison, native: Verdict, outcome: Outcome) -> Entry {
        let case = Waiting {
            name: "case".to_owned(),
            comparison,
            batch: Some((Bytes::new(), native)),
        };
        let run = Run {
            outcome,
            instructions: None,
        };
        entry(case, Some(run))
    }

    /// SSTF-11.
    #[test]
    fn a_batch_that_takes_more_than_is_estimated_fails_the_case() {
        let (name, comparison, input, verdict) = attacks::judged()
            .unwrap()
            .into_iter()
            .find(|(_, _, _, verdict)| matches!(verdict, Verdict::Valid(_)))
            .unwrap();
        let took = |instructions| {
            let case = Waiting {
                name: name.clone(),
                comparison: comparison.clone(),
                batch: Some((input.clone(), verdict.clone())),
            };
            let run = Run {
                outcome: verdict.outcome(),
                instructions: Some(instructions),
            };
            entry(case, Some(run))
        };
        let work = input_work(&BatchInput::decode(&input).unwrap(), &NativeCrypto).unwrap();
        let estimated = COST_TABLES.last().unwrap().instructions(&work);
        assert_eq!(took(estimated).result, CaseResult::Passed);
        let over = took(estimated + 1);
        assert_eq!(over.result, CaseResult::Failed);
        assert_eq!(over.guest_agrees, Some(true));
        assert!(over.reason.unwrap().contains("estimated"));
    }

    /// SSTF-9.
    #[test]
    fn a_guest_that_says_something_else_fails_the_case() {
        let hash = B256::repeat_byte(1);
        let refused = Verdict::Refused(Refused {
            class: 20,
            code: None,
            message: String::new(),
        });
        let skipped = || Comparison::Skipped("a reason".to_owned());
        for (native, outcome) in [
            (Verdict::Valid(hash), Outcome::Valid(B256::ZERO)),
            (Verdict::Valid(hash), Outcome::Exit(20)),
            (Verdict::Valid(hash), Outcome::Broke("x".to_owned())),
            (refused.clone(), Outcome::Exit(19)),
            (refused.clone(), Outcome::Exit(1)),
            (refused.clone(), Outcome::Valid(hash)),
        ] {
            for comparison in [Comparison::Passed, skipped()] {
                let entry = told(comparison, native.clone(), outcome.clone());
                assert_eq!(entry.result, CaseResult::Failed);
                assert_eq!(entry.guest_agrees, Some(false));
            }
        }
        let agreed = told(Comparison::Passed, refused, Outcome::Exit(20));
        assert_eq!(agreed.result, CaseResult::Passed);
        assert_eq!(agreed.guest_agrees, Some(true));
        let valid = told(skipped(), Verdict::Valid(hash), Outcome::Valid(hash));
        assert_eq!(valid.result, CaseResult::Skipped);
        assert_eq!(valid.reason.as_deref(), Some("a reason"));
    }

    #[test]
    fn a_report_counts_and_ends_with_one_line() {
        let mut report = Report::default();
        let mut failed = told(
            Comparison::Failed("it is wrong".to_owned()),
            Verdict::Valid(B256::ZERO),
            Outcome::Valid(B256::ZERO),
        );
        failed.name = "the case".to_owned();
        failed.instructions = Some(3);
        report.add(failed);
        report.add(entry(
            Waiting {
                name: "other".to_owned(),
                comparison: Comparison::Skipped("no such fork: London".to_owned()),
                batch: None,
            },
            None,
        ));
        assert!(!report.is_clean());
        assert_eq!(
            report.to_string(),
            "failed: the case: it is wrong\n\
             skipped 1: no such fork\n\
             0 passed, 1 failed, 1 skipped; the guest agrees on 1 of 1 (1 million instructions)"
        );
    }
}
