import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { DR6_BS, raiseDebug } from "../../hypervisor/debug-registers.js";
import type { GuestMemory } from "../../hypervisor/devices/device.js";
import { deliverException, deliverExternal, deliverNonMaskable, deliverSoftware } from "../../hypervisor/interrupts.js";
import type { Machine } from "../../hypervisor/machine.js";
import { acceptsInterrupts, controllerCanWake, type InterruptController } from "../../hypervisor/native.js";
import { createPhysicalMap, type PhysicalMap } from "../../hypervisor/shadow/p2m.js";
import { createPagingTracker } from "../../hypervisor/shadow/paging-tracker.js";
import { createShadow, type Shadow } from "../../hypervisor/shadow/shadow.js";
import type { Strategy, TrapInfo } from "../../hypervisor/strategy.js";
import { PF } from "../../hypervisor/trap.js";
import { AdaptiveCallouts } from "./adaptive.js";
import type { TranslationHooks } from "./engine-hooks.js";
import { TranslationUnits } from "./translation-units.js";
import { virtualInstructions } from "./virtual-instructions.js";

/** A guest under binary translation and what belongs to it. */
export interface Dbt {
  readonly strategy: Strategy;
  readonly shadow: Shadow;
  readonly p2m: PhysicalMap;
  /** Guest-physical memory for loaders and bus masters. */
  readonly memory: GuestMemory;
  /** For the engine. */
  readonly hooks: TranslationHooks;
}

/**
 * VMware's software monitor (Adams and Agesen, ASPLOS 2006): the guest's kernel (CPL below 3) runs translated and its user
 * code directly. The processor's state words are the virtual processor's: its IF, CPL, control registers and descriptor
 * tables. What the real processor holds instead is the monitor's: CR3 is the shadow tables' root, WP is always set,
 * interrupts are always on. Every event of the guest's is delivered by the monitor on the virtual state.
 */
export function createDbt(machine: Machine, pic: InterruptController): Dbt {
  const { cpu, ledger } = machine;
  const p2m = createPhysicalMap(machine);
  const shadow = createShadow(machine, p2m);
  const units = new TranslationUnits(machine);
  const adaptive = new AdaptiveCallouts(ledger, (eip) => hooks.retranslate?.(eip));
  const paging = createPagingTracker(shadow);
  const privilege = privilegeTracker(machine);
  const pteWrite = ledger.id("dbt.callout.pte_write"), exception = ledger.id("dbt.callout.exception");
  const software = ledger.id("dbt.callout.int"), interrupt = ledger.id("dbt.callout.interrupt");

  /** Lets a write through that was stopped for its trace: a single step. TF's own trap follows as it would have. */
  const emulateWrite = (): void => {
    const translated = (cpu.i32[S.MODE]! & S.MODE_TRANSLATED) !== 0;
    const trapFlag = (cpu.eflags & S.FLAG_TF) !== 0;
    const { eip } = cpu;
    shadow.step(() => cpu.interpretOne());
    if (translated && hooks.retranslate !== null) adaptive.traced(eip);
    if (trapFlag) raiseDebug(cpu, DR6_BS);
  };

  const hooks: TranslationHooks = {
    blockBuilt: (physical, eip, instructions) => units.add(physical, eip, instructions),
    indirectEvent: ledger.id("dbt.indirect"),
    isCallout: (eip) => adaptive.isCallout(eip),
    callout: (eip, execute) => {
      ledger.count(pteWrite);
      adaptive.ran(eip, shadow.step(execute, true));
    },
    retranslate: null,
  };

  const strategy: Strategy = {
    name: "dbt",
    flatLimit: 0xffffffff,
    translate: (_cpu, la, access, user) => {
      paging.follow(cpu);
      shadow.translate(la, access, user);
    },
    exception: (_cpu, trap: TrapInfo) => {
      if (trap.vector === PF && shadow.takeTrace() !== null) return emulateWrite();
      ledger.count(exception);
      shadow.step(() => deliverException(cpu, trap));
    },
    softwareInterrupt: (_cpu, vector, next) => {
      ledger.count(software);
      shadow.step(() => deliverSoftware(cpu, vector, next));
    },
    interruptPending: () => pic.intr && acceptsInterrupts(cpu),
    acceptNonMaskable: () => {
      ledger.count(interrupt);
      shadow.step(() => deliverNonMaskable(cpu));
    },
    canWake: () => controllerCanWake(pic, cpu.interruptFlag),
    acceptInterrupt: () => {
      ledger.count(interrupt);
      shadow.step(() => deliverExternal(cpu, pic.acknowledge()));
    },
    sensitive: virtualInstructions(ledger, pic),
    guestToMachine: (gpa) => shadow.guestToMachine(gpa),
    modeBits: () => privilege.modeBits(cpu),
    pageTableRootLoaded: () => paging.load(cpu),
    pageInvalidated: (_cpu, la) => shadow.invalidate(la),
  };
  return { strategy, shadow, p2m, memory: shadow.guestMemory, hooks };
}

/** Says where translated code runs, and counts the switches between it and direct execution. */
function privilegeTracker(machine: Machine): { modeBits(cpu: Cpu): number } {
  const toDirect = machine.ledger.id("dbt.switch_to_direct"), toTranslated = machine.ledger.id("dbt.switch_to_translated");
  let translated = true;
  return {
    modeBits: (cpu) => {
      const now = cpu.cpl !== 3;
      if (now !== translated) machine.ledger.count(now ? toTranslated : toDirect);
      translated = now;
      return now ? S.MODE_TRANSLATED : 0;
    },
  };
}
