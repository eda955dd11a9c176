import { diskTiming, DESKTOP_DISK_2003 } from "../hypervisor/devices/disk-timing.js";
import type { BlockBackend } from "../hypervisor/devices/block-backend.js";
import { HostAdapter } from "../hypervisor/network/host-adapter.js";
import { DEFAULT_MAC, type Network } from "../hypervisor/network/network.js";
import { BlockBack } from "../hypervisor/xen/block-back.js";
import { macText, NET_FEATURES, NetBack } from "../hypervisor/xen/net-back.js";
import { ConsoleBackend } from "./console.js";
import type { Domain } from "./domain.js";
import { EventChannels } from "../hypervisor/xen/event-channels.js";
import { PGT_writable_page } from "./frame-table.js";
import { GrantTable } from "../hypervisor/xen/grant-tables.js";
import { getPageAndType } from "./page-types.js";
import { introduceHome } from "../hypervisor/xen/store-home.js";
import { Store } from "../hypervisor/xen/store.js";
import { StoreRing } from "../hypervisor/xen/store-ring.js";
import { XenbusDevice } from "../hypervisor/xen/xenbus.js";

/**
 * Dom0: the policy. Which devices a domain gets, what the store says of it, which ports it may touch. The hypervisor knows none of
 * this, and the back ends only do what they are told here.
 */
const DOM0 = 0;

/** Ports a domain may use when its own IOPL allows: POST, debug output, exit. Others read as ones and swallow writes. */
export const EXIT_PORT = 0xf4;
export const GRANTED_PORTS: readonly (readonly [first: number, count: number])[] = [[0x80, 1], [0xe9, 1], [EXIT_PORT, 4]];

/** Virtual device numbers of xvda, xvdb, ...: major 202, sixteen minors each. */
const XVD_MAJOR = 202, XVD_MINORS = 16;
export const xvdNumber = (index: number): number => XVD_MAJOR << 8 | index * XVD_MINORS;

/** The interface's network, and its hardware address where the default will not do. */
export interface DomainNetwork { readonly hub: Network; readonly mac?: readonly number[] }

export interface GuestPages {
  readonly storeMfn: number;
  readonly storePort: number;
  readonly consoleMfn: number;
  readonly consolePort: number;
}

/** The control domain's side of everything, in TypeScript: it has a number, ports and a grant table, but no processor of the model's. */
export class Dom0 {
  readonly events = new EventChannels(DOM0, undefined);
  readonly grants: GrantTable;
  readonly store = new Store();
  private readonly d: Domain;
  readonly disks: BlockBack[] = [];
  nic: NetBack | undefined = undefined;

  constructor(d: Domain) {
    this.d = d;
    this.grants = new GrantTable(DOM0, () => d.frames.allocateShared(DOM0), d.memory);
    this.grants.granted = { get: (mfn) => d.frames.getPage(mfn, DOM0), put: (mfn) => d.frames.putPage(mfn) };
    d.peers.set(DOM0, { events: this.events, grants: this.grants });
    d.events.peers.set(DOM0, this.events);
    this.events.peers.set(d.id, d.events);
  }

  /** Introduces the domain: its home in the store, its two rings, its disks in order, its network interface. */
  introduce(name: string, pages: GuestPages, disks: readonly BlockBackend[], network?: DomainNetwork): void {
    const { d, store } = this;
    introduceHome(store, d.id, {
      name, "memory/target": `${d.totPages * 4}`,
      "store/ring-ref": `${pages.storeMfn}`, "store/port": `${pages.storePort}`,
      "console/ring-ref": `${pages.consoleMfn}`, "console/port": `${pages.consolePort}`, "console/limit": "65536",
    });
    this.connectConsole(pages);
    this.connectStore(pages);
    disks.forEach((disk, i) => this.addDisk(disk, i));
    if (network) this.addNic(network.hub, network.mac ?? DEFAULT_MAC);
  }

  /** Maps a frame of the domain's for Dom0's own use: it stays of the writable type, so it never is a page table meanwhile. */
  private mapForeign(mfn: number): void {
    const { d } = this;
    if (!getPageAndType(d, mfn, PGT_writable_page)) throw new Error(`frame ${mfn.toString(16)} cannot be mapped by Dom0`);
    d.foreignMaps.push(mfn);
  }

  private connectConsole(pages: GuestPages): void {
    const { d, events } = this;
    this.mapForeign(pages.consoleMfn);
    const port = events.bindInterdomain(d.id, pages.consolePort);
    const console = new ConsoleBackend(d.memory, pages.consoleMfn, d.consoleOut, () => { events.send(port); });
    events.handle(port, () => {
      d.count("paravirt.domain_switch", 2);
      console.serve();
    });
    d.console = console;
  }

  private connectStore(pages: GuestPages): void {
    const { d, events, store } = this;
    this.mapForeign(pages.storeMfn);
    const port = events.bindInterdomain(d.id, pages.storePort);
    const ring = new StoreRing(d.memory, pages.storeMfn, store, d.id, () => { events.send(port); }, (event) => d.count(event));
    events.handle(port, () => {
      d.count("paravirt.domain_switch", 2);
      ring.serve();
    });
  }

  private addDisk(disk: BlockBackend, index: number): void {
    const { d, events, store } = this;
    const number = xvdNumber(index);
    const back = new BlockBack({
      memory: d.memory, clock: d.cpu.clock, grants: d.grants, events, store, frontendDomain: d.id, disk,
      timing: diskTiming(DESKTOP_DISK_2003, d.cpu.clock.hz), count: (event, n) => d.count(event, n), interrupt: () => d.count("interrupt.external"),
    });
    this.disks.push(back);
    new XenbusDevice(store, d.id, "vbd", number, back,
      { "virtual-device": `${number}`, "device-type": "disk" },
      {
        dev: `xvd${String.fromCharCode(97 + index)}`, type: "file", mode: disk.readOnly ? "r" : "w", "feature-barrier": "1", "feature-flush-cache": "1",
        sectors: `${disk.sectors}`, "sector-size": "512", info: disk.readOnly ? "4" : "0",
      });
  }

  private addNic(network: Network, mac: readonly number[]): void {
    const { d, events, store } = this;
    const count = (event: string, n?: number): void => d.count(event, n);
    this.nic = new NetBack({
      memory: d.memory, clock: d.cpu.clock, grants: d.grants, events, store, frontendDomain: d.id, count,
      // The adapter is Dom0's: its interrupts and its port accesses are on the guest's time too.
      network: new HostAdapter(network, { count, interrupted: () => count("paravirt.domain_switch", 2) }),
    });
    new XenbusDevice(store, d.id, "vif", 0, this.nic, { handle: "0", mac: macText(mac) }, { handle: "0", mac: macText(mac), ...NET_FEATURES });
  }
}
