//! The reference verifier agrees with the crate's, and what it computes can be had as a file: for
//! those who write another verifier.

use cloister_wrap::{
    circuit::{Air, Circuit, Node, PublicValues},
    key::VerifyingKey,
    statement::Statement,
    verify::Verifier,
};
use serde_json::{Value, json};

use crate::{
    reference::{self, hex},
    sample::{statement, world},
};

#[test]
fn the_reference_verifier_accepts_a_true_proof() {
    let world = world();

    reference::verify(&world.verifier, &statement(), &world.proof).unwrap();
}

#[test]
fn the_reference_verifier_refuses_changed_proofs_and_statements() {
    let world = world();
    let accepts = |statement: &Statement, proof: &[u8]| {
        reference::verify(&world.verifier, statement, proof).is_ok()
    };
    let step = world.proof.len() / 100;
    for offset in (0..world.proof.len()).step_by(step) {
        let mut changed = world.proof.clone();
        changed[offset] ^= 1;
        assert!(!accepts(&statement(), &changed), "byte {offset}");
    }
    for index in 0..48 {
        let mut changed = statement();
        match index {
            0..8 => changed.program[index] ^= 1,
            8..16 => changed.machine[index - 8] ^= 1,
            _ => changed.public_values[index - 16] ^= 1,
        }
        assert!(!accepts(&changed, &world.proof), "number {index}");
    }
}

/// Writes `sample.json` to the folder that `CLOISTER_WRAP_FIXTURES` names; with `wrap.key`,
/// `wrap.proof` and `statement.json` there, `real.json` too.
#[test]
#[ignore = "writes files"]
fn fixtures() {
    let Some(folder) = std::env::var_os("CLOISTER_WRAP_FIXTURES").map(std::path::PathBuf::from)
    else {
        return;
    };
    let world = world();
    let sample = fixture(&world.verifier, &statement(), &world.proof);
    std::fs::write(folder.join("sample.json"), sample).unwrap();
    let Ok(key) = std::fs::read(folder.join("wrap.key")) else {
        return;
    };
    let verifier = Verifier::new(VerifyingKey::decode(&key).unwrap()).unwrap();
    let text = std::fs::read(folder.join("statement.json")).unwrap();
    let text: Value = serde_json::from_slice(&text).unwrap();
    let commitment = |name: &str| {
        let numbers = text[name].as_array().unwrap().iter();
        let numbers: Vec<u32> = numbers
            .map(|number| u32::try_from(number.as_u64().unwrap()).unwrap())
            .collect();
        numbers.try_into().unwrap()
    };
    let bytes = text["public_values"].as_str().unwrap();
    let statement = Statement {
        program: commitment("program"),
        machine: commitment("machine"),
        public_values: (0..bytes.len() / 2)
            .map(|index| u8::from_str_radix(&bytes[2 * index..2 * index + 2], 16).unwrap())
            .collect(),
    };
    let proof = std::fs::read(folder.join("wrap.proof")).unwrap();
    let real = fixture(&verifier, &statement, &proof);
    std::fs::write(folder.join("real.json"), real).unwrap();
}

/// All that a proof is checked with, and all that is computed.
fn fixture(verifier: &Verifier, statement: &Statement, proof: &[u8]) -> String {
    assert_eq!(verifier.verify(statement, proof), Ok(()));
    let computed = reference::verify(verifier, statement, proof).unwrap();
    let key = verifier.key();
    let shape = verifier.shape();
    let value = json!({
        "key": {
            "digest": hex(key.digest()),
            "bytes": hex(&key.encode()),
            "circuit": show_circuit(key.circuit()),
            "bus_columns": verifier.bus_columns().iter().map(|columns| columns.iter().map(|column| json!({
                "length": column.length, "messages": column.messages,
            })).collect::<Vec<_>>()).collect::<Vec<_>>(),
            "quotient_chunks": shape.tables.iter().map(|table| table.quotient_chunks).collect::<Vec<_>>(),
            "matrix_widths": shape.matrices,
        },
        "statement": {
            "program": statement.program,
            "machine": statement.machine,
            "public_values": hex(&statement.public_values),
            "by_table": statement.public_values(key.circuit()).unwrap(),
        },
        "proof": hex(proof),
        "computed": computed,
    });
    serde_json::to_string(&value).unwrap()
}

fn show_circuit(circuit: &Circuit) -> Value {
    let parameters = &circuit.parameters;
    json!({
        "parameters": {
            "log_blowup": parameters.log_blowup,
            "queries": parameters.queries,
            "query_pow_bits": parameters.query_pow_bits,
            "batch_pow_bits": parameters.batch_pow_bits,
            "fold_pow_bits": parameters.fold_pow_bits,
            "lookup_pow_bits": parameters.lookup_pow_bits,
            "point_pow_bits": parameters.point_pow_bits,
            "log_arity": parameters.log_arity,
            "log_final_length": parameters.log_final_length,
            "random_columns": parameters.random_columns,
            "cap_height": parameters.cap_height,
        },
        "message_lengths": circuit.message_lengths,
        "tables": circuit.tables.iter().map(|table| json!({
            "log_height": table.log_height,
            "airs": table.airs.iter().map(show_air).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn show_air(air: &Air) -> Value {
    json!({
        "name": air.name,
        "width": air.width,
        "public_values": match &air.public_values {
            PublicValues::None => json!(null),
            PublicValues::Commitments => json!("commitments"),
            PublicValues::Bytes(count) => json!({ "bytes": count }),
            PublicValues::Fixed(values) => json!(values),
        },
        "nodes": air.nodes.iter().map(show_node).collect::<Vec<_>>(),
        "constraints": air.constraints,
        "interactions": air.interactions.iter().map(|interaction| json!({
            "bus": interaction.bus,
            "count": interaction.count,
            "fields": interaction.fields,
        })).collect::<Vec<_>>(),
    })
}

fn show_node(node: &Node) -> Value {
    match *node {
        Node::Local(column) => json!(["local", column]),
        Node::Next(column) => json!(["next", column]),
        Node::Public(index) => json!(["public", index]),
        Node::FirstRow => json!(["first"]),
        Node::LastRow => json!(["last"]),
        Node::Transition => json!(["transition"]),
        Node::Constant(value) => json!(["constant", value]),
        Node::Add(left, right) => json!(["add", left, right]),
        Node::Sub(left, right) => json!(["sub", left, right]),
        Node::Neg(of) => json!(["neg", of]),
        Node::Mul(left, right) => json!(["mul", left, right]),
    }
}
