/** A whole epoch: every file of its bundle, every receipt, every sum, the seal, and the chain. */
import { hex, sha256 } from "./bytes";
import { parseFile, sameSubtrees } from "./bundle";
import { capital, type Chain, connect, type KnownSigners, orderSignerOf, sealedBefore, time } from "./chain";
import * as documents from "./documents";
import { Domain, type Seal, sealHash, vectorHash } from "./eip712";
import type { EpochView, Escrow } from "./escrow";
import { CHECK_TITLES, EPOCH_PLAN, type EpochStep } from "./epoch-plan";
import { divide, ratesClose } from "./payout";
import { recover, eip191 } from "./signature";
import { said } from "./rpc";
import { planned, Results } from "./steps";
import { cover, PartialTree, type Subtree } from "./tree";
import type { BundleReader, Hex, Options, PlannedStep, Step, Update } from "./types";
import { RECEIPT_CHECKS, Walk } from "./walk";

/** Receipts between two reports of progress, and between two looks at the signal. */
const PROGRESS_RECEIPTS = 50;

/** The steps of an epoch, in the order in which they come. */
export function epochSteps(): PlannedStep[] {
    return planned(EPOCH_PLAN);
}

/** Verifies a bundle and compares it with the chain. Never throws for what the files or the node say. */
export async function* verifyEpoch(read: BundleReader, options: Options): AsyncGenerator<Update> {
    const results = new Results<EpochStep>(EPOCH_PLAN);
    let bytes: Uint8Array;
    let summary: documents.Summary;
    try {
        bytes = await read("SUMMARY.json");
    } catch (error) {
        options.signal?.throwIfAborted();
        yield { step: results.unknown("form", `${capital(said(error))}. A bundle that nobody can fetch must be voided by the guardian while the window is open.`) };
        yield* steps(results.rest("SUMMARY.json could not be read."));
        return;
    }
    try {
        summary = parseFile("SUMMARY.json", bytes, documents.summary);
        if (summary.version !== 1 || summary.epochId !== `epoch-${String(summary.epoch).padStart(3, "0")}`) {
            throw new Error(`version ${summary.version}, ${summary.epochId}: not of epoch ${summary.epoch} in version 1`);
        }
    } catch (error) {
        yield { step: results.judge("form", false, said(error), "SUMMARY.json in its format, in canonical JSON") };
        yield* steps(results.rest("SUMMARY.json could not be read."));
        return;
    }
    const { epoch, chainId, escrow } = summary;
    yield { step: results.judge("form", true, `${summary.epochId}, ${summary.receiptCount} receipts`, "") };
    yield { step: escrowStep(results, summary, options) };
    const connecting = connect(options, chainId, escrow);

    const domain = new Domain(chainId, escrow);
    const files = new Files(summary, read, options);
    const walk = new Walk(domain, summary);
    const subtrees: Subtree[] = [];
    const wrongPages: string[] = [];
    for (const [number, place] of summary.pages.entries()) {
        const name = documents.pageName(number);
        yield { progress: { what: `fetching ${name}`, done: Number(walk.count), total: Number(summary.receiptCount) } };
        const page = await files.take(name, documents.jobsPage);
        if (page === null) continue;
        const leaves: Uint8Array[] = [];
        for (const entry of page.jobs) {
            leaves.push(walk.take(entry));
            if (leaves.length % PROGRESS_RECEIPTS === 0) {
                yield { progress: { what: `checking ${name}`, done: Number(walk.count), total: Number(summary.receiptCount) } };
                await breathe();
                options.signal?.throwIfAborted();
            }
        }
        const first = BigInt(number * documents.PAGE_RECEIPTS);
        const found = cover(first, leaves);
        subtrees.push(...found);
        const isLast = number === summary.pages.length - 1;
        const holds = place.file === name && page.first === first && place.first === first && place.count === BigInt(leaves.length)
            && leaves.length > 0 && (isLast || leaves.length === documents.PAGE_RECEIPTS) && sameSubtrees(found, place.subtrees);
        if (!holds) wrongPages.push(name);
    }
    walk.settle();
    const agents = await files.take("agents.json", documents.agents);
    const clients = await files.take("clients.json", documents.clients);
    const payouts = await files.take("payouts.json", documents.payouts);
    yield { progress: { what: "sums", done: Number(walk.count), total: Number(summary.receiptCount) } };

    yield* steps(files.judge(results));
    if (files.missing.length > 0 || files.malformed.length > 0) {
        yield* steps(results.rest("Not every file of the bundle could be read."));
        return;
    }
    yield { step: results.judge("pages", wrongPages.length === 0, wrongPages.length === 0 ? many(summary.pages.length, "page") : wrongPages.join(", "), "each page at the place and with the subtrees that SUMMARY.json states") };
    for (const id of RECEIPT_CHECKS) {
        const tally = walk.tallies.get(id)!;
        yield { step: results.judge(id, tally.wrong === 0, tally.computed, CHECK_TITLES[id]) };
    }
    const chain = await connecting;
    yield { step: await orderSignatures(results, walk, chain, epoch, options) };

    const root = hex(new PartialTree(walk.count, subtrees).root());
    yield { step: results.same("root", root, summary.receiptsRoot) };
    const charged = [...walk.charges.values()].reduce((sum, amount) => sum + amount, 0n);
    yield { step: results.same("sums", `${walk.count} receipts, ${charged} µUSDC`, `${summary.receiptCount} receipts, ${summary.charged} µUSDC`) };

    const expectedClients = [...walk.charges].map(([client, amount]) => line(client, walk.receiptsOf.get(client)!, amount)).sort();
    yield { step: lines(results, "clients", expectedClients, clients!.map((c) => line(c.client, c.receipts, c.amount))) };
    const rates = bigRates(summary);
    const closes = ratesClose(rates);
    const pools = ({ protocol, operator, work, readiness }: documents.Summary["pools"]) =>
        `protocol ${protocol}, operator ${operator}, work ${work}, readiness ${readiness}`;
    // The fees are the receipts' own; only payees and ready seconds are taken from the file.
    const division = divide(rates, summary.protocolPayee, summary.operatorPayee,
        agents!.map((agent) => ({ ...agent, fees: walk.workers.get(agent.worker)?.fees ?? 0n })));
    yield { step: results.judge("pools", closes && pools(division.pools) === pools(summary.pools), pools(division.pools), pools(summary.pools)) };
    yield { step: agentsStep(results, walk, division, agents!) };
    yield { step: lines(results, "payouts", payoutLines(division, agents!, summary), payouts!.map(payoutLine)) };
    yield { step: results.same("charges-hash", vectorHash(walk.charges), summary.charges) };
    yield { step: results.same("payouts-hash", vectorHash(division.payees), summary.payouts) };
    const paid = [...division.payees.values()].reduce((sum, amount) => sum + amount, 0n);
    yield { step: results.same("paid", `${paid} µUSDC paid out`, `${charged} µUSDC paid out`) };

    const seal: Seal = { ...summary, bundle: hex(sha256(bytes)) };
    yield* steps(onChain(results, seal, summary, bytes, domain, chain, read, options));
}

