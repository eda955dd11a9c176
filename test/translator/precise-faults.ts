// An instruction that faults in the middle of compiled code leaves registers, flags, stack pointer, memory and instruction
// count as before it: every row of the opcode table that touches memory, on absent, read-only and half-present operands.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { PF } from "../../hypervisor/trap.js";
import { decoderFor } from "../../translator/isa/decode.js";
import { format } from "../../translator/isa/format.js";
import { FEATURES, ROWS, type Row } from "../../translator/isa/opcodes.js";
import { IMPLEMENTED } from "../../translator/isa/semantics/registry.js";
import { add, addImmediate, dec, EAX, EBX, EBP, ECX, EDI, EDX, ESI, ESP, inc, mov } from "./asm.js";
import { ABSENT, CALM, CODE, DATA, difference, DEVICE, hex, READ_ONLY, Rig, type Scenario, STACK_TOP, SUPERVISOR } from "./rig.js";
import { TEMPLATES } from "./tiers.js";

const decode = decoderFor(FEATURES.filter((f) => f !== "vmx"), IMPLEMENTED);
/** They load tables, tasks or segments, or go far: what they read decides more than whether they fault. */
const SKIPPED = new Set(["LGDT", "LIDT", "LLDT", "LTR", "LMSW", "CALLF", "JMPF", "LDS", "LES", "LSS", "LFS", "LGS", "MOV_TO_SREG", "BOUND", "IRET", "RETF", "POPF"]);

/** What happens around the instruction: flags and registers whose values the fault must find. */
const BEFORE = [...inc(EDX), ...addImmediate(ECX, 0x7fffffff), ...add(EDI, ECX), ...dec(ESI), ...add(ESI, ECX)];
const AFTER = [...add(EBX, EDX), ...mov(EDX, 5)];
const BEFORE_COUNT = 5;

const PREFIXES: Readonly<Record<string, number[]>> = { any: [], np: [], 66: [0x66], f3: [0xf3], f2: [0xf2] };

/** The row's instruction with [EBX] as its operand, or null when it takes none. */
function withMemory(row: Row, wide: boolean): number[] | null {
  const { pattern } = row;
  if (!row.modrm) return null;
  const out = [...(wide ? [] : [0x66]), ...PREFIXES[pattern.variant]!, ...(pattern.map === 1 ? [0x0f] : []), pattern.first];
  let modrm = -1;
  // Register field: a low register that is neither base nor stack.
  for (const reg of [0, 1, 2, 6, 7, 3, 4, 5]) if (modrm < 0 && pattern.accepts(reg << 3 | EBX)) modrm = reg << 3 | EBX;
  if (modrm < 0) return null;
  out.push(modrm);
  for (const { name } of row.forms) {
    if (name === "Ib" || name === "sIb") out.push(3);
    else if (name === "Iv") out.push(...(wide ? [1, 2, 3, 4] : [1, 2]));
  }
  const decoded = decode(Uint8Array.from(out), 0, out.length, 32);
  if (decoded.invalid !== null || decoded.length !== out.length || !decoded.operands.some((o) => o.kind === "mem" && o.size !== 0)) return null;
  return out;
}

interface Case { readonly text: string; readonly bytes: number[]; readonly registers: (address: number) => Partial<Record<number, number>> }

function cases(): Case[] {
  const out: Case[] = [];
  const add = (bytes: number[], registers: Case["registers"]): void => {
    const decoded = decode(Uint8Array.from(bytes), 0, bytes.length, 32);
    if (decoded.invalid === null) out.push({ text: format(decoded, 0), bytes, registers });
  };
  for (const row of ROWS) {
    if (!IMPLEMENTED.has(row.mnemonic) || SKIPPED.has(row.mnemonic) || row.feature === "vmx" || row.cost === "mmx" || row.cost.startsWith("sse")) continue;
    for (const wide of row.pattern.variant === "any" ? [true, false] : [true]) {
      const bytes = withMemory(row, wide);
      if (bytes !== null) add(bytes, (address) => ({ [EBX]: address }));
    }
  }
  const stack = (address: number): Partial<Record<number, number>> => ({ [ESP]: address, [EBP]: address });
  const below = (address: number): Partial<Record<number, number>> => ({ [ESP]: address + 4, [EBP]: address + 4 });
  for (const bytes of [[0x50], [0x66, 0x50], [0x6a, 1], [0x68, 1, 2, 3, 4], [0x54], [0x9c], [0x1e], [0xe8, 0, 0, 0, 0], [0xff, 0xd0], [0xc8, 8, 0, 0], [0xc8, 8, 0, 3]]) add(bytes, below);
  add([0x60], (address) => ({ [ESP]: address + 32, [EBP]: 1 }));
  for (const bytes of [[0x58], [0x66, 0x58], [0x5c], [0x61], [0xc3], [0xc2, 8, 0], [0xc9], [0x8f, 0x00]]) add(bytes, stack);
  for (const bytes of [[0xa4], [0xa5], [0x66, 0xa5], [0xa6], [0xa7]]) {
    add(bytes, (address) => ({ [ESI]: address, [EDI]: DATA }));
    add(bytes, (address) => ({ [ESI]: DATA, [EDI]: address }));
  }
  for (const bytes of [[0xaa], [0xab], [0xae], [0xaf], [0x6c], [0x6d]]) add(bytes, (address) => ({ [EDI]: address }));
  for (const bytes of [[0xac], [0xad], [0x6e], [0x6f]]) add(bytes, (address) => ({ [ESI]: address }));
  add([0xd7], (address) => ({ [EBX]: address, [EAX]: 0 }));
  return out;
}

