/**
 * The PC: every device of the machine and the one table that says where each of them is. What a PC has
 * and this one does not have yet is in the table too, by name, so that a guest's search for it is
 * counted under that name.
 */
import type { BlockBackend } from "./block-backend.js";
import type { CountEvent, DeviceClock, GuestMemory, IrqLine, PortDevice, SignalLine } from "./device.js";
import type { DiskTiming } from "./disk-timing.js";
import { AtapiCd } from "./atapi-cd.js";
import { AtaDisk } from "./ata-disk.js";
import { MmioBus, PortBus } from "./bus.js";
import { DebugConsole, ExitPort, PostPort } from "./exit.js";
import { I8042 } from "./i8042.js";
import { IdeChannel, type IdeDrive, type IdeHost } from "./ide.js";
import { IO_APIC_BASE } from "./apic-io.js";
import { LOCAL_APIC_BASE } from "./apic-local.js";
import { hostBridge, IsaBridge, PCI_IRQS, pirqOf } from "./i440fx.js";
import { InterruptRouter } from "./interrupt-router.js";
import { COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, PCI_COMMAND, PCI_INTERRUPT_LINE, type PciFunction, PciHost } from "./pci.js";
import type { Pic8259Pair } from "./pic8259.js";
import { BUS_MASTER_PORTS, Piix3Ide } from "./piix3-ide.js";
import { ApmPorts, Piix4Pm, PM_LENGTH } from "./piix4-pm.js";
import { Pit8254 } from "./pit8254.js";
import { DEFAULT_MAC, type Network } from "../network/network.js";
import { Rtc146818 } from "./rtc146818.js";
import { Rtl8139, RTL8139_BYTES } from "./rtl8139.js";
import { romWindow } from "./rom.js";
import { A20Gate, SystemControlPortA } from "./system-control.js";
import { Uart16550 } from "./uart16550.js";
import { DISPI_PORT_COUNT, DISPI_PORTS, LFB_BYTES } from "./vga-dispi.js";
import { xenPlatform } from "./xen-platform.js";
import { Vga, VGA_MEMORY, VGA_MEMORY_BYTES, VGA_PORT_COUNT, VGA_PORTS } from "./vga.js";

export interface PlatformOptions {
  clock: DeviceClock;
  /** Guest-physical memory, for bus masters and for the size the firmware tables tell. */
  memory: GuestMemory;
  count: CountEvent;
  /** Bytes the guest sends on COM1. */
  serialOut: (byte: number) => void;
  /** Bytes the guest writes to port 0xe9. */
  debugOut: (byte: number) => void;
  /** A value was written to port 0xf4. */
  onExit: (code: number) => void;
  /** The guest asked for a reset (keyboard controller, port 0x92 or 0xcf9). */
  onReset: () => void;
  /** The guest switched the machine off (ACPI S5); default: `onExit(0)`. */
  onPowerOff?: () => void;
  /** Local and I/O APIC are there (the default). */
  apic?: boolean;
  /** INTR of the interrupt controllers changed; `platform.interrupts.intr` is its level too. */
  onInterrupt?: SignalLine;
  /** A non-maskable interrupt: an edge. */
  onNmi?: () => void;
  /** The A20 gate opened or closed; it starts open. */
  onA20?: SignalLine;
  /** Up to four disks: primary master, primary slave, secondary master, secondary slave. */
  disks?: readonly BlockBackend[];
  /** Positions (as in `disks`) that hold a CD-ROM drive with this disc. */
  discs?: readonly (BlockBackend | undefined)[];
  diskTiming: DiskTiming;
  /** A network card is there when its cable leads somewhere. */
  network?: { readonly hub: Network; readonly mac?: readonly number[] };
  /** The guest may find Xen: its platform device is there. */
  xenPlatform?: boolean;
  /** The VGA's expansion ROM: a power of two of bytes, asked for when the guest first reads it. */
  videoRom?: { readonly length: number; readonly contents: () => Uint8Array };
  /** Seconds since 1970 (UTC) at virtual time 0; fixed by default. */
  startTime?: number;
  /** RAM the CMOS tells of, in bytes; default: all of `memory`. */
  memoryBytes?: number;
}

export interface Platform {
  readonly ports: PortBus;
  /**
   * Memory-mapped registers, by guest-physical address. A strategy that has a map of its own asks `mmio.claims(gpa)`: such a
   * page is never backed by RAM, and an access to it goes to this bus with the guest-physical address. Windows move (PCI),
   * so the answer is not to be kept over an exit. On a bare machine, and under a map that leaves the ISA hole and everything
   * past the end of RAM where it is (hypervisor/shadow/p2m.ts), `Memory.mmio` is this bus and nothing has to be asked.
   */
  readonly mmio: MmioBus;
  /** What the processor's INTR and its acknowledge cycle are wired to. */
  readonly interrupts: InterruptRouter;
  readonly pic: Pic8259Pair;
  readonly pci: PciHost;
  readonly pm: Piix4Pm;
  readonly pit: Pit8254;
  readonly rtc: Rtc146818;
  readonly uart: Uart16550;
  /** Primary and secondary channel. */
  readonly ide: readonly [IdeChannel, IdeChannel];
  readonly keyboard: I8042;
  readonly vga: Vga;
  readonly a20: A20Gate;
  /** Pin of Xen's platform device; absent without it. */
  readonly xenCallback: IrqLine | undefined;
  readonly post: PostPort;
  /** Puts every device into its state after a hardware reset. */
  reset(): void;
  /** The platform is given up: nothing outside knows of it any more. */
  retire(): void;
}

