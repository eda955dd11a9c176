// Questions about the processor as a system (judge.asm), answered alike by every mode and tier, and by QEMU's TCG but where it is known to
// fall short. tcg.txt is what this printed, first pass, with QEMU 7.2.22 of Debian 12:
//   nasm -f bin judge.asm -o judge.bin
//   qemu-system-i386 -m 16 -display none -serial stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel judge.bin
// expected.txt is what we print. Where the two differ, DEVIATIONS says why the manual is on our side.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createVm, type VmOptions } from "../../index.js";

const file = (name: string): string => fileURLToPath(new URL(`../../../test/judge/${name}`, import.meta.url));
const lines = (name: string): string[] => readFileSync(file(name), "latin1").trimEnd().split("\n");

const LIMITS = "TCG has no segment limits, types or null segments at data accesses (SDM vol. 3, 5.3 and 5.5)";
const VME = "TCG of this version has no VME (SDM vol. 3, 20.3)";
const STI = "TCG holds the trap of single-step off behind STI, which holds off maskable interrupts only (SDM vol. 2, STI; vol. 3, 6.8.3)";
const NEW_TASK = "TCG saves another EIP for a fault in the new task's context than that of its first instruction (SDM vol. 3, 7.3)";
const DEVIATIONS: Readonly<Record<string, string>> = {
  "LOCK on MOV": "TCG lets LOCK pass where it does not decode an operation on memory (SDM vol. 2, LOCK)",
  "LOCK on BT": "the same: BT writes nothing (SDM vol. 2, LOCK)",
  "an unmasked x87 error comes with the next x87 instruction": "TCG looks for pending errors in WAIT only (SDM vol. 1, 8.7)",
  "a segment's last byte, and one beyond": LIMITS,
  "a limit of pages": LIMITS,
  "a write to read-only data": LIMITS,
  "expand-down, 32 bits: at the limit": LIMITS,
  "expand-down, 16 bits: above 64 KB": LIMITS,
  "through SS it is #SS": LIMITS,
  "a null data segment": LIMITS,
  "16-bit code: a word across the segment's end": LIMITS,
  "16-bit code: addresses wrap": LIMITS,
  "V86: far calls, segment loads, flags, wraps": LIMITS,
  "level 3: misaligned with AC": "TCG has no alignment checks (SDM vol. 3, 6.15, vector 17)",
  "single-step: POPF, MOV SS, POP SS, STI, INT, a repeated string": STI,
  "V86: single-step": STI,
  "DR7.GD": "TCG has no general detect (SDM vol. 3, 17.2.4)",
  "a task whose stack is not writable": NEW_TASK,
  "a task whose code is absent": NEW_TASK,
  "a task whose LDT is none": NEW_TASK,
  "a task at level 3": NEW_TASK,
  "a task with its trap bit": "TCG does not look at T (SDM vol. 3, 17.3.1.5)",
  "VME at IOPL 0: INT 21h by the program's own table": VME,
  "VME at IOPL 3: INT 21h by the program's own table": VME,
  "VME at IOPL 0: CLI, STI, PUSHF, POPF, IRET work on VIF": VME,
  "PVI at level 3: CLI and STI work on VIF": VME,
  "paging: a reserved bit of a large page": "TCG leaves P clear in the error code of a RSVD fault (SDM vol. 3, 4.7)",
  "CR0.NW without CD": "TCG takes it (SDM vol. 3, 2.5)",
};

const ANSWER = /^[0-9a-f]{2} [0-9a-f]{8} [0-9a-f]{4} /;

/** Answers by question; RF is left out, which TCG never shows in the frame of a fault (SDM vol. 3, 17.3.1.1). */
function answers(of: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  let question = "";
  for (const line of of) {
    if (!ANSWER.test(line)) {
      question = line;
      map.set(question, "");
      continue;
    }
    const words = line.trimEnd().split(" ");
    words[4] = (parseInt(words[4]!, 16) & ~0x10000).toString(16);
    map.set(question, `${map.get(question)!}${words.join(" ")}\n`);
  }
  return map;
}

const MACHINES: readonly (readonly [string, Partial<VmOptions>])[] = [
  ["native", {}], ["native, interpreted", { jit: false }], ["dbt", { mode: "dbt" }], ["hvm with EPT", { mode: "hvm" }], ["hvm with shadow tables", { mode: "hvm", mmu: "shadow" }],
];

for (const [name, options] of MACHINES) {
  test(`${name}: every question is answered as expected, when its code is cold and when it is hot`, () => {
    const vm = createVm({ image: file("judge.bin"), memory: 16, ...options });
    const said: string[] = [];
    vm.onSerialLine((line) => said.push(line.trimEnd()));
    assert.equal(vm.run({ instructions: 30e6 }), { reason: "exit", code: 0 });
    const expected = lines("expected.txt").map((line) => line.trimEnd());
    assert.equal(said, [...expected, ...expected]);
  });
}

test("QEMU's TCG answers the same, but for what it is known not to do", () => {
  const ours = answers(lines("expected.txt")), theirs = answers(lines("tcg.txt"));
  assert.equal([...theirs.keys()], [...ours.keys()]);
  assert.equal([...ours.keys()].filter((question) => ours.get(question) !== theirs.get(question)).sort(), Object.keys(DEVIATIONS).sort());
});

test("the committed image is what its source says", () => {
  const folder = mkdtempSync(join(tmpdir(), "trivisor-"));
  try {
    const built = join(folder, "judge.bin");
    const { status, error } = spawnSync("nasm", ["-f", "bin", "-w-prefix-lock", `-I${file("")}`, file("judge.asm"), "-o", built]);
    if (error) return; // no assembler here: nothing to compare with
    assert.is(status, 0);
    assert.ok(readFileSync(built).equals(readFileSync(file("judge.bin"))), "test/judge/judge.bin is not built from judge.asm");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