async function* steps(given: AsyncIterable<Step> | Iterable<Step>): AsyncGenerator<Update> {
    for await (const step of given) yield { step };
}

function many(count: number, word: string): string {
    return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** Lets a page draw and a worker hear. */
function breathe(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 0));
}

function escrowStep(results: Results<EpochStep>, { chainId, escrow }: documents.Summary, options: Options): Step {
    const named = `chain ${chainId}, escrow ${escrow}`;
    if (options.escrow === undefined && options.chainId === undefined) {
        return results.unknown("escrow", "Nobody said which escrow to trust. Compare this address with one from a source of your own.", named);
    }
    return results.same("escrow", named, `chain ${options.chainId ?? chainId}, escrow ${options.escrow?.toLowerCase() ?? escrow}`);
}

/** Fetches the files that SUMMARY.json names, and keeps what was wrong with them. */
class Files {
    readonly missing: string[] = [];
    readonly malformed: string[] = [];
    private readonly differing: string[] = [];
    private readonly taken = new Set<string>();

    constructor(
        private readonly summary: documents.Summary,
        private readonly read: BundleReader,
        private readonly options: Options,
    ) {}

    async take<T>(name: string, reader: (value: unknown, where: string) => T): Promise<T | null> {
        this.taken.add(name);
        let bytes: Uint8Array;
        try {
            bytes = await this.read(name);
        } catch (error) {
            this.options.signal?.throwIfAborted();
            this.missing.push(said(error));
            return null;
        }
        const [found, stated] = [hex(sha256(bytes)), this.summary.files.get(name)];
        if (found !== stated) this.differing.push(`${name}: ${found} instead of ${stated ?? "nothing"}`);
        try {
            return parseFile(name, bytes, reader);
        } catch (error) {
            this.malformed.push(said(error));
            return null;
        }
    }

