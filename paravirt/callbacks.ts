import * as S from "../hypervisor/cpu-state.js";
import { fixupSelector } from "./descriptor-tables.js";
import type { Domain } from "./domain.js";
import { copyFromGuest } from "./guest-access.js";
import { EFAULT, EINVAL, ENOSYS } from "../hypervisor/xen/public/errno.js";

/** Entry points of the guest's kernel that are no traps (public/callback.h), its stack for entries from outside, and the FPU's switch. */

const CALLBACKTYPE_event = 0, CALLBACKTYPE_failsafe = 1, CALLBACKTYPE_nmi = 4;
const CALLBACKF_mask_events = 1;
const CALLBACKOP_register = 0, CALLBACKOP_unregister = 1;
const CALLBACK_REGISTER_BYTES = 12, CALLBACK_UNREGISTER_BYTES = 4;

/** HYPERVISOR_set_callbacks(event_selector, event_address, failsafe_selector, failsafe_address). */
export function setCallbacks(d: Domain, [eventCs, eventEip, failsafeCs, failsafeEip]: readonly number[]): number {
  Object.assign(d.eventCallback, { cs: fixupSelector(eventCs & 0xffff), eip: eventEip | 0 });
  Object.assign(d.failsafeCallback, { cs: fixupSelector(failsafeCs & 0xffff), eip: failsafeEip | 0, masksEvents: false });
  return 0;
}

/** HYPERVISOR_callback_op(cmd, arg). */
export function callbackOp(d: Domain, [command, arg]: readonly number[]): number {
  if (command === CALLBACKOP_register) return register(d, arg);
  if (command !== CALLBACKOP_unregister) return -ENOSYS;
  const type = copyFromGuest(d, arg, CALLBACK_UNREGISTER_BYTES)?.getUint16(0, true);
  if (type === undefined) return -EFAULT;
  if (type === CALLBACKTYPE_event || type === CALLBACKTYPE_failsafe) return -EINVAL;
  if (type !== CALLBACKTYPE_nmi) return -ENOSYS;
  d.nmiCallback = 0;
  return 0;
}

function register(d: Domain, arg: number): number {
  const view = copyFromGuest(d, arg, CALLBACK_REGISTER_BYTES);
  if (view === undefined) return -EFAULT;
  const cs = fixupSelector(view.getUint32(4, true) & 0xffff), eip = view.getInt32(8, true);
  const masks = (view.getUint16(2, true) & CALLBACKF_mask_events) !== 0;
  switch (view.getUint16(0, true)) {
    case CALLBACKTYPE_event: Object.assign(d.eventCallback, { cs, eip }); return 0;
    case CALLBACKTYPE_failsafe: Object.assign(d.failsafeCallback, { cs, eip, masksEvents: masks }); return 0;
    // NMIs are the initial domain's.
    case CALLBACKTYPE_nmi: return -EINVAL;
    default: return -ENOSYS;
  }
}

/** HYPERVISOR_nmi_op(cmd, arg): for the initial domain only. */
export function nmiOp(_d: Domain, [command]: readonly number[]): number {
  return command === 0 ? -EINVAL : command === 1 ? 0 : -ENOSYS;
}

/** HYPERVISOR_stack_switch(ss, esp): the stack for entries to ring 1 from outside it. */
export function stackSwitch(d: Domain, [ss, esp]: readonly number[]): number {
  d.kernelSs = fixupSelector(ss & 0xffff);
  d.kernelSp = esp | 0;
  d.reserved.setKernelStack(d.kernelSs, d.kernelSp);
  return 0;
}

/** HYPERVISOR_fpu_taskswitch(set): CR0.TS. */
export function fpuTaskswitch(d: Domain, [set]: readonly number[]): number {
  const { cpu } = d;
  cpu.i32[S.CR0] = set !== 0 ? cpu.cr0 | S.CR0_TS : cpu.cr0 & ~S.CR0_TS;
  cpu.modeChanged();
  return 0;
}
