import { useMemo } from "preact/hooks";
import { queen } from "../api/queen";
import type { Flow, Power, Quality } from "../api/types";
import { Chart } from "../components/chart";
import { Card, PageHead } from "../components/layout";
import { Empty, Loaded, Notice } from "../components/states";
import { Moment } from "../components/time";
import { now } from "../data/clock";
import { useBeat } from "../data/live";
import { useLoad } from "../data/load";
import { live } from "../data/site";
import { group } from "../format/money";
import { duration } from "../format/time";
import { NeedsQueen } from "./needs-queen";

/** Power is read again this often, seconds. */
const REFRESH_SECONDS = 15;

export function PowerPage() {
    const beat = useBeat((event) => event.kind.startsWith("power."));
    const turn = Math.floor(now.value / REFRESH_SECONDS);
    const load = useLoad(live.value ? "power" : null, queen.power, beat + turn);
    if (!live.value) return <NeedsQueen title="Power">What each job used is in its receipt.</NeedsQueen>;
    return (
        <>
            <PageHead title="Power">
                <p class="lede">
                    Where the rack's energy comes from, how far each reading can be trusted, and what the rack does about it.
                </p>
            </PageHead>
            <Loaded load={load} lines={8} missing="This queen does not report power">
                {(power) => <Shown power={power} />}
            </Loaded>
        </>
    );
}

const SOURCES = [
    {
        key: "solar",
        name: "Solar",
        icon: "M12 8a4 4 0 1 0 0 8 4 4 0 1 0 0-8M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2",
    },
    { key: "battery", name: "Battery", icon: "M4 8h15v8H4zM19 10.5h2v3h-2M9 10l-2 2.5h3L8 15" },
    { key: "grid", name: "Grid", icon: "M8 3 6 21M16 3l2 18M7 8h10M6.5 13h11M7.5 3h9M8 8l9 5M16 8l-9 5" },
    { key: "load", name: "Load", icon: "M5 5h14v14H5zM9 9h6v6H9zM9 2v3M15 2v3M9 19v3M15 19v3M2 9h3M2 15h3M19 9h3M19 15h3" },
] as const;

function Shown({ power }: { power: Power }) {
    const nothing = SOURCES.every(({ key }) => power[key].quality === "unknown");
    return (
        <>
            {nothing && (
                <Notice tone="plain" title="No meter answers on this rack">
                    Every value below is unknown, which is not 0. The ladder says what the rack makes of it.
                </Notice>
            )}
            <div class="power">
                {SOURCES.map(({ key, name, icon }) => (
                    <Source
                        key={key}
                        name={name}
                        icon={icon}
                        flow={power[key]}
                        charge={key === "battery" ? power.battery_percent : undefined}
                    />
                ))}
            </div>
            <Card
                title="The ladder"
                note="As energy runs short the rack steps down: first only jobs that cannot wait, then no new ones, then it switches off."
            >
                <p class="ladder">
                    <strong>{power.ladder.state === "unknown" ? <span class="unknown">unknown</span> : power.ladder.state}</strong>
                    <span>{power.ladder.reason}</span>
                    {power.ladder.since && (
                        <span class="faint">
                            since <Moment at={power.ladder.since} />
                        </span>
                    )}
                </p>
            </Card>
            <History power={power} />
        </>
    );
}

/** What the sign of a flow means: from it, into it. */
const DIRECTIONS: Readonly<Record<string, readonly [string, string]>> = {
    Battery: ["gives", "is being charged"],
    Grid: ["comes in", "goes out"],
};

function direction(name: string, watts: number): string | undefined {
    const words = DIRECTIONS[name];
    return words && watts !== 0 ? words[watts > 0 ? 0 : 1] : undefined;
}

function Source({ name, icon, flow, charge }: { name: string; icon: string; flow: Flow; charge?: Power["battery_percent"] | undefined }) {
    const known = typeof flow.watts === "number" && flow.quality !== "unknown";
    const watts = flow.watts ?? 0;
    const notes = [
        known ? direction(name, watts) : undefined,
        charge && (typeof charge.percent === "number" && charge.quality !== "unknown" ? `${charge.percent} % charged` : "charge unknown"),
    ].filter(Boolean);
    return (
        <section class={known ? "source" : "source source-unknown"} aria-label={name}>
            <svg viewBox="0 0 24 24" aria-hidden="true">
                <path d={icon} />
            </svg>
            <h2>{name}</h2>
            <p class="source-value">{known ? `${group(Math.abs(watts))} W` : <span class="unknown">unknown</span>}</p>
            {notes.length > 0 && <p class="source-charge">{notes.join(", ")}</p>}
            <Trust quality={flow.quality} age={flow.age_seconds ?? null} />
        </section>
    );
}

const QUALITIES: Readonly<Record<Quality, string>> = {
    good: "measured",
    stale: "measured, but old",
    estimated: "estimated",
    unknown: "no meter answers",
};

function Trust({ quality, age }: { quality: Quality; age: number | null }) {
    const tone = { good: "good", stale: "wait", estimated: "wait", unknown: "plain" }[quality];
    return (
        <p class="trust">
            <span class={`badge tone-${tone}`}>{QUALITIES[quality]}</span>
            {age !== null && <span class="faint"> {duration(age)} ago</span>}
        </p>
    );
}

function History({ power }: { power: Power }) {
    const x = useMemo(() => power.series.map(({ at }) => Number(at)), [power]);
    const tones = { solar: "honey", battery: "green", load: "blue", grid: "red" } as const;
    return (
        <Card title="The last day">
            {power.series.length < 2 ? (
                <Empty title="No history">Readings are drawn here as soon as a meter answers.</Empty>
            ) : (
                <Chart
                    label="Power, watts"
                    x={x}
                    unit="W"
                    series={SOURCES.map(({ key, name }) => ({ name, tone: tones[key], values: power.series.map((sample) => sample[key]) }))}
                />
            )}
        </Card>
    );
}
