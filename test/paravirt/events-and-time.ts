import * as assert from "uvu/assert";
import { suite } from "uvu";
import { EEXIST, EFAULT, EINVAL, ENOENT, ENOSPC, ENOSYS, EPERM, ESRCH } from "../../hypervisor/xen/public/errno.js";
import { DOMID_SELF, SHARED_EVTCHN_MASK, SHARED_EVTCHN_PENDING, VCPU_EVTCHN_PENDING_SEL } from "../../hypervisor/xen/public/xen.js";
import { PAGE, rig, type Rig, SCRATCH } from "./rig.js";

/** Event channels in shared_info's two levels, waiting, timers and the time that shared_info tells. */
const name = suite("paravirt events and time");

const BIND_INTERDOMAIN = 0, BIND_VIRQ = 1, BIND_PIRQ = 2, CLOSE = 3, SEND = 4, STATUS = 5, ALLOC_UNBOUND = 6, BIND_IPI = 7, UNMASK = 9, RESET = 10;
const op = (r: Rig, command: number, ...args: number[]): number => {
  r.write(SCRATCH, ...args);
  return r.call("event_channel_op", command, SCRATCH);
};
const shared = (r: Rig, offset: number): number => r.d.memory.read32(r.d.sharedInfoMfn * PAGE + offset);
const setShared = (r: Rig, offset: number, value: number): void => r.d.memory.write32(r.d.sharedInfoMfn * PAGE + offset, value);

name("an event sets three levels of bits and is seen once", () => {
  const r = rig();
  assert.is(op(r, BIND_IPI, 0, 0), 0);
  const port = r.read(SCRATCH + 4);
  assert.is(op(r, SEND, port), 0);
  assert.is(shared(r, SHARED_EVTCHN_PENDING + (port >>> 5) * 4) >>> (port & 31) & 1, 1);
  assert.is(shared(r, VCPU_EVTCHN_PENDING_SEL), 1 << (port >>> 5));
  assert.ok(r.d.upcallPending);
  r.d.upcallMask = false;
  assert.ok(r.pv.strategy.interruptPending(r.machine.cpu));
});

name("a masked port becomes pending without an upcall, until unmask", () => {
  const r = rig();
  op(r, BIND_IPI, 0, 0);
  const port = r.read(SCRATCH + 4);
  setShared(r, SHARED_EVTCHN_MASK, 1 << port);
  setShared(r, 0, 0);
  setShared(r, VCPU_EVTCHN_PENDING_SEL, 0);
  op(r, SEND, port);
  assert.ok(r.d.events.isPending(port));
  assert.not(r.d.upcallPending);
  assert.is(op(r, UNMASK, port), 0);
  assert.ok(r.d.upcallPending);
});

name("bindings and their refusals", () => {
  const r = rig();
  assert.is(op(r, BIND_VIRQ, 0, 0, 0), 0);
  assert.is(op(r, BIND_VIRQ, 0, 0, 0), -EEXIST);
  assert.is(op(r, BIND_VIRQ, 24, 0, 0), -EINVAL);
  assert.is(op(r, BIND_VIRQ, 2, 1, 0), -EINVAL, "global, so processor 0");
  assert.is(op(r, BIND_VIRQ, 1, 1, 0), -ENOENT);
  assert.is(op(r, BIND_PIRQ, 1, 0, 0), -EPERM);
  assert.is(op(r, BIND_IPI, 3, 0), -ENOENT);
  assert.is(op(r, ALLOC_UNBOUND, 5, 0), -EPERM);
  assert.is(op(r, BIND_INTERDOMAIN, 9, 1, 0), -ESRCH);
  assert.is(op(r, BIND_INTERDOMAIN, 0, 77, 0), -EINVAL);
  assert.is(op(r, CLOSE, 999), -EINVAL);
  assert.is(op(r, CLOSE, 0xffffffff), -EINVAL);
  assert.is(op(r, SEND, 0), -EINVAL);
  assert.is(op(r, UNMASK, 1023), -EINVAL);
  assert.is(op(r, RESET, 3), -EPERM);
  assert.is(r.call("event_channel_op", 99, SCRATCH), -ENOSYS);
  assert.is(r.call("event_channel_op", SEND, 0x10), -EFAULT);
  assert.is(op(r, STATUS, 3 | 0, 0), -ESRCH);
});

