import type { Cpu } from "../hypervisor/cpu.js";
import { deliverOnce } from "../hypervisor/interrupts.js";
import { createWalk, type PagingMode, walkPageTables } from "../hypervisor/paging.js";
import { ACCESS_WRITE, type Strategy, type TrapInfo } from "../hypervisor/strategy.js";
import { BP, GP, OF, PF, PF_PRESENT, PF_USER, PF_WRITE, Trap, VECTOR_NAMES } from "../hypervisor/trap.js";
import { bounceToGuest, reloadSegments } from "./bounce.js";
import { mapLdtPage } from "./descriptor-tables.js";
import type { Domain } from "./domain.js";
import { emulatePrivilegedOp } from "./emul-priv-op.js";
import { Hypercalls } from "./hypercalls.js";
import { HYPERCALL_VECTOR, VCPU_CR2 } from "../hypervisor/xen/public/xen.js";
import { guestTrap, hasDirectTrap, softIntPermitted } from "./trap-table.js";

/** Linear addresses that the LDT is mapped at: 8,192 descriptors. */
const LDT_BYTES = 0x1_0000;

/**
 * Xen as a strategy: every exception and interrupt comes to it first, and what is the guest's goes on to ring 1. No instruction is
 * sensitive here: the processor executes the guest as it is, deprivileged, and the guest was ported to that.
 */
export function createStrategy(d: Domain): Strategy {
  const hypercalls = new Hypercalls(d);
  d.hypercalls = hypercalls;
  return {
    name: "paravirt",
    flatLimit: d.layout.segmentEnd - 1,
    translate: createTranslate(d),
    exception: (cpu, trap) => {
      d.count("trap." + (VECTOR_NAMES[trap.vector] ?? `vector_${trap.vector}`));
      exception(d, cpu, trap);
      leave(d);
    },
    softwareInterrupt: (cpu, vector, next) => {
      if (vector === HYPERCALL_VECTOR && cpu.cpl < 2) hypercalls.enter(next);
      else if (vector === d.reserved.directVector && hasDirectTrap(d)) return direct(d, cpu, vector, next);
      else if (vector === BP || vector === OF) {
        d.count("trap." + VECTOR_NAMES[vector]);
        cpu.eip = next;
        guestTrap(d, vector, undefined);
      } else cpu.raise(GP, vector * 8 + 2); // the gate is absent, or not for this ring
      leave(d);
    },
    interruptPending: () => {
      if (!d.testEvents) return false;
      d.testEvents = false;
      return d.upcallPending && !d.upcallMask;
    },
    acceptInterrupt: () => upcall(d),
    acceptNonMaskable: () => { throw new Error("a domain has no source of NMIs"); },
    canWake: () => d.canWake,
    sensitive: {},
    guestToMachine: () => -1, // no device but Dom0's reaches memory
    modeBits: () => 0,
  };
}

/** On the way back to the guest: descriptors that changed are loaded, and a pending event is seen. */
function leave(d: Domain): void {
  d.tlb.settle();
  if (d.reloadSegments) reloadSegments(d);
  d.testEvents = true;
  d.cpu.recheck = true;
}

/** Runs the guest's event callback, events masked. */
function upcall(d: Domain): void {
  d.count("event_channel.upcall");
  bounceToGuest(d, { ...d.eventCallback, masksEvents: true });
}

/** Straight from a process to the kernel, by the one gate the guest has in the real IDT: Xen is not entered. */
function direct(d: Domain, cpu: Cpu, vector: number, next: number): void {
  d.count("interrupt.software");
  deliverOnce(cpu, { vector, errorCode: undefined, source: "software", returnEip: next });
}

