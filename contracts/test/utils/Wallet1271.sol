// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @dev A contract wallet: takes what its key signed.
contract Wallet1271 {
    address public key;

    constructor(address key_) {
        key = key_;
    }

    function setKey(address next) external {
        key = next;
    }

    function isValidSignature(bytes32 digest, bytes memory signature) external view returns (bytes4) {
        (address signer,,) = ECDSA.tryRecover(digest, signature);
        return signer == key ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}
