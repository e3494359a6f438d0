// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Checks that rows lie in a committed tree, many at once, shared nodes sent once
/// @notice Rows of lower tables join on the way up: where a layer is as wide as a table is high,
/// each of its nodes is hashed with the hash of the table's row.
library Merkle {
    /// @notice Rows that are not those of the commitment.
    error NotCommitted();
    /// @notice Two queries of the same row give different ones.
    error Inconsistent();
    /// @notice Fewer siblings than the tree asks for, or more.
    error BadSiblings();

    /// @dev A walk in memory, with one entry for each query: place of the node at its level, its
    /// digest, and for each lower table the digest of the row that joins.
    struct Walk {
        /// Levels to climb, and where they lead: the cap's address, and its length.
        uint256 levels;
        uint256 cap;
        uint256 caps;
        uint256 count;
        uint256 places;
        uint256 digests;
        /// For each lower table: the level at which it joins, and the digests' address.
        uint256[] joinLevels;
        uint256[] joinDigests;
    }

    /// @notice Climbs from ascending places and compares with the cap. Siblings come from `from` in
    /// the call; returns where they end.
    function check(Walk memory walk, bytes calldata data, uint256 from)
        internal
        pure
        returns (uint256)
    {
        _dropEqual(walk);
        for (uint256 level = 1; level <= walk.levels; ++level) {
            from = _climb(walk, data, from);
            uint256 left = walk.joinLevels.length;
            for (uint256 i = 0; i < walk.joinLevels.length; ++i) {
                if (walk.joinLevels[i] == level) _join(walk, walk.joinDigests[i]);
                if (walk.joinLevels[i] <= level) --left;
            }
            // When all have joined nothing needs to agree any more.
            if (left == 0 && walk.joinDigests.length != 0) walk.joinDigests = new uint256[](0);
        }
        for (uint256 i = 0; i < walk.count; ++i) {
            uint256 place = _word(walk.places, i);
            if (place >= walk.caps || _word(walk.cap, place) != _word(walk.digests, i)) {
                revert NotCommitted();
            }
        }
        return from;
    }

    /// @dev Keeps one entry of each place. Equal places must have equal rows.
    function _dropEqual(Walk memory walk) private pure {
        uint256 kept = 0;
        for (uint256 i = 0; i < walk.count; ++i) {
            if (kept != 0 && _word(walk.places, kept - 1) == _word(walk.places, i)) {
                if (_word(walk.digests, kept - 1) != _word(walk.digests, i)) {
                    revert Inconsistent();
                }
                _sameJoins(walk, kept - 1, i);
            } else {
                _move(walk, i, kept);
                ++kept;
            }
        }
        walk.count = kept;
    }

    /// @dev Goes one level up: every node with its neighbour, which is the next entry or comes
    /// from the call. Entries move to the front as there are fewer.
    function _climb(Walk memory walk, bytes calldata data, uint256 from)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 places = walk.places;
            uint256 digests = walk.digests;
            uint256 count = walk.count;
            uint256 joins = walk.joinDigests.length;
            uint256 kept = 0;
            for (uint256 i = 0; i < count; ++i) {
                uint256 met = 0;
                if (kept != i && joins != 0) _moveJoins(walk, i, kept);
                assembly ("memory-safe") {
                    let entry := shl(5, i)
                    let place := mload(add(places, entry))
                    let side := shl(5, and(place, 1))
                    mstore(side, mload(add(digests, entry)))
                    // The next entry is the neighbour if it exists and is this place with its last bit
                    // set; places ascend, so the neighbour of an odd one has been passed.
                    entry := add(entry, 32)
                    switch and(lt(add(i, 1), count), eq(mload(add(places, entry)), xor(place, 1)))
                    case 1 {
                        met := 1
                        mstore(xor(side, 32), mload(add(digests, entry)))
                    }
                    default {
                        mstore(xor(side, 32), calldataload(add(data.offset, from)))
                        from := add(from, 32)
                    }
                    entry := shl(5, kept)
                    mstore(add(places, entry), shr(1, place))
                    mstore(add(digests, entry), keccak256(0, 64))
                }
                if (met != 0) {
                    ++i;
                    if (joins != 0) _sameJoins(walk, kept, i);
                }
                ++kept;
            }
            walk.count = kept;
            if (from > data.length) revert BadSiblings();
            return from;
        }
    }

    /// @dev Hashes every node with the row that joins. What has joined need not agree any more.
    function _join(Walk memory walk, uint256 rows) private pure {
        for (uint256 i = 0; i < walk.count; ++i) {
            _set(walk.digests, i, _hash(_word(walk.digests, i), _word(rows, i)));
            _set(rows, i, 0);
        }
    }

    /// @dev Queries that met have the same rows still to join.
    function _sameJoins(Walk memory walk, uint256 left, uint256 right) private pure {
        for (uint256 i = 0; i < walk.joinDigests.length; ++i) {
            uint256 rows = walk.joinDigests[i];
            if (_word(rows, left) != _word(rows, right)) revert Inconsistent();
        }
    }

    function _move(Walk memory walk, uint256 from, uint256 to) private pure {
        _set(walk.places, to, _word(walk.places, from));
        _set(walk.digests, to, _word(walk.digests, from));
        _moveJoins(walk, from, to);
    }

    function _moveJoins(Walk memory walk, uint256 from, uint256 to) private pure {
        for (uint256 i = 0; i < walk.joinDigests.length; ++i) {
            uint256 rows = walk.joinDigests[i];
            _set(rows, to, _word(rows, from));
        }
    }

    function _word(uint256 list, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(list, shl(5, index)))
        }
    }

    function _set(uint256 list, uint256 index, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(add(list, shl(5, index)), value)
        }
    }

    function _hash(uint256 left, uint256 right) private pure returns (uint256 digest) {
        assembly ("memory-safe") {
            mstore(0, left)
            mstore(32, right)
            digest := keccak256(0, 64)
        }
    }
}
