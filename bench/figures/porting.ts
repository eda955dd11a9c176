/** Table 2 of the Xen paper for our guest: lines that a port takes. Counted from the sources where they are, else from the committed count. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { FigureTable, ShownCell } from "./model.js";
import { publication, valueOf } from "./published.js";

/** Lines of code: neither blank nor all comment. */
export interface PortingLines {
  readonly shared: number;
  readonly bare: number;
  readonly xen: number;
  /** Of `xen`: the front ends of the block device and of the network; and of `shared`: lines that ask which port it is. */
  readonly xenBlock: number;
  readonly xenNetwork: number;
  readonly sharedForXen: number;
}

const GUEST = new URL("../../../guest/", import.meta.url);
export const COMMITTED = new URL("../../../bench/published/porting-lines.json", import.meta.url);
/** Folders of the guest that are neither kernel nor port. */
const APART = new Set(["arch", "boot", "images", "linux", "pv", "user"]);
const SOURCES = /\.(c|h|S|ld)$/;
const ASKS_FOR_PORT = /\bxen|\bXEN|\bPORT_|ARCH_XEN/;

/** The text's lines without blank ones and comments. */
export function codeLines(text: string): string[] {
  return text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, "")).replace(/\/\/.*$/gm, "").split("\n").filter((line) => line.trim() !== "");
}

/** Counts the guest's sources; null where they are not. */
export function countPorting(): PortingLines | null {
  if (!existsSync(new URL("arch/xen/", GUEST))) return null;
  const lines = (folder: string, only: RegExp = SOURCES): string[] => readdirSync(new URL(folder, GUEST)).filter((file) => SOURCES.test(file) && only.test(file)).sort()
    .flatMap((file) => codeLines(readFileSync(new URL(folder + file, GUEST), "utf8")));
  const shared = readdirSync(GUEST, { withFileTypes: true }).filter((entry) => entry.isDirectory() && !APART.has(entry.name)).map(({ name }) => name).sort().flatMap((folder) => lines(`${folder}/`));
  return {
    shared: shared.length, bare: lines("arch/bare/").length, xen: lines("arch/xen/").length + lines("pv/").length, xenBlock: lines("arch/xen/", /^blkfront/).length,
    xenNetwork: lines("pv/", /^netfront/).length,
    sharedForXen: shared.filter((line) => ASKS_FOR_PORT.test(line)).length,
  };
}

export function committedPorting(): PortingLines {
  return JSON.parse(readFileSync(COMMITTED, "utf8")) as PortingLines;
}

export function portingTable(): FigureTable {
  const { citation, provenance, tables } = publication("sosp03");
  const printed = tables["table2"]!;
  const count = countPorting() ?? committedPorting();
  const ours: Readonly<Record<string, number>> = {
    "architecture-independent": count.sharedForXen, ...(count.xenNetwork === 0 ? {} : { "virtual network driver": count.xenNetwork }), "virtual block-device driver": count.xenBlock,
    "Xen-specific (non-driver)": count.xen - count.xenBlock - count.xenNetwork, total: count.sharedForXen + count.xen,
  };
  const cell = (mode: string, column: string, value: number, published: number | null): ShownCell => ({ mode, column, published, ours: value, ratioPublished: null, ratioOurs: null, error: null, status: "predicted" });
  return {
    id: "sosp03-table2", title: printed.title, unit: "lines", citation, provenance: provenance["table2"]!, profile: "",
    cells: [
      ...Object.entries(ours).map(([column, value]) => cell("paravirt", column, value, valueOf(printed, "Linux", column))),
      cell("native", "total", count.bare, null), cell("native", "shared kernel", count.shared, null), cell("paravirt", "shared kernel", count.shared, null),
    ],
    missing: count.xenNetwork === 0 ? [{ column: "virtual network driver", reason: "the guest has no network" }] : [],
    notes: [
      `Lines of code, blank lines and comments left out. Of the guest's ${count.shared + count.xen} lines on Xen, ${Math.round(count.xen / (count.shared + count.xen) * 100)}% are the port; its port to the bare PC takes ${count.bare}. For Linux 2,995 lines were 1.36% of its x86 code.`,
      "The published column is another system's effort: it is printed beside ours, not compared.",
    ],
    chart: "none", originals: { paravirt: "Linux" },
  };
}
