/** Published values: the column to compare with, never an input. */
import { readFileSync } from "node:fs";

export interface PublishedTable {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: Readonly<Record<string, readonly number[]>>;
}

export interface Publication {
  readonly citation: string;
  readonly testbed: string;
  readonly provenance: Readonly<Record<string, string>>;
  readonly tables: Readonly<Record<string, PublishedTable>>;
}

const FOLDER = new URL("../../../bench/published/", import.meta.url);

export function publication(name: "sosp03" | "asplos06" | "vmexit-generations" | "ept" | "pv-on-hvm" | "popek-goldberg"): Publication {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8")) as Publication;
}

/** The value of a row's column, null where there is none. */
export function valueOf(table: PublishedTable, row: string | undefined, column: string): number | null {
  return row === undefined ? null : table.rows[row]?.[table.columns.indexOf(column)] ?? null;
}
