// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {
    AccessControlUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/AccessControlUpgradeable.sol";
import {
    PausableUpgradeable
} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IRollup} from "./interfaces/IRollup.sol";
import {IVerifierRouter} from "./interfaces/IVerifierRouter.sol";
import {BatchHeader} from "./libraries/BatchHeader.sol";

/// @title The record of one private chain on Ethereum
/// @notice See {IRollup}. Lives behind an ERC-1967 proxy; the implementation is changed only by the
/// admin, which is a timelock.
///
/// ```text
///            commit              prove               finalize
///   sealed ─────────► Committed ───────► Proved ───────────────► Finalized
///  (off chain)  ▲         │    by router only     after finalityBlocks
///               └─────────┘ revertBatches (guardian, paused)
/// ```
///
/// @dev Order of the three heads: lastFinalized <= lastProved <= lastCommitted, always. A record
/// exists for exactly the numbers 0 to lastCommitted.
contract Rollup is IRollup, AccessControlUpgradeable, PausableUpgradeable, UUPSUpgradeable {
    /// @dev What is stored about one batch: three words and one of packed numbers.
    struct Record {
        bytes32 batchHash;
        bytes32 stateRoot;
        bytes32 messageRoot;
        uint64 l1MessageCount;
        uint64 commitBlock;
        uint64 proveBlock;
        uint32 verifierVersion;
    }

    /// @custom:storage-location erc7201:cloister.rollup
    struct RollupStorage {
        uint64 chainId;
        uint64 lastCommitted;
        uint64 lastProved;
        uint64 lastFinalized;
        address router;
        uint32 finalityBlocks;
        mapping(uint64 number => Record record) records;
    }

    /// @notice Role that commits batches.
    bytes32 public constant COMMITTER_ROLE = keccak256("cloister.committer");
    /// @notice Role that pauses, and takes back batches that are not proved.
    bytes32 public constant GUARDIAN_ROLE = keccak256("cloister.guardian");
    /// @notice Most batches in one call of `commit`.
    uint256 public constant MAX_BATCHES_PER_COMMIT = 64;
    /// @notice Most batches in one proof.
    uint256 public constant MAX_BATCHES_PER_PROOF = 256;
    /// @notice Most batches that one call of `revertBatches` takes back.
    uint256 public constant MAX_BATCHES_PER_REVERT = 256;
    /// @notice Longest distance between proof and finality: about a week of Ethereum blocks.
    uint32 public constant MAX_FINALITY_BLOCKS = 50_400;

    /// @dev keccak256(abi.encode(uint256(keccak256("cloister.rollup")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE_LOCATION =
        0x53c86bc0aa7e37252f57b6c4a3dc2798bde5d682383a8ca8f459365450fb3d00;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @notice Sets a new proxy up. Called once, by the proxy's constructor.
    /// @param setup see {IRollup.Setup}
    function initialize(Setup calldata setup) external initializer {
        __AccessControl_init();
        __Pausable_init();
        if (setup.admin == address(0)) revert BadAddress(setup.admin);
        if (setup.guardian == address(0)) revert BadAddress(setup.guardian);
        if (setup.committer == address(0)) revert BadAddress(setup.committer);
        if (setup.router.code.length == 0) revert BadAddress(setup.router);
        if (
            setup.chainId == 0 || setup.genesisStateRoot == 0 || setup.genesisBatchHash == 0
                || setup.finalityBlocks > MAX_FINALITY_BLOCKS
        ) revert BadSetup();

        _grantRole(DEFAULT_ADMIN_ROLE, setup.admin);
        _grantRole(GUARDIAN_ROLE, setup.guardian);
        _grantRole(COMMITTER_ROLE, setup.committer);

        RollupStorage storage s = _storage();
        s.chainId = setup.chainId;
        s.router = setup.router;
        s.finalityBlocks = setup.finalityBlocks;
        Record storage genesis = s.records[0];
        genesis.batchHash = setup.genesisBatchHash;
        genesis.stateRoot = setup.genesisStateRoot;
        genesis.commitBlock = uint64(block.number);
        emit BatchCommitted(0, setup.genesisBatchHash, setup.genesisStateRoot, 0, 0);
    }

    /// @inheritdoc IRollup
    function commit(BatchCommitment[] calldata batches)
        external
        onlyRole(COMMITTER_ROLE)
        whenNotPaused
    {
        uint256 count = batches.length;
        if (count == 0 || count > MAX_BATCHES_PER_COMMIT) {
            revert BadBatchCount(MAX_BATCHES_PER_COMMIT, count);
        }
        RollupStorage storage s = _storage();
        uint64 id = s.chainId;
        uint64 number = s.lastCommitted;
        bytes32 previous = s.records[number].batchHash;
        for (uint256 i = 0; i < count; ++i) {
            BatchCommitment calldata batch = batches[i];
            number += 1;
            if (batch.number != number) revert UnexpectedBatch(number, batch.number);
            previous = _checkedHash(id, previous, batch);
            Record storage record = s.records[number];
            record.batchHash = previous;
            record.stateRoot = batch.stateRoot;
            record.commitBlock = uint64(block.number);
            // messageRoot and l1MessageCount stay zero: _checkedHash takes nothing else.
            emit BatchCommitted(
                number, previous, batch.stateRoot, batch.messageRoot, batch.l1MessageCount
            );
        }
        s.lastCommitted = number;
    }

    /// @inheritdoc IRollup
    /// @dev Effects come before the call to the router; its refusal undoes them.
    function prove(uint64 first, uint64 last, uint32 verifierVersion, bytes calldata proof)
        external
        whenNotPaused
    {
        RollupStorage storage s = _storage();
        if (first != s.lastProved + 1) revert UnexpectedBatch(s.lastProved + 1, first);
        if (last > s.lastCommitted) revert NotCommitted(last, s.lastCommitted);
        if (last < first) revert BadBatchCount(MAX_BATCHES_PER_PROOF, 0);
        uint256 count = uint256(last - first) + 1;
        if (count > MAX_BATCHES_PER_PROOF) revert BadBatchCount(MAX_BATCHES_PER_PROOF, count);

        bytes32[] memory batchHashes = new bytes32[](count);
        for (uint64 number = first; number <= last; ++number) {
            Record storage record = s.records[number];
            batchHashes[number - first] = record.batchHash;
            record.proveBlock = uint64(block.number);
            record.verifierVersion = verifierVersion;
        }
        s.lastProved = last;
        emit BatchesProved(first, last, verifierVersion);

        IVerifierRouter(s.router).verify(verifierVersion, msg.sender, batchHashes, proof);
    }

    /// @inheritdoc IRollup
    /// @dev Proofs come in order, so the last batch's proof is the youngest of the range.
    function finalize(uint64 last) external whenNotPaused {
        RollupStorage storage s = _storage();
        uint64 finalized = s.lastFinalized;
        if (last <= finalized) revert NothingToDo(last);
        if (last > s.lastProved) revert NotProved(last, s.lastProved);
        uint64 finalAt = s.records[last].proveBlock + s.finalityBlocks;
        if (block.number < finalAt) revert NotFinalYet(last, finalAt);
        s.lastFinalized = last;
        emit BatchesFinalized(finalized + 1, last);
    }

    /// @inheritdoc IRollup
    /// @dev The records are cleared, so that a storage proof of a reverted batch proves nothing.
    function revertBatches(uint64 lastKept) external onlyRole(GUARDIAN_ROLE) whenPaused {
        RollupStorage storage s = _storage();
        uint64 last = s.lastCommitted;
        if (lastKept >= last) revert NothingToDo(lastKept);
        if (lastKept < s.lastProved) revert AlreadyProved(lastKept + 1, s.lastProved);
        uint256 count = uint256(last - lastKept);
        if (count > MAX_BATCHES_PER_REVERT) revert BadBatchCount(MAX_BATCHES_PER_REVERT, count);
        for (uint64 number = last; number > lastKept; --number) {
            delete s.records[number];
        }
        s.lastCommitted = lastKept;
        emit BatchesReverted(lastKept + 1, last);
    }

    /// @inheritdoc IRollup
    function pause() external onlyRole(GUARDIAN_ROLE) {
        _pause();
    }

    /// @inheritdoc IRollup
    function unpause() external {
        if (!hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) _checkRole(GUARDIAN_ROLE, msg.sender);
        _unpause();
    }

    /// @inheritdoc IRollup
    function anchor(uint64 number) external view returns (Anchor memory found) {
        RollupStorage storage s = _storage();
        if (number > s.lastCommitted) return found;
        Record storage record = s.records[number];
        found = Anchor({
            stateRoot: record.stateRoot,
            batchHash: record.batchHash,
            messageRoot: record.messageRoot,
            l1MessageCount: record.l1MessageCount,
            commitBlock: record.commitBlock,
            proveBlock: record.proveBlock,
            verifierVersion: record.verifierVersion,
            state: BatchState.Committed
        });
        if (number <= s.lastFinalized) found.state = BatchState.Finalized;
        else if (number <= s.lastProved) found.state = BatchState.Proved;
    }

    /// @inheritdoc IRollup
    function chainId() external view returns (uint64) {
        return _storage().chainId;
    }

    /// @inheritdoc IRollup
    function lastCommitted() external view returns (uint64) {
        return _storage().lastCommitted;
    }

    /// @inheritdoc IRollup
    function lastProved() external view returns (uint64) {
        return _storage().lastProved;
    }

    /// @inheritdoc IRollup
    function lastFinalized() external view returns (uint64) {
        return _storage().lastFinalized;
    }

    /// @inheritdoc IRollup
    function router() external view returns (address) {
        return _storage().router;
    }

    /// @inheritdoc IRollup
    function finalityBlocks() external view returns (uint32) {
        return _storage().finalityBlocks;
    }

    /// @dev Upgrades are the admin's, and the admin is a timelock.
    function _authorizeUpgrade(address) internal view override onlyRole(DEFAULT_ADMIN_ROLE) {}

    /// @dev Hash of the batch on the stored parent, checked against what the sequencer sealed.
    function _checkedHash(uint64 id, bytes32 previous, BatchCommitment calldata batch)
        private
        pure
        returns (bytes32 computed)
    {
        if (batch.stateRoot == 0) revert EmptyStateRoot(batch.number);
        if (batch.messageRoot != 0 || batch.l1MessageCount != 0 || batch.l1MessageHash != 0) {
            revert MessagesUnsupported(batch.number);
        }
        computed = BatchHeader.hash(
            id,
            batch.number,
            previous,
            batch.stateRoot,
            batch.messageRoot,
            batch.l1MessageCount,
            batch.l1MessageHash,
            batch.privateDigest
        );
        if (computed != batch.batchHash) {
            revert BatchHashMismatch(batch.number, computed, batch.batchHash);
        }
    }

    /// @dev The contract's variables, at a place that no parent contract uses (ERC-7201).
    function _storage() private pure returns (RollupStorage storage s) {
        assembly ("memory-safe") {
            s.slot := STORAGE_LOCATION
        }
    }
}
