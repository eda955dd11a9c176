import type { Builder } from "./assembly.js";
import { CLASSIC } from "./classic.js";
import { DBT } from "./dbt.js";
import { HVM } from "./hvm.js";
import { NATIVE } from "./native.js";
import { checkOptions, type Mode, type VmOptions } from "./options.js";
import { PARAVIRT } from "./paravirt.js";
import { Vm, type VmListeners } from "./vm.js";

const BUILDERS: Readonly<Record<Mode, Builder>> = { native: NATIVE, classic: CLASSIC, dbt: DBT, paravirt: PARAVIRT, hvm: HVM };

/** Builds a machine, loads the image and stands at its first instruction. Throws UsageError for what the user got wrong. */
export function createVm(options: VmOptions, listeners: VmListeners = {}): Vm {
  checkOptions(options);
  return new Vm(options, BUILDERS[options.mode ?? "native"], listeners);
}
