// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {VerifierRouter} from "../src/VerifierRouter.sol";
import {IVerifierRouter} from "../src/interfaces/IVerifierRouter.sol";
import {CredulousVerifier, HashVerifier} from "./mocks/Verifiers.sol";
import {Test} from "./utils/Test.sol";
import {Chameleon} from "./wrap/Swap.t.sol";

/// @notice An administrator who adds an honest verifier that vanishes with the transaction which made
/// it, and puts another one in its place.
contract Swapper {
    bytes private _code;
    address private _bomb;
    VerifierRouter public immutable router;
    address public verifier;

    constructor() {
        router = new VerifierRouter(address(this), address(0), new IVerifierRouter.Pinned[](0));
        // Leaves the code CALLER SELFDESTRUCT.
        bytes memory code = hex"6133ff5f526002601ef3";
        address bomb;
        assembly ("memory-safe") {
            bomb := create(0, add(code, 32), mload(code))
        }
        _bomb = bomb;
    }

    function payload() external view returns (bytes memory, address) {
        return (_code, _bomb);
    }

    function add() external {
        _code = type(HashVerifier).runtimeCode;
        verifier = address(new Chameleon{salt: 0}());
        router.addVerifier(1, verifier, verifier.codehash);
    }

    function change() external {
        _code = type(CredulousVerifier).runtimeCode;
        _bomb = address(0);
        require(address(new Chameleon{salt: 0}()) == verifier);
    }
}

/// @title A version is one piece of code for all time, whoever adds it (SET-6)
/// forge-config: default.isolate = true
contract RouterSwapTest is Test {
    function test_refuses_a_verifier_that_came_back_with_other_code() external {
        Swapper swapper = new Swapper();
        VerifierRouter router = swapper.router();
        swapper.add();
        bytes32 named = router.verifierOf(1).codeHash;
        address verifier = swapper.verifier();
        yes(verifier.code.length == 0, "the verifier has not vanished");
        swapper.change();
        bytes32[] memory hashes = new bytes32[](1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IVerifierRouter.UnexpectedCode.selector, verifier, named, verifier.codehash
            )
        );
        router.verify(1, address(this), hashes, "");
    }
}
