import type { Builder } from "./assembly.js";
import { UsageError } from "../hypervisor/errors.js";
import { buildDbt } from "./dbt.js";
import { buildHvm } from "./hvm.js";
import { buildNative } from "./native.js";
import type { Mode } from "./options.js";

const missing: Builder = ({ options }) => { throw new UsageError(`mode ${options.mode} is not built yet`); };

/** How each mode's guest is put together. */
export const BUILDERS: Readonly<Record<Mode, Builder>> = {
  native: buildNative,
  classic: missing,
  dbt: buildDbt,
  paravirt: missing,
  hvm: buildHvm,
};

const MIB = 1 << 20;

/** Machine memory that the mode's hypervisor takes for itself, above the guest's. */
export function monitorBytes(mode: Mode, _guestBytes: number): number {
  return mode === "native" ? 0 : 16 * MIB;
}
