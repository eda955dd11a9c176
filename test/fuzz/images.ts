import { readFileSync } from "node:fs";
import { createVm, type Mode, UsageError } from "../../index.js";
import { loadLinux } from "../../hypervisor/loader/bzimage.js";
import { identifyImage } from "../../hypervisor/loader/identify.js";
import { loadMultiboot } from "../../hypervisor/loader/multiboot.js";
import { parseXenElf } from "../../hypervisor/loader/xen-elf.js";
import { bootableIso } from "../firmware/bootable-iso.js";
import { fatDisk } from "../firmware/fat-disk.js";
import type { Random } from "../isa/random.js";
import { anyWord, type Batch, type Family, randomBytes, Violation } from "./family.js";
import { program } from "./programs.js";

/** Kernels, disks, CDs and initrds that are broken, cut short or made of random bytes: loaded, and booted for a while. */

const file = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../../guest/${path}`, import.meta.url)));
const MEMORY = 8 << 20, SECTOR = 512;

/** A bzImage of boot protocol 2.15 whose kernel is `code`. */
function bzImage(code: Uint8Array): Uint8Array {
  const setup = 5 * SECTOR, bytes = new Uint8Array(setup + code.length), view = new DataView(bytes.buffer);
  const fields: readonly (readonly [number, 1 | 2 | 4, number])[] = [
    [0x1f1, 1, 4], [0x1fe, 2, 0xaa55], [0x200, 2, 0x66eb], [0x202, 4, 0x53726448], [0x206, 2, 0x20f], [0x211, 1, 1], [0x214, 4, 0x100000], [0x22c, 4, 0x7fffffff],
    [0x238, 4, 2047], [0x258, 4, 0x100000], [0x260, 4, 0x2000],
  ];
  for (const [at, size, value] of fields) size === 4 ? view.setUint32(at, value, true) : size === 2 ? view.setUint16(at, value, true) : view.setUint8(at, value);
  bytes.set(code, setup);
  return bytes;
}

interface Sources { readonly kernels: readonly Uint8Array[]; readonly media: readonly Uint8Array[] }

function sources(random: Random): Sources {
  const code = program(random, 0x400, true, 0x100000);
  const bootSector = file("boot/boot.bin");
  const disk = fatDisk({ sectors: 2880, bootSector, files: { "HELLO.TXT": new Uint8Array(3000).fill(65), "OTHER.BIN": new Uint8Array(700) } });
  return { kernels: [file("images/guest-bare.elf"), file("images/guest-xen.elf"), bzImage(code)], media: [disk, bootableIso(program(random, 0x200, false, 0x7c00))] };
}

/** A copy with fields overwritten, mostly where headers are, and perhaps its end missing. */
function damage(random: Random, bytes: Uint8Array, head: number): Uint8Array {
  const copy = bytes.slice(0, random.below(4) === 0 ? random.below(bytes.length + 1) : bytes.length);
  if (copy.length < 8) return copy;
  const view = new DataView(copy.buffer);
  for (let i = random.below(6); i >= 0; i--) {
    const at = random.below(Math.min(random.below(3) === 0 ? copy.length : head, copy.length - 4));
    const kind = random.below(3);
    if (kind === 0) copy[at] = random.byte();
    else if (kind === 1) view.setUint32(at & ~3, anyWord(random), true);
    else view.setUint16(at & ~1, anyWord(random), true);
  }
  return copy;
}

/** Guest memory that knows its bounds and keeps nothing. */
const NOWHERE = { size: MEMORY, read: (_pa: number, into: Uint8Array): void => { into.fill(0); }, write: (pa: number, from: Uint8Array): void => {
  if (!(pa >= 0) || pa + from.length > MEMORY) throw new Violation(`a loader writes ${from.length} bytes at ${pa.toString(16)}`);
} };

/** Runs `act`; a UsageError of one line is an answer. */
function declared(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof UsageError) || error.message.includes("\n")) throw error;
  }
}

function load(random: Random, from: Sources): void {
  const bytes = random.below(20) === 0 ? randomBytes(random, random.below(2000)) : damage(random, random.pick(from.kernels), 0x400);
  const initrd = random.below(3) === 0 ? new Uint8Array(random.below(random.below(4) === 0 ? MEMORY : 5000)) : undefined;
  const commandLine = "x".repeat(random.below(random.below(8) === 0 ? 5000 : 60));
  declared(() => identifyImage(bytes));
  switch (random.below(3)) {
    case 0: return declared(() => loadMultiboot(bytes, NOWHERE, { commandLine, modules: initrd ? [{ bytes: initrd }] : [] }));
    case 1: return declared(() => loadLinux(bytes, NOWHERE, { commandLine, ...(initrd && { initrd }) }));
    default: return declared(() => parseXenElf(bytes));
  }
}

const BOOT_INSTRUCTIONS = 3000;

function boot(random: Random, from: Sources): void {
  const medium = random.below(2) === 0;
  let image: Uint8Array, mode: Mode;
  if (medium) {
    image = damage(random, random.pick(from.media), 0x40);
    if (random.below(2) === 0 && image.length > SECTOR) {
      image.set(program(random, 400, false, 0x7c00).subarray(0, 500), random.below(4) === 0 ? 0 : 62);
      image.set([0x55, 0xaa], 510);
    }
    mode = random.pick(["native", "hvm"] as const);
  } else {
    image = damage(random, random.pick(from.kernels), 0x200);
    mode = random.pick(["native", "dbt", "hvm", "classic", "paravirt"] as const);
  }
  declared(() => {
    const vm = createVm({
      image, mode, memory: 8, append: "a b=c", ...(random.below(3) === 0 ? { initrd: randomBytes(random, random.below(3000)) } : {}),
      ...(random.below(3) === 0 ? { disks: [randomBytes(random, SECTOR * random.below(8) + random.below(3))] } : {}),
    });
    let asked = 0;
    vm.run({ instructions: BOOT_INSTRUCTIONS, pause: () => ++asked > 300 });
    vm.screenText();
  });
}

function begin(random: Random, act: (random: Random, from: Sources) => void): Batch {
  const from = sources(random);
  return { run: (r) => act(r, from) };
}

export const IMAGE_FAMILIES: readonly Family[] = [
  { name: "images.load", share: 24, batch: 1000, begin: (random) => begin(random, load) },
  { name: "images.boot", share: 0.25, batch: 50, begin: (random) => begin(random, boot) },
];
