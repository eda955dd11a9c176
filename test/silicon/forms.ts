import { decoderFor } from "../../translator/isa/decode.js";
import { format } from "../../translator/isa/format.js";
import type { Instruction } from "../../translator/isa/instruction.js";
import { FEATURES, type Row } from "../../translator/isa/opcodes.js";
import { Random, seedOf } from "./random.js";
import { CODE_BYTES, MEMORY_OPERAND } from "./state.js";

/** One encoding to try, made from a row of the opcode table. */
export interface Form {
  readonly name: string;
  /** Row, prefixes and kinds of operands: what encodings with other registers and immediates have in common. */
  readonly group: string;
  readonly code: Uint8Array;
  readonly instruction: Instruction;
}

const PREFIX = { any: [], np: [], "66": [0x66], f3: [0xf3], f2: [0xf2] } as const;
/** ModRM bytes in order of preference: [ESI], then pairs of different registers, then a register with itself. */
const MODRM = [0xd0, 0xcb, 0xc1, 0xd9, 0xda, 0xc7, 0xc0, 0xe1, 0xe8, 0xf2, 0xf9, 0xfb];
const MEMORY_RM = 6;

const decode = decoderFor(FEATURES);

/** Immediates and displacements behind the ModRM byte. */
function tail(row: Row, random: Random): number[] {
  if (row.operands.startsWith("J")) return [random.pick([0x10, 0x20, 0x70]), 0, 0, 0];
  if (row.operands.includes("O")) return [0, 1, 2, 3].map((i) => (MEMORY_OPERAND >>> (8 * i)) & 0xff);
  if (row.mnemonic === "ENTER") return [random.below(64), 0, random.below(4)];
  if (row.mnemonic === "RET") return [random.below(16) * 4, 0];
  return Array.from({ length: 8 }, () => random.value() & 0xff);
}

function modrmBytes(row: Row): number[] {
  const accepted: number[] = [];
  for (let reg = 0; reg < 8; reg++) {
    // A register in the reg field: DL/EDX or, where the row has a digit, just that.
    const byte = (reg << 3) | MEMORY_RM;
    if (row.pattern.accepts(byte)) accepted.push(byte);
  }
  const memory = row.pattern.anyModrm ? [0x16] : accepted;
  const registers = MODRM.concat(Array.from({ length: 64 }, (_, i) => 0xc0 + i)).filter((byte) => row.pattern.accepts(byte));
  return [...memory.slice(0, 1), ...[...new Set(registers)].slice(0, 2)];
}

/** Encodings of a row: operand sizes, memory and registers, prefixes, a few immediates. */
export function formsOf(row: Row): Form[] {
  const random = new Random(seedOf(row.opcode, 1));
  const { pattern } = row;
  const forms = new Map<string, Form>();
  const opcodes = pattern.last > pattern.first ? [pattern.first + 2, pattern.first + 1] : [pattern.first];
  const tails = /I|J|O/.test(row.operands) ? 3 : 1;
  const before: number[][] = [[]];
  if (pattern.variant === "any") before.push([0x66]);
  if (row.rep !== null) before.push([0xf3], [0x66, 0xf3], [0xf2]);
  if (row.lock) before.push([0xf0]);
  for (const prefix of before) {
    for (const opcode of opcodes) {
      for (const modrm of row.modrm ? modrmBytes(row) : [-1]) {
        for (let i = 0; i < tails; i++) {
          const bytes = [...prefix, ...PREFIX[pattern.variant], ...(pattern.map === 1 ? [0x0f] : []), opcode, ...(modrm < 0 ? [] : [modrm]), ...tail(row, random)];
          const form = rowForm(row, bytes);
          if (form !== undefined && !forms.has(form.name)) forms.set(form.name, form);
        }
      }
    }
  }
  return [...forms.values()];
}

function rowForm(row: Row, bytes: readonly number[]): Form | undefined {
  const buffer = new Uint8Array(CODE_BYTES);
  buffer.set(bytes);
  const instruction = decode(buffer, 0, CODE_BYTES, 32);
  if (instruction.invalid !== null || instruction.row !== row) return undefined;
  return describe(instruction, buffer);
}

function describe(instruction: Instruction, bytes: Uint8Array): Form {
  const { row, size, opSize, addrSize, lock, rep, operands } = instruction;
  return {
    name: `${row.opcode}: ${size} ${format(instruction)}`,
    group: [row.opcode, size, opSize, addrSize, lock, rep, ...operands.map((operand) => operand.kind)].join(),
    code: bytes.slice(0, instruction.length),
    instruction,
  };
}

/** A form from bytes written by hand. */
export function formOf(bytes: readonly number[]): Form {
  const buffer = new Uint8Array(CODE_BYTES);
  buffer.set(bytes);
  const instruction = decoded(buffer);
  return describe(instruction, buffer);
}

export function decoded(code: Uint8Array): Instruction {
  const instruction = decode(code, 0, code.length, 32);
  if (instruction.invalid !== null) throw new Error(`no instruction: ${Buffer.from(code).toString("hex")}`);
  return instruction;
}
