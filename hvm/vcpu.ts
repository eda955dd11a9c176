import type { GuestInterface } from "./guest-interface.js";
import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import type { Ledger } from "../hypervisor/ledger.js";
import type { Machine } from "../hypervisor/machine.js";
import type { InterruptController } from "../hypervisor/native.js";
import type { Memory } from "../hypervisor/memory.js";
import type { MonitorFrames } from "../hypervisor/shadow/monitor-frames.js";
import type { PhysicalMap } from "../hypervisor/shadow/p2m.js";
import type { Ept } from "./ept.js";
import { type ExitCause, informationOf, isSoftware, type Outcome, type VmxEvent } from "./exit-record.js";
import { NonRootMemory } from "./non-root-memory.js";
import { F } from "./vmcs-fields.js";
import { Vmcs, VMCS_REVISION, VmxRoot } from "./vmcs.js";

/**
 * How the monitor gives the guest its memory: EPT (ept-memory.ts) or shadow page tables (shadow-memory.ts). Handlers
 * tell it what the guest did to its paging; it keeps the VMCS true to that.
 */
export interface MemoryVirtualization {
  readonly name: "ept" | "shadow";
  /** The tables, where EPT is in use. */
  readonly ept: Ept | undefined;
  /** Bits the processor's CR0 has whatever the guest wrote. */
  readonly cr0Forced: number;
  /** The processor's CR4 for a guest that sees these values of CR4 and CR0. */
  hardwareCr4(cr4: number, cr0: number): number;
  /** Bits of CR0 and CR4 the guest may change without an exit; the guest/host masks have the others. */
  readonly cr0GuestOwned: number;
  readonly cr4GuestOwned: number;
  /** Writes the fields of the VMCS that depend on it; before the first entry. */
  setUp(vcpu: Vcpu): void;
  /** The guest starts with the processor's present state, which will be its guest state. */
  start(vcpu: Vcpu): void;
  /** The guest's view of CR3. */
  guestCr3(vcpu: Vcpu): number;
  /** The guest loads its CR3. False: the PDPTEs are bad, #GP. */
  rootLoaded(vcpu: Vcpu, cr3: number): boolean;
  /** The guest's CR0 or CR4 got a new value in a bit that paging depends on. False: the PDPTEs are bad, #GP. */
  pagingChanged(vcpu: Vcpu, cr0: number, cr4: number): boolean;
  /** INVLPG by the guest. */
  pageInvalidated(vcpu: Vcpu, la: number): void;
  /** Guest-physical memory lies elsewhere than before: nothing that maps it holds any longer. */
  mapChanged(): void;
  /** A #PF exit at linear address `la`. */
  pageFault(vcpu: Vcpu, la: number, errorCode: number): Outcome;
  /** Runs an action of the software emulator on the guest's registers. */
  whileEmulating(vcpu: Vcpu, action: () => void): void;
  /** The software emulator touches `la`: enters the page into the TLB, or raises the guest's page fault. */
  translateForEmulation(vcpu: Vcpu, la: number, access: number, user: boolean): void;
}

/** Vector by which an exit in the middle of an instruction leaves it: no exception has it. */
export const VM_EXIT_VECTOR = 0x100;

/**
 * One virtual processor: the machine it runs on, its VMCS, and what the monitor remembers of it between exits. In
 * non-root operation the guest's registers are the processor's; in root operation they are in the VMCS, but for the
 * general registers, which the monitor keeps where they are.
 */
export class Vcpu {
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly memory: Memory;
  readonly ledger: Ledger;
  readonly frames: MonitorFrames;
  /** Guest-physical to machine-physical. */
  readonly map: PhysicalMap;
  /** The virtual interrupt controllers, which the device model drives. */
  readonly pic: InterruptController;
  readonly virtualization: MemoryVirtualization;
  readonly vmx: VmxRoot;
  /** The VMCS as the processor accesses it. */
  readonly vmcs: Vmcs;
  readonly nonRoot: NonRootMemory;

