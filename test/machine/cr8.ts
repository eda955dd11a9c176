// CR8 as AMD's processors have it in 32-bit code, LOCK MOV CR0 (APM vol. 3, "MOV CRn"): the local APIC's task priority (SDM vol. 3, 11.8.3.1
// and 11.8.6), under every strategy; with a TPR shadow it stays in the virtual-APIC page until it lets a waiting interrupt in (vol. 3C, 29.1.2).

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Assembler, flatDescriptors, interruptTable } from "../../bench/figures/assembler.js";
import { UsageError } from "../../index.js";
import { createVm } from "../../index.js";
import type { MmuKind, Mode } from "../../vm/options.js";

const test = suite("CR8");

/** Ends with an exit code through port 0xf4: 0, or the number of what was wrong; 60h when CR8 is no instruction. */
function kernel(): Uint8Array {
  const code = new Assembler();
  const expect = (number: number, compare: string): void => { code.put(`b2 ${number.toString(16).padStart(2, "0")} ${compare} 0f85 >bad`); };
  code.put("fa 0f0115 @gdtr ea @flat 0800").label("flat").put("b8 =10 8ed8 8ec0 8ed0 bc =300000 0f011d @idtr b0ff e621 e6a1");
  code.put("c705 =fee000f0 =1ff 31c0 a3 @taken b8 =5 f00f22c0");          // the APIC on; CR8 = 5
  expect(1, "81 3d =fee00080 =50");                                         // TPR is 50h
  code.put("f00f20c1");
  expect(2, "83f905");                                                      // read back
  code.put("fb c705 =fee00300 =40041 9090");                                // vector 41h to oneself: held back
  expect(3, "833d @taken 00");
  code.put("b8 =4 f00f22c0 9090");                                          // class 4 is still not above 4
  expect(4, "833d @taken 00");
  code.put("b8 =3 f00f22c0 9090");
  expect(5, "833d @taken 01");
  code.put("c705 =fee00080 =70 f00f20c1");                                  // TPR as memory: CR8 follows
  expect(6, "83f907");
  code.put("b8 =10 f00f22c0").label("late").put("b2 07 e9 >bad");           // a reserved bit: #GP
  code.label("on_interrupt").put("ff05 @taken c705 =fee000b0 =0 cf");
  code.label("on_protection").put("b200 e9 >bad").label("on_undefined").put("b260").label("bad").put("88d0 e6f4 f4");
  code.align(8).label("taken").word(0).align(8).label("idt");
  interruptTable(code, 0x42, new Map([[6, ["on_undefined", 0x8e]], [13, ["on_protection", 0x8e]], [0x41, ["on_interrupt", 0x8e]]]));
  code.align(8).label("gdt").word(...flatDescriptors(0)).label("gdtr").put("2f00 @gdt").label("idtr").put("0f02 @idt");
  return code.kernel();
}

function run(mode: Mode, mmu: MmuKind | undefined, alternateCr8: boolean): { code: number; events: Readonly<Record<string, number>> } {
  const vm = createVm({ image: kernel(), mode, memory: 8, alternateCr8, ...(mmu === undefined ? {} : { mmu }) });
  const outcome = vm.run({ instructions: 100_000 });
  return { code: outcome.reason === "exit" ? outcome.code : -1, events: vm.stats().events };
}

const MODES: readonly (readonly [Mode, MmuKind?])[] = [["native"], ["classic"], ["dbt"], ["hvm", "ept"], ["hvm", "shadow"]];
for (const [mode, mmu] of MODES) {
  test(`${mode} ${mmu ?? ""}: written, read, TPR's other half, and what it holds back comes when it falls below`, () => {
    const { code, events } = run(mode, mmu, true);
    assert.is(code, 0);
    if (mode === "hvm") {
      assert.is(events["vmexit.tpr_below_threshold"], 1);
      assert.is(events["vmexit.cr_access"] ?? 0, 0);
    }
    if (mode === "dbt") assert.is(events["dbt.inline.cr8_write"], 4);
  });

  test(`${mode} ${mmu ?? ""}: undefined where the processor has it not`, () => assert.is(run(mode, mmu, false).code, 0x60));
}

test("a domain has no local APIC", () => assert.throws(() => run("paravirt", undefined, true), (e: unknown) => e instanceof UsageError));

test.run();