    *judge(results: Results<EpochStep>): Generator<Step> {
        const extra = [...this.summary.files.keys()].filter((name) => !this.taken.has(name));
        for (const name of extra) this.differing.push(`${name}: is named and belongs to no page`);
        if (this.differing.length > 0) yield results.judge("files", false, this.differing.join("; "), "the SHA-256 that SUMMARY.json states");
        else if (this.missing.length > 0) yield results.unknown("files", `${this.missing.map(capital).join(". ")}. A bundle that nobody can fetch must be voided by the guardian while the window is open.`);
        else yield results.judge("files", true, many(this.taken.size, "file"), "the SHA-256 that SUMMARY.json states");
        if (this.malformed.length > 0) yield results.judge("canonical", false, this.malformed.join("; "), "the format of each file, in canonical JSON (RFC 8785)");
        else if (this.missing.length > 0) yield results.unknown("canonical", "Not every file could be fetched.");
        else yield results.judge("canonical", true, many(this.taken.size, "file"), "the format of each file, in canonical JSON (RFC 8785)");
    }
}

async function orderSignatures(results: Results<EpochStep>, walk: Walk, chain: Chain, epoch: bigint, options: Options): Promise<Step> {
    const id = "order-signature";
    if (walk.bySelf.wrong > 0) return results.judge(id, false, walk.bySelf.computed, CHECK_TITLES[id]);
    if (walk.delegated.length === 0) return results.judge(id, true, `${walk.count} of ${walk.count} orders signed by their clients`, CHECK_TITLES[id]);
    const who = `${walk.bySelf.checked} orders signed by their clients, ${walk.delegated.length} by somebody else`;
    if ("why" in chain) return results.unknown(id, `Whether a client registered a signer only the chain knows. ${chain.why}`, who);
    try {
        const before = await sealedBefore(chain.escrow, epoch);
        const known: KnownSigners = new Map();
        for (const { name, client, signers } of walk.delegated) {
            const counts = (await orderSignerOf(chain.escrow, client, signers, before, known)) !== null;
            if (!counts) return results.judge(id, false, `${name}: signed by ${signers.join(" or, as a message, by ")}`, `${client} or an order signer that it registered`);
        }
        return results.judge(id, true, who, CHECK_TITLES[id]);
    } catch (error) {
        options.signal?.throwIfAborted();
        return results.unknown(id, `${capital(said(error))}.`, who);
    }
}

function line(...words: (string | bigint)[]): string {
    return words.join(" ");
}

