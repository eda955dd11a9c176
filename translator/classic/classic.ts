import * as S from "../../hypervisor/cpu-state.js";
import { DR6, DR6_BS } from "../../hypervisor/debug-registers.js";
import type { GuestMemory } from "../../hypervisor/devices/device.js";
import { deliverException, deliverExternal, deliverNonMaskable, deliverSoftware } from "../../hypervisor/interrupts.js";
import type { Machine } from "../../hypervisor/machine.js";
import { controllerCanWake, type InterruptController } from "../../hypervisor/native.js";
import { MonitorFrames } from "../../hypervisor/shadow/monitor-frames.js";
import { createPhysicalMap } from "../../hypervisor/shadow/p2m.js";
import { createPagingTracker } from "../../hypervisor/shadow/paging-tracker.js";
import { createShadow, type Shadow } from "../../hypervisor/shadow/shadow.js";
import { isNull } from "../../hypervisor/segmentation.js";
import type { SensitiveHook, Strategy, TrapInfo } from "../../hypervisor/strategy.js";
import { DB, GP, NP, PF, SS_FAULT, Trap, TS } from "../../hypervisor/trap.js";
import type { Instruction } from "../isa/instruction.js";
import { ROWS } from "../isa/opcodes.js";
import { DescriptorShadow } from "./descriptor-shadow.js";
import { GDT_AT, LDT_AT, MONITOR_LIMIT, MonitorRegion } from "./monitor-region.js";
import { OBSERVERS } from "./observers.js";
import { VirtualCpu } from "./virtual-cpu.js";
import { WrongResults, type WrongResult } from "./wrong-results.js";

/** A guest under trap-and-emulate and what belongs to it. */
export interface Classic {
  readonly strategy: Strategy;
  readonly shadow: Shadow;
  /** Guest-physical memory for loaders and bus masters. */
  readonly memory: GuestMemory;
  readonly virtual: VirtualCpu;
  /** To be called when the guest's initial state is in the processor: takes its privilege away. */
  start(): void;
  /** Instructions that silently did something else than on a bare machine, most frequent first. */
  report(): WrongResult[];
}

/** Faults that the guest may owe to its lost privilege. */
const PRIVILEGE_FAULTS: ReadonlySet<number> = new Set([GP, NP, SS_FAULT, TS]);

/**
 * Trap and emulate as VM/370 did it (Goldberg 1974; Popek and Goldberg, CACM 17:7, 1974), on an architecture that does not
 * keep their theorem: the guest's ring 0 runs in ring 1 on the monitor's descriptor tables. What faults for it is emulated on
 * the virtual processor. What is sensitive and does not fault goes wrong: it is reported and never corrected.
 */
