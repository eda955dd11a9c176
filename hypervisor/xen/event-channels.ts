import type { Memory } from "../memory.js";
import { EEXIST, EINVAL, ENOENT, ENOSPC, EPERM, ESRCH } from "./public/errno.js";
import { DOMID_SELF, EVTCHN_2L_NR_CHANNELS, NR_VIRQS, SHARED_EVTCHN_MASK, SHARED_EVTCHN_PENDING, VCPU_EVTCHN_PENDING_SEL,
  VCPU_EVTCHN_UPCALL_PENDING } from "./public/xen.js";

/**
 * Event channels of one domain (public/event_channel.h): ports bound to a virtual interrupt, to the processor itself, or to a port
 * of another domain. A guest's ports have their pending and mask bits in its shared_info page, in two levels; Dom0's are TypeScript
 * functions. Operations give 0 or more, or a negative errno, and then have changed nothing.
 */
export const EVTCHNSTAT_closed = 0, EVTCHNSTAT_unbound = 1, EVTCHNSTAT_interdomain = 2, EVTCHNSTAT_pirq = 3, EVTCHNSTAT_virq = 4, EVTCHNSTAT_ipi = 5;

type Channel =
  | { readonly status: typeof EVTCHNSTAT_unbound; readonly remoteDom: number }
  | { readonly status: typeof EVTCHNSTAT_interdomain; readonly remote: EventChannels; readonly remotePort: number }
  | { readonly status: typeof EVTCHNSTAT_virq; readonly virq: number }
  | { readonly status: typeof EVTCHNSTAT_ipi };

/** Where a guest's bits are, and whom to tell that an upcall is due. */
export interface SharedBits {
  readonly memory: Memory;
  /** Machine address of shared_info. */
  readonly sharedInfo: number;
  readonly upcall: () => void;
}

const MAX_EVTCHNS = EVTCHN_2L_NR_CHANNELS;

export class EventChannels {
  readonly id: number;
  private readonly shared: SharedBits | undefined;
  private readonly channels = new Map<number, Channel>();
  private readonly virqs = new Map<number, number>();
  /** What Dom0 does when a port of its own is notified. */
  private readonly handlers = new Map<number, () => void>();
  /** Other domains by number. */
  readonly peers = new Map<number, EventChannels>();

  constructor(id: number, shared: SharedBits | undefined) {
    this.id = id;
    this.shared = shared;
  }

  /** Lowest free port; port 0 is never used. */
  private freePort(): number {
    for (let port = 1; port < MAX_EVTCHNS; port++) if (!this.channels.has(port)) return port;
    return -ENOSPC;
  }

  private domain(id: number): EventChannels | undefined {
    return id === DOMID_SELF || id === this.id ? this : this.peers.get(id);
  }

  // ---- binding ---------------------------------------------------------------------------------------------------------

  /** A port of this domain that `remoteDom` may bind to. `dom` is the domain to do it for: an unprivileged one only for itself. */
  allocUnbound(dom: number, remoteDom: number): number {
    if (dom !== DOMID_SELF) return -EPERM;
    const port = this.freePort();
    if (port > 0) this.channels.set(port, { status: EVTCHNSTAT_unbound, remoteDom: remoteDom === DOMID_SELF ? this.id : remoteDom });
    return port;
  }

  bindInterdomain(remoteDom: number, remotePort: number): number {
    const remote = this.domain(remoteDom);
    if (remote === undefined) return -ESRCH;
    const far = remote.channels.get(remotePort);
    if (far?.status !== EVTCHNSTAT_unbound || far.remoteDom !== this.id) return -EINVAL;
    const port = this.freePort();
    if (port < 0) return port;
    this.channels.set(port, { status: EVTCHNSTAT_interdomain, remote, remotePort });
    remote.channels.set(remotePort, { status: EVTCHNSTAT_interdomain, remote: this, remotePort: port });
    // What was sent before is lost: the new end looks once.
    this.setPending(port);
    return port;
  }

  bindVirq(virq: number, vcpu: number): number {
    if (virq >= NR_VIRQS) return -EINVAL;
    if (!this.virqIsPerVcpu(virq) && vcpu !== 0) return -EINVAL;
    if (vcpu !== 0) return -ENOENT;
    if (this.virqs.has(virq)) return -EEXIST;
    const port = this.freePort();
    if (port < 0) return port;
    this.channels.set(port, { status: EVTCHNSTAT_virq, virq });
    this.virqs.set(virq, port);
    return port;
  }

  private virqIsPerVcpu(virq: number): boolean {
    return virq === 0 || virq === 1 || virq === 7;
  }

  bindIpi(vcpu: number): number {
    if (vcpu !== 0) return -ENOENT;
    const port = this.freePort();
    if (port > 0) this.channels.set(port, { status: EVTCHNSTAT_ipi });
    return port;
  }

  /** Which virtual processor a port notifies: there is one. */
  bindVcpu(port: number, vcpu: number): number {
    if (vcpu !== 0) return -ENOENT;
    const channel = this.channels.get(port);
    if (channel === undefined) return -EINVAL;
    return channel.status === EVTCHNSTAT_ipi || (channel.status === EVTCHNSTAT_virq && this.virqIsPerVcpu(channel.virq)) ? -EINVAL : 0;
  }