function createTranslate(d: Domain): Strategy["translate"] {
  const walk = createWalk();
  const mode: PagingMode = { pae: d.layout.pae, pse: true, wp: true, pge: true };
  const { memory, ledger } = d;
  const fixups = ledger.id("paravirt.page_fault_fixup");
  const tables = d.writablePageTables;
  return (cpu, la, access, user) => {
    const write = access === ACCESS_WRITE;
    if (tables.open !== undefined && la >>> 12 === tables.open.page && !user) {
      return cpu.mmu.insert(la, tables.open.table << 12, access, false, write, write, false, false);
    }
    for (;;) {
      walkPageTables(walk, memory, cpu.cr3, mode, la, write, user, true);
      cpu.mmu.walked(walk);
      if (!walk.fault) break;
      if (!fixedUp(d, la, walk.error)) cpu.pageFault(la, walk.error);
      ledger.count(fixups);
    }
    if (tables.unchecked(walk.entryAddress)) cpu.pageFault(la, write ? PF_WRITE : 0);
    cpu.mmu.insert(la, walk.pa, access, walk.user, walk.writable, walk.dirty, walk.global, false);
  };
}

/** Faults that Xen itself has caused, whoever meets them: a page table that is out, a page of the LDT that is not yet mapped. */
function fixedUp(d: Domain, la: number, error: number): boolean {
  if ((error & PF_PRESENT) !== 0) return false;
  const address = la >>> 0;
  if (inLdtWindow(d, address)) return mapLdtPage(d, (address - d.reserved.ldtBase) >>> 12);
  if (address >= d.layout.hypervisorStart || !d.writablePageTables.ownsFault(la)) return false;
  d.writablePageTables.cleanup();
  return true;
}

function exception(d: Domain, cpu: Cpu, trap: TrapInfo): void {
  if (trap.vector === PF) return pageFault(d, cpu, trap.errorCode ?? 0);
  if (trap.vector === GP) return generalProtection(d, cpu, trap.errorCode ?? 0);
  guestTrap(d, trap.vector, trap.errorCode);
}

function pageFault(d: Domain, cpu: Cpu, errorCode: number): void {
  const address = cpu.cr2 >>> 0;
  const writeByKernel = (errorCode & (PF_PRESENT | PF_WRITE | PF_USER)) === (PF_PRESENT | PF_WRITE);
  if (address < d.layout.hypervisorStart && writeByKernel && d.kernelMode && d.writablePageTables.writeFault(address | 0)) {
    return;
  }
  const offset = address - d.reserved.gdtBase;
  // The processor met a hole in the guest's GDT: a bad selector. One in its LDT is a fault on the guest's own page of it.
  if (offset >= 0 && address < d.reserved.ldtBase) return guestTrap(d, GP, offset & 0xfff8);
  // Beyond every segment: code that runs as flat has its limits checked here.
  if (address >= d.layout.segmentEnd && !inLdtWindow(d, address)) return guestTrap(d, GP, 0);
  d.memory.write32(d.sharedInfoMfn * 4096 + VCPU_CR2, inLdtWindow(d, address) ? d.ldtBase + (address - d.reserved.ldtBase) : address);
  guestTrap(d, PF, errorCode);
}

function inLdtWindow(d: Domain, address: number): boolean {
  return address >= d.reserved.ldtBase && address < d.reserved.ldtBase + LDT_BYTES;
}

/** INT n through an absent gate names its vector in the error code; a privileged instruction has error code 0. */
function generalProtection(d: Domain, cpu: Cpu, errorCode: number): void {
  const vector = errorCode >>> 3;
  if ((errorCode & 7) === 2 && vector < 256 && softIntPermitted(d, vector)) {
    cpu.eip = (cpu.eip + 2) | 0;
    return guestTrap(d, vector, undefined);
  }
  if (errorCode === 0) {
    try {
      if (emulatePrivilegedOp(d)) return;
    } catch (e) {
      // A string instruction between memory and a port met a fault of its own.
      if (!(e instanceof Trap)) throw e;
      return exception(d, cpu, { vector: e.vector, errorCode: e.errorCode });
    }
  }
  guestTrap(d, GP, errorCode);
}

