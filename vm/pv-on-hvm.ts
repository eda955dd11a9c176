/**
 * Paravirtual drivers in an unmodified guest (Fraser, "Progressive paravirtualization"): the part of Xen's interface that they need, under
 * VT-x. The guest finds it by CPUID, has a hypercall page written by an MSR, says where it wants the shared pages, and is told of events by
 * the platform device's pin (public/arch-x86/cpuid.h, public/hvm/params.h, public/hvm/hvm_op.h). Event channels, grants, store and back end
 * are those of mode paravirt (hypervisor/xen); frames are named as the guest names them.
 */
import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import type { IrqLine } from "../hypervisor/devices/device.js";
import { PAGE_SIZE } from "../hypervisor/heap.js";
import type { Machine } from "../hypervisor/machine.js";
import { HostAdapter } from "../hypervisor/network/host-adapter.js";
import { DEFAULT_MAC } from "../hypervisor/network/network.js";
import type { PhysicalMap } from "../hypervisor/shadow/p2m.js";
import { EventChannels } from "../hypervisor/xen/event-channels.js";
import { GrantTable } from "../hypervisor/xen/grant-tables.js";
import { macText, NET_FEATURES, NetBack } from "../hypervisor/xen/net-back.js";
import { EFAULT, EINVAL, ENOSYS, EPERM } from "../hypervisor/xen/public/errno.js";
import { DOMID_SELF, VCPU_EVTCHN_UPCALL_PENDING } from "../hypervisor/xen/public/xen.js";
import { Store } from "../hypervisor/xen/store.js";
import { introduceHome } from "../hypervisor/xen/store-home.js";
import { StoreRing } from "../hypervisor/xen/store-ring.js";
import { XenbusDevice } from "../hypervisor/xen/xenbus.js";
import type { GuestInterface } from "../hvm/guest-interface.js";
import type { VmOptions } from "./options.js";

const DOM0 = 0, DOMAIN = 1, VERSION = 3 << 16;
const CPUID_BASE = 0x4000_0000, HYPERCALL_MSR = 0x4000_0000, STUB_BYTES = 32, STUBS = 128;
const XENMEM_add_to_physmap = 7, XENMAPSPACE_shared_info = 0, XENMAPSPACE_grant_table = 1;
const XENVER_version = 0, SCHEDOP_yield = 0, HVMOP_set_param = 0, HVMOP_get_param = 1;
const HVM_PARAM_CALLBACK_IRQ = 0, HVM_PARAM_STORE_PFN = 1, HVM_PARAM_STORE_EVTCHN = 2, CALLBACK_TYPE_SHIFT = 24, CALLBACK_PCI_INTX = 1;
const ARGUMENTS = [S.EBX, S.ECX, S.EDX, S.ESI, S.EDI] as const;

/** Pages at the end of the machine that the guest's memory map leaves out: the store's ring, and the shared pages until they are placed. */
const SPECIAL_PAGES = 8;
const SPECIAL_BYTES = SPECIAL_PAGES * PAGE_SIZE;

export interface PvOnHvmParts {
  readonly machine: Machine;
  readonly map: PhysicalMap;
  readonly network: VmOptions["network"];
  /** Guest-physical address of a linear one as the guest sees it, -1 where nothing is mapped. */
  readonly linear: (la: number) => number;
  /** The platform device's pin. */
  readonly callback: IrqLine;
}

/** Gives a result, or a negative errno. */
/** Xen's interface as mode hvm is handed it. */
export interface XenOffer {
  /** Guest-physical memory at the top that is not the guest's. */
  readonly specialBytes: number;
  readonly create: (parts: PvOnHvmParts) => PvOnHvm;
}

type Hypercall = (x: PvOnHvm, args: readonly number[]) => number;
interface Row { readonly name: string; readonly run: Hypercall }

/** By number; what is not here answers -ENOSYS, as it does to unmodified guests of Xen's. */
const HYPERCALLS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [12, { name: "memory_op", run: (x, [command, arg]) => command === XENMEM_add_to_physmap ? x.addToPhysmap(arg!) : -ENOSYS }],
  [17, { name: "xen_version", run: (_x, [command]) => command === XENVER_version ? VERSION : -ENOSYS }],
  [29, { name: "sched_op", run: (_x, [command]) => command === SCHEDOP_yield ? 0 : -ENOSYS }],
  [32, { name: "event_channel_op", run: (x, [command, arg]) => x.eventChannelOp(command!, arg!) }],
  [34, { name: "hvm_op", run: (x, [command, arg]) => x.hvmOp(command!, arg!) }],
]);

