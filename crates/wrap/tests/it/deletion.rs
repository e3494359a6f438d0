//! Without any one constraint, or without the messages of any one bus, something false passes: a
//! forger finds it for each, and where none exists the reason is listed. So nothing that the
//! circuit says is there without effect, and nothing was lost when AIRs were put together.

use std::collections::{BTreeMap, BTreeSet};

use cloister_wrap::{circuit::Circuit, key::VerifyingKey};

use crate::{
    forge::{Changes, Forger, Part, Patience, Seat},
    forged::accepts,
    sample::{PARAMETERS, circuit, world},
};

/// Enough for every forgery of the sample.
const PATIENCE: Patience = Patience {
    starts: 400,
    ways: 6,
    mends: 4_000,
};

const MARK: &str = "where a mark ends the row has the last number, so a mark that is not 0 or 1, or \
    comes back, has no end, and the last row is not marked";
const NUMBERS: &str = "one up in each of eight rows: 0 in the first and 7 in the last follow from \
    each other";
const HEIGHT: &str = "the AIR's own numbers hold it to eight rows";
const PARITY: &str = "the AIR's own parity is 0 again after eight rows";
const ANSWER: &str = "what the bus's other side says would have no answer at all; see the bus";

/// Parts that nothing false passes without: AIR, kind, place, and why.
const NEEDLESS: [(&str, &str, usize, &str); 15] = [
    ("Head", "constraint", 16, MARK),
    ("Head", "constraint", 18, MARK),
    ("Reveal", "constraint", 0, NUMBERS),
    ("Reveal", "constraint", 2, NUMBERS),
    ("Reveal", "constraint", 19, MARK),
    ("Reveal", "constraint", 21, MARK),
    ("Reveal", "constraint", 22, HEIGHT),
    ("Reveal", "constraint", 23, HEIGHT),
    ("Reveal", "constraint", 25, HEIGHT),
    ("Reveal", "constraint", 29, PARITY),
    ("Reveal", "constraint", 31, PARITY),
    ("Work", "message", 1, ANSWER),
    ("Work", "message", 2, ANSWER),
    ("Work", "message", 3, ANSWER),
    ("Work", "message", 4, ANSWER),
];

fn name(circuit: &Circuit, part: Part) -> (&str, &'static str, usize) {
    let air = |seat: Seat| circuit.tables[seat.table].airs[seat.air].name.as_str();
    match part {
        Part::Constraint(seat, place) => (air(seat), "constraint", place),
        Part::Message(seat, place) => (air(seat), "message", place),
        Part::Bus(bus) => ("", "bus", bus as usize),
    }
}

/// What dropping a part lets pass.
type Forgeries = Vec<(Part, Changes)>;

/// All forgeries that are found, and the parts that none is found for.
fn search(circuit: &Circuit) -> (Forgeries, Vec<Part>) {
    let mut forger = Forger::new(circuit, &world().tables);
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for part in Forger::parts(circuit).into_iter().chain(buses(circuit)) {
        match forger.forge(part, PATIENCE) {
            Some(changes) => {
                assert!(forger.holds(part, &changes), "{part:?}: {changes:?}");
                found.push((part, changes));
            }
            None => missing.push(part),
        }
    }
    (found, missing)
}

fn buses(circuit: &Circuit) -> impl Iterator<Item = Part> {
    let airs = circuit.tables.iter().flat_map(|table| &table.airs);
    let messages = airs.flat_map(|air| &air.interactions);
    let buses: BTreeSet<u32> = messages.map(|message| message.bus).collect();
    buses.into_iter().map(Part::Bus)
}

/// The verifier refuses the forgery, and accepts it without the part.
fn passes_without(circuit: &Circuit, part: Part, changes: &Changes) {
    let tables = Forger::new(circuit, &world().tables).forged(changes);
    let reduced = part.dropped_from(circuit);
    assert_ne!(
        VerifyingKey::new(reduced.clone()).unwrap().digest(),
        world().prover.key().digest()
    );
    let name = name(circuit, part);
    assert!(!accepts(circuit.clone(), &tables), "{name:?}");
    assert!(accepts(reduced, &tables), "{name:?}");
}

#[test]
fn without_any_one_part_something_false_passes() {
    let circuit = circuit(PARAMETERS);

    let (found, missing) = search(&circuit);

    let missing: Vec<_> = missing.iter().map(|part| name(&circuit, *part)).collect();
    assert_eq!(
        missing,
        NEEDLESS.map(|(air, kind, place, _)| (air, kind, place))
    );
    assert_eq!(found.len() + missing.len(), 92);
}

/// Whether a part is a mask's: the prover draws masks itself, over whatever a forger puts there, so
/// only the checker can tell.
fn is_masked(circuit: &Circuit, part: Part) -> bool {
    let airs = circuit.tables.iter().flat_map(|table| &table.airs);
    let mut masks = airs.filter(|air| air.name == "Mask");
    match part {
        Part::Bus(bus) => masks.any(|air| air.interactions.iter().any(|sent| sent.bus == bus)),
        _ => name(circuit, part).0 == "Mask",
    }
}

/// One of each kind in each AIR, and every bus.
#[test]
fn the_verifier_accepts_what_passes_without_a_part() {
    let circuit = circuit(PARAMETERS);
    let mut chosen = BTreeMap::new();
    for (part, changes) in search(&circuit).0 {
        if is_masked(&circuit, part) {
            continue;
        }
        let key = match part {
            Part::Constraint(seat, _) => (0, seat.table, seat.air),
            Part::Message(seat, _) => (1, seat.table, seat.air),
            Part::Bus(bus) => (2, 0, bus as usize),
        };
        chosen.entry(key).or_insert((part, changes));
    }

    assert_eq!(chosen.len(), 13);
    for (part, changes) in chosen.values() {
        passes_without(&circuit, *part, changes);
    }
}

#[test]
#[ignore = "two proofs for every part; minutes"]
fn the_verifier_accepts_whatever_passes_without_a_part() {
    let circuit = circuit(PARAMETERS);

    for (part, changes) in search(&circuit).0 {
        if !is_masked(&circuit, part) {
            passes_without(&circuit, part, &changes);
        }
    }
}
