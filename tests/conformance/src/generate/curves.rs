//! The precompiles on elliptic curves: bn254, KZG, BLS12-381, P-256.

use alloy_primitives::{hex, keccak256};
use anyhow::Result;
use sha2::{Digest as _, Sha256};

use super::{draft::Draft, precompiles::case};

pub(crate) fn drafts() -> Result<Vec<Draft>> {
    let mut all = bn254()?;
    all.extend(bn254_pairing()?);
    all.extend(kzg()?);
    all.extend(bls_groups()?);
    all.extend(bls_pairing_and_maps()?);
    all.extend(p256()?);
    Ok(all)
}

/// The prime of bn254's coordinates (EIP-196).
const BN_PRIME: [u8; 32] = hex!("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47");
/// The generator (1, 2) and its negative.
const BN_G1: [u8; 64] = hex!(
    "0000000000000000000000000000000000000000000000000000000000000001"
    "0000000000000000000000000000000000000000000000000000000000000002"
);
const BN_G1_NEGATIVE: [u8; 64] = hex!(
    "0000000000000000000000000000000000000000000000000000000000000001"
    "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd45"
);
/// The generator of the second group (EIP-197), imaginary parts first.
const BN_G2: [u8; 128] = hex!(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
);
/// On the twist, but of another order.
const BN_G2_OUTSIDE: [u8; 128] = hex!(
    "0000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000001"
    "0d1271953ed9ea0836846e70a1934187998c7f790cb4d7511b7f8da82de048a4"
    "2869111d5381f072f8e2728fdb825a51aadd70e52c9830e9ab4b871c0531f1bb"
);

fn bn254() -> Result<Vec<Draft>> {
    const EIP: &str = "https://eips.ethereum.org/EIPS/eip-196";
    let add = |name: &str, bytes: &[&[u8]]| case(name, 6, bytes.concat(), EIP);
    let multiply = |name: &str, bytes: &[&[u8]]| case(name, 7, bytes.concat(), EIP);
    let zero = [0; 64];
    let off = [BN_G1.split_at(32).0, &[0; 31], &[3]].concat();
    let outside = [BN_PRIME.as_slice(), &[0; 32]].concat();
    let three = [&[0; 31][..], &[3]].concat();
    Ok(vec![
        add("bn254_add", &[&BN_G1, &BN_G1])?,
        add("bn254_add_zero", &[&BN_G1, &zero])?,
        add("bn254_add_negative", &[&BN_G1, &BN_G1_NEGATIVE])?,
        add("bn254_add_nothing", &[])?,
        add("bn254_add_cut", &[&BN_G1, &BN_G1[..40]])?,
        add("bn254_add_off_curve", &[&BN_G1, &off])?,
        add("bn254_add_coordinate_is_prime", &[&BN_G1, &outside])?,
        add("bn254_add_long", &[&BN_G1, &BN_G1, &[1; 50]])?,
        multiply("bn254_mul", &[&BN_G1, &three])?,
        multiply("bn254_mul_by_zero", &[&BN_G1, &[0; 32]])?,
        multiply("bn254_mul_by_most", &[&BN_G1, &[0xff; 32]])?,
        multiply("bn254_mul_of_zero", &[&zero, &three])?,
        multiply("bn254_mul_off_curve", &[&off, &three])?,
        multiply("bn254_mul_nothing", &[])?,
    ])
}

fn bn254_pairing() -> Result<Vec<Draft>> {
    const EIP: &str = "https://eips.ethereum.org/EIPS/eip-197";
    let make = |name: &str, bytes: &[&[u8]]| case(name, 8, bytes.concat(), EIP);
    Ok(vec![
        make("bn254_pairing_of_nothing", &[])?,
        make(
            "bn254_pairing_one",
            &[&BN_G1, &BN_G2, &BN_G1_NEGATIVE, &BN_G2],
        )?,
        make("bn254_pairing_not_one", &[&BN_G1, &BN_G2])?,
        make("bn254_pairing_zero", &[&[0; 64], &BN_G2, &BN_G1, &[0; 128]])?,
        make("bn254_pairing_outside_subgroup", &[&BN_G1, &BN_G2_OUTSIDE])?,
        make("bn254_pairing_cut", &[&BN_G1, &BN_G2[..100]])?,
        make("bn254_pairing_off_curve", &[&BN_G1, &BN_G2[..96], &[0; 32]])?,
    ])
}

