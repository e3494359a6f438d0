// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Rollup} from "../../src/Rollup.sol";
import {VerifierRouter} from "../../src/VerifierRouter.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {IVerifierRouter} from "../../src/interfaces/IVerifierRouter.sol";
import {WrapVerifier} from "../../src/wrap/WrapVerifier.sol";
import {Meter} from "./Meter.sol";
import {WrapFixture} from "./WrapFixture.sol";

/// @title What proving a real batch costs: three transactions, each under the limit
/// @dev Writes snapshots/Wrap.json; `FORGE_SNAPSHOT_CHECK=true forge test` compares instead. The
/// proof is of the golden batch, made by `crates/wrap` (see tests/it/evm.rs).
contract WrapGasTest is WrapFixture {
    /// @dev EIP-7825.
    uint256 private constant TRANSACTION_GAS = 16_777_216;
    /// @dev Most for the whole proof, Rollup and router included.
    uint256 private constant LIMIT = 40_000_000;

    Rollup private rollup;
    uint256 private total;

    function test_gas_of_a_real_batch() external {
        install();
        bytes memory data = read("real.head");
        vm.prank(SUBMITTER);
        bytes memory context = verifier.begin(address(rollup), batchHashes, data);
        measured("begin: commitments, constraints");
        data = read("real.queries0");
        vm.prank(SUBMITTER);
        verifier.check(address(rollup), context, 0, 17, data);
        measured("check: 17 queries");
        data = abi.encode("", context, 17, 16, read("real.queries1"));
        vm.prank(SUBMITTER);
        rollup.prove(1, 1, 1, data);
        measured("prove: 16 queries, router, Rollup");
        yes(rollup.anchor(1).state == IRollup.BatchState.Proved, "proved");
        yes(total < LIMIT, "all of it under the limit");
    }

    /// @dev The same proof step by step: where the gas goes.
    function test_gas_of_each_part() external {
        Meter meter = new Meter(realParts(read("real.image")));
        bytes memory data = read("real.head");
        (bytes memory context, uint256[5] memory ofHead) = meter.head(read("real.public"), data);
        uint256 call = calldataGas(data);
        uint256[4] memory ofQueries;
        for (uint256 range = 0; range < 2; ++range) {
            data = read(range == 0 ? "real.queries0" : "real.queries1");
            uint256 count = 17 - range;
            uint256[4] memory gas = meter.queries(context, 17 * range, count, data);
            call += calldataGas(data);
            for (uint256 i = 0; i < 4; ++i) {
                ofQueries[i] += gas[i];
            }
        }
        part("image, constants", ofHead[0]);
        part("commitments, challenges", ofHead[1]);
        part("openings read", ofHead[2]);
        part("openings combined", ofHead[3]);
        part("constraints, quotient", ofHead[4]);
        part("powers, inverses", ofQueries[0]);
        part("rows", ofQueries[1]);
        part("folds", ofQueries[2]);
        part("trees", ofQueries[3]);
        part("calldata", call);
        yes(total > LIMIT * 9 / 10, "no large part is left out");
    }

    function part(string memory name, uint256 gas) private {
        vm.snapshotValue("Wrap", string.concat("part: ", name), gas);
        total += gas;
    }

    /// @dev EIP-2028: 4 for a byte that is zero, 16 for another.
    function calldataGas(bytes memory data) private pure returns (uint256 gas) {
        for (uint256 i = 0; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
    }

    /// @dev A chain with the golden batch committed, and the released verifier.
    function install() private {
        string memory vectors = vm.readFile("../tests/vectors/chain.json");
        VerifierRouter router =
            new VerifierRouter(address(this), address(0), new IVerifierRouter.Pinned[](0));
        bytes memory image = read("real.image");
        verifier = new WrapVerifier(address(router), realParts(image), keccak256(image));
        yes(address(verifier).code.length <= CODE_BYTES, "the verifier fits in a contract");
        router.addVerifier(1, address(verifier), address(verifier).codehash);
        IRollup.Setup memory setup = IRollup.Setup({
            chainId: uint64(vm.parseJsonUint(vectors, ".chain_id")),
            genesisStateRoot: vm.parseJsonBytes32(vectors, ".genesis.state_root"),
            genesisBatchHash: vm.parseJsonBytes32(vectors, ".genesis.hash"),
            router: address(router),
            admin: address(this),
            guardian: address(this),
            committer: address(this),
            finalityBlocks: 64
        });
        bytes memory call = abi.encodeCall(Rollup.initialize, (setup));
        rollup = Rollup(address(new ERC1967Proxy(address(new Rollup()), call)));
        batchHashes.push(bytes32(read("real.public")));
        IRollup.BatchCommitment[] memory batches = new IRollup.BatchCommitment[](1);
        batches[0].number = 1;
        batches[0].batchHash = batchHashes[0];
        batches[0].stateRoot = vm.parseJsonBytes32(vectors, ".batch.state_root");
        batches[0].privateDigest = vm.parseJsonBytes32(vectors, ".batch.private_digest");
        rollup.commit(batches);
    }

    function measured(string memory name) private {
        uint256 gas = vm.snapshotGasLastCall("Wrap", name);
        yes(gas < TRANSACTION_GAS, "fits in one transaction");
        total += gas;
    }
}
