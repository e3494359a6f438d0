// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Circuit} from "../../src/wrap/Circuit.sol";
import {Constraints} from "../../src/wrap/Constraints.sol";
import {Context} from "../../src/wrap/Context.sol";
import {Head} from "../../src/wrap/Head.sol";
import {Queries} from "../../src/wrap/Queries.sol";

/// @title The wrap's verifier, step by step, with what each step costs
/// @dev The steps are those of {Head-check} and {Queries-check}, in their order.
contract Meter {
    address[] private parts;
    uint256 private transient left;

    constructor(address[] memory parts_) {
        parts = parts_;
    }

    /// @return context what the queries are checked against
    /// @return gas of: the image; commitments and challenges; reading what is opened; combining it;
    /// the constraints
    function head(bytes calldata publicBytes, bytes calldata data)
        external
        returns (bytes memory context, uint256[5] memory gas)
    {
        left = gasleft();
        (uint256 image,) = Circuit.load(parts);
        Head.Reader memory reader = Head._begin(image, publicBytes);
        gas[0] = since();
        Head._commitments(reader, publicBytes, data);
        gas[1] = since();
        Head._openings(reader, data);
        gas[2] = since();
        Head._folds(reader, data);
        gas[1] += since();
        Head._combine(reader);
        gas[3] = since();
        uint256 zeta = Context.get(reader.context, Context.ZETA);
        Constraints.check(image, reader.slots, zeta, reader.constraint, reader.beta);
        gas[4] = since();
        uint256 pointer = reader.context;
        uint256 size = Context.words(image) << 5;
        context = new bytes(size);
        assembly ("memory-safe") {
            mcopy(add(context, 32), pointer, size)
        }
    }

    /// @return gas of: powers and inverses; rows; folds; paths in trees
    function queries(bytes calldata context, uint256 first, uint256 count, bytes calldata data)
        external
        returns (uint256[4] memory gas)
    {
        left = gasleft();
        (uint256 image,) = Circuit.load(parts);
        uint256 pointer = Context.copy(image, context);
        left = gasleft();
        Queries.Range memory range = Queries._prepare(image, pointer, first, count);
        Queries._invert(range);
        gas[0] = since();
        for (uint256 query = 0; query < count; ++query) {
            Queries._combine(range, query, data);
            gas[1] += since();
            Queries._fold(range, query, data);
            gas[2] += since();
        }
        Queries._trees(range, data);
        gas[3] = since();
    }

    /// @dev Gas since the last call of this, without what this takes itself (two accesses to
    /// transient storage, some hundred).
    function since() private returns (uint256 used) {
        used = left - gasleft();
        left = gasleft();
    }
}
