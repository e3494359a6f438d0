//! SDISC-3: no single field of a package can be changed: unsigned changes break the signature,
//! and what the issuer itself signs wrongly contradicts the mathematics or Ethereum.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloister_disclosure::{Expectations, SigningKey, verify};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::world::{World, signing_key};

fn payload_of(package: &str) -> Value {
    let file: Value = serde_json::from_str(package).expect("JSON");
    let payload = URL_SAFE_NO_PAD
        .decode(file["payload"].as_str().expect("text"))
        .expect("base64");
    serde_json::from_slice(&payload).expect("JSON")
}

/// The file with another payload under the old signature.
fn replaced(package: &str, payload: &[u8]) -> Vec<u8> {
    let mut file: Value = serde_json::from_str(package).expect("JSON");
    file["payload"] = json!(URL_SAFE_NO_PAD.encode(payload));
    file.to_string().into_bytes()
}

/// The file with another payload, signed by `key` under the old protected header.
fn signed(package: &str, payload: &[u8], key: &SigningKey) -> Vec<u8> {
    let mut file: Value = serde_json::from_str(package).expect("JSON");
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let input = format!("{}.{payload}", file["protected"].as_str().expect("text"));
    file["payload"] = json!(payload);
    file["signature"] = json!(URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes())));
    file.to_string().into_bytes()
}

fn leaves(at: &Value, pointer: String, out: &mut Vec<String>) {
    match at {
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, format!("{pointer}/{name}"), out);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, format!("{pointer}/{index}"), out);
            }
        }
        _ => out.push(pointer),
    }
}

fn containers(at: &Value, pointer: &str, out: &mut Vec<String>) {
    match at {
        Value::Object(members) => {
            out.push(pointer.to_owned());
            for (name, member) in members {
                containers(member, &format!("{pointer}/{name}"), out);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                containers(item, &format!("{pointer}/{index}"), out);
            }
        }
        _ => {}
    }
}

/// Another value of the same form; `choice` picks where.
fn changed(value: &Value, choice: usize) -> Value {
    match value {
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => {
            let number = number.as_u64().expect("unsigned");
            json!(if choice % 2 == 1 && number > 0 {
                number - 1
            } else {
                number + 1
            })
        }
        Value::Null => json!("0x00000000000000000000000000000000"),
        Value::String(text) if text.starts_with("0x") && text.len() > 2 => {
            let at = 2 + choice % (text.len() - 2);
            let new = if text.as_bytes()[at] == b'0' {
                "1"
            } else {
                "0"
            };
            json!(format!("{}{new}{}", &text[..at], &text[at + 1..]))
        }
        Value::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            json!((text.parse::<u128>().expect("small") + 1 + choice as u128).to_string())
        }
        Value::String(text) => match text.as_str() {
            "0x" => json!("0x00"),
            "solidity_mapping" => json!("vyper_mapping"),
            "committed" => json!("proved"),
            other => json!(format!("{other}!")),
        },
        Value::Array(_) | Value::Object(_) => unreachable!("leaves only"),
    }
}

/// Values that no leaf can have.
fn malformed(value: &Value) -> Vec<Value> {
    let mut out = vec![json!([]), json!({}), json!(-1), json!(1.5)];
    if let Value::String(text) = value {
        out.push(json!(1));
        if text.starts_with("0x") {
            out.extend([
                json!(format!("{text}0")),
                json!(text.replacen("0x", "0X", 1)),
                json!(""),
            ]);
        } else if text.bytes().all(|b| b.is_ascii_digit()) {
            out.extend([
                json!(format!("0{text}")),
                json!(format!("+{text}")),
                json!(""),
            ]);
        }
    } else {
        out.push(json!("no"));
        out.push(json!(u64::MAX));
    }
    out
}

