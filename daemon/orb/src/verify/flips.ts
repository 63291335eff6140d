/** For tests: a receipt's document with one byte flipped, and the step that must notice. */

/** Of every field, the step that must notice when a byte of it is flipped. */
export const NAMED: Record<string, Record<string, string>> = {
    receipt: {
        jobEpoch: "execution-fields", jobSeq: "execution-fields", client: "order-fields", worker: "execution-signature",
        order: "order-commitment", model: "order-fields", input: "order-fields", result: "execution-fields",
        execution: "execution-digest", power: "execution-fields", fee: "path", clientTotal: "path",
        startedAt: "execution-fields", completedAt: "execution-fields", energyMillijoules: "execution-fields",
    },
    "order.order": {
        client: "order-fields", model: "order-fields", input: "order-fields", maxFee: "order-commitment",
        nonce: "order-commitment", deadline: "order-commitment",
    },
    order: { signature: "order-commitment" },
    execution: {
        jobEpoch: "execution-fields", jobSeq: "execution-fields", order: "execution-fields", model: "execution-fields",
        input: "execution-fields", result: "execution-fields", engine: "execution-digest", device: "execution-digest",
        startedAt: "execution-fields", completedAt: "execution-fields", energyMillijoules: "execution-fields",
        power: "execution-fields",
    },
    "": { execution_signature: "execution-signature", index: "path", root: "path", chain_id: "execution-digest", escrow: "execution-digest" },
};
/** Every field, as the way to it in the document, with its step. */
export const FIELDS: { path: string[]; step: string }[] = Object.entries(NAMED).flatMap(([at, steps]) =>
    Object.entries(steps).map(([field, step]) => ({ path: [...(at === "" ? [] : at.split(".")), field], step })),
);

/** A copy with one byte of one field flipped: the low byte of an integer, or byte `at` of a hex text. */
export function flipped<T>(document: T, path: (string | number)[], at = 0): T {
    const copy = structuredClone(document);
    let holder = copy as Record<string | number, unknown>;
    for (const name of path.slice(0, -1)) holder = holder[name] as typeof holder;
    const last = path.at(-1)!;
    const value = holder[last] as string;
    if (value.startsWith("0x")) {
        const place = 2 + 2 * (at < 0 ? (value.length - 2) / 2 + at : at);
        const byte = parseInt(value.slice(place, place + 2), 16) ^ 1;
        holder[last] = value.slice(0, place) + byte.toString(16).padStart(2, "0") + value.slice(place + 2);
    } else {
        holder[last] = String(BigInt(value) ^ 1n);
    }
    return copy;
}
