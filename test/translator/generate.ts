import { decoderFor } from "../../translator/isa/decode.js";
import type { Row } from "../../translator/isa/opcodes.js";
import { FEATURES, ROWS } from "../../translator/isa/opcodes.js";
import { IMPLEMENTED } from "../../translator/isa/semantics/registry.js";
import type { Random } from "../isa/random.js";
import { ABSENT, ALIAS, CODE, CODE0, CODE3, DATA, DATA0, DATA3, DEVICE, DOWN, FS_SELECTOR, GS_SELECTOR, ON_DEMAND, READ_ONLY, SMALL, STACK, SUPERVISOR, TABLE } from "./rig.js";

/** Random programs of valid instructions, made from the opcode table, whose memory operands mostly lie in the rig's window. */

const decode = decoderFor(FEATURES.filter((f) => f !== "vmx"), IMPLEMENTED);

/** They end the test, or leave flat 32-bit code for good. */
const EXCLUDED = new Set([
  "LGDT", "LIDT", "LLDT", "LTR", "LMSW", "MOV_TO_CR", "MOV_TO_DR", "WRMSR", "JMPF", "CALLF", "SYSENTER", "SYSEXIT", "IRET", "RETF", "RSM", "HLT",
  "POP_SREG", "LSS", "LDS", "LES",
]);
const TERMINATORS = new Set(["Jcc", "JMP", "CALL", "RET", "LOOP", "LOOPE", "LOOPNE", "JCXZ"]);
const HEAVY = new Set(["ADD", "ADC", "SUB", "SBB", "CMP", "AND", "OR", "XOR", "TEST", "INC", "DEC", "NEG", "MOV", "SHL", "SHR", "SAR", "ROL", "ROR", "RCL", "RCR"]);
const STRINGS = new Set(["MOVS", "STOS", "LODS", "CMPS", "SCAS", "INS", "OUTS"]);

function weight(row: Row): number {
  if (HEAVY.has(row.mnemonic)) return 4;
  if (row.feature === "fpu" || row.cost.startsWith("fpu")) return 0.15;
  if (row.cost === "mmx" || row.cost.startsWith("sse")) return 0.1;
  if (STRINGS.has(row.mnemonic)) return 1;
  if (row.cc >= 0) return 0.4;
  if (row.cpl === 0 || row.cost === "system") return 0.4;
  return 2;
}

const CANDIDATES = ROWS.filter((row) => IMPLEMENTED.has(row.mnemonic) && !EXCLUDED.has(row.mnemonic) && !TERMINATORS.has(row.mnemonic) && row.feature !== "vmx");
const TOTALS: number[] = [];
for (const row of CANDIDATES) TOTALS.push((TOTALS[TOTALS.length - 1] ?? 0) + weight(row));

function pickRow(random: Random): Row {
  const x = random.next() / 0x1_0000_0000 * TOTALS[TOTALS.length - 1]!;
  let low = 0, high = TOTALS.length - 1;
  while (low < high) {
    const middle = low + high >> 1;
    if (TOTALS[middle]! > x) high = middle;
    else low = middle + 1;
  }
  return CANDIDATES[low]!;
}

const FLOATING = CANDIDATES.filter((row) => row.cost.startsWith("fpu"));
const VECTOR = CANDIDATES.filter((row) => row.cost === "mmx" || row.cost.startsWith("sse"));

const word = (value: number): number[] => [value & 255, value >> 8 & 255, value >> 16 & 255, value >>> 24];
const moveImmediate = (r: number, value: number): number[] => [0xb8 + r, ...word(value)];

/** How wild the memory accesses are. */
export interface Temper {
  /** Of 256: an access goes to a page that is not plain memory. */
  readonly faults: number;
  /** Of 256: an access goes to code. */
  readonly code: number;
  /** Of 256: an instruction has a segment override. */
  readonly segments: number;
  /** Most instructions are of one kind, if any. */
  readonly favours: readonly Row[];
  /** Of 256: a sequence that touches the processor's own state stands before an instruction. */
  readonly system: number;
}