  close(port: number): number {
    const channel = this.channels.get(port);
    if (channel === undefined) return -EINVAL;
    if (channel.status === EVTCHNSTAT_virq) this.virqs.delete(channel.virq);
    if (channel.status === EVTCHNSTAT_interdomain) channel.remote.channels.set(channel.remotePort, { status: EVTCHNSTAT_unbound, remoteDom: this.id });
    this.channels.delete(port);
    this.handlers.delete(port);
    this.clearPending(port);
    return 0;
  }

  /** Closes every port. */
  reset(dom: number): number {
    if (dom !== DOMID_SELF) return -EPERM;
    for (const port of [...this.channels.keys()]) this.close(port);
    return 0;
  }

  // ---- notifying -------------------------------------------------------------------------------------------------------

  send(port: number): number {
    const channel = this.channels.get(port);
    if (channel?.status === EVTCHNSTAT_interdomain) channel.remote.setPending(channel.remotePort);
    else if (channel?.status === EVTCHNSTAT_ipi) this.setPending(port);
    else if (channel?.status !== EVTCHNSTAT_unbound) return -EINVAL; // an unbound port swallows it
    return 0;
  }

  /** Raises a virtual interrupt; nothing happens while it is not bound. */
  raiseVirq(virq: number): void {
    const port = this.virqs.get(virq);
    if (port !== undefined) this.setPending(port);
  }

  /** Runs `handler` whenever one of Dom0's ports is notified. */
  handle(port: number, handler: () => void): void {
    this.handlers.set(port, handler);
  }

  /** Clears a port's mask; if it is pending, as if it became so now. */
  unmask(port: number): number {
    if (!this.channels.has(port)) return -EINVAL;
    const { shared } = this;
    if (shared === undefined) return 0;
    if (this.changeBit(SHARED_EVTCHN_MASK, port, false) && this.bit(SHARED_EVTCHN_PENDING, port)) this.select(port);
    return 0;
  }

  private setPending(port: number): void {
    if (this.shared === undefined) return this.handlers.get(port)?.();
    if (!this.changeBit(SHARED_EVTCHN_PENDING, port, true)) return;
    if (!this.bit(SHARED_EVTCHN_MASK, port)) this.select(port);
    this.onPending?.(port);
  }

  /** Told of every port that becomes pending, masked or not (SCHEDOP_poll). */
  onPending: ((port: number) => void) | undefined = undefined;

  /** Sets the port's word in the selector, and tells that an upcall is due when it is the first. */
  private select(port: number): void {
    const { memory, sharedInfo, upcall } = this.shared!;
    const selector = memory.read32(sharedInfo + VCPU_EVTCHN_PENDING_SEL);
    const bit = 1 << (port >>> 5);
    if ((selector & bit) !== 0) return;
    memory.write32(sharedInfo + VCPU_EVTCHN_PENDING_SEL, selector | bit);
    memory.write(sharedInfo + VCPU_EVTCHN_UPCALL_PENDING, 1, 1);
    upcall();
  }

  private clearPending(port: number): void {
    if (this.shared !== undefined) this.changeBit(SHARED_EVTCHN_PENDING, port, false);
  }

  isPending(port: number): boolean {
    return this.shared !== undefined && this.bit(SHARED_EVTCHN_PENDING, port);
  }

  private bit(offset: number, port: number): boolean {
    const { memory, sharedInfo } = this.shared!;
    return (memory.read32(sharedInfo + offset + (port >>> 5) * 4) >>> (port & 31) & 1) !== 0;
  }

  /** Gives true when the bit was not `value` before. */
  private changeBit(offset: number, port: number, value: boolean): boolean {
    const { memory, sharedInfo } = this.shared!;
    const address = sharedInfo + offset + (port >>> 5) * 4;
    const before = memory.read32(address), bit = 1 << (port & 31);
    memory.write32(address, value ? before | bit : before & ~bit);
    return ((before & bit) !== 0) !== value;
  }

  // ---- asking ----------------------------------------------------------------------------------------------------------

  validPort(port: number): boolean {
    return port < MAX_EVTCHNS;
  }

  /** Status of a port and the two words that say what it is bound to; a negative errno for another domain's. */
  status(dom: number, port: number): number | { status: number; first: number; second: number } {
    if (dom !== DOMID_SELF && dom !== this.id) return this.peers.has(dom) ? -EPERM : -ESRCH;
    if (port >= MAX_EVTCHNS) return -EINVAL;
    const channel = this.channels.get(port);
    switch (channel?.status) {
      case undefined: return { status: EVTCHNSTAT_closed, first: 0, second: 0 };
      case EVTCHNSTAT_unbound: return { status: EVTCHNSTAT_unbound, first: channel.remoteDom, second: 0 };
      case EVTCHNSTAT_interdomain: return { status: EVTCHNSTAT_interdomain, first: channel.remote.id, second: channel.remotePort };
      case EVTCHNSTAT_virq: return { status: EVTCHNSTAT_virq, first: channel.virq, second: 0 };
      case EVTCHNSTAT_ipi: return { status: EVTCHNSTAT_ipi, first: 0, second: 0 };
    }
  }
}
