//! Checks the table of costs against batches that were executed in the guest, and makes the batches
//! that show what one feature costs.
//!
//! ```text
//! cargo run -p cloister-stf --example cost_model -- probes DIR
//! cargo run -p cloister-stf --example cost_model -- check FILE
//! cargo run -p cloister-stf --example cost_model -- counts FILE
//! ```
//!
//! `probes` writes an encoded batch input for each opcode and precompile with its worst operands,
//! and `DIR/probes`, the list of them. `check` reads lines `INPUT INSTRUCTIONS [FEATURE]`: an encoded
//! batch input, what the guest took for it (`cloister-prover-engine execute`), and for a probe the
//! feature it is about, whose cost it then tells. `counts` prints what the meter counted, as JSON
//! lines, for whoever fits a new table.
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
    cost::{BatchMeter, COST_TABLES, CostTable, Feature, Work, tree_nodes},
    decode_and_recover,
    seal::log_addresses,
};
use cloister_types::StateKey;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["probes", folder] => probes::write(folder.as_ref()),
        ["check", file] => check(&rows(file)),
        ["counts", file] => rows(file).iter().for_each(Row::print_counts),
        _ => panic!("usage: cost_model probes DIR | check FILE | counts FILE"),
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

    fn print_counts(&self) {
        let counts: serde_json::Map<String, serde_json::Value> = Feature::ALL
            .iter()
            .map(|feature| (feature.name().to_owned(), self.work.count(*feature).into()))
            .filter(|(_, count)| *count != 0)
            .collect();
        let about = self.about.map(Feature::name);
        let (name, measured) = (&self.name, self.measured);
        println!(
            "{}",
            serde_json::json!({"name": name, "measured": measured, "about": about, "counts": counts})
        );
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

fn rows(file: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(file).expect("readable");
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(Row::parse)
        .collect()
}

fn check(rows: &[Row]) {
    let table = COST_TABLES.last().expect("a table");
    println!("image {} revision {}", table.image, table.revision);
    println!("      estimated       measured    error  batch");
    let mut errors = Vec::new();
    for row in rows {
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
    meter.work(tree_leaves(input))
}

/// About how many leaves the tree under a batch has: a power of two with which the witness' paths
/// would have about as many nodes as they have.
fn tree_leaves(input: &BatchInput) -> u64 {
    let keys = u64::try_from(input.witness.openings.len()).unwrap();
    let nodes = u64::try_from(input.witness.multiproof.node_count()).unwrap();
    // Of the nodes of a binary tree one less than half are hashed from two below.
    let inner = nodes / 2;
    (0..40)
        .map(|bits| 1 << bits)
        .min_by_key(|size| tree_nodes(keys, *size).abs_diff(inner))
        .unwrap()
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