const rigs = [new Rig({ jit: false }), new Rig({ hot: 2 }), new Rig({ hot: 2, promote: 0 }), new Rig(TEMPLATES)];
const name = suite("precise faults");

/** Registers that give `wanted` after BEFORE has run on them. */
function startingRegisters(wanted: Partial<Record<number, number>>): number[] {
  const values = [0x11111111, 0x40, 0x1234, DATA + 0x100, STACK_TOP - 0x200, STACK_TOP - 0x180, DATA + 0x300, DATA + 0x500];
  const ecx = values[ECX]! + 0x7fffffff | 0;
  for (const [key, value] of Object.entries(wanted)) {
    const r = Number(key);
    values[r] = r === EDI ? value! - ecx | 0 : r === ESI ? value! - ecx + 1 | 0 : r === EDX ? value! - 1 | 0 : value!;
  }
  return values;
}

function scenario(registers: number[], user: boolean): Scenario {
  return { ...CALM, user, registers, eflags: 2 | S.FLAG_IOPL | S.FLAG_CF, faults: 1 };
}

const PLACES: readonly [string, number, boolean][] = [
  ["absent", ABSENT + 0x40, false], ["read-only", READ_ONLY + 0x40, false], ["supervisor's", SUPERVISOR + 0x10, true],
  ["from memory into an absent page", ABSENT - 1, false], ["from memory into a read-only one", READ_ONLY - 1, false], ["from an absent page into a device", DEVICE - 1, false],
];

for (const [place, address, user] of PLACES) {
  name(place, () => {
    let faults = 0;
    for (const { text, bytes, registers } of cases()) {
      const code = Uint8Array.from([...BEFORE, ...bytes, ...AFTER, 0xeb, 0xfe]);
      const image = Rig.image(code, CODE, 3);
      const good = startingRegisters(registers(DATA + 0x200)), bad = startingRegisters(registers(address));
      const reference = rigs[0]!;
      for (const rig of rigs) {
        const where = `${text}, ${rig === reference ? "interpreted" : "generated"}, ${place}`;
        // Hot first, on good memory.
        for (let i = 0; i < 3; i++) {
          rig.start(image, CODE, scenario(good, user));
          rig.run(30);
        }
        rig.start(image, CODE, scenario(bad, user));
        rig.run(BEFORE_COUNT);
        assert.is(rig.cpu.eip, CODE + BEFORE.length, where);
        const before = rig.state(), memory = Buffer.from(rig.memory().subarray(0x3000));
        rig.start(image, CODE, scenario(bad, user));
        let seen: Int32Array | undefined;
        rig.onException = (trap) => {
          if (trap.vector !== PF || rig.cpu.eip !== CODE + BEFORE.length) return false;
          seen = rig.state();
          assert.is(rig.instructions, BEFORE_COUNT, where);
          return false;
        };
        rig.run(30);
        if (seen !== undefined) {
          faults++;
          before[S.CR2] = seen[S.CR2]!;
          for (let i = 0; i < before.length; i++) if (before[i] !== seen[i]) assert.unreachable(`${where}: word ${i} was ${hex(before[i]!)}, is ${hex(seen[i]!)}`);
          if (Buffer.compare(memory, rig.memory().subarray(0x3000)) !== 0) assert.unreachable(`${where}: memory was changed`);
        }
        const found = rig === reference ? null : difference(reference, rig);
        if (found !== null) assert.unreachable(`${where}: ${found}`);
      }
    }
    assert.ok(faults > 200, `${faults} faults`);
  });
}

name.run();
