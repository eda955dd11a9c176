import type { Builder } from "./assembly.js";
import { openMedium } from "./boot-medium.js";
import { checkOptions, type Mode, type VmOptions } from "./options.js";
import { Vm, type VmListeners } from "./vm.js";

/** The builder for a machine with these options, by mode. */
const BUILDERS: Readonly<Record<Mode, (options: VmOptions) => Promise<Builder>>> = {
  native: async () => (await import("./native.js")).NATIVE,
  classic: async () => (await import("./classic.js")).CLASSIC,
  dbt: async () => (await import("./dbt.js")).DBT,
  paravirt: async () => (await import("./paravirt.js")).PARAVIRT,
  hvm: async ({ pvDrivers }) => (await import("./hvm.js")).hvmBuilder(pvDrivers ? (await import("./pv-on-hvm.js")).XEN_OFFER : undefined),
};

/** As createVm, for a process that runs one machine: of the modes' modules, and of firmware's, only those are loaded that it needs. */
export async function openVm(options: VmOptions, listeners: VmListeners = {}): Promise<Vm> {
  checkOptions(options);
  const medium = openMedium(options);
  const builder = await BUILDERS[options.mode ?? "native"](options);
  return new Vm(options, { builder, medium, installFirmware: medium && (await import("./firmware.js")).installFirmware }, listeners);
}