/** Two lists of lines that must be the same; the first difference is shown. */
function lines(results: Results<EpochStep>, id: EpochStep, computed: string[], stated: string[]): Step {
    const at = computed.findIndex((text, index) => text !== stated[index]);
    if (at < 0 && computed.length === stated.length) return results.judge(id, true, many(computed.length, "line"), "the same lines");
    const place = at < 0 ? computed.length : at;
    return results.judge(id, false, `line ${place + 1}: ${computed[place] ?? "none"}`, `line ${place + 1}: ${stated[place] ?? "none"}`);
}

function bigRates({ rates }: documents.Summary) {
    return { protocolBps: BigInt(rates.protocolBps), operatorBps: BigInt(rates.operatorBps), workBps: BigInt(rates.workBps) };
}

type Division = ReturnType<typeof divide>;
type Agents = ReturnType<typeof documents.agents>;

function agentsStep(results: Results<EpochStep>, walk: Walk, division: Division, agents: Agents): Step {
    const listed = new Set(agents.map(({ worker }) => worker));
    const missing = [...walk.workers.keys()].filter((worker) => !listed.has(worker));
    if (missing.length > 0) return results.judge("agents", false, `worker ${missing[0]} has receipts`, "a line of agents.json");
    const computed = agents.map(({ worker }) => {
        const { receipts, fees } = walk.workers.get(worker) ?? { receipts: 0n, fees: 0n };
        const { work, readiness } = division.workers.get(worker)!;
        return line(worker, receipts, fees, work, readiness);
    });
    const stated = agents.map((a) => line(a.worker, a.receipts, a.fees, a.work, a.readiness));
    const ascending = agents.every((agent, at) => at === 0 || agents[at - 1]!.worker < agent.worker);
    if (!ascending) return results.judge("agents", false, "workers out of order or twice", "workers in ascending order");
    return lines(results, "agents", computed, stated);
}

function payoutLine({ payee, amount, parts }: documents.Payout): string {
    return line(payee, amount, ...parts.map((part) => line(part.kind, part.worker ?? "-", part.amount)));
}

/** payouts.json as it must be: each payee's parts in the order protocol, operator, then worker by worker. */
function payoutLines(division: Division, agents: Agents, summary: documents.Summary): string[] {
    const parts = new Map<Hex, documents.Payout["parts"]>();
    const add = (payee: Hex, part: documents.Payout["parts"][number]) => {
        if (part.amount === 0n) return;
        const before = parts.get(payee);
        if (before) before.push(part);
        else parts.set(payee, [part]);
    };
    add(summary.protocolPayee, { kind: "protocol", worker: null, amount: division.pools.protocol });
    add(summary.operatorPayee, { kind: "operator", worker: null, amount: division.pools.operator });
    for (const { worker, payee } of agents) {
        const { work, readiness } = division.workers.get(worker)!;
        add(payee, { kind: "work", worker, amount: work });
        add(payee, { kind: "readiness", worker, amount: readiness });
    }
    return [...parts]
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([payee, of]) => payoutLine({ payee, amount: of.reduce((sum, part) => sum + part.amount, 0n), parts: of }));
}