/** Sub-commands of event_channel_op: bytes of the structure, where its answer goes (-1: none), what they do. */
const EVENT_COMMANDS: readonly ({ readonly bytes: number; readonly answer: number; readonly run: (e: EventChannels, v: DataView) => number } | undefined)[] = [
  { bytes: 12, answer: 8, run: (e, v) => e.bindInterdomain(v.getUint16(0, true), v.getUint32(4, true)) },
  undefined, // bind_virq
  undefined, // bind_pirq
  { bytes: 4, answer: -1, run: (e, v) => e.close(v.getUint32(0, true)) },
  { bytes: 4, answer: -1, run: (e, v) => e.send(v.getUint32(0, true)) },
  undefined, // status
  { bytes: 8, answer: 4, run: (e, v) => e.allocUnbound(v.getUint16(0, true), v.getUint16(2, true)) },
  undefined, // bind_ipi
  undefined, // bind_vcpu
  { bytes: 4, answer: -1, run: (e, v) => e.unmask(v.getUint32(0, true)) },
];

export class PvOnHvm implements GuestInterface {
  private readonly p: PvOnHvmParts;
  private readonly events: EventChannels;
  private readonly dom0 = new EventChannels(DOM0, undefined);
  private readonly grants: GrantTable;
  private readonly store = new Store();
  private readonly parameters = new Map<number, readonly [low: number, high: number]>();
  private readonly nic: NetBack | undefined;
  /** First of the special pages, by the guest's numbers, and the next to be taken. */
  private readonly firstSpecial: number;
  private nextSpecial: number;
  /** Machine address of shared_info. */
  private sharedInfo: number;
  private level = false;

  constructor(parts: PvOnHvmParts) {
    this.p = parts;
    const { machine, map, network } = parts;
    const { memory, clock } = machine;
    this.firstSpecial = this.nextSpecial = map.guestFrames - SPECIAL_PAGES;
    const storePage = this.special();
    this.sharedInfo = this.special() * PAGE_SIZE;
    const sharedInfo = (): number => this.sharedInfo;
    this.events = new EventChannels(DOMAIN, { memory, get sharedInfo() { return sharedInfo(); }, upcall: () => this.refresh() });
    this.grants = new GrantTable(DOMAIN, () => this.special(), memory);
    this.grants.createShared();
    // The guest's frames are there for as long as it is: nothing is to be counted.
    this.grants.granted = { get: (gfn) => map.isMemory(gfn), put: () => {}, machine: (gfn) => map.machineFrame(gfn) };
    this.dom0.peers.set(DOMAIN, this.events);
    this.events.peers.set(DOM0, this.dom0);
    introduceHome(this.store, DOMAIN, { name: "guest" });
    const storePort = this.events.allocUnbound(DOMID_SELF, DOM0), port = this.dom0.bindInterdomain(DOMAIN, storePort);
    const ring = new StoreRing(memory, storePage, this.store, DOMAIN, () => { this.dom0.send(port); }, (event) => this.count(event));
    this.dom0.handle(port, () => ring.serve());
    this.parameters.set(HVM_PARAM_STORE_PFN, [this.firstSpecial, 0]);
    this.parameters.set(HVM_PARAM_STORE_EVTCHN, [storePort, 0]);
    if (network === undefined) return;
    const mac = network.mac ?? DEFAULT_MAC, count = (event: string, n?: number): void => this.count(event, n);
    this.nic = new NetBack({
      memory, clock, grants: this.grants, events: this.dom0, store: this.store, frontendDomain: DOMAIN, count, network: new HostAdapter(network.hub, { count }),
    });
    new XenbusDevice(this.store, DOMAIN, "vif", 0, this.nic, { handle: "0", mac: macText(mac) }, { handle: "0", mac: macText(mac), ...NET_FEATURES });
  }

  /** Back ends count as in mode paravirt; what only that mode has is under this one's name. */
  private count(event: string, n?: number): void {
    this.p.machine.ledger.event(event.startsWith("paravirt.") ? `hvm.${event.slice("paravirt.".length)}` : event, n);
  }

  /** The next special page's machine frame. */
  private special(): number {
    return this.p.map.machineFrame(this.nextSpecial++);
  }

  /** The pin follows the pending flag in memory, once the guest has asked for it; called before anyone looks at the interrupt line. */
  refresh(): void {
    const pending = this.parameters.has(HVM_PARAM_CALLBACK_IRQ) && this.p.machine.memory.read(this.sharedInfo + VCPU_EVTCHN_UPCALL_PENDING, 1) !== 0;
    if (pending === this.level) return;
    this.level = pending;
    if (pending) this.count("event_channel.callback");
    this.p.callback(pending);
  }

  /** The machine goes: its cable is pulled out. */
  retire(): void {
    this.nic?.unplug();
  }

  // ---- what the guest sees of it -----------------------------------------------------------------------------------------

  cpuid(leaf: number): readonly [number, number, number, number] | undefined {
    switch (leaf) {
      case CPUID_BASE: return [CPUID_BASE + 2, 0x566e_6558, 0x6558_4d4d, 0x4d4d_566e]; // "XenVMMXenVMM"
      case CPUID_BASE + 1: return [VERSION, 0, 0, 0];
      case CPUID_BASE + 2: return [1, HYPERCALL_MSR, 0, 0];
      default: return undefined;
    }
  }

