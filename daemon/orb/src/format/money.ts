// Amounts are decimal strings of µUSDC, and bigint while they are computed with: no float touches them.

/** µUSDC in one USDC. */
export const MICRO_PER_USDC = 1_000_000n;

/** An amount as it comes (decimal string) or is computed. */
export type Micro = string | bigint;

/** A USDC amount, taken apart for display: `1,234` `.50` `0000`. */
export interface UsdcParts {
    readonly sign: "" | "−";
    /** Whole USDC, grouped by thousands. */
    readonly whole: string;
    /** Point and digits that count, at least two. */
    readonly decimals: string;
    /** The zeros that make it six digits. */
    readonly zeros: string;
}

/** Takes an amount apart. Throws `SyntaxError` on what is no integer. */
export function usdcParts(amount: Micro): UsdcParts {
    const micro = BigInt(amount);
    const size = micro < 0n ? -micro : micro;
    const fraction = String(size % MICRO_PER_USDC).padStart(6, "0");
    const digits = Math.max(2, fraction.replace(/0+$/, "").length);
    return {
        sign: micro < 0n ? "−" : "",
        whole: group(size / MICRO_PER_USDC),
        decimals: `.${fraction.slice(0, digits)}`,
        zeros: fraction.slice(digits),
    };
}

/** `0.10`, `1,234.567891`: two to six decimals, exact. */
export function usdc(amount: Micro): string {
    const { sign, whole, decimals } = usdcParts(amount);
    return sign + whole + decimals;
}

/** `1234.567891`: always six decimals, for spreadsheets. */
export function usdcExact(amount: Micro): string {
    const micro = BigInt(amount);
    const size = micro < 0n ? -micro : micro;
    const fraction = String(size % MICRO_PER_USDC).padStart(6, "0");
    return `${micro < 0n ? "-" : ""}${size / MICRO_PER_USDC}.${fraction}`;
}

/** Groups an integer's digits by thousands. */
export function group(value: string | bigint | number): string {
    return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** Σ of amounts. */
export function sum(amounts: Iterable<Micro>): bigint {
    let total = 0n;
    for (const amount of amounts) total += BigInt(amount);
    return total;
}

/** `part` of `whole` in basis points, rounded down; 0 of nothing. For bars only, never for money. */
export function bps(part: Micro, whole: Micro): number {
    const of = BigInt(whole);
    return of === 0n ? 0 : Number((BigInt(part) * 10_000n) / of);
}
