import * as S from "../hypervisor/cpu-state.js";
import { breakpointsChanged } from "../hypervisor/debug-registers.js";
import { bounceToGuest } from "./bounce.js";
import { fixupSelector, gateSelectorOkay } from "./descriptor-tables.js";
import { dplOfTrap, masksEvents, type Domain } from "./domain.js";
import { fetchWords } from "./guest-access.js";
import { Continuation, type HypercallResult } from "./hypercall-result.js";
import { preempted } from "./mmu-update.js";
import { EFAULT, EINVAL, EPERM } from "../hypervisor/xen/public/errno.js";
import { TRAP_INFO_BYTES } from "../hypervisor/xen/public/xen.js";

/** The guest's virtual IDT: where exceptions and software interrupts go (arch-x86/xen.h: struct trap_info, set_trap_table). */

/**
 * HYPERVISOR_set_trap_table(traps): an array that ends with address 0; the pointer 0 clears all. Each entry takes effect as it is
 * read, so a fault leaves those before it in place.
 */
export function setTrapTable(d: Domain, [list]: readonly number[]): HypercallResult {
  if (list === 0) {
    for (const trap of d.traps) Object.assign(trap, { cs: 0, eip: 0, flags: 0 });
    updateDirectTrap(d);
    return 0;
  }
  const words = new Uint32Array(2);
  for (let i = 0; ; i++, list += TRAP_INFO_BYTES) {
    if (preempted(d, i)) return new Continuation([list]);
    if (!fetchWords(d, list, 2, words)) return -EFAULT;
    const [first, eip] = words;
    if (eip === 0) return 0;
    const vector = first & 0xff;
    const trap = d.traps[vector];
    trap.cs = fixupSelector(first >>> 16);
    trap.eip = eip | 0;
    trap.flags = first >>> 8 & 0xff;
    if (vector === d.reserved.directVector) updateDirectTrap(d);
  }
}

/**
 * The one vector that the processor delivers to the guest's kernel itself: a trap gate to ring 1 in the real IDT. Only where the
 * guest does not want events masked on entry, which a gate cannot do, and where its selector is safe in a gate.
 */
function updateDirectTrap(d: Domain): void {
  const trap = d.traps[d.reserved.directVector];
  if (trap.eip === 0 || masksEvents(trap) || !gateSelectorOkay(trap.cs)) d.reserved.setDirectGate(d.reserved.directVector, 0, 0);
  else d.reserved.setDirectGate(d.reserved.directVector, trap.cs << 16 | (trap.eip & 0xffff), (trap.eip & 0xffff0000) | 0x8f00 | dplOfTrap(trap) << 13);
}

/** Whether INT 0x80 goes straight to the guest's kernel. */
export function hasDirectTrap(d: Domain): boolean {
  return d.memory.read32(d.reserved.idtFrame * 4096 + d.reserved.directVector * 8 + 4) !== 0;
}

/** Lets the guest's kernel handle an exception (or a software interrupt, EIP past it already). */
export function guestTrap(d: Domain, vector: number, errorCode: number | undefined): void {
  const trap = d.traps[vector];
  d.count("paravirt.trap_bounce");
  if (trap.eip === 0) d.crash(`vector ${vector} has no handler`);
  bounceToGuest(d, { cs: trap.cs, eip: trap.eip, errorCode, masksEvents: masksEvents(trap) });
}

/** Whether the running code may enter a vector's handler by INT n: its DPL, the kernel counting as ring 1. */
export function softIntPermitted(d: Domain, vector: number): boolean {
  return dplOfTrap(d.traps[vector]) >= (d.kernelMode ? 1 : 3);
}

/** HYPERVISOR_set_debugreg and get_debugreg: addresses in the reserved area and I/O breakpoints are refused. */
export function setDebugreg(d: Domain, [register, value]: readonly number[]): number {
  if (register < 4) {
    if (value >= d.layout.hypervisorStart) return -EPERM;
  } else if (register === 6) value = value & 0xffffefff | 0xffff0ff0;
  else if (register === 7) {
    value = value & 0xffff27ff | 0x400;
    // GD, and breakpoints on ports: refused.
    if ((value & 0x2000) !== 0) return -EPERM;
    for (let i = 16; i < 32; i += 4) if ((value >>> i & 3) === 2) return -EPERM;
  } else return -EINVAL;
  d.cpu.i32[S.DR0 + register] = value | 0;
  breakpointsChanged(d.cpu);
  return 0;
}

export function getDebugreg(d: Domain, [register]: readonly number[]): number {
  return register > 7 || register === 4 || register === 5 ? -EINVAL : d.cpu.i32[S.DR0 + register];
}
