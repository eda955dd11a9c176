import { Code } from "./program.js";

/**
 * A kernel of a hundred instructions that does once each thing a monitor must get right: descriptor tables, paging, 100
 * changes of one page-table entry, interrupts from outside, user code with 50 system calls and a page fault. Its results:
 *
 *   2000 flags after CLI    2004 sum of words read through the changing mapping    2008 system calls
 *   200c CR2 of the fault   2010 interrupts    2014 calls of the subroutine    2018 CS and SS as the kernel sees them
 */
export const MEMORY = { flags: 0x2000, sum: 0x2004, calls: 0x2008, cr2: 0x200c, interrupts: 0x2010, subroutine: 0x2014, selectors: 0x2018 } as const;

export function miniKernel(): Code {
  const code = new Code(0x100000);
  setup(code);
  body(code);
  user(code);
  handlers(code);
  tables(code);
  return code;
}

function setup(code: Code): void {
  code.put(`
    0f0115 @gdtr            ea @protected 0800
  `).label("protected").put(`
    b810000000 8ed8 8ec0 8ed0 bc00f00900
    0f011d @idtr
    c70504300000 00e00900   c70508300000 10000000
    66b82800 0f00d8
    bf00100100 b807000000 b900040000
  `).label("fill").put(`
    ab 0500100000 e2f8
    c70500000100 07100100
    b800000100 0f22d8
    0f20c0 0d00000180 0f22c0
  `);
}

function body(code: Code): void {
  code.put(`
    fb fa 9c 58 a300200000
    8cc8 a318200000 8cd0 a31c200000
    31db
  `).label("change").put(`
    8d8300020000 c1e00c 83c807 a3001c0100
    0f013d00003000
    a100003000 010504200000 891d00003000
    43 83fb64 0f85 >change
    e8 >subroutine b8 @subroutine ffd0 e8 >subroutine
    b001 e620 fb 90 90 fa
    b001 e620 9c 58 0d00020000 50 9d 90 fa
    6a23 6800f00800 6802020000 6a1b 68 @user cf
  `);
}

function user(code: Code): void {
  code.label("user").put(`
    66b82300 8ed8 8ec0
    b932000000
  `).label("system_call").put(`
    cd80 49 75fb
    a100005000
    cd81
  `);
}

function handlers(code: Code): void {
  code.label("subroutine").put("ff0514200000 c3");
  code.label("on_system_call").put("ff0508200000 cf");
  code.label("on_page_fault").put("8344240405 0f20d0 a30c200000 83c404 cf");
  code.label("on_interrupt").put("ff0510200000 cf");
  code.label("on_exit").put("b02a e6f4 f4");
}

function tables(code: Code): void {
  while (code.bytes.length % 8 !== 0) code.put("90");
  code.label("gdt").word(0, 0, 0xffff, 0xcf9a00, 0xffff, 0xcf9200, 0xffff, 0xcffa00, 0xffff, 0xcff200, 0x30000067, 0x8900);
  const gates: Readonly<Record<number, readonly [string, number]>> = {
    14: ["on_page_fault", 0x8e00], 0x20: ["on_interrupt", 0x8e00], 0x80: ["on_system_call", 0xef00], 0x81: ["on_exit", 0xee00],
  };
  code.label("idt");
  for (let vector = 0; vector < 0x82; vector++) {
    const gate = gates[vector];
    const offset = gate === undefined ? 0 : code.at(gate[0]);
    code.word(gate === undefined ? 0 : 0x80000 | offset & 0xffff, gate === undefined ? 0 : offset & 0xffff0000 | gate[1]);
  }
  code.label("gdtr").put("2f00 @gdt");
  code.label("idtr").put("0f04 @idt");
}