  /** The hypercall page: `mov $n,%eax; vmcall; ret` for each number, into the frame that is written to the MSR. */
  writeMsr(index: number, low: number): boolean {
    if (index !== HYPERCALL_MSR) return false;
    const page = new Uint8Array(PAGE_SIZE).fill(0xcc), view = new DataView(page.buffer);
    for (let n = 0; n < STUBS; n++) {
      page.set([0xb8, 0, 0, 0, 0, 0x0f, 0x01, 0xc1, 0xc3], n * STUB_BYTES);
      view.setUint32(n * STUB_BYTES + 1, n, true);
    }
    this.p.map.writeBytes(low - low % PAGE_SIZE, page);
    return true;
  }

  /** Number in EAX, arguments in EBX, ECX, EDX, ESI, EDI, result in EAX. Programs may make none. */
  hypercall({ i32 }: Cpu, cpl: number): void {
    const row = HYPERCALLS.get(i32[S.EAX]! >>> 0);
    this.count(`hypercall.hvm.${row?.name ?? "unknown"}`);
    i32[S.EAX] = cpl !== 0 ? -EPERM : row === undefined ? -ENOSYS : row.run(this, ARGUMENTS.map((register) => i32[register]! >>> 0));
  }

  // ---- hypercalls --------------------------------------------------------------------------------------------------------

  /** Runs `use` on a copy of the structure at a linear address, and puts it back if the result is not an error. */
  private withStructure(la: number, bytes: number, use: (view: DataView) => number): number {
    const { linear, map } = this.p;
    const at = Array.from({ length: bytes }, (_, i) => linear(la + i));
    if (at.some((gpa) => gpa < 0)) return -EFAULT;
    const copy = new Uint8Array(bytes), one = new Uint8Array(1);
    at.forEach((gpa, i) => {
      map.readBytes(gpa, one);
      copy[i] = one[0]!;
    });
    const result = use(new DataView(copy.buffer));
    if (result >= 0) at.forEach((gpa, i) => map.writeBytes(gpa, copy.subarray(i, i + 1)));
    return result;
  }

  /** struct xen_add_to_physmap: domid, space, idx, gpfn. The frame named becomes the shared page; what was in the page goes with it. */
  addToPhysmap(arg: number): number {
    const { map, machine } = this.p;
    return this.withStructure(arg, 16, (v) => {
      const [domid, space, index, gpfn] = [v.getUint16(0, true), v.getUint32(4, true), v.getUint32(8, true), v.getUint32(12, true)];
      if (domid !== DOMID_SELF) return -EPERM;
      if (!map.isMemory(gpfn)) return -EINVAL;
      const mfn = map.machineFrame(gpfn), { sharedMfns } = this.grants;
      const move = (from: number): void => machine.memory.writeBytes(mfn * PAGE_SIZE, this.page(from));
      if (space === XENMAPSPACE_shared_info && index === 0) {
        move(this.sharedInfo);
        this.sharedInfo = mfn * PAGE_SIZE;
      } else if (space === XENMAPSPACE_grant_table && index < sharedMfns.length) {
        move(sharedMfns[index]! * PAGE_SIZE);
        sharedMfns[index] = mfn;
      } else return -EINVAL;
      return 0;
    });
  }

  private page(machineAddress: number): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.p.machine.memory.readBytes(machineAddress, bytes);
    return bytes;
  }

  eventChannelOp(command: number, arg: number): number {
    const entry = EVENT_COMMANDS[command];
    if (entry === undefined) return -ENOSYS;
    return this.withStructure(arg, entry.bytes, (v) => {
      const result = entry.run(this.events, v);
      if (result >= 0 && entry.answer >= 0) v.setUint32(entry.answer, result, true);
      return Math.min(result, 0);
    });
  }

  /** struct xen_hvm_param: domid, index, value. */
  hvmOp(command: number, arg: number): number {
    if (command !== HVMOP_set_param && command !== HVMOP_get_param) return -ENOSYS;
    return this.withStructure(arg, 16, (v) => {
      if (v.getUint16(0, true) !== DOMID_SELF) return -EPERM;
      const index = v.getUint32(4, true);
      if (command === HVMOP_get_param) {
        const [low, high] = this.parameters.get(index) ?? [0, 0];
        v.setUint32(8, low, true);
        v.setUint32(12, high, true);
        return index <= HVM_PARAM_STORE_EVTCHN ? 0 : -EINVAL;
      }
      // The store's page and port are the builder's to say; of the ways to be told there is the platform device's pin.
      if (index !== HVM_PARAM_CALLBACK_IRQ) return -EPERM;
      const high = v.getUint32(12, true);
      if (high >>> CALLBACK_TYPE_SHIFT !== CALLBACK_PCI_INTX) return -EINVAL;
      this.parameters.set(index, [v.getUint32(8, true), high]);
      this.refresh();
      return 0;
    });
  }
}

export const XEN_OFFER: XenOffer = { specialBytes: SPECIAL_BYTES, create: (parts) => new PvOnHvm(parts) };
