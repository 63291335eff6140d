import type { ComponentType } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";
import { PageHead } from "./components/layout";
import { Failed, Notice, Skeleton } from "./components/states";
import { index, indexFailure } from "./data/site";
import { Bee } from "./pages/bee";
import { Bees } from "./pages/bees";
import { Client } from "./pages/client";
import { Contract } from "./pages/contract";
import { EpochPage } from "./pages/epoch";
import { Epochs } from "./pages/epochs";
import { JobPage } from "./pages/job";
import { Jobs } from "./pages/jobs";
import { NotFound } from "./pages/not-found";
import { Overview } from "./pages/overview";
import { PowerPage } from "./pages/power";
import { ReceiptPage } from "./pages/receipt";
import { SearchPage } from "./pages/search";
import { Settings } from "./pages/settings";
import { Verify } from "./pages/verify";
import { route } from "./router";
import { Shell } from "./shell";

/** A page gets the second word of its route: which one. */
interface Page {
    readonly title: string;
    readonly show: ComponentType<{ id: string }>;
    /** Works without the index. */
    readonly alone?: boolean;
}

const PAGES: Readonly<Record<string, Page>> = {
    "": { title: "Overview", show: Overview },
    epochs: { title: "Epochs", show: Epochs },
    epoch: { title: "Epoch", show: EpochPage },
    receipt: { title: "Receipt", show: ReceiptPage },
    jobs: { title: "Jobs", show: Jobs },
    job: { title: "Job", show: JobPage },
    bees: { title: "Bees", show: Bees },
    bee: { title: "Bee", show: Bee },
    power: { title: "Power", show: PowerPage },
    client: { title: "Account", show: Client },
    contract: { title: "Contract", show: Contract },
    search: { title: "Search", show: SearchPage },
    verify: { title: "Verify it yourself", show: Verify, alone: true },
    settings: { title: "Settings", show: Settings, alone: true },
};

export function App() {
    const [word = "", id = ""] = route.value.path;
    const page = Object.hasOwn(PAGES, word) ? PAGES[word] : undefined;
    useEffect(() => {
        document.title = `${[id, page?.title ?? "Not found"].filter(Boolean).join(" · ")} · SwarmOrb`;
        scrollTo(0, 0);
    }, [word, id]);
    return <Shell>{page ? <Show key={`${word}/${id}`} page={page} id={id} /> : <NotFound />}</Shell>;
}

function Show({ page, id }: { page: Page; id: string }) {
    const [error] = useErrorBoundary();
    if (error) return <Broken title={page.title} error={error} />;
    if (page.alone || index.value) return <page.show id={id} />;
    return (
        <>
            <PageHead title={page.title} />
            {indexFailure.value ? (
                <Failed failure={indexFailure.value} missing="No index.json lies beside this page" />
            ) : (
                <Skeleton lines={8} />
            )}
        </>
    );
}

/** What came could not be shown: one page is lost, not the site. */
function Broken({ title, error }: { title: string; error: unknown }) {
    return (
        <>
            <PageHead title={title} />
            <Notice tone="bad" title="What came cannot be shown" alert>
                {error instanceof Error ? error.message : String(error)}
            </Notice>
        </>
    );
}
