import { MemoryBackend } from "../../hypervisor/devices/block-backend.js";
import { NetworkHub } from "../../hypervisor/devices/network-hub.js";
import { createPlatform, type Platform } from "../../hypervisor/devices/platform.js";
import { DESKTOP_DISK_2003, diskTiming } from "../../hypervisor/devices/disk-timing.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import { RAM_BASE } from "../../hypervisor/heap.js";
import type { Random } from "../isa/random.js";
import { identityMemory } from "../../vm/pc.js";
import { PROFILE } from "../paravirt/rig.js";
import { anyWord, type Batch, type Family, Violation } from "./family.js";

/** Port and memory traffic at every device of the PC: any register, size and value, and commands that almost make sense. */

const MEMORY = 1 << 20, GUARD = 1 << 16, GUARD_BYTE = 0xa5;
const STEPS = 30;
/** Where registers are, with how many of them; the last ones are windows that PCI moves. */
const PORTS: readonly (readonly [number, number])[] = [
  [0x00, 16], [0x20, 2], [0x40, 4], [0x60, 5], [0x70, 2], [0x80, 16], [0x92, 1], [0xa0, 2], [0xb2, 2], [0xc0, 32], [0xe9, 1], [0xf0, 5], [0x170, 8], [0x1ce, 4],
  [0x1f0, 8], [0x278, 8], [0x2e8, 24], [0x376, 1], [0x378, 8], [0x3b0, 48], [0x3e8, 24], [0x3f6, 1], [0x4d0, 2], [0xcf8, 8], [0x600, 64], [0xb000, 64], [0xc000, 16], [0xc100, 256],
];
const WINDOWS: readonly (readonly [number, number])[] = [
  [0xa0000, 0x20000], [0xfee00000, 0x1000], [0xfec00000, 0x20], [0xfd000000, 0x800000], [0xe0000000, 0x800000], [0xfebf1000, 0x100], [0xfffc0000, 0x40000], [0x0, 0x100000], [0xe0000000, 0x1000],
];
const ATA_COMMANDS = [0x20, 0x30, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xec, 0xa1, 0xa0, 0x08, 0x90, 0x91, 0x40, 0x70, 0xe7, 0xef, 0xe1, 0xf8, 0xe0, 0x24, 0x25, 0x35, 0x29, 0x39];
const SCSI_COMMANDS = [0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x42, 0x43, 0x44, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xad, 0xbb, 0xbd, 0xbe];

type Size = 1 | 2 | 4;
interface Bench { readonly machine: Machine; readonly platform: Platform }

function createBench(random: Random): Bench {
  const machine = createMachine(PROFILE, MEMORY, GUARD);
  machine.heap.u8.fill(GUARD_BYTE, RAM_BASE + MEMORY);
  const { clock, ledger } = machine;
  const hub = new NetworkHub();
  const peer = hub.connect((frame) => { if ((frame[0] ?? 0) < 8) peer.send(frame); });
  const disc = new MemoryBackend(new Uint8Array(1 << 16));
  const platform = createPlatform({
    clock, memory: identityMemory(machine), count: (name, n) => ledger.event(name, n), serialOut: () => {}, debugOut: () => {}, onExit: () => {}, onReset: () => {},
    disks: [new MemoryBackend(new Uint8Array(1 << 17)), new MemoryBackend(new Uint8Array(512))], discs: [undefined, undefined, disc],
    diskTiming: diskTiming(DESKTOP_DISK_2003, clock.hz), network: { hub }, apic: random.below(5) !== 0,
  });
  return { machine, platform };
}

const value = (random: Random, size: Size): number => anyWord(random) >>> 0 & (size === 4 ? -1 : 2 ** (8 * size) - 1);

function port({ platform: { ports } }: Bench, random: Random): void {
  const [base, length] = random.pick(PORTS);
  const at = random.below(30) === 0 ? random.below(0x10000) : base + random.below(length);
  const size = random.pick([1, 1, 1, 2, 4] as const);
  if (at + size > 0x10000) return;
  if (random.below(2) === 0) ports.read(at, size);
  else ports.write(at, size, value(random, size) >>> 0);
}

function memory({ platform: { mmio } }: Bench, random: Random): void {
  const [base, length] = random.pick(WINDOWS);
  const size = random.pick([1, 2, 4, 4, 4] as const);
  let at = base + random.below(length);
  if (random.below(2) === 0) at &= ~3;
  at >>>= 0;
  if ((at & 0xfff) + size > 0x1000) return;
  if (random.below(2) === 0) mmio.read(at, size);
  else mmio.write(at, size, value(random, size) >>> 0);
}

/** A configuration register of a function that may be there: BARs and command bits move the windows. */
function pci({ platform: { ports } }: Bench, random: Random): void {
  ports.write(0xcf8, 4, (0x80000000 | random.below(5) << 11 | random.below(4) << 8 | random.below(64) << 2) >>> 0);
  const offset = random.below(4), size = random.pick([1, 2, 4] as const);
  if (offset + size > 4) return;
  if (random.below(3) === 0) ports.read(0xcfc + offset, size);
  else ports.write(0xcfc + offset, size, value(random, size) >>> 0);
}

