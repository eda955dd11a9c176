import type { Domain } from "./domain.js";
import { canWrite, copyFromGuest, copyToGuest } from "./guest-access.js";
import { EFAULT, EINVAL, ENOSYS, EPERM } from "../hypervisor/xen/public/errno.js";

/** event_channel_op: the sub-commands, their structures, and the older form with the command in the structure (public/event_channel.h). */

interface Command {
  readonly name: string;
  readonly bytes: number;
  /** Gives 0 or an errno, having put what it answers into the structure. */
  readonly run: (d: Domain, view: DataView) => number;
  /** The structure is written back. */
  readonly answers: boolean;
}

/** Stores a port at `offset`, or passes the errno on. */
function port(view: DataView, offset: number, result: number): number {
  if (result < 0) return result;
  view.setUint32(offset, result, true);
  return 0;
}

const u16 = (view: DataView, at: number): number => view.getUint16(at, true);
const u32 = (view: DataView, at: number): number => view.getUint32(at, true);

/** By number of the sub-command. */
const COMMANDS: readonly (Command | undefined)[] = [
  { name: "bind_interdomain", bytes: 12, answers: true, run: (d, v) => port(v, 8, d.events.bindInterdomain(u16(v, 0), u32(v, 4))) },
  { name: "bind_virq", bytes: 12, answers: true, run: (d, v) => port(v, 8, d.events.bindVirq(u32(v, 0), u32(v, 4))) },
  // Physical interrupts belong to domains with devices.
  { name: "bind_pirq", bytes: 12, answers: true, run: (_d, v) => u32(v, 0) < 256 ? -EPERM : -EINVAL },
  { name: "close", bytes: 4, answers: false, run: (d, v) => d.events.close(u32(v, 0)) },
  { name: "send", bytes: 4, answers: false, run: (d, v) => d.events.send(u32(v, 0)) },
  { name: "status", bytes: 24, answers: true, run: status },
  { name: "alloc_unbound", bytes: 8, answers: true, run: (d, v) => port(v, 4, d.events.allocUnbound(u16(v, 0), u16(v, 2))) },
  { name: "bind_ipi", bytes: 8, answers: true, run: (d, v) => port(v, 4, d.events.bindIpi(u32(v, 0))) },
  { name: "bind_vcpu", bytes: 8, answers: false, run: (d, v) => d.events.bindVcpu(u32(v, 0), u32(v, 4)) },
  { name: "unmask", bytes: 4, answers: false, run: (d, v) => d.events.unmask(u32(v, 0)) },
  { name: "reset", bytes: 2, answers: false, run: (d, v) => d.events.reset(u16(v, 0)) },
];

function status(d: Domain, view: DataView): number {
  const answer = d.events.status(u16(view, 0), u32(view, 4));
  if (typeof answer === "number") return answer;
  view.setUint32(8, answer.status, true);
  view.setUint32(12, 0, true);
  view.setUint32(16, answer.first, true);
  view.setUint32(20, answer.second, true);
  return 0;
}

/** HYPERVISOR_event_channel_op(cmd, arg). */
export function eventChannelOp(d: Domain, [command, arg]: readonly number[]): number {
  const entry = COMMANDS[command];
  return entry === undefined ? -ENOSYS : run(d, entry, arg);
}

/** The call before 0x00030202: arg points at the command, followed by its structure. */
export function eventChannelOpCompat(d: Domain, [arg]: readonly number[]): number {
  const command = copyFromGuest(d, arg, 4)?.getUint32(0, true);
  if (command === undefined) return -EFAULT;
  const entry = COMMANDS[command];
  return entry === undefined ? -ENOSYS : run(d, entry, arg + 4);
}

function run(d: Domain, entry: Command, arg: number): number {
  const view = copyFromGuest(d, arg, entry.bytes);
  if (view === undefined || (entry.answers && !canWrite(d, arg, entry.bytes))) return -EFAULT;
  d.count(`hypercall.event_channel_op.${entry.name}`);
  const result = entry.run(d, view);
  if (result === 0 && entry.answers && !copyToGuest(d, arg, view)) return -EFAULT;
  return result;
}
