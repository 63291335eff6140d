// A plain file server, as any web host or IPFS gateway is: no queen, no logic.
import { createReadStream, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES: Record<string, string> = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".json": "application/json",
    ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8", ".woff2": "font/woff2", ".webmanifest": "application/manifest+json",
};

/** Serves `folder` below a path, as a gateway does. */
export function serve(folder: string, under = "/ipfs/bafyfolder/"): Promise<{ url: string; server: Server }> {
    const server = createServer((request, response) => {
        const { pathname } = new URL(request.url ?? "/", "http://local");
        const inside = pathname.startsWith(under) ? normalize(decodeURIComponent(pathname.slice(under.length))) : "..";
        const file = join(folder, inside === "." || inside === "" ? "index.html" : inside);
        try {
            if (inside.startsWith("..") || !statSync(file).isFile()) throw new Error("no file");
        } catch {
            response.writeHead(404).end("not found");
            return;
        }
        response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
        createReadStream(file).pipe(response);
    });
    return new Promise((resolve) => {
        server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            const port = typeof address === "object" && address ? address.port : 0;
            resolve({ url: `http://127.0.0.1:${port}${under.slice(0, -1)}`, server });
        });
    });
}