/// What the verifier must say about a change at `pointer` that the issuer itself has signed;
/// nothing where the field is only the issuer's word.
fn verdicts(pointer: &str, kind: &str) -> &'static [&'static str] {
    let transaction = kind == "transaction";
    match pointer {
        "/version" => &["version"],
        "/anchor/l1_chain_id" => &["l1_chain"],
        "/anchor/rollup" => &["rollup"],
        "/batch/number" => &["batch_number"],
        "/batch/state_root" if transaction => &["state_root"],
        "/batch/private_digest" if transaction => &["private_header"],
        "/claim/kind" => &["manifest"],
        "/claim/index" => &["index", "siblings", "transaction_root"],
        // Another key takes another way, or ends at the same place as an absent one.
        "/claim/address" | "/claim/contract" | "/claim/token" => &["path", "salt_without_leaf"],
        "/claim/slot" if kind == "storage_slot" => &["path", "salt_without_leaf"],
        "/claim/slot" | "/claim/holder" => &["slot"],
        "/batch/state_root" | "/claim/opening/path" => &["path"],
        "/claim/opening/salt" => &["opening", "salt_without_leaf"],
        "/claim/nonce" | "/claim/balance" | "/claim/code_hash" | "/claim/value" => {
            &["opening", "not_zero"]
        }
        "/lifecycle_at_issue" | "/issued_at" => &[],
        _ if pointer.starts_with("/grant/") => &[],
        _ if pointer.starts_with("/batch/") => &["batch_hash"],
        _ if pointer.starts_with("/claim/layout/") => &["slot"],
        _ if pointer.starts_with("/claim/private_header/") => &["private_header"],
        _ if pointer.starts_with("/claim/siblings/") => &["transaction_root"],
        _ if pointer.starts_with("/claim/fields/") => &["transaction_root", "manifest"],
        other => panic!("no verdict for {other}"),
    }
}

fn code(world: &World, file: &[u8]) -> Result<(), &'static str> {
    let verdict = verify(file, &world.anchor(), &Expectations::default());
    verdict.map(|_| ()).map_err(|error| error.code())
}

/// Checks a changed payload under the old signature and under a stranger's.
fn check_unsigned(world: &World, package: &str, pointer: &str, payload: &Value) {
    let text = payload.to_string();
    let unsigned = code(world, &replaced(package, text.as_bytes()));
    assert_eq!(unsigned, Err("signature"), "{pointer}");
    let stranger = SigningKey::from_seed(&[1; 32]);
    let forged = code(world, &signed(package, text.as_bytes(), &stranger));
    assert_eq!(forged, Err("signature"), "{pointer}");
}

/// Checks a changed payload that the issuer itself has signed.
fn check_signed(world: &World, package: &str, pointer: &str, payload: &Value) {
    let text = payload.to_string();
    let kind = payload["claim"]["kind"].as_str().unwrap_or_default();
    let expected = verdicts(pointer, kind);
    match code(world, &signed(package, text.as_bytes(), &signing_key())) {
        Ok(()) => assert!(expected.is_empty(), "{pointer}: verified as {text}"),
        Err(code) => assert!(expected.contains(&code), "{pointer}: {code} for {text}"),
    }
}

#[test]
fn every_changed_leaf_has_its_verdict() {
    let world = World::new();
    let mut count = 0;
    for (_, claim) in world.claims() {
        let package = world.package(claim);
        let payload = payload_of(&package);
        let mut pointers = Vec::new();
        leaves(&payload, String::new(), &mut pointers);
        for pointer in pointers {
            for choice in [0, 37] {
                let mut payload = payload.clone();
                let leaf = payload.pointer_mut(&pointer).expect("a leaf");
                *leaf = changed(leaf, choice);
                if choice == 0 {
                    check_unsigned(&world, &package, &pointer, &payload);
                }
                check_signed(&world, &package, &pointer, &payload);
                count += 1;
            }
        }
    }
    assert!(count > 500, "{count}");
}

#[test]
fn every_malformed_leaf_is_refused() {
    let world = World::new();
    for (name, claim) in world.claims() {
        let package = world.package(claim);
        let payload = payload_of(&package);
        let mut pointers = Vec::new();
        leaves(&payload, String::new(), &mut pointers);
        for pointer in pointers {
            for bad in malformed(payload.pointer(&pointer).expect("a leaf")) {
                let mut payload = payload.clone();
                *payload.pointer_mut(&pointer).expect("a leaf") = bad.clone();
                let file = signed(&package, payload.to_string().as_bytes(), &signing_key());
                let verdict = verify(&file, &world.anchor(), &Expectations::default());
                let code = verdict.map_err(|error| error.code());
                let text = pointer.starts_with("/grant/") && pointer != "/grant/expires_at";
                let version = pointer == "/version" && bad == json!(u64::MAX);
                if text && bad.is_string() {
                    assert!(code.is_ok(), "{name} {pointer} {bad}");
                } else {
                    let expected = if version { "version" } else { "manifest" };
                    assert_eq!(code, Err(expected), "{name} {pointer} {bad}");
                }
            }
        }
    }
}

