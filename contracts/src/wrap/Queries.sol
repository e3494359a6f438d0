// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Circuit} from "./Circuit.sol";
import {Context} from "./Context.sol";
import {Extension} from "./Extension.sol";
import {Merkle} from "./Merkle.sol";
import {Roots} from "./Roots.sol";
import {Transcript} from "./Transcript.sol";

/// @title Checks a range of queries: rows against commitments, their combination against what is
/// claimed at zeta, and its folding down to the last polynomial
/// @dev Elements that come from or go to hashes are multiplied by 2^32, challenges are at home
/// (see {Extension}); a product of one and the other is as it is hashed.
library Queries {
    /// @notice Folding does not end at the last polynomial.
    error NotFolded();

    // Assembly takes no constants of another library; these are Extension's.
    uint256 private constant ONE_ = 134213359;
    uint256 private constant X5_ =
        0x7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe;
    uint256 private constant LANES_16_ = 0xffff000000001fffe000000003fffc000000007fff800000000ffff;
    uint256 private constant LANES_24_ =
        0xffffff0000001fffffe0000003fffffc0000007fffff8000000ffffff;
    uint256 private constant LANES_27_ =
        0x7ffffff000000ffffffe000001ffffffc000003ffffff8000007ffffff;
    uint256 private constant LANES_35_ =
        0x7ffffffff0000ffffffffe0001ffffffffc0003ffffffff80007ffffffff;
    uint256 private constant LANES_P_ =
        0x7800000100000f000000200001e000000400003c0000008000078000001;
    /// @dev Commitments to values: random, trace, quotient, buses.
    uint256 private constant COMMITMENTS = 4;
    /// @dev Rows are combined in runs of so many numbers, a multiple of 8: a table of so many powers
    /// serves all, however wide the rows are.
    uint256 private constant RUN = 256;

    /// @dev What is known while a range is checked. Lists are addresses of runs of words.
    struct Range {
        uint256 image;
        uint256 context;
        uint256 roots;
        /// Powers of the combining challenge from 0, two words each: lanes 0 to 2, 85 bits apart,
        /// and lanes 3 and 4, 128 bits apart. As many as a run has numbers.
        uint256 powers;
        /// The power that comes next.
        uint256 step;
        /// For each table, the challenge's powers that its commitments' first columns are
        /// multiplied by, at zeta and at the next point: eight words.
        uint256 weights;
        uint256 first;
        uint256 count;
        /// Where the next part of the call's bytes begins.
        uint256 from;
        /// Scratch for a query's rows.
        uint256 scratch;
        /// Digests of rows: of each commitment, of each table, of each query.
        uint256 rows;
        /// Digests of folds' rows: of each fold, of each query.
        uint256 folded;
        /// The present query's combination for each table, and what of it is for the next point.
        uint256 combined;
        uint256 next;
        /// 1/(zeta - x) and 1/(next - x) of each query and table.
        uint256 inverses;
        /// Factors that are the same for all folds.
        uint256[4] turns;
    }

    /// @notice Checks `count` queries from the `first`, in ascending order of their positions.
    function check(
        uint256 image,
        uint256 context,
        uint256 first,
        uint256 count,
        bytes calldata data
    ) internal pure {
        Range memory range = _prepare(image, context, first, count);
        _invert(range);
        for (uint256 query = 0; query < count; ++query) {
            _combine(range, query, data);
            _fold(range, query, data);
        }
        _trees(range, data);
        if (range.from != data.length) revert Transcript.BadLength();
    }

    function _prepare(uint256 image, uint256 context, uint256 first, uint256 count)
        internal
        pure
        returns (Range memory range)
    {
        range.image = image;
        range.context = context;
        range.first = first;
        range.count = count;
        range.roots = Roots.load();
        uint256 tables = Circuit.number(image, Circuit.TABLES);
        uint256 folds = Circuit.number(image, Circuit.FOLDS);
        range.rows = _allocate(COMMITMENTS * tables * count);
        range.folded = _allocate(folds * count);
        range.combined = _allocate(tables);
        range.next = _allocate(tables);
        range.inverses = _allocate(2 * tables * count);
        range.weights = _allocate(8 * tables);
        uint256 challenge = Context.get(context, Context.COMBINE);
        uint256 longest = 0;
        // A fold's row has up to 48 numbers with its salt.
        uint256 widest = 64;
        for (uint256 table = 0; table < tables; ++table) {
            uint256 length = _weigh(range, table, challenge);
            if (length > longest) longest = length;
        }
        if (longest > widest) widest = longest;
        // With the salt, and zeros behind it.
        range.scratch = _allocate((widest + 24) / 8);
        uint256 quarter = Extension.scalar(Roots.inverseRoot(range.roots, 2));
        uint256 eighth = Extension.scalar(Roots.inverseRoot(range.roots, 3));
        range.turns = [Extension.ONE, quarter, eighth, Extension.mul(quarter, eighth)];
        range.powers = _powers(challenge, RUN);
        range.step = Extension.power(challenge, RUN);
    }

    /// @dev Fills in a table's weights, in the order of its openings: random, trace, next trace,
    /// quotient, buses, next buses. Returns its longest run of columns.
    function _weigh(Range memory range, uint256 table, uint256 challenge)
        private
        pure
        returns (uint256 longest)
    {
        uint256 weight = Extension.ONE;
        for (uint256 commitment = 0; commitment < COMMITMENTS; ++commitment) {
            (uint256 width, uint256 count) = _matrices(range.image, commitment, table);
            uint256 step = Extension.power(challenge, width * count);
            uint256 place = 8 * table + 2 * commitment;
            _set(range.weights, place, weight);
            weight = Extension.mul(weight, step);
            if (commitment & 1 != 0) {
                _set(range.weights, place + 1, weight);
                weight = Extension.mul(weight, step);
            }
            if (width * count > longest) longest = width * count;
        }
    }

    function _allocate(uint256 words) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, shl(5, words)))
        }
    }

    /// @dev The table of powers.
    function _powers(uint256 challenge, uint256 count) private pure returns (uint256 table) {
        table = _allocate(2 * count);
        assembly ("memory-safe") {
            let power := ONE_
            for { let end := add(table, shl(6, count)) } lt(table, end) { table := add(table, 64) }
            {
                mstore(
                    table,
                    or(
                        and(power, 0x7ffffffffffff),
                        or(
                            and(shl(34, power), shl(85, 0x7ffffffffffff)),
                            and(shl(68, power), shl(170, 0x7ffffffffffff))
                        )
                    )
                )
                mstore(
                    add(table, 32),
                    or(and(shr(153, power), 0x7ffffffffffff), shl(128, shr(204, power)))
                )
                // {Extension-mul}, without the call.
                let low := mulmod(power, and(challenge, LANES_16_), X5_)
                power := mulmod(power, and(shr(16, challenge), LANES_16_), X5_)
                power := add(
                    power,
                    sub(
                        add(and(shr(16, low), LANES_35_), LANES_P_),
                        mul(and(low, LANES_16_), 30720)
                    )
                )
                power := sub(
                    add(and(shr(27, power), LANES_24_), LANES_P_),
                    mul(and(power, LANES_27_), 15)
                )
            }
            table := sub(table, shl(6, count))
        }
    }

    function _position(Range memory range, uint256 query) private pure returns (uint256) {
        return Context.get(range.context, Context.positions(range.image) + range.first + query);
    }

    /// @dev Levels of the tree of a table's rows.
    function _levels(uint256 image, uint256 table) private pure returns (uint256) {
        return Circuit.logHeight(image, table) + Circuit.number(image, Circuit.LOG_BLOWUP);
    }

    /// @dev Inverts the distances of all queries' points from zeta and from the next point, with
    /// one inversion. A distance of zero makes the product zero, which has no inverse.
    function _invert(Range memory range) internal pure {
        uint256 tables = Circuit.number(range.image, Circuit.TABLES);
        uint256[] memory distances = new uint256[](2 * tables * range.count);
        uint256 total = Extension.ONE;
        uint256 i = 0;
        for (uint256 query = 0; query < range.count; ++query) {
            for (uint256 table = 0; table < tables; ++table) {
                (distances[i], distances[i + 1]) = _distances(range, query, table);
                _set(range.inverses, i, total);
                total = Extension.mul(total, distances[i]);
                _set(range.inverses, i + 1, total);
                total = Extension.mul(total, distances[i + 1]);
                i += 2;
            }
        }
        total = Extension.inverse(total);
        while (i != 0) {
            --i;
            _set(range.inverses, i, Extension.mul(total, _get(range.inverses, i)));
            total = Extension.mul(total, distances[i]);
        }
    }

    /// @dev A query's point in a table's domain taken from zeta, and from the next point.
    function _distances(Range memory range, uint256 query, uint256 table)
        private
        pure
        returns (uint256 here, uint256 there)
    {
        uint256 image = range.image;
        uint256 shift = Circuit.number(image, Circuit.LEVELS) - _levels(image, table);
        uint256 x = Roots.product(range.roots, 1, _position(range, query) >> shift);
        x = Extension.scalar(mulmod(x, Roots.SHIFT, Extension.P));
        uint256 step = Roots.root(range.roots, Circuit.logHeight(image, table) - 1);
        uint256 zeta = Context.get(range.context, Context.ZETA);
        here = Extension.sub(zeta, x);
        there = Extension.sub(Extension.mul(zeta, Extension.scalar(step)), x);
    }

    /// @dev Hashes a query's rows and combines them for each table.
    function _combine(Range memory range, uint256 query, bytes calldata data) internal pure {
        unchecked {
            uint256 tables = Circuit.number(range.image, Circuit.TABLES);
            for (uint256 table = 0; table < tables; ++table) {
                _set(range.combined, table, 0);
                _set(range.next, table, 0);
            }
            for (uint256 commitment = 0; commitment < COMMITMENTS; ++commitment) {
                for (uint256 table = tables; table != 0;) {
                    --table;
                    uint256 sum = _row(range, query, commitment, table, data);
                    uint256 weights = range.weights + ((8 * table + 2 * commitment) << 5);
                    _gather(range.combined, table, sum, _get(weights, 0));
                    if (commitment & 1 != 0) _gather(range.next, table, sum, _get(weights, 1));
                }
            }
            for (uint256 table = 0; table < tables; ++table) {
                uint256 place = Context.SUMS + 2 * table;
                uint256 inverses = range.inverses + ((2 * (query * tables + table)) << 5);
                uint256 here =
                    Extension.sub(Context.get(range.context, place), _get(range.combined, table));
                uint256 there =
                    Extension.sub(Context.get(range.context, place + 1), _get(range.next, table));
                here = Extension.mul(here, _get(inverses, 0));
                there = Extension.mul(there, _get(inverses, 1));
                _set(range.combined, table, Extension.add(here, there));
            }
        }
    }

    /// @dev Adds a weighed sum to an entry of a list.
    function _gather(uint256 list, uint256 index, uint256 sum, uint256 weight) private pure {
        _set(list, index, Extension.add(_get(list, index), Extension.mul(sum, weight)));
    }

    /// @dev Takes a query's rows of one commitment and table from the call: notes their digest,
    /// returns their combination.
    function _row(
        Range memory range,
        uint256 query,
        uint256 commitment,
        uint256 table,
        bytes calldata data
    ) private pure returns (uint256) {
        unchecked {
            (uint256 width, uint256 matrices) = _matrices(range.image, commitment, table);
            width *= matrices;
            uint256 digest = _take(range, 4 * (width + Circuit.SALT), data);
            uint256 tables = Circuit.number(range.image, Circuit.TABLES);
            _set(range.rows, (commitment * tables + table) * range.count + query, digest);
            uint256 from = width - width % RUN;
            uint256 sum = _run(range, from, width - from);
            while (from != 0) {
                from -= RUN;
                sum = Extension.add(Extension.mul(sum, range.step), _run(range, from, RUN));
            }
            return sum;
        }
    }

    /// @dev Numbers of the row in the scratch times rising powers from 0.
    function _run(Range memory range, uint256 from, uint256 count) private pure returns (uint256) {
        unchecked {
            (uint256 low, uint256 high) = _dot(range.scratch + 4 * from, count, range.powers);
            return _narrow(low, high);
        }
    }

    /// @dev A commitment's matrices for a table: their width, and how many.
    function _matrices(uint256 image, uint256 commitment, uint256 table)
        private
        pure
        returns (uint256 width, uint256 count)
    {
        if (commitment == 1) return (Circuit.traceWidth(image, table), 1);
        if (commitment == 3) return (Circuit.busWidth(image, table), 1);
        return (Circuit.DEGREE + Circuit.MASKS, commitment == 0 ? 1 : Circuit.chunks(image, table));
    }

    /// @dev Copies the call's next bytes to the scratch, with zeros behind them; their digest. That
    /// there are as many shows at the query's first fold, which comes after.
    function _take(Range memory range, uint256 length, bytes calldata data)
        private
        pure
        returns (uint256 digest)
    {
        uint256 from = range.from;
        range.from = from + length;
        uint256 scratch = range.scratch;
        assembly ("memory-safe") {
            calldatacopy(scratch, add(data.offset, from), length)
            mstore(add(scratch, length), 0)
            digest := keccak256(scratch, length)
        }
    }

    /// @dev Adds up the numbers of a run times their powers, in wide lanes. Also checks that they and
    /// what follows them, the salt or the next run, are canonical; behind the salt are zeros.
    function _dot(uint256 row, uint256 width, uint256 power)
        private
        pure
        returns (uint256 low, uint256 high)
    {
        uint256 bad;
        assembly ("memory-safe") {
            // Eight numbers from little-endian to big-endian.
            function turn(word) -> turned {
                turned := or(
                    and(
                        shr(8, word),
                        0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                    ),
                    and(
                        shl(8, word),
                        0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00
                    )
                )
                turned := or(
                    and(
                        shr(16, turned),
                        0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
                    ),
                    and(
                        shl(16, turned),
                        0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000
                    )
                )
            }
            // A number's top bit is set here if it is not below p: as it is, or with 2^31 - p more.
            function tooLarge(word) -> marks {
                marks := or(
                    word,
                    add(
                        and(
                            word,
                            0x7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff
                        ),
                        0x07ffffff07ffffff07ffffff07ffffff07ffffff07ffffff07ffffff07ffffff
                    )
                )
            }
            let end := add(row, shl(2, width))
            // The salt, and what stands behind it; zeros in its place until the row is done.
            let salt := mload(end)
            bad := tooLarge(turn(salt))
            mstore(end, 0)
            for {} lt(row, end) { row := add(row, 32) } {
                let word := mload(row)
                // As in `turn` and `tooLarge`, without the calls.
                word := or(
                    and(
                        shr(8, word),
                        0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                    ),
                    shl(
                        8,
                        and(word, 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff)
                    )
                )
                word := or(
                    and(
                        shr(16, word),
                        0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
                    ),
                    shl(
                        16,
                        and(word, 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff)
                    )
                )
                bad := or(
                    or(bad, word),
                    add(
                        and(
                            word,
                            0x7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff
                        ),
                        0x07ffffff07ffffff07ffffff07ffffff07ffffff07ffffff07ffffff07ffffff
                    )
                )
                {
                    let v0 := shr(224, word)
                    let v1 := and(shr(192, word), 0xffffffff)
                    let v2 := and(shr(160, word), 0xffffffff)
                    let v3 := and(shr(128, word), 0xffffffff)
                    low := add(
                        low,
                        add(
                            add(mul(mload(power), v0), mul(mload(add(power, 64)), v1)),
                            add(mul(mload(add(power, 128)), v2), mul(mload(add(power, 192)), v3))
                        )
                    )
                    high := add(
                        high,
                        add(
                            add(mul(mload(add(power, 32)), v0), mul(mload(add(power, 96)), v1)),
                            add(mul(mload(add(power, 160)), v2), mul(mload(add(power, 224)), v3))
                        )
                    )
                }
                {
                    let v0 := and(shr(96, word), 0xffffffff)
                    let v1 := and(shr(64, word), 0xffffffff)
                    let v2 := and(shr(32, word), 0xffffffff)
                    let v3 := and(word, 0xffffffff)
                    low := add(
                        low,
                        add(
                            add(mul(mload(add(power, 256)), v0), mul(mload(add(power, 320)), v1)),
                            add(mul(mload(add(power, 384)), v2), mul(mload(add(power, 448)), v3))
                        )
                    )
                    high := add(
                        high,
                        add(
                            add(mul(mload(add(power, 288)), v0), mul(mload(add(power, 352)), v1)),
                            add(mul(mload(add(power, 416)), v2), mul(mload(add(power, 480)), v3))
                        )
                    )
                }
                power := add(power, 512)
            }
            mstore(end, salt)
        }
        if (bad & 0x8000000080000000800000008000000080000000800000008000000080000000 != 0) {
            revert Extension.NotCanonical();
        }
    }

    /// @dev Wide lanes as lanes of an element, divided by the 2^43 of the powers.
    function _narrow(uint256 low, uint256 high) private pure returns (uint256 element) {
        assembly ("memory-safe") {
            let mask := 0x1fffffffffffffffffffff
            element := mulmod(and(low, mask), 460800, 0x78000001)
            element := or(element, shl(51, mulmod(and(shr(85, low), mask), 460800, 0x78000001)))
            element := or(element, shl(102, mulmod(shr(170, low), 460800, 0x78000001)))
            element := or(
                element,
                shl(153, mulmod(and(high, 0xffffffffffffffffffffffffffffffff), 460800, 0x78000001))
            )
            element := or(element, shl(204, mulmod(shr(128, high), 460800, 0x78000001)))
        }
    }

    /// @dev A query on its way through the folds.
    struct Chain {
        uint256 position;
        uint256 value;
        /// Levels of the domain that the value is from.
        uint256 levels;
        /// The lowest table that has been taken in.
        uint256 table;
        /// The row that is being folded.
        uint256[8] values;
    }

    /// @dev Folds a query from the highest table down and compares with the last polynomial.
    function _fold(Range memory range, uint256 query, bytes calldata data) internal pure {
        unchecked {
            uint256 image = range.image;
            Chain memory chain;
            chain.position = _position(range, query);
            chain.table = Circuit.number(image, Circuit.TABLES) - 1;
            chain.value = _get(range.combined, chain.table);
            chain.levels = Circuit.number(image, Circuit.LEVELS);
            uint256 folds = Circuit.number(image, Circuit.FOLDS);
            for (uint256 fold = 0; fold < folds; ++fold) {
                uint256 log = Circuit.logArity(image, fold);
                _set(range.folded, fold * range.count + query, _foldRow(range, chain, log, data));
                chain.position >>= log;
                chain.levels -= log;
                uint256 challenge = Context.get(range.context, Context.challenges(image) + fold);
                challenge = _interpolate(range, chain, log, challenge);
                if (chain.table != 0 && _levels(image, chain.table - 1) == chain.levels) {
                    --chain.table;
                    chain.value = Extension.add(
                        chain.value, Extension.mul(_get(range.combined, chain.table), challenge)
                    );
                }
            }
            uint256 expected = _last(range, chain.position);
            if (Extension.reduce(Extension.sub(chain.value, expected)) != 0) revert NotFolded();
        }
    }

    /// @dev The last polynomial where the position leads, as it is hashed.
    function _last(Range memory range, uint256 position) private pure returns (uint256 value) {
        uint256 log = Circuit.number(range.image, Circuit.LOG_FINAL);
        uint256 place = Context.last(range.image);
        uint256 x = Extension.scalar(Roots.product(range.roots, 1, position));
        for (uint256 i = Circuit.size(log); i != 0; --i) {
            value =
                Extension.add(Extension.mul(value, x), Context.get(range.context, place + i - 1));
        }
    }

    /// @dev Takes a fold's siblings and salt from the call; fills in the values of the row and
    /// returns its digest.
    function _foldRow(Range memory range, Chain memory chain, uint256 log, bytes calldata data)
        private
        pure
        returns (uint256 digest)
    {
        unchecked {
            uint256 arity = Circuit.size(log);
            uint256 own = chain.position & (arity - 1);
            uint256 length = 20 * (arity - 1) + 4 * Circuit.SALT;
            uint256 from = range.from;
            if (from + length > data.length) revert Transcript.BadLength();
            range.from = from + length;
            uint256 row = range.scratch;
            uint256 written = Extension.write(chain.value);
            assembly ("memory-safe") {
                let before := mul(20, own)
                calldatacopy(row, add(data.offset, from), before)
                mstore(add(row, before), written)
                calldatacopy(
                    add(row, add(before, 20)),
                    add(data.offset, add(from, before)),
                    sub(length, before)
                )
                mstore(add(row, add(length, 20)), 0)
                digest := keccak256(row, add(length, 20))
            }
            uint256[8] memory values = chain.values;
            for (uint256 i = 0; i != 32 * arity; i += 32) {
                uint256 element = Extension.read(row);
                assembly ("memory-safe") {
                    mstore(add(values, i), element)
                    row := add(row, 20)
                }
            }
            // The salt's numbers, and zero, must be canonical, too.
            Extension.read(row);
        }
    }

    /// @dev The value at the challenge of the polynomial through a row's values, by halving: with
    /// values y, z at x, -x the next has ((y + z) + (y - z) * challenge / x) / 2 at x^2. Points of
    /// a row are in bit-reversed order, so such pairs are neighbours.
    /// @return the challenge to the power of the row's length
    function _interpolate(Range memory range, Chain memory chain, uint256 log, uint256 challenge)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256[8] memory values = chain.values;
            uint256[4] memory turns = range.turns;
            uint256 start = Roots.inverseProduct(range.roots, log + 1, chain.position);
            for (uint256 pairs = 16 * Circuit.size(log); pairs != 16; pairs >>= 1) {
                uint256 factor = Extension.mul(challenge, Extension.scalar(start));
                for (uint256 i = 0; i != pairs; i += 32) {
                    uint256 y;
                    uint256 z;
                    uint256 turn;
                    assembly ("memory-safe") {
                        let pair := add(values, shl(1, i))
                        y := mload(pair)
                        z := mload(add(pair, 32))
                        turn := mload(add(turns, i))
                    }
                    turn = i == 0 ? factor : Extension.mul(factor, turn);
                    turn = Extension.mul(Extension.sub(y, z), turn);
                    y = Extension.add(Extension.add(y, z), turn);
                    assembly ("memory-safe") {
                        mstore(add(values, i), y)
                    }
                }
                challenge = Extension.mul(challenge, challenge);
                start = mulmod(start, start, Extension.P);
            }
            // The halves, all at once: 1/2^log is (p - 1)/2^log times -1.
            uint256 half = Extension.P - ((Extension.P - 1) >> log);
            chain.value = Extension.mul(values[0], Extension.scalar(half));
            return challenge;
        }
    }

    /// @dev Checks all rows' digests against the commitments.
    function _trees(Range memory range, bytes calldata data) internal pure {
        uint256 image = range.image;
        uint256 tables = Circuit.number(image, Circuit.TABLES);
        for (uint256 commitment = 0; commitment < COMMITMENTS; ++commitment) {
            Merkle.Walk memory walk = _walk(range, commitment, 0);
            uint256 rows = range.rows + ((commitment * tables * range.count) << 5);
            walk.digests = rows + (((tables - 1) * range.count) << 5);
            walk.joinLevels = new uint256[](tables - 1);
            walk.joinDigests = new uint256[](tables - 1);
            for (uint256 table = 0; table + 1 < tables; ++table) {
                walk.joinLevels[table] =
                    Circuit.number(image, Circuit.LEVELS) - _levels(image, table);
                walk.joinDigests[table] = rows + ((table * range.count) << 5);
            }
            range.from = Merkle.check(walk, data, range.from);
        }
        uint256 shift = 0;
        uint256 folds = Circuit.number(image, Circuit.FOLDS);
        for (uint256 fold = 0; fold < folds; ++fold) {
            shift += Circuit.logArity(image, fold);
            Merkle.Walk memory walk = _walk(range, COMMITMENTS + fold, shift);
            walk.digests = range.folded + ((fold * range.count) << 5);
            range.from = Merkle.check(walk, data, range.from);
        }
    }

    /// @dev A walk in one of the trees, from the queries' positions, shifted.
    function _walk(Range memory range, uint256 tree, uint256 shift)
        private
        pure
        returns (Merkle.Walk memory walk)
    {
        uint256 image = range.image;
        uint256 logCap = Circuit.number(image, Circuit.LOG_CAP);
        walk.levels = Circuit.number(image, Circuit.LEVELS) - shift - logCap;
        walk.cap = range.context + ((Context.caps(image) + (tree << logCap)) << 5);
        walk.caps = Circuit.size(logCap);
        walk.count = range.count;
        walk.places = _allocate(range.count);
        for (uint256 query = 0; query < range.count; ++query) {
            _set(walk.places, query, _position(range, query) >> shift);
        }
    }

    function _get(uint256 list, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(list, shl(5, index)))
        }
    }

    function _set(uint256 list, uint256 index, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(add(list, shl(5, index)), value)
        }
    }
}
