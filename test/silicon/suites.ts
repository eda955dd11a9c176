import type { Form } from "./forms.js";
import { integerCases, integerForms } from "./integer-cases.js";
import { simdCases, simdForms } from "./simd-cases.js";
import type { FormCases } from "./state.js";
import { x87Cases, x87Forms } from "./x87-cases.js";

/** A part of the instruction set with its forms and inputs. */
export interface Suite {
  readonly name: string;
  readonly forms: () => Form[];
  readonly cases: (form: Form, count: number, salt: number) => FormCases;
  /** Cases of a form that are kept in vectors/. */
  readonly kept: number;
}

export const SUITES: readonly Suite[] = [
  { name: "x87", forms: x87Forms, cases: x87Cases, kept: 120 },
  { name: "simd", forms: simdForms, cases: simdCases, kept: 60 },
  { name: "integer", forms: integerForms, cases: integerCases, kept: 100 },
];

export function suite(name: string): Suite {
  const found = SUITES.find((s) => s.name === name);
  if (found === undefined) throw new Error(`no suite ${name}`);
  return found;
}
