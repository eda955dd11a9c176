import type { Domain } from "./domain.js";
import { copyFromGuest } from "./guest-access.js";
import { EFAULT, EINVAL, ENOSYS, EPERM } from "../hypervisor/xen/public/errno.js";

/** physdev_op for a domain without devices of its own: only its I/O privilege level (public/physdev.h). */

const PHYSDEVOP_irq_status_query = 5, PHYSDEVOP_set_iopl = 6, PHYSDEVOP_set_iobitmap = 7, PHYSDEVOP_apic_read = 8, PHYSDEVOP_eoi = 12;

/** HYPERVISOR_physdev_op(cmd, arg). */
export function physdevOp(d: Domain, [command, arg]: readonly number[]): number {
  switch (command) {
    case PHYSDEVOP_set_iopl: return setIopl(d, arg);
    case PHYSDEVOP_set_iobitmap: return setIobitmap(d, arg);
    case PHYSDEVOP_eoi: case PHYSDEVOP_irq_status_query: return copyFromGuest(d, arg, 4) === undefined ? -EFAULT : -EINVAL;
    default: return command >= PHYSDEVOP_apic_read && command <= 11 ? -EPERM : -ENOSYS;
  }
}

/** The call before 0x00030202: struct physdev_op, the command first. */
export function physdevOpCompat(d: Domain, [arg]: readonly number[]): number {
  const command = copyFromGuest(d, arg, 4)?.getUint32(0, true);
  return command === undefined ? -EFAULT : physdevOp(d, [command, arg + 4]);
}

/** The ring that may use CLI, STI and ports (those that exist for the domain); kept by Xen, since the processor's IOPL stays 0. */
function setIopl(d: Domain, arg: number): number {
  const iopl = copyFromGuest(d, arg, 4)?.getUint32(0, true);
  if (iopl === undefined) return -EFAULT;
  if (iopl > 3) return -EINVAL;
  d.iopl = iopl;
  return 0;
}

function setIobitmap(d: Domain, arg: number): number {
  const view = copyFromGuest(d, arg, 8);
  if (view === undefined) return -EFAULT;
  const ports = view.getUint32(4, true);
  if (ports > 65536) return -EINVAL;
  d.iobitmap = ports === 0 ? undefined : { va: view.getUint32(0, true), ports };
  return 0;
}
