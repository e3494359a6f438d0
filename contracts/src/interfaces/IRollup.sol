// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The record of one private chain on Ethereum
/// @notice A batch is committed (its root and hash are here, nothing was checked), then proved (a
/// verifier checked that its execution was valid), then finalized (proved, and old enough that
/// Ethereum will not take it back). Only a proved batch says that the chain kept its rules.
/// @dev The contract learns and stores of the private chain: batch number, state root, batch hash,
/// message root and the count of L1 messages; never transactions, accounts, amounts or code.
interface IRollup {
    /// @notice How far a batch is. `None`: this contract does not know it.
    enum BatchState {
        None,
        Committed,
        Proved,
        Finalized
    }

    /// @notice The public part of one batch header, as the committer sends it.
    /// @param number the batch's number
    /// @param batchHash the hash that the sequencer sealed; recomputed here and compared
    /// @param stateRoot root of the state after the batch
    /// @param messageRoot root of the messages to Ethereum; zero until a bridge exists
    /// @param l1MessageCount messages from Ethereum consumed so far; zero until a bridge exists
    /// @param l1MessageHash rolling hash of those messages; zero until a bridge exists
    /// @param privateDigest keccak-256 of the header's private part
    struct BatchCommitment {
        uint64 number;
        bytes32 batchHash;
        bytes32 stateRoot;
        bytes32 messageRoot;
        uint64 l1MessageCount;
        bytes32 l1MessageHash;
        bytes32 privateDigest;
    }

    /// @notice What this contract holds about one batch.
    /// @param stateRoot root of the state after the batch
    /// @param batchHash hash of the batch header
    /// @param messageRoot root of the messages to Ethereum
    /// @param l1MessageCount messages from Ethereum consumed so far
    /// @param commitBlock Ethereum block of the commit
    /// @param proveBlock Ethereum block of the proof, 0 when not proved
    /// @param verifierVersion version that the batch was proved under, 0 when not proved
    /// @param state how far it is
    struct Anchor {
        bytes32 stateRoot;
        bytes32 batchHash;
        bytes32 messageRoot;
        uint64 l1MessageCount;
        uint64 commitBlock;
        uint64 proveBlock;
        uint32 verifierVersion;
        BatchState state;
    }

    /// @notice Everything that sets a new contract up.
    /// @param chainId id of the private chain
    /// @param genesisStateRoot state root of batch 0
    /// @param genesisBatchHash hash of batch 0
    /// @param router the verifiers
    /// @param admin holder of the admin role: a timelock; grants roles and upgrades
    /// @param guardian may pause, and take back batches that are not proved
    /// @param committer may commit batches
    /// @param finalityBlocks Ethereum blocks between a proof and finality
    struct Setup {
        uint64 chainId;
        bytes32 genesisStateRoot;
        bytes32 genesisBatchHash;
        address router;
        address admin;
        address guardian;
        address committer;
        uint32 finalityBlocks;
    }

    /// @notice A batch was committed.
    /// @param number the batch's number
    /// @param batchHash hash of its header
    /// @param stateRoot root of the state after it
    /// @param messageRoot root of the messages to Ethereum
    /// @param l1MessageCount messages from Ethereum consumed so far
    event BatchCommitted(
        uint64 indexed number,
        bytes32 indexed batchHash,
        bytes32 stateRoot,
        bytes32 messageRoot,
        uint64 l1MessageCount
    );

    /// @notice Batches `first` to `last` were proved.
    /// @param first first batch of the proof
    /// @param last last batch of the proof
    /// @param verifierVersion version of the verifier that accepted it
    event BatchesProved(uint64 indexed first, uint64 indexed last, uint32 indexed verifierVersion);

    /// @notice Batches `first` to `last` became final.
    /// @param first first batch
    /// @param last last batch
    event BatchesFinalized(uint64 indexed first, uint64 indexed last);

    /// @notice The guardian took back batches `first` to `last`, which were not proved.
    /// @param first first batch that is gone
    /// @param last last batch that is gone
    event BatchesReverted(uint64 indexed first, uint64 indexed last);