name("ports run out with -ENOSPC, and a closed one is used again", () => {
  const r = rig();
  let last = 0;
  for (let i = 0; i < 1100 && op(r, ALLOC_UNBOUND, DOMID_SELF, 0) === 0; i++) last = r.read(SCRATCH + 4);
  assert.is(last, 1023);
  assert.is(op(r, ALLOC_UNBOUND, DOMID_SELF, 0), -ENOSPC);
  assert.is(op(r, CLOSE, 500), 0);
  assert.is(op(r, ALLOC_UNBOUND, DOMID_SELF, 0), 0);
  assert.is(r.read(SCRATCH + 4), 500);
});

name("an interdomain channel goes both ways, and the far end sees its close", () => {
  const r = rig();
  const { events } = r.pv.dom0;
  op(r, ALLOC_UNBOUND, DOMID_SELF, 0);
  const port = r.read(SCRATCH + 4);
  const far = events.bindInterdomain(r.d.id, port);
  assert.ok(far > 0);
  let heard = 0;
  events.handle(far, () => heard++);
  assert.is(op(r, SEND, port), 0);
  assert.is(heard, 1);
  events.send(far);
  assert.ok(r.d.events.isPending(port));
  assert.is(op(r, STATUS, DOMID_SELF, port, 0, 0, 0, 0), 0);
  assert.equal([r.read(SCRATCH + 8), r.read(SCRATCH + 16), r.read(SCRATCH + 20)], [2, 0, far]);
  assert.is(op(r, CLOSE, port), 0);
  assert.equal(events.status(DOMID_SELF, far), { status: 1, first: r.d.id, second: 0 });
});

name("the call of older interfaces takes the command in the structure", () => {
  const r = rig();
  r.write(SCRATCH, BIND_IPI, 0, 0);
  assert.is(r.call("event_channel_op_compat", SCRATCH), 0);
  assert.ok(r.read(SCRATCH + 8) > 0);
});

name("block waits unless an event is there; an event ends it", () => {
  const r = rig();
  op(r, BIND_IPI, 0, 0);
  const port = r.read(SCRATCH + 4);
  r.call("vcpu_op", 7, 0, 0);
  setShared(r, 0, 0);
  assert.is(r.call("sched_op", 1, 0), 0);
  assert.ok(r.machine.cpu.halted);
  assert.not(r.d.upcallMask);
  r.d.events.send(port);
  assert.not(r.machine.cpu.halted);
  assert.is(r.call("sched_op", 1, 0), 0);
  assert.not(r.machine.cpu.halted, "one is pending already");
});

name("poll waits for its port, masked or not, or for the time given", () => {
  const r = rig();
  op(r, BIND_IPI, 0, 0);
  const port = r.read(SCRATCH + 4);
  r.write(SCRATCH + 0x20, port);
  r.write(SCRATCH, SCRATCH + 0x20, 1, 0, 0);
  assert.is(r.call("sched_op", 3, SCRATCH), 0);
  assert.ok(r.machine.cpu.halted);
  r.d.events.send(port);
  assert.not(r.machine.cpu.halted);
  setShared(r, SHARED_EVTCHN_PENDING, 0);
  r.write(SCRATCH, SCRATCH + 0x20, 1, 5_000_000, 0);
  assert.is(r.call("sched_op", 3, SCRATCH), 0);
  assert.ok(r.machine.cpu.halted);
  assert.is(r.machine.clock.nextDeadline(), 10_000_000, "5 ms of 2 GHz");
  r.machine.ledger.idle(10_000_000);
  r.machine.clock.runDue();
  assert.not(r.machine.cpu.halted);
  r.write(SCRATCH, SCRATCH + 0x20, 129, 0, 0);
  assert.is(r.call("sched_op", 3, SCRATCH), -EINVAL);
  r.write(SCRATCH, 0x10, 1, 0, 0);
  assert.is(r.call("sched_op", 3, SCRATCH), -EFAULT);
});

