#!/usr/bin/env python3
"""Checks a published epoch against the chain, with nothing but Python's standard library.

    scripts/verify-epoch.py audit/epoch-001 http://127.0.0.1:8545

Reads only the bundle and the chain's RPC, shares no code with SwarmOS, and recomputes every hash, sum and
signature. Exit status 0: the bundle and the chain agree. 1: it names the first thing that does not.
"""
import hashlib, json, pathlib, sys, urllib.request

# --- Keccak-256, secp256k1 (Ethereum's; Python has neither) ---------------------------------------
ROT = [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14]
M64 = (1 << 64) - 1
rol = lambda v, n: (v << n | v >> 64 - n) & M64


def keccak(data):
    pad = b"\x01" + b"\0" * (-(len(data) + 1) % 136)
    data, lanes = bytearray(data + pad), [0] * 25
    data[-1] |= 0x80
    for block in range(0, len(data), 136):
        for i in range(17):
            lanes[i] ^= int.from_bytes(data[block + 8 * i : block + 8 * i + 8], "little")
        lfsr = 1
        for _ in range(24):
            c = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
            d = [c[x - 1] ^ rol(c[(x + 1) % 5], 1) for x in range(5)]
            lanes = [lanes[i] ^ d[i % 5] for i in range(25)]
            b = [0] * 25
            for i in range(25):
                x, y = i % 5, i // 5
                b[y + 5 * ((2 * x + 3 * y) % 5)] = rol(lanes[i], ROT[i])
            lanes = [b[i] ^ ~b[i // 5 * 5 + (i + 1) % 5] & b[i // 5 * 5 + (i + 2) % 5] for i in range(25)]
            for j in range(7):
                if lfsr & 1:
                    lanes[0] ^= 1 << (1 << j) - 1
                lfsr = lfsr << 1 ^ (lfsr >> 7) * 0x171
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


P, N = 2**256 - 2**32 - 977, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    m = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (m * m - a[0] - b[0]) % P
    return x, (m * (a[0] - x) - a[1]) % P


def mul(k, point):
    total = None
    while k:
        total, point, k = add(total, point) if k & 1 else total, add(point, point), k >> 1
    return total


def signer(digest, signature):
    sig = unhex(signature)
    r, s, v = int.from_bytes(sig[:32]), int.from_bytes(sig[32:64]), sig[64]
    check(len(sig) == 65 and v in (27, 28) and 0 < r < N and 0 < s <= N // 2, "a signature is not canonical")
    y = pow((r**3 + 7) % P, (P + 1) // 4, P)
    y = y if y & 1 == v - 27 else P - y
    inverse = pow(r, -1, N)
    key = add(mul(-int.from_bytes(digest) * inverse % N, G), mul(s * inverse % N, (r, y)))
    return "0x" + keccak(key[0].to_bytes(32) + key[1].to_bytes(32))[12:].hex()


# --- encodings ------------------------------------------------------------------------------------
def check(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


unhex = lambda text: bytes.fromhex(text.removeprefix("0x"))
sha = lambda data: hashlib.sha256(data).digest()
word = lambda v: int(v).to_bytes(32) if not str(v).startswith("0x") else unhex(v).rjust(32, b"\0")
words = lambda values: b"".join(map(word, values))
eip191 = lambda digest: keccak(b"\x19Ethereum Signed Message:\n32" + digest)
camel = lambda text, fields: [text[f.split()[1]] for f in fields]
ORDER = ["address client", "bytes32 model", "bytes32 input", "uint64 maxFee", "uint64 nonce", "uint64 deadline"]
EXECUTION = ["uint64 jobEpoch", "uint64 jobSeq", "bytes32 order", "bytes32 model", "bytes32 input", "bytes32 result", "bytes32 engine",
             "bytes32 device", "uint64 startedAt", "uint64 completedAt", "uint64 energyMillijoules", "bytes32 power"]
RECEIPT = ["jobEpoch", "jobSeq", "client", "worker", "order", "model", "input", "result", "execution", "power", "fee", "clientTotal",
           "startedAt", "completedAt", "energyMillijoules"]
SEAL = ["uint64 epoch", "bytes32 previous", "bytes32 receiptsRoot", "uint64 receiptCount", "bytes32 bundle", "uint128 charged",
        "bytes32 charges", "bytes32 payouts", "uint64 sealedAt"]
struct = lambda name, fields, values: keccak(keccak(f"{name}({','.join(fields)})".encode()) + words(values))
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
    files = {}
    for name, digest in summary["files"].items():
        check(sha(raw(name)) == unhex(digest), f"{name}: SHA-256")
        files[name] = json.loads(raw(name))
        check(canonical(files[name]) == raw(name), f"{name} is not canonical")
    domain = keccak(keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
                    + keccak(b"SwarmEscrow") + keccak(b"1") + words([summary["chainId"], summary["escrow"]]))
    digest = lambda hashed: keccak(b"\x19\x01" + domain + hashed)

    leaves, charges, fees, last, nonces, delegated = [], {}, {}, None, set(), []
    for page in summary["pages"]:
        check(int(page["first"]) == len(leaves) == int(files[page["file"]]["first"]), "pages are not in order")
        for job in files[page["file"]]["jobs"]:
            receipt, order, execution = job["receipt"], job["order"]["order"], job["execution"]
            name = f"receipt {len(leaves)} (job {receipt['jobEpoch']}-{receipt['jobSeq']})"
            key = (receipt["client"], int(receipt["jobEpoch"]), int(receipt["jobSeq"]))
            check(last is None or last < key, f"{name}: out of order or twice")
            last, fee = key, int(receipt["fee"])
            charges[key[0]] = charges.get(key[0], 0) + fee
            fees[receipt["worker"]] = fees.get(receipt["worker"], 0) + fee
            check(int(receipt["clientTotal"]) == charges[key[0]], f"{name}: clientTotal")
            hashed = digest(struct("JobOrder", ORDER, camel(order, ORDER)))
            commitment = sha(words(camel(order, ORDER)) + unhex(job["order"]["signature"]))
            check(unhex(receipt["order"]) == commitment, f"{name}: order")
            either = [signer(hashed, job["order"]["signature"]), signer(eip191(hashed), job["order"]["signature"])]
            if receipt["client"] not in either:
                delegated.append((name, receipt["client"], either))
            stated = digest(struct("Execution", EXECUTION, camel(execution, EXECUTION)))
            check(unhex(receipt["execution"]) == stated, f"{name}: execution")
            check(signer(stated, job["executionSignature"]) == receipt["worker"], f"{name}: the worker's signature")
            for field in ("order", "model", "input", "result", "power", "jobEpoch", "jobSeq", "startedAt", "completedAt", "energyMillijoules"):
                check(receipt[field] == execution[field], f"{name}: {field}")
            check(order["client"] == receipt["client"] and order["model"] == receipt["model"] and order["input"] == receipt["input"], f"{name}: order's fields")
            check(fee <= int(order["maxFee"]), f"{name}: fee over maxFee")
            check(int(receipt["completedAt"]) <= min(int(order["deadline"]), int(summary["sealedAt"])), f"{name}: completed too late")
            check(int(receipt["jobEpoch"]) <= int(summary["epoch"]), f"{name}: of a later epoch")
            check((order["client"], order["nonce"]) not in nonces, f"{name}: nonce used twice")
            nonces.add((order["client"], order["nonce"]))
            check(sha(canonical(job["power"])) == unhex(receipt["power"]), f"{name}: power record")
            check(sha(job["engine"].encode()) == unhex(execution["engine"]), f"{name}: engine")
            leaves.append(sha(b"\0" + words(receipt[f] for f in RECEIPT)))

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
    seal = struct("EpochSeal", SEAL, camel(summary, SEAL))
    settlers = []
    for line in raw("SIGNATURE.txt").decode().splitlines():
        settler, over_seal, over_summary = line.split(" ")
        check(signer(digest(seal), over_seal) == settler, f"SIGNATURE.txt: {settler} did not sign the seal")
        check(signer(eip191(sha(summary_bytes)), over_summary) == settler, f"SIGNATURE.txt: {settler} did not sign the summary")
        settlers.append(settler)
    return summary, seal, charges, payouts, settlers, delegated


# --- the chain ------------------------------------------------------------------------------------
def chain(url, summary, seal, charges, payouts, settlers, delegated):
    def rpc(method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        answer = json.load(urllib.request.urlopen(request, timeout=30))
        check("error" not in answer, f"{method}: {answer.get('error')}")
        return answer["result"]

    escrow, epoch = summary["escrow"], int(summary["epoch"])
    call = lambda text, *args: unhex(rpc("eth_call", {"to": escrow, "data": "0x" + (keccak(text.encode())[:4] + words(args)).hex()}, "latest"))
    check(int(rpc("eth_chainId"), 16) == int(summary["chainId"]), "the chain's id")
    view = call("epochs(uint64)", epoch)
    values = [view[i : i + 32] for i in range(0, len(view), 32)]
    check(values[1] == seal, "the chain has another seal for this epoch")
    check(values[2] == unhex(summary["receiptsRoot"]), "the chain's root")
    check([int.from_bytes(v) for v in values[3:6]] == [int(summary[f]) for f in ("receiptCount", "charged", "sealedAt")], "the chain's count, total or time")
    status = ["none", "pending", "final", "void"][int.from_bytes(values[0])]
    check(status != "void", "the epoch is void")

    def entries(event, account_topic):
        logs = rpc("eth_getLogs", {"address": escrow, "fromBlock": "0x0", "toBlock": "latest",
                                   "topics": ["0x" + keccak(event.encode()).hex(), "0x" + word(epoch).hex()]})
        return {"0x" + log["topics"][account_topic][-40:]: int(log["data"], 16) for log in logs}

    check(entries("Charged(uint64,address,uint64)", 2) == charges, "the chain's charges")
    check(entries("Credited(uint64,address,uint64)", 2) == payouts, "the chain's payouts")
    for name, client, either in delegated:
        added = [call("orderSigner(address,address)", client, key)[31] for key in either]
        check(1 in added, f"{name}: not signed by the client or one of its order signers")
    return status


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
