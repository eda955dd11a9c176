import type { Domain } from "./domain.js";
import { copyFromGuest, copyToGuest } from "./guest-access.js";
import { EFAULT, EINVAL, ENOSYS } from "../hypervisor/xen/public/errno.js";

/** xen_version: what hypervisor this is (public/version.h, public/features.h). */

const MAJOR = 3, MINOR = 0;
const EXTRAVERSION = ".4-trivisor";
export const VERSION_TEXT = `xen-${MAJOR}.${MINOR}`;

/** XENFEAT_*: page tables may be written (and are validated); A and D survive MMU_PT_UPDATE_PRESERVE_AD. */
const XENFEAT_writable_page_tables = 0, XENFEAT_pae_pgdir_above_4gb = 4, XENFEAT_mmu_pt_update_preserve_ad = 5;

/** Features of the domain, by submap 0's bits. */
export function featuresOf(d: Domain): number {
  return 1 << XENFEAT_writable_page_tables | 1 << XENFEAT_mmu_pt_update_preserve_ad | (d.layout.pae ? 1 << XENFEAT_pae_pgdir_above_4gb : 0);
}

/** A zero-terminated text in a field of `bytes` bytes. */
function text(value: string, bytes: number): Uint8Array {
  const field = new Uint8Array(bytes);
  field.set(new TextEncoder().encode(value).subarray(0, bytes - 1));
  return field;
}

/** compiler[64], compile_by[16], compile_domain[32], compile_date[32]. */
function compileInfo(): Uint8Array {
  const parts = [text("tsc", 64), text("trivisor", 16), text("trivisor", 32), text("", 32)];
  const all = new Uint8Array(144);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const give = (d: Domain, arg: number, bytes: Uint8Array): number => copyToGuest(d, arg, bytes) ? 0 : -EFAULT;

/** By XENVER_* number. */
const COMMANDS: readonly ((d: Domain, arg: number) => number)[] = [
  () => MAJOR << 16 | MINOR,
  (d, arg) => give(d, arg, text(EXTRAVERSION, 16)),
  (d, arg) => give(d, arg, compileInfo()),
  // One machine word: what this instance of Xen can run.
  (d, arg) => give(d, arg, text(`${VERSION_TEXT}-${d.layout.machine} `, 1024)),
  (d, arg) => give(d, arg, text("unavailable", 64)),
  (d, arg) => give(d, arg, word(d.layout.hypervisorStart)),
  getFeatures,
  () => 4096,
  (d, arg) => give(d, arg, new Uint8Array(16)),
  (d, arg) => give(d, arg, text("", 1024)),
];

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** struct xen_feature_info: submap_idx, submap. */
function getFeatures(d: Domain, arg: number): number {
  const view = copyFromGuest(d, arg, 8);
  if (view === undefined) return -EFAULT;
  if (view.getUint32(0, true) !== 0) return -EINVAL;
  view.setUint32(4, featuresOf(d), true);
  return copyToGuest(d, arg, view) ? 0 : -EFAULT;
}

/** HYPERVISOR_xen_version(cmd, arg). A call that does nothing is how guests have pending events delivered. */
export function xenVersion(d: Domain, [command, arg]: readonly number[]): number {
  return COMMANDS[command]?.(d, arg) ?? -ENOSYS;
}
