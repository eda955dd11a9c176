import type { GuestMemory } from "../hypervisor/devices/device.js";
import type { Machine } from "../hypervisor/machine.js";
import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import { redirectVirtual8086 } from "../hypervisor/interrupts.js";
import { acceptsInterrupts, controllerCanWake, type InterruptController } from "../hypervisor/native.js";
import { MonitorFrames } from "../hypervisor/shadow/monitor-frames.js";
import { createPhysicalMap, type PhysicalMap } from "../hypervisor/shadow/p2m.js";
import type { SensitiveHook, Strategy, TrapInfo } from "../hypervisor/strategy.js";
import { COUNTED, instructionEvent } from "../translator/interpreter/bind.js";
import type { Instruction } from "../translator/isa/instruction.js";
import { PIN_EXTERNAL_INTERRUPT_EXITING, PIN_NMI_EXITING, PROC_INTERRUPT_WINDOW_EXITING, TYPE_SOFTWARE_EXCEPTION } from "./controls.js";
import { primary } from "./entry-rule.js";
import { EptMemory } from "./ept-memory.js";
import { deliverEvent, exceptionExit, exceptionExits, raiseException } from "./events.js";
import { externalInterrupt, nonMaskable, softwareEvent, type ExitCause } from "./exit-record.js";
import { REASON } from "./exit-reasons.js";
import { guestPhysical } from "./inspect.js";
import { INTERCEPTS, type Intercept } from "./intercepts.js";
import { resumeMonitor, vmExit, wake, wakes } from "./monitor.js";
import { setUpVmcs, startGuest } from "./setup.js";
import { createShadowMemory } from "./shadow-memory.js";
import { Vcpu, VM_EXIT_VECTOR } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

export interface HvmOptions {
  /** Extended page tables, or shadow page tables as the first generation had. */
  readonly mmu: "ept" | "shadow";
  readonly pic: InterruptController;
  /** The guest-physical map, when something else of the machine uses it too. */
  readonly map?: PhysicalMap;
  /** CR8 is a field of a virtual-APIC page (29.1.2); only for a processor that has it. */
  readonly tprShadow?: boolean;
}

export interface Hvm {
  readonly strategy: Strategy;
  readonly vcpu: Vcpu;
  /** Where guest-physical memory is; loaders write the guest's image through it. */
  readonly map: PhysicalMap;
  /** Guest-physical memory for loaders and bus masters: shadow tables follow what they write. */
  readonly memory: GuestMemory;
  /** Guest-physical address of a linear one as the guest sees it, -1 where nothing is mapped; changes and counts nothing. */
  linear(la: number): number;
  /** The A20 gate: what the device model does for it, for A20M# has no effect in VMX operation (SDM vol. 3C, 23.8). */
  setA20(open: boolean): void;
  /** To be called when the processor has been reset or loaded anew: the guest starts from its present state. */
  restart(): void;
}

/**
 * VT-x (SDM vol. 3C): the processor's state is the guest's, unmodified and at ring 0, until a VM exit. Frames of `machine`
 * above the guest's memory hold the VMCS, its bitmaps, and the EPT or shadow tables.
 */
export function createHvm(machine: Machine, options: HvmOptions): Hvm {
  const map = options.map ?? createPhysicalMap(machine);
  const frames = new MonitorFrames(machine);
  const shadow = options.mmu === "shadow" ? createShadowMemory(machine, map, frames) : undefined;
  const vcpu = new Vcpu(machine, frames, map, options.pic, shadow ?? new EptMemory());
  setUpVmcs(vcpu, options.tprShadow ?? false);

  const strategy: Strategy = {
    name: "hvm",
    flatLimit: 0xffffffff,
    translate: (_cpu, la, access, user) => {
      if (!vcpu.started) launch(vcpu);
      if (vcpu.emulating) vcpu.virtualization.translateForEmulation(vcpu, la, access, user);
      else vcpu.nonRoot.translate(la, access, user);
    },
    exception: (_cpu, trap) => exception(vcpu, trap),
    softwareInterrupt: (cpu, vector, next) => softwareInterrupt(vcpu, cpu, vector, next),
    interruptPending: (cpu) => vcpu.started && interruptPending(vcpu, cpu),
    acceptInterrupt: (cpu) => acceptInterrupt(vcpu, cpu),
    acceptNonMaskable: (cpu) => acceptNonMaskable(vcpu, cpu),
    canWake: (cpu) => controllerCanWake(options.pic, ((vcpu.blocked ? vcpu.vmcs.get(F.GUEST_RFLAGS) : cpu.eflags) & S.FLAG_IF) !== 0),
    sensitive: bindIntercepts(vcpu),
    guestToMachine: shadow === undefined ? (gpa) => map.dmaAddress(gpa) : (gpa) => shadow.shadow.guestToMachine(gpa),
    modeBits: () => 0,
  };
  const memory: GuestMemory = shadow?.shadow.guestMemory ?? {
    size: machine.guestBytes, read: (gpa, into) => map.readBytes(gpa, into), write: (gpa, from) => map.writeBytes(gpa, from),
  };
  return { strategy, vcpu, map, memory, linear: (la) => guestPhysical(vcpu, la), setA20: (open) => setA20(vcpu, open), restart: () => { vcpu.started = false; } };
}