/** An ATA or packet command with registers of any kind, its data, and a bus-master transfer over a random table. */
function disk({ platform: { ports }, machine }: Bench, random: Random): void {
  const base = random.pick([0x1f0, 0x170]), master = base === 0x1f0 ? 0xc000 : 0xc008;
  ports.write(base + 6, 1, 0xe0 | random.below(2) << 4);
  for (const register of [1, 2, 3, 4, 5]) ports.write(base + register, 1, random.pick([0, 1, 2, 0xff, random.byte()]));
  if (random.below(2) === 0) {
    const table = random.pick([0x1000, 0xffff8, 0x100000, anyWord(random)]) >>> 0;
    for (let i = 0; i < 4; i++) {
      machine.memory.write32(((table & 0xffff8) + i * 8) % MEMORY, random.pick([random.below(MEMORY), MEMORY - 0x100, 0xffffff00, anyWord(random)]));
      machine.memory.write32(((table & 0xffff8) + i * 8 + 4) % MEMORY, random.pick([0, 0x200, 0x10, anyWord(random) & 0xffff]) | random.below(2) << 31);
    }
    ports.write(master + 4, 4, table);
    ports.write(master, 1, 1 | random.below(2) << 3);
  }
  ports.write(base + 7, 1, random.pick(ATA_COMMANDS));
  settle({ machine }, random);
  if (random.below(2) === 0) {
    const packet = [random.pick(SCSI_COMMANDS), ...Array.from({ length: 11 }, () => random.pick([0, 0, 1, 0xff, random.byte()]))];
    for (let i = 0; i < 12; i += 2) ports.write(base, 2, packet[i]! | packet[i + 1]! << 8);
  }
  for (let i = random.below(40); i > 0; i--) {
    if (random.below(2) === 0) ports.read(base, random.pick([2, 4] as const));
    else ports.write(base, random.pick([2, 4] as const), random.below(0x10000));
  }
}

/** Rings of a network card anywhere, and frames of any length. */
function network({ platform: { ports } }: Bench, random: Random): void {
  const base = 0xc100;
  ports.write(base + 0x37, 1, random.pick([0x0c, 0x08, 0x04, 0x10, random.byte()]));
  ports.write(base + 0x30, 4, random.pick([0, 0x1000, MEMORY - 0x10, 0xfffffff0, anyWord(random) >>> 0]));
  ports.write(base + 0x44, 4, anyWord(random) >>> 0);
  ports.write(base + 0x40, 4, anyWord(random) >>> 0);
  const slot = random.below(4) * 4;
  ports.write(base + 0x20 + slot, 4, random.pick([random.below(MEMORY), MEMORY - 8, anyWord(random) >>> 0]));
  ports.write(base + 0x10 + slot, 4, random.below(3) === 0 ? anyWord(random) >>> 0 : random.below(2000));
  ports.write(base + 0x38, 2, anyWord(random) & 0xffff);
}

/** Time passes, and interrupts that came are taken. */
function settle({ machine, platform }: Pick<Bench, "machine"> & Partial<Bench>, random: Random): void {
  const { ledger, clock } = machine;
  ledger.idle(random.below(random.below(20) === 0 ? 2e7 : 2e5));
  clock.runDue();
  for (let i = 0; platform !== undefined && i < 3 && platform.interrupts.intr; i++) {
    const vector = platform.interrupts.acknowledge();
    if (vector < 0 || vector > 255 || !Number.isInteger(vector)) throw new Violation(`vector ${vector}`);
    if (random.below(2) === 0) {
      platform.ports.write(0x20, 1, 0x20);
      platform.ports.write(0xa0, 1, 0x20);
    }
  }
}

function begin(random: Random): Batch {
  const bench = createBench(random);
  const { machine, platform } = bench;
  return {
    run: (r) => {
      if (r.below(20) === 0) platform.reset();
      for (let step = 0; step < STEPS; step++) {
        switch (r.below(12)) {
          case 0: case 1: case 2: case 3: case 4: port(bench, r); break;
          case 5: case 6: memory(bench, r); break;
          case 7: pci(bench, r); break;
          case 8: disk(bench, r); break;
          case 9: network(bench, r); break;
          case 10: platform.uart.receive([r.byte(), r.byte()]); break;
          default: settle(bench, r);
        }
      }
      settle(bench, r);
      if (r.below(10) === 0) {
        platform.vga.screenText();
        platform.vga.screenRgb();
      }
    },
    end: () => {
      const end = RAM_BASE + MEMORY;
      for (let i = 0; i < GUARD; i++) if (machine.heap.u8[end + i] !== GUARD_BYTE) throw new Violation(`a device wrote ${i} bytes past the end of memory`);
    },
  };
}

export const DEVICE_FAMILY: Family = { name: "devices", share: 12, batch: 500, begin };
