import { Trap } from "../hypervisor/trap.js";
import type { Domain } from "./domain.js";

/**
 * Copies between Xen and the running guest's linear memory, as copy_from_guest() and copy_to_guest(): with Xen's rights (a
 * supervisor that obeys R/W), through the TLB, never touching the reserved area. A fault ends the copy: false, or undefined.
 */

/** Whether `bytes` bytes from `va` lie below the reserved area (access_ok). */
export function accessOk(d: Domain, va: number, bytes: number): boolean {
  return bytes >= 0 && va + bytes <= d.layout.hypervisorStart;
}

/** Reads `count` words at `va` into `into`. */
export function fetchWords(d: Domain, va: number, count: number, into: Uint32Array): boolean {
  if (!accessOk(d, va, count * 4)) return false;
  const { mmu } = d.cpu;
  try {
    for (let i = 0; i < count; i++) into[i] = mmu.readAs(va + i * 4, 4, false);
    return true;
  } catch (e) {
    return faulted(e);
  }
}

/** Writes one word. */
export function storeWord(d: Domain, va: number, value: number): boolean {
  if (!accessOk(d, va, 4)) return false;
  try {
    d.cpu.mmu.writeAs(va, 4, value >>> 0, false);
    return true;
  } catch (e) {
    return faulted(e);
  }
}

/** The `bytes` bytes at `va`, or undefined. */
export function copyFromGuest(d: Domain, va: number, bytes: number): DataView | undefined {
  if (!accessOk(d, va, bytes)) return undefined;
  const view = new DataView(new ArrayBuffer(bytes));
  const { mmu } = d.cpu;
  try {
    let i = 0;
    for (; i + 4 <= bytes; i += 4) view.setUint32(i, mmu.readAs(va + i, 4, false), true);
    for (; i < bytes; i++) view.setUint8(i, mmu.readAs(va + i, 1, false));
    return view;
  } catch (e) {
    faulted(e);
    return undefined;
  }
}

/** Writes `from` to `va`; false when some of it could not be written (what lies before the fault has been). */
export function copyToGuest(d: Domain, va: number, from: DataView | Uint8Array): boolean {
  const bytes = from.byteLength;
  if (!accessOk(d, va, bytes)) return false;
  const view = from instanceof DataView ? from : new DataView(from.buffer, from.byteOffset, bytes);
  const { mmu } = d.cpu;
  try {
    let i = 0;
    for (; i + 4 <= bytes; i += 4) mmu.writeAs(va + i, 4, view.getUint32(i, true), false);
    for (; i < bytes; i++) mmu.writeAs(va + i, 1, view.getUint8(i), false);
    return true;
  } catch (e) {
    return faulted(e);
  }
}

/** Makes sure that a structure can be written back before anything is done for it. */
export function canWrite(d: Domain, va: number, bytes: number): boolean {
  if (!accessOk(d, va, bytes)) return false;
  try {
    for (let at = va; at < va + bytes; at = ((at | 0xfff) >>> 0) + 1) d.cpu.mmu.probeWrite(at, 1, false);
    return true;
  } catch (e) {
    return faulted(e);
  }
}

/** A fault of the copy is an answer; anything else goes on up. */
function faulted(e: unknown): false {
  if (e instanceof Trap) return false;
  throw e;
}
