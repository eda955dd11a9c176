/** Tables in the form of the originals: published and ours side by side, one row a mode. */
import { element, escape } from "../report/markup.js";
import { figure, signed, times } from "./format.js";
import { type FigureTable, labelOf, type ShownCell } from "./model.js";

export function grids(table: FigureTable): string {
  if (table.id === "popek-goldberg") return instructions(table);
  if (table.id === "vmexit-generations") return verdicts(table);
  if (table.id === "ept-vs-shadow") return gains(table);
  const hasOriginal = Object.keys(table.originals).length > 0;
  const columns = columnsOf(table);
  return element("div", { class: "pair" }, [
    hasOriginal ? grid("Published", table, columns, (mode) => table.originals[mode], (cell) => cell.published, false) : "",
    grid("Reproduced", table, columns, (mode) => mode, (cell) => cell.ours, true),
  ]);
}

const columnsOf = ({ cells }: FigureTable): string[] => [...new Set(cells.map(({ column }) => column))];
const modesOf = ({ cells }: FigureTable): string[] => [...new Set(cells.map(({ mode }) => mode))];
const find = ({ cells }: FigureTable, mode: string, column: string): ShownCell | undefined => cells.find((cell) => cell.mode === mode && cell.column === column);

/** Columns of the original run down here, so that a telephone can show them. */
function grid(title: string, table: FigureTable, columns: readonly string[], name: (mode: string) => string | undefined, value: (cell: ShownCell) => number | null, ours: boolean): string {
  const modes = modesOf(table).filter((mode) => name(mode) !== undefined);
  const head = element("tr", {}, ["", ...modes.map((mode) => name(mode)!)].map((text) => element("th", { scope: "col" }, escape(text))));
  const rows = columns.map((column) => element("tr", {}, [element("th", { scope: "row" }, escape(labelOf(table, column))), ...modes.map((mode) => {
    const cell = find(table, mode, column);
    if (!cell) return element("td", {}, "");
    const mark = ours && cell.status === "calibrated" ? element("sup", { title: "calibrated: a constant was fitted to this cell" }, "c") : "";
    const ratio = mode === "native" ? null : ours ? cell.ratioOurs : cell.ratioPublished;
    const small = ratio === null ? "" : element("small", {}, `${times(ratio)}×${ours && cell.error !== null ? ` <b class="${Math.abs(cell.error) > 1 ? "off" : ""}">${signed(cell.error)}</b>` : ""}`);
    return element("td", {}, `${figure(value(cell))}${mark}${small}`);
  })]));
  return element("div", { class: "scroll" }, [element("h4", {}, `${title} (${escape(table.unit)})`), element("table", { class: "grid" }, [element("thead", {}, head), element("tbody", {}, rows)])]);
}

function gains(table: FigureTable): string {
  const rows = table.cells.map((cell) => element("tr", {}, [
    element("th", { scope: "row" }, escape(cell.column) + (cell.says ? element("small", {}, escape(cell.says)) : "")), element("td", {}, figure(cell.published)), element("td", {}, `${figure(cell.ours)}`), element("td", {}, signed(cell.error)),
  ]));
  return element("div", { class: "scroll" }, element("table", { class: "grid" }, [element("thead", {}, element("tr", {}, ["", "published, at most", "ours", "error"].map((text) => element("th", {}, text)))), element("tbody", {}, rows)]));
}

/** A cell is shaded by who wins. */
function verdicts(table: FigureTable): string {
  const columns = columnsOf(table);
  const head = element("tr", {}, ["", ...columns].map((text) => element("th", { scope: "col" }, escape(text))));
  const rows = modesOf(table).map((mode) => element("tr", {}, [element("th", { scope: "row" }, escape(mode)), ...columns.map((column) => {
    const { ours, published, error } = find(table, mode, column)!;
    const small = published === null ? "" : element("small", {}, `published ${times(published)} <b>${signed(error)}</b>`);
    return element("td", { class: ours === null ? "" : ours < 1 ? "hardware" : "software" }, times(ours) + small);
  })]));
  return element("div", { class: "scroll" }, element("table", { class: "grid" }, [element("thead", {}, head), element("tbody", {}, rows)])) +
    element("p", { class: "shows" }, `<span class="key hardware">hvm needs fewer cycles</span> <span class="key software">dbt needs fewer</span>`);
}

function instructions(table: FigureTable): string {
  const modes = modesOf(table);
  const head = element("tr", {}, ["", ...modes].map((text) => element("th", { scope: "col" }, escape(text))));
  const rows = columnsOf(table).map((column) => element("tr", {}, [element("th", { scope: "row" }, element("code", {}, escape(column))), ...modes.map((mode) => {
    const cell = find(table, mode, column)!;
    const [did, ...note] = cell.says!.split(": ");
    return element("td", { class: `did ${cell.ours === 1 ? "tells" : cell.ours === null ? "none" : ""}` }, escape(did!) + (note.length === 0 ? "" : element("small", {}, escape(note.join(": ")))));
  })]));
  return element("div", { class: "scroll" }, element("table", { class: "grid did" }, [element("thead", {}, head), element("tbody", {}, rows)])) +
    element("p", { class: "shows" }, `<span class="key software">the guest could tell</span>`);
}
