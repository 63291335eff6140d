import { usdc, usdcExact, usdcParts, type Micro } from "../format/money";

/** A USDC amount. With `exact` all six decimals are there, the zeros that fill them up in grey, so that columns align. */
export function Money({ amount, exact = false, unit = true }: { amount: Micro; exact?: boolean; unit?: boolean }) {
    const { sign, whole, decimals, zeros } = usdcParts(amount);
    return (
        <data class="money" value={usdcExact(amount)} title={`${usdc(amount)} USDC = ${BigInt(amount)} µUSDC`}>
            {sign}
            {whole}
            {decimals}
            {exact && <span class="money-zeros">{zeros}</span>}
            {unit && <span class="unit"> USDC</span>}
        </data>
    );
}
