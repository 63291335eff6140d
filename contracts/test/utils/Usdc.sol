// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";
import {IUsdc} from "../../src/IUsdc.sol";

/// @dev Circle's FiatTokenV2_2 behind its proxy, as compiled by Circle, from the npm package.
interface IFiatToken is IUsdc {
    function initialize(
        string calldata name,
        string calldata symbol,
        string calldata currency,
        uint8 decimals,
        address masterMinter,
        address pauser,
        address blacklister,
        address owner
    ) external;
    function initializeV2(string calldata name) external;
    function initializeV2_1(address lostAndFound) external;
    function initializeV2_2(address[] calldata blacklisted, string calldata symbol) external;
    function changeAdmin(address admin) external;
    function configureMinter(address minter, uint256 allowance) external returns (bool);
    function mint(address to, uint256 amount) external returns (bool);
    function pause() external;
    function unpause() external;
    function blacklist(address account) external;
    function unBlacklist(address account) external;
    function nonces(address owner) external view returns (uint256);
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    function decimals() external view returns (uint8);
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) external;
}

library Usdc {
    bytes32 internal constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 internal constant TRANSFER_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 internal constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    /// Deploys it; the caller is minter, pauser, blacklister and owner. The proxy's admin is `admin`.
    function deploy(address admin) internal returns (IFiatToken token) {
        address checker = _create(vm.parseBytes(_code("SignatureChecker")));
        // Where the artifact's linkReferences say that the library's address goes.
        bytes memory text = bytes(_code("FiatTokenV2_2"));
        bytes memory digits = bytes(vm.toString(checker));
        for (uint256 i; i < 40; ++i) {
            text[2 + 2 * 18494 + i] = digits[2 + i];
            text[2 + 2 * 20209 + i] = digits[2 + i];
        }
        address implementation = _create(vm.parseBytes(string(text)));
        bytes memory proxy = vm.parseBytes(_code("FiatTokenProxy"));
        token = IFiatToken(_create(abi.encodePacked(proxy, abi.encode(implementation))));
        token.changeAdmin(admin);
        token.initialize("USDC", "USDC", "USD", 6, address(this), address(this), address(this), address(this));
        token.initializeV2("USDC");
        token.initializeV2_1(address(0xdead));
        token.initializeV2_2(new address[](0), "USDC");
        token.configureMinter(address(this), type(uint256).max);
    }

    function digest(IFiatToken token, bytes memory encoded) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), keccak256(encoded)));
    }

    function _code(string memory artifact) private view returns (string memory) {
        // forge.sh puts them there.
        return vm.parseJsonString(vm.readFile(string.concat("cache/usdc/", artifact, ".json")), ".bytecode");
    }

    function _create(bytes memory code) private returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        require(made != address(0), "create failed");
    }
}
