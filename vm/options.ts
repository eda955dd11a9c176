import { UsageError } from "../hypervisor/errors.js";
import type { BlockBackend } from "../hypervisor/devices/block-backend.js";
import type { Network } from "../hypervisor/network/network.js";
import type { CostProfile } from "../hypervisor/ledger.js";

/** The ways to run a guest, in the order every table lists them. */
export const MODES = ["native", "classic", "dbt", "paravirt", "hvm"] as const;
export type Mode = (typeof MODES)[number];

export const MMUS = ["ept", "shadow"] as const;
export type MmuKind = (typeof MMUS)[number];

/** MiB of memory a guest has when nobody says otherwise, and what it may have. */
export const DEFAULT_MEMORY = 64, MIN_MEMORY = 4, MAX_MEMORY = 1536;

/** What a machine is built from. */
export interface VmOptions {
  /** The guest, a kernel or a disk or CD image to boot: a file's path (a disk is written in place), or its bytes. */
  readonly image: string | Uint8Array;
  /** Default `native`. */
  readonly mode?: Mode;
  /** MiB of guest memory, default 64. */
  readonly memory?: number;
  /** The kernel's command line. */
  readonly append?: string;
  /** Linux's initrd, a Multiboot module or a Xen domain's ramdisk: a file's path, or its bytes. */
  readonly initrd?: string | Uint8Array;
  /** Up to four: a file's path (written in place), bytes (copied on write), or a back end. */
  readonly disks?: readonly (string | Uint8Array | BlockBackend)[];
  /** Where the cable of the machine's network card leads: a hub, or a link with a far host. There is no card without one. Machines that share a hub are to run in a fixed order. */
  readonly network?: { readonly hub: Network; readonly mac?: readonly number[] };
  /** Firmware to boot the image with instead of ours: a file's path, or its bytes. */
  readonly bios?: string | Uint8Array;
  /** A reset ends the run, as QEMU's word says; without it the machine starts again, kernel and all. */
  readonly noReboot?: boolean;
  /** Tables that hvm translates by: `ept`, or `shadow` as the first processors with VT-x had to. */
  readonly mmu?: MmuKind;
  /**
   * Mode hvm only: Xen's interface for paravirtual drivers is there for a guest that looks for it, and the network is behind its ring instead
   * of an emulated card.
   */
  readonly pvDrivers?: boolean;
  /**
   * The processor has CR8 in 32-bit code, encoded as AMD's processors have it (LOCK MOV CR0). No processor of Intel's does: it is there to measure
   * what a write of CR8 costs in each mode.
   */
  readonly alternateCr8?: boolean;
  /** What an event costs; default the profile `xeon-2003`. */
  readonly profile?: CostProfile;
  /** Guest code may be compiled to JavaScript (the default where the host allows it); results never depend on it. */
  readonly jit?: boolean;
}

/** Options of the numbers a user can get wrong; throws UsageError. */
export function checkOptions(options: VmOptions): void {
  const { mode = "native", memory = DEFAULT_MEMORY, mmu, disks = [] } = options;
  if (!MODES.includes(mode)) throw new UsageError(`unknown mode '${mode}': choose one of ${MODES.join(", ")}`);
  if (!Number.isInteger(memory) || memory < MIN_MEMORY || memory > MAX_MEMORY) {
    throw new UsageError(`memory must be a whole number of MiB from ${MIN_MEMORY} to ${MAX_MEMORY}`);
  }
  if (mmu !== undefined && !MMUS.includes(mmu)) throw new UsageError(`unknown mmu '${mmu}': choose one of ${MMUS.join(", ")}`);
  if (mmu !== undefined && mode !== "hvm") throw new UsageError(`an mmu can be chosen in mode hvm only, not in ${mode}`);
  if (options.pvDrivers && mode !== "hvm") throw new UsageError(`paravirtual drivers are for mode hvm, not ${mode}`);
  if (options.alternateCr8 && mode === "paravirt") throw new UsageError("a domain has no local APIC, and so no CR8");
  if (disks.length > 4) throw new UsageError("a machine has four disks at most");
}
