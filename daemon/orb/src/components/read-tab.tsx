import { index } from "../data/site";
import type { ReadTabCall } from "../verify";
import { Copy, explorerLink, Hex } from "./hex";

/** A call of the contract's Read tab: what to click, what to paste, what must come back. */
export function ReadTab({ call }: { call: ReadTabCall }) {
    const link = explorerLink("contract", call.contract);
    return (
        <ol class="read-tab">
            <li>
                Open the contract <Hex value={call.contract} whole named={false} />{" "}
                {link && index.value?.explorer ? (
                    <a href={`${link}#readContract`} target="_blank" rel="noopener noreferrer">
                        in the block explorer ↗
                    </a>
                ) : (
                    "in a block explorer of its chain"
                )}
                , and compare the address with one that you have from somebody you trust.
            </li>
            <li>
                Choose <b>Contract</b>, <b>Read Contract</b>, <b>{call.function}</b>.
            </li>
            <li>
                Paste:
                <dl class="pastes">
                    {call.inputs.map(({ name, type, value }) => (
                        <div key={name}>
                            <dt>
                                {name} <span class="faint">{type.split("(")[0]}</span>
                            </dt>
                            <dd>
                                <code>{value}</code>
                                <Copy value={value} />
                            </dd>
                        </div>
                    ))}
                </dl>
            </li>
            <li>
                Press <b>Query</b>. It must answer:
                <ul>
                    {call.answers.map(({ name, value }) => (
                        <li key={name}>
                            {name && <b>{name} </b>}
                            {value}
                        </li>
                    ))}
                </ul>
            </li>
        </ol>
    );
}
