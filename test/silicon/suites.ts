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
  /** Cases of a form (whatever its registers and immediates) that are kept in vectors/. */
  readonly kept: number;
}

export const SUITES: readonly Suite[] = [
  { name: "x87", forms: x87Forms, cases: x87Cases, kept: 150 },
  { name: "simd", forms: simdForms, cases: simdCases, kept: 60 },
  { name: "integer", forms: integerForms, cases: integerCases, kept: 100 },
];

export function suite(name: string): Suite {
  const found = SUITES.find((s) => s.name === name);
  if (found === undefined) throw new Error(`no suite ${name}`);
  return found;
}

/** The cases of a suite, about `count` for each group of encodings. */
export function casesOf(chosen: Suite, count: number, salt: number): FormCases[] {
  const forms = chosen.forms();
  const encodings = new Map<string, number>();
  for (const form of forms) encodings.set(form.group, (encodings.get(form.group) ?? 0) + 1);
  return forms.map((form) => chosen.cases(form, Math.ceil(count / encodings.get(form.group)!), salt));
}

/** How many forms, registers and immediates apart, a suite has. */
export function groupsOf(chosen: Suite): number {
  return new Set(chosen.forms().map((form) => form.group)).size;
}
