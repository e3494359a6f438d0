// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IVerifier} from "../../src/interfaces/IVerifier.sol";
import {WrapVerifier} from "../../src/wrap/WrapVerifier.sol";
import {WrapFixture} from "./WrapFixture.sol";

/// @title What a wrap of a real batch costs: three transactions, each under the limit
/// @dev Writes snapshots/Wrap.json; `FORGE_SNAPSHOT_CHECK=true forge test` compares instead. The
/// proof is of the golden batch, made by `crates/wrap` (see tests/it/evm.rs).
contract WrapGasTest is WrapFixture {
    /// @dev EIP-7825.
    uint256 private constant TRANSACTION_GAS = 16_777_216;
    /// @dev The whole check.
    uint256 private constant GOAL = 40_000_000;

    uint256 private total;

    function test_gas_of_a_real_batch() external {
        bytes memory image = read("real.image");
        verifier = new WrapVerifier(ROUTER, realParts(image), keccak256(image));
        yes(address(verifier).code.length <= CODE_BYTES, "the verifier fits in a contract");
        batchHashes.push(bytes32(read("real.public")));

        bytes memory data = read("real.head");
        vm.prank(SUBMITTER);
        bytes memory context = verifier.begin(CONSUMER, batchHashes, data);
        measured("begin: commitments, constraints");
        data = read("real.queries0");
        vm.prank(SUBMITTER);
        verifier.check(CONSUMER, context, 0, 17, data);
        measured("check: 17 queries");
        data = abi.encode("", context, 17, 16, read("real.queries1"));
        vm.prank(ROUTER);
        bytes4 magic = verifier.verify(CONSUMER, SUBMITTER, batchHashes, data);
        measured("verify: 16 queries");
        yes(magic == IVerifier.verify.selector, "accepted");
        yes(total < GOAL, "all of it under the goal");
    }

    function measured(string memory name) private {
        uint256 gas = vm.snapshotGasLastCall("Wrap", name);
        yes(gas < TRANSACTION_GAS, "fits in one transaction");
        total += gas;
    }
}
