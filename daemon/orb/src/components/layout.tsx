import type { ComponentChildren } from "preact";

/** The head of a page: what it is about, and its facts in one line. */
export function PageHead({
    kicker,
    title,
    children,
}: {
    kicker?: ComponentChildren;
    title: ComponentChildren;
    children?: ComponentChildren;
}) {
    return (
        <header class="page-head">
            {kicker && <p class="kicker">{kicker}</p>}
            <h1>{title}</h1>
            {children && <div class="page-facts">{children}</div>}
        </header>
    );
}

/** A part of a page. */
export function Card({
    title,
    note,
    actions,
    children,
    id,
}: {
    title?: ComponentChildren;
    note?: ComponentChildren;
    actions?: ComponentChildren;
    children: ComponentChildren;
    id?: string;
}) {
    return (
        <section class="card" id={id}>
            {(title || actions) && (
                <div class="card-head">
                    {title && <h2>{title}</h2>}
                    {actions && <div class="card-actions">{actions}</div>}
                </div>
            )}
            {note && <p class="note">{note}</p>}
            {children}
        </section>
    );
}

/** Facts: a name and a value a line. */
export function Facts({ children }: { children: ComponentChildren }) {
    return <dl class="facts">{children}</dl>;
}

/** One fact. `hint` says what it means. */
export function Fact({ name, hint, children }: { name: string; hint?: ComponentChildren; children: ComponentChildren }) {
    return (
        <div class="fact">
            <dt>{name}</dt>
            <dd>
                {children}
                {hint && <p class="hint">{hint}</p>}
            </dd>
        </div>
    );
}

/** A number that matters, large. */
export function Stat({
    name,
    children,
    under,
    link,
}: {
    name: string;
    children: ComponentChildren;
    under?: ComponentChildren;
    link?: string;
}) {
    const inner = (
        <>
            <span class="stat-name">{name}</span>
            <span class="stat-value">{children}</span>
            <span class="stat-under">{under}</span>
        </>
    );
    return link ? (
        <a class="stat" href={link}>
            {inner}
        </a>
    ) : (
        <div class="stat">{inner}</div>
    );
}

/** Links between the parts of a page. */
export function Tabs({
    label,
    items,
    current,
}: {
    label: string;
    items: readonly { id: string; text: string; link: string }[];
    current: string;
}) {
    return (
        <nav class="tabs" aria-label={label}>
            {items.map(({ id, text, link }) => (
                <a key={id} href={link} aria-current={id === current ? "page" : undefined}>
                    {text}
                </a>
            ))}
        </nav>
    );
}
