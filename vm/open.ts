import type { Builder } from "./assembly.js";
import { openMedium } from "./boot-medium.js";
import { loaderAt } from "./load.js";
import { checkOptions, type Mode, type VmOptions } from "./options.js";
import { Vm, type VmListeners } from "./vm.js";

const load = loaderAt(import.meta.url);

/** The builder for a machine with these options, by mode. */
const BUILDERS: Readonly<Record<Mode, (options: VmOptions) => Promise<Builder>>> = {
  native: async () => (await load<typeof import("./native.js")>("./native.js")).NATIVE,
  classic: async () => (await load<typeof import("./classic.js")>("./classic.js")).CLASSIC,
  dbt: async () => (await load<typeof import("./dbt.js")>("./dbt.js")).DBT,
  paravirt: async () => (await load<typeof import("./paravirt.js")>("./paravirt.js")).PARAVIRT,
  hvm: async ({ pvDrivers }) => (await load<typeof import("./hvm.js")>("./hvm.js")).hvmBuilder(pvDrivers ? (await load<typeof import("./pv-on-hvm.js")>("./pv-on-hvm.js")).XEN_OFFER : undefined),
};

/** As createVm, for a process that runs one machine: of the modes' modules, and of firmware's, only those are loaded that it needs. */
export async function openVm(options: VmOptions, listeners: VmListeners = {}): Promise<Vm> {
  checkOptions(options);
  const medium = openMedium(options);
  const builder = await BUILDERS[options.mode ?? "native"](options);
  return new Vm(options, { builder, medium, installFirmware: medium && (await load<typeof import("./firmware.js")>("./firmware.js")).installFirmware }, listeners);
}
