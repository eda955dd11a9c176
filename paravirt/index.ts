import type { BlockBackend } from "../hypervisor/devices/block-backend.js";
import type { Cpu, Ports } from "../hypervisor/cpu.js";
import { PAGE_SIZE } from "../hypervisor/heap.js";
import type { XenElf } from "../hypervisor/loader/xen-elf.js";
import type { Machine } from "../hypervisor/machine.js";
import { FRAME_RAM } from "../hypervisor/memory.js";
import type { Strategy } from "../hypervisor/strategy.js";
import { auditFrames } from "./audit.js";
import { buildDomain } from "./domain-builder.js";
import { Dom0, type DomainNetwork, EXIT_PORT, GRANTED_PORTS } from "./dom0.js";
import { Domain } from "./domain.js";
import { FrameTable } from "./frame-table.js";
import { LAYOUT_32, LAYOUT_PAE } from "./layout.js";
import { ReservedArea } from "./reserved-area.js";
import { createStrategy } from "./strategy.js";

/** What a paravirtual machine is made of. */
export interface ParavirtOptions {
  /** The kernel, parsed (hypervisor/loader/xen-elf.ts), and the name it goes by in messages. */
  readonly image: XenElf;
  readonly imageName?: string;
  readonly commandLine?: string;
  readonly initrd?: Uint8Array;
  readonly disks?: readonly BlockBackend[];
  readonly network?: DomainNetwork;
  /** Takes the bytes of the console, by hypercall and by ring. */
  readonly consoleOut?: (byte: number) => void;
  /** The domain asks to be built again (SHUTDOWN_reboot); by default that ends the run as powering off does. */
  readonly onReboot?: () => void;
  /** Wall-clock time at boot, seconds since 1970; by default the RTC's. */
  readonly startTime?: number;
  /** Page tables for a kernel that runs with either kind. */
  readonly preferPae?: boolean;
}

/** A domain and the strategy that runs it. */
export interface Paravirt {
  readonly strategy: Strategy;
  readonly domain: Domain;
  readonly dom0: Dom0;
  /** Gives a byte to the guest's console. */
  readonly consoleIn: (byte: number) => void;
  /** Recounts the frame table's references; one line for each that is wrong. */
  readonly audit: () => string[];
}

const DOMAIN_ID = 1;
/** Xen's frames beyond the machine-to-physical table and its page tables. */
const FIXED_MONITOR_PAGES = 64;

/** Bytes of monitor memory that createMachine must be given for a guest of `guestBytes`. */
export function paravirtMonitorBytes(guestBytes: number): number {
  const m2pPages = Math.ceil((guestBytes / PAGE_SIZE + 2 * FIXED_MONITOR_PAGES) / 1024);
  return (FIXED_MONITOR_PAGES + m2pPages + Math.ceil(m2pPages / 512)) * PAGE_SIZE;
}

/**
 * The domain's frames in an order that is the same each time and unlike the frames' own, as the allocator of a used machine gives
 * them: machine and pseudo-physical numbers differ. Frame 0 is Xen's.
 */
export function permutedFrames(usable: readonly number[]): number[] {
  const n = usable.length;
  const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);
  let step = Math.max(1, Math.floor(n * 0.381966));
  while (gcd(step, n) !== 1) step++;
  return usable.map((_, i) => usable[(i * step + (n >> 1)) % n]);
}

/**
 * Builds a domain from `image` in the machine's guest memory and makes the strategy that runs it; the processor stands at the
 * kernel's first instruction. Throws UsageError for an image that cannot run.
 */
export function createParavirt(machine: Machine, options: ParavirtOptions): Paravirt {
  const { image } = options;
  const pae = image.pae === "bimodal" ? options.preferPae ?? true : image.pae !== "no";
  const layout = pae ? LAYOUT_PAE : LAYOUT_32;
  const guestFrames = machine.guestBytes / PAGE_SIZE;
  const frames = new FrameTable(machine.memory.frames, guestFrames);
  const reserved = new ReservedArea(machine.memory, frames, layout);
  const usable: number[] = [];
  for (let mfn = 1; mfn < guestFrames; mfn++) if ((machine.memory.kindOf(mfn) & 3) === FRAME_RAM) usable.push(mfn);
  const mfns = permutedFrames(usable);
  const sharedInfoMfn = frames.allocateXen();
  frames.share(sharedInfoMfn, DOMAIN_ID);
  const domain = new Domain({
    machine, id: DOMAIN_ID, frames, layout, reserved, sharedInfoMfn, maxPages: mfns.length, ports: GRANTED_PORTS,
    consoleOut: options.consoleOut ?? (() => {}), onReboot: options.onReboot ?? (() => powerOff(machine.cpu)),
  });
  mfns.forEach((mfn, pfn) => {
    frames.give(mfn, DOMAIN_ID);
    reserved.setM2p(mfn, pfn);
  });
  domain.grants.createShared();
  const dom0 = new Dom0(domain);
  machine.cpu.ports = withExitPort(machine.cpu, machine.cpu.ports);
  const strategy = createStrategy(domain);
  machine.cpu.strategy = strategy;
  const pages = buildDomain(domain, dom0, mfns, {
    image, imageName: options.imageName ?? "the kernel", commandLine: options.commandLine ?? "", initrd: options.initrd,
  });
  dom0.introduce("guest", pages, options.disks ?? [], options.network);
  domain.time.start(options.startTime);
  return { strategy, domain, dom0, consoleIn: (byte) => domain.console?.input(byte), audit: () => auditFrames(domain) };
}

function powerOff(cpu: Cpu): void {
  cpu.exitCode = 0;
  cpu.recheck = true;
}

/** The one device behind the granted ports that the domain's machine has: a write to the exit port ends the run, as on a bare PC. */
function withExitPort(cpu: Cpu, others: Ports): Ports {
  return {
    read: (port, size) => others.read(port, size),
    write: (port, size, value) => {
      if (port !== EXIT_PORT) return others.write(port, size, value);
      cpu.exitCode = value >>> 0;
      cpu.recheck = true;
    },
  };
}
