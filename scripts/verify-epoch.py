#!/usr/bin/env python3
"""Checks a published epoch against the chain, with nothing but Python's standard library.

    scripts/verify-epoch.py audit/epoch-001 http://127.0.0.1:8545

Reads only the bundle and the chain's RPC, shares no code with SwarmOS, and recomputes every hash, sum and
signature. What holds for one receipt is in verify-receipt.py beside it. Exit status 0: the bundle and the chain
agree. 1: it names the first thing that does not.
"""
import importlib, json, pathlib, sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
one = importlib.import_module("verify-receipt")
check, unhex, sha, keccak, words, signer, pick = one.check, one.unhex, one.sha, one.keccak, one.words, one.signer, one.pick
SEAL = ["uint64 epoch", "bytes32 previous", "bytes32 receiptsRoot", "uint64 receiptCount", "bytes32 bundle", "uint128 charged",
        "bytes32 charges", "bytes32 payouts", "uint64 sealedAt"]
vector = lambda amounts: keccak(words([32, len(amounts), *(v for pair in sorted(amounts.items()) for v in pair)]))
canonical = lambda value: json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def tree(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\x01" + tree(leaves[:k]) + tree(leaves[k:]))


def split(pool, weights):
    total = sum(weights.values())
    if not total:
        return None
    shares = {w: pool * weight // total for w, weight in weights.items() if weight}
    order = sorted(shares, key=lambda w: (-(pool * weights[w] % total), w))
    for worker in order[: pool - sum(shares.values())]:
        shares[worker] += 1
    return shares


# --- the bundle -----------------------------------------------------------------------------------
def bundle(folder):
    raw = lambda name: (folder / name).read_bytes()
    summary_bytes = raw("SUMMARY.json")
    summary = json.loads(summary_bytes)
    check(canonical(summary) == summary_bytes, "SUMMARY.json is not canonical")

    def load(name):
        data = raw(name)
        check(sha(data) == unhex(summary["files"][name]), f"{name}: SHA-256")
        value = json.loads(data)
        check(canonical(value) == data, f"{name} is not canonical")
        return value

    # One page of receipts at a time: Python needs some 100 MB for each.
    pages = {page["file"] for page in summary["pages"]}
    files = {name: load(name) for name in summary["files"] if name not in pages}
    separator = one.domain(summary["chainId"], summary["escrow"])

    leaves, charges, fees, last, nonces, delegated = [], {}, {}, None, set(), []
    for page in summary["pages"]:
        receipts = load(page["file"])
        check(int(page["first"]) == len(leaves) == int(receipts["first"]), "pages are not in order")
        for job in receipts["jobs"]:
            receipt, order, execution = job["receipt"], job["order"]["order"], job["execution"]
            name = f"receipt {len(leaves)} (job {receipt['jobEpoch']}-{receipt['jobSeq']})"
            leaf, signers = one.settled(name, summary["epoch"], separator, receipt, order, job["order"]["signature"], execution,
                                        job["executionSignature"])
            leaves.append(leaf)
            key = (receipt["client"], int(receipt["jobEpoch"]), int(receipt["jobSeq"]))
            check(last is None or last < key, f"{name}: out of order or twice")
            last, fee = key, int(receipt["fee"])
            charges[key[0]] = charges.get(key[0], 0) + fee
            fees[receipt["worker"]] = fees.get(receipt["worker"], 0) + fee
            check(int(receipt["clientTotal"]) == charges[key[0]], f"{name}: clientTotal")
            check(int(receipt["completedAt"]) <= int(summary["sealedAt"]), f"{name}: completed after the seal")
            check((order["client"], order["nonce"]) not in nonces, f"{name}: nonce used twice")
            nonces.add((order["client"], order["nonce"]))
            check(sha(canonical(job["power"])) == unhex(receipt["power"]), f"{name}: power record")
            check(sha(job["engine"].encode()) == unhex(execution["engine"]), f"{name}: engine")
            if receipt["client"] not in signers:
                delegated.append((name, receipt["client"], signers))

    # Fees off the top, then work and readiness pools, each by largest remainder.
    revenue, rates, agents = sum(charges.values()), summary["rates"], files["agents.json"]
    check({a["worker"]: int(a["fees"]) for a in agents if int(a["receipts"])} == fees, "agents.json: fees")
    protocol, operator = revenue * rates["protocolBps"] // 10000, revenue * rates["operatorBps"] // 10000
    pool = revenue - protocol - operator
    work = pool * rates["workBps"] // 10000
    ready = split(pool - work, {a["worker"]: int(a["readySeconds"]) for a in agents})
    if ready is None:
        work, ready = pool, {}
    done = split(work, {a["worker"]: int(a["fees"]) for a in agents}) or {}
    payouts = {summary["protocolPayee"]: protocol}
    payouts[summary["operatorPayee"]] = payouts.get(summary["operatorPayee"], 0) + operator
    for agent in agents:
        share = done.get(agent["worker"], 0), ready.get(agent["worker"], 0)
        check(share == (int(agent["work"]), int(agent["readiness"])), f"agents.json: shares of {agent['worker']}")
        payouts[agent["payee"]] = payouts.get(agent["payee"], 0) + sum(share)
    payouts = {payee: amount for payee, amount in payouts.items() if amount}
    check({p["payee"]: int(p["amount"]) for p in files["payouts.json"]} == payouts, "payouts.json")
    check({c["client"]: int(c["amount"]) for c in files["clients.json"]} == charges, "clients.json")
    check(tree(leaves) == unhex(summary["receiptsRoot"]), "the root of the receipts")
    check(len(leaves) == int(summary["receiptCount"]) and revenue == int(summary["charged"]), "counts or totals of SUMMARY.json")
    check(vector(charges) == unhex(summary["charges"]) and vector(payouts) == unhex(summary["payouts"]), "the vectors' hashes")

    summary["bundle"] = "0x" + sha(summary_bytes).hex()
    seal = one.struct("EpochSeal", SEAL, pick(summary, SEAL))
    settlers = []
    for line in raw("SIGNATURE.txt").decode().splitlines():
        settler, over_seal, over_summary = line.split(" ")
        check(signer(keccak(b"\x19\x01" + separator + seal), over_seal) == settler, f"SIGNATURE.txt: {settler} did not sign the seal")
        check(signer(one.eip191(sha(summary_bytes)), over_summary) == settler, f"SIGNATURE.txt: {settler} did not sign the summary")
        settlers.append(settler)
    return summary, seal, charges, payouts, settlers, delegated


# --- the chain ------------------------------------------------------------------------------------
def chain(url, summary, seal, charges, payouts, settlers, delegated):
    node, epoch = one.Chain(url, summary["chainId"], summary["escrow"]), int(summary["epoch"])
    values = node.call("epochs(uint64)", epoch)
    check(values[1] == seal, "the chain has another seal for this epoch")
    check(values[2] == unhex(summary["receiptsRoot"]), "the chain's root")
    check([int.from_bytes(v) for v in values[3:6]] == [int(summary[f]) for f in ("receiptCount", "charged", "sealedAt")], "the chain's count, total or time")

    def entries(event, account_topic):
        logs = node.rpc("eth_getLogs", {"address": node.escrow, "fromBlock": "0x0", "toBlock": "latest",
                                        "topics": ["0x" + keccak(event.encode()).hex(), "0x" + one.word(epoch).hex()]})
        return {"0x" + log["topics"][account_topic][-40:]: int(log["data"], 16) for log in logs}

    check(entries("Charged(uint64,address,uint64)", 2) == charges, "the chain's charges")
    check(entries("Credited(uint64,address,uint64)", 2) == payouts, "the chain's payouts")
    for order in delegated:
        node.ordered_by(*order)
    return node.status(epoch)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        found = bundle(pathlib.Path(sys.argv[1]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"FAILED: the bundle cannot be read: {error!r}")
    status = chain(sys.argv[2], *found)
    summary, settlers = found[0], found[4]
    print(f"ok: {summary['epochId']} is {status}; {summary['receiptCount']} receipts, {int(summary['charged']) / 1e6:.6f} USDC, signed by {', '.join(settlers)}")
