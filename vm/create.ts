import type { Builder } from "./assembly.js";
import { openMedium } from "./boot-medium.js";
import { CLASSIC } from "./classic.js";
import { DBT } from "./dbt.js";
import { installFirmware } from "./firmware.js";
import { hvmBuilder } from "./hvm.js";
import { NATIVE } from "./native.js";
import { checkOptions, type Mode, type VmOptions } from "./options.js";
import { PARAVIRT } from "./paravirt.js";
import { XEN_OFFER } from "./pv-on-hvm.js";
import { Vm, type VmListeners } from "./vm.js";

function builderOf(mode: Mode, pvDrivers: boolean): Builder {
  if (mode === "hvm") return hvmBuilder(pvDrivers ? XEN_OFFER : undefined);
  return { native: NATIVE, classic: CLASSIC, dbt: DBT, paravirt: PARAVIRT }[mode];
}

/** Builds a machine, loads the image and stands at its first instruction. Throws UsageError for what the user got wrong. */
export function createVm(options: VmOptions, listeners: VmListeners = {}): Vm {
  checkOptions(options);
  return new Vm(options, { builder: builderOf(options.mode ?? "native", options.pvDrivers ?? false), medium: openMedium(options), installFirmware }, listeners);
}
