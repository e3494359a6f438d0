//! Counts and reasons of a run.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// One case that was run.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// File and name of the test, with fork and position.
    pub name: String,
    /// Against the fixture's expectation.
    pub result: CaseResult,
    /// Why it was skipped or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the guest says what the native execution says; none where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_agrees: Option<bool>,
    /// Instructions of the guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseResult {
    /// As expected, in the guest as natively.
    Passed,
    /// Not as expected, or the guest disagrees.
    Failed,
    /// Not compared with the fixture, for a reason; the guest agrees where it was asked.
    Skipped,
}

/// A whole run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// As expected.
    pub passed: u64,
    /// Not as expected.
    pub failed: u64,
    /// Not compared.
    pub skipped: u64,
    /// Executions in the guest.
    pub guest_executions: u64,
    /// Executions in the guest that agree with the native one.
    pub guest_agreements: u64,
    /// Instructions of all executions in the guest.
    pub guest_instructions: u64,
    /// Why cases were skipped, with their number.
    pub skipped_because: BTreeMap<String, u64>,
    /// The cases in order.
    pub cases: Vec<Entry>,
}

impl Report {
    /// Adds a case.
    pub fn add(&mut self, entry: Entry) {
        let count = match entry.result {
            CaseResult::Passed => &mut self.passed,
            CaseResult::Failed => &mut self.failed,
            CaseResult::Skipped => &mut self.skipped,
        };
        *count = count.saturating_add(1);
        if let Some(agrees) = entry.guest_agrees {
            self.guest_executions = self.guest_executions.saturating_add(1);
            self.guest_agreements = self.guest_agreements.saturating_add(u64::from(agrees));
        }
        let instructions = entry.instructions.unwrap_or_default();
        self.guest_instructions = self.guest_instructions.saturating_add(instructions);
        if let (CaseResult::Skipped, Some(reason)) = (entry.result, &entry.reason) {
            // Details after the colon differ from case to case.
            let kind = reason.split(':').next().unwrap_or(reason).to_owned();
            let count = self.skipped_because.entry(kind).or_default();
            *count = count.saturating_add(1);
        }
        self.cases.push(entry);
    }

    /// Whether nothing failed.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.failed == 0
    }
}

impl fmt::Display for Report {
    /// Failures and reasons, then one line of counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.cases {
            if entry.result == CaseResult::Failed {
                let reason = entry.reason.as_deref().unwrap_or("no reason");
                writeln!(f, "failed: {}: {reason}", entry.name)?;
            }
        }
        for (reason, count) in &self.skipped_because {
            writeln!(f, "skipped {count}: {reason}")?;
        }
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )?;
        if self.guest_executions > 0 {
            write!(
                f,
                "; the guest agrees on {} of {} ({} million instructions)",
                self.guest_agreements,
                self.guest_executions,
                self.guest_instructions.div_ceil(1_000_000)
            )?;
        }
        Ok(())
    }
}
