import type { AccountFile, AccountLine } from "../api/types";
import { csv } from "../format/csv";
import { usdcExact } from "../format/money";
import { iso } from "../format/time";

/** A line of an account with what it moves, and the balance after it. */
export interface StatementLine {
    readonly line: AccountLine;
    /** µUSDC in (positive) or out; null when the line moves nothing, like a cap or a line of a void epoch. */
    readonly moves: bigint | null;
    /** µUSDC after it. */
    readonly balance: bigint;
}

/** How each kind of line moves money: in, out, or not at all. */
const SIGNS: Readonly<Record<AccountLine["kind"], 1n | -1n | 0n>> = {
    deposited: 1n,
    credited: 1n,
    charged: -1n,
    withdrawn: -1n,
    claimed: -1n,
    withdrawal_requested: 0n,
    cap_changed: 0n,
    signer_added: 0n,
    signer_removed: 0n,
};

/** A statement in the order of the chain. Lines of void epochs are there and move nothing. */
export function statement(lines: readonly AccountLine[]): StatementLine[] {
    let balance = 0n;
    return lines.map((line) => {
        const moves = line.status === "void" || SIGNS[line.kind] === 0n || !line.amount ? null : SIGNS[line.kind] * BigInt(line.amount);
        balance += moves ?? 0n;
        return { line, moves, balance };
    });
}

/** The same for a spreadsheet: six decimals, times in ISO 8601. */
export function statementCsv(account: AccountFile): string {
    const head = [
        "time",
        "kind",
        "epoch",
        "epoch_status",
        "moves_usdc",
        "balance_usdc",
        "amount_usdc",
        "other",
        "effective_at",
        "block",
        "transaction",
    ];
    const rows = statement(account.lines).map(({ line, moves, balance }) => [
        iso(line.at),
        line.kind,
        line.epoch ?? "",
        line.status ?? "",
        moves === null ? "" : usdcExact(moves),
        usdcExact(balance),
        line.amount ? usdcExact(line.amount) : "",
        line.other ?? "",
        line.effective_at ? iso(line.effective_at) : "",
        line.block,
        line.transaction,
    ]);
    return csv([head, ...rows]);
}
