/** A guest block under each mode as one HTML page: x86 above, the generated JavaScript of the modes in columns. */
import { describePolicy, type Explanation, TRAP_POINT } from "../../translator/explain.js";
import { element, escape } from "./markup.js";

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --trap: #c2410c; --soft: #8882; }
@media (prefers-color-scheme: dark) { :root { --trap: #fb923c; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 110rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin: 0 0 .5rem; text-transform: uppercase; letter-spacing: .06em; }
pre, code, td { font: 12.5px/1.55 ui-monospace, monospace; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; } td, th { padding: .15rem .8rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-size: .8rem; } tr.trap td { background: var(--soft); } .point { color: var(--trap); font-weight: 600; }
.modes { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); margin-top: 2rem; }
.mode { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; min-width: 0; } .mode pre { overflow-x: auto; margin: 0; }
.mode .remark { opacity: .6; }`;

/** One self-contained page. */
export function renderExplanations(found: readonly Explanation[], name: string): string {
  const address = (found[0]!.instructions[0]!.address >>> 0).toString(16);
  const title = `${name}, block at 0x${address}`;
  return `<!doctype html>${element("html", { lang: "en" }, [
    element("head", {}, [
      `<meta charset="utf-8"><meta name="viewport" content="width=device-width">`, element("title", {}, escape(title)), element("style", {}, STYLE),
    ]),
    element("body", {}, [
      element("h1", {}, escape(title)),
      element("p", {}, `The guest's instructions, and what each mode makes of those that are sensitive; below, the JavaScript each mode runs. ${element("span", { class: "point" }, "◆ trap points")} are where the hypervisor comes in.`),
      element("div", { class: "scroll" }, instructionTable(found)),
      element("div", { class: "modes" }, found.map(modeCard)),
    ]),
  ])}\n`;
}

function instructionTable(found: readonly Explanation[]): string {
  const head = ["address", "bytes", "instruction", ...found.map(({ mode }) => mode)].map((text) => element("th", {}, escape(text)));
  const rows = found[0]!.instructions.map(({ address, bytes, text, policy }, i) => element("tr", { class: policy === null ? undefined : "trap" }, [
    element("td", {}, (address >>> 0).toString(16)), element("td", {}, Buffer.from(bytes).toString("hex")), element("td", {}, escape(text)),
    ...found.map(({ instructions }) => {
      const cell = instructions[i]?.policy ?? null;
      return element("td", {}, cell === null ? "" : escape(describePolicy(cell)));
    }),
  ]));
  return element("table", {}, [element("tr", {}, head), ...rows]);
}

function modeCard({ mode, source }: Explanation): string {
  const code = source.trimEnd().split("\n").map((line) => {
    const at = line.indexOf("// ");
    if (at < 0) return escape(line);
    const trap = line.startsWith(TRAP_POINT, at + 3);
    const text = trap ? `◆ ${line.slice(at + 3)}` : line.slice(at);
    return escape(line.slice(0, at)) + element("span", { class: trap ? "point" : "remark" }, escape(text));
  }).join("\n");
  return element("section", { class: "mode" }, [element("h2", {}, mode), element("pre", {}, element("code", {}, code))]);
}
