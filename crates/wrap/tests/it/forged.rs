//! False traces are refused, by the checker and by the verifier.

use cloister_wrap::{
    check::check, circuit::Circuit, config::Val, prove::Prover, trace::TableTrace, verify::Verifier,
};
use p3_field::PrimeCharacteristicRing;

use crate::sample::{
    HEAD, PARAMETERS, REVEAL, SQUARES, WORK, circuit, column, places, statement, world,
};

/// Proves and verifies what a forger made.
pub(crate) fn accepts(circuit: Circuit, tables: &[TableTrace]) -> bool {
    let prover = Prover::new(circuit, places()).unwrap();
    let verifier = Verifier::new(prover.key().clone()).unwrap();
    let proof = prover.prove(tables.to_vec()).unwrap();
    verifier.verify(&statement(), &proof).is_ok()
}

/// One more in a cell.
fn changed(tables: &[TableTrace], table: usize, row: usize, column: usize) -> Vec<TableTrace> {
    let mut tables = tables.to_vec();
    let width = tables[table].matrix.width;
    tables[table].matrix.values[row * width + column] += Val::ONE;
    tables
}

#[test]
fn a_changed_cell_is_refused_by_checker_and_verifier() {
    let world = world();
    let circuit = circuit(PARAMETERS);
    // A cell of each AIR: one that only a constraint ties, one that only a bus ties.
    let cells = [
        (0, 0, column(&circuit, 0, "Head") + 12),
        (0, 3, column(&circuit, 0, "Reveal") + 11),
        (0, 9, column(&circuit, 0, "Squares") + 2),
        (1, 3, column(&circuit, 1, "Work") + 2),
        (1, 5, column(&circuit, 1, "Work") + 7),
        (0, 100, column(&circuit, 0, "Constant") + 7),
    ];

    for (table, row, column) in cells {
        let tables = changed(&world.tables, table, row, column);
        let report = check(world.prover.key().circuit(), &tables);
        assert!(
            !report.faults.is_empty(),
            "table {table}, row {row}, column {column}"
        );
        assert!(
            !accepts(circuit.clone(), &tables),
            "table {table}, row {row}, column {column}"
        );
    }
}

#[test]
fn a_pinned_table_keeps_its_height() {
    let world = world();
    let whole = circuit(PARAMETERS);
    let mark = column(&whole, 0, "Reveal") + 14;
    let width = world.tables[0].matrix.width;
    // One row more or one less is marked.
    for (row, value) in [(8, Val::ONE), (7, Val::ZERO)] {
        let mut tables = world.tables.clone();
        tables[0].matrix.values[row * width + mark] = value;
        assert!(!check(&whole, &tables).faults.is_empty());
        assert!(!accepts(whole.clone(), &tables));
    }
    // After the last row comes the first, not what the forger likes.
    let parity = column(&whole, 0, "Reveal") + 1;
    let tables = changed(&world.tables, 0, 8, parity);
    assert!(!check(&whole, &tables).faults.is_empty());
}

#[test]
fn the_sample_has_every_kind_of_air() {
    let places = places();
    assert!(places[HEAD].is_pinned() && places[REVEAL].is_pinned());
    assert!(!places[SQUARES].is_pinned() && !places[WORK].is_pinned());
}
