// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Batch header, version 1: the public layer
/// @notice The batch hash is keccak-256 over the public layer, which binds the private layer by its
/// digest: Ethereum checks what it stores against the hash without learning the rest.
/// @dev Frozen. Same bytes as `cloister_types::batch` and `tests/vectors`; all integers big-endian.
library BatchHeader {
    /// @dev First byte of the encoding.
    uint8 internal constant VERSION = 1;

    /// @dev Hash of a batch header.
    /// @param chainId id of the private chain
    /// @param number the batch's number
    /// @param previousHash hash of the batch before; zero for batch 0
    /// @param stateRoot root of the state after the batch
    /// @param messageRoot root of the messages to Ethereum
    /// @param l1MessageCount messages from Ethereum consumed so far
    /// @param l1MessageHash rolling hash of those messages
    /// @param privateDigest keccak-256 of the private layer
    /// @return the batch hash
    function hash(
        uint64 chainId,
        uint64 number,
        bytes32 previousHash,
        bytes32 stateRoot,
        bytes32 messageRoot,
        uint64 l1MessageCount,
        bytes32 l1MessageHash,
        bytes32 privateDigest
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                VERSION,
                chainId,
                number,
                previousHash,
                stateRoot,
                messageRoot,
                l1MessageCount,
                l1MessageHash,
                privateDigest
            )
        );
    }
}