/** Guest-physical addresses with bit 20 set are others now: what maps them is made anew. */
function setA20(vcpu: Vcpu, open: boolean): void {
  const { map, virtualization, cpu, ledger } = vcpu;
  map.a20Open = open;
  virtualization.mapChanged();
  ledger.event("hvm.invept");
  cpu.mmu.flush(true);
  cpu.recheck = true;
}

/** The first thing a guest does is to fetch an instruction: it is launched then, with the state a loader has left. */
function launch(vcpu: Vcpu): void {
  startGuest(vcpu);
  wake(vcpu);
}

/** Goes to the monitor if there is something to go for. */
function exitFor(vcpu: Vcpu, cause: ExitCause | undefined): void {
  if (cause !== undefined) vmExit(vcpu, cause);
}

function exception(vcpu: Vcpu, trap: TrapInfo): void {
  if (vcpu.interrupted) resumeMonitor(vcpu);
  else if (trap.vector === VM_EXIT_VECTOR) vmExit(vcpu, vcpu.pendingExit!);
  else exitFor(vcpu, raiseException(vcpu, trap));
}

/** INT n, INT3 and INTO: INT3 and INTO are exceptions to the bitmap, INT n never exits by itself. */
function softwareInterrupt(vcpu: Vcpu, cpu: Cpu, vector: number, next: number): void {
  const event = softwareEvent(vector, next - cpu.eip & 15);
  if (event.type === TYPE_SOFTWARE_EXCEPTION) {
    if (exceptionExits(vcpu.vmcs, event)) return vmExit(vcpu, exceptionExit(vcpu, event));
  } else if (cpu.v86 && redirectVirtual8086(cpu, vector, next)) return;
  exitFor(vcpu, deliverEvent(vcpu, event));
}

// ---- interrupts --------------------------------------------------------------------------------------------------------

const exitsOnInterrupts = (vcpu: Vcpu): boolean => (vcpu.vmcs.get(F.PIN_BASED_CONTROLS) & PIN_EXTERNAL_INTERRUPT_EXITING) !== 0;
const windowWanted = (vcpu: Vcpu): boolean => primary(vcpu.vmcs, PROC_INTERRUPT_WINDOW_EXITING);

/**
 * The line of the virtual controllers rises when a device is due in virtual time, which is when its physical
 * interrupt comes: an exit, once, whatever IF says. After that the monitor waits for the window it asked for.
 */
function interruptPending(vcpu: Vcpu, cpu: Cpu): boolean {
  if (vcpu.blocked) return wakes(vcpu);
  if (windowWanted(vcpu)) return acceptsInterrupts(cpu);
  return vcpu.pic.intr && (exitsOnInterrupts(vcpu) || acceptsInterrupts(cpu));
}

function acceptInterrupt(vcpu: Vcpu, cpu: Cpu): void {
  if (vcpu.blocked) wake(vcpu);
  else if (windowWanted(vcpu) && acceptsInterrupts(cpu)) vmExit(vcpu, { reason: REASON.interrupt_window });
  else if (exitsOnInterrupts(vcpu)) vmExit(vcpu, { reason: REASON.external_interrupt });
  else exitFor(vcpu, deliverEvent(vcpu, externalInterrupt(vcpu.pic.acknowledge())));
}

/** The device model's NMI: an exit, after which the monitor injects it (24.6.1); or the guest's own, if none is wanted. */
function acceptNonMaskable(vcpu: Vcpu, cpu: Cpu): void {
  const event = nonMaskable();
  cpu.nmiPending = false;
  if (vcpu.blocked) {
    vcpu.queued = event;
    wake(vcpu);
  } else if ((vcpu.vmcs.get(F.PIN_BASED_CONTROLS) & PIN_NMI_EXITING) !== 0) vmExit(vcpu, { reason: REASON.exception_nmi, event });
  else exitFor(vcpu, deliverEvent(vcpu, event));
}

// ---- sensitive instructions ----------------------------------------------------------------------------------------------

function bindIntercepts(vcpu: Vcpu): Record<string, SensitiveHook> {
  const hooks: Record<string, SensitiveHook> = {};
  for (const [name, intercept] of Object.entries(INTERCEPTS)) hooks[name] = hookOf(vcpu, intercept);
  return hooks;
}

function hookOf(vcpu: Vcpu, intercept: Intercept): SensitiveHook {
  return (cpu, sensitive) => {
    if (vcpu.emulating) return false;
    const i = sensitive as Instruction;
    const verdict = intercept(vcpu, i);
    if (verdict === "native") return false;
    if (verdict === "done") {
      cpu.eip = cpu.eip + i.length | 0;
      if (COUNTED.has(i.row.cost)) vcpu.ledger.event(instructionEvent(i.row));   // the processor has executed it
    } else vmExit(vcpu, { instructionLength: i.length, ...verdict });
    return true;
  };
}