function address(random: Random, temper: Temper): number {
  const dice = random.byte();
  if (dice < temper.faults) {
    const page = random.pick([READ_ONLY, ON_DEMAND, ABSENT, DEVICE, SUPERVISOR]);
    return page + offset(random);
  }
  if (dice > 255 - temper.code) return random.pick([CODE, ALIAS]) + random.below(0x3000);
  if (dice < 128) return DATA + offset(random);
  return random.pick([DATA, DATA + 0x1000, DATA + 0x2000, DATA + 0x5000, STACK, STACK + 0x1000]) + offset(random);
}

function offset(random: Random): number {
  switch (random.below(8)) {
    case 0: return 0xff8 + random.below(8);
    case 1: return random.below(0xff0);
    default: return random.below(0x80) * 4;
  }
}

/** Segment loads, flag images, HLT, changes of the page table: what random operands would seldom bring about. */
function systemSequence(random: Random): number[] {
  const selector = (): number => random.pick([DATA0, DATA3, DATA3, FS_SELECTOR, GS_SELECTOR, SMALL, DOWN, 0]);
  switch (random.below(9)) {
    case 0: return [...moveImmediate(0, selector()), 0x8e, 0xc0 | random.pick([0, 3, 4, 5]) << 3]; // mov sreg, ax
    case 1: return [...moveImmediate(0, random.pick([DATA0, DATA3, SMALL])), 0x8e, 0xd0]; // mov ss, ax
    case 2: return [0x68, ...word(selector()), random.pick([0x07, 0x1f])]; // push; pop es or ds
    case 3: return [0x68, ...word(random.next() & 0xed7 & (random.below(4) === 0 ? -1 : ~0x100)), 0x9d]; // push; popf
    case 4: return [0xfb, 0xf4]; // sti; hlt
    case 5: { // an entry of the page table, and perhaps INVLPG
      const page = random.pick([DATA, DATA + 0x1000, READ_ONLY, ON_DEMAND, ABSENT, CODE + 0x1000, ALIAS, STACK]);
      const frame = random.pick([page, DATA + 0x2000, DATA + 0x5000, CODE + 0x1000, DEVICE, 0xffff000]);
      return [0xc7, 0x05, ...word(TABLE + (page >>> 12) * 4), ...word(frame | random.pick([7, 7, 7, 3, 5, 0])),
        ...(random.below(3) !== 0 ? [0x0f, 0x01, 0x3d, ...word(page)] : [])];
    }
    case 6: return [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8]; // mov eax, cr3; mov cr3, eax
    case 7: return [random.pick([0xfa, 0xfb, 0xfc, 0xfd])];
    default: return [0x0f, 0x31, 0x01, 0xc3]; // rdtsc; add ebx, eax
  }
}

const MEMORY_FORMS = /^(E|M|Q|W)|^Rv\/Mw$|^Rd\/Mw$/;

class Encoder {
  readonly bytes: number[] = [];
  private readonly random: Random;
  private readonly temper: Temper;

  constructor(random: Random, temper: Temper) {
    this.random = random;
    this.temper = temper;
  }

