// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Circuit} from "./Circuit.sol";
import {Constraints} from "./Constraints.sol";
import {Context} from "./Context.sol";
import {Extension} from "./Extension.sol";
import {Transcript} from "./Transcript.sol";

/// @title The head of a proof: draws every challenge, checks the constraints at zeta, and combines
/// what is opened there
library Head {
    using Transcript for Transcript.State;

    /// @notice The tables' buses do not cancel out.
    error Unbalanced();

    /// @dev What is known while the head is read.
    struct Reader {
        uint256 image;
        uint256 slots;
        uint256 context;
        /// Where the next part of the head begins.
        uint256 from;
        /// Where the next cap goes in the context.
        uint256 cap;
        uint256 beta;
        uint256 constraint;
        Transcript.State transcript;
    }

    /// @notice Checks a head for these public bytes; gives what queries are checked against.
    function check(uint256 image, bytes memory publicBytes, bytes calldata head)
        internal
        pure
        returns (uint256)
    {
        Reader memory reader = _begin(image, publicBytes);
        _commitments(reader, publicBytes, head);
        _openings(reader, head);
        _folds(reader, head);
        if (reader.from != head.length) revert Transcript.BadLength();
        _combine(reader);
        Constraints.check(
            image,
            reader.slots,
            Context.get(reader.context, Context.ZETA),
            reader.constraint,
            reader.beta
        );
        return reader.context;
    }

    /// @dev Room for all that is kept, and the constants.
    function _begin(uint256 image, bytes memory publicBytes)
        internal
        pure
        returns (Reader memory reader)
    {
        reader.image = image;
        reader.context = Context.create(image);
        reader.slots = _slots(image);
        (, uint256 seed) = Circuit.part(image, Circuit.OPENING_SEED);
        uint256 room = 20 * Circuit.number(image, Circuit.OPENED) + seed;
        (, uint256 publics) = Circuit.part(image, Circuit.PUBLICS);
        (, uint256 batchSeed) = Circuit.part(image, Circuit.BATCH_SEED);
        reader.transcript = Transcript.begin(
            Circuit.number(image, Circuit.KEY_DIGEST), room + publics + batchSeed + 4096
        );
        Context.set(reader.context, Context.STATEMENT, uint256(keccak256(publicBytes)));
    }

    /// @dev The slots with the circuit's constants.
    function _slots(uint256 image) private pure returns (uint256 slots) {
        uint256 size = Circuit.number(image, Circuit.SLOTS) << 5;
        assembly ("memory-safe") {
            slots := mload(0x40)
            mstore(0x40, add(slots, size))
        }
        (uint256 pointer, uint256 length) = Circuit.part(image, Circuit.CONSTANT_BYTES);
        for (uint256 i = 0; i < length; i += 4) {
            uint256 value;
            assembly ("memory-safe") {
                value := shr(224, mload(add(pointer, i)))
            }
            _set(slots, i >> 2, Extension.scalar(value));
        }
    }

    /// @dev Up to zeta.
    function _commitments(Reader memory reader, bytes memory publicBytes, bytes calldata head)
        internal
        pure
    {
        Transcript.State memory transcript = reader.transcript;
        uint256 image = reader.image;
        uint256 caps = Context.caps(image);
        uint256 size = Circuit.size(Circuit.number(image, Circuit.LOG_CAP));
        (uint256 seed, uint256 length) = Circuit.part(image, Circuit.BATCH_SEED);
        transcript.absorb(seed, length);
        _cap(reader, head, caps + size);
        _publics(reader, publicBytes);
        _grind(reader, Circuit.BUS_GRINDING, head);
        uint256 alpha = transcript.challenge();
        reader.beta = transcript.challenge();
        _buses(reader, alpha);
        _cap(reader, head, caps + 3 * size);
        _totals(reader, head);
        reader.constraint = transcript.challenge();
        _cap(reader, head, caps + 2 * size);
        _cap(reader, head, caps);
        reader.cap = caps + 4 * size;
        _grind(reader, Circuit.POINT_GRINDING, head);
        Context.set(reader.context, Context.ZETA, transcript.challenge());
    }

    /// @dev Absorbs a commitment and keeps it.
    function _cap(Reader memory reader, bytes calldata head, uint256 place) private pure {
        uint256 bytes_ = 32 * Circuit.size(Circuit.number(reader.image, Circuit.LOG_CAP));
        uint256 pointer = reader.transcript.absorb(head, reader.from, bytes_);
        uint256 to = reader.context + (place << 5);
        assembly ("memory-safe") {
            mcopy(to, pointer, bytes_)
        }
        reader.from += bytes_;
    }

    function _grind(Reader memory reader, uint256 bits, bytes calldata head) private pure {
        reader.transcript.grind(Circuit.number(reader.image, bits), head, reader.from);
        reader.from += 4;
    }

    /// @dev Absorbs the public values and puts them in their slots.
    function _publics(Reader memory reader, bytes memory publicBytes) private pure {
        if (publicBytes.length != Circuit.number(reader.image, Circuit.PUBLIC_BYTES)) {
            revert Transcript.BadLength();
        }
        (uint256 pointer, uint256 length) = Circuit.part(reader.image, Circuit.PUBLICS);
        uint256 slot = Circuit.number(reader.image, Circuit.PUBLIC_SLOT);
        uint256 end = reader.transcript.end;
        for (uint256 i = 0; i < length; i += 4) {
            uint256 value;
            assembly ("memory-safe") {
                value := shr(224, mload(add(pointer, i)))
            }
            if (value & Circuit.PUBLIC_BYTE != 0) {
                value = uint8(publicBytes[value ^ Circuit.PUBLIC_BYTE]);
            }
            _set(reader.slots, slot + (i >> 2), Extension.scalar(value));
            value = mulmod(value, 1 << 32, Extension.P);
            assembly ("memory-safe") {
                mstore8(add(end, i), value)
                mstore8(add(end, add(i, 1)), shr(8, value))
                mstore8(add(end, add(i, 2)), shr(16, value))
                mstore8(add(end, add(i, 3)), shr(24, value))
            }
        }
        reader.transcript.end = end + length;
        reader.transcript.left = 0;
    }

    /// @dev What messages of bus i are taken from: alpha + (i + 1) beta^(longest message).
    function _buses(Reader memory reader, uint256 alpha) private pure {
        uint256 image = reader.image;
        uint256 step = Extension.power(reader.beta, Circuit.number(image, Circuit.LONGEST_MESSAGE));
        uint256 slot = Circuit.number(image, Circuit.BUS_SLOT);
        uint256 count = Circuit.number(image, Circuit.BUSES);
        for (uint256 i = 0; i < count; ++i) {
            alpha = Extension.add(alpha, step);
            _set(reader.slots, slot + i, alpha);
        }
    }

    /// @dev What each table's buses add up to; all together must be zero.
    function _totals(Reader memory reader, bytes calldata head) private pure {
        uint256 slot = Circuit.number(reader.image, Circuit.TOTAL_SLOT);
        uint256 count = Circuit.number(reader.image, Circuit.TABLES);
        uint256 pointer = reader.transcript.absorb(head, reader.from, 20 * count);
        reader.from += 20 * count;
        uint256 sum = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 total = Extension.mul(Extension.read(pointer + 20 * i), Extension.HOME);
            _set(reader.slots, slot + i, total);
            sum = Extension.add(sum, total);
        }
        if (Extension.reduce(sum) != 0) revert Unbalanced();
    }

    /// @dev All opened values, and the challenge that combines them.
    function _openings(Reader memory reader, bytes calldata head) internal pure {
        uint256 image = reader.image;
        (uint256 seed, uint256 length) = Circuit.part(image, Circuit.OPENING_SEED);
        reader.transcript.absorb(seed, length);
        uint256 count = Circuit.number(image, Circuit.OPENED);
        uint256 pointer = reader.transcript.absorb(head, reader.from, 20 * count);
        reader.from += 20 * count;
        uint256 slot = reader.slots + (Circuit.number(image, Circuit.OPENED_SLOT) << 5);
        Extension.readAll(pointer, count, slot);
        _grind(reader, Circuit.COMBINE_GRINDING, head);
        Context.set(reader.context, Context.COMBINE, reader.transcript.challenge());
    }

    /// @dev Folds, last polynomial, positions.
    function _folds(Reader memory reader, bytes calldata head) internal pure {
        uint256 image = reader.image;
        Transcript.State memory transcript = reader.transcript;
        (uint256 seed, uint256 length) = Circuit.part(image, Circuit.FOLD_SEED);
        transcript.absorb(seed, length);
        uint256 size = Circuit.size(Circuit.number(image, Circuit.LOG_CAP));
        uint256 count = Circuit.number(image, Circuit.FOLDS);
        uint256 place = Context.challenges(image);
        for (uint256 i = 0; i < count; ++i) {
            _cap(reader, head, reader.cap + i * size);
            _grind(reader, Circuit.FOLD_GRINDING, head);
            Context.set(reader.context, place + i, transcript.challenge());
        }
        count = Circuit.size(Circuit.number(image, Circuit.LOG_FINAL));
        uint256 pointer = transcript.absorb(head, reader.from, 20 * count);
        reader.from += 20 * count;
        place = Context.last(image);
        for (uint256 i = 0; i < count; ++i) {
            Context.set(reader.context, place + i, Extension.read(pointer + 20 * i));
        }
        _grind(reader, Circuit.QUERY_GRINDING, head);
        _positions(reader);
    }

    /// @dev Draws the positions and keeps them in ascending order.
    function _positions(Reader memory reader) private pure {
        uint256 first = Context.positions(reader.image);
        uint256 count = Circuit.number(reader.image, Circuit.QUERIES);
        uint256 mask = Circuit.size(Circuit.number(reader.image, Circuit.LEVELS)) - 1;
        for (uint256 i = 0; i < count; ++i) {
            uint256 position = reader.transcript.draw() & mask;
            uint256 pointer = i;
            while (pointer != 0 && Context.get(reader.context, first + pointer - 1) > position) {
                Context.set(
                    reader.context,
                    first + pointer,
                    Context.get(reader.context, first + pointer - 1)
                );
                --pointer;
            }
            Context.set(reader.context, first + pointer, position);
        }
    }

    /// @dev For each table the opened values at zeta, and at the next point, times rising powers
    /// of the combining challenge: random, trace, next trace, quotient, buses, next buses.
    function _combine(Reader memory reader) internal pure {
        uint256 image = reader.image;
        uint256 tables = Circuit.number(image, Circuit.TABLES);
        uint256 width = Circuit.DEGREE + Circuit.MASKS;
        uint256 random = Circuit.number(image, Circuit.OPENED_SLOT);
        uint256 trace = random + tables * width;
        uint256 quotient = trace;
        for (uint256 table = 0; table < tables; ++table) {
            quotient += 2 * Circuit.traceWidth(image, table);
        }
        uint256 buses = quotient;
        for (uint256 table = 0; table < tables; ++table) {
            buses += width * Circuit.chunks(image, table);
        }
        for (uint256 table = 0; table < tables; ++table) {
            Sum memory sum;
            sum.slots = reader.slots;
            sum.challenge = Context.get(reader.context, Context.COMBINE);
            sum.weight = Extension.ONE;
            uint256 columns = Circuit.traceWidth(image, table);
            _here(sum, random + table * width, width);
            _here(sum, trace, columns);
            _there(sum, trace + columns, columns);
            trace += 2 * columns;
            columns = width * Circuit.chunks(image, table);
            _here(sum, quotient, columns);
            quotient += columns;
            columns = Circuit.busWidth(image, table);
            _here(sum, buses, columns);
            _there(sum, buses + columns, columns);
            buses += 2 * columns;
            uint256 place = Context.SUMS + 2 * table;
            Context.set(
                reader.context, place, Extension.reduce(Extension.mul(sum.here, Extension.HASHED))
            );
            Context.set(
                reader.context,
                place + 1,
                Extension.reduce(Extension.mul(sum.there, Extension.HASHED))
            );
        }
    }

    /// @dev A table's openings in the making.
    struct Sum {
        uint256 slots;
        uint256 challenge;
        uint256 weight;
        uint256 here;
        uint256 there;
    }

    function _here(Sum memory sum, uint256 slot, uint256 count) private pure {
        sum.here = Extension.add(sum.here, _run(sum, slot, count));
    }

    function _there(Sum memory sum, uint256 slot, uint256 count) private pure {
        sum.there = Extension.add(sum.there, _run(sum, slot, count));
    }

    /// @dev A run of slots times rising powers, from the present weight, which goes on.
    function _run(Sum memory sum, uint256 slot, uint256 count)
        private
        pure
        returns (uint256 total)
    {
        total = Extension.polynomial(sum.slots + (slot << 5), count, sum.challenge);
        total = Extension.mul(total, sum.weight);
        sum.weight = Extension.mul(sum.weight, Extension.power(sum.challenge, count));
    }

    function _set(uint256 slots, uint256 slot, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(add(slots, shl(5, slot)), value)
        }
    }
}