fn kzg() -> Result<Vec<Draft>> {
    const EIP: &str = "https://eips.ethereum.org/EIPS/eip-4844";
    // The polynomial that is 5 everywhere: its commitment is five times the generator, its
    // opening is 5 at any point, and the proof is the point at infinity.
    let commitment = hex!(
        "b0e7791fb972fe014159aa33a98622da3cdc98ff707965e536d8636b5fcc5ac7a91a8c46e59a00dca575af0f18fb13dc"
    );
    let infinity = [&[0xc0][..], &[0; 47]].concat();
    let order = hex!("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    let point = keccak256(b"anywhere").0.map(|byte| byte & 0x3f);
    let five = [&[0; 31][..], &[5]].concat();
    let versioned = |commitment: &[u8], version: u8| {
        let hash: [u8; 32] = Sha256::digest(commitment).into();
        [&[version][..], hash.split_at(1).1].concat()
    };
    let hash = versioned(&commitment, 1);
    let input = |hash: &[u8], z: &[u8], y: &[u8], commitment: &[u8], proof: &[u8]| {
        [hash, z, y, commitment, proof].concat()
    };
    let good = input(&hash, &point, &five, &commitment, &infinity);
    let make = |name: &str, bytes| case(name, 10, bytes, EIP);
    let of_nothing = versioned(&infinity, 1);
    let mut short = good.clone();
    short.pop();
    Ok(vec![
        make("kzg", good)?,
        make(
            "kzg_of_zero",
            input(&of_nothing, &point, &[0; 32], &infinity, &infinity),
        )?,
        make(
            "kzg_other_value",
            input(&hash, &point, &[0; 32], &commitment, &infinity),
        )?,
        make(
            "kzg_other_hash",
            input(&[1; 32], &point, &five, &commitment, &infinity),
        )?,
        make(
            "kzg_other_version",
            input(
                &versioned(&commitment, 2),
                &point,
                &five,
                &commitment,
                &infinity,
            ),
        )?,
        make(
            "kzg_point_is_order",
            input(&hash, &order, &five, &commitment, &infinity),
        )?,
        make(
            "kzg_value_is_order",
            input(&hash, &point, &order, &commitment, &infinity),
        )?,
        make(
            "kzg_proof_no_point",
            input(&hash, &point, &five, &commitment, &[0xff; 48]),
        )?,
        make("kzg_short", short)?,
        make("kzg_nothing", vec![])?,
    ])
}

/// Generators of BLS12-381 in EIP-2537's encoding, and their negatives.
const G1: [u8; 128] = hex!(
    "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
);
const G1_NEGATIVE: [u8; 128] = hex!(
    "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca"
);
const G2: [u8; 256] = hex!(
    "00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
    "0000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "000000000000000000000000000000000ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
    "000000000000000000000000000000000606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be"
);
/// On the curves, but of another order.
const G1_OUTSIDE: [u8; 128] = hex!(
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000004"
    "000000000000000000000000000000000a989badd40d6212b33cffc3f3763e9bc760f988c9926b26da9dd85e928483446346b8ed00e1de5d5ea93e354abe706c"
);
const G2_OUTSIDE: [u8; 256] = hex!(
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000002"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000018c6b864ae17dc9da64203ffefb966306425a7bc6aeb7c75247438372716284a4173830420cd476ba1a365b95bfcec38"
    "00000000000000000000000000000000172e93db764a8400a7d5071b6b6f5de0da2f0f4a063119abca014006b7c40a2cfe291a1924e65db0d6d0fcfbf3bf3d5c"
);
/// The prime of its coordinates, on 64 bytes.
const BLS_PRIME: [u8; 64] = hex!(
    "000000000000000000000000000000001a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"
);

const BLS: &str = "https://eips.ethereum.org/EIPS/eip-2537";

fn bls_groups() -> Result<Vec<Draft>> {
    let make = |name: &str, number, bytes: &[&[u8]]| case(name, number, bytes.concat(), BLS);
    let three = [&[0; 31][..], &[3]].concat();
    let off_curve = [&G1[..127], &[0]].concat();
    let padded = [&[1][..], &G1[1..]].concat();
    Ok(vec![
        make("bls_g1_add", 0x0b, &[&G1, &G1])?,
        make("bls_g1_add_zero", 0x0b, &[&G1, &[0; 128]])?,
        make("bls_g1_add_negative", 0x0b, &[&G1, &G1_NEGATIVE])?,
        make("bls_g1_add_outside_subgroup", 0x0b, &[&G1, &G1_OUTSIDE])?,
        make("bls_g1_add_off_curve", 0x0b, &[&G1, &off_curve])?,
        make("bls_g1_add_padding", 0x0b, &[&G1, &padded])?,
        make(
            "bls_g1_add_coordinate_is_prime",
            0x0b,
            &[&G1, &BLS_PRIME, &[0; 64]],
        )?,
        make("bls_g1_add_short", 0x0b, &[&G1, &G1[..127]])?,
        make("bls_g1_add_nothing", 0x0b, &[])?,
        make("bls_g1_msm", 0x0c, &[&G1, &three, &G1_NEGATIVE, &[0; 32]])?,
        make("bls_g1_msm_outside_subgroup", 0x0c, &[&G1_OUTSIDE, &three])?,
        make("bls_g1_msm_nothing", 0x0c, &[])?,
        make("bls_g2_add", 0x0d, &[&G2, &G2])?,
        make("bls_g2_add_outside_subgroup", 0x0d, &[&G2, &G2_OUTSIDE])?,
        make("bls_g2_add_off_curve", 0x0d, &[&G2, &G2[..255], &[0]])?,
        make("bls_g2_add_short", 0x0d, &[&G2])?,
        make("bls_g2_msm", 0x0e, &[&G2, &three])?,
        make("bls_g2_msm_outside_subgroup", 0x0e, &[&G2_OUTSIDE, &three])?,
        make("bls_g2_msm_nothing", 0x0e, &[])?,
    ])
}

fn bls_pairing_and_maps() -> Result<Vec<Draft>> {
    let make = |name: &str, number, bytes: &[&[u8]]| case(name, number, bytes.concat(), BLS);
    let seven = [&[0; 63][..], &[7]].concat();
    Ok(vec![
        make("bls_pairing_one", 0x0f, &[&G1, &G2, &G1_NEGATIVE, &G2])?,
        make("bls_pairing_not_one", 0x0f, &[&G1, &G2])?,
        make("bls_pairing_zero", 0x0f, &[&[0; 128], &G2])?,
        make("bls_pairing_g1_outside_subgroup", 0x0f, &[&G1_OUTSIDE, &G2])?,
        make("bls_pairing_g2_outside_subgroup", 0x0f, &[&G1, &G2_OUTSIDE])?,
        make("bls_pairing_nothing", 0x0f, &[])?,
        make("bls_map_fp", 0x10, &[&seven])?,
        make("bls_map_fp_zero", 0x10, &[&[0; 64]])?,
        make("bls_map_fp_is_prime", 0x10, &[&BLS_PRIME])?,
        make("bls_map_fp_short", 0x10, &[seven.split_at(63).0])?,
        make("bls_map_fp2", 0x11, &[&seven, &[0; 64]])?,
        make("bls_map_fp2_is_prime", 0x11, &[&seven, &BLS_PRIME])?,
        make("bls_map_fp2_short", 0x11, &[&seven])?,
    ])
}

fn p256() -> Result<Vec<Draft>> {
    const EIP: &str = "https://eips.ethereum.org/EIPS/eip-7951";
    // A signature over SHA-256("cloister"), made for this test with Python's `cryptography`.
    let digest = hex!("69a8c6c42a121ce2042f3c69192ba2bf127def7c6d6094920db6fe74edd5abfc");
    let r = hex!("d17128b1d7068047c7700bb3ad62efa6e24c56443e89ec2e373d8170d8b58ca5");
    let s = hex!("984a1876b3d1bf2937d55c105dc1478d640dd647e14c5fdc64cb530927ee20d0");
    let x = hex!("f9ebe464147cc102d92324d099d927c1a50e42d57a08a116ffec0a29819d8c65");
    let y = hex!("70baf7d12888902a6a0c1d67add103123c859ab69bf8e9431c9384930d4b7eee");
    let order = hex!("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let make = |name: &str, bytes: &[&[u8]]| case(name, 0x100, bytes.concat(), EIP);
    Ok(vec![
        make("p256", &[&digest, &r, &s, &x, &y])?,
        make("p256_other_digest", &[&s, &r, &s, &x, &y])?,
        make("p256_r_zero", &[&digest, &[0; 32], &s, &x, &y])?,
        make("p256_s_zero", &[&digest, &r, &[0; 32], &x, &y])?,
        make("p256_r_order", &[&digest, &order, &s, &x, &y])?,
        make("p256_s_order", &[&digest, &r, &order, &x, &y])?,
        make("p256_key_off_curve", &[&digest, &r, &s, &x, &x])?,
        make("p256_key_infinity", &[&digest, &r, &s, &[0; 64]])?,
        make("p256_short", &[&digest, &r, &s, &x])?,
        make("p256_long", &[&digest, &r, &s, &x, &y, &[0]])?,
        make("p256_nothing", &[])?,
        make("p256_before_osaka", &[&digest, &r, &s, &x, &y])?.prague(),
    ])
}
