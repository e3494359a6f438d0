// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {WrapVerifier} from "../../src/wrap/WrapVerifier.sol";
import {WrapFixture} from "./WrapFixture.sol";

/// @notice Creation code that leaves whatever its creator says, and that may vanish at the end of
/// the transaction (EIP-6780): then the same code can leave something else at the same address.
contract Chameleon {
    constructor() {
        (bytes memory data, address bomb) = Creator(msg.sender).payload();
        if (bomb != address(0)) {
            (bool gone,) = bomb.delegatecall("");
            require(gone);
        }
        assembly ("memory-safe") {
            return(add(data, 32), mload(data))
        }
    }
}

/// @notice Deploys a verifier over a data contract that vanishes, and puts another one there.
contract Creator {
    bytes private _data;
    address private _bomb;
    WrapVerifier public verifier;
    address public part;

    constructor() {
        // Leaves the code CALLER SELFDESTRUCT.
        bytes memory code = hex"6133ff5f526002601ef3";
        address bomb;
        assembly ("memory-safe") {
            bomb := create(0, add(code, 32), mload(code))
        }
        _bomb = bomb;
    }

    function payload() external view returns (bytes memory, address) {
        return (_data, _bomb);
    }

    function deploy(address router, bytes calldata image) external {
        _data = abi.encodePacked(hex"00", image);
        address[] memory parts = new address[](1);
        parts[0] = address(new Chameleon{salt: 0}());
        part = parts[0];
        verifier = new WrapVerifier(router, parts, keccak256(image));
    }

    function change(bytes calldata image) external {
        _data = abi.encodePacked(hex"00", image);
        _bomb = address(0);
        require(address(new Chameleon{salt: 0}()) == part);
    }
}

/// @title Whoever deploys an image cannot change it later (SWR-6)
/// forge-config: default.isolate = true
contract WrapSwapTest is WrapFixture {
    Creator private creator;
    bytes private image;

    function setUp() external {
        deploy();
        creator = new Creator();
        image = read("sample.image");
        creator.deploy(ROUTER, image);
        verifier = creator.verifier();
        yes(creator.part().code.length == 0, "the data contract has not vanished");
    }

    function test_refuses_an_image_that_is_gone() external {
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.BadImage.selector));
        verifier.begin(CONSUMER, batchHashes, head);
    }

    function test_refuses_a_changed_image() external {
        image[image.length - 1] ^= 0x01;
        creator.change(image);
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.BadImage.selector));
        verifier.begin(CONSUMER, batchHashes, head);
    }

    function test_refuses_a_header_that_changes_during_a_session() external {
        creator.change(image);
        bytes memory context = verifier.begin(CONSUMER, batchHashes, head);
        // One query instead of four.
        image[32 * 4 + 31] = 0x01;
        vm.etch(creator.part(), abi.encodePacked(hex"00", image));
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.BadImage.selector));
        verifier.check(CONSUMER, context, 0, 1, query(0));
        vm.prank(ROUTER);
        vm.expectRevert(abi.encodeWithSelector(WrapVerifier.BadImage.selector));
        verifier.verify(
            CONSUMER, address(this), batchHashes, abi.encode("", context, 0, 1, query(0))
        );
    }
}
