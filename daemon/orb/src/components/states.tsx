import type { ComponentChildren } from "preact";
import type { Failure } from "../api/http";
import type { Load } from "../data/load";
import type { Tone } from "./badge";
import { PageHead } from "./layout";

/** Says something instead of, or above, what a page shows. */
export function Notice({
    tone,
    title,
    children,
    alert = false,
}: {
    tone: Tone;
    title: string;
    children?: ComponentChildren;
    alert?: boolean;
}) {
    return (
        <div class={`notice tone-${tone}`} role={alert ? "alert" : undefined}>
            <strong>{title}</strong>
            {children && <div>{children}</div>}
        </div>
    );
}

/** Nothing is there, and that is all right. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
    return (
        <div class="empty">
            <svg viewBox="0 0 64 56" aria-hidden="true">
                <path d="M20 4 34 12v16L20 36 6 28V12zM44 20l14 8v16l-14 8-14-8V28z" />
            </svg>
            <strong>{title}</strong>
            {children && <p>{children}</p>}
        </div>
    );
}

/** Something is on its way. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
    return (
        <div class="skeleton" role="status" aria-label="Loading">
            {Array.from({ length: lines }, (_, line) => (
                <span key={line} />
            ))}
        </div>
    );
}

/** Why something is not shown. */
export function Failed({ failure, missing }: { failure: Failure; missing?: string | undefined }) {
    const titles = { offline: "Nothing answers", missing: missing ?? "Not here", refused: "Refused", damaged: "Not readable" };
    return (
        <Notice tone={failure.kind === "missing" ? "plain" : "bad"} title={titles[failure.kind]} alert={failure.kind !== "missing"}>
            {failure.message}
        </Notice>
    );
}

interface LoadedProps<T> {
    readonly load: Load<T>;
    readonly lines?: number;
    /** What is said when there is no such thing. */
    readonly missing?: string;
    /** Heads the page until its content does it: for what a whole page is about. */
    readonly title?: string;
    readonly children: (value: T) => ComponentChildren;
}

/** Shows what was loaded, or where the loading stands. */
export function Loaded<T>({ load, lines = 3, missing, title, children }: LoadedProps<T>) {
    if (load.state !== "ready") {
        return (
            <>
                {title && <PageHead title={title} />}
                {load.state === "loading" ? <Skeleton lines={lines} /> : <Failed failure={load.failure} missing={missing} />}
            </>
        );
    }
    return (
        <>
            {load.stale && (
                <Notice tone="wait" title="Not fresh">
                    {load.stale.message}
                </Notice>
            )}
            {children(load.value)}
        </>
    );
}
