/** What `energyMillijoules` says when nothing measured it: unknown is never 0. */
const UNKNOWN = 2n ** 64n - 1n;

/** `12.345 J`, `1.5 Wh`, or null when it was not measured. */
export function energy(millijoules: string | bigint | null | undefined): string | null {
    if (millijoules === null || millijoules === undefined) return null;
    const amount = BigInt(millijoules);
    if (amount === UNKNOWN) return null;
    const WATT_HOUR = 3_600_000n;
    return amount < WATT_HOUR ? `${decimal(amount, 1_000n, 3)} J` : `${decimal((amount * 1_000n) / WATT_HOUR, 1_000n, 3)} Wh`;
}

function decimal(amount: bigint, one: bigint, digits: number): string {
    const fraction = String(amount % one)
        .padStart(digits, "0")
        .replace(/0+$/, "");
    return fraction === "" ? String(amount / one) : `${amount / one}.${fraction}`;
}
