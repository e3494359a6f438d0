//! Every constraint and every message counts: without it, something false passes.

use cloister_wrap::{
    check::{Fault, check},
    circuit::Circuit,
    config::Val,
    key::VerifyingKey,
    prove::Prover,
    trace::TableTrace,
    verify::Verifier,
};
use p3_field::PrimeCharacteristicRing;

use crate::sample::{
    HEAD, PARAMETERS, REVEAL, SQUARES, WORK, circuit, column, places, statement, world,
};

/// Proves and verifies what a forger made.
fn accepts(circuit: Circuit, tables: &[TableTrace]) -> bool {
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

/// A constraint, by table, AIR and place in the AIR's list, with the row and column of a cell whose
/// change breaks it alone, if one was found.
type Forgery = (usize, usize, usize, Option<(usize, usize)>);

/// For each constraint, looks for a cell whose change breaks this constraint alone.
fn forgeries(circuit: &Circuit, tables: &[TableTrace]) -> Vec<Forgery> {
    let mut found = Vec::new();
    for (number, table) in circuit.tables.iter().enumerate() {
        let mut start = 0;
        for (place, air) in table.airs.iter().enumerate() {
            for constraint in 0..air.constraints.len() {
                found.push((number, place, constraint, None));
            }
            let rows = [0, 1, 2, 5, 7, 8, 9, 100, (1 << table.log_height) - 1];
            for (row, cell) in rows
                .into_iter()
                .flat_map(|row| (0..air.width as usize).map(move |cell| (row, cell)))
            {
                let tables = changed(tables, number, row, start + cell);
                let faults = check(circuit, &tables).faults;
                let mut broken = faults.iter().map(|fault| match fault {
                    Fault::Constraint { constraint, .. } => Some(*constraint),
                    Fault::Bus { .. } => None,
                });
                let Some(Some(first)) = broken.next() else {
                    continue;
                };
                if broken.all(|other| other == Some(first)) {
                    for entry in &mut found {
                        if (entry.0, entry.1, entry.2) == (number, place, first) {
                            entry.3 = Some((row, start + cell));
                        }
                    }
                }
            }
            start += air.width as usize;
        }
    }
    found
}

#[test]
#[ignore = "searches every cell for every constraint; minutes"]
fn without_any_one_constraint_some_false_trace_is_accepted() {
    let world = world();
    let whole = circuit(PARAMETERS);
    for (table, place, constraint, cell) in forgeries(&whole, &world.tables) {
        let mut reduced = whole.clone();
        reduced.tables[table].airs[place]
            .constraints
            .remove(constraint);
        assert_ne!(
            VerifyingKey::new(reduced.clone()).unwrap().digest(),
            world.prover.key().digest()
        );
        if let Some((row, column)) = cell {
            let tables = changed(&world.tables, table, row, column);
            assert!(!accepts(whole.clone(), &tables));
            assert!(accepts(reduced, &tables), "{table} {place} {constraint}");
        }
    }
}

/// The AIR's place in its table.
fn place(circuit: &Circuit, table: usize, name: &str) -> usize {
    circuit.tables[table]
        .airs
        .iter()
        .position(|air| air.name == name)
        .unwrap()
}

#[test]
fn without_a_constraint_a_false_trace_is_accepted_that_was_refused_before() {
    let world = world();
    let whole = circuit(PARAMETERS);
    // The last byte that is revealed comes from no message: only one constraint ties it.
    let cell = column(&whole, 0, "Reveal") + 13;
    let tables = changed(&world.tables, 0, 6, cell);
    assert!(!accepts(whole.clone(), &tables));

    let mut reduced = whole.clone();
    let reveal = place(&whole, 0, "Reveal");
    let last = whole.tables[0].airs[reveal].constraints.len();
    let refused: Vec<bool> = (0..last)
        .map(|constraint| {
            let mut reduced = whole.clone();
            reduced.tables[0].airs[reveal]
                .constraints
                .remove(constraint);
            !check(&reduced, &tables).faults.is_empty()
        })
        .collect();
    let only = refused.iter().position(|refused| !refused).unwrap();
    assert_eq!(refused.iter().filter(|refused| !**refused).count(), 1);
    reduced.tables[0].airs[reveal].constraints.remove(only);

    assert!(accepts(reduced.clone(), &tables));
    assert_ne!(
        VerifyingKey::new(reduced).unwrap().digest(),
        world.prover.key().digest()
    );
}

#[test]
fn without_a_message_a_false_trace_is_accepted_that_was_refused_before() {
    let world = world();
    let whole = circuit(PARAMETERS);
    let work = place(&whole, 1, "Work");
    // Row 3 asks for a square; the forger has another square and answers once less.
    let start = column(&whole, 1, "Work");
    let mut tables = changed(&world.tables, 1, 3, start + 2);
    let width = tables[1].matrix.width;
    for row in tables[1].matrix.values.chunks_exact_mut(width) {
        // Nobody asks any more, so nothing is answered.
        row[start + 2] += Val::ONE;
    }
    let asked = column(&whole, 0, "Squares") + 2;
    let width = tables[0].matrix.width;
    for row in tables[0].matrix.values.chunks_exact_mut(width) {
        row[asked] = Val::ZERO;
    }
    assert!(!accepts(whole.clone(), &tables));

    let mut reduced = whole.clone();
    reduced.tables[1].airs[work].interactions.remove(0);

    assert!(accepts(reduced.clone(), &tables));
    assert_ne!(
        VerifyingKey::new(reduced).unwrap().digest(),
        world.prover.key().digest()
    );
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
