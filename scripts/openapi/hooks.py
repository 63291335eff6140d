"""Lets schemathesis past the queen's doors: signs requests as client, bee or operator, and names what is there.

Loaded by schemathesis (SCHEMATHESIS_HOOKS). SWARM_DEMO is the directory of a running demo, SWARM_QUEEN its URL. What a
request becomes depends on its content alone, so that a run repeats.
"""
import hashlib, importlib.machinery, importlib.util, itertools, json, os, pathlib, re, time, urllib.parse, urllib.request

import coincurve, requests.auth, schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.transport.requests import REQUESTS_TRANSPORT, binary_serializer

# A model package is sent as it was generated: bytes.
REQUESTS_TRANSPORT.serializer("application/x-tar")(binary_serializer)

demo, queen = pathlib.Path(os.environ["SWARM_DEMO"]), os.environ["SWARM_QUEEN"]
loader = importlib.machinery.SourceFileLoader("protocol", str(pathlib.Path(__file__).parent.with_name("verify-receipt.py")))
protocol = importlib.util.module_from_spec(importlib.util.spec_from_loader("protocol", loader))
loader.exec_module(protocol)

# One request in this many stays as it was generated: unsigned, or signed by noise.
UNTOUCHED = 6
# Longest that a lease is waited for, in seconds; the fuzzer has no time for long-polls.
WAIT = 1
# Longest list that is filled to its limit.
LIST_MAX = 16


class Key:
    """A signing key of the demo."""

    def __init__(self, home):
        self.key = coincurve.PrivateKey.from_hex((demo / home / "key").read_text().strip().removeprefix("0x"))
        self.address = "0x" + protocol.keccak(self.key.public_key.format(compressed=False)[1:])[12:].hex()

    def sign(self, digest):
        raw = self.key.sign_recoverable(digest, hasher=None)
        return "0x" + raw[:64].hex() + format(27 + raw[64], "02x")

    def headers(self, method, path, body):
        """The four headers of a signed request."""
        stamp, nonce = str(int(time.time())), str(next(nonces))
        text = "\n".join([method, path, hashlib.sha256(body).hexdigest(), stamp, nonce]).encode()
        digest = protocol.keccak(f"\x19Ethereum Signed Message:\n{len(text)}".encode() + text)
        return {"swarm-address": self.address, "swarm-timestamp": stamp, "swarm-nonce": nonce, "swarm-signature": self.sign(digest)}


nonces = itertools.count(int(time.time() * 1000))
client, operator, bee = Key("client"), Key("operator"), Key("keys/bee-01")
roles = [client, bee, operator]
OPERATORS = ("/approve", "/drain", "/join-codes", "/epochs/seal")
WORKERS = ("/workers/", "/claim", "/progress", "/complete", "/fail")


