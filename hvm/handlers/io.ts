/** Port accesses: from the exit to the device it is the bus and the device, as in every other mode. */
import * as S from "../../hypervisor/cpu-state.js";
import { segmentAddress } from "../../hypervisor/segmentation.js";
import type { Exit, Outcome } from "../exit-record.js";
import { emulate } from "../inject.js";
import { decodeIo, decodeStringIoInfo, type IoAccess } from "../qualifications.js";
import type { Vcpu } from "../vcpu.js";
import { F } from "../vmcs-fields.js";

export function ioInstruction(vcpu: Vcpu, exit: Exit): Outcome {
  const access = decodeIo(exit.qualification);
  if (access.string) return stringIo(vcpu, access);
  const { cpu } = vcpu;
  const bits = access.size * 8;
  if (access.input) cpu.setReg(S.EAX, bits, cpu.readPort(access.port, access.size));
  else cpu.writePort(access.port, access.size, access.size === 4 ? cpu.i32[S.EAX]! >>> 0 : cpu.reg(S.EAX, bits));
  return "next";
}

/** Bytes moved in one exit before interrupts are looked at: a page, as device models move. */
const CHUNK_BYTES = 4096;

/** INS and OUTS: as many elements as one exit may move; with more to come RIP stays, and the instruction exits again. */
function stringIo(vcpu: Vcpu, access: IoAccess): Outcome {
  const { addressSize, segment } = decodeStringIoInfo(vcpu.read(F.VM_EXIT_INSTRUCTION_INFO));
  const { cpu } = vcpu;
  let finished = false, elements = 0;
  const outcome = emulate(vcpu, () => {
    for (let moved = 0; moved < CHUNK_BYTES && !finished; moved += access.size) {
      if (access.rep && cpu.reg(S.ECX, addressSize) === 0) finished = true;
      else {
        finished = moveElement(vcpu, access, addressSize, segment);
        elements++;
      }
    }
  });
  vcpu.ledger.event("hvm.string_element", elements);
  return outcome === "again" && finished ? "next" : outcome;
}

/** One element, with its counters; true when it was the last. */
function moveElement(vcpu: Vcpu, access: IoAccess, addressSize: 16 | 32, segment: number): boolean {
  const { cpu } = vcpu;
  const { size, port } = access;
  const pointer = access.input ? S.EDI : S.ESI;
  const offset = cpu.reg(pointer, addressSize);
  const la = segmentAddress(cpu, segment, offset, size, access.input);
  if (access.input) {
    cpu.mmu.probeWrite(la, size);
    cpu.mmu.writeAs(la, size, cpu.readPort(port, size), cpu.mmu.user);
  } else cpu.writePort(port, size, cpu.mmu.readAs(la, size, cpu.mmu.user));
  const step = (cpu.i32[S.EFLAGS_SYS]! & S.FLAG_DF) !== 0 ? -size : size;
  cpu.setReg(pointer, addressSize, (offset + step) | 0);
  if (!access.rep) return true;
  const left = (cpu.reg(S.ECX, addressSize) - 1) | 0;
  cpu.setReg(S.ECX, addressSize, left);
  return (addressSize === 16 ? left & 0xffff : left) === 0;
}
