/** EPT violations and misconfigurations: memory is mapped on first touch, registers of devices are emulated. */
import { FRAME_ROM } from "../../hypervisor/memory.js";
import { RUN_FRAMES } from "../../hypervisor/shadow/p2m.js";
import { EPT_RWX, MEMORY_WRITE_BACK } from "../ept.js";
import type { Exit, Outcome } from "../exit-record.js";
import { emulateInstruction } from "../inject.js";
import { EPT_EXECUTE, EPT_READ, EPT_RIGHTS_SHIFT } from "../qualifications.js";
import type { Vcpu } from "../vcpu.js";

/**
 * A frame without rights is mapped, with the 2 MB around it if they are one run of machine memory: RAM fully, ROM without writing, and what is no memory so that every access is a
 * misconfiguration. A frame with rights but not the wanted one is ROM: the write is emulated, and lost.
 */
export function eptViolation(vcpu: Vcpu, exit: Exit): Outcome {
  const { map, memory } = vcpu;
  const { ept } = vcpu.virtualization;
  if (ept === undefined) throw new Error("an EPT violation without EPT");
  if ((exit.qualification >> EPT_RIGHTS_SHIFT & EPT_RWX) !== 0) return emulateInstruction(vcpu);
  const gfn = exit.guestPhysical >>> 12;
  if (!map.isMemory(gfn)) {
    ept.mapDevice(exit.guestPhysical);
    return "again";
  }
  if (map.isRun(gfn)) {
    ept.mapLarge(exit.guestPhysical, map.machineFrame(gfn & -RUN_FRAMES), EPT_RWX, MEMORY_WRITE_BACK);
    vcpu.ledger.event("ept.fill_large");
    return "again";
  }
  const frame = map.machineFrame(gfn);
  const rights = (memory.kindOf(frame) & FRAME_ROM) !== 0 ? EPT_READ | EPT_EXECUTE : EPT_RWX;
  ept.map(exit.guestPhysical, frame, rights, MEMORY_WRITE_BACK);
  vcpu.ledger.event("ept.fill");
  return "again";
}

/** Registers of a device: the instruction is emulated, and its access goes to the memory-mapped bus. */
export function eptMisconfig(vcpu: Vcpu, exit: Exit): Outcome {
  if (!vcpu.map.isMemory(exit.guestPhysical >>> 12)) return emulateInstruction(vcpu);
  vcpu.stopReason = "is on memory of the guest's: the EPT entry is broken";
  return "stop";
}