def chance(*parts):
    """A number that depends on nothing but `parts`."""
    text = repr(parts).encode(errors="surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8])


def who(path, number):
    """Mostly who should ask for this; sometimes another."""
    if number % 8 == 0:
        return roles[number // 8 % 3]
    if path.endswith("/package"):
        return bee
    if path.startswith("/api/v1/models") or any(end in path for end in OPERATORS):
        return operator
    return bee if any(part in path for part in WORKERS) else client


def call(method, path, body=None, key=None, headers=()):
    """A request outside the fuzzing, which must succeed."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    headers = dict(headers) | (key.headers(method, path, body) if key else {})
    request = urllib.request.Request(queen + path, body or None, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def there():
    """What the demo left, and an input that is uploaded for the orders below. It is no age file: no bee can use it."""
    jobs, epochs = call("GET", "/api/v1/jobs")["items"], call("GET", "/api/v1/epochs")["items"]
    content = b"an input for the fuzzer " * 100
    blob = hashlib.sha256(content).hexdigest()
    path = f"/api/v1/blobs/{blob}"
    call("PUT", path, {"size": str(len(content))}, client)
    call("PATCH", path, content, client, {"upload-offset": "0"})
    return {
        "job": [job["job_id"] for job in jobs],
        "epoch": [epoch["epoch_id"] for epoch in epochs] + ["1"],
        "client": [client.address],
        "address": [bee.address],
        "sha256": [blob],
        "file": ["SUMMARY.json", "SIGNATURE.txt", "agents.json", "jobs/00000.json", "jobs/00001.json"],
        "size": str(len(content)),
        "model": call("GET", "/api/v1/models")[0],
        "digest": [call("GET", "/api/v1/models")[0]["digest"]],
        "info": call("GET", "/api/v1/info"),
        "recipient": call("GET", "/api/v1/recipients?model=" + call("GET", "/api/v1/models")[0]["digest"])[0]["recipient"],
    }


known = there()


def pick(kind, number):
    return known[kind][number % len(known[kind])]


def order(number):
    """A whole submission, signed; each number gives one order."""
    salt = hashlib.sha256(number.to_bytes(8)).digest()
    message = {
        "client": client.address,
        "model": known["model"]["digest"],
        "input": "0x" + hashlib.sha256(salt + hashlib.sha256(b"a scan").digest()).hexdigest(),
        "maxFee": known["model"]["fee"],
        "nonce": str(number >> 1),
        "deadline": str(int(known["info"]["now"]) + 3_600),
    }
    domain = protocol.domain(known["info"]["chain_id"], known["info"]["escrow"])
    hashed = protocol.struct("JobOrder", protocol.ORDER, protocol.pick(message, protocol.ORDER))
    return {
        "job_type": known["model"]["job_type"],
        "order": message,
        "signature": client.sign(protocol.keccak(b"\x19\x01" + domain + hashed)),
        "salt": "0x" + salt.hex(),
        "input": {"sha256": "0x" + pick("sha256", 0), "size": known["size"]},
        "reply_to": known["recipient"],
    }


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Lists of 256 hashes are made from patterns for minutes; where a long list ends is tested elsewhere."""
    stack = [raw_schema]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if isinstance(value.get("maxItems"), int) and value["maxItems"] > LIST_MAX:
                del value["maxItems"]
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def path_of(path, parameters):
    """Half of the paths lead somewhere."""
    kinds = {"model": "digest", "id": next((kind for kind in ("job", "epoch", "client") if f"/{kind}s/" in path), None)}
    for name, value in parameters.items():
        kind, number = kinds.get(name, name), chance(path, name, value)
        if kind in known and number % 2:
            parameters[name] = pick(kind, number >> 1)


def body_of(path, body):
    """Most orders are sound; long-polls are short; half of the quotes are for what there is."""
    number = chance(path, json.dumps(body, sort_keys=True, default=repr))
    if path in ("/api/v1/jobs", "/api/v1/inference/{model}") and number % 4:
        sound = order(number)
        # One part of it stays as it was generated, in a third of the cases.
        if number % 4 == 1 and (kept := sorted(set(sound) & set(body))):
            name = kept[number // 4 % len(kept)]
            sound[name] = body[name]
        return sound
    if path == "/api/v1/workers/lease":
        return body | {"wait_seconds": min(body["wait_seconds"], WAIT)}
    if path == "/api/v1/quotes" and number % 2:
        model = known["model"]
        return {"model": model["digest"]} if number % 4 == 1 else {"job_type": model["job_type"]}
    return body


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes what was generated as valid into what is there. What was generated as invalid stays as it is."""
    path, sound = case.operation.path, lambda place: case.meta and not case.meta.is_negative_at(place)
    if case.path_parameters and sound(ParameterLocation.PATH):
        path_of(path, case.path_parameters)
    if isinstance(case.body, dict) and sound(ParameterLocation.BODY):
        case.body = body_of(path, case.body)
    if path == "/api/v1/inference/{model}" and sound(ParameterLocation.QUERY):
        case.query = {"wait": f"{WAIT}s"}
    if case.query and path == "/api/v1/recipients" and sound(ParameterLocation.QUERY) and chance(case.query) % 2:
        case.query["model"] = known["model"]["digest"]


FORMS = {
    "swarm-address": r"(0x)?[0-9a-fA-F]{40}",
    "swarm-timestamp": r"0|[1-9][0-9]*",
    "swarm-nonce": r"0|[1-9][0-9]*",
    "swarm-signature": r"0x([0-9a-fA-F]{128}|[0-9a-fA-F]{130})",
}


class Signing(requests.auth.AuthBase):
    """Signs what is about to be sent, byte for byte, where it has the headers of a signed request."""

    def __call__(self, request):
        if not all(re.fullmatch(form, text(request.headers.get(name, ""))) for name, form in FORMS.items()):
            return request
        parts = urllib.parse.urlsplit(request.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        number = chance(request.method, path, body)
        if number % UNTOUCHED:
            if "swarm-content-sha256" in request.headers:
                request.headers["swarm-content-sha256"] = hashlib.sha256(body).hexdigest()
            request.headers.update(who(parts.path, number // UNTOUCHED).headers(request.method, path, body))
        return request


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


schemathesis.auth.set_from_requests(Signing())
