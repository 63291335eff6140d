// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Approval, Config, Entry, EpochSeal, JobOrder, Leaf, Receipt} from "../../src/Types.sol";
import {Assert} from "./Assert.sol";
import {IEscrow} from "./IEscrow.sol";
import {Tree} from "./Tree.sol";
import {IFiatToken, Usdc} from "./Usdc.sol";
import {vm} from "./Vm.sol";

/// @dev The escrow on the real token, with three settlers of whom two must sign, and an honest queen
/// that turns jobs into a sealed epoch.
abstract contract EscrowTest is Assert {
    bytes32 internal constant SEAL_TYPEHASH = keccak256(
        "EpochSeal(uint64 epoch,bytes32 previous,bytes32 receiptsRoot,uint64 receiptCount,bytes32 bundle,uint128 charged,bytes32 charges,bytes32 payouts,uint64 sealedAt)"
    );
    bytes32 internal constant ORDER_TYPEHASH =
        keccak256("JobOrder(address client,bytes32 model,bytes32 input,uint64 maxFee,uint64 nonce,uint64 deadline)");
    bytes32 internal constant CREDIT_TYPEHASH = keccak256("CreditTransfer(address from,bytes32 nonce,uint64 amount)");

    uint64 internal constant START = 1_800_000_000;
    uint64 internal constant WINDOW = 12 hours;
    uint64 internal constant EXIT_DELAY = 3 days;
    uint64 internal constant ROLE_DELAY = 7 days;
    uint64 internal constant TIMEOUT = 14 days;
    uint64 internal constant SEAL_AGE = 2 days;
    uint64 internal constant MAX_PAUSE = 3 days;
    uint64 internal constant CAP = 100e6;
    uint64 internal constant FEE = 100_000;

    IFiatToken internal usdc;
    IEscrow internal escrow;
    address internal owner = address(0x0111);
    address internal guardian = address(0x0222);
    address internal stranger = address(0x0333);
    /// Keys and addresses, ascending by address.
    uint256[] internal settlerKeys;
    address[] internal settlers;
    uint256[] internal clientKeys;
    address[] internal clients;
    address[] internal payees;
    uint64 internal nextNonce = 1;
    uint64 internal nextSeq = 1;

    /// An epoch before and after it is sealed. `leaves` are raw leaf data.
    struct Draft {
        bytes[] leaves;
        bytes[] orders;
        Entry[] charges;
        Entry[] payouts;
        EpochSeal seal;
    }

    function setUp() public virtual {
        vm.warp(START);
        usdc = Usdc.deploy(address(0xad317));
        (settlerKeys, settlers) = _keys(0x5e771e5, 3);
        (clientKeys, clients) = _keys(0xc11e27, 3);
        (, payees) = _keys(0x9a1ee5, 3);
        escrow = _deploy(_config());
        for (uint256 i; i < clients.length; ++i) {
            usdc.mint(clients[i], 1_000e6);
            vm.prank(clients[i]);
            usdc.approve(address(escrow), type(uint256).max);
        }
    }

    // --- the contract --------------------------------------------------------------------------------

    function _config() internal view returns (Config memory) {
        return Config({
            token: address(usdc),
            owner: owner,
            guardian: guardian,
            settlers: settlers,
            threshold: 2,
            defaultCap: CAP,
            window: WINDOW,
            exitDelay: EXIT_DELAY,
            roleDelay: ROLE_DELAY,
            settlementTimeout: TIMEOUT,
            maxSealAge: SEAL_AGE,
            maxPause: MAX_PAUSE
        });
    }

    /// Creates the escrow; passes on what its constructor reverts with.
    function _deploy(Config memory config) internal returns (IEscrow made) {
        bytes memory code = abi.encodePacked(vm.getCode("SwarmEscrow.sol:SwarmEscrow"), abi.encode(config));
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
            if iszero(made) {
                returndatacopy(code, 0, returndatasize())
                revert(code, returndatasize())
            }
        }
    }

    function _deposit(uint256 client, uint64 amount) internal {
        vm.prank(clients[client]);
        escrow.deposit(amount);
    }

    // --- orders and receipts -------------------------------------------------------------------------

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", escrow.domainSeparator(), structHash));
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _newOrder(address client) internal returns (JobOrder memory) {
        return JobOrder({
            client: client,
            model: keccak256("model"),
            input: keccak256("input"),
            maxFee: 2 * FEE,
            nonce: nextNonce++,
            deadline: uint64(block.timestamp) + 1 days
        });
    }

    function _signOrder(uint256 key, JobOrder memory order) internal view returns (bytes memory) {
        bytes32 digest = _digest(keccak256(abi.encode(ORDER_TYPEHASH, order)));
        return abi.encodePacked(abi.encode(order), _sign(key, digest));
    }

    function _newReceipt(JobOrder memory order, bytes memory preimage, uint64 fee, uint64 total)
        internal
        returns (Receipt memory)
    {
        return Receipt({
            jobEpoch: escrow.lastEpoch() + 1,
            jobSeq: nextSeq++,
            client: order.client,
            worker: address(0xbee),
            order: sha256(preimage),
            model: order.model,
            input: order.input,
            result: keccak256("result"),
            execution: keccak256("execution"),
            power: keccak256("power"),
            fee: fee,
            clientTotal: total,
            startedAt: uint64(block.timestamp) - 60,
            completedAt: uint64(block.timestamp) - 1,
            energyMillijoules: type(uint64).max
        });
    }

    // --- an honest epoch -----------------------------------------------------------------------------

    /// An epoch with `jobs[i]` jobs at FEE for client i, and all of it paid to `to`.
    function _draft(uint256[] memory jobs, address to) internal returns (Draft memory d) {
        uint256 count;
        uint256 charged;
        for (uint256 i; i < jobs.length; ++i) {
            count += jobs[i];
            if (jobs[i] != 0) ++charged;
        }
        d.leaves = new bytes[](count);
        d.orders = new bytes[](count);
        d.charges = new Entry[](charged);
        (count, charged) = (0, 0);
        uint256 sum;
        for (uint256 i; i < jobs.length; ++i) {
            uint64 total;
            for (uint256 j; j < jobs[i]; ++j) {
                JobOrder memory order = _newOrder(clients[i]);
                bytes memory preimage = _signOrder(clientKeys[i], order);
                total += FEE;
                d.orders[count] = preimage;
                d.leaves[count++] = abi.encode(_newReceipt(order, preimage, FEE, total));
            }
            if (total != 0) d.charges[charged++] = Entry(clients[i], total);
            sum += total;
        }
        if (sum != 0) {
            d.payouts = new Entry[](1);
            d.payouts[0] = Entry(to, uint96(sum));
        }
        _seal(d);
    }

    /// Fills the seal from what the draft says now.
    function _seal(Draft memory d) internal view {
        bytes32[] memory hashes = _hashes(d);
        uint256 sum;
        for (uint256 i; i < d.charges.length; ++i) {
            sum += d.charges[i].amount;
        }
        uint64 last = escrow.lastEpoch();
        d.seal = EpochSeal({
            epoch: last + 1,
            previous: escrow.epochs(last).sealHash,
            receiptsRoot: Tree.root(hashes),
            receiptCount: uint64(hashes.length),
            bundle: keccak256("bundle"),
            charged: uint128(sum),
            charges: keccak256(abi.encode(d.charges)),
            payouts: keccak256(abi.encode(d.payouts)),
            sealedAt: uint64(block.timestamp)
        });
    }

    function _hashes(Draft memory d) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](d.leaves.length);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = sha256(abi.encodePacked(bytes1(0), d.leaves[i]));
        }
    }

    function _leaf(Draft memory d, uint256 index) internal pure returns (Leaf memory) {
        return Leaf({index: uint64(index), data: d.leaves[index], path: Tree.path(_hashes(d), index)});
    }

    function _receiptOf(Draft memory d, uint256 index) internal pure returns (Receipt memory) {
        return abi.decode(d.leaves[index], (Receipt));
    }

    function _none() internal pure returns (Leaf memory leaf) {}

    // --- signing and settling ------------------------------------------------------------------------

    function _sealHash(EpochSeal memory seal) internal pure returns (bytes32) {
        return keccak256(abi.encode(SEAL_TYPEHASH, seal));
    }

    function _approvals(bytes32 structHash) internal view returns (Approval[] memory approvals) {
        bytes32 digest = _digest(structHash);
        approvals = new Approval[](2);
        for (uint256 i; i < 2; ++i) {
            approvals[i] = Approval(settlers[i], _sign(settlerKeys[i], digest));
        }
    }

    function _settle(Draft memory d) internal {
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        vm.prank(stranger);
        escrow.settle(d.seal, d.charges, d.payouts, approvals);
    }

    function _settleReverts(Draft memory d, bytes memory why) internal {
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        vm.expectRevert(why);
        escrow.settle(d.seal, d.charges, d.payouts, approvals);
    }

    /// Settles an epoch with these numbers of jobs, paid to the first payee.
    function _settleJobs(uint256 a, uint256 b, uint256 c) internal returns (Draft memory d) {
        d = _draft(_counts(a, b, c), payees[0]);
        _settle(d);
    }

    function _counts(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory jobs) {
        jobs = new uint256[](3);
        (jobs[0], jobs[1], jobs[2]) = (a, b, c);
    }

    function _closeWindow() internal {
        vm.warp(block.timestamp + WINDOW);
    }

    function _solvent() internal view {
        assertLe(escrow.liabilities(), usdc.balanceOf(address(escrow)), "liabilities against USDC held");
    }

    function _keys(uint256 seed, uint256 count) internal pure returns (uint256[] memory keys, address[] memory addrs) {
        keys = new uint256[](count);
        addrs = new address[](count);
        for (uint256 i; i < count; ++i) {
            uint256 key = uint256(keccak256(abi.encode(seed, i)));
            uint256 place = i;
            for (; place != 0 && vm.addr(keys[place - 1]) > vm.addr(key); --place) {
                keys[place] = keys[place - 1];
            }
            keys[place] = key;
        }
        for (uint256 i; i < count; ++i) {
            addrs[i] = vm.addr(keys[i]);
        }
    }
}
