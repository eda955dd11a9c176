/**
 * A BIOS: its ROM, its self-test, and the table of its services. The ROM's stubs trap here through one port, with the address
 * of the caller's registers; a service changes those. It sees memory and devices, never the processor, so that it is the
 * same in every mode.
 * Reference: IBM PS/2 and PC BIOS Interface Technical Reference.
 */
import type { CountEvent, GuestMemory } from "../devices/device.js";
import type { Platform } from "../devices/platform.js";
import { LOW_MEMORY_END } from "../loader/memory-map.js";
import { bootImage } from "./boot.js";
import * as B from "./bda.js";
import type { Frame } from "./frame.js";
import { VideoServices } from "./int10.js";
import type { Drive } from "./drives.js";
import { DiskServices } from "./int13.js";
import { SystemServices } from "./int15.js";
import { KeyboardServices } from "./int16.js";
import { ClockServices } from "./int1a.js";
import { PointingDevice } from "./pointing-device.js";
import * as R from "./rom.js";
import { type Service, ServicePort } from "./service-port.js";
import { VIDEO_EVENTS, videoServices } from "./video-bios.js";
import { buildVideoRom, VIDEO_SEGMENT } from "./video-rom.js";

const VECTORS = 256, TIMER_IRQ = 0x08, KEYBOARD_IRQ = 0x09, SLAVE_IRQS = 0x70;
/** Vectors that point to data. */
const VECTOR_DISKETTE_TABLE = 0x1e;
const EQUIPMENT_DISKETTE = 0x01, EQUIPMENT_FPU = 0x02, EQUIPMENT_MOUSE = 0x04, EQUIPMENT_SERIAL1 = 0x0200;
const NOTHING_BOOTS = "No medium that boots was found.\r\n";

/** What the PC's BIOS writes to its interrupt controllers and timer: port, value. IRQ 0, 1, 2 and none of the slave's are on. */
const PIC_AND_PIT: readonly (readonly [number, number])[] = [
  [0x20, 0x11], [0x21, 0x08], [0x21, 0x04], [0x21, 0x01], [0xa0, 0x11], [0xa1, 0x70], [0xa1, 0x02], [0xa1, 0x01], [0x21, 0xb8], [0xa1, 0x8f],
  [0x43, 0x36], [0x40, 0x00], [0x40, 0x00], [0x43, 0x54], [0x41, 0x12],
];
/** The PIIX3's reset control register, and what resets devices too. */
const RESET_CONTROL = 0xcf9, RESET_ALL = 0x06;
/** The keyboard controller: interrupts and translation on, the keyboard's clock running. */
const KEYBOARD_CONFIG = 0x65;

export interface BiosOptions {
  readonly platform: Platform;
  readonly memory: GuestMemory;
  readonly drives: readonly Drive[];
  readonly count: CountEvent;
}

export class Bios {
  /** Where the ROMs' stubs trap. */
  readonly port: ServicePort;
  private readonly options: BiosOptions;
  private readonly cells: B.Cells;
  private readonly rom: R.Rom;
  private readonly video: VideoServices;
  private readonly disks: DiskServices;
  private readonly keyboard: KeyboardServices;
  private readonly mouse: PointingDevice;
  private readonly clock: ClockServices;
  /** The machine has been through the self-test: a program that jumps to the reset vector wants all of it reset. */
  private posted = false;
  /** Where in `drives` the bootstrap loader looks next. */
  private nextBoot = 0;