    /// @notice An address of the set-up is zero or holds no code.
    /// @param what the address
    error BadAddress(address what);

    /// @notice The genesis root or hash, the chain id or the finality distance is out of range.
    error BadSetup();

    /// @notice The list of batches is empty, or longer than one call may carry.
    /// @param most the longest list allowed
    /// @param got its length
    error BadBatchCount(uint256 most, uint256 got);

    /// @notice Batches are taken strictly in order.
    /// @param expected the only number that can come next
    /// @param got the number that was given
    error UnexpectedBatch(uint64 expected, uint64 got);

    /// @notice The header does not hash to what the sequencer sealed: it was sealed on another
    /// parent, for another chain, or changed on the way.
    /// @param number the batch's number
    /// @param computed the hash of the given fields on the stored parent
    /// @param got the hash that was given
    error BatchHashMismatch(uint64 number, bytes32 computed, bytes32 got);

    /// @notice The batch has a zero state root.
    /// @param number the batch's number
    error EmptyStateRoot(uint64 number);

    /// @notice The batch carries messages, and no bridge exists that could check them.
    /// @param number the batch's number
    error MessagesUnsupported(uint64 number);

    /// @notice The batch is not committed.
    /// @param number the batch's number
    /// @param lastCommitted the newest committed batch
    error NotCommitted(uint64 number, uint64 lastCommitted);

    /// @notice The batch is not proved.
    /// @param number the batch's number
    /// @param lastProved the newest proved batch
    error NotProved(uint64 number, uint64 lastProved);

    /// @notice The batch is proved, and a proved batch is never taken back.
    /// @param number the batch's number
    /// @param lastProved the newest proved batch
    error AlreadyProved(uint64 number, uint64 lastProved);

    /// @notice The proof is too young.
    /// @param number the batch's number
    /// @param finalAt the Ethereum block from which on it can be finalized
    error NotFinalYet(uint64 number, uint64 finalAt);

    /// @notice Nothing to do for the given number.
    /// @param number the batch's number
    error NothingToDo(uint64 number);

    /// @notice Commits one or more batches that follow the newest committed one. Committer only.
    /// @param batches public headers in order, at most `MAX_BATCHES_PER_COMMIT`
    function commit(BatchCommitment[] calldata batches) external;

    /// @notice Proves the batches that follow the newest proved one, up to `last`. Anyone who has a
    /// proof: the proof speaks for itself.
    /// @param first must be `lastProved() + 1`
    /// @param last the last batch of the proof, committed, at most `MAX_BATCHES_PER_PROOF` in all
    /// @param verifierVersion version in the router
    /// @param proof what the verifier of that version takes
    function prove(uint64 first, uint64 last, uint32 verifierVersion, bytes calldata proof) external;

    /// @notice Makes proved batches final whose proof is old enough. Anyone.
    /// @param last the last batch to finalize
    function finalize(uint64 last) external;

    /// @notice Takes back committed batches that are not proved, newest first, while paused.
    /// Guardian only.
    /// @param lastKept the newest batch that stays, at most `MAX_BATCHES_PER_REVERT` below the
    /// newest committed one
    function revertBatches(uint64 lastKept) external;

    /// @notice Stops commits, proofs and finalization. Guardian only.
    function pause() external;

    /// @notice Ends a pause. Guardian or admin.
    function unpause() external;

    /// @notice What the contract holds about a batch; all zero with state `None` when it is unknown.
    /// @param number the batch's number
    function anchor(uint64 number) external view returns (Anchor memory);

    /// @notice Id of the private chain.
    function chainId() external view returns (uint64);

    /// @notice Newest committed batch; 0 is genesis.
    function lastCommitted() external view returns (uint64);

    /// @notice Newest proved batch; 0 is genesis.
    function lastProved() external view returns (uint64);

    /// @notice Newest finalized batch; 0 is genesis.
    function lastFinalized() external view returns (uint64);

    /// @notice The verifiers.
    function router() external view returns (address);

    /// @notice Ethereum blocks between a proof and finality.
    function finalityBlocks() external view returns (uint32);
}
