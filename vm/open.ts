import type { Builder } from "./assembly.js";
import { checkOptions, type Mode, type VmOptions } from "./options.js";
import { Vm, type VmListeners } from "./vm.js";

/** A mode's modules are loaded when a machine asks for the mode. */
const BUILDERS: Readonly<Record<Mode, () => Promise<Builder>>> = {
  native: async () => (await import("./native.js")).NATIVE,
  classic: async () => (await import("./classic.js")).CLASSIC,
  dbt: async () => (await import("./dbt.js")).DBT,
  paravirt: async () => (await import("./paravirt.js")).PARAVIRT,
  hvm: async () => (await import("./hvm.js")).HVM,
};

/** As createVm, without the modules of other modes: for a process that runs one machine. */
export async function openVm(options: VmOptions, listeners: VmListeners = {}): Promise<Vm> {
  checkOptions(options);
  return new Vm(options, await BUILDERS[options.mode ?? "native"](), listeners);
}