name("VIRQ_TIMER comes at the time asked for; 0 takes it back; the tick is 100 Hz until stopped", () => {
  const r = rig();
  r.call("vcpu_op", 7, 0, 0);
  op(r, BIND_VIRQ, 0, 0, 0);
  const port = r.read(SCRATCH + 8);
  r.call("set_timer_op", 3_000_000, 0);
  assert.is(r.machine.clock.nextDeadline(), 6_000_001);
  r.call("set_timer_op", 0, 0);
  assert.is(r.machine.clock.nextDeadline(), Infinity);
  r.call("set_timer_op", 3_000_000, 0);
  r.machine.ledger.idle(6_000_001);
  r.machine.clock.runDue();
  assert.ok(r.d.events.isPending(port));
  const ticking = rig();
  assert.is(ticking.machine.clock.nextDeadline(), 20_000_000);
  ticking.write(SCRATCH, 500_000, 0);
  assert.is(ticking.call("vcpu_op", 6, 0, SCRATCH), -EINVAL, "under a millisecond");
  ticking.write(SCRATCH, 2_000_000, 0);
  assert.is(ticking.call("vcpu_op", 6, 0, SCRATCH), 0);
  assert.is(ticking.machine.clock.nextDeadline(), 4_000_000);
});

name("system time follows from the cycle counter by the published numbers", () => {
  const r = rig();
  r.machine.ledger.idle(123_456_789);
  r.d.time.update();
  assert.is(shared(r, 32) & 1, 0, "an even version");
  const system = shared(r, 48) >>> 0, mul = shared(r, 56) >>> 0, shift = r.d.memory.read(r.d.sharedInfoMfn * PAGE + 60, 1) << 24 >> 24;
  assert.is(system, Math.floor(123_456_789 / 2));
  const nsPerCycle = mul / 2 ** 32 * 2 ** shift;
  assert.ok(Math.abs(nsPerCycle - 0.5) < 1e-8, `${nsPerCycle}`);
});

name("vcpu_op knows one processor", () => {
  const r = rig();
  assert.is(r.call("vcpu_op", 3, 0, 0), 1);
  assert.is(r.call("vcpu_op", 1, 1, 0), -ENOENT);
  assert.is(r.call("vcpu_op", 1, 40, 0), -EINVAL);
  assert.is(r.call("vcpu_op", 0, 0, SCRATCH), -EEXIST);
  assert.is(r.call("vcpu_op", 4, 0, SCRATCH), 0);
  assert.is(r.call("vcpu_op", 4, 0, 0x10), -EFAULT);
  r.write(SCRATCH, SCRATCH + 0x100, 0);
  assert.is(r.call("vcpu_op", 5, 0, SCRATCH), 0);
  assert.is(r.call("vcpu_op", 99, 0, 0), -ENOSYS);
});

name("xen_version tells its version, capabilities and features", () => {
  const r = rig();
  assert.is(r.call("xen_version", 0, 0), 0x30000);
  assert.is(r.call("xen_version", 3, SCRATCH), 0);
  const capabilities = Array.from({ length: 16 }, (_, i) => String.fromCharCode(r.read(SCRATCH + i) & 0xff)).join("");
  assert.is(capabilities, "xen-3.0-x86_32p ");
  r.write(SCRATCH, 0, 0);
  assert.is(r.call("xen_version", 6, SCRATCH), 0);
  assert.is(r.read(SCRATCH + 4) & 1, 1, "writable page tables");
  assert.is(r.call("xen_version", 5, SCRATCH), 0);
  assert.is(r.read(SCRATCH), 0xf5800000);
  assert.is(r.call("xen_version", 1, 0xfffffff0), -EFAULT);
  assert.is(r.call("xen_version", 77, SCRATCH), -ENOSYS);
});

name.run();
