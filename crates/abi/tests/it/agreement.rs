//! What another implementation encodes is decoded to the same values.

use alloy_dyn_abi::DynSolValue;
use alloy_primitives::{Address, B256, I256, U256, address, keccak256};
use cloister_abi::{Argument, Call, ContractAbi, Limits, Value, standards};
use proptest::prelude::*;

fn decode(signature: &str, arguments: &[DynSolValue]) -> Call {
    let abi = ContractAbi::from_items([format!("function {signature}").as_str()]).unwrap();
    let canonical = abi.signatures().next().unwrap().to_owned();
    let mut data = keccak256(&canonical)[..4].to_vec();
    data.extend(DynSolValue::Tuple(arguments.to_vec()).abi_encode_params());
    abi.decode_call(&data, &Limits::default()).unwrap().unwrap()
}

fn argument(name: &str, value: Value) -> Argument {
    Argument {
        name: name.into(),
        value,
    }
}

#[test]
fn a_call_with_every_kind_of_value_decodes_by_name() {
    let who = address!("0x00000000000000000000000000000000000000aa");
    let call = decode(
        "f(address who, uint256 a, int8 b, bool c, bytes4 d, bytes e, string g, uint16[] h, bool[2] i)",
        &[
            DynSolValue::Address(who),
            DynSolValue::Uint(U256::MAX, 256),
            DynSolValue::Int(I256::try_from(-128).unwrap(), 8),
            DynSolValue::Bool(true),
            DynSolValue::FixedBytes(B256::right_padding_from(&[7; 4]), 4),
            DynSolValue::Bytes(vec![1; 33]),
            DynSolValue::String("grüezi".into()),
            DynSolValue::Array(vec![DynSolValue::Uint(U256::from(9), 16)]),
            DynSolValue::FixedArray(vec![DynSolValue::Bool(false), DynSolValue::Bool(true)]),
        ],
    );
    let expected = [
        argument("who", Value::Address(who)),
        argument("a", Value::Uint(U256::MAX)),
        argument("b", Value::Int(I256::try_from(-128).unwrap())),
        argument("c", Value::Bool(true)),
        argument("d", Value::Bytes(vec![7; 4])),
        argument("e", Value::Bytes(vec![1; 33])),
        argument("g", Value::Text("grüezi".into())),
        argument("h", Value::Array(vec![Value::Uint(U256::from(9))])),
        argument(
            "i",
            Value::Array(vec![Value::Bool(false), Value::Bool(true)]),
        ),
    ];
    assert_eq!(call.arguments, expected);
    assert_eq!(call.function, "f");
}

const NESTED: &str = r#"[{"type":"function","name":"settle","stateMutability":"nonpayable","outputs":[],
 "inputs":[{"name":"order","type":"tuple","components":[
   {"name":"maker","type":"address"},
   {"name":"legs","type":"tuple[]","components":[
     {"name":"token","type":"address"},{"name":"amount","type":"uint256"},{"name":"memo","type":"string"}]}]},
  {"name":"","type":"uint64"}]}]"#;

fn leg(token: Address, amount: u64) -> DynSolValue {
    DynSolValue::Tuple(vec![
        DynSolValue::Address(token),
        DynSolValue::Uint(U256::from(amount), 256),
        DynSolValue::String("m".into()),
    ])
}

#[test]
fn nested_tuples_and_arrays_become_facts_by_name_and_by_position() {
    let abi = ContractAbi::from_json(NESTED).unwrap();
    let (maker, token) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let order = DynSolValue::Tuple(vec![
        DynSolValue::Address(maker),
        DynSolValue::Array(vec![leg(token, 5), leg(token, 70)]),
    ]);
    let deadline = DynSolValue::Uint(U256::from(99), 64);
    let mut data = keccak256("settle((address,(address,uint256,string)[]),uint64)")[..4].to_vec();
    data.extend(DynSolValue::Tuple(vec![order, deadline]).abi_encode_params());
    let facts = abi
        .decode_call(&data, &Limits::default())
        .unwrap()
        .unwrap()
        .facts();

    let fact = |path: &str| {
        facts
            .arguments
            .get(path)
            .unwrap_or_else(|| panic!("no `{path}`"))
    };
    let amount = |path: &str| fact(path).amount.as_ref().unwrap().low;
    assert_eq!(
        (
            amount("order.legs.1.amount"),
            amount("0.1.1.1"),
            amount("1")
        ),
        (70, 70, 99)
    );
    assert_eq!(fact("order.maker").address, Some(maker));
    assert_eq!(fact("order.legs.0.memo").text.as_deref(), Some("m"));
    let legs = fact("order.legs");
    assert_eq!((legs.kind, legs.size), ("array", Some(2)));
    assert_eq!(legs.largest.as_ref().unwrap().low, 70);
    assert_eq!(legs.addresses, [token].into());
    assert_eq!(fact("order").kind, "tuple");
    assert_eq!(facts.addresses, [maker, token].into());
    assert_eq!(facts.largest.as_ref().unwrap().low, 99);
}

#[test]
fn long_texts_have_a_size_and_no_text() {
    let call = decode(
        "f(bytes data, string text)",
        &[
            DynSolValue::Bytes(vec![1; 300]),
            DynSolValue::String("x".repeat(257)),
        ],
    );
    let facts = call.facts();
    for path in ["data", "text"] {
        assert_eq!(facts.arguments[path].text, None);
    }
    assert_eq!(facts.arguments["data"].size, Some(300));
    assert_eq!(facts.arguments["text"].size, Some(257));
}

