#!/usr/bin/env python3
"""Checks one receipt against the chain, with nothing but Python's standard library.

    curl -s http://RACK:8000/api/v1/jobs/job-001-0001/receipt > receipt.json
    scripts/verify-receipt.py receipt.json http://127.0.0.1:8545 [ESCROW]

Shares no code with SwarmOS. ESCROW is the contract that you trust; without it the one that the receipt names is
asked, and printed for you to compare. Exit status 0: the receipt is settled. 1: the first thing that is wrong.
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
pick = lambda value, fields: [value[f.split()[1]] for f in fields]
ORDER = ["address client", "bytes32 model", "bytes32 input", "uint64 maxFee", "uint64 nonce", "uint64 deadline"]
EXECUTION = ["uint64 jobEpoch", "uint64 jobSeq", "bytes32 order", "bytes32 model", "bytes32 input", "bytes32 result", "bytes32 engine",
             "bytes32 device", "uint64 startedAt", "uint64 completedAt", "uint64 energyMillijoules", "bytes32 power"]
RECEIPT = ["uint64 jobEpoch", "uint64 jobSeq", "address client", "address worker", "bytes32 order", "bytes32 model", "bytes32 input",
           "bytes32 result", "bytes32 execution", "bytes32 power", "uint64 fee", "uint64 clientTotal", "uint64 startedAt",
           "uint64 completedAt", "uint64 energyMillijoules"]
struct = lambda name, fields, values: keccak(keccak(f"{name}({','.join(fields)})".encode()) + words(values))
domain = lambda chain_id, escrow: keccak(
    keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + keccak(b"SwarmEscrow") + keccak(b"1") + words([chain_id, escrow]))


def settled(name, epoch, separator, receipt, order, signature, execution, execution_signature):
    """Receipt, order and execution agree, and are signed. Gives the leaf, and who may have signed the order."""
    digest = lambda hashed: keccak(b"\x19\x01" + separator + hashed)
    check(unhex(receipt["order"]) == sha(words(pick(order, ORDER)) + unhex(signature)), f"{name}: order")
    for field in ("client", "model", "input"):
        check(order[field] == receipt[field], f"{name}: the order's {field}")
    check(int(receipt["fee"]) <= int(order["maxFee"]), f"{name}: fee over maxFee")
    check(int(receipt["startedAt"]) <= int(receipt["completedAt"]) <= int(order["deadline"]), f"{name}: completed too late, or before it started")
    check(int(receipt["jobEpoch"]) <= int(epoch), f"{name}: of a later epoch")
    ordered = digest(struct("JobOrder", ORDER, pick(order, ORDER)))
    stated = digest(struct("Execution", EXECUTION, pick(execution, EXECUTION)))
    check(unhex(receipt["execution"]) == stated, f"{name}: execution")
    check(signer(stated, execution_signature) == receipt["worker"], f"{name}: the worker's signature")
    for field in ("order", "model", "input", "result", "power", "jobEpoch", "jobSeq", "startedAt", "completedAt", "energyMillijoules"):
        check(receipt[field] == execution[field], f"{name}: {field}")
    return sha(b"\0" + words(pick(receipt, RECEIPT))), [signer(ordered, signature), signer(eip191(ordered), signature)]


def climb(leaf, index, size, path):
    """The root that a leaf and its path lead to (RFC 9162, 2.1.3.2)."""
    last = size - 1
    check(0 <= index <= last, "the leaf is outside of the tree")
    for sibling in path:
        check(last > 0, "the path is too long")
        if index & 1 or index == last:
            leaf = sha(b"\x01" + sibling + leaf)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            leaf = sha(b"\x01" + leaf + sibling)
        index, last = index >> 1, last >> 1
    check(last == 0, "the path is too short")
    return leaf


# --- the chain ------------------------------------------------------------------------------------
class Chain:
    def __init__(self, url, chain_id, escrow):
        self.url, self.escrow = url, escrow
        check(int(self.rpc("eth_chainId"), 16) == int(chain_id), "the chain's id")
        check(self.call("domainSeparator()")[0] == domain(chain_id, escrow), "the contract is another one")

    def rpc(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        answer = json.load(urllib.request.urlopen(request, timeout=30))
        check("error" not in answer, f"{method}: {answer.get('error')}")
        return answer["result"]

    def call(self, function, *arguments):
        data = "0x" + (keccak(function.encode())[:4] + words(arguments)).hex()
        answer = unhex(self.rpc("eth_call", {"to": self.escrow, "data": data}, "latest"))
        return [answer[i : i + 32] for i in range(0, len(answer), 32)]

    def status(self, epoch):
        status = ["none", "pending", "final", "void"][int.from_bytes(self.call("epochs(uint64)", epoch)[0])]
        check(status in ("pending", "final"), f"the epoch is {status}")
        return status

    def ordered_by(self, name, client, signers):
        allowed = client in signers or any(self.call("orderSigner(address,address)", client, key)[0][31] for key in signers)
        check(allowed, f"{name}: not signed by the client or one of its order signers")


def main(file, url, trusted=None):
    proof = json.loads(pathlib.Path(file).read_text())
    receipt, escrow, epoch, index, size = proof["receipt"], proof["escrow"], *(int(proof[f]) for f in ("epoch", "index", "size"))
    check(trusted is None or trusted.lower() == escrow, f"the receipt is of the escrow {escrow}")
    leaf, signers = settled("receipt", epoch, domain(proof["chain_id"], escrow), receipt, proof["order"]["order"],
                            proof["order"]["signature"], proof["execution"], proof["execution_signature"])
    root = climb(leaf, index, size, [unhex(sibling) for sibling in proof["path"]])
    check(root == unhex(proof["root"]), "the path leads to another root")
    chain = Chain(url, proof["chain_id"], escrow)
    stored = chain.call("epochs(uint64)", epoch)
    check(stored[2] == root and int.from_bytes(stored[3]) == size, "the contract stores another root or count")
    function = f"verifyReceipt(uint64,uint64,({','.join(f.split()[0] for f in RECEIPT)}),bytes32[])"
    included = chain.call(function, epoch, index, *pick(receipt, RECEIPT), 18 * 32, len(proof["path"]), *proof["path"])
    check(included[0][31] == 1, "the contract does not find the receipt in the epoch")
    chain.ordered_by("receipt", receipt["client"], signers)
    print(f"ok: job {receipt['jobEpoch']}-{receipt['jobSeq']} is leaf {index} of {size} in epoch {epoch}, which is {chain.status(epoch)}; "
          f"{receipt['client']} paid {receipt['fee']} µUSDC; escrow {escrow} on chain {proof['chain_id']}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        sys.exit(f"FAILED: the receipt cannot be read: {error!r}")
