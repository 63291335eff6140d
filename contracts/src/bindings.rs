//! Bindings, generated from the escrow's artifact and from what is used of Circle's FiatToken.

// Generated items carry the NatSpec of the contract where there is any.
#![allow(missing_docs, clippy::too_many_arguments)]

use alloy::sol;

sol!(
    #[sol(rpc, extra_derives(Debug, PartialEq, Eq))]
    SwarmEscrow,
    "artifacts/SwarmEscrow.json"
);

sol! {
    /// USDC: ERC-20, EIP-2612, EIP-3009 and the roles that matter to us. The deployed contract is
    /// Circle's FiatTokenV2_2 behind its proxy.
    #[sol(rpc, extra_derives(Debug, PartialEq, Eq))]
    contract Usdc {
        event Transfer(address indexed from, address indexed to, uint256 value);
        event Approval(address indexed owner, address indexed spender, uint256 value);
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);

        function name() external view returns (string);
        function symbol() external view returns (string);
        function version() external view returns (string);
        function decimals() external view returns (uint8);
        function totalSupply() external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function transfer(address to, uint256 value) external returns (bool);
        function transferFrom(address from, address to, uint256 value) external returns (bool);
        function approve(address spender, uint256 value) external returns (bool);
        function nonces(address owner) external view returns (uint256);
        function DOMAIN_SEPARATOR() external view returns (bytes32);
        function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature) external;
        function cancelAuthorization(address authorizer, bytes32 nonce, bytes signature) external;
        function isBlacklisted(address account) external view returns (bool);
        function paused() external view returns (bool);

        // Circle's own roles and the proxy's set-up: on a development chain they are ours.
        function initialize(string tokenName, string tokenSymbol, string tokenCurrency, uint8 tokenDecimals, address newMasterMinter, address newPauser, address newBlacklister, address newOwner) external;
        function initializeV2(string newName) external;
        function initializeV2_1(address lostAndFound) external;
        function initializeV2_2(address[] accountsToBlacklist, string newSymbol) external;
        function configureMinter(address minter, uint256 minterAllowedAmount) external returns (bool);
        function mint(address to, uint256 amount) external returns (bool);
        function pause() external;
        function unpause() external;
        function blacklist(address account) external;
        function unBlacklist(address account) external;
        function upgradeTo(address newImplementation) external;
        function changeAdmin(address newAdmin) external;
    }

    /// What a payer signs for `transferWithAuthorization` (x402's `exact`), in the token's domain.
    #[derive(Debug, PartialEq, Eq)]
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// What a payer signs for `depositWithAuthorization`; `to` is the escrow.
    #[derive(Debug, PartialEq, Eq)]
    struct ReceiveWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// What a payer signs for `depositWithPermit`; `spender` is the escrow.
    #[derive(Debug, PartialEq, Eq)]
    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }

    /// What the settlers sign to book USDC that came without a deposit, in the escrow's domain.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditTransfer {
        address from;
        bytes32 nonce;
        uint64 amount;
    }
}