  /** Appends an instruction of the row, after what its operands need. */
  instruction(row: Row): void {
    const { random, temper } = this;
    const before: number[] = [], out: number[] = [];
    const { pattern } = row;
    if (random.byte() < temper.system) this.bytes.push(...systemSequence(random));
    const string = STRINGS.has(row.mnemonic);
    let opSize = 32;
    if (row.lock && random.below(12) === 0) out.push(0xf0);
    if (random.byte() < temper.segments) out.push(random.pick([0x64, 0x65, 0x64, 0x65, 0x2e, 0x36, 0x3e, 0x26]));
    if (pattern.variant !== "any" && pattern.variant !== "np") out.push(parseInt(pattern.variant, 16));
    else if (string && random.below(3) !== 0) out.push(random.pick([0xf2, 0xf3]));
    else if (pattern.variant === "any" && row.opcode !== "90" && random.below(6) === 0) {
      out.push(0x66);
      opSize = 16;
    }
    if (string && random.below(6) === 0) {
      out.push(0x66);
      opSize = 16;
    }
    if (string && random.below(8) !== 0) {
      before.push(...moveImmediate(6, address(random, temper)), ...moveImmediate(7, address(random, temper)));
      before.push(...moveImmediate(1, random.pick([0, 1, 2, 5, 17, 40, 1030])));
    }
    if (pattern.map === 1) out.push(0x0f);
    out.push(pattern.first + random.below(pattern.last - pattern.first + 1));
    if (row.modrm) this.modrm(row, before, out);
    if (row.mnemonic === "XLAT") before.push(...moveImmediate(3, address(random, temper)));
    for (const { name } of row.forms) {
      if (name === "Ib") out.push(random.byte());
      else if (name === "sIb") out.push(random.byte());
      else if (name === "Iw") out.push(random.byte() & 63, 0);
      else if (name === "Iv") out.push(...this.constant(opSize));
      else if (name === "Ob" || name === "Ov") out.push(...word(address(random, temper)));
      else if (name === "Jb" || name === "Jv" || name === "Ap") return;
    }
    const decoded = decode(Uint8Array.from(out), 0, out.length, 32);
    if (decoded.invalid !== null || decoded.length !== out.length) return;
    this.bytes.push(...before, ...out);
  }

  private constant(bits: number): number[] {
    const { random } = this;
    const value = random.pick([0, 1, -1, 0x7fffffff, 0x80000000, 0x8000, 0x7f, 0xff, random.next(), random.next(), random.next()]);
    return bits === 32 ? word(value) : word(value).slice(0, 2);
  }

  private modrm(row: Row, before: number[], out: number[]): void {
    const { random, temper } = this;
    const { accepts } = row.pattern;
    const wantsMemory = row.forms.some(({ name }) => MEMORY_FORMS.test(name)) && random.below(8) < 5;
    let modrm = random.byte();
    for (let tries = 0; tries < 200; tries++, modrm = random.byte()) {
      if (accepts(modrm) && (modrm < 0xc0) === wantsMemory) break;
      if (tries > 60 && accepts(modrm)) break;
    }
    if (modrm >= 0xc0) {
      // Seldom ESP as a destination: a lost stack makes dull programs.
      if ((modrm & 7) === 4 && random.below(8) !== 0 && accepts(modrm ^ 1)) modrm ^= 1;
      if ((modrm >> 3 & 7) === 4 && random.below(8) !== 0 && accepts(modrm ^ 8)) modrm ^= 8;
      out.push(modrm);
      return;
    }
    if (random.below(40) === 0) {
      // Whatever the registers hold.
      out.push(modrm);
      if ((modrm & 7) === 4) {
        out.push(random.byte());
        if ((out[out.length - 1]! & 7) === 5 && modrm < 0x40) out.push(...word(random.next()));
      } else if ((modrm & 0xc7) === 5) out.push(...word(random.next()));
      if (modrm >> 6 === 1) out.push(random.byte());
      else if (modrm >> 6 === 2) out.push(...word(address(random, temper)));
      return;
    }
    const reg = modrm & 0x38;
    const target = address(random, temper);
    const choice = random.below(5);
    if (choice === 0) out.push(reg | 5, ...word(target));
    else if (choice === 1) {
      const base = random.pick([0, 1, 2, 3, 5, 6, 7]);
      const disp = random.byte() << 24 >> 24;
      if (random.below(3) !== 0) before.push(...moveImmediate(base, target - disp | 0));
      out.push(0x40 | reg | base, disp & 255);
    } else if (choice === 2) {
      const base = random.pick([0, 1, 2, 3, 5, 6, 7]), index = random.pick([0, 1, 2, 3, 5, 6, 7]), scale = random.below(4);
      before.push(...moveImmediate(index, random.below(32)));
      out.push(0x80 | reg | 4, scale << 6 | index << 3 | base);
      if (base !== index) before.push(...moveImmediate(base, random.next() & 0xffff));
      out.push(...word(target - (base === index ? 0 : 0x4000) | 0));
    } else if (choice === 3) out.push(0x40 | reg | 4, 0x24, random.below(64) * 2);
    else {
      const base = random.pick([0, 1, 2, 3, 6, 7]);
      before.push(0x81, 0xe0 | base, ...word(random.pick([0xffc, 0x1fff, 0x3f, 0xfff])));
      out.push(0x80 | reg | base, ...word(target & ~0xfff));
    }
  }
}

