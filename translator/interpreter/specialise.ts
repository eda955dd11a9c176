import type { Cpu } from "../../hypervisor/cpu.js";
import { arithmeticFlags, carryFlag, condition, parity } from "../../hypervisor/flags.js";
import * as A from "../codegen/ast.js";
import { memoryAccess } from "../codegen/memory-access.js";
import { print } from "../codegen/print.js";
import type { Instruction } from "../isa/instruction.js";
import { highestBit, lowestBit, mulhs, mulhu, reverseBytes } from "../isa/semantics/subset.js";
import type { Op } from "./bind.js";
import { type Inline, instructionShape, SEGMENT_ADDRESS, type Shape, shapeTree } from "./emission.js";
import { checkedAddress, slowAccesses } from "./slow-accesses.js";

/** Makes the closure of one instruction from its shape's values. */
type Factory = (...values: number[]) => Op;

const NAMES = ["i32", "u8", "u16", "load8", "load16", "load32", "store8", "store16", "store32", "update8", "update16", "update32",
  "arithmeticFlags", "carryFlag", "condition", "parity", "mulhu", "mulhs", "reverseBytes", "lowestBit", "highestBit", SEGMENT_ADDRESS] as const;

type Maker = (...values: unknown[]) => Factory;

/** What makes the factory of a shape from one machine's memory; null: the shape stays with the plain closures. Text is made once a process. */
const makers = new Map<string, Maker | null>();

/**
 * The interpreter's faster form where the host allows code generation and has no WebAssembly (with it see threaded.ts): one closure an instruction
 * instead of one for each of its operands and its body, whose text is made once a shape.
 */
export class Specialiser {
  private readonly values: readonly [readonly unknown[], readonly unknown[]];
  private readonly factories = new Map<string, Factory | null>();

  constructor(cpu: Cpu) {
    const { heap } = cpu;
    const pure = [arithmeticFlags, carryFlag, condition, parity, mulhu, mulhs, reverseBytes, lowestBit, highestBit, checkedAddress(cpu)];
    const valuesFor = (user: boolean): unknown[] => [heap.i32, heap.u8, heap.u16, ...memoryAccess(heap, user, slowAccesses(cpu)), ...pure];
    this.values = [valuesFor(false), valuesFor(true)];
  }

  /** The instruction's closure, or null when it has none of this form. */
  bind(instruction: Instruction, semantics: Inline, next: number, mode: number): Op | null {
    const shape = instructionShape(instruction, next, mode);
    if (shape === null) return null;
    let factory = this.factories.get(shape.key);
    if (factory === undefined) {
      let make = makers.get(shape.key);
      if (make === undefined) {
        make = maker(instruction, semantics, shape);
        makers.set(shape.key, make);
      }
      factory = make === null ? null : make(...this.values[shape.user ? 1 : 0]);
      this.factories.set(shape.key, factory);
    }
    return factory === null ? null : factory(...shape.values);
  }
}

function maker(instruction: Instruction, semantics: Inline, { names }: Shape): Maker | null {
  const body = shapeTree(instruction, semantics);
  if (body === null) return null;
  return new Function(...NAMES, `"use strict";\nreturn (${names.join(", ")}) => () => {\n${print(A.program(body))}};`) as Maker;
}