  /** The processor's PDPTE registers, low and high words (vol. 3, 4.4.1). */
  readonly pdptes = new Int32Array(8);
  /** Linear address of the latest page fault; it goes to CR2 only if the guest is to see the fault. */
  faultAddress = 0;
  /** The exit that VM_EXIT_VECTOR stands for. */
  pendingExit: ExitCause | undefined = undefined;
  /** Why VM entry last failed. */
  violatedRule = "";

  /** The monitor executes an instruction of the guest in software: nothing exits. */
  emulating = false;
  /** Linear addresses whose translations emulation has put in the TLB. */
  readonly emulatedPages: number[] = [];
  /** The guest state in the VMCS is a guest's. */
  started = false;
  /** The guest has halted, and the processor is the monitor's until an interrupt comes. */
  blocked = false;
  /** An exit is in the VMCS whose handler has not run yet. */
  interrupted = false;
  /** The event to inject at the next entry. */
  queued: VmxEvent | undefined = undefined;
  /** The monitor's copy of the primary controls, which it changes often. */
  primaryControls = 0;
  /** What the monitor offers to guests that know of it. */
  guestInterface: GuestInterface | undefined = undefined;
  /** What a handler that stopped the run has to say. */
  stopReason = "";

  constructor(machine: Machine, frames: MonitorFrames, map: PhysicalMap, pic: InterruptController, virtualization: MemoryVirtualization) {
    this.machine = machine;
    this.cpu = machine.cpu;
    this.memory = machine.memory;
    this.ledger = machine.ledger;
    this.frames = frames;
    this.map = map;
    this.pic = pic;
    this.virtualization = virtualization;
    this.vmx = new VmxRoot(machine.memory, machine.ledger);
    this.vmcs = this.startVmx();
    this.nonRoot = new NonRootMemory(this);
  }

  /** VMXON, and a VMCS made clear and current, each in a frame of the monitor's. */
  private startVmx(): Vmcs {
    const vmxon = this.newFrame();
    this.memory.write32(vmxon, VMCS_REVISION);
    this.vmx.vmxon(vmxon);
    const address = this.newFrame();
    new Vmcs(this.memory, address).revision = VMCS_REVISION;
    this.vmx.vmclear(address);
    this.vmx.vmptrld(address);
    return this.vmx.currentVmcs();
  }

  /** Machine-physical address of a zeroed frame of the monitor's. */
  newFrame(): number {
    const frame = this.frames.allocate();
    if (frame < 0) throw new RangeError("the machine has no memory for the monitor");
    return frame << 12;
  }

  /** VMREAD; counted. */
  read(encoding: number): number {
    return this.vmx.vmread(encoding);
  }

  /** VMWRITE; counted. */
  write(encoding: number, value: number): void {
    this.vmx.vmwrite(encoding, value);
  }

  /** General register `r` of the guest, 32 bits; ESP is in the VMCS. */
  gpr(r: number): number {
    return r === S.ESP ? this.read(F.GUEST_RSP) : this.cpu.i32[r]!;
  }

  setGpr(r: number, value: number): void {
    if (r === S.ESP) this.write(F.GUEST_RSP, value);
    else this.cpu.i32[r] = value;
  }

  /** Leaves the instruction in progress by a VM exit; nothing of it has been done. */
  exitFromInstruction(cause: ExitCause): never {
    this.pendingExit = cause;
    return this.cpu.raise(VM_EXIT_VECTOR);
  }

  /** Puts an event in the VM-entry fields (24.8.3); in real-address mode exceptions have no error code (26.2.1.3). */
  writeEvent(event: VmxEvent): void {
    if (event.errorCode !== undefined && (this.read(F.GUEST_CR0) & S.CR0_PE) === 0) event = { ...event, errorCode: undefined };
    this.write(F.VM_ENTRY_INTERRUPTION_INFO, informationOf(event));
    if (event.errorCode !== undefined) this.write(F.VM_ENTRY_EXCEPTION_ERROR_CODE, event.errorCode);
    if (isSoftware(event.type)) this.write(F.VM_ENTRY_INSTRUCTION_LENGTH, event.instructionLength);
  }
}
