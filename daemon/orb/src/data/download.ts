/** Time that a browser has to take a file before it is forgotten, milliseconds. */
const TAKEN_MS_MAX = 10_000;

/** Gives the reader a file to keep. */
export function download(name: string, type: string, text: string): void {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), TAKEN_MS_MAX);
}
