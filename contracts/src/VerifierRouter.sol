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

    /// @dev Versions 1 to `latestVersion`. An entry's address never changes.
    mapping(uint32 version => Entry entry) private _entries;

    /// @param admin holder of the admin role: a timelock
    /// @param guardian holder of the guardian role
    constructor(address admin, address guardian) {
        if (admin == address(0)) revert NotAVerifier(admin);
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        if (guardian != address(0)) _grantRole(GUARDIAN_ROLE, guardian);
    }

    /// @inheritdoc IVerifierRouter
    function addVerifier(uint32 version, address verifier) external onlyRole(DEFAULT_ADMIN_ROLE) {
        uint32 expected = latestVersion + 1;
        if (version != expected) revert UnexpectedVersion(expected, version);
        if (verifier.code.length == 0) revert NotAVerifier(verifier);
        bytes32 commitment = IVerifier(verifier).programCommitment();
        if (commitment == 0) revert NotAVerifier(verifier);
        latestVersion = version;
        _entries[version] = Entry({verifier: verifier, frozen: false});
        emit VerifierAdded(version, verifier, commitment);
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
        bytes4 magic = IVerifier(entry.verifier).verify(msg.sender, submitter, batchHashes, proof);
        if (magic != IVerifier.verify.selector) revert ProofRefused(version);
    }

    /// @inheritdoc IVerifierRouter
    function verifierOf(uint32 version) external view returns (Entry memory) {
        return _entries[version];
    }

    /// @dev The entry of a version that exists and is not frozen.
    function _usable(uint32 version) private view returns (Entry storage entry) {
        entry = _entries[version];
        if (entry.verifier == address(0)) revert UnknownVerifier(version);
        if (entry.frozen) revert FrozenVerifier(version);
    }
}
