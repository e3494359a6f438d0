//! Every precompile of the fork, with good and bad input, through one contract that keeps success,
//! size and hash of the output, and the gas that the call took.

use alloy_primitives::{U256, hex, keccak256};
use anyhow::Result;

use super::{
    asm::{Asm, op},
    curves,
    draft::{Draft, person},
};

/// Calls a precompile with the call data.
pub(crate) fn probe(number: u64, gas: u64) -> Asm {
    let code = Asm::new().call_data_to_memory().op(op::GAS);
    let code = code.ops(&[op::PUSH0, op::PUSH0, op::CALLDATASIZE, op::PUSH0, op::PUSH0]);
    let code = code.word(U256::from(number));
    let code = if gas == u64::MAX {
        code.op(op::GAS)
    } else {
        code.push(gas)
    };
    code.op(op::CALL)
        .keep(0)
        .ops(&[op::GAS, op::SWAP1, op::SUB])
        .keep(1)
        .op(op::RETURNDATASIZE)
        .keep(2)
        .ops(&[op::RETURNDATASIZE, op::PUSH0, op::PUSH0, op::RETURNDATACOPY])
        .ops(&[op::RETURNDATASIZE, op::PUSH0, op::KECCAK256])
        .keep(3)
        .ops(&[op::PUSH0, op::MLOAD])
        .keep(4)
}

pub(crate) fn case(name: &str, number: u64, input: Vec<u8>, eip: &'static str) -> Result<Draft> {
    limited(name, number, input, eip, u64::MAX)
}

fn limited(name: &str, number: u64, input: Vec<u8>, eip: &'static str, gas: u64) -> Result<Draft> {
    let about = format!("Precompile {number:#04x} on {} bytes", input.len());
    Ok(Draft::of(name, about, probe(number, gas))?
        .data(input)
        .gas(10_000_000)
        .source(eip))
}

fn word(value: u64) -> [u8; 32] {
    U256::from(value).to_be_bytes()
}

pub(crate) fn drafts() -> Result<Vec<Draft>> {
    let mut all = recovery()?;
    all.extend(hashes()?);
    all.extend(modular()?);
    all.extend(modular_limits()?);
    all.extend(blake()?);
    all.extend(curves::drafts()?);
    Ok(all)
}

fn recovery() -> Result<Vec<Draft>> {
    const PAPER: &str = "https://ethereum.github.io/yellowpaper/paper.pdf";
    let digest = keccak256(b"cloister");
    let signature = person(7)?.sign_digest(&digest)?;
    let (r, s) = (signature.r(), signature.s());
    let order = cloister_crypto::provider::ORDER;
    let input = |v: U256, r: U256, s: U256| {
        [digest.0, v.to_be_bytes(), r.to_be_bytes(), s.to_be_bytes()].concat()
    };
    let v = U256::from(27 + u64::from(signature.v()));
    let flipped = U256::from(27 + u64::from(!signature.v()));
    let mut long = input(v, r, s);
    long.extend_from_slice(&[0xff; 40]);
    let mut short = input(v, r, s);
    short.truncate(127);
    let make = |name: &str, bytes| case(name, 1, bytes, PAPER);
    Ok(vec![
        make("ecrecover", input(v, r, s))?,
        make("ecrecover_high_s", input(flipped, r, order - s))?,
        make("ecrecover_other_parity", input(flipped, r, s))?,
        make("ecrecover_v_0", input(U256::ZERO, r, s))?,
        make("ecrecover_v_29", input(U256::from(29), r, s))?,
        make(
            "ecrecover_v_above_a_byte",
            input(v + (U256::from(1) << 8), r, s),
        )?,
        make("ecrecover_r_0", input(v, U256::ZERO, s))?,
        make("ecrecover_s_0", input(v, r, U256::ZERO))?,
        make("ecrecover_r_order", input(v, order, s))?,
        make("ecrecover_s_order", input(v, r, order))?,
        make("ecrecover_r_no_point", input(v, U256::from(5), s))?,
        make("ecrecover_long", long)?,
        make("ecrecover_short", short)?,
        make("ecrecover_nothing", vec![])?,
        limited("ecrecover_gas_exact", 1, input(v, r, s), PAPER, 3_000)?,
        limited("ecrecover_gas_one_below", 1, input(v, r, s), PAPER, 2_999)?,
    ])
}

fn hashes() -> Result<Vec<Draft>> {
    const PAPER: &str = "https://ethereum.github.io/yellowpaper/paper.pdf";
    let mut all = Vec::new();
    for (number, name) in [(2, "sha256"), (3, "ripemd160"), (4, "identity")] {
        for length in [0, 1, 55, 56, 64, 65, 1_000] {
            let input: Vec<u8> = (0..length)
                .map(|at: usize| at.to_le_bytes().first().copied().unwrap_or_default())
                .collect();
            all.push(case(
                &format!("{name}_{length}_bytes"),
                number,
                input,
                PAPER,
            )?);
        }
    }
    all.push(limited(
        "sha256_gas_one_below",
        2,
        vec![1; 33],
        PAPER,
        60 + 24 - 1,
    )?);
    all.push(limited(
        "ripemd160_gas_one_below",
        3,
        vec![1; 33],
        PAPER,
        600 + 240 - 1,
    )?);
    all.push(limited(
        "identity_gas_one_below",
        4,
        vec![1; 33],
        PAPER,
        15 + 6 - 1,
    )?);
    Ok(all)
}