  constructor(options: BiosOptions) {
    this.options = options;
    const { platform, memory } = options;
    const cells = this.cells = new B.Cells(memory);
    this.video = new VideoServices(cells, platform.vga);
    this.keyboard = new KeyboardServices(cells, platform.keyboard, platform.uart);
    this.mouse = new PointingDevice(cells, platform.keyboard, this.keyboard);
    const disks = this.disks = new DiskServices(cells, options.drives), system = new SystemServices(cells, platform.a20, this.mouse);
    this.clock = new ClockServices(cells, platform.rtc, platform.ports);
    const irq = (vector: number) => () => this.endOfInterrupt(vector);
    const services = new Map<number, Service>([
      [TIMER_IRQ, () => { this.clock.tick(); return R.TIMER_HOOK; }],
      [KEYBOARD_IRQ, () => { this.keyboard.interrupt(); this.endOfInterrupt(KEYBOARD_IRQ); }],
      ...[0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x70, 0x71, 0x72, 0x73, 0x75, 0x76, 0x77].map(v => [v, irq(v)] as const),
      ...videoServices(this.video),
      [0x11, f => { f.ax = cells.word(B.BDA_EQUIPMENT); }],
      [0x12, f => { f.ax = LOW_MEMORY_END >>> 10; }],
      [0x13, f => disks.serve(f)],
      [0x14, f => { f.ah = 0x80; }],
      [0x15, f => system.serve(f)],
      [0x16, f => this.keyboard.serve(f)],
      [0x17, f => { f.ah = 0x01; }],
      [0x18, f => this.boot(f)],
      [0x19, f => { this.nextBoot = 0; this.boot(f); }],
      [0x1a, f => this.clock.serve(f)],
      [R.VECTOR_POST, () => this.post()],
      [R.VECTOR_MOUSE, f => this.mouse.interrupt(f)],
    ]);
    this.port = new ServicePort(memory, options.count, services, { ...VIDEO_EVENTS, [R.VECTOR_POST]: "post", [R.VECTOR_MOUSE]: "mouse" });
    this.rom = R.buildRom([...services.keys()].filter(v => v < VECTORS));
  }

  /** Puts the ROMs into memory, the system's where the reset vector is found. */
  install(): void {
    const { memory } = this.options;
    memory.write(R.ROM_BASE, this.rom.bytes);
    memory.write(VIDEO_SEGMENT * 16, buildVideoRom().bytes);
  }

  /** The power-on self-test: vectors, data area, interrupt controllers, timer, keyboard, screen. */
  private post(): void {
    if (this.posted) return this.options.platform.ports.write(RESET_CONTROL, 1, RESET_ALL);
    this.posted = true;
    const { cells, disks } = this, { platform } = this.options;
    disks.reset();
    const { drives } = disks;
    for (let vector = 0; vector < VECTORS; vector++) cells.setVector(vector, R.ROM_SEGMENT, this.rom.stubs.get(vector) ?? R.DUMMY_HANDLER);
    cells.setVector(VECTOR_DISKETTE_TABLE, R.ROM_SEGMENT, R.DISKETTE_TABLE);
    cells.setDword(0x1d * 4, 0);
    cells.setDword(B.BDA_RESET_FLAG, 0);
    cells.setWord(B.BDA_EBDA, LOW_MEMORY_END >>> 4);
    cells.setByte(LOW_MEMORY_END, 1); // its size in KiB
    const diskette = drives.some(d => d.number < 0x80);
    cells.setWord(B.BDA_EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_MOUSE | EQUIPMENT_SERIAL1 | (diskette ? EQUIPMENT_DISKETTE : 0));
    cells.setByte(B.BDA_DISKS, drives.filter(d => d.number >= 0x80 && d.heads > 0).length);
    for (const [port, value] of PIC_AND_PIT) platform.ports.write(port, 1, value);
    platform.keyboard.command.write(0, 1, 0x60);
    platform.keyboard.data.write(0, 1, KEYBOARD_CONFIG);
    this.keyboard.reset();
    this.mouse.reset();
    this.clock.reset();
    this.video.start();
  }

  /** Ends an interrupt that nothing here handles; a spurious one (not in service) is ended at the master only. */
  private endOfInterrupt(vector: number): void {
    const { ports } = this.options.platform;
    const slave = vector >= SLAVE_IRQS, command = slave ? 0xa0 : 0x20, line = 1 << (vector & 7);
    ports.write(command, 1, 0x0b); // read what is in service
    const serviced = (ports.read(command, 1) & line) !== 0;
    ports.write(command, 1, 0x0a);
    if (serviced) ports.write(command, 1, 0x20);
    if (slave) ports.write(0x20, 1, 0x20);
  }

  /** The next drive that boots is booted; after the last there is nothing but to say so. */
  private boot(f: Frame): number {
    const { memory, drives } = this.options;
    while (this.nextBoot < drives.length) {
      const image = bootImage(drives[this.nextBoot++]!);
      if (!image) continue;
      memory.write(image.address, image.bytes);
      f.eax = f.ebx = f.ecx = 0;
      f.edx = image.drive;
      f.es = f.ds = 0;
      f.returnTo(image.segment, image.offset);
      return R.RETURN;
    }
    for (const c of NOTHING_BOOTS) this.video.teletype(c.charCodeAt(0), 0);
    f.returnTo(R.ROM_SEGMENT, R.HALT);
    return R.RETURN;
  }
}
