// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The protocol's structures once more, written from its text and not from the escrow's sources:
/// what Solidity makes of bytes that Rust encoded.
contract Equal {
    struct JobOrder {
        address client;
        bytes32 model;
        bytes32 input;
        uint64 maxFee;
        uint64 nonce;
        uint64 deadline;
    }

    struct Execution {
        uint64 jobEpoch;
        uint64 jobSeq;
        bytes32 order;
        bytes32 model;
        bytes32 input;
        bytes32 result;
        bytes32 engine;
        bytes32 device;
        uint64 startedAt;
        uint64 completedAt;
        uint64 energyMillijoules;
        bytes32 power;
    }

    struct EpochSeal {
        uint64 epoch;
        bytes32 previous;
        bytes32 receiptsRoot;
        uint64 receiptCount;
        bytes32 bundle;
        uint128 charged;
        bytes32 charges;
        bytes32 payouts;
        uint64 sealedAt;
    }

    struct Receipt {
        uint64 jobEpoch;
        uint64 jobSeq;
        address client;
        address worker;
        bytes32 order;
        bytes32 model;
        bytes32 input;
        bytes32 result;
        bytes32 execution;
        bytes32 power;
        uint64 fee;
        uint64 clientTotal;
        uint64 startedAt;
        uint64 completedAt;
        uint64 energyMillijoules;
    }

    struct Entry {
        address account;
        uint96 amount;
    }

    bytes32 private immutable separator;

    constructor(address escrow) {
        separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("SwarmEscrow"),
                keccak256("1"),
                block.chainid,
                escrow
            )
        );
    }

    function domain() external view returns (bytes32) {
        return separator;
    }

    function jobOrder(bytes calldata data) external view returns (bytes32, bytes32) {
        JobOrder memory o = abi.decode(data, (JobOrder));
        bytes32 kind = keccak256(
            "JobOrder(address client,bytes32 model,bytes32 input,uint64 maxFee,uint64 nonce,uint64 deadline)"
        );
        return _hashes(abi.encode(kind, o.client, o.model, o.input, o.maxFee, o.nonce, o.deadline));
    }

    function execution(bytes calldata data) external view returns (bytes32, bytes32) {
        Execution memory e = abi.decode(data, (Execution));
        bytes32 kind = keccak256(
            "Execution(uint64 jobEpoch,uint64 jobSeq,bytes32 order,bytes32 model,bytes32 input,bytes32 result,bytes32 engine,bytes32 device,uint64 startedAt,uint64 completedAt,uint64 energyMillijoules,bytes32 power)"
        );
        return _hashes(abi.encode(kind, e));
    }

    function epochSeal(bytes calldata data) external view returns (bytes32, bytes32) {
        EpochSeal memory s = abi.decode(data, (EpochSeal));
        bytes32 kind = keccak256(
            "EpochSeal(uint64 epoch,bytes32 previous,bytes32 receiptsRoot,uint64 receiptCount,bytes32 bundle,uint128 charged,bytes32 charges,bytes32 payouts,uint64 sealedAt)"
        );
        return _hashes(abi.encode(kind, s));
    }

    function leaf(bytes calldata data) external pure returns (bytes32) {
        Receipt memory r = abi.decode(data, (Receipt));
        return sha256(abi.encodePacked(bytes1(0x00), abi.encode(r)));
    }

    function commitment(bytes calldata data, bytes calldata signature) external pure returns (bytes32) {
        JobOrder memory o = abi.decode(data, (JobOrder));
        return sha256(bytes.concat(abi.encode(o), signature));
    }

    function vector(bytes calldata data) external pure returns (bytes32) {
        Entry[] memory entries = abi.decode(data, (Entry[]));
        return keccak256(abi.encode(entries));
    }

    function signer(bytes32 digest, bytes calldata signature) external pure returns (address) {
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        return ecrecover(digest, uint8(signature[64]), r, s);
    }

    function _hashes(bytes memory encoded) private view returns (bytes32 structHash, bytes32 digest) {
        structHash = keccak256(encoded);
        digest = keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }
}