/// Lengths of base, exponent and modulus, then the three.
fn modexp(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| U256::from(bytes.len()).to_be_bytes::<32>();
    let lengths = [length(base), length(exponent), length(modulus)].concat();
    [&lengths, base, exponent, modulus].concat()
}

fn modular() -> Result<Vec<Draft>> {
    const EIP: &str = "https://eips.ethereum.org/EIPS/eip-198";
    let prime = hex!("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");
    let less = hex!("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2e");
    let make = |name: &str, bytes| case(name, 5, bytes, EIP);
    let mut cut = modexp(&[3], &less, &prime);
    cut.truncate(100);
    Ok(vec![
        // Fermat's little theorem, EIP-198's first example.
        make("modexp_fermat", modexp(&[3], &less, &prime))?,
        make("modexp_base_empty", modexp(&[], &less, &prime))?,
        make("modexp_small", modexp(&[7], &[5], &[13]))?,
        make("modexp_modulus_0", modexp(&[7], &[5], &[0]))?,
        make("modexp_modulus_1", modexp(&[7], &[5], &[1]))?,
        make(
            "modexp_modulus_even",
            modexp(&[0xff; 33], &[3], &[0xfe; 32]),
        )?,
        make(
            "modexp_modulus_power_of_two",
            modexp(&[3; 40], &[7], &[&[1][..], &[0; 31]].concat()),
        )?,
        make("modexp_exponent_0", modexp(&[7], &[0], &[13]))?,
        make("modexp_exponent_long", modexp(&[2], &[0xff; 64], &prime))?,
        make("modexp_all_empty", modexp(&[], &[], &[]))?,
        make("modexp_no_input", vec![])?,
        make("modexp_input_cut", cut)?,
        make(
            "modexp_leading_zeros",
            modexp(&[0, 0, 7], &[0, 5], &[0, 13]),
        )?,
        make(
            "modexp_1024_bits",
            modexp(&[0xab; 128], &[1, 0, 1], &[0xcd; 128]),
        )?,
    ])
}

fn modular_limits() -> Result<Vec<Draft>> {
    const BOUNDS: &str = "https://eips.ethereum.org/EIPS/eip-7823";
    const PRICE: &str = "https://eips.ethereum.org/EIPS/eip-7883";
    let lengths = |base: u64, exponent: u64, modulus: u64| {
        [word(base), word(exponent), word(modulus)].concat()
    };
    let huge = [[0xff; 32], word(1), word(1)].concat();
    Ok(vec![
        case(
            "modexp_base_1024_bytes",
            5,
            modexp(&[1; 1_024], &[1], &[3; 32]),
            BOUNDS,
        )?,
        case(
            "modexp_base_above_bound",
            5,
            modexp(&[1; 1_025], &[1], &[3]),
            BOUNDS,
        )?,
        case(
            "modexp_exponent_above_bound",
            5,
            lengths(1, 1_025, 1),
            BOUNDS,
        )?,
        case(
            "modexp_modulus_above_bound",
            5,
            lengths(1, 1, 1_025),
            BOUNDS,
        )?,
        case(
            "modexp_base_above_bound_before_osaka",
            5,
            modexp(&[1; 1_025], &[1], &[3]),
            BOUNDS,
        )?
        .prague(),
        case("modexp_length_of_256_bits", 5, huge, BOUNDS)?,
        limited("modexp_least_gas", 5, modexp(&[7], &[5], &[13]), PRICE, 500)?,
        limited(
            "modexp_least_gas_one_below",
            5,
            modexp(&[7], &[5], &[13]),
            PRICE,
            499,
        )?,
        limited(
            "modexp_least_gas_before_osaka",
            5,
            modexp(&[7], &[5], &[13]),
            PRICE,
            200,
        )?
        .prague(),
    ])
}

fn blake() -> Result<Vec<Draft>> {
    const EIP: &str = "https://eips.ethereum.org/EIPS/eip-152";
    // The state of BLAKE2b-512 after its parameters, "abc", 3 bytes, last block: EIP-152's fifth
    // example.
    let state = hex!(
        "48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"
        "d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b"
    );
    let mut message = [0; 128];
    message
        .iter_mut()
        .zip(b"abc")
        .for_each(|(to, from)| *to = *from);
    let input = |rounds: u32, last: u8| {
        let mut offset = [0; 16];
        offset.iter_mut().take(1).for_each(|low| *low = 3);
        [
            &rounds.to_be_bytes()[..],
            &state,
            &message,
            &offset,
            &[last],
        ]
        .concat()
    };
    let make = |name: &str, bytes| case(name, 9, bytes, EIP);
    let mut long = input(12, 1);
    long.push(0);
    let mut short = input(12, 1);
    short.pop();
    Ok(vec![
        make("blake2f", input(12, 1))?,
        make("blake2f_not_last", input(12, 0))?,
        make("blake2f_no_rounds", input(0, 1))?,
        make("blake2f_one_round", input(1, 1))?,
        make("blake2f_flag_2", input(12, 2))?,
        make("blake2f_long", long)?,
        make("blake2f_short", short)?,
        make("blake2f_nothing", vec![])?,
        make("blake2f_rounds_above_gas", input(u32::MAX, 1))?,
        case(
            "no_precompile_at_0x12",
            0x12,
            vec![1; 32],
            "https://eips.ethereum.org/EIPS/eip-2537",
        )?,
        case(
            "no_precompile_at_0",
            0,
            vec![1; 32],
            "https://ethereum.github.io/yellowpaper/paper.pdf",
        )?,
    ])
}
