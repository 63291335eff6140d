/**
 * Reads values out of JSON that a stranger sent: every field has a type and a limit, an unknown field is refused
 * where a format is fixed, and what is wrong is named by its place. Only own properties are looked at.
 */
import type { Hex } from "./types";

/** Something is not what its format says. The message names the place and what was found there. */
export class Malformed extends Error {
    constructor(where: string, problem: string) {
        super(where === "" ? problem : `${where}: ${problem}`);
        this.name = "Malformed";
    }
}

/** Takes a value at a place, or throws `Malformed`. */
export type Reader<T> = (value: unknown, where: string) => T;

const U64_MAX = (1n << 64n) - 1n;
/** Of a foreign value, how much a message shows. */
const SHOWN_MAX = 40;

/** A foreign value in a message: its kind, and the beginning of a text. */
export function shown(value: unknown): string {
    if (typeof value === "string") {
        return JSON.stringify(value.length > SHOWN_MAX ? `${value.slice(0, SHOWN_MAX)}…` : value);
    }
    if (value === null) return "null";
    if (Array.isArray(value)) return `a list of ${value.length}`;
    if (typeof value === "object") return "an object";
    if (value === undefined) return "nothing";
    return `the ${typeof value} ${String(value)}`;
}

/** A 64-bit integer as a canonical decimal string: JSON's numbers lose digits above 2⁵³. */
export const u64: Reader<bigint> = (value, where) => {
    if (typeof value === "string" && value.length <= 20 && /^(0|[1-9][0-9]*)$/.test(value)) {
        const number = BigInt(value);
        if (number <= U64_MAX) return number;
    }
    throw new Malformed(where, `expected a 64-bit integer as a decimal string, found ${shown(value)}`);
};

/** A small whole number, as JSON has it. */
export function count(max: number): Reader<number> {
    return (value, where) => {
        if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
        throw new Malformed(where, `expected a whole number of at most ${max}, found ${shown(value)}`);
    };
}

function hexOf(bytes: number, what: string): Reader<Hex> {
    const pattern = new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`);
    return (value, where) => {
        if (typeof value === "string" && value.length === 2 + 2 * bytes && pattern.test(value)) return value as Hex;
        throw new Malformed(where, `expected ${what} (0x and ${2 * bytes} lower-case hex digits), found ${shown(value)}`);
    };
}

export const address = hexOf(20, "an address");
export const hash = hexOf(32, "a hash");
export const signature = hexOf(65, "a signature");

export function text(max: number): Reader<string> {
    return (value, where) => {
        // Half a surrogate pair has no UTF-8, so no hash.
        if (typeof value === "string" && value.length <= max && !/\p{Surrogate}/u.test(value)) return value;
        throw new Malformed(where, `expected a text of at most ${max} characters, found ${shown(value)}`);
    };
}

export function oneOf<T extends string>(...words: T[]): Reader<T> {
    return (value, where) => {
        const found = words.find((word) => word === value);
        if (found !== undefined) return found;
        throw new Malformed(where, `expected one of ${words.join(", ")}, found ${shown(value)}`);
    };
}

export function nullable<T>(inner: Reader<T>): Reader<T | null> {
    return (value, where) => (value === null ? null : inner(value, where));
}

export function list<T>(item: Reader<T>, max: number): Reader<T[]> {
    return (value, where) => {
        if (!Array.isArray(value)) throw new Malformed(where, `expected a list, found ${shown(value)}`);
        if (value.length > max) throw new Malformed(where, `expected at most ${max} items, found ${value.length}`);
        return value.map((each, at) => item(each, `${where}[${at}]`));
    };
}

/** A JSON object, its own entries. */
export function entries(value: unknown, where: string): [string, unknown][] {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new Malformed(where, `expected an object, found ${shown(value)}`);
    }
    return Object.entries(value);
}

type Shape = Record<string, Reader<unknown>>;
type Shaped<S extends Shape> = { [K in keyof S]: ReturnType<S[K]> };

/** An object with these fields; further ones are refused, because they would be outside of every hash's meaning. */
export function object<S extends Shape>(shape: S, others: "refuse" | "ignore" = "refuse"): Reader<Shaped<S>> {
    const names = Object.keys(shape);
    return (value, where) => {
        const given = entries(value, where);
        const dot = where === "" ? "" : `${where}.`;
        if (others === "refuse" && given.length > names.length) {
            const unknown = given.find(([name]) => !Object.hasOwn(shape, name));
            if (unknown) throw new Malformed(where, `has a field ${shown(unknown[0])} that its format does not have`);
        }
        const found: Record<string, unknown> = {};
        for (const name of names) {
            const own = Object.getOwnPropertyDescriptor(value, name);
            if (own === undefined) throw new Malformed(`${dot}${name}`, "is missing");
            found[name] = shape[name]!(own.value, `${dot}${name}`);
        }
        return found as Shaped<S>;
    };
}
