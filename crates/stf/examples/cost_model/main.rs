//! Checks the table of costs against batches that were executed in the guest, and makes the batches
//! that show what one feature costs.
//!
//! ```text
//! cargo run -p cloister-stf --example cost_model -- probes DIR
//! cargo run -p cloister-stf --example cost_model -- check FILE
//! ```
//!
//! `probes` writes an encoded batch input for each opcode and precompile with its worst operands,
//! and `DIR/probes`, the list of them. `check` reads lines `INPUT INSTRUCTIONS [FEATURE]`: an encoded
//! batch input, what the guest took for it (`cloister-prover-engine execute`), and for a probe the
//! feature it is about, whose cost it then tells.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool for development, which may end with a backtrace"
)]

mod probes;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/world.rs"]
mod world;

use alloy_primitives::{B256, U256};
use cloister_crypto::NativeCrypto;
use cloister_stf::{
    BatchInput, BlockContext, BlockExecutor, ExecuteError, LeafValue, MemoryState,
    StateReader as _,
    cost::{BatchMeter, COST_TABLES, CostTable, Feature, Work},
    decode_and_recover,
    seal::log_addresses,
};
use cloister_types::StateKey;

/// Leaves of the tree that a batch is over, when nothing else is known. Its order of magnitude
/// decides only how deep paths are.
const TREE_LEAVES: u64 = 20_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["probes", folder] => probes::write(folder.as_ref()),
        ["check", file] => check(&std::fs::read_to_string(file).expect("readable")),
        _ => panic!("usage: cost_model probes DIR | cost_model check FILE"),
    }
}

struct Row {
    name: String,
    measured: u64,
    work: Work,
    about: Option<Feature>,
}

impl Row {
    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let path = words.next().expect("an input");
        let measured = words.next().expect("instructions").parse().unwrap();
        let about = words.next().map(|name| {
            *Feature::ALL
                .iter()
                .find(|feature| feature.name() == name)
                .expect("a feature")
        });
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let input = std::fs::read(path).expect("readable input");
        let work = work(&BatchInput::decode(&input.into()).expect("a batch input"));
        Self {
            name,
            measured,
            work,
            about,
        }
    }

    /// What the feature would have to cost for the estimate to be right.
    fn implied(&self, table: &CostTable) -> Option<i128> {
        let feature = self.about?;
        let own = u128::from(table.coefficient(feature)) * u128::from(self.work.count(feature));
        let others = i128::from(table.instructions(&self.work)) - i128::try_from(own).unwrap();
        let rest = i128::from(self.measured) - others;
        rest.checked_div(i128::from(self.work.count(feature)))
    }
}

fn check(text: &str) {
    let table = COST_TABLES.last().expect("a table");
    let rows: Vec<Row> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(Row::parse)
        .collect();
    println!("image {} revision {}", table.image, table.revision);
    println!("      estimated       measured    error  batch");
    let mut errors = Vec::new();
    for row in &rows {
        let estimated = table.instructions(&row.work);
        let permille = permille(estimated, row.measured);
        print!(
            "{estimated:>15}{:>15}{:>8.1}%  {}",
            row.measured,
            tenths(permille),
            row.name
        );
        if let (Some(feature), Some(implied)) = (row.about, row.implied(table)) {
            let held = table.coefficient(feature);
            let mark = if i128::from(held) < implied {
                " TOO LOW"
            } else {
                ""
            };
            print!("  {}: {held}, measured {implied}{mark}", feature.name());
        } else {
            errors.push(permille);
        }
        println!();
    }
    summary(errors);
}

fn permille(estimated: u64, measured: u64) -> i64 {
    let off = i128::from(estimated) - i128::from(measured);
    i64::try_from(off * 1_000 / i128::from(measured.max(1))).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn tenths(permille: i64) -> f64 {
    permille as f64 / 10.0
}

/// Of the batches that are no probes: how far the estimate is off.
fn summary(errors: Vec<i64>) {
    let under = errors.iter().filter(|error| **error < 0).count();
    let mut sizes: Vec<i64> = errors.into_iter().map(i64::abs).collect();
    sizes.sort_unstable();
    let Some(worst) = sizes.last() else { return };
    let count = i64::try_from(sizes.len()).unwrap();
    let mean = sizes.iter().sum::<i64>() / count;
    let p95 = sizes[(sizes.len() * 19).div_ceil(20) - 1];
    println!(
        "{count} batches: error {:.1}% in the mean, {:.1}% at the 95th percentile, {:.1}% at worst; \
         {under} underestimated",
        tenths(mean),
        tenths(p95),
        tenths(*worst)
    );
}

/// What the guest does for a batch, by executing it natively over the state in its witness.
fn work(input: &BatchInput) -> Work {
    let mut state = opened(input);
    let mut meter = BatchMeter::default();
    for block in &input.blocks {
        let context = BlockContext {
            number: block.header.number,
            parent_hash: block.header.parent_hash,
            timestamp: block.header.timestamp,
            beneficiary: block.header.beneficiary,
        };
        let mut executor = BlockExecutor::metered(&input.config, context, &state).unwrap();
        for raw in &block.transactions {
            let tx = decode_and_recover(raw, &input.config, &NativeCrypto).unwrap();
            executor
                .execute_if(&tx, |_| Ok::<(), ExecuteError>(()))
                .unwrap();
        }
        let work = *executor.work();
        let outcome = executor.finish();
        assert_eq!(
            outcome.header, block.header,
            "the state is not the witness'"
        );
        let active = outcome.transactions.iter().flat_map(|one| {
            let logs = one.fields.logs.iter().flat_map(log_addresses);
            one.concerned.iter().copied().chain(logs)
        });
        let length = |hash: &B256| state.code(hash).unwrap().original_bytes().len();
        meter.absorb(&work, &outcome.trace, active, length);
        state.apply(&outcome.trace);
    }
    meter.work(TREE_LEAVES)
}

fn opened(input: &BatchInput) -> MemoryState {
    let mut state = MemoryState::default();
    for (key, opening) in &input.witness.openings {
        match (key, opening.as_ref().map(|opening| opening.value)) {
            (StateKey::Account(address), Some(LeafValue::Account(value))) => {
                state.accounts.insert(*address, value);
            }
            (StateKey::Storage(address, slot), Some(LeafValue::Storage(value))) => {
                let slot: U256 = (*slot).into();
                state.storage.insert((*address, slot), value);
            }
            _ => {}
        }
    }
    for code in &input.witness.codes {
        let code = cloister_stf::state::analysed_code(code.clone());
        state.codes.insert(code.hash_slow(), code);
    }
    state
}
