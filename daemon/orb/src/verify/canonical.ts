/** Canonical JSON (RFC 8785): one text a value. JavaScript's own number and string forms are the RFC's. */
import { utf8 } from "./bytes";
import { Malformed } from "./read";

/** No file of a bundle nests deeper than 6. */
const DEPTH_MAX = 32;

/** The canonical text of a JSON value. */
export function canonical(value: unknown, depth = 0): string {
    if (depth > DEPTH_MAX) throw new Malformed("", `JSON nested deeper than ${DEPTH_MAX}`);
    if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(",")}]`;
    if (typeof value === "object" && value !== null) {
        // sort() compares UTF-16 code units, as the RFC does.
        const fields = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
        return `{${fields.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item, depth + 1)}`).join(",")}}`;
    }
    return JSON.stringify(value);
}

/** Parses a file and checks that it is the canonical text of what it says (so no key twice, no second spelling). */
export function parseCanonical(bytes: Uint8Array): { value: unknown; isCanonical: boolean } {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    return { value, isCanonical: canonical(value) === text };
}

/** The canonical bytes, for hashing. */
export function canonicalBytes(value: unknown): Uint8Array {
    return utf8(canonical(value));
}