export function createClassic(machine: Machine, pic: InterruptController): Classic {
  const { cpu, ledger } = machine;
  const frames = new MonitorFrames(machine);
  const region = new MonitorRegion(machine, frames);
  const shadow = createShadow(machine, createPhysicalMap(machine), { frames });
  const paging = createPagingTracker(shadow);
  const virtual = new VirtualCpu(cpu, shadow);
  const gdt = new DescriptorShadow(shadow, region, GDT_AT), ldt = new DescriptorShadow(shadow, region, LDT_AT);
  const wrong = new WrongResults(() => ledger.event("classic.wrong"));
  /** Name of the sensitive instruction that is being emulated. */
  let emulated = "";

  const assume = (): void => {
    region.unmap();
    virtual.assume();
  };
  /** Back to the guest, with the processor's tables as the virtual ones now demand. */
  const resume = (): void => {
    if (!cpu.protectedMode) return;
    region.unmap();
    paging.follow(cpu);
    gdt.follow({ base: cpu.i32[S.GDTR_BASE]!, limit: cpu.i32[S.GDTR_LIMIT]! });
    // After a reset LDTR is present with a null selector: no table that any selector could have been loaded from.
    const hasLdt = (cpu.segAttr(S.LDTR) & S.ATTR_P) !== 0 && !isNull(cpu.selector(S.LDTR));
    ldt.follow(hasLdt ? { base: cpu.segBase(S.LDTR), limit: Math.min(cpu.segLimit(S.LDTR), 0xffff) } : { base: 0, limit: -1 });
    virtual.deprivilege();
  };
  /** Runs the monitor's work on the virtual processor. */
  const onVirtual = <T>(work: () => T): T => {
    if (virtual.assumed) return work();
    assume();
    try {
      return work();
    } finally {
      resume();
    }
  };
  const reflect = (trap: TrapInfo): void => onVirtual(() => {
    ledger.event("classic.reflect");
    shadow.step(() => deliverException(cpu, trap));
  });

  /** The single-step trap of an instruction that the monitor has executed. */
  const reflectStep = (): void => {
    cpu.i32[DR6]! |= DR6_BS;
    reflect({ vector: DB, errorCode: undefined });
  };

  /** Executes the faulting instruction on the virtual processor; a fault it meets there is the guest's own. */
  const emulate = (): void => onVirtual(() => {
    emulated = "";
    const trapFlag = (cpu.eflags & S.FLAG_TF) !== 0;
    try {
      shadow.step(() => cpu.interpretOne());
    } catch (error) {
      if (!(error instanceof Trap)) throw error;
      return reflect({ vector: error.vector, errorCode: error.errorCode });
    }
    ledger.event("trap.general_protection");
    ledger.event(`classic.emulate.${(emulated || "memory").toLowerCase()}`);
    if (trapFlag) reflectStep();
  });

  /** Lets a write through that was stopped for its trace. */
  const stepTraced = (): void => {
    const trapFlag = (cpu.eflags & S.FLAG_TF) !== 0;
    shadow.step(() => cpu.interpretOne());
    if (trapFlag) reflectStep();
  };

  const observe: SensitiveHook = (_cpu, sensitive) => {
    if (virtual.assumed) emulated = sensitive.mnemonic;
    else {
      const instruction = sensitive as Instruction;
      const difference = OBSERVERS[instruction.mnemonic]?.(cpu, virtual, instruction, onVirtual);
      if (difference !== undefined) wrong.add(instruction.mnemonic, cpu.eip, difference);
    }
    return false;
  };

  const strategy: Strategy = {
    name: "classic",
    flatLimit: MONITOR_LIMIT,
    translate: (_cpu, la, access, user) => {
      if (region.covers(la)) {
        if (!virtual.assumed) return region.translate(la, access, user);
        region.noteGuestPage(la);
      }
      if (virtual.assumed) paging.follow(cpu);
      shadow.translate(la, access, user);
    },
    exception: (_cpu, trap) => {
      wrong.faulted(cpu.eip);
      if (trap.vector === PF && shadow.takeTrace() !== null) return stepTraced();
      if (!virtual.assumed && PRIVILEGE_FAULTS.has(trap.vector)) return emulate();
      reflect(trap);
    },
    softwareInterrupt: (_cpu, vector, next) => onVirtual(() => {
      ledger.event("classic.emulate.int");
      shadow.step(() => deliverSoftware(cpu, vector, next));
    }),
    interruptPending: () => {
      // A guest that has just left real mode is deprivileged at the first boundary.
      if (virtual.assumed && cpu.protectedMode) resume();
      return pic.intr && (virtual.ownFlags & S.FLAG_IF) !== 0 && !cpu.interruptShadow;
    },
    acceptNonMaskable: () => onVirtual(() => {
      ledger.event("classic.interrupt");
      shadow.step(() => deliverNonMaskable(cpu));
    }),
    canWake: () => controllerCanWake(pic, (virtual.ownFlags & S.FLAG_IF) !== 0),
    acceptInterrupt: () => onVirtual(() => {
      ledger.event("classic.interrupt");
      shadow.step(() => deliverExternal(cpu, pic.acknowledge()));
    }),
    sensitive: Object.fromEntries(ROWS.flatMap((row) => row.sensitive === null ? [] : [[row.sensitive, observe]])),
    guestToMachine: (gpa) => shadow.guestToMachine(gpa),
    modeBits: () => 0,
    pageTableRootLoaded: () => paging.load(cpu),
    pageInvalidated: (_cpu, la) => shadow.invalidate(la),
  };
  return { strategy, shadow, memory: shadow.guestMemory, virtual, start: resume, report: () => wrong.report() };
}
