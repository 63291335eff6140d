import { expect, test } from "vitest";
import type { AccountLine } from "../api/types";
import { statement, statementCsv } from "./statement";

const base = { at: "1700000000", block: "5", transaction: `0x${"11".repeat(32)}` };
const lines: AccountLine[] = [
    { ...base, kind: "deposited", amount: "5000000", other: `0x${"22".repeat(20)}` },
    { ...base, kind: "cap_changed", amount: "9000000", effective_at: "1700000100" },
    { ...base, kind: "charged", amount: "200001", epoch: "epoch-001", status: "void" },
    { ...base, kind: "charged", amount: "200001", epoch: "epoch-002", status: "finalized" },
    { ...base, kind: "withdrawal_requested", amount: "1000000" },
    { ...base, kind: "withdrawn", amount: "1000000" },
];

test("a statement runs on exactly, and void epochs move nothing", () => {
    const found = statement(lines);
    expect(found.map(({ moves }) => moves)).toEqual([5_000_000n, null, null, -200_001n, null, -1_000_000n]);
    expect(found.at(-1)?.balance).toBe(3_799_999n);
});

test("the spreadsheet has six decimals and one line an event", () => {
    const text = statementCsv({ version: 1, account: `0x${"33".repeat(20)}`, lines, work: [] });
    const rows = text.trimEnd().split("\r\n");
    expect(rows).toHaveLength(7);
    expect(rows[0]).toContain("moves_usdc,balance_usdc");
    expect(rows[4]).toContain("2023-11-14T22:13:20Z,charged,epoch-002,finalized,-0.200001,4.799999,0.200001");
    expect(rows[6]).toContain("-1.000000,3.799999");
});
