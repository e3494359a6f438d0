// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {VerifierRouter} from "../../src/VerifierRouter.sol";
import {IVerifier} from "../../src/interfaces/IVerifier.sol";
import {IVerifierRouter} from "../../src/interfaces/IVerifierRouter.sol";
import {WrapVerifier} from "../../src/wrap/WrapVerifier.sol";
import {WrapFixture} from "./WrapFixture.sol";

/// @title Proofs brought whole or in parts
contract WrapSessionTest is WrapFixture {
    bytes private context;

    function setUp() external {
        deploy();
        vm.prank(SUBMITTER);
        context = verifier.begin(CONSUMER, batchHashes, head);
    }

    function test_accepts_a_whole_proof() external {
        accepts(abi.encode(head, "", 0, QUERIES, queries));
    }

    function test_accepts_a_session_completed_by_the_router() external {
        checks(0);
        checks(2);
        checks(1);
        accepts(abi.encode("", context, 3, 1, query(3)));
        (bool begun, uint256 checked) = verifier.session(CONSUMER, SUBMITTER, keccak256(context));
        yes(!begun && checked == 0, "cleared");
    }

    function test_accepts_a_session_with_nothing_left_to_check() external {
        for (uint256 i = 0; i < QUERIES; ++i) {
            checks(i);
        }
        (bool begun, uint256 checked) = verifier.session(CONSUMER, SUBMITTER, keccak256(context));
        yes(begun && checked == 15, "all checked");
        accepts(abi.encode("", context, 0, 0, ""));
    }

    /// @dev The real router in between, which knows only that it is a verifier.
    function test_answers_the_routers_question() external {
        VerifierRouter router =
            new VerifierRouter(address(this), address(0), new IVerifierRouter.Pinned[](0));
        WrapVerifier behind = deployFor(address(router));
        router.addVerifier(1, address(behind), address(behind).codehash);
        vm.prank(SUBMITTER);
        behind.begin(CONSUMER, batchHashes, head);
        bytes memory proof = abi.encode("", context, 0, QUERIES, queries);
        vm.prank(CONSUMER);
        router.verify(1, SUBMITTER, batchHashes, proof);
        vm.prank(CONSUMER);
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.NoSession.selector));
        router.verify(1, SUBMITTER, batchHashes, proof);
        router.freezeVerifier(1);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.FrozenVerifier.selector, 1));
        router.verify(1, SUBMITTER, batchHashes, proof);
    }

    function test_refuses_a_session_twice() external {
        accepts(abi.encode("", context, 0, QUERIES, queries));
        refuses(
            SUBMITTER,
            abi.encode("", context, 0, QUERIES, queries),
            abi.encodeWithSelector(WrapVerifier.NoSession.selector)
        );
    }

    /// @dev SWR-5.
    function test_refuses_a_session_with_a_query_left() external {
        checks(0);
        checks(1);
        checks(2);
        refuses(
            SUBMITTER,
            abi.encode("", context, 0, 0, ""),
            abi.encodeWithSelector(WrapVerifier.Incomplete.selector, 7)
        );
        refuses(
            SUBMITTER,
            abi.encode("", context, 0, 1, query(0)),
            abi.encodeWithSelector(WrapVerifier.Incomplete.selector, 7)
        );
    }

    function test_refuses_a_whole_proof_with_a_query_left() external {
        refuses(
            SUBMITTER,
            abi.encode(head, "", 0, 1, query(0)),
            abi.encodeWithSelector(WrapVerifier.Incomplete.selector, 1)
        );
        refuses(
            SUBMITTER,
            abi.encode(head, "", 0, 0, ""),
            abi.encodeWithSelector(WrapVerifier.Incomplete.selector, 0)
        );
    }

    /// @dev SWR-5.
    function test_a_session_is_its_submitters() external {
        address other = address(0xbad);
        bytes memory proof = abi.encode("", context, 0, QUERIES, queries);
        refuses(other, proof, abi.encodeWithSelector(WrapVerifier.NoSession.selector));
        bytes memory single = query(0);
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.NoSession.selector));
        verifier.check(CONSUMER, context, 0, 1, single);
        // Nor another consumer's.
        vm.prank(ROUTER);
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.NoSession.selector));
        verifier.verify(other, SUBMITTER, batchHashes, proof);
    }

    function test_refuses_a_changed_context() external {
        for (uint256 i = 0; i < context.length; i += 31) {
            bytes memory changed = context;
            changed[i] ^= 0x01;
            refuses(
                SUBMITTER,
                abi.encode("", changed, 0, QUERIES, queries),
                abi.encodeWithSelector(WrapVerifier.NoSession.selector)
            );
        }
    }

    function test_refuses_another_statement() external {
        checks(0);
        bytes memory proof = abi.encode("", context, 0, QUERIES, queries);
        batchHashes[0] ^= bytes32(uint256(1));
        refuses(SUBMITTER, proof, abi.encodeWithSelector(WrapVerifier.BadContext.selector));
        batchHashes[0] ^= bytes32(uint256(1));
        batchHashes.push(batchHashes[0]);
        refuses(SUBMITTER, proof, abi.encodeWithSelector(WrapVerifier.BadContext.selector));
        batchHashes.pop();
        batchHashes.pop();
        refuses(SUBMITTER, proof, abi.encodeWithSelector(WrapVerifier.BadContext.selector));
    }

    function test_refuses_queries_that_there_are_not() external {
        uint256[2][5] memory ranges = [
            [uint256(4), 1],
            [uint256(0), 5],
            [uint256(3), 2],
            [uint256(0), 0],
            [uint256(1), type(uint256).max]
        ];
        for (uint256 i = 0; i < ranges.length; ++i) {
            vm.prank(SUBMITTER);
            vm.expectRevert(
                abi.encodeWithSelector(WrapVerifier.BadRange.selector, ranges[i][0], ranges[i][1])
            );
            verifier.check(CONSUMER, context, ranges[i][0], ranges[i][1], queries);
        }
    }

    function test_refuses_another_querys_rows() external {
        for (uint256 i = 1; i < QUERIES; ++i) {
            bytes memory rows = query(i);
            vm.prank(SUBMITTER);
            (bool good,) = address(verifier)
                .call(abi.encodeCall(verifier.check, (CONSUMER, context, 0, 1, rows)));
            yes(!good, "another query's rows");
        }
    }

    function test_only_the_router_asks() external {
        bytes memory proof = abi.encode(head, "", 0, QUERIES, queries);
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.NotRouter.selector, address(this)));
        verifier.verify(CONSUMER, SUBMITTER, batchHashes, proof);
    }

    function test_refuses_an_image_of_another_hash() external {
        bytes memory image = read("sample.image");
        address[] memory parts = new address[](1);
        parts[0] = store(image);
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.BadImage.selector));
        new WrapVerifier(ROUTER, parts, keccak256("another"));
        image[image.length - 1] ^= 0x01;
        parts[0] = store(image);
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.BadImage.selector));
        new WrapVerifier(ROUTER, parts, keccak256(read("sample.image")));
    }

    /// @dev Code that could be called could destroy itself on some chains.
    function test_refuses_an_image_whose_code_can_be_called() external {
        bytes memory image = read("sample.image");
        address[] memory parts = new address[](1);
        parts[0] = storeCode(bytes.concat(hex"60", image));
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.BadImage.selector));
        new WrapVerifier(ROUTER, parts, keccak256(image));
    }

    function test_names_the_program_and_the_machine() external view {
        uint256 program = 0;
        uint256 machine = 0;
        for (uint256 i = 0; i < 8; ++i) {
            program = (program << 32) | (1_000_000 + i);
            machine = (machine << 32) | (2_000_000_000 + i);
        }
        eq(verifier.programCommitment(), bytes32(program), "program");
        eq(verifier.machineCommitment(), bytes32(machine), "machine");
    }

    function checks(uint256 number) private {
        bytes memory single = query(number);
        vm.prank(SUBMITTER);
        verifier.check(CONSUMER, context, number, 1, single);
    }

    function accepts(bytes memory proof) private {
        vm.prank(ROUTER);
        bytes4 magic = verifier.verify(CONSUMER, SUBMITTER, batchHashes, proof);
        yes(magic == IVerifier.verify.selector, "accepted");
    }

    function refuses(address submitter, bytes memory proof, bytes memory reason) private {
        vm.prank(ROUTER);
        vm.expectRevert(reason);
        verifier.verify(CONSUMER, submitter, batchHashes, proof);
    }
}
