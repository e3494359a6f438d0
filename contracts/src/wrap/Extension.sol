// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title BabyBear and its extension of degree 5, x^5 = 2, five coordinates in one word
/// @notice An element is a word of five lanes of 51 bits, the constant coordinate lowest. A lane
/// holds a representative below `LIMIT`, not the least one. Every operation here takes such lanes
/// and gives such lanes, so that they compose without thought.
///
/// @dev Why 51 bits: a product of polynomials in x = 2^51 modulo 2^255 - 2 is a product modulo
/// x^5 - 2, so one `mulmod` multiplies all lanes, as long as no lane overflows. Lanes of 31 bits
/// would need 66; so one factor is split into 16 bits and 16 bits. What comes out is brought below
/// 2^31 by Montgomery's reduction, which is cheap for p = 15 * 2^27 + 1:
///
/// ```text
///  low half:  t / 2^16 = (t >> 16) - (t mod 2^16) * (p-1)/2^16      modulo p
///  the sum:   u / 2^27 = (u >> 27) - (u mod 2^27) * (p-1)/2^27
/// ```
///
/// So `mul(a, b) = a * b / 2^43`, and numbers are kept multiplied by 2^43 ("at home"). Hashes see
/// numbers multiplied by 2^32; such an operand gives such a result.
library Extension {
    /// @dev The modulus.
    uint256 internal constant P = 0x78000001;
    /// @dev Lanes stay below 2^31 + 3 * 2^27.
    uint256 internal constant LIMIT = 0x98000000;
    /// @dev 2^43 modulo P: one, at home.
    uint256 internal constant ONE = 134213359;
    /// @dev 2^54 modulo P: brings hashed numbers home.
    uint256 internal constant HOME = 1064793976;
    /// @dev 2^32 modulo P: brings numbers from home to how they are hashed.
    uint256 internal constant HASHED = 268435454;
    /// @dev 2^255 - 2.
    uint256 internal constant X5 =
        0x7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe;
    uint256 internal constant LANE = 0x7ffffffffffff;
    uint256 internal constant LANES_16 = 0xffff000000001fffe000000003fffc000000007fff800000000ffff;
    uint256 internal constant LANES_17 = 0x1ffff000000003fffe000000007fffc00000000ffff800000001ffff;
    uint256 internal constant LANES_24 =
        0xffffff0000001fffffe0000003fffffc0000007fffff8000000ffffff;
    uint256 internal constant LANES_27 =
        0x7ffffff000000ffffffe000001ffffffc000003ffffff8000007ffffff;
    uint256 internal constant LANES_31 =
        0x7fffffff00000fffffffe00001fffffffc00003fffffff800007fffffff;
    uint256 internal constant LANES_35 =
        0x7ffffffff0000ffffffffe0001ffffffffc0003ffffffff80007ffffffff;
    /// @dev P in every lane, and twice that.
    uint256 internal constant LANES_P =
        0x7800000100000f000000200001e000000400003c0000008000078000001;
    uint256 internal constant LANES_2P =
        0xf000000200001e000000400003c000000800007800000100000f0000002;

    /// @notice A word with a number that is not below the modulus where one must be.
    error NotCanonical();
    /// @notice Zero has no inverse.
    error NoInverse();

    /// @notice The product, divided by 2^43.
    /// @dev Bounds, with lanes below LIMIT = 1.1875 * 2^31: low below 9 * LIMIT * 2^16 < 2^50.5,
    /// high below 9 * LIMIT * LIMIT / 2^16 < 2^49.7, their sum below 2^51; the result below
    /// p + 2^24 < 2^31.
    function mul(uint256 a, uint256 b) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            let low := mulmod(a, and(b, LANES_16), X5)
            c := mulmod(a, and(shr(16, b), LANES_16), X5)
            c := add(
                c,
                sub(add(and(shr(16, low), LANES_35), LANES_P), mul(and(low, LANES_16), 30720))
            )
            c := sub(add(and(shr(27, c), LANES_24), LANES_P), mul(and(c, LANES_27), 15))
        }
    }

    /// @notice The sum.
    /// @dev What is above 31 bits comes down as 2^31 = 2^27 - 1 modulo p.
    function add(uint256 a, uint256 b) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := add(a, b)
            c := add(and(c, LANES_31), mul(and(shr(31, c), LANES_16), 0x7ffffff))
        }
    }

    /// @notice The difference.
    function sub(uint256 a, uint256 b) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := sub(add(a, LANES_2P), b)
            c := add(and(c, LANES_31), mul(and(shr(31, c), LANES_16), 0x7ffffff))
        }
    }

    /// @notice The element with these five coordinates, each an element itself: the sum of
    /// a[i] x^i, where `at` is the memory address of a[0].
    function join(uint256 pointer) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := mload(add(pointer, 128))
            for { let i := 96 } lt(i, 128) { i := sub(i, 32) } {
                // Times x: lanes move up, the top one comes round doubled; then two foldings.
                c := add(mulmod(c, 0x8000000000000, X5), mload(add(pointer, i)))
                c := add(and(c, LANES_31), mul(and(shr(31, c), LANES_16), 0x7ffffff))
            }
        }
    }

    /// @notice Every lane's least representative.
    function reduce(uint256 a) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := mod(and(a, LANE), P)
            c := or(c, shl(51, mod(and(shr(51, a), LANE), P)))
            c := or(c, shl(102, mod(and(shr(102, a), LANE), P)))
            c := or(c, shl(153, mod(and(shr(153, a), LANE), P)))
            c := or(c, shl(204, mod(and(shr(204, a), LANE), P)))
        }
    }

    /// @notice A number of the base field, at home.
    function scalar(uint256 number) internal pure returns (uint256) {
        return mulmod(number, ONE, P);
    }

    /// @notice a^n, at home.
    function power(uint256 a, uint256 n) internal pure returns (uint256 c) {
        c = ONE;
        while (n != 0) {
            if (n & 1 != 0) c = mul(c, a);
            n >>= 1;
            if (n != 0) a = mul(a, a);
        }
    }

    /// @notice 1/a, at home.
    /// @dev a^(p + p^2 + p^3 + p^4) times a is the norm, a number of the base field. Raising to p
    /// multiplies x^i by z^i, z = 2^((p-1)/5).
    function inverse(uint256 a) internal pure returns (uint256) {
        uint256 once = _scaleLanes(a, 815036133, 609564788, 1956349769, 645581151);
        uint256 twice = _scaleLanes(a, 609564788, 645581151, 815036133, 1956349769);
        uint256 pair = mul(once, twice);
        uint256 rest = mul(pair, _scaleLanes(pair, 609564788, 645581151, 815036133, 1956349769));
        // The constant coordinate, times 2^43. Its inverse at home is 2^86 over that.
        uint256 norm = reduce(mul(a, rest)) & LANE;
        if (norm == 0) revert NoInverse();
        return mul(rest, mulmod(inverseOf(norm), 10140895, P));
    }

    /// @notice 1/a of a number of the base field: a^(p-2).
    function inverseOf(uint256 a) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            // p - 2 = 0b1110111 followed by 24 ones.
            let a2 := mulmod(a, a, P)
            let a3 := mulmod(a2, a, P)
            let a7 := mulmod(mulmod(a3, a3, P), a, P)
            c := a7
            // 1110: then 111.
            for { let i := 0 } lt(i, 4) { i := add(i, 1) } { c := mulmod(c, c, P) }
            c := mulmod(c, a7, P)
            for { let i := 0 } lt(i, 24) { i := add(i, 1) } {
                c := mulmod(mulmod(c, c, P), a, P)
            }
        }
    }

    /// @notice Reads 20 bytes of memory as an element, as it is hashed; reverts unless canonical.
    function read(uint256 pointer) internal pure returns (uint256 c) {
        bool bad;
        assembly ("memory-safe") {
            c := mload(pointer)
            c := or(
                and(shr(8, c), 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff),
                and(shl(8, c), 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00)
            )
            c := or(
                and(shr(16, c), 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff),
                and(shl(16, c), 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000)
            )
            // A number is not below p if its top bit is set, now or after adding 2^31 - p.
            bad := and(
                or(
                    c,
                    add(
                        and(c, 0x7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff),
                        0x07ffffff07ffffff07ffffff07ffffff07ffffff000000000000000000000000
                    )
                ),
                0x8000000080000000800000008000000080000000000000000000000000000000
            )
            bad := iszero(iszero(bad))
            c := or(
                or(
                    or(shr(224, c), and(shr(141, c), shl(51, 0xffffffff))),
                    and(shr(58, c), shl(102, 0xffffffff))
                ),
                or(and(shl(25, c), shl(153, 0xffffffff)), and(shl(108, c), shl(204, 0xffffffff)))
            )
        }
        if (bad) revert NotCanonical();
    }

    /// @notice Reads elements of 20 bytes each, as they are hashed, and writes them at home; reverts
    /// unless all are canonical.
    /// @param from memory address of the first
    /// @param to memory address of the first word that is written
    function readAll(uint256 from, uint256 count, uint256 to) internal pure {
        uint256 bad = 0;
        assembly ("memory-safe") {
            for { let end := add(from, mul(20, count)) } lt(from, end) { from := add(from, 20) } {
                // As in `read`; then as in `mul`, by HOME.
                let c := mload(from)
                c := or(
                    and(
                        shr(8, c),
                        0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                    ),
                    shl(8, and(c, 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff))
                )
                c := or(
                    and(shr(16, c), 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff),
                    shl(16, and(c, 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff))
                )
                c := shr(96, c)
                bad := or(
                    or(bad, c),
                    add(
                        and(c, 0x7fffffff7fffffff7fffffff7fffffff7fffffff),
                        0x07ffffff07ffffff07ffffff07ffffff07ffffff
                    )
                )
                c := or(
                    or(
                        or(shr(128, c), and(shr(45, c), shl(51, 0xffffffff))),
                        and(shl(38, c), shl(102, 0xffffffff))
                    ),
                    or(and(shl(121, c), shl(153, 0xffffffff)), shl(204, and(c, 0xffffffff)))
                )
                // Only the constant lane of HOME is not zero: halves of it multiply every lane.
                let low := mul(c, and(HOME, 0xffff))
                c := mul(c, shr(16, HOME))
                c := add(
                    c,
                    sub(add(and(shr(16, low), LANES_35), LANES_P), mul(and(low, LANES_16), 30720))
                )
                mstore(to, sub(add(and(shr(27, c), LANES_24), LANES_P), mul(and(c, LANES_27), 15)))
                to := add(to, 32)
            }
        }
        if (bad & 0x0000000000000000000000008000000080000000800000008000000080000000 != 0) {
            revert NotCanonical();
        }
    }

    /// @notice The sum of c[i] x^i.
    /// @param from memory address of c[0]
    function polynomial(uint256 from, uint256 count, uint256 x)
        internal
        pure
        returns (uint256 sum)
    {
        assembly ("memory-safe") {
            for { let i := add(from, shl(5, count)) } gt(i, from) {} {
                i := sub(i, 32)
                // As in `mul`. A sum of a product and a word has lanes below 2 * 2^31, which the
                // split factor may have: 9 * 1.19 * 2 * 2^31 * 2^31 / 2^16 < 2^51.
                let low := mulmod(x, and(sum, LANES_16), X5)
                let c := mulmod(x, and(shr(16, sum), LANES_17), X5)
                c := add(
                    c,
                    sub(add(and(shr(16, low), LANES_35), LANES_P), mul(and(low, LANES_16), 30720))
                )
                c := sub(add(and(shr(27, c), LANES_24), LANES_P), mul(and(c, LANES_27), 15))
                sum := add(c, mload(i))
            }
            sum := add(and(sum, LANES_31), mul(and(shr(31, sum), LANES_16), 0x7ffffff))
        }
    }

    /// @notice The element as it is hashed: 20 bytes from the left. Its lanes must be multiplied
    /// by 2^32, not at home.
    function write(uint256 a) internal pure returns (uint256 c) {
        a = reduce(a);
        assembly ("memory-safe") {
            c := or(
                or(
                    or(shl(224, and(a, LANE)), shl(192, and(shr(51, a), LANE))),
                    shl(160, and(shr(102, a), LANE))
                ),
                or(shl(128, and(shr(153, a), LANE)), shl(96, shr(204, a)))
            )
            c := or(
                and(shr(8, c), 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff),
                and(shl(8, c), 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00)
            )
            c := or(
                and(shr(16, c), 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff),
                and(shl(16, c), 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000)
            )
        }
    }

    /// @dev Multiplies lanes 1 to 4 by numbers, lane 0 by one.
    function _scaleLanes(uint256 a, uint256 k1, uint256 k2, uint256 k3, uint256 k4)
        private
        pure
        returns (uint256 c)
    {
        assembly ("memory-safe") {
            c := and(a, LANE)
            c := or(c, shl(51, mulmod(and(shr(51, a), LANE), k1, P)))
            c := or(c, shl(102, mulmod(and(shr(102, a), LANE), k2, P)))
            c := or(c, shl(153, mulmod(and(shr(153, a), LANE), k3, P)))
            c := or(c, shl(204, mulmod(shr(204, a), k4, P)))
        }
    }
}
