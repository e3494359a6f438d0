//! Keys, circuits and statements, without any proof system.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test")]

use cloister_wrap::{
    circuit::{
        Air, BadCircuit, Circuit, Interaction, MODULUS, Node, Parameters, PublicValues, Table,
    },
    key::{BadKey, VerifyingKey},
    merge::{Place, merge, pinned},
    statement::{BadStatement, Statement},
};

/// Parameters that tests are frozen with.
const PARAMETERS: Parameters = Parameters {
    log_blowup: 5,
    queries: 33,
    query_pow_bits: 20,
    batch_pow_bits: 0,
    fold_pow_bits: 0,
    lookup_pow_bits: 0,
    point_pow_bits: 0,
    log_arity: 3,
    log_final_length: 0,
    random_columns: 5,
    cap_height: 0,
};

/// An AIR with a node of every kind.
fn air() -> Air {
    Air {
        name: "Sample".to_owned(),
        width: 2,
        public_values: PublicValues::Commitments,
        nodes: vec![
            Node::Local(0),
            Node::Next(1),
            Node::Public(15),
            Node::FirstRow,
            Node::LastRow,
            Node::Transition,
            Node::Constant(MODULUS - 1),
            Node::Add(0, 1),
            Node::Sub(7, 2),
            Node::Neg(8),
            Node::Mul(3, 9),
        ],
        constraints: vec![10],
        interactions: vec![Interaction {
            bus: 7,
            count: 0,
            weight: 1,
            fields: vec![1, 6],
        }],
    }
}

fn circuit() -> Circuit {
    let bytes = Air {
        public_values: PublicValues::Bytes(32),
        ..air()
    };
    let fixed = Air {
        public_values: PublicValues::Fixed((1..20).collect()),
        ..air()
    };
    Circuit {
        parameters: PARAMETERS,
        message_lengths: vec![4, 200],
        tables: vec![
            Table {
                log_height: 9,
                airs: vec![air(), fixed],
            },
            Table {
                log_height: 15,
                airs: vec![bytes],
            },
        ],
    }
}

fn statement() -> Statement {
    Statement {
        program: [1, 2, 3, 4, 5, 6, 7, 8],
        machine: [11, 12, 13, 14, 15, 16, 17, 18],
        public_values: (100..132).collect(),
    }
}

#[test]
fn a_key_is_read_as_it_was_written() {
    let key = VerifyingKey::new(circuit()).unwrap();

    let read = VerifyingKey::decode(&key.encode()).unwrap();

    assert_eq!(read.circuit(), key.circuit());
    assert_eq!(read.digest(), key.digest());
}

