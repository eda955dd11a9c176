import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCell } from "../../bench/cell.js";
import { SOSP_COLUMNS, workload } from "../../bench/workloads.js";
import { loadProfile } from "../../index.js";

const test = suite("the guest's workloads of the papers' tables");
const profile = loadProfile("xeon-2003");

/** Small counts: what is computed, not how long it takes. */
const SIZES: Readonly<Record<string, number>> = {
  "null-io": 20, stat: 5, "open-close": 5, "sig-install": 5, "create-0k": 40, "delete-0k": 40, "create-10k": 20, "delete-10k": 20, "mmap-file": 2,
  "fault-file": 512, fork: 2, exec: 2, sh: 2, make: 1, "osdb-ir": 50, "osdb-oltp": 10, dbench: 1, "ctxsw-16p-64k": 32,
};

for (const [name, size] of Object.entries(SIZES)) {
  test(`${name} computes the same on a bare PC, translated and under Xen (guest/README.md: a checksum depends on what was computed only)`, () => {
    const small = { ...workload(name)!, size, operations: size };
    const [bare, translated, xen] = (["native", "dbt", "paravirt"] as const).map((mode) => runCell(small, mode, profile));
    for (const cell of [bare!, translated!, xen!]) assert.is(cell.failed, undefined);
    assert.match(bare!.checksum!, /^[0-9a-f]{8}$/);
    assert.equal([translated!.checksum, xen!.checksum], [bare!.checksum, bare!.checksum]);
  });
}

test("each column of tables 3 to 5 and figure 3 has a workload that exists", () => {
  for (const columns of Object.values(SOSP_COLUMNS)) for (const name of Object.values(columns)) assert.ok(workload(name), name);
});

test.run();
