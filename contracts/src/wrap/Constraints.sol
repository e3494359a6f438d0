// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Circuit} from "./Circuit.sol";
import {Extension} from "./Extension.sol";
import {Roots} from "./Roots.sol";

/// @title The constraints at zeta: a small interpreter of the circuit's program, and the quotient
/// that its result must be
library Constraints {
    /// @notice A table's constraints do not give the quotient that was committed to.
    error NotSatisfied(uint256 table);
    /// @notice Zeta is a row of the trace, which honest challenges all but never are.
    error PointInTrace();

    // Assembly takes no constants of another library; these are Extension's.
    uint256 private constant X5_ =
        0x7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe;
    uint256 private constant LANES_16_ = 0xffff000000001fffe000000003fffc000000007fff800000000ffff;
    uint256 private constant LANES_17_ = 0x1ffff000000003fffe000000007fffc00000000ffff800000001ffff;
    uint256 private constant LANES_24_ =
        0xffffff0000001fffffe0000003fffffc0000007fffff8000000ffffff;
    uint256 private constant LANES_27_ =
        0x7ffffff000000ffffffe000001ffffffc000003ffffff8000007ffffff;
    uint256 private constant LANES_31_ =
        0x7fffffff00000fffffffe00001fffffffc00003fffffff800007fffffff;
    uint256 private constant LANES_35_ =
        0x7ffffffff0000ffffffffe0001ffffffffc0003ffffffff80007ffffffff;
    uint256 private constant LANES_P_ =
        0x7800000100000f000000200001e000000400003c0000008000078000001;
    uint256 private constant LANES_2P_ =
        0xf000000200001e000000400003c000000800007800000100000f0000002;
    /// @dev Steps from this word on are products.
    uint256 private constant FIRST_PRODUCT_ = (8 << 248) - 1;

    /// @notice Checks all tables.
    /// @param image the circuit's image
    /// @param slots the slots, filled but for selectors
    /// @param zeta the point
    /// @param challenge what folds the constraints into one
    /// @param beta what makes one number of a message
    function check(uint256 image, uint256 slots, uint256 zeta, uint256 challenge, uint256 beta)
        internal
        pure
    {
        uint256 roots = Roots.load();
        uint256 tables = Circuit.number(image, Circuit.TABLES);
        (uint256 step,) = Circuit.part(image, Circuit.PROGRAM_BYTES);
        uint256[] memory vanishings = new uint256[](tables);
        for (uint256 table = 0; table < tables; ++table) {
            vanishings[table] = _selectors(image, slots, roots, zeta, table);
        }
        uint256 chunk = _firstChunk(image, slots);
        for (uint256 table = 0; table < tables; ++table) {
            uint256 folded;
            (step, folded) = _run(step, slots, challenge, beta);
            uint256 quotient = _quotient(image, roots, zeta, table, chunk);
            uint256 expected = Extension.mul(quotient, vanishings[table]);
            if (Extension.reduce(Extension.sub(folded, expected)) != 0) {
                revert NotSatisfied(table);
            }
            chunk += 32 * (Circuit.DEGREE + Circuit.MASKS) * Circuit.chunks(image, table);
        }
    }

    /// @dev Sets a table's selectors: Z/(zeta - 1), Z/(zeta - 1/g), zeta - 1/g, where Z vanishes
    /// on the trace and g is the root that steps from row to row. Returns Z.
    function _selectors(uint256 image, uint256 slots, uint256 roots, uint256 zeta, uint256 table)
        private
        pure
        returns (uint256 vanishing)
    {
        uint256 log = Circuit.logHeight(image, table) - 1;
        vanishing = zeta;
        for (uint256 i = 0; i < log; ++i) {
            vanishing = Extension.mul(vanishing, vanishing);
        }
        vanishing = Extension.sub(vanishing, Extension.ONE);
        if (Extension.reduce(vanishing) == 0) revert PointInTrace();
        uint256 first = Extension.sub(zeta, Extension.ONE);
        uint256 last = Extension.sub(zeta, Extension.scalar(Roots.inverseRoot(roots, log)));
        uint256 pointer = slots + ((Circuit.number(image, Circuit.SELECTOR_SLOT) + 3 * table) << 5);
        first = Extension.mul(vanishing, Extension.inverse(first));
        uint256 end = Extension.mul(vanishing, Extension.inverse(last));
        assembly ("memory-safe") {
            mstore(pointer, first)
            mstore(add(pointer, 32), end)
            mstore(add(pointer, 64), last)
        }
    }

    /// @dev Address of the first opened quotient chunk.
    function _firstChunk(uint256 image, uint256 slots) private pure returns (uint256) {
        uint256 tables = Circuit.number(image, Circuit.TABLES);
        uint256 slot =
            Circuit.number(image, Circuit.OPENED_SLOT) + tables * (Circuit.DEGREE + Circuit.MASKS);
        for (uint256 table = 0; table < tables; ++table) {
            slot += 2 * Circuit.traceWidth(image, table);
        }
        return slots + (slot << 5);
    }

    /// @dev The quotient at zeta from its n chunks, each on the coset of h^i: with
    /// u = (zeta / shift)^height and w the root of order n, the sum of
    /// chunk[i] * w^i/n * product of (u - w^j) over all other j.
    function _quotient(uint256 image, uint256 roots, uint256 zeta, uint256 table, uint256 chunk)
        private
        pure
        returns (uint256 quotient)
    {
        uint256 u = Extension.mul(zeta, Extension.scalar(Roots.UNSHIFT));
        for (uint256 i = Circuit.logHeight(image, table) - 1; i != 0; --i) {
            u = Extension.mul(u, u);
        }
        uint256 count = Circuit.chunks(image, table);
        uint256 root = Roots.root(roots, _log2(count));
        uint256[] memory differences = new uint256[](count);
        uint256[] memory after_ = new uint256[](count + 1);
        uint256 power = 1;
        for (uint256 i = 0; i < count; ++i) {
            differences[i] = Extension.sub(u, Extension.scalar(power));
            power = mulmod(power, root, Extension.P);
        }
        after_[count] = Extension.ONE;
        for (uint256 i = count; i != 0; --i) {
            after_[i - 1] = Extension.mul(after_[i], differences[i - 1]);
        }
        uint256 before = Extension.ONE;
        power = Extension.inverseOf(count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 weight = Extension.mul(before, after_[i + 1]);
            weight = Extension.mul(weight, Extension.scalar(power));
            uint256 value = Extension.join(chunk + 320 * i);
            quotient = Extension.add(quotient, Extension.mul(weight, value));
            before = Extension.mul(before, differences[i]);
            power = mulmod(power, root, Extension.P);
        }
    }

    function _log2(uint256 count) private pure returns (uint256 log) {
        while (Circuit.size(log) < count) ++log;
    }

    /// @dev Runs the program from the address `step` to the next table's end. Steps have an
    /// operation, zero and three slots (to, left, right), or four (third), of two bytes each.
    /// Operations: 0 end, 1 sum, 2 difference, 3 one more constraint, 4 a message (to, bus, number
    /// of fields; the fields' slots follow, filled up to eight bytes), 5 join. From 8 on a product
    /// of left and right: 8 alone, 9 as one more constraint, as many times as its first slot says,
    /// with a pair of slots each, 10 with the third added. Arithmetic is {Extension}'s; `folded`
    /// and `message` are not lowered until the end, as in {Extension-polynomial}.
    function _run(uint256 step, uint256 slots, uint256 challenge, uint256 beta)
        private
        pure
        returns (uint256 next, uint256 folded)
    {
        assembly ("memory-safe") {
            function lower(a) -> c {
                c := add(and(a, LANES_31_), mul(and(shr(31, a), LANES_16_), 0x7ffffff))
            }
            function multiply(a, b) -> c {
                let low := mulmod(a, and(b, LANES_16_), X5_)
                c := mulmod(a, and(shr(16, b), LANES_17_), X5_)
                c := add(
                    c,
                    sub(
                        add(and(shr(16, low), LANES_35_), LANES_P_),
                        mul(and(low, LANES_16_), 30720)
                    )
                )
                c := sub(add(and(shr(27, c), LANES_24_), LANES_P_), mul(and(c, LANES_27_), 15))
            }
            for {} 1 {} {
                let code := mload(step)
                step := add(step, 8)
                let left := mload(add(slots, and(shr(203, code), 0x1fffe0)))
                // Products are written out where they are frequent: a call costs 40 gas.
                if gt(code, FIRST_PRODUCT_) {
                    let right := mload(add(slots, and(shr(187, code), 0x1fffe0)))
                    switch shr(248, code)
                    case 8 {
                        let low := mulmod(left, and(right, LANES_16_), X5_)
                        left := mulmod(left, and(shr(16, right), LANES_16_), X5_)
                        left := add(
                            left,
                            sub(
                                add(and(shr(16, low), LANES_35_), LANES_P_),
                                mul(and(low, LANES_16_), 30720)
                            )
                        )
                        left := sub(
                            add(and(shr(27, left), LANES_24_), LANES_P_),
                            mul(and(left, LANES_27_), 15)
                        )
                        mstore(add(slots, and(shr(219, code), 0x1fffe0)), left)
                    }
                    case 10 {
                        let low := mulmod(left, and(right, LANES_16_), X5_)
                        left := mulmod(left, and(shr(16, right), LANES_16_), X5_)
                        left := add(
                            left,
                            sub(
                                add(and(shr(16, low), LANES_35_), LANES_P_),
                                mul(and(low, LANES_16_), 30720)
                            )
                        )
                        left := sub(
                            add(and(shr(27, left), LANES_24_), LANES_P_),
                            mul(and(left, LANES_27_), 15)
                        )
                        left := add(left, mload(add(slots, and(shr(171, code), 0x1fffe0))))
                        mstore(
                            add(slots, and(shr(219, code), 0x1fffe0)),
                            add(and(left, LANES_31_), mul(and(shr(31, left), LANES_16_), 0x7ffffff))
                        )
                        step := add(step, 2)
                    }
                    case 9 {
                        // Its first pair of slots is where other steps have left and right.
                        step := sub(step, 4)
                        let end := add(step, and(shr(222, code), 0x3fffc))
                        for {} lt(step, end) { step := add(step, 4) } {
                            code := mload(step)
                            left := mload(add(slots, and(shr(235, code), 0x1fffe0)))
                            right := mload(add(slots, and(shr(219, code), 0x1fffe0)))
                            folded := add(multiply(left, right), multiply(challenge, folded))
                        }
                    }
                    default { break }
                    continue
                }
                switch shr(248, code)
                case 1 {
                    left := add(left, mload(add(slots, and(shr(187, code), 0x1fffe0))))
                    mstore(
                        add(slots, and(shr(219, code), 0x1fffe0)),
                        add(and(left, LANES_31_), mul(and(shr(31, left), LANES_16_), 0x7ffffff))
                    )
                }
                case 2 {
                    left := sub(
                        add(left, LANES_2P_),
                        mload(add(slots, and(shr(187, code), 0x1fffe0)))
                    )
                    mstore(
                        add(slots, and(shr(219, code), 0x1fffe0)),
                        add(and(left, LANES_31_), mul(and(shr(31, left), LANES_16_), 0x7ffffff))
                    )
                }
                case 3 { folded := add(left, multiply(challenge, folded)) }
                case 4 {
                    let end := add(step, and(shr(191, code), 0x1fffe))
                    let message := 0
                    for { let field := step } lt(field, end) { field := add(field, 2) } {
                        message := add(
                            multiply(beta, message),
                            mload(add(slots, and(shr(235, mload(field)), 0x1fffe0)))
                        )
                    }
                    step := and(add(sub(end, step), 7), 0x3fff8)
                    step := add(step, sub(end, and(shr(191, code), 0x1fffe)))
                    mstore(
                        add(slots, and(shr(219, code), 0x1fffe0)),
                        lower(sub(add(left, LANES_2P_), lower(message)))
                    )
                }
                case 5 {
                    let pointer := add(slots, and(shr(203, code), 0x1fffe0))
                    let c := mload(add(pointer, 128))
                    for { let i := 96 } lt(i, 128) { i := sub(i, 32) } {
                        c := lower(add(mulmod(c, 0x8000000000000, X5_), mload(add(pointer, i))))
                    }
                    mstore(add(slots, and(shr(219, code), 0x1fffe0)), c)
                }
                default { break }
            }
            folded := lower(folded)
            next := step
        }
    }
}
