/** Goes along the receipts of an epoch in their order, and keeps what each check found. */
import { agreement, executionSigned, type Finding, orderSigners } from "./agreement";
import { SignatureBatch } from "./batch";
import { hex, sha256, utf8 } from "./bytes";
import { canonicalBytes } from "./canonical";
import type { JobEntry, Summary } from "./documents";
import { type Domain, encodeReceipt } from "./eip712";
import { eip191 } from "./signature";
import { leafHash } from "./tree";
import type { Hex } from "./types";

/** Of what is wrong, how much is listed. */
const LISTED_MAX = 5;

/** The checks that are made of every receipt. */
export const RECEIPT_CHECKS = [
    "order-commitment", "order-fields", "fee", "deadline", "execution-digest", "execution-fields", "times",
    "execution-signature", "power", "engine", "client-total", "order-of-leaves", "nonces", "sealed-before",
] as const;
export type ReceiptCheck = (typeof RECEIPT_CHECKS)[number];

/** How often a check held, and where it did not. */
export class Tally {
    checked = 0;
    wrong = 0;
    readonly listed: string[] = [];

    add(holds: boolean, describe: () => string): void {
        this.checked++;
        if (holds) return;
        this.wrong++;
        if (this.listed.length < LISTED_MAX) this.listed.push(describe());
    }

    get computed(): string {
        if (this.wrong === 0) return `${this.checked} of ${this.checked} receipts`;
        const more = this.wrong > this.listed.length ? `; and ${this.wrong - this.listed.length} more` : "";
        return `${this.wrong} of ${this.checked} receipts are wrong: ${this.listed.join("; ")}${more}`;
    }
}

export class Walk {
    readonly tallies = new Map<ReceiptCheck, Tally>(RECEIPT_CHECKS.map((id) => [id, new Tally()]));
    readonly charges = new Map<Hex, bigint>();
    readonly receiptsOf = new Map<Hex, bigint>();
    readonly workers = new Map<Hex, { receipts: bigint; fees: bigint }>();
    /** Orders that the client itself did not sign: whether their signers may order only the chain knows. */
    readonly delegated: { name: string; client: Hex; signers: Hex[] }[] = [];
    readonly bySelf = new Tally();
    count = 0n;
    private last: string | null = null;
    private readonly signatures = new SignatureBatch();
    /** Clients whose first order was signed as a message (EIP-191): their others probably are, too. */
    private readonly byMessage = new Set<Hex>();
    private readonly nonces = new Set<string>();

    constructor(
        private readonly domain: Domain,
        private readonly summary: Summary,
    ) {}

    /** Takes the next receipt; gives its leaf. */
    take(entry: JobEntry): Uint8Array {
        const { receipt, execution } = entry;
        const { order } = entry.order;
        const name = `receipt ${this.count} (job ${receipt.jobEpoch}-${receipt.jobSeq})`;
        this.count++;
        const judge = (id: ReceiptCheck, { holds, computed, expected }: Finding) =>
            this.tallies.get(id)!.add(holds, () => `${name}: ${computed} instead of ${expected}`);

        const executionDigest = this.domain.executionDigest(execution);
        this.signatures.add({
            digest: executionDigest,
            signature: entry.executionSignature,
            signer: receipt.worker,
            told: (signer) => judge("execution-signature", executionSigned(signer, receipt)),
        });
        const found = agreement(entry, executionDigest, this.summary.epoch);
        for (const id of Object.keys(found) as (keyof typeof found)[]) judge(id, found[id]);
        const same = (id: ReceiptCheck, computed: string, expected: string) => judge(id, { holds: computed === expected, computed, expected });
        same("power", hex(sha256(canonicalBytes(entry.power))), receipt.power);
        same("engine", hex(sha256(utf8(entry.engine))), execution.engine);

        const total = (this.charges.get(receipt.client) ?? 0n) + receipt.fee;
        this.charges.set(receipt.client, total);
        this.receiptsOf.set(receipt.client, (this.receiptsOf.get(receipt.client) ?? 0n) + 1n);
        same("client-total", `${total} µUSDC`, `${receipt.clientTotal} µUSDC`);
        const worker = this.workers.get(receipt.worker) ?? { receipts: 0n, fees: 0n };
        this.workers.set(receipt.worker, { receipts: worker.receipts + 1n, fees: worker.fees + receipt.fee });

        // Fixed widths, so that the order of texts is the order of numbers.
        const key = `${receipt.client}${digits(receipt.jobEpoch)}${digits(receipt.jobSeq)}`;
        judge("order-of-leaves", {
            holds: this.last === null || this.last < key,
            computed: `client ${receipt.client}, job ${receipt.jobEpoch}-${receipt.jobSeq}`,
            expected: "after the receipt before it",
        });
        this.last = key;
        const nonce = `${order.client}${order.nonce}`;
        judge("nonces", { holds: !this.nonces.has(nonce), computed: `nonce ${order.nonce} of ${order.client} again`, expected: "a nonce used once" });
        this.nonces.add(nonce);
        judge("sealed-before", {
            holds: receipt.completedAt <= this.summary.sealedAt,
            computed: `completed at ${receipt.completedAt}`,
            expected: `at the latest at the seal, ${this.summary.sealedAt}`,
        });

        this.takeOrder(entry, name);
        return leafHash(encodeReceipt(receipt));
    }

    /** Judges the signatures that still wait for others. Before it, no tally of signatures is whole. */
    settle(): void {
        this.signatures.settle();
    }

    private takeOrder(entry: JobEntry, name: string): void {
        const { client } = entry.receipt;
        const { order, signature } = entry.order;
        const digest = this.domain.orderDigest(order);
        const told = (signer: Hex | null): void => {
            if (signer === client) return this.bySelf.add(true, () => "");
            const { isClient, signers } = orderSigners(entry, this.domain);
            if (isClient) this.byMessage.add(client);
            if (!isClient && signers.length > 0) this.delegated.push({ name, client, signers });
            else this.bySelf.add(isClient, () => `${name}: the signature is not valid for any key`);
        };
        this.signatures.add({ digest: this.byMessage.has(client) ? eip191(digest) : digest, signature, signer: client, told });
    }
}

function digits(value: bigint): string {
    return String(value).padStart(20, "0");
}