#[test]
fn transfers_of_both_token_standards_are_told_apart_by_what_is_indexed() {
    let abi = standards::standard();
    let topic = keccak256("Transfer(address,address,uint256)");
    let (from, to) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let number = B256::from(U256::from(7));
    let topics = [topic, from.into_word(), to.into_word(), number];
    let erc20 = abi.decode_log(&topics[..3], number.as_slice(), &Limits::default());
    let erc721 = abi.decode_log(&topics, &[], &Limits::default());
    let (erc20, erc721) = (erc20.unwrap().unwrap(), erc721.unwrap().unwrap());
    let fields = |last: &str| {
        vec![
            argument("from", Value::Address(from)),
            argument("to", Value::Address(to)),
            argument(last, Value::Uint(U256::from(7))),
        ]
    };
    assert_eq!(erc20.fields, fields("value"));
    assert_eq!(erc721.fields, fields("tokenId"));
    assert_eq!(erc20.facts().arguments["to"].address, Some(to));
}

#[test]
fn an_indexed_text_is_only_a_hash() {
    let abi = ContractAbi::from_items(["event Named(string indexed name, bytes data)"]).unwrap();
    let hash = keccak256("alice");
    let data = DynSolValue::Tuple(vec![DynSolValue::Bytes(vec![5])]).abi_encode_params();
    let log = abi.decode_log(
        &[keccak256("Named(string,bytes)"), hash],
        &data,
        &Limits::default(),
    );
    let fields = log.unwrap().unwrap().fields;
    assert_eq!(fields[0].value, Value::Hashed(hash));
    assert_eq!(fields[1].value, Value::Bytes(vec![5]));
}

/// A value of a type, for the type `(uint256[],(address,string)[2],bytes32,int64)`.
fn any_arguments() -> impl Strategy<Value = Vec<DynSolValue>> {
    let number =
        any::<[u8; 32]>().prop_map(|bytes| DynSolValue::Uint(U256::from_be_bytes(bytes), 256));
    let pair = || {
        (any::<[u8; 20]>(), ".{0,40}").prop_map(|(address, text)| {
            DynSolValue::Tuple(vec![
                DynSolValue::Address(Address::from(address)),
                DynSolValue::String(text),
            ])
        })
    };
    (
        proptest::collection::vec(number, 0..20),
        [pair(), pair()],
        any::<[u8; 32]>(),
        any::<i64>(),
    )
        .prop_map(|(numbers, pairs, word, signed)| {
            vec![
                DynSolValue::Array(numbers),
                DynSolValue::FixedArray(pairs.into()),
                DynSolValue::FixedBytes(B256::from(word), 32),
                DynSolValue::Int(I256::try_from(signed).unwrap(), 64),
            ]
        })
}

fn same(ours: &Value, theirs: &DynSolValue) -> bool {
    match (ours, theirs) {
        (Value::Address(a), DynSolValue::Address(b)) => a == b,
        (Value::Uint(a), DynSolValue::Uint(b, _)) => a == b,
        (Value::Int(a), DynSolValue::Int(b, _)) => a == b,
        (Value::Text(a), DynSolValue::String(b)) => a == b,
        (Value::Bytes(a), DynSolValue::FixedBytes(b, size)) => a[..] == b[..*size],
        (Value::Array(a), DynSolValue::Array(b) | DynSolValue::FixedArray(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Tuple(a), DynSolValue::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(&a.value, b))
        }
        _ => false,
    }
}

const ANY: &str = r#"[{"type":"function","name":"any","stateMutability":"view","outputs":[],"inputs":[
  {"name":"a","type":"uint256[]"},
  {"name":"b","type":"tuple[2]","components":[{"name":"c","type":"address"},{"name":"d","type":"string"}]},
  {"name":"e","type":"bytes32"},{"name":"f","type":"int64"}]}]"#;

proptest! {
    #[test]
    fn whatever_another_implementation_encodes_decodes_to_the_same(arguments in any_arguments()) {
        let abi = ContractAbi::from_json(ANY).unwrap();
        let mut data = keccak256("any(uint256[],(address,string)[2],bytes32,int64)")[..4].to_vec();
        data.extend(DynSolValue::Tuple(arguments.clone()).abi_encode_params());
        let call = abi.decode_call(&data, &Limits::default()).unwrap().unwrap();
        prop_assert!(call.arguments.iter().zip(&arguments).all(|(a, b)| same(&a.value, b)));
    }

    /// Any bytes are decoded or refused, within the limits and without a panic.
    #[test]
    fn any_bytes_are_decoded_or_refused(body in proptest::collection::vec(any::<u8>(), 0..600), small in any::<bool>()) {
        let abi = ContractAbi::from_json(ANY).unwrap();
        let mut data = keccak256("any(uint256[],(address,string)[2],bytes32,int64)")[..4].to_vec();
        // Small words look like offsets and lengths, which is where decoders go wrong.
        data.extend(body.iter().enumerate().map(|(at, byte)| {
            if small && at % 32 < 31 { 0 } else { *byte & 0xe0 }
        }));
        let _ = abi.decode_call(&data, &Limits::default());
    }
}
