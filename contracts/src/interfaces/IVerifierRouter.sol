// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The verifiers of an installation, by version
/// @notice Versions are only ever added. A version can be frozen, for ever, and then refuses every
/// proof; it can never be replaced or thawed. So a batch that names the version it was proved under
/// names one piece of code for all time: the code's hash is named by who adds the version, and
/// compared again for every proof. A verifier that delegates to code elsewhere would undo that.
interface IVerifierRouter {
    /// @notice What is known about one version.
    /// @param verifier the contract, or zero when the version does not exist
    /// @param frozen whether it refuses every proof
    /// @param codeHash hash of the contract's code, which holds its immutables
    struct Entry {
        address verifier;
        bool frozen;
        bytes32 codeHash;
    }

    /// @notice A contract and the code that it must have.
    /// @param verifier the deployed verifier
    /// @param codeHash hash of its code
    struct Pinned {
        address verifier;
        bytes32 codeHash;
    }

    /// @notice A version was added.
    /// @param version its number
    /// @param verifier the contract
    /// @param programCommitment the program whose runs it accepts
    /// @param codeHash hash of the contract's code
    event VerifierAdded(
        uint32 indexed version,
        address indexed verifier,
        bytes32 indexed programCommitment,
        bytes32 codeHash
    );

    /// @notice A version was frozen for ever.
    /// @param version its number
    event VerifierFrozen(uint32 indexed version);

    /// @notice The version does not exist: add a verifier, or name one that exists.
    /// @param version the version that was asked for
    error UnknownVerifier(uint32 version);

    /// @notice The version is frozen: prove under a newer one.
    /// @param version the version that was asked for
    error FrozenVerifier(uint32 version);

    /// @notice Versions are consecutive, starting at 1.
    /// @param expected the only version that can be added now
    /// @param got the version that was given
    error UnexpectedVersion(uint32 expected, uint32 got);

    /// @notice The address holds no verifier.
    /// @param verifier the address that was given
    error NotAVerifier(address verifier);

    /// @notice The address holds other code than was named when the version was added.
    /// @param verifier the address
    /// @param expected hash of the code that was named
    /// @param got hash of the code that is there
    error UnexpectedCode(address verifier, bytes32 expected, bytes32 got);

    /// @notice The verifier did not answer as a verifier does.
    /// @param version the version that was asked for
    error ProofRefused(uint32 version);

    /// @notice Adds the next version. Only the admin, which is a timelock.
    /// @param version must be `latestVersion() + 1`
    /// @param verifier the deployed verifier
    /// @param codeHash hash of its code: what was reviewed is what is added
    function addVerifier(uint32 version, address verifier, bytes32 codeHash) external;

    /// @notice Freezes a version for ever. Admin or guardian.
    /// @param version an existing version that is not frozen
    function freezeVerifier(uint32 version) external;

    /// @notice Checks a proof under a version and reverts unless it holds. The caller is the
    /// consumer of the proof.
    /// @param version the verifier's version
    /// @param submitter the account that brought the proof
    /// @param batchHashes hashes of consecutive batches, in order
    /// @param proof the proof
    function verify(
        uint32 version,
        address submitter,
        bytes32[] calldata batchHashes,
        bytes calldata proof
    ) external;

    /// @notice The newest version, 0 when there is none.
    function latestVersion() external view returns (uint32);

    /// @notice What is known about a version.
    /// @param version any number
    function verifierOf(uint32 version) external view returns (Entry memory);
}