/** Where firmware puts the IDE bus masters' ports. */
const BUS_MASTER_BASE = 0xc000;
/** The VGA's slot, and where firmware puts its frame buffer. */
const VGA_SLOT = 2, FRAME_BUFFER = 0xe000_0000;
/** The network card's slot and windows, the slot of Xen's platform device. */
const NIC_SLOT = 3, XEN_SLOT = 4, NIC_PORTS = 0xc100, NIC_MEMORY = 0xfebf_1000;

export function createPlatform(options: PlatformOptions): Platform {
  const { clock, count } = options;
  const ports = new PortBus(count);
  const mmio = new MmioBus(count);
  const interrupts = new InterruptRouter({ clock, count, intr: options.onInterrupt ?? (() => {}), nmi: options.onNmi, apic: options.apic ?? true });
  const { pic } = interrupts;
  const pit = new Pit8254({ clock, irq0: interrupts.line(0), count, onNmi: () => updateNmi() });
  const uart = new Uart16550({ irq: interrupts.line(4), output: options.serialOut, count });
  const rtc = new Rtc146818({
    clock, irq: interrupts.line(8), count, startTime: options.startTime, memoryBytes: options.memoryBytes ?? options.memory.size,
    onNmiMask: () => updateNmi(),
  });
  let nmiLevel = false;
  /** The chip set's NMI: IOCHK# by port 0x61, unless bit 7 of port 0x70 masks it; an edge to the processor. */
  const updateNmi = (): void => {
    const level = pit.nmiRequested && !rtc.nmiMasked;
    if (level && !nmiLevel) interrupts.nmiPin();
    nmiLevel = level;
  };
  const disk = (index: number): ((host: IdeHost) => IdeDrive) | undefined => {
    const disc = options.discs?.[index];
    if (disc) return host => new AtapiCd(host, { backend: disc, clock, timing: options.diskTiming, count });
    const backend = options.disks?.[index];
    return backend && (host => new AtaDisk(host, { backend, clock, timing: options.diskTiming, count, position: index & 1 }));
  };
  const bridge = new Piix3Ide(options.memory, count);
  bridge.bind(ports.movable("ide.bus_master", BUS_MASTER_PORTS, bridge));
  const [primaryMaster, secondaryMaster] = bridge.masters;
  const primary = new IdeChannel({ irq: interrupts.line(14), dma: primaryMaster, drives: [disk(0), disk(1)] });
  const secondary = new IdeChannel({ irq: interrupts.line(15), dma: secondaryMaster, drives: [disk(2), disk(3)] });
  const a20 = new A20Gate(options.onA20 ?? (() => {}));
  const systemControl = new SystemControlPortA(a20, options.onReset);
  const keyboard = new I8042({ irq1: interrupts.line(1), irq12: interrupts.line(12), a20, onReset: options.onReset });
  const post = new PostPort();
  const pci = new PciHost(options.onReset);
  const isa = new IsaBridge(irq => interrupts.line(irq));
  const pm = new Piix4Pm({ clock, sci: interrupts.line(9), onPowerOff: options.onPowerOff ?? (() => options.onExit(0)) });
  const nic = options.network && makeNic(options.network.hub, options.network.mac ?? DEFAULT_MAC);
  const xen = options.xenPlatform ? xenPlatform() : undefined;
  const apm = new ApmPorts();
  const vga = new Vga(clock);
  vga.bind(mmio.movable("vga.frame_buffer", LFB_BYTES, vga.dispi.window));
  const { videoRom } = options;
  if (videoRom) vga.config.addRom(videoRom.length, { place: mmio.movable("vga.rom", videoRom.length, romWindow(videoRom.contents)) });
  function makeNic(network: Network, mac: readonly number[]): Rtl8139 {
    const card = new Rtl8139({ clock, memory: options.memory, count, irq: isa.line(NIC_SLOT, 1), mac, network });
    card.bind(ports.movable("rtl8139", RTL8139_BYTES, card), mmio.movable("rtl8139", RTL8139_BYTES, card));
    return card;
  }
  const absent = (name: string): PortDevice => absentDevice(name, count);

  /** First port, number of ports, name, device. */
  const map: readonly (readonly [number, number, string, PortDevice])[] = [
    [0x0000, 16, "dma1", absent("dma")],
    [0x0020, 2, "pic.master", pic.master],
    [0x0040, 4, "pit", pit],
    [0x0060, 1, "keyboard.data", keyboard.data],
    [0x0061, 1, "port61", pit.port61],
    [0x0064, 1, "keyboard.command", keyboard.command],
    [0x0070, 2, "rtc", rtc],
    [0x0080, 1, "post", post],
    [0x0081, 15, "dma.pages", absent("dma")],
    [0x0092, 1, "port92", systemControl],
    [0x00a0, 2, "pic.slave", pic.slave],
    [0x00b2, 2, "apm", apm],
    [0x00c0, 32, "dma2", absent("dma")],
    [0x00e9, 1, "debug.console", new DebugConsole(options.debugOut, count)],
    [0x00f0, 2, "fpu", absent("fpu")],
    [0x00f4, 1, "exit", new ExitPort(options.onExit)],
    [0x0170, 8, "ide.secondary", secondary],
    [DISPI_PORTS, DISPI_PORT_COUNT, "vga.dispi", vga.dispi],
    [0x01f0, 8, "ide.primary", primary],
    [0x0278, 8, "lpt2", absent("parallel")],
    [0x02e8, 8, "com4", absent("serial")],
    [0x02f8, 8, "com2", absent("serial")],
    [0x0376, 1, "ide.secondary.control", secondary.control],
    [0x0378, 8, "lpt1", absent("parallel")],
    [VGA_PORTS, VGA_PORT_COUNT, "vga", vga],
    [0x03e8, 8, "com3", absent("serial")],
    [0x03f0, 6, "floppy", absent("floppy")],
    [0x03f6, 1, "ide.primary.control", primary.control],
    [0x03f8, 8, "com1", uart],
    [0x04d0, 2, "pic.elcr", pic.elcr],
    [0x0cf8, 8, "pci", pci],
  ];
  /** PCI device, function, configuration space. */
  const functions: readonly (readonly [number, number, PciFunction])[] = [
    [0, 0, hostBridge()],
    [1, 0, isa.config],
    [1, 1, bridge.config],
    [1, 3, pm.config],
    [VGA_SLOT, 0, vga.config],
    ...(nic ? [[NIC_SLOT, 0, nic.config] as const] : []),
    ...(xen ? [[XEN_SLOT, 0, xen] as const] : []),
  ];
  for (const [base, length, name, device] of map) ports.register(name, base, length, device);
  pm.bind(ports.movable("pm", PM_LENGTH, pm));
  for (const [device, fn, config] of functions) pci.add(device, fn, config);
  mmio.register("vga.memory", VGA_MEMORY, VGA_MEMORY_BYTES, vga.window);
  /** What firmware sets up before a system starts: where windows are, and which IRQ a function has. */
  const configure = (): void => {
    bridge.config.setBar(4, BUS_MASTER_BASE);
    bridge.config.write(PCI_COMMAND, 2, COMMAND_IO | COMMAND_MASTER);
    vga.config.setBar(0, FRAME_BUFFER);
    vga.config.write(PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY);
    nic?.config.setBar(0, NIC_PORTS);
    nic?.config.setBar(1, NIC_MEMORY);
    nic?.config.write(PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY);
    nic?.config.write(PCI_INTERRUPT_LINE, 1, PCI_IRQS[pirqOf(NIC_SLOT, 1)]!);
    xen?.write(PCI_INTERRUPT_LINE, 1, PCI_IRQS[pirqOf(XEN_SLOT, 1)]!);
    for (const irq of new Set(PCI_IRQS)) pic.elcr.write(irq >>> 3, 1, pic.elcr.read(irq >>> 3, 1) | 1 << (irq & 7));
  };
  configure();
  if (interrupts.localApic && interrupts.ioApic) {
    mmio.register("apic.io", IO_APIC_BASE, 0x1000, interrupts.ioApic);
    mmio.register("apic.local", LOCAL_APIC_BASE, 0x1000, interrupts.localApic);
  }

  const resettable = [pci, isa, bridge, ...(nic ? [nic] : []), pm, interrupts, pit, uart, rtc, primary, secondary, systemControl, keyboard, vga];
  return {
    ports, mmio, interrupts, pic, pci, pm, pit, rtc, uart, ide: [primary, secondary], keyboard, vga, a20, post,
    xenCallback: xen && isa.line(XEN_SLOT, 1),
    reset: () => {
      for (const device of resettable) device.reset();
      configure();
    },
    retire: () => nic?.unplug(),
  };
}

/** A part of a PC that is not there: reads as all ones, is counted by its name. */
function absentDevice(name: string, count: CountEvent): PortDevice {
  const event = `device.absent.${name}`;
  return {
    read: (_offset, size) => { count(event); return 2 ** (8 * size) - 1; },
    write: () => count(event),
    widest: () => 4,
  };
}
