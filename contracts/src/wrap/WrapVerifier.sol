// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IVerifier} from "../interfaces/IVerifier.sol";
import {Circuit} from "./Circuit.sol";
import {Context} from "./Context.sol";
import {Head} from "./Head.sol";
import {Queries} from "./Queries.sol";

/// @title Checks wraps: that the program ran to its end and put out these batch hashes
/// @notice One deployed contract for one circuit, program and machine, all pinned by the image's
/// hash. A proof that is too large for one transaction is brought in any number of parts:
///
/// ```text
///  begin(head) ──► the session knows the hash of what queries are checked against (context)
///  check(context, queries) × n, in any order ──► the session knows which queries hold
///  verify(context, the remaining queries), by the router ──► session cleared, or all reverts
/// ```
///
/// A session belongs to one consumer, one submitter and one context, which fixes all that the
/// proof's challenges depend on: nobody else can touch it. A part that does not hold reverts and
/// changes nothing. Nothing is accepted before every query has been checked.
contract WrapVerifier is IVerifier {
    /// @dev Marks a session whose head holds. The bits below are queries that hold.
    uint256 private constant BEGUN = 1 << 255;
    /// @dev More would not fit below that mark.
    uint256 private constant MAX_QUERIES = 255;
    /// @dev Most values that a round folds into one, as a power of two ({Queries}).
    uint256 private constant MAX_LOG_ARITY = 3;

    /// @notice The only account that may ask.
    address public immutable router;
    /// @notice Hash of the circuit's image.
    bytes32 public immutable imageHash;
    /// @inheritdoc IVerifier
    bytes32 public immutable programCommitment;
    /// @notice Commitment to the machine that ran the program.
    bytes32 public immutable machineCommitment;
    /// @dev Hash of the code of the first data contract, which holds the header.
    bytes32 private immutable _headerCode;
    /// @dev Words of the image's header, and the word that has a bit for each query.
    uint256 private immutable _headerWords;
    uint256 private immutable _allQueries;

    /// @dev The image's data contracts; set once.
    address[] private _parts;
    /// @dev What is known of each session.
    mapping(bytes32 id => uint256 progress) private _sessions;

    /// @notice A session began: a head was checked.
    event SessionBegun(address indexed consumer, address indexed submitter, bytes32 contextHash);

    /// @notice The image has another hash, or is not one that this contract knows to check.
    error BadImage();
    /// @notice Only the router may ask.
    error NotRouter(address caller);
    /// @notice No such session; it may have been completed.
    error NoSession();
    /// @notice The session's context is of another statement.
    error BadContext();
    /// @notice Queries that the circuit's proofs do not have.
    error BadRange(uint256 first, uint256 count);
    /// @notice Some queries have not been checked; those with a bit have.
    error Incomplete(uint256 progress);

    /// @param router_ the account that may ask: a `VerifierRouter`
    /// @param parts data contracts whose code, without its first byte, is the image
    /// @param hash the image's hash
    constructor(address router_, address[] memory parts, bytes32 hash) {
        for (uint256 i = 0; i < parts.length; ++i) {
            if (parts[i].code.length < 2 || parts[i].code[0] != 0) revert BadImage();
        }
        (uint256 image, bytes32 found) = Circuit.load(parts);
        uint256 queries = Circuit.number(image, Circuit.QUERIES);
        bool good = found == hash && router_ != address(0) && queries != 0 && queries <= MAX_QUERIES
            && parts[0].code.length > Circuit.headerWords(image) << 5 && _isWhole(image);
        for (uint256 fold = 0; fold < Circuit.number(image, Circuit.FOLDS); ++fold) {
            good = good && Circuit.logArity(image, fold) <= MAX_LOG_ARITY;
        }
        if (!good) revert BadImage();
        router = router_;
        imageHash = hash;
        programCommitment = bytes32(Circuit.number(image, Circuit.PROGRAM));
        machineCommitment = bytes32(Circuit.number(image, Circuit.MACHINE));
        _headerCode = parts[0].codehash;
        _headerWords = Circuit.headerWords(image);
        _allQueries = Circuit.size(queries) - 1;
        _parts = parts;
    }

    /// @notice Begins a session of the caller's by checking a proof's head. One that began before
    /// loses no queries.
    /// @return context what queries are checked against
    function begin(address consumer, bytes32[] calldata batchHashes, bytes calldata head)
        external
        returns (bytes memory context)
    {
        (, context) = _head(batchHashes, head);
        bytes32 contextHash = keccak256(context);
        _sessions[_id(consumer, msg.sender, contextHash)] |= BEGUN;
        emit SessionBegun(consumer, msg.sender, contextHash);
    }

    /// @notice Checks queries of a session of the caller's.
    /// @param first the first of them, in ascending order of positions
    function check(
        address consumer,
        bytes calldata context,
        uint256 first,
        uint256 count,
        bytes calldata queries
    ) external {
        bytes32 id = _id(consumer, msg.sender, keccak256(context));
        uint256 progress = _sessions[id];
        if (progress == 0) revert NoSession();
        uint256 image = _header();
        uint256 copy = Context.copy(image, context);
        _sessions[id] = progress | _queries(image, copy, first, count, queries);
    }

    /// @inheritdoc IVerifier
    /// @dev `proof` is the ABI encoding of (head, context, first, count, queries): a head and all
    /// queries, or no head and the context of the submitter's session with the queries that are
    /// still to check, which may be none.
    function verify(
        address consumer,
        address submitter,
        bytes32[] calldata batchHashes,
        bytes calldata proof
    ) external returns (bytes4) {
        if (msg.sender != router) revert NotRouter(msg.sender);
        Proof calldata parts;
        assembly ("memory-safe") {
            parts := proof.offset
        }
        uint256 progress = BEGUN;
        uint256 image;
        uint256 context;
        if (parts.head.length != 0) {
            (context,) = _head(batchHashes, parts.head);
            image = _header();
        } else {
            bytes32 id = _id(consumer, submitter, keccak256(parts.context));
            progress = _sessions[id];
            if (progress == 0) revert NoSession();
            delete _sessions[id];
            image = _header();
            context = Context.copy(image, parts.context);
            uint256 statement = uint256(keccak256(abi.encodePacked(batchHashes)));
            if (Context.get(context, Context.STATEMENT) != statement) revert BadContext();
        }
        if (parts.count != 0) {
            progress |= _queries(image, context, parts.first, parts.count, parts.queries);
        }
        if (progress != BEGUN | _allQueries) revert Incomplete(progress ^ BEGUN);
        return IVerifier.verify.selector;
    }

    /// @notice Which queries of a session have been checked, a bit for each; and whether it began.
    function session(address consumer, address submitter, bytes32 contextHash)
        external
        view
        returns (bool begun, uint256 checked)
    {
        uint256 progress = _sessions[_id(consumer, submitter, contextHash)];
        return (progress != 0, progress & ~BEGUN);
    }

    /// @dev What `verify` takes as proof.
    struct Proof {
        bytes head;
        bytes context;
        uint256 first;
        uint256 count;
        bytes queries;
    }

    function _id(address consumer, address submitter, bytes32 contextHash)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(consumer, submitter, contextHash));
    }

    /// @dev The image's header. What was deployed by whoever made it vanish in the same transaction
    /// may be something else by now, so its code is looked at each time.
    function _header() private view returns (uint256 image) {
        address first = _parts[0];
        if (first.codehash != _headerCode) revert BadImage();
        return Circuit.loadHeader(first, _headerWords);
    }

    /// @dev Whether every table is met by the folds and by the trees: one that is not would never
    /// be looked at.
    function _isWhole(uint256 image) private pure returns (bool) {
        uint256 blowup = Circuit.number(image, Circuit.LOG_BLOWUP);
        uint256 table = Circuit.number(image, Circuit.TABLES) - 1;
        uint256 levels = Circuit.number(image, Circuit.LEVELS);
        if (Circuit.logHeight(image, table) + blowup != levels) return false;
        if (Circuit.logHeight(image, 0) + blowup < Circuit.number(image, Circuit.LOG_CAP)) {
            return false;
        }
        for (uint256 fold = 0; fold < Circuit.number(image, Circuit.FOLDS); ++fold) {
            levels -= Circuit.logArity(image, fold);
            if (table != 0 && Circuit.logHeight(image, table - 1) + blowup == levels) --table;
        }
        return table == 0 && levels == Circuit.number(image, Circuit.LOG_FINAL) + blowup;
    }

    /// @dev Checks a head; the context as an address in memory and as bytes.
    function _head(bytes32[] calldata batchHashes, bytes calldata head)
        private
        view
        returns (uint256 pointer, bytes memory context)
    {
        (uint256 image, bytes32 found) = Circuit.load(_parts);
        if (found != imageHash) revert BadImage();
        pointer = Head.check(image, abi.encodePacked(batchHashes), head);
        uint256 size = Context.words(image) << 5;
        context = new bytes(size);
        assembly ("memory-safe") {
            mcopy(add(context, 32), pointer, size)
        }
    }

    /// @dev Checks queries; a bit for each.
    function _queries(
        uint256 image,
        uint256 context,
        uint256 first,
        uint256 count,
        bytes calldata queries
    ) private pure returns (uint256) {
        uint256 all = Circuit.number(image, Circuit.QUERIES);
        if (count == 0 || first >= all || count > all - first) revert BadRange(first, count);
        Queries.check(image, context, first, count, queries);
        return (Circuit.size(count) - 1) << first;
    }
}
