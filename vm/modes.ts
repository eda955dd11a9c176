import { paravirtMonitorBytes } from "../paravirt/index.js";
import type { Builder } from "./assembly.js";
import { buildClassic } from "./classic.js";
import { buildDbt } from "./dbt.js";
import { buildHvm } from "./hvm.js";
import { buildNative } from "./native.js";
import type { Mode } from "./options.js";
import { buildParavirt } from "./paravirt.js";

/** How each mode's guest is put together. */
export const BUILDERS: Readonly<Record<Mode, Builder>> = {
  native: buildNative,
  classic: buildClassic,
  dbt: buildDbt,
  paravirt: buildParavirt,
  hvm: buildHvm,
};

/** Room for shadow page tables, EPT or a VMCS. */
const MONITOR_BYTES = 16 << 20;

/** Machine memory that the mode's hypervisor takes for itself, above the guest's. */
export function monitorBytes(mode: Mode, guestBytes: number): number {
  if (mode === "native") return 0;
  return mode === "paravirt" ? paravirtMonitorBytes(guestBytes) : MONITOR_BYTES;
}