#[test]
fn every_missing_unknown_or_repeated_field_is_refused() {
    let world = World::new();
    for (name, claim) in world.claims() {
        let package = world.package(claim);
        let payload = payload_of(&package);
        let mut pointers = Vec::new();
        containers(&payload, "", &mut pointers);
        for pointer in pointers {
            let members = payload
                .pointer(&pointer)
                .and_then(Value::as_object)
                .expect("an object");
            let refused = |text: String, what: &str| {
                let file = signed(&package, text.as_bytes(), &signing_key());
                let verdict = verify(&file, &world.anchor(), &Expectations::default());
                let code = verdict.map_err(|error| error.code());
                assert_eq!(code, Err("manifest"), "{name} {pointer}: {what}");
            };
            let with = |members: Map<String, Value>| {
                let mut payload = payload.clone();
                *payload.pointer_mut(&pointer).expect("there") = Value::Object(members);
                payload.to_string()
            };
            for missing in members.keys() {
                let mut fewer = members.clone();
                fewer.remove(missing);
                refused(with(fewer), missing);
            }
            let mut more = members.clone();
            more.insert("extra".to_owned(), json!(1));
            refused(with(more), "extra");
            let placeholder = json!({"repeated": "here"});
            let mut marked = members.clone();
            let (first, value) = members.iter().next().expect("a member");
            marked.insert(first.clone(), placeholder.clone());
            let twice = format!("{value},\"{first}\":{value}");
            refused(
                with(marked).replace(&placeholder.to_string(), &twice),
                "repeated",
            );
        }
    }
}

#[test]
fn a_dropped_or_added_log_or_sibling_is_refused() {
    let world = World::new();
    let package = world.package(world.transaction(2));
    let payload = payload_of(&package);
    for (pointer, expected) in [
        ("/claim/fields/logs/entries", "transaction_root"),
        ("/claim/siblings", "siblings"),
    ] {
        let items = payload
            .pointer(pointer)
            .and_then(Value::as_array)
            .expect("a list")
            .clone();
        let mut dropped = items.clone();
        dropped.pop();
        let mut added = items.clone();
        added.push(items[0].clone());
        let mut reordered = items.clone();
        reordered.reverse();
        for (items, expected) in [
            (dropped, expected),
            (added, expected),
            (reordered, "transaction_root"),
        ] {
            let mut payload = payload.clone();
            *payload.pointer_mut(pointer).expect("there") = Value::Array(items);
            let file = signed(&package, payload.to_string().as_bytes(), &signing_key());
            let verdict = verify(&file, &world.anchor(), &Expectations::default());
            assert_eq!(
                verdict.map_err(|error| error.code()),
                Err(expected),
                "{pointer}"
            );
        }
    }
}

#[test]
fn a_log_has_at_most_four_topics() {
    let world = World::new();
    let package = world.package(world.transaction(2));
    let mut payload = payload_of(&package);
    let topics = "/claim/fields/logs/entries/1/topics";
    let topic = payload.pointer(topics).expect("there")[0].clone();
    *payload.pointer_mut(topics).expect("there") = Value::Array(vec![topic; 5]);
    let file = signed(&package, payload.to_string().as_bytes(), &signing_key());
    assert_eq!(
        verify(&file, &world.anchor(), &Expectations::default()),
        Err(cloister_disclosure::VerifyError::Topics { log: 1, got: 5 })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_changed_byte_of_the_file_is_refused(which in 0..10_usize, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        thread_local! {
            static FILES: (World, Vec<String>) = {
                let world = World::new();
                let files = world.claims().into_iter().map(|(_, claim)| world.package(claim));
                let files = files.collect();
                (world, files)
            };
        }
        FILES.with(|(world, files)| {
            let mut file = files[which].clone().into_bytes();
            let at = at.index(file.len());
            let before: Option<Value> = serde_json::from_slice(&file).ok();
            file[at] ^= 1 << bit;
            let same = serde_json::from_slice::<Value>(&file).ok() == before;
            let verdict = verify(&file, &world.anchor(), &Expectations::default());
            // White space around the members is not part of what is signed.
            prop_assert_eq!(verdict.is_ok(), same);
            Ok(())
        })?;
    }
}

#[test]
fn a_text_that_could_redraw_the_screen_is_refused() {
    let world = World::new();
    let package = world.package(world.claims().remove(0).1);
    for member in ["id", "case_reference", "legal_basis"] {
        for forged in ["C-1\u{1b}[1A\u{1b}[2KVERIFIED", "C-1\nVERIFIED", "\u{9b}2K"] {
            let mut payload = payload_of(&package);
            payload["grant"][member] = json!(forged);
            let file = signed(&package, payload.to_string().as_bytes(), &signing_key());
            let error = verify(&file, &world.anchor(), &Expectations::default());
            assert_eq!(
                error.expect_err("refused").code(),
                "control",
                "{member} {forged:?}"
            );
        }
    }
}
