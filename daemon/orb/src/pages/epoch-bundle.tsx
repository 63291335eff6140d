import type { IndexEpoch } from "../api/types";
import { Badge } from "../components/badge";
import { Hex } from "../components/hex";
import { Card, Fact, Facts } from "../components/layout";
import { Loaded, Notice } from "../components/states";
import { Table, type Column } from "../components/table";
import { bundle, bundleFolder } from "../data/bundle";
import { useLoad } from "../data/load";
import { group } from "../format/money";

interface File {
    readonly name: string;
    readonly digest: string | null;
}

/** The files from which anyone recomputes the epoch. */
export function EpochBundle({ epoch }: { epoch: IndexEpoch }) {
    const summary = useLoad(epoch.epoch, (signal) => bundle.summary(signal, epoch.epoch));
    const folder = bundleFolder(epoch.epoch);
    const columns: readonly Column<File>[] = [
        {
            name: "File",
            show: ({ name }) => (
                <a href={`./${folder}${name}`} target="_blank" rel="noopener noreferrer">
                    {name}
                </a>
            ),
        },
        { name: "SHA-256", show: ({ digest }) => (digest ? <Hex value={digest} whole /> : <span class="faint">signs the others</span>) },
    ];
    return (
        <>
            {epoch.bundle_state !== "complete" && epoch.bundle_state !== "unchecked" && (
                <Notice
                    tone="bad"
                    title={`The bundle is ${epoch.bundle_state === "differs" ? "not the one that was settled" : epoch.bundle_state}`}
                >
                    {epoch.bundle_detail} The guardian must void an epoch whose bundle cannot be fetched and recomputed.
                </Notice>
            )}
            <Card
                title="The bundle"
                note="Everything that is needed to recompute root, charges and payouts. JSON in its one canonical spelling (RFC 8785)."
            >
                <Facts>
                    <Fact name="State here">
                        <Badge state={epoch.bundle_state} />
                    </Fact>
                    <Fact name="Digest on chain" hint="SHA-256 of SUMMARY.json">
                        <Hex value={epoch.bundle} whole />
                    </Fact>
                    {epoch.summary?.cid && (
                        <Fact name="IPFS" hint="The CID under which anyone may pin the same files.">
                            <Hex value={epoch.summary.cid} whole />
                        </Fact>
                    )}
                    {epoch.summary && <Fact name="Size">{group(epoch.summary.bytes)} bytes</Fact>}
                </Facts>
            </Card>
            <Card title="Its files">
                <Loaded load={summary} missing="The bundle is not here">
                    {({ files }) => (
                        <Table label="Files of the bundle" columns={columns} rows={list(epoch, files)} id={({ name }) => name} />
                    )}
                </Loaded>
            </Card>
        </>
    );
}

function list(epoch: IndexEpoch, files: Readonly<Record<string, string>>): File[] {
    const named = Object.entries(files).map(([name, digest]) => ({ name, digest }));
    return [{ name: "SUMMARY.json", digest: epoch.bundle }, ...named, { name: "SIGNATURE.txt", digest: null }];
}
