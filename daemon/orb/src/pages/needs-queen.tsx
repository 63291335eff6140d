import type { ComponentChildren } from "preact";
import { PageHead } from "../components/layout";
import { Empty } from "../components/states";
import { href } from "../router";

/** What only a queen knows, on a site without one. */
export function NeedsQueen({ title, children }: { title: string; children?: ComponentChildren }) {
    return (
        <>
            <PageHead title={title} />
            <Empty title="This is a copy without a queen">
                What happens now is known to a running queen only. {children} See the <a href={href("epochs")}>epochs</a>.
            </Empty>
        </>
    );
}
