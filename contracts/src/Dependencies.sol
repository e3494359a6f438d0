// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

// Contracts of OpenZeppelin that an installation deploys as they are. Imported here so that forge
// builds them with this project's compiler and settings, and their artefacts are committed.

// solhint-disable no-unused-import
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
