// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {Config} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {IEscrow} from "./utils/IEscrow.sol";
import {vm} from "./utils/Vm.sol";

contract ConstructorTest is EscrowTest {
    function tryDeploy(Config calldata config) external returns (IEscrow) {
        return _deploy(config);
    }

    function _refused(Config memory config, string memory rule) private {
        try this.tryDeploy(config) {
            revert(rule);
        } catch (bytes memory why) {
            bytes memory expected = abi.encodeWithSelector(ISwarmEscrow.BadConfig.selector, rule);
            assertEq(keccak256(why), keccak256(expected), rule);
        }
    }

    function _refusedWith(Config memory config, bytes memory expected) private {
        try this.tryDeploy(config) {
            revert("deployed");
        } catch (bytes memory why) {
            assertEq(keccak256(why), keccak256(expected), "error");
        }
    }

    function test_what_it_says_of_itself() public view {
        assertEq(escrow.token(), address(usdc), "token");
        assertEq(escrow.owner(), owner, "owner");
        assertEq(escrow.guardian(), guardian, "guardian");
        assertEq(escrow.threshold(), 2, "threshold");
        assertEq(escrow.settlers().length, 3, "settlers");
        assertEq(escrow.defaultCap(), CAP, "defaultCap");
        assertEq(escrow.window(), WINDOW, "window");
        assertEq(escrow.exitDelay(), EXIT_DELAY, "exitDelay");
        assertEq(escrow.roleDelay(), ROLE_DELAY, "roleDelay");
        assertEq(escrow.settlementTimeout(), TIMEOUT, "settlementTimeout");
        assertEq(escrow.maxSealAge(), SEAL_AGE, "maxSealAge");
        assertEq(escrow.maxPause(), MAX_PAUSE, "maxPause");
        assertEq(escrow.lastEpoch(), 0, "lastEpoch");
        assertEq(escrow.liabilities(), 0, "liabilities");
        assertEq(escrow.pausedUntil(), 0, "pausedUntil");
        assertTrue(!escrow.stopped(), "stopped");
    }

    function test_each_rule_at_its_edge() public {
        Config memory c = _config();
        c.token = stranger;
        _refused(c, "token is a contract");
        c = _config();
        c.window = 0;
        _refused(c, "window > 0");
        c = _config();
        c.maxSealAge = 0;
        _refused(c, "maxSealAge > 0");
        c = _config();
        c.maxPause = 0;
        _refused(c, "maxPause > 0");
        c = _config();
        c.window = c.exitDelay;
        _refused(c, "window < exitDelay");
        c = _config();
        c.maxSealAge = c.exitDelay;
        _refused(c, "maxSealAge < exitDelay");
        c = _config();
        c.exitDelay = c.roleDelay;
        _refused(c, "exitDelay < roleDelay");
        c = _config();
        c.settlementTimeout = c.roleDelay;
        _refused(c, "roleDelay < settlementTimeout");
        c = _config();
        c.maxPause = c.settlementTimeout;
        _refused(c, "maxPause < settlementTimeout");
        c = _config();
        c.settlementTimeout = 365 days + 1;
        _refused(c, "settlementTimeout <= 365 days");
    }

    function test_the_tightest_config_that_is_allowed() public {
        Config memory c = _config();
        (c.window, c.maxSealAge, c.exitDelay, c.roleDelay) = (1, 1, 2, 3);
        (c.maxPause, c.settlementTimeout, c.defaultCap) = (3, 4, 0);
        assertEq(_deploy(c).settlementTimeout(), 4, "deployed");
        c = _config();
        (c.settlementTimeout, c.maxPause) = (365 days, 365 days - 1);
        assertEq(_deploy(c).settlementTimeout(), 365 days, "deployed");
    }

    function test_roles() public {
        Config memory c = _config();
        c.owner = address(0);
        _refusedWith(c, abi.encodeWithSelector(IEscrow.NullRole.selector, 0));
        c = _config();
        c.guardian = address(0);
        _refusedWith(c, abi.encodeWithSelector(IEscrow.NullRole.selector, 1));
        c = _config();
        c.guardian = settlers[1];
        _refusedWith(c, abi.encodeWithSelector(IEscrow.GuardianIsSettler.selector, settlers[1]));
        c = _config();
        c.threshold = 4;
        _refusedWith(c, abi.encodeWithSelector(IEscrow.BadThreshold.selector, 4, 3));
        c = _config();
        c.threshold = 0;
        _refusedWith(c, abi.encodeWithSelector(IEscrow.BadThreshold.selector, 0, 3));
        c = _config();
        (c.settlers[0], c.settlers[1]) = (c.settlers[1], c.settlers[0]);
        _refusedWith(c, abi.encodeWithSelector(IEscrow.SettlersNotAscending.selector, c.settlers[1]));
    }

    function test_it_takes_no_ether() public {
        (bool sent,) = address(escrow).call{value: 0}("");
        assertTrue(!sent, "no fallback");
    }

    function test_the_runtime_code_fits() public view {
        assertLe(address(escrow).code.length, 24_575, "EIP-170");
    }
}