/** The seal: who signed it, and whether it is the one that the contract took. */
async function* onChain(
    results: Results<EpochStep>, seal: Seal, summary: documents.Summary, bytes: Uint8Array, domain: Domain,
    chain: Chain, read: BundleReader, options: Options,
): AsyncGenerator<Step> {
    let signers: Hex[] | null = null;
    try {
        const signatures = documents.signatureFile(await read("SIGNATURE.txt"));
        signers = signatures.map(({ settler }) => settler);
        const [overSeal, overSummary] = [domain.sealDigest(seal), eip191(sha256(bytes))];
        const named = signers.join(", ") || "nobody";
        const recovered = (digest: Uint8Array, which: "seal" | "summary") =>
            signatures.map((s) => recover(digest, s[which]) ?? "an invalid signature").join(", ") || "nobody";
        const judge = (id: "seal-signatures" | "summary-signatures", found: string) =>
            results.judge(id, signatures.length > 0 && found === named, found, named);
        yield judge("seal-signatures", recovered(overSeal, "seal"));
        yield judge("summary-signatures", recovered(overSummary, "summary"));
    } catch (error) {
        options.signal?.throwIfAborted();
        signers = null;
        const isMissing = said(error).includes("could not be fetched");
        for (const id of ["seal-signatures", "summary-signatures"] as const) {
            yield isMissing ? results.unknown(id, `${capital(said(error))}.`) : results.judge(id, false, said(error), "SIGNATURE.txt in its format");
        }
    }
    if ("why" in chain) {
        if (chain.chainId !== null) yield results.same("chain-id", `${chain.chainId}`, `${summary.chainId}`);
        yield* results.rest(chain.why);
        return;
    }
    const { escrow } = chain;
    const ask = async <T>(id: EpochStep, question: () => Promise<T>, answer: (value: T) => Step): Promise<Step> => {
        try {
            return answer(await question());
        } catch (error) {
            options.signal?.throwIfAborted();
            return results.unknown(id, `${capital(said(error))}.`);
        }
    };
    yield results.same("chain-id", `${chain.chainId}`, `${summary.chainId}`);
    yield await ask("chain-domain", () => escrow.domainSeparator(), (theirs) => results.same("chain-domain", hex(domain.separator), theirs));
    const viewing = escrow.epoch(summary.epoch);
    viewing.catch(() => undefined);
    yield await ask("chain-epoch", () => viewing, (view) => results.judge("chain-epoch", view.status !== "none",
        view.status === "none" ? "no such epoch" : `settled at ${time(view.settledAt)}`, "a settled epoch"));
    yield await ask("chain-seal", () => viewing, (view) => results.same("chain-seal", hex(sealHash(seal)), view.sealHash));
    yield await ask("chain-root", () => viewing, (view) => results.same("chain-root", totals(summary), viewTotals(view)));
    yield await ask("chain-settlers", () => settlersNow(escrow, signers ?? []), ({ strangers, threshold, now }) => {
        if (signers === null) return results.unknown("chain-settlers", "SIGNATURE.txt could not be read.");
        const enough = BigInt(signers.length) >= threshold || now < signers.length;
        return results.judge("chain-settlers", strangers.length === 0 && enough,
            strangers.length > 0 ? `${strangers.join(", ")} never was a settler` : `${many(signers.length, "settler")}: ${signers.join(", ")}`,
            `at least ${threshold} of the contract's settlers`);
    });
    yield await ask("chain-status", () => viewing, (view) => statusStep(results, view));
}

function totals(summary: documents.Summary): string {
    return `${summary.receiptsRoot}, ${summary.receiptCount} receipts, ${summary.charged} µUSDC, sealed at ${summary.sealedAt}`;
}

function viewTotals(view: EpochView): string {
    return `${view.receiptsRoot}, ${view.receiptCount} receipts, ${view.charged} µUSDC, sealed at ${view.sealedAt}`;
}

/** Which of the signers are settlers now or were in an earlier set. */
async function settlersNow(escrow: Escrow, signers: Hex[]): Promise<{ strangers: Hex[]; threshold: bigint; now: number }> {
    const current = new Set(await escrow.settlers());
    const threshold = await escrow.number("threshold()");
    const gone = signers.filter((signer) => !current.has(signer));
    const ever = gone.length > 0 ? await escrow.everySettler() : current;
    return { strangers: gone.filter((signer) => !ever.has(signer)), threshold, now: signers.length - gone.length };
}

function statusStep(results: Results<EpochStep>, view: EpochView): Step {
    const expected = "final, or pending in its challenge window";
    if (view.status === "pending") {
        return results.judge("chain-status", true, "pending", expected,
            `The challenge window is open until ${time(view.finalAt)}: until then a proven fault or the guardian can still undo it.`);
    }
    return results.judge("chain-status", view.status === "final", view.status, expected);
}
