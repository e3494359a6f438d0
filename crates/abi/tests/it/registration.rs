//! Which ABIs are accepted.

use std::sync::Arc;

use alloy_primitives::Address;
use cloister_abi::{AbiError, ContractAbi, MAX_ABI_BYTES, MAX_ITEMS, Registry, standards};

fn function(inputs: &str) -> String {
    format!(
        r#"[{{"type":"function","name":"f","stateMutability":"view","outputs":[],"inputs":[{inputs}]}}]"#
    )
}

fn input(name: &str, ty: &str) -> String {
    format!(r#"{{"name":"{name}","type":"{ty}"}}"#)
}

fn error(inputs: &str) -> AbiError {
    ContractAbi::from_json(&function(inputs)).unwrap_err()
}

#[test]
fn an_abi_may_be_a_list_or_a_compilers_artifact() {
    let list = function(&input("a", "uint256"));
    let artifact = format!(r#"{{"abi":{list},"bytecode":"0x"}}"#);
    let expected = vec!["f(uint256)"];
    for json in [list, artifact] {
        let abi = ContractAbi::from_json(&json).unwrap();
        assert_eq!(abi.signatures().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn refuses_what_is_no_abi() {
    for json in ["", "{}x", "7", r#"[{"type":"nonsense"}]"#] {
        assert!(
            matches!(ContractAbi::from_json(json), Err(AbiError::Syntax { .. })),
            "{json}"
        );
    }
    let long = " ".repeat(MAX_ABI_BYTES + 1);
    let expected = AbiError::TooLong {
        got: MAX_ABI_BYTES + 1,
        limit: MAX_ABI_BYTES,
    };
    assert_eq!(ContractAbi::from_json(&long), Err(expected));
}

#[test]
fn refuses_types_that_are_unknown_deep_wide_or_empty() {
    let unknown = |name: &str| AbiError::UnknownType { name: name.into() };
    assert_eq!(error(&input("a", "uint7")), unknown("uint7"));
    assert_eq!(error(&input("a", "bytes33")), unknown("bytes33"));
    assert_eq!(error(&input("a", "uint264")), unknown("uint264"));
    let deep = format!("uint256{}", "[]".repeat(20));
    assert!(matches!(
        error(&input("a", &deep)),
        AbiError::TypeTooDeep { .. }
    ));
    assert!(matches!(
        error(&input("a", "uint256[2000]")),
        AbiError::TypeTooLarge { .. }
    ));
    assert!(matches!(
        error(&input("a", "uint256[100][100]")),
        AbiError::TypeTooLarge { .. }
    ));
    assert!(matches!(
        error(&input("a", "uint256[0]")),
        AbiError::Syntax { .. } | AbiError::TypeTooLarge { .. }
    ));
}

#[test]
fn refuses_names_that_a_rule_could_not_tell_apart() {
    let twice = [input("to", "address"), input("to", "address")].join(",");
    assert_eq!(error(&twice), AbiError::DuplicateName { name: "to".into() });
    let unnamed = [input("", "address"), input("", "address")].join(",");
    assert!(ContractAbi::from_json(&function(&unnamed)).is_ok());
    let long = input(&"x".repeat(200), "address");
    assert!(matches!(error(&long), AbiError::NameTooLong { .. }));
}

#[test]
fn refuses_more_functions_than_the_limit() {
    let items: Vec<String> = (0..=MAX_ITEMS)
        .map(|n| format!("function f{n}()"))
        .collect();
    let abi = ContractAbi::from_items(items.iter().map(String::as_str));
    assert_eq!(abi, Err(AbiError::TooManyItems { limit: MAX_ITEMS }));
}

#[test]
fn refuses_two_functions_with_one_selector() {
    // A known collision of four-byte selectors.
    let items = [
        "function collate_propagate_storage(bytes16)",
        "function burn(uint256)",
    ];
    assert!(matches!(
        ContractAbi::from_items(items),
        Err(AbiError::SelectorCollision { .. })
    ));
}

#[test]
fn finds_a_function_that_a_template_means_otherwise() {
    let erc20 = standards::erc20();
    let forged = ContractAbi::from_items(["function many_msg_babbage(bytes1)"]).unwrap();
    assert_eq!(
        forged.conflict(&erc20),
        Some(("many_msg_babbage(bytes1)", "transfer(address,uint256)"))
    );
    let honest = ContractAbi::from_items([
        "function transfer(address receiver, uint256 wad)",
        "function sweep()",
    ]);
    assert_eq!(honest.unwrap().conflict(&erc20), None);
    // Else nothing that is built on a standard could be registered.
    for (name, abi) in standards::all() {
        for (other, against) in standards::all() {
            assert_eq!(abi.conflict(&against), None, "{name} and {other}");
        }
    }
}

#[test]
fn every_standard_is_complete_and_can_be_found_by_name() {
    let registry = Registry::with_standards();
    let names: Vec<&str> = registry.template_names().collect();
    assert_eq!(names, ["access", "erc1155", "erc20", "erc721", "standard"]);
    for (name, least) in [
        ("access", 14),
        ("erc20", 31),
        ("erc721", 26),
        ("erc1155", 22),
        ("standard", 44),
    ] {
        let count = registry.template(name).unwrap().signatures().count();
        assert!(count >= least, "{name} has {count} functions");
    }
}

#[test]
fn a_contract_has_the_abi_that_was_registered_for_it_and_no_other() {
    let mut registry = Registry::with_standards();
    let contract = Address::repeat_byte(1);
    assert!(registry.contract(&contract).is_none());
    registry.register(contract, Arc::new(standards::erc20()));
    assert!(registry.contract(&contract).is_some());
    assert!(registry.contract(&Address::repeat_byte(2)).is_none());
}
