import { PageHead } from "../components/layout";
import { Empty } from "../components/states";
import { href } from "../router";

export function NotFound() {
    return (
        <>
            <PageHead title="Nothing here" />
            <Empty title="This page has no such place">
                Go to the <a href={href()}>overview</a>, or search for a job, an address or a transaction.
            </Empty>
        </>
    );
}
