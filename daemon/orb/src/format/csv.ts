// Tables as files for spreadsheets: RFC 4180, with a guard against cells that a spreadsheet would run.

/** The text of a table; the first row is its head. */
export function csv(rows: readonly (readonly string[])[]): string {
    return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(text: string): string {
    // A cell that begins like a formula is one to a spreadsheet; plain numbers are not touched.
    const formula = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text);
    const safe = formula ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