export interface Program {
  readonly code: Uint8Array;
  /** Address of its first byte, and of the first instruction of each of its pieces. */
  readonly at: number;
  readonly entries: readonly number[];
}

interface Fixup { readonly at: number; readonly target: number; readonly short: boolean }

/** A program of several pieces that jump to, call and return to each other. */
export function generateProgram(random: Random): Program {
  const temper: Temper = {
    faults: random.pick([0, 4, 16, 40]), code: random.pick([0, 0, 0, 2, 8]), segments: random.pick([0, 10, 40]),
    system: random.pick([0, 0, 8, 30]), favours: random.pick([[], [], [], [], FLOATING, VECTOR]),
  };
  const pieces = 2 + random.below(10), length = 1 + random.below(12);
  const at = random.below(2) === 0 ? CODE + random.below(64) : CODE + 0x1000 - random.below(300);
  const encoder = new Encoder(random, temper);
  const { bytes } = encoder;
  const starts: number[] = [], fixups: Fixup[] = [];
  const far = (target: number): void => {
    fixups.push({ at: bytes.length, target, short: false });
    bytes.push(0, 0, 0, 0);
  };
  for (let piece = 0; piece < pieces; piece++) {
    starts.push(bytes.length);
    for (let n = random.below(length); n >= 0; n--) encoder.instruction(temper.favours.length !== 0 && random.below(4) !== 0 ? random.pick(temper.favours) : pickRow(random));
    const target = random.below(pieces);
    switch (random.below(temper.system === 0 ? 10 : 12)) {
      case 10: case 11: { // pushf; push cs; push target; iret (or without the flags, retf)
        const far = random.below(3) === 0;
        if (!far) bytes.push(0x9c);
        bytes.push(0x68, ...word(random.pick([CODE0, CODE3])), 0x68);
        fixups.push({ at: bytes.length, target: -1 - target, short: false });
        bytes.push(0, 0, 0, 0, far ? 0xcb : 0xcf);
        break;
      }
      case 0: case 1: case 2: bytes.push(0x0f, 0x80 + random.below(16)); far(target); break;
      case 3: case 4: bytes.push(0x70 + random.below(16)); fixups.push({ at: bytes.length, target, short: true }); bytes.push(0); break;
      case 5: bytes.push(0xe0 + random.below(4)); fixups.push({ at: bytes.length, target: random.below(piece + 1), short: true }); bytes.push(0); break;
      case 6: bytes.push(0xe8); far(target); break;
      case 7: bytes.push(random.pick([0xc3, 0xc3, 0xcc])); break;
      case 8: bytes.push(0xe9); far(target); break;
      default: // mov reg, target; jmp or call reg
        bytes.push(0xb8 + random.pick([0, 1, 2, 3]));
        fixups.push({ at: bytes.length, target: -1 - target, short: false });
        bytes.push(0, 0, 0, 0, 0xff, random.pick([0xd0, 0xe0]) | bytes[bytes.length - 1]! & 0);
        bytes[bytes.length - 1] = bytes[bytes.length - 1]! | bytes[bytes.length - 7]! - 0xb8;
    }
  }
  bytes.push(0xe9);
  far(0);
  for (const { at: place, target, short } of fixups) {
    const start = starts[target < 0 ? -1 - target : target]!;
    if (short) {
      const distance = start - place - 1;
      bytes[place] = distance >= -128 && distance <= 127 ? distance & 255 : 0;
    } else word(target < 0 ? at + start : start - place - 4).forEach((byte, i) => { bytes[place + i] = byte; });
  }
  return { code: Uint8Array.from(bytes), at, entries: starts.map((start) => at + start) };
}
