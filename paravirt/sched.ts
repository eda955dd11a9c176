import { GuestCrash } from "../hypervisor/trap.js";
import type { Domain } from "./domain.js";
import { accessOk, copyFromGuest, copyToGuest, fetchWords } from "./guest-access.js";
import { EEXIST, EFAULT, EINVAL, ENOENT, ENOSYS, EPERM } from "../hypervisor/xen/public/errno.js";

/** Giving up the processor, ending the domain, timers and the virtual processor's state (public/sched.h, public/vcpu.h). */

const SCHEDOP_yield = 0, SCHEDOP_block = 1, SCHEDOP_shutdown = 2, SCHEDOP_poll = 3, SCHEDOP_remote_shutdown = 4;
const SHUTDOWN_poweroff = 0, SHUTDOWN_reboot = 1, SHUTDOWN_suspend = 2, SHUTDOWN_crash = 3;
const SCHED_POLL_BYTES = 16, MAX_POLL_PORTS = 128;

/** HYPERVISOR_sched_op(cmd, arg). */
export function schedOp(d: Domain, [command, arg]: readonly number[]): number {
  switch (command) {
    case SCHEDOP_yield: case SCHEDOP_block: return schedOpCompat(d, [command, 0]);
    case SCHEDOP_shutdown: {
      const reason = copyFromGuest(d, arg, 4)?.getUint32(0, true);
      return reason === undefined ? -EFAULT : shutdown(d, reason);
    }
    case SCHEDOP_poll: return poll(d, arg);
    case SCHEDOP_remote_shutdown: return -EPERM;
    default: return -ENOSYS;
  }
}

/** HYPERVISOR_sched_op_compat(cmd, arg): the reason of a shutdown is the argument itself. */
export function schedOpCompat(d: Domain, [command, arg]: readonly number[]): number {
  switch (command) {
    case SCHEDOP_yield: d.count("hypercall.sched_op.yield"); return 0;
    case SCHEDOP_block: return block(d);
    case SCHEDOP_shutdown: return shutdown(d, arg);
    default: return -ENOSYS;
  }
}

/** Unmasks events and waits for one; there may be one already. */
function block(d: Domain): number {
  d.count("hypercall.sched_op.block");
  d.upcallMask = false;
  if (!d.upcallPending) d.block(undefined);
  return 0;
}

function shutdown(d: Domain, reason: number): number {
  d.count("hypercall.sched_op.shutdown");
  if (reason === SHUTDOWN_crash) throw new GuestCrash(`domain ${d.id} reports that its kernel has crashed`);
  if (reason !== SHUTDOWN_poweroff && reason !== SHUTDOWN_reboot && reason !== SHUTDOWN_suspend) return -EINVAL;
  if (reason === SHUTDOWN_reboot) {
    d.onReboot();
    return 0;
  }
  d.cpu.exitCode = 0;
  d.cpu.recheck = true;
  return 0;
}

/** Waits for one of some ports, masked or not, or for a time; no upcall is made for it. */
function poll(d: Domain, arg: number): number {
  const view = copyFromGuest(d, arg, SCHED_POLL_BYTES);
  if (view === undefined) return -EFAULT;
  d.count("hypercall.sched_op.poll");
  const list = view.getUint32(0, true), count = view.getUint32(4, true);
  const timeout = view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32;
  if (count > MAX_POLL_PORTS) return -EINVAL;
  const ports = new Uint32Array(count);
  if (!accessOk(d, list, count * 4) || !fetchWords(d, list, count, ports)) return -EFAULT;
  if (ports.some((port) => !d.events.validPort(port))) return -EINVAL;
  if (ports.some((port) => d.events.isPending(port)) || (timeout !== 0 && timeout <= d.time.now())) return 0;
  d.block(new Set(ports), timeout);
  return 0;
}

/** HYPERVISOR_set_timer_op(timeout): absolute system time in nanoseconds, 64 bits in two arguments; 0 stops the timer. */
export function setTimerOp(d: Domain, [low, high]: readonly number[]): number {
  const ns = low + high * 2 ** 32;
  // Times before now, and far beyond any run, fire at once: some guests pass garbage for "soon".
  if (ns === 0) d.time.stopSingleShot();
  else d.time.setSingleShot(high >>> 31 !== 0 ? d.time.now() : ns);
  return 0;
}

// ---- vcpu_op -----------------------------------------------------------------------------------------------------------

const RUNSTATE_INFO_BYTES = 44, MIN_PERIOD_NS = 1_000_000, VCPU_SSHOTTMR_future = 1, ETIME = 62;

/** By number of the command; each may assume that the virtual processor is the one there is. */
const VCPU_COMMANDS: Readonly<Record<number, (d: Domain, arg: number) => number>> = {
  0: (d, arg) => accessOk(d, arg, 4) ? -EEXIST : -EFAULT, // initialise: it runs
  1: () => 0, // up
  2: (d) => { d.block(new Set()); return 0; }, // down
  3: () => 1, // is_up
  4: (d, arg) => copyToGuest(d, arg, runstate(d)) ? 0 : -EFAULT,
  5: registerRunstateArea,
  6: setPeriodicTimer,
  7: (d) => { d.time.setPeriod(0); return 0; },
  8: setSingleshotTimer,
  9: (d) => { d.time.stopSingleShot(); return 0; },
  11: () => -EINVAL, // send_nmi: no handler can be set
};

/** HYPERVISOR_vcpu_op(cmd, vcpuid, arg). */
export function vcpuOp(d: Domain, [command, vcpu, arg]: readonly number[]): number {
  if (vcpu >= 32) return -EINVAL;
  if (vcpu !== 0) return -ENOENT;
  const run = VCPU_COMMANDS[command];
  return run === undefined ? -ENOSYS : run(d, arg);
}

/** struct vcpu_runstate_info: state, state_entry_time, time[4]. */
function runstate(d: Domain): DataView {
  const view = new DataView(new ArrayBuffer(RUNSTATE_INFO_BYTES));
  const put = (at: number, ns: number): void => {
    view.setUint32(at, ns >>> 0, true);
    view.setUint32(at + 4, Math.floor(ns / 2 ** 32), true);
  };
  const now = d.time.now();
  put(4, d.runningSince);
  put(12, now - d.blockedNs);
  put(28, d.blockedNs);
  return view;
}

function registerRunstateArea(d: Domain, arg: number): number {
  const address = copyFromGuest(d, arg, 8)?.getUint32(0, true);
  if (address === undefined || !copyToGuest(d, address, runstate(d))) return -EFAULT;
  d.runstateArea = address;
  return 0;
}

/** Writes the registered area anew, when the processor goes on after a wait; a guest that has unmapped it gets nothing. */
export function updateRunstateArea(d: Domain): void {
  if (d.runstateArea !== 0) copyToGuest(d, d.runstateArea, runstate(d));
}

function setPeriodicTimer(d: Domain, arg: number): number {
  const view = copyFromGuest(d, arg, 8);
  if (view === undefined) return -EFAULT;
  const ns = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (ns < MIN_PERIOD_NS) return -EINVAL;
  d.time.setPeriod(Math.min(ns, Number.MAX_SAFE_INTEGER));
  return 0;
}

function setSingleshotTimer(d: Domain, arg: number): number {
  const view = copyFromGuest(d, arg, 12);
  if (view === undefined) return -EFAULT;
  const ns = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if ((view.getUint32(8, true) & VCPU_SSHOTTMR_future) !== 0 && ns < d.time.now()) return -ETIME;
  d.time.setSingleShot(ns);
  return 0;
}
