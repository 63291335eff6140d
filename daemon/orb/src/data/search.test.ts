import { expect, test } from "vitest";
import { parseQuery } from "./search";

const hash = "ab".repeat(32);

test("every kind of thing is recognised", () => {
    expect(parseQuery(" job-002-0848 ")).toEqual({ kind: "job", id: "job-002-0848" });
    expect(parseQuery("JOB-2-848")).toEqual({ kind: "job", id: "job-002-0848" });
    expect(parseQuery("epoch-002")).toEqual({ kind: "epoch", id: "epoch-002", number: 2n });
    expect(parseQuery("2")).toEqual({ kind: "epoch", id: "epoch-002", number: 2n });
    expect(parseQuery(`0x${"AB".repeat(20)}`)).toEqual({ kind: "address", address: `0x${"ab".repeat(20)}` });
    expect(parseQuery(`0x${hash}`)).toEqual({ kind: "hash", hash: `0x${hash}` });
    expect(parseQuery(hash)).toEqual({ kind: "hash", hash: `0x${hash}` });
    expect(parseQuery("Clinic.ClientSwarm.eth")).toEqual({ kind: "name", name: "clinic.clientswarm.eth" });
});

test("anything else is said to be unknown, and cut", () => {
    expect(parseQuery("0x1234")).toEqual({ kind: "unknown", text: "0x1234" });
    expect(parseQuery("<img src=x onerror=alert(1)>")).toMatchObject({ kind: "unknown" });
    expect(parseQuery("x".repeat(10_000))).toEqual({ kind: "unknown", text: "x".repeat(255) });
    expect(parseQuery("../../etc/passwd")).toMatchObject({ kind: "unknown" });
});

test("a name that could be taken for another is refused, not searched", () => {
    expect(parseQuery("cl\u0456nic.eth")).toMatchObject({ kind: "no-name", refused: expect.stringContaining("U+0456") as string });
    expect(parseQuery("\u202ehte.cinilc")).toMatchObject({ kind: "no-name" });
    // Cut first, its beginning would be a name.
    expect(parseQuery("a.".repeat(5_000) + "eth")).toMatchObject({ kind: "no-name", refused: expect.stringContaining("10003 characters") as string });
});
