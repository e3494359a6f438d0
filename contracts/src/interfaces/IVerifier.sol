// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title A checker of validity proofs, one deployed contract per version of the proof system
/// @notice The verifier knows nothing about chains or batches: it checks that a program, fixed by
/// `programCommitment`, ran to its end and put out the given batch hashes, in order.
/// @dev A verification may be too large for one transaction. Such a verifier takes the parts of a
/// proof in earlier transactions as a session keyed by (consumer, submitter, digest of the proof),
/// and `verify` completes and clears it; that is why `verify` is not a view and is told who asks.
/// A verifier must take calls to `verify` from its router only.
interface IVerifier {
    /// @notice Checks a proof and reverts unless it holds.
    /// @param consumer the contract that relies on the answer (a `Rollup`)
    /// @param submitter the account that brought the proof
    /// @param batchHashes the public values: hashes of consecutive batches, in order, never empty
    /// @param proof the proof, or what completes the submitter's session
    /// @return magic the selector of this function; anything else counts as a refusal, so that a
    /// contract which merely does not revert is no verifier
    function verify(
        address consumer,
        address submitter,
        bytes32[] calldata batchHashes,
        bytes calldata proof
    ) external returns (bytes4 magic);

    /// @notice Commitment to the program whose runs this verifier accepts.
    function programCommitment() external view returns (bytes32);
}
