// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Extension} from "../../src/wrap/Extension.sol";
import {Roots} from "../../src/wrap/Roots.sol";
import {Test} from "../utils/Test.sol";

/// @title Arithmetic in one word agrees with schoolbook arithmetic on five numbers
contract ExtensionTest is Test {
    uint256 private constant P = 2013265921;
    /// @dev 2^43 and 2^32 modulo P.
    uint256 private constant HOME = 134213359;
    uint256 private constant HASHED = 268435454;

    struct Five {
        uint256[5] c;
    }

    function test_fuzz_multiplies(uint32[5] calldata a, uint32[5] calldata b) external pure {
        multiplies(a, b);
    }

    /// @dev Largest and least lanes, in every mixture.
    function test_multiplies_at_the_limits() external pure {
        uint32[4] memory edges = [0, 1, uint32(P), type(uint32).max];
        for (uint256 i = 0; i < 1024; ++i) {
            uint32[5] memory a;
            uint32[5] memory b;
            for (uint256 j = 0; j < 5; ++j) {
                a[j] = edges[(i >> (2 * j)) & 3];
                b[j] = edges[((i * 5 + 3) >> (2 * j)) & 3];
            }
            multiplies(a, b);
            multiplies(a, a);
        }
    }

    function test_fuzz_adds_and_subtracts(uint32[5] calldata a, uint32[5] calldata b)
        external
        pure
    {
        (uint256 left, uint256 right) = (lanes(a), lanes(b));
        uint256 sum = small(Extension.add(left, right));
        uint256 difference = small(Extension.sub(left, right));
        for (uint256 i = 0; i < 5; ++i) {
            (uint256 x, uint256 y) = (lane(left, i), lane(right, i));
            eq(lane(sum, i) % P, (x + y) % P, "sum");
            eq(lane(difference, i) % P, (x + 2 * P - y % P) % P, "difference");
        }
    }

    function test_fuzz_joins(uint32[5][5] calldata parts) external pure {
        uint256[5] memory words;
        Five memory sum;
        for (uint256 i = 0; i < 5; ++i) {
            words[i] = lanes(parts[i]);
            for (uint256 j = 0; j < 5; ++j) {
                uint256 power = i + j;
                uint256 term = lane(words[i], j);
                if (power > 4) (power, term) = (power - 5, 2 * term);
                sum.c[power] = (sum.c[power] + term) % P;
            }
        }
        uint256 start;
        assembly ("memory-safe") {
            start := words
        }
        uint256 joined = small(Extension.join(start));
        for (uint256 i = 0; i < 5; ++i) {
            eq(lane(joined, i) % P, sum.c[i], "joined");
        }
    }

    function test_fuzz_inverts(uint32[5] calldata a) external pure {
        uint256 element = lanes(a);
        if (Extension.reduce(element) == 0) return;
        uint256 product = Extension.mul(element, small(Extension.inverse(element)));
        eq(Extension.reduce(product), Extension.ONE, "one");
    }

    function test_zero_has_no_inverse() external {
        vm.expectRevert(abi.encodeWithSelector(Extension.NoInverse.selector));
        this.inverse(0);
        vm.expectRevert(abi.encodeWithSelector(Extension.NoInverse.selector));
        this.inverse(P << 102);
    }

    function test_fuzz_inverts_numbers(uint256 a) external pure {
        a = bound(a, 1, P - 1);
        eq(mulmod(a, Extension.inverseOf(a), P), 1, "one");
    }

    function test_fuzz_raises(uint32[5] calldata a, uint8 n) external pure {
        uint256 element = lanes(a);
        uint256 power = Extension.ONE;
        for (uint256 i = 0; i < n; ++i) {
            power = Extension.mul(power, element);
        }
        eq(Extension.reduce(Extension.power(element, n)), Extension.reduce(power), "power");
    }

    function test_fuzz_writes_what_it_reads(uint32[5] calldata a) external view {
        uint256 element = Extension.reduce(lanes(a));
        bytes memory written = new bytes(20);
        for (uint256 i = 0; i < 20; ++i) {
            written[i] = bytes1(uint8(lane(element, i / 4) >> (8 * (i % 4))));
        }
        eq(bytes32(bytes20(written)), bytes32(Extension.write(element)), "written");
        eq(this.read(written), element, "read");
    }

    function test_refuses_numbers_that_are_not_canonical() external {
        uint32[4] memory bad = [uint32(P), uint32(P) + 1, uint32(1) << 31, type(uint32).max];
        for (uint256 i = 0; i < 5; ++i) {
            for (uint256 j = 0; j < bad.length; ++j) {
                bytes memory written = new bytes(20);
                for (uint256 k = 0; k < 4; ++k) {
                    written[4 * i + k] = bytes1(uint8(bad[j] >> (8 * k)));
                }
                vm.expectRevert(abi.encodeWithSelector(Extension.NotCanonical.selector));
                this.read(written);
            }
            // The largest that is.
            bytes memory largest = new bytes(20);
            largest[4 * i + 3] = 0x78;
            eq(this.read(largest), (P - 1) << (51 * i), "largest");
        }
    }

    function test_constants() external pure {
        eq(Extension.ONE, power2(43), "one");
        eq(Extension.HOME, power2(54), "home");
        eq(Extension.HASHED, power2(32), "hashed");
        eq(mulmod(460800, power2(43), P), 1, "narrow");
        eq(mulmod(Roots.SHIFT, Roots.UNSHIFT, P), 1, "shift");
    }

    function test_roots_have_their_orders() external pure {
        uint256 roots = Roots.load();
        for (uint256 k = 0; k < 28; ++k) {
            uint256 root = Roots.root(roots, k);
            eq(mulmod(root, Roots.inverseRoot(roots, k), P), 1, "inverse");
            if (k > 0) eq(mulmod(root, root, P), Roots.root(roots, k - 1), "square");
        }
        eq(Roots.root(roots, 0), 1, "order 1");
        eq(Roots.root(roots, 1), P - 1, "order 2");
    }

    function test_fuzz_powers_of_roots(uint16 index) external pure {
        uint256 roots = Roots.load();
        uint256 bits = 16;
        uint256 reversed = 0;
        for (uint256 i = 0; i < bits; ++i) {
            reversed |= ((uint256(index) >> i) & 1) << (bits - 1 - i);
        }
        uint256 expected = 1;
        for (uint256 i = bits; i > 0; --i) {
            expected = mulmod(expected, expected, P);
            if ((reversed >> (i - 1)) & 1 == 1) {
                expected = mulmod(expected, Roots.root(roots, bits), P);
            }
        }
        eq(Roots.product(roots, 1, index), expected, "power");
        eq(mulmod(Roots.inverseProduct(roots, 1, index), expected, P), 1, "inverse");
    }

    function inverse(uint256 a) external pure returns (uint256) {
        return Extension.inverse(a);
    }

    function read(bytes calldata data) external pure returns (uint256) {
        bytes memory copy = bytes.concat(data, bytes32(type(uint256).max));
        uint256 start;
        assembly ("memory-safe") {
            start := add(copy, 32)
        }
        return Extension.read(start);
    }

    function multiplies(uint32[5] memory a, uint32[5] memory b) private pure {
        (uint256 left, uint256 right) = (lanes(a), lanes(b));
        uint256 product = small(Extension.mul(left, right));
        for (uint256 k = 0; k < 5; ++k) {
            uint256 sum = 0;
            for (uint256 i = 0; i < 5; ++i) {
                uint256 j = (k + 5 - i) % 5;
                sum += lane(left, i) * lane(right, j) * (i + j > 4 ? 2 : 1);
            }
            eq(mulmod(lane(product, k), HOME, P), sum % P, "product");
        }
    }

    /// @dev Lanes of any representatives below the limit.
    function lanes(uint32[5] memory a) private pure returns (uint256 element) {
        for (uint256 i = 0; i < 5; ++i) {
            uint256 value = a[i] == type(uint32).max ? Extension.LIMIT - 1 : a[i] % Extension.LIMIT;
            element |= value << (51 * i);
        }
    }

    function lane(uint256 element, uint256 i) private pure returns (uint256) {
        return (element >> (51 * i)) & 0x7ffffffffffff;
    }

    /// @dev The element, if its lanes are below the limit.
    function small(uint256 element) private pure returns (uint256) {
        yes(element >> 255 == 0, "no more lanes");
        for (uint256 i = 0; i < 5; ++i) {
            yes(lane(element, i) < Extension.LIMIT, "below the limit");
        }
        return element;
    }

    function power2(uint256 n) private pure returns (uint256) {
        return (2 ** n) % P;
    }
}