#[test]
fn the_encoding_of_version_1_is_frozen() {
    let key = VerifyingKey::new(circuit()).unwrap();

    assert_eq!(
        hex(key.digest()),
        "0b78eb1c68b7a5350c4acab9c46cc1d20f9deb8be72dc000551216c74c4c19b7"
    );
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Changes one thing.
type Change = fn(&mut Circuit);

#[test]
fn every_change_of_a_circuit_changes_the_digest() {
    let digest = *VerifyingKey::new(circuit()).unwrap().digest();
    let changes: [Change; 10] = [
        |circuit| circuit.parameters.queries -= 1,
        |circuit| circuit.message_lengths[1] += 1,
        |circuit| circuit.tables[0].log_height += 1,
        |circuit| circuit.tables[0].airs[0].width += 1,
        |circuit| circuit.tables[0].airs[1].public_values = PublicValues::Fixed((2..21).collect()),
        |circuit| circuit.tables[0].airs[0].nodes[8] = Node::Add(7, 2),
        |circuit| circuit.tables[1].airs[0].constraints.clear(),
        |circuit| circuit.tables[1].airs[0].interactions.clear(),
        |circuit| circuit.tables[1].airs[0].interactions[0].bus += 1,
        |circuit| circuit.tables[1].airs[0].interactions[0].weight = 0,
    ];

    for (index, change) in changes.iter().enumerate() {
        let mut other = circuit();
        change(&mut other);
        let key = VerifyingKey::new(other).unwrap();
        assert_ne!(*key.digest(), digest, "{index}");
    }
}

#[test]
fn a_damaged_key_is_refused() {
    let key = VerifyingKey::new(circuit()).unwrap();
    let bytes = key.encode();

    for length in 0..bytes.len() {
        assert!(VerifyingKey::decode(&bytes[..length]).is_err(), "{length}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(
        VerifyingKey::decode(&longer).unwrap_err(),
        BadKey::Malformed
    );
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        // Another sound key, or none; never the same.
        if let Ok(other) = VerifyingKey::decode(&changed) {
            assert_ne!(other.digest(), key.digest(), "{position}");
        }
    }
}

#[test]
fn a_number_not_in_shortest_form_is_refused() {
    let bytes = VerifyingKey::new(circuit()).unwrap().encode();
    // The first parameter, 5, as 0x85 0x00.
    let mut long = bytes[..16].to_vec();
    assert_eq!(bytes[16], 5);
    long.extend([0x85, 0x00]);
    long.extend(&bytes[17..]);

    assert_eq!(VerifyingKey::decode(&long).unwrap_err(), BadKey::Malformed);
}

#[test]
fn a_circuit_that_points_outside_itself_is_refused() {
    let changes: [(Change, BadCircuit); 15] = [
        (|c| c.parameters.queries = 0, BadCircuit::Vacuous),
        (|c| c.parameters.random_columns = 4, BadCircuit::Hiding),
        (
            |c| c.tables[0].airs[0].interactions[0].weight = MODULUS / 512,
            BadCircuit::Weights,
        ),
        (|c| c.tables[1].airs.clear(), BadCircuit::Statement),
        (|c| c.message_lengths = vec![4, 4], BadCircuit::Lengths),
        (|c| c.tables.clear(), BadCircuit::Tables),
        (|c| c.tables[0].log_height = 21, BadCircuit::Tables),
        (|c| c.tables[0].log_height = 15, BadCircuit::Tables),
        (|c| c.tables.swap(0, 1), BadCircuit::Tables),
        (
            |c| c.tables[0].airs[0].nodes[0] = Node::Local(2),
            BadCircuit::Node,
        ),
        (
            |c| c.tables[0].airs[0].nodes[2] = Node::Public(16),
            BadCircuit::Node,
        ),
        (
            |c| c.tables[0].airs[0].nodes[6] = Node::Constant(MODULUS),
            BadCircuit::Node,
        ),
        (
            |c| c.tables[0].airs[0].nodes[9] = Node::Neg(9),
            BadCircuit::Node,
        ),
        (
            |c| c.tables[0].airs[0].constraints.push(11),
            BadCircuit::Reference,
        ),
        (
            |c| c.tables[0].airs[0].interactions[0].bus = 0,
            BadCircuit::Reference,
        ),
    ];

    for (change, fault) in changes {
        let mut other = circuit();
        change(&mut other);
        assert_eq!(VerifyingKey::new(other).unwrap_err(), fault);
    }
}

#[test]
fn public_values_come_from_the_statement_and_the_key_alone() {
    let values = statement().public_values(&circuit()).unwrap();

    let commitments: Vec<u32> = (1..9).chain(11..19).collect();
    assert_eq!(values[0], [commitments, (1..20).collect()].concat());
    assert_eq!(values[1], (100..132).collect::<Vec<u32>>());
}

#[test]
fn a_statement_of_another_shape_is_refused() {
    let mut large = statement();
    large.machine[7] = MODULUS;
    let mut short = statement();
    short.public_values.pop();

    assert_eq!(large.public_values(&circuit()), Err(BadStatement::Range));
    let length = BadStatement::Length {
        expected: 32,
        got: 31,
    };
    assert_eq!(short.public_values(&circuit()), Err(length));
}

#[test]
fn merging_pins_what_is_lower_than_its_table_and_adds_masks() {
    let place = |log_height, log_table| Place {
        log_height,
        log_table,
    };
    let places = [place(3, 9), place(15, 15), place(9, 9)];

    let bytes = Air {
        public_values: PublicValues::Bytes(32),
        ..air()
    };
    let circuit = merge(vec![air(), bytes, air()], &places, PARAMETERS, vec![4, 12]);

    circuit.check().unwrap();
    let names = |table: usize| -> Vec<(&str, u32)> {
        let airs = circuit.tables[table].airs.iter();
        airs.map(|air| (air.name.as_str(), air.width)).collect()
    };
    // The mark, the row's number, and the first value of the one column whose next row is read.
    assert_eq!(names(0), [("Sample", 5), ("Sample", 2), ("Mask", 6)]);
    assert_eq!(names(1), [("Sample", 2), ("Mask", 6)]);
    let columns = pinned::columns(&air());
    assert_eq!((columns.marked, columns.number), (2, 3));
    assert_eq!(columns.first, [(1, 4)]);
}
