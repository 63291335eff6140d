import { expect, test } from "vitest";
import { csv } from "./csv";

test("cells with commas, quotes and line ends are quoted", () => {
    const text = csv([
        ["name", "amount"],
        ['a "b", c\nd', "0.100000"],
    ]);
    expect(text).toBe('name,amount\r\n"a ""b"", c\nd",0.100000\r\n');
});

test("no cell is a formula, and numbers stay numbers", () => {
    const hostile = '=HYPERLINK("http://x","y")';
    expect(csv([[hostile, "-0.000001", "+1", "@x", "-1+2"]])).toBe('"\'=HYPERLINK(""http://x"",""y"")",-0.000001,\'+1,\'@x,\'-1+2\r\n');
});
