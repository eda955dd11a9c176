import * as S from "../hypervisor/cpu-state.js";
import { loadV86Segment } from "../hypervisor/segmentation.js";
import { returnToGuest } from "./bounce.js";
import type { Domain } from "./domain.js";
import { accessOk, fetchWords } from "./guest-access.js";

/**
 * HYPERVISOR_iret: leaves the guest kernel by the frame at ESP, which begins with the EAX that the hypercall's number displaced:
 * EAX, EIP, CS, EFLAGS, then ESP and SS for a return outwards, then ES, DS, FS and GS for one to virtual-8086 mode. The event mask
 * becomes the inverse of the frame's IF. A frame that cannot be read is the domain's end.
 */
const WORST_FRAME_BYTES = 40;

export function iret(d: Domain): number {
  const { cpu } = d;
  let at = cpu.esp >>> 0;
  const take = (n: number): Uint32Array => {
    const words = new Uint32Array(n);
    if (!fetchWords(d, at, n, words)) d.crash("the frame of an iret cannot be read");
    at += n * 4;
    return words;
  };
  if (!accessOk(d, at, WORST_FRAME_BYTES)) d.crash("the frame of an iret lies in the reserved area");
  const [eax, eip, csWord, eflags] = take(4);
  const cs = csWord & 0xffff;
  const to = { eip: eip | 0, cs, eflags, esp: at | 0, ss: cpu.selector(S.SS) };
  if ((eflags & S.FLAG_VM) !== 0) {
    const [esp, ss, es, ds, fs, gs] = take(6);
    to.esp = esp | 0;
    to.ss = ss & 0xffff;
    loadV86Segment(cpu, S.ES, es);
    loadV86Segment(cpu, S.DS, ds);
    loadV86Segment(cpu, S.FS, fs);
    loadV86Segment(cpu, S.GS, gs);
  } else if ((cs & 3) === 0) d.crash("an iret to ring 0");
  else if ((cs & 3) !== 1) {
    const [esp, ss] = take(2);
    to.esp = esp | 0;
    to.ss = ss & 0xffff;
  }
  d.upcallMask = (eflags & S.FLAG_IF) === 0;
  returnToGuest(d, to);
  return eax;
}
