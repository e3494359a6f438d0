// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Circuit} from "../../src/wrap/Circuit.sol";
import {Context} from "../../src/wrap/Context.sol";
import {Head} from "../../src/wrap/Head.sol";
import {Queries} from "../../src/wrap/Queries.sol";

/// @title The parts of the wrap's verifier, each callable alone
contract Harness {
    address[] private parts;

    constructor(address[] memory parts_) {
        parts = parts_;
    }

    function head(bytes calldata publicBytes, bytes calldata data)
        external
        view
        returns (bytes memory context)
    {
        (uint256 image,) = Circuit.load(parts);
        uint256 pointer = Head.check(image, publicBytes, data);
        uint256 size = Context.words(image) << 5;
        context = new bytes(size);
        assembly ("memory-safe") {
            mcopy(add(context, 32), pointer, size)
        }
    }

    /// @notice A head and all queries.
    function whole(bytes calldata publicBytes, bytes calldata data, bytes calldata rows)
        external
        view
    {
        (uint256 image,) = Circuit.load(parts);
        uint256 pointer = Head.check(image, publicBytes, data);
        Queries.check(image, pointer, 0, Circuit.number(image, Circuit.QUERIES), rows);
    }

    function queries(bytes calldata context, uint256 first, uint256 count, bytes calldata data)
        external
        view
    {
        (uint256 image,) = Circuit.load(parts);
        uint256 pointer = Context.copy(image, context);
        Queries.check(image, pointer, first, count, data);
    }
}
