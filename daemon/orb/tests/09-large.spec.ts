// An epoch of 10 000 receipts and 1 000 payees: what is seen is drawn, and no more.
import { axe, expect, open, test } from "./page";
import { enlarge, PAYEES, RECEIPTS } from "./large";

/** Elements of a page that scrolls smoothly on a phone; all rows of the list would be ten times as many. */
const ELEMENTS_MAX = 4_000;
const ROWS_MAX = 100;

test("receipts scroll to the last, with only the seen rows there", async ({ page, rack }) => {
    await enlarge(page);
    await open(page, rack.queen, "#/epoch/1?tab=receipts");
    const table = page.getByRole("table", { name: "Receipts" });
    await expect(table).toHaveAttribute("aria-rowcount", String(RECEIPTS + 1));
    const body = table.locator(".long-body");
    const rows = table.getByRole("row");
    await expect(table).toContainText("job-001-0001");
    for (const part of [0.1, 0.5, 0.9, 1]) {
        await body.evaluate((element, to) => element.scrollTo(0, element.scrollHeight * to), part);
        const near = Math.min(RECEIPTS, Math.max(1, Math.round(RECEIPTS * part)));
        if (part === 1) await expect(table).toContainText(`job-001-${RECEIPTS}`);
        else await expect(table.locator(`[aria-rowindex="${near + 2}"]`)).toBeVisible();
        expect(await rows.count()).toBeLessThan(ROWS_MAX);
    }
    expect(await page.locator("*").count()).toBeLessThan(ELEMENTS_MAX);
    expect(await axe(page)).toEqual([]);
});

test("payees and clients likewise", async ({ page, rack }) => {
    await enlarge(page);
    await open(page, rack.queen, "#/epoch/1?tab=money");
    const long = page.locator(`[aria-rowcount="${PAYEES + 1}"]`);
    await expect(long.first()).toBeVisible();
    expect(await page.locator("*").count()).toBeLessThan(ELEMENTS_MAX);
    await long.first().locator(".long-body").evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await expect(long.first().locator(`[aria-rowindex="${PAYEES + 1}"]`)).toBeVisible();
});
