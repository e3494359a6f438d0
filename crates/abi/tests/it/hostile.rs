//! Bytes that a careless decoder would misread or choke on (SAB-1, SAB-2).

use alloy_primitives::{U256, keccak256};
use cloister_abi::{ContractAbi, DecodeError, Limits, Value};

fn abi(signature: &str) -> ContractAbi {
    ContractAbi::from_items([format!("function {signature}").as_str()]).unwrap()
}

fn word(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

fn decode_with(signature: &str, words: &[[u8; 32]], limits: &Limits) -> Result<Value, DecodeError> {
    let abi = abi(signature);
    let canonical = abi.signatures().next().unwrap().to_owned();
    let mut data = keccak256(canonical)[..4].to_vec();
    data.extend(words.concat());
    let call = abi
        .decode_call(&data, limits)?
        .expect("the function is known");
    Ok(call
        .arguments
        .into_iter()
        .next()
        .expect("it has an argument")
        .value)
}

fn decode(signature: &str, words: &[[u8; 32]]) -> Result<Value, DecodeError> {
    decode_with(signature, words, &Limits::default())
}

fn out_of_bounds(path: &str) -> DecodeError {
    DecodeError::OutOfBounds { path: path.into() }
}

fn invalid(path: &str, kind: &'static str) -> DecodeError {
    DecodeError::InvalidWord {
        path: path.into(),
        kind,
    }
}

#[test]
fn an_unknown_selector_and_no_data_are_no_function() {
    let abi = abi("f(uint256 a)");
    assert_eq!(abi.decode_call(&[1, 2, 3, 4], &Limits::default()), Ok(None));
    assert_eq!(abi.decode_call(&[], &Limits::default()), Ok(None));
}

#[test]
fn refuses_data_shorter_than_a_selector() {
    let error = abi("f()").decode_call(&[1, 2, 3], &Limits::default());
    assert_eq!(error, Err(DecodeError::NoSelector { got: 3 }));
}

#[test]
fn refuses_missing_words() {
    assert_eq!(decode("f(uint256 a)", &[]), Err(out_of_bounds("a")));
    assert_eq!(
        decode("f(uint256, uint256 b)", &[word(1)]),
        Err(out_of_bounds("b"))
    );
}

#[test]
fn refuses_bits_that_the_type_does_not_have() {
    let ones = [0xff; 32];
    assert_eq!(
        decode("f(address a)", &[ones]),
        Err(invalid("a", "address"))
    );
    assert_eq!(
        decode("f(uint8 a)", &[word(256)]),
        Err(invalid("a", "uint"))
    );
    assert_eq!(decode("f(int8 a)", &[word(128)]), Err(invalid("a", "int")));
    assert_eq!(decode("f(bool a)", &[word(2)]), Err(invalid("a", "bool")));
    assert_eq!(
        decode("f(bytes4 a)", &[word(1)]),
        Err(invalid("a", "bytes"))
    );
    assert!(decode("f(uint8 a)", &[word(255)]).is_ok());
    assert!(decode("f(int8 a)", &[word(127)]).is_ok());
    assert!(decode("f(int8 a)", &[ones]).is_ok());
}

#[test]
fn refuses_offsets_and_lengths_beyond_the_data() {
    let huge = [0xff; 32];
    assert_eq!(decode("f(bytes a)", &[huge]), Err(out_of_bounds("a")));
    assert_eq!(decode("f(bytes a)", &[word(32)]), Err(out_of_bounds("a")));
    assert_eq!(
        decode("f(bytes a)", &[word(32), huge]),
        Err(out_of_bounds("a"))
    );
    assert_eq!(
        decode("f(bytes a)", &[word(32), word(1)]),
        Err(out_of_bounds("a"))
    );
    assert_eq!(
        decode("f(uint256[] a)", &[word(32), word(2), word(7)]),
        Err(out_of_bounds("a.1"))
    );
}

#[test]
fn refuses_a_claimed_count_before_making_room_for_it() {
    let limits = Limits {
        input_bytes: 1 << 20,
        values: 100,
        copied_bytes: 1 << 20,
    };
    let mut words = vec![word(32), word(101)];
    words.resize(103, word(1));
    let error = decode_with("f(uint256[] a)", &words, &limits);
    assert_eq!(error, Err(DecodeError::TooManyValues { limit: 100 }));
}

#[test]
fn refuses_offsets_that_name_the_same_bytes_again_and_again() {
    // 100 items, each the same 10,000 bytes: a megabyte from eleven thousand bytes.
    let mut words = vec![word(32), word(100)];
    words.extend([word(100 * 32); 100]);
    words.push(word(10_000));
    words.extend([[7; 32]; 313]);
    let error = decode("f(bytes[] a)", &words);
    assert_eq!(error, Err(DecodeError::TooManyBytes { limit: 128 * 1024 }));
}

#[test]
fn arrays_that_seem_to_contain_themselves_stay_within_the_limits() {
    // Each inner array's offset leads back to a word that reads as an array again.
    let words = [word(32), word(1), word(0), word(1), word(0)];
    assert!(matches!(
        decode("f(uint256[][][][] a)", &words),
        Ok(_) | Err(DecodeError::OutOfBounds { .. } | DecodeError::TooManyValues { .. })
    ));
}

#[test]
fn refuses_more_input_than_the_limit() {
    let limits = Limits {
        input_bytes: 10,
        ..Limits::default()
    };
    let error = abi("f(uint256 a)").decode_call(&[0; 11], &limits);
    assert_eq!(error, Err(DecodeError::InputTooLong { got: 11, limit: 10 }));
}

#[test]
fn refuses_text_that_is_not_utf8() {
    let mut text = [0; 32];
    text[0] = 0xff;
    let error = decode("f(string a)", &[word(32), word(1), text]);
    assert_eq!(error, Err(DecodeError::InvalidText { path: "a".into() }));
}

#[test]
fn more_data_than_the_arguments_need_is_what_solidity_ignores_too() {
    assert_eq!(
        decode("f(uint256 a)", &[word(1), word(2)]),
        Ok(Value::Uint(U256::ONE))
    );
}

#[test]
fn refuses_a_log_with_other_topics_than_its_event() {
    let abi = ContractAbi::from_items(["event E(address indexed a, uint256 b)"]).unwrap();
    let topic = keccak256("E(address,uint256)");
    let limits = Limits::default();
    let error = abi.decode_log(&[topic], &[0; 64], &limits);
    assert_eq!(
        error,
        Err(DecodeError::TopicCount {
            got: 1,
            expected: 2
        })
    );
    let dirty = abi.decode_log(&[topic, [0xff; 32].into()], &word(1), &limits);
    assert_eq!(dirty, Err(invalid("a", "address")));
    assert_eq!(
        abi.decode_log(&[keccak256("other")], &[], &limits),
        Ok(None)
    );
    assert_eq!(abi.decode_log(&[], &[], &limits), Ok(None));
}
