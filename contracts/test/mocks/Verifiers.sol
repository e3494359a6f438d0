// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRollup} from "../../src/interfaces/IRollup.sol";
import {IVerifier} from "../../src/interfaces/IVerifier.sol";

/// @title Accepts exactly the proof that is the hash of what it was asked; records who asked
contract HashVerifier is IVerifier {
    error BadProof();

    bytes32 public constant programCommitment = keccak256("program");
    address public lastCaller;
    address public lastConsumer;
    address public lastSubmitter;

    function proofOf(bytes32[] memory batchHashes) public pure returns (bytes memory) {
        return abi.encodePacked(keccak256(abi.encode(batchHashes)));
    }

    function verify(
        address consumer,
        address submitter,
        bytes32[] calldata batchHashes,
        bytes calldata proof
    ) external returns (bytes4) {
        if (keccak256(proof) != keccak256(proofOf(batchHashes))) {
            revert BadProof();
        }
        lastCaller = msg.sender;
        lastConsumer = consumer;
        lastSubmitter = submitter;
        return IVerifier.verify.selector;
    }
}

/// @title Answers something that is not the magic value
contract SilentVerifier is IVerifier {
    bytes32 public constant programCommitment = keccak256("program");

    function verify(address, address, bytes32[] calldata, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        return bytes4(0x01020304);
    }
}

/// @title Believes everything
contract CredulousVerifier is IVerifier {
    bytes32 public constant programCommitment = keccak256("program");

    function verify(address, address, bytes32[] calldata, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        return IVerifier.verify.selector;
    }
}

/// @title Names no program
contract NamelessVerifier is IVerifier {
    bytes32 public constant programCommitment = 0;

    function verify(address, address, bytes32[] calldata, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        return IVerifier.verify.selector;
    }
}

/// @title Calls the Rollup back in the middle of a proof, with the same proof
contract ReentrantVerifier is IVerifier {
    bytes32 public constant programCommitment = keccak256("program");
    bytes public innerError;
    uint64 public provedSeen;

    function verify(address consumer, address, bytes32[] calldata, bytes calldata proof)
        external
        returns (bytes4)
    {
        provedSeen = IRollup(consumer).lastProved();
        try IRollup(consumer).prove(1, 1, 1, proof) {
            return bytes4(0);
        } catch (bytes memory reason) {
            innerError = reason;
        }
        return IVerifier.verify.selector;
    }
}
