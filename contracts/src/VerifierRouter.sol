// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IVerifier} from "./interfaces/IVerifier.sol";
import {IVerifierRouter} from "./interfaces/IVerifierRouter.sol";

/// @title The verifiers of an installation, by version: add-only, freezable, never replaced
/// @notice See {IVerifierRouter}. Not upgradeable: what the router promises about its versions would
/// be worth nothing if the router itself could change.
contract VerifierRouter is IVerifierRouter, AccessControl {
    /// @notice Role that may freeze a version at once. The admin role adds versions.
    bytes32 public constant GUARDIAN_ROLE = keccak256("cloister.guardian");

    /// @inheritdoc IVerifierRouter
    uint32 public latestVersion;

    /// @dev Versions 1 to `latestVersion`. An entry's address and code hash never change.
    mapping(uint32 version => Entry entry) private _entries;

    /// @param admin holder of the admin role: a timelock
    /// @param guardian holder of the guardian role
    /// @param verifiers versions 1, 2 and so on, which need not wait for the admin's timelock:
    /// nothing relies on a router before it exists
    constructor(address admin, address guardian, Pinned[] memory verifiers) {
        if (admin == address(0)) revert NotAVerifier(admin);
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        if (guardian != address(0)) _grantRole(GUARDIAN_ROLE, guardian);
        for (uint256 i = 0; i < verifiers.length; ++i) {
            _add(verifiers[i].verifier, verifiers[i].codeHash);
        }
    }

    /// @inheritdoc IVerifierRouter
    function addVerifier(uint32 version, address verifier, bytes32 codeHash)
        external
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        uint32 expected = latestVersion + 1;
        if (version != expected) revert UnexpectedVersion(expected, version);
        _add(verifier, codeHash);
    }

    /// @inheritdoc IVerifierRouter
    function freezeVerifier(uint32 version) external {
        if (!hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) _checkRole(GUARDIAN_ROLE, msg.sender);
        Entry storage entry = _usable(version);
        entry.frozen = true;
        emit VerifierFrozen(version);
    }

    /// @inheritdoc IVerifierRouter
    function verify(
        uint32 version,
        address submitter,
        bytes32[] calldata batchHashes,
        bytes calldata proof
    ) external {
        Entry storage entry = _usable(version);
        address verifier = entry.verifier;
        _checkCode(verifier, entry.codeHash);
        bytes4 magic = IVerifier(verifier).verify(msg.sender, submitter, batchHashes, proof);
        if (magic != IVerifier.verify.selector) revert ProofRefused(version);
    }

    /// @inheritdoc IVerifierRouter
    function verifierOf(uint32 version) external view returns (Entry memory) {
        return _entries[version];
    }

    /// @dev Adds the next version.
    function _add(address verifier, bytes32 codeHash) private {
        if (verifier.code.length == 0) revert NotAVerifier(verifier);
        _checkCode(verifier, codeHash);
        bytes32 commitment = IVerifier(verifier).programCommitment();
        if (commitment == 0) revert NotAVerifier(verifier);
        uint32 version = ++latestVersion;
        _entries[version] = Entry({verifier: verifier, frozen: false, codeHash: codeHash});
        emit VerifierAdded(version, verifier, commitment, codeHash);
    }

    /// @dev A contract that destroyed itself in the transaction that made it (EIP-6780) can come back
    /// with other code, so what was looked at once is not what will be there.
    function _checkCode(address verifier, bytes32 codeHash) private view {
        bytes32 got = verifier.codehash;
        if (got != codeHash) revert UnexpectedCode(verifier, codeHash, got);
    }

    /// @dev The entry of a version that exists and is not frozen.
    function _usable(uint32 version) private view returns (Entry storage entry) {
        entry = _entries[version];
        if (entry.verifier == address(0)) revert UnknownVerifier(version);
        if (entry.frozen) revert FrozenVerifier(version);
    }
}
