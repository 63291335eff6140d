import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../data/prefs";

/** A line, or bars, of a chart. Null is a gap: nobody measured. */
export interface Series {
    readonly name: string;
    readonly values: readonly (number | null | undefined)[];
    /** A colour of the style sheet, by name: `--honey`. */
    readonly tone: string;
    readonly bars?: boolean;
}

interface Props {
    readonly label: string;
    readonly x: readonly number[];
    readonly series: readonly Series[];
    readonly unit: string;
    /** Whether x is Unix seconds. */
    readonly time?: boolean;
    readonly height?: number;
    /** Lowest and highest value of the scale, where they are known. */
    readonly range?: readonly [number, number];
}

/** uPlot's templates of dates and times are American; ours are as everywhere else on the page. */
function isoTemplate(template: string): string {
    return template
        .replace("{h}:{mm}{aa}", "{HH}:{mm}")
        .replace("{h}{aa}", "{HH}:00")
        .replace("{M}/{D}/{YY}", "{YYYY}-{MM}-{DD}")
        .replace("{M}/{D}", "{MM}-{DD}");
}

/** A chart of a few series. Figures that count are in tables too. */
export function Chart({ label, x, series, unit, time = true, height = 200, range }: Props) {
    const frame = useRef<HTMLDivElement>(null);
    const drawn = JSON.stringify([x, series]);
    useEffect(() => {
        const element = frame.current;
        if (!element) return undefined;
        const style = getComputedStyle(element);
        const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
        const axis = {
            stroke: colour("ink-2"),
            grid: { stroke: colour("line"), width: 1 },
            ticks: { show: false },
            font: `12px ${style.fontFamily}`,
        };
        const bars = uPlot.paths.bars?.({ size: [0.6, 60] });
        const plot = new uPlot(
            {
                width: element.clientWidth || 600,
                height,
                legend: { show: false },
                cursor: { y: false },
                fmtDate: (template) => uPlot.fmtDate(isoTemplate(template)),
                scales: {
                    x: { time },
                    y: range ? { range: [range[0], range[1]] } : { range: (_, low, high) => [Math.min(0, low), high * 1.1 || 1] },
                },
                axes: [
                    { ...axis, ...(time ? {} : { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }) },
                    { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (unit === "$" ? `$${tick}` : `${tick} ${unit}`)) },
                ],
                series: [
                    {},
                    ...series.map(({ name, tone, bars: asBars }) => ({
                        label: name,
                        stroke: colour(tone),
                        fill: `${colour(tone)}${asBars ? "cc" : "22"}`,
                        width: asBars ? 0 : 2,
                        // A line needs two neighbours: of a few samples each one shows.
                        points: { show: x.length < 12 },
                        spanGaps: false,
                        ...(asBars && bars ? { paths: bars } : {}),
                    })),
                ],
            },
            [[...x], ...series.map(({ values }) => [...values])],
            element,
        );
        const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
        observer.observe(element);
        return () => {
            observer.disconnect();
            plot.destroy();
        };
    }, [drawn, unit, height, theme.value]);
    const newest = series.map(({ name, values }) => `${name} ${values.at(-1) ?? "unknown"} ${unit}`).join(", ");
    return (
        <figure class="chart">
            <div ref={frame} role="img" aria-label={`${label}. Last: ${newest}.`} />
            {series.length > 1 && (
                <figcaption>
                    {series.map(({ name, tone }) => (
                        <span key={name} class="legend">
                            <i style={{ background: `var(--${tone})` }} /> {name}
                        </span>
                    ))}
                </figcaption>
            )}
        </figure>
    );
}
