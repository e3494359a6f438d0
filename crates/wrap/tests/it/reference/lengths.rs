//! Every length of a proof follows from the key; those of siblings are checked where they are used.

use cloister_wrap::{table::BusColumn, verify::Verifier};

use super::{Reason, demand, encoding::Proof};

/// Refuses a proof that has another length anywhere.
pub(crate) fn check(
    verifier: &Verifier,
    columns: &[Vec<BusColumn>],
    schedule: &[usize],
    proof: &Proof,
) {
    let circuit = verifier.key().circuit();
    let parameters = &circuit.parameters;
    let tables = circuit.tables.len();
    let heights = circuit.tables.iter().map(|table| table.log_height as usize);
    equal(proof.heights.len(), tables);
    for (height, got) in heights.zip(&proof.heights) {
        equal(*got, height + 1);
    }
    equal(proof.totals.len(), tables);
    equal(proof.tables.len(), tables);
    // Widths of the matrices of each round: random, trace, quotient, buses.
    let mut widths: [Vec<usize>; 4] = Default::default();
    for (number, opening) in proof.tables.iter().enumerate() {
        let trace = circuit.tables[number].width();
        let buses = 5 * (columns[number].len() + 1);
        let chunks = verifier.shape().tables[number].quotient_chunks;
        equal(opening.random.len(), 5);
        each(&opening.trace, trace);
        equal(opening.chunks.len(), chunks);
        each(&opening.chunks, 5);
        each(&opening.buses, buses);
        widths[0].push(5);
        widths[1].push(trace);
        widths[2].extend(vec![5; chunks]);
        widths[3].push(buses);
    }
    let masks = parameters.random_columns as usize;
    equal(proof.masks.len(), 4);
    for ((round, widths), points) in proof.masks.iter().zip(&widths).zip([1, 2, 1, 2]) {
        equal(round.len(), widths.len());
        for matrix in round {
            equal(matrix.len(), points);
            each(matrix, masks);
        }
    }
    for commitment in [&proof.main, &proof.buses, &proof.quotient, &proof.random] {
        equal(commitment.len(), 1 << parameters.cap_height);
    }
    equal(proof.fold_commitments.len(), schedule.len());
    each(&proof.fold_commitments, 1 << parameters.cap_height);
    equal(proof.fold_witnesses.len(), schedule.len());
    equal(proof.last.len(), 1 << parameters.log_final_length);
    let queries = parameters.queries as usize;
    equal(proof.inputs.len(), 4);
    for (opening, widths) in proof.inputs.iter().zip(&widths) {
        equal(opening.rows.len(), queries);
        for row in &opening.rows {
            equal(row.len(), widths.len());
            for (row, width) in row.iter().zip(widths) {
                equal(row.len(), width + masks);
            }
        }
        salts(&opening.salts, queries, circuit.tables.len());
    }
    equal(proof.folds.len(), schedule.len());
    for (opening, step) in proof.folds.iter().zip(schedule) {
        equal(opening.rows.len(), queries);
        for row in &opening.rows {
            each(row, (1 << step) - 1);
        }
        salts(&opening.salts, queries, 1);
    }
}

fn salts<T>(salts: &[Vec<Vec<T>>], queries: usize, heights: usize) {
    equal(salts.len(), queries);
    for of_query in salts {
        equal(of_query.len(), heights);
        each(of_query, 4);
    }
}

fn each<T>(lists: &[Vec<T>], length: usize) {
    for list in lists {
        equal(list.len(), length);
    }
}

fn equal(got: usize, expected: usize) {
    demand(Reason::Length, got == expected);
}
